"""What the parts of a request take when nothing else happens: in one thread, without a server.

A process that is kept, as ``ceiling``. It reads a path and a number of seconds from each line of
its input, and prints processor microseconds of each part. ``interrupted`` is the ceiling's loop
while another thread of the process wakes up every millisecond and does nothing; ``wakes`` how
often it did for each request.
"""

import json
import statistics
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import django
from asgiref.sync import async_to_sync
from django.core.handlers.wsgi import WSGIHandler

from benchmarks.apps.ceiling import request_environ, run

_BLOCK_SECONDS = 0.05
_NAP_SECONDS = 0.001


class Alarm:
    """A thread that wakes up again and again while inside."""

    def __init__(self) -> None:
        self.wakes = 0
        self._stopped = False
        self._thread = threading.Thread(target=self._wake)

    def _wake(self) -> None:
        while not self._stopped:
            time.sleep(_NAP_SECONDS)
            self.wakes += 1

    def __enter__(self) -> "Alarm":
        self._thread.start()
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._stopped = True
        self._thread.join()


def block(part: Callable[[], object]) -> tuple[float, int]:
    """Run a part for a while; return the microseconds of one go, and how often it ran."""
    count, start, end = 0, time.thread_time(), time.perf_counter() + _BLOCK_SECONDS
    while time.perf_counter() < end:
        for _ in range(10):
            part()
        count += 10
    return 1e6 * (time.thread_time() - start) / count, count


def parts(path: str) -> dict[str, Callable[[], object]]:
    """What a request is made of, by name."""
    from websockets.protocol import OPEN
    from websockets.server import ServerProtocol

    from wsrequest.protocol.client_codec import decode_client
    from wsrequest.protocol.messages import Request, Response
    from wsrequest.protocol.server_codec import encode_server
    from wsrequest.request.environ import WebSocketInfo, make_base, make_environ, request_attributes
    from wsrequest.request.handler import Handler
    from wsrequest.request.response import sent_headers
    from wsrequest.server.uvicorn import join

    environ, wsgi, ours = request_environ(path), WSGIHandler(), Handler()
    headers = [(b"host", b"127.0.0.1"), (b"user-agent", b"bench")]
    base = make_base({"client": ("127.0.0.1", 1), "headers": headers})
    text = json.dumps({"id": 1, "url": path})
    message = decode_client(text, max_bytes=2**20)
    assert isinstance(message, Request)
    info, parser = WebSocketInfo("1", None), ServerProtocol(state=OPEN)
    # A frame of a client is one of a server with the mask bit, and a mask, here of zeros.
    sent = join(text)
    sent = bytes((sent[0], sent[1] | 0x80)) + bytes(4) + sent[2:]

    class Caller:
        is_dropped = False

        request_attributes = request_attributes(base, info)
        prepare = None

        def carry(self, view: Any) -> Any:
            return async_to_sync(view)

    def handled() -> Response:
        environ = make_environ(message, base, cookie="", token_scheme="JWT")
        outcome = ours.handle(environ, Caller())
        headers, _ = sent_headers(outcome.status, outcome.headers, show_cookies=True)
        found = Response(outcome.status, headers, 1, outcome.content)
        outcome.close()
        return found

    def parsed() -> object:
        parser.receive_data(sent)
        return parser.events_received()

    answer = handled()
    frame = encode_server(answer)
    return {
        "ceiling": lambda: run(wsgi, environ),
        "handled": handled,
        "encoded": lambda: encode_server(answer),
        "decoded": lambda: decode_client(text, max_bytes=2**20),
        "cut": parsed,
        "joined": lambda: join(frame),
    }


def measured(path: str, seconds: float) -> dict[str, float]:
    """Measure all parts in turn; the median of each."""
    known = parts(path)
    found: dict[str, list[float]] = {name: [] for name in (*known, "interrupted", "wakes")}
    end = time.perf_counter() + seconds
    while time.perf_counter() < end or not found["wakes"]:
        for name, part in known.items():
            found[name].append(block(part)[0])
        with Alarm() as alarm:
            taken, count = block(known["ceiling"])
        found["interrupted"].append(taken)
        found["wakes"].append(alarm.wakes / count)
    return {name: statistics.median(values) for name, values in found.items()}


def main() -> None:
    """Serve the commands until the input ends."""
    django.setup()
    for line in sys.stdin:
        path, seconds = line.split()
        print(json.dumps(measured(path, float(seconds))))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
