"""The in-process ceiling: BaseHandler.get_response with its signals, in one thread.


python -m benchmarks.ceiling /trivial/ 3      prints requests per second
"""

import io
import os
import sys
import time

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "benchmarks.project")


def main(path: str, seconds: float) -> float:
    """Run one view in a loop; return requests per second."""
    import django  # the settings module must be named first
    from django.core import signals
    from django.core.handlers.wsgi import WSGIHandler, WSGIRequest

    django.setup()
    handler = WSGIHandler()
    environ = {
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
    count, end = 0, time.perf_counter() + seconds
    start = time.perf_counter()
    while time.perf_counter() < end:
        own = environ.copy()
        signals.request_started.send(sender=WSGIHandler, environ=own)
        response = handler.get_response(WSGIRequest(own))
        response._handler_class = WSGIHandler
        assert response.status_code == 200 and response.content
        response.close()
        count += 1
    return count / (time.perf_counter() - start)


if __name__ == "__main__":
    print(main(sys.argv[1], float(sys.argv[2])))
