"""The in-process ceiling: BaseHandler.get_response with its signals in one thread, no server.

A process that is kept for all rounds. It reads a path and a number of seconds
from typing import Any
from each line of its input, runs that view so long, and prints one JSON object.
"""

import io
import json
import sys
import time
from typing import Any

import django
from django.core import signals
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest


def request_environ(path: str) -> dict[str, object]:
    """What a WSGI server would give for a GET of ``path``."""
    return {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path,
        "QUERY_STRING": "",
        "SCRIPT_NAME": "",
        "SERVER_NAME": "127.0.0.1",
        "SERVER_PORT": "80",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "HTTP_HOST": "127.0.0.1",
        "REMOTE_ADDR": "127.0.0.1",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(),
        "wsgi.errors": sys.stderr,
    }


def run(handler: WSGIHandler, environ: dict[str, object]) -> bytes:
    """Run one request from its start signal to its close; return the body."""
    own = environ.copy()
    signals.request_started.send(sender=WSGIHandler, environ=own)
    response: Any = handler.get_response(WSGIRequest(own))
    response._handler_class = WSGIHandler
    if response.status_code != 200:
        raise SystemExit(f"the ceiling got status {response.status_code}")
    body: bytes = response.content
    response.close()
    return body


def main() -> None:
    """Serve the commands until the input ends."""
    django.setup()
    handler = WSGIHandler()
    for line in sys.stdin:
        path, seconds = line.split()
        environ = request_environ(path)
        body = run(handler, environ)
        count, cpu, start = 0, time.process_time(), time.perf_counter()
        end = start + float(seconds)
        while time.perf_counter() < end:
            run(handler, environ)
            count += 1
        taken, used = time.perf_counter() - start, time.process_time() - cpu
        print(json.dumps({"body": body.decode(), "count": count, "seconds": taken, "cpu": used}))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
