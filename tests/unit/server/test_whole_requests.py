"""HTTP requests of uvicorn that get no task, with real servers and clients.

Each response is compared with that of the way through uvicorn's tasks.
"""

import gc
import http.client
import io
import json
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from inspect import signature
from typing import Any

import pytest
import uvicorn
from django import urls
from django.http import HttpRequest, HttpResponse, JsonResponse
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tests.unit import views
from tests.unit.fixtures import _project as _project
from tests.unit.server.test_uvicorn import SECONDS, loop, serving
from tests.unit.views import STAGES
from wsrequest.asgi import Application, get_asgi_application
from wsrequest.server.http.application import HTTPApplication
from wsrequest.server.http.task import HTTPTask
from wsrequest.server.uvicorn import HTTPProtocol
from wsrequest.server.whole_requests import RequestTaker

__all__ = ["loop"]

VARIABLE: ContextVar[str] = ContextVar("VARIABLE", default="")


def about(request: HttpRequest) -> HttpResponse:
    """What the view sees of its request."""
    names = ("REMOTE_ADDR", "wsgi.url_scheme", "CONTENT_LENGTH", "QUERY_STRING")
    seen = {name: request.META.get(name) for name in names}
    return JsonResponse({**seen, "body": request.body.decode(), "variable": VARIABLE.get()})


def fails(request: HttpRequest) -> HttpResponse:
    raise OSError("as a view may")


def bodiless(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


urlpatterns = [
    *views.urlpatterns,
    *(urls.path(f"{view.__name__}/", view) for view in (about, fails, bodiless)),
]


@pytest.fixture(autouse=True)
def _urls(settings: Any, _project: None) -> None:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [  # the last makes Content-Length
        *settings.MIDDLEWARE, "django.middleware.common.CommonMiddleware",
    ]  # fmt: skip


class Tasks:
    """Counts the tasks that uvicorn started for requests."""

    def __init__(self) -> None:
        self.count = 0


@pytest.fixture
def tasks(monkeypatch: pytest.MonkeyPatch) -> Tasks:
    counter, start = Tasks(), HttpToolsProtocol._start_asgi_task

    def count(self: HttpToolsProtocol, cycle: Any, app: Any) -> None:
        counter.count += 1
        start(self, cycle, app)

    monkeypatch.setattr(HttpToolsProtocol, "_start_asgi_task", count)
    return counter


@contextmanager
def asked(loop: str, app: Any = None, **options: Any) -> Iterator[socket.socket]:
    """A connection to a server of the project, or of an application around it."""
    options = {"access_log": False, "date_header": False, **options}
    project = get_asgi_application()
    try:
        with serving(project if app is None else app(project), loop, **options) as port:
            with socket.create_connection(("127.0.0.1", port), SECONDS) as client:
                yield client
    finally:
        project._wiring.stop()


def message(path: str = "/quick/a/", method: str = "GET", *lines: str, body: str = "") -> bytes:
    length = [f"Content-Length: {len(body)}"] if body else []
    head = [f"{method} {path} HTTP/1.1", "Host: testserver", *lines, *length]
    return "\r\n".join([*head, "", body]).encode()


class Answers(io.BufferedReader):
    """The responses on one connection, read one after the other."""

    def __init__(self, client: socket.socket) -> None:
        super().__init__(socket.SocketIO(client, "rb"))

    def close(self) -> None:
        """Each response would close it."""

    def makefile(self, mode: str) -> "Answers":
        return self

    def next(self, method: str = "GET") -> tuple[int, list[tuple[str, str]], bytes]:
        response = http.client.HTTPResponse(self, method=method)  # type: ignore[arg-type]
        response.begin()
        body = response.read()
        return response.status, response.getheaders(), body


def answers(client: socket.socket, parts: list[bytes], count: int) -> list[Any]:
    """Send requests, in parts, and return the responses."""
    for number, part in enumerate(parts):
        if number:
            time.sleep(0.05)  # so that it is not read together with the part before
        client.sendall(part)
    reader = Answers(client)
    return [reader.next(parts[0].partition(b" ")[0].decode()) for _ in range(count)]


def answer(client: socket.socket, request: bytes) -> tuple[int, bytes]:
    """Send a request and return the status and the body of its response."""
    [(status, _, body)] = answers(client, [request], 1)
    return status, body


WHOLE = {
    "sync": [message()],
    "async": [message("/aquick/a/")],
    "query": [message("/about/?a=b%20c")],
    "body": [message("/about/", "POST", body="hello")],
    "missing": [message("/missing/")],
    "fails": [message("/fails/")],
    "late head": [message()[:20], message()[20:]],
    "empty chunks": [message("/about/", "POST", "Transfer-Encoding: chunked") + b"0\r\n\r\n"],
    "upgrade": [message("/quick/a/", "GET", "Connection: upgrade", "Upgrade: h2c")],
    "chunks": [message("/about/", "POST", "Transfer-Encoding: chunked") + b"1\r\na\r\n0\r\n\r\n"],
}
OTHER = {
    "head": [message(method="HEAD")],
    "late body": [message("/about/", "POST", body="hello")[:-2], b"lo"],
    "large": [message("/about/", "POST", body="x" * 300_000)],
    "expects": [message("/about/", "POST", "Expect: 100-continue", body="hello")],
    "close": [message("/quick/a/", "GET", "Connection: close")],
    "old": [message().replace(b"HTTP/1.1", b"HTTP/1.0")],
    "socket": [message("/ws/")],
    "django": [message("/django/a/")],
}
GOES_ON = {
    "events": [message("/events/a/")],
    "sync stream": [message("/stream/a/")],
    "async stream": [message("/aprefix/a/")],
    "pipelined": [message() + message("/quick/b/")],
    "no body": [message("/bodiless/")],
}


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        *(pytest.param(parts, 0, id=name) for name, parts in WHOLE.items()),
        *(pytest.param(parts, 1, id=name) for name, parts in OTHER.items()),
        *(pytest.param(parts, 1, id=name) for name, parts in GOES_ON.items()),
    ],
)
def test_response_is_the_same_without_a_task(
    loop: str, parts: list[bytes], expected: int, tasks: Tasks, settings: Any
) -> None:
    settings.WSREQUEST_HTTP_DJANGO_PATHS = ["/django/"]
    STAGES["a"].go.set()
    requests = b"".join(parts).count(b" HTTP/1.")
    with asked(loop) as client:
        found = answers(client, parts, requests)
    assert tasks.count == requests * expected
    settings.WSREQUEST_UVICORN_FAST_PATH = False
    tasks.count = 0
    with asked(loop) as client:
        assert answers(client, parts, requests) == found
    assert tasks.count == requests


def test_connection_takes_one_request_after_the_other(loop: str, tasks: Tasks) -> None:
    with asked(loop) as client:
        for number in range(5):
            _, body = answer(client, message("/about/", "POST", body=str(number)))
            assert json.loads(body)["body"] == str(number)
    assert tasks.count == 0


@pytest.mark.parametrize(
    "options",
    [{"access_log": True}, {"limit_concurrency": 100}, {"reset_contextvars": True}],
    ids=str,
)
def test_what_uvicorn_does_for_each_task_needs_one(options: dict[str, Any], tasks: Tasks) -> None:
    if not options.keys() <= signature(uvicorn.Config).parameters.keys():
        pytest.skip("not in this uvicorn")
    with asked("asyncio", **options) as client:
        assert answer(client, message()) == (200, b'{"quick": "a"}')
    assert tasks.count == 1


def _wrapped(application: Any) -> Any:
    async def middleware(scope: Any, receive: Any, send: Any) -> None:
        VARIABLE.set("of middleware")
        await application(scope, receive, send)

    return middleware


def _subclassed(application: Any) -> Any:
    class Extended(Application):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            VARIABLE.set("of middleware")
            await super().__call__(scope, receive, send)

    application.__class__ = Extended
    return application


@pytest.mark.parametrize("around", [_wrapped, _subclassed])
def test_no_request_passes_by_what_is_around_the_application(
    around: Callable[[Any], Any], tasks: Tasks
) -> None:
    with asked("asyncio", around) as client:
        assert b'"variable": "of middleware"' in answer(client, message("/about/"))[1]
    assert tasks.count == 1


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({}, ("203.0.113.9", "https")),
        ({"forwarded_allow_ips": "192.0.2.1"}, ("127.0.0.1", "http")),
        ({"proxy_headers": False}, ("127.0.0.1", "http")),
    ],
)
def test_headers_of_a_trusted_proxy_count(
    options: dict[str, Any], expected: tuple[str, str], tasks: Tasks
) -> None:
    lines = ("X-Forwarded-For: 203.0.113.9", "X-Forwarded-Proto: https")
    with asked("asyncio", **options) as client:
        seen = json.loads(answer(client, message("/about/", "GET", *lines))[1])
    assert (seen["REMOTE_ADDR"], seen["wsgi.url_scheme"]) == expected
    assert tasks.count == 0


def test_middleware_of_another_uvicorn_that_waits_is_left_to_a_task() -> None:
    class Waiting(ProxyHeadersMiddleware):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            await receive()

    class Copying(ProxyHeadersMiddleware):
        async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
            return await self.app({**scope, "client": ("203.0.113.9", 1)}, receive, send)  # type: ignore[arg-type]

    async def receive() -> Any:
        await Pause()

    class Pause:
        def __await__(self) -> Any:
            yield

    taken: list[Any] = []

    def take(scope: Any, *rest: Any) -> bool:
        taken.append(scope)
        return True

    for kind, is_taken in ((ProxyHeadersMiddleware, True), (Waiting, False)):
        taker = RequestTaker(take, kind(None))  # type: ignore[arg-type]
        scope = {"type": "http", "client": None}
        assert taker.take(scope, receive, receive, b"", print) is is_taken  # type: ignore[arg-type]
        assert taken == ([scope] if is_taken else [])
        taken.clear()
    taker = RequestTaker(take, Copying(None))  # type: ignore[arg-type]
    assert taker.take(scope, receive, receive, b"", print)  # type: ignore[arg-type]
    assert taken[0]["client"] == ("203.0.113.9", 1)


@pytest.mark.parametrize("seconds", [0.0, 0.5])
def test_async_view_of_a_client_that_left_is_cancelled(loop: str, seconds: float) -> None:
    with asked(loop) as client:
        client.sendall(message("/ahold/a/"))
        assert STAGES["a"].begun.wait(SECONDS)
        time.sleep(seconds)  # until it is old enough for the server to listen for its client
        client.close()
        assert STAGES["a"].cancelled.wait(SECONDS)


def test_late_request_gets_504(settings: Any) -> None:
    settings.WSREQUEST_REQUEST_SECONDS = 0.5
    with asked("asyncio") as client:
        assert answer(client, message("/hold/a/"))[0] == 504
        STAGES["a"].go.set()
        assert STAGES["a"].ended.wait(SECONDS)
        assert answer(client, message())[0] == 200


def test_process_that_holds_too_much_refuses(settings: Any, tasks: Tasks) -> None:
    settings.WSREQUEST_MAX_PENDING_REQUEST_BYTES = 4096
    with asked("asyncio") as client:
        assert answer(client, message())[0] == 503
    assert tasks.count == 1


def test_error_of_the_application_is_that_of_its_task(
    monkeypatch: pytest.MonkeyPatch, tasks: Tasks
) -> None:
    def fail(*args: Any) -> Any:
        raise RuntimeError("as with a setting that cannot work")

    monkeypatch.setattr(HTTPApplication, "_requests_for", fail)
    with asked("asyncio") as client:
        assert answer(client, message())[0] == 500
    assert tasks.count == 1


@pytest.mark.parametrize("path", ["/hold/a/", "/stream/a/", "/hold_astream/a/"])
def test_server_that_ends_answers_what_is_in_flight(loop: str, path: str) -> None:
    """Even if it ends before anything has listened for the client."""
    project = get_asgi_application()
    timer = threading.Timer(0.1, STAGES["a"].go.set)
    with serving(project, loop, access_log=False) as port:
        client = socket.create_connection(("127.0.0.1", port), SECONDS)
        client.sendall(message(path))
        assert STAGES["a"].begun.wait(SECONDS)
        timer.start()
    with client:
        found = b"".join(iter(lambda: client.recv(65536), b""))
    project._wiring.stop()
    timer.join(SECONDS)
    assert found.startswith(b"HTTP/1.1 200 ")
    # A stream ends with an empty chunk.
    assert found.endswith(b'{"held": "a"}' if path == "/hold/a/" else b"\r\n0\r\n\r\n")


def test_answered_requests_leave_nothing_for_the_collector() -> None:
    def tasks() -> int:
        return sum(type(each) is HTTPTask for each in gc.get_objects())

    with asked("asyncio") as client:
        answer(client, message())  # what is made once
        gc.collect()
        gc.disable()
        try:
            for _ in range(5):
                answer(client, message())
            end = time.monotonic() + SECONDS
            while tasks() > 1:  # of the last, the server may still have the scope
                assert time.monotonic() < end
                time.sleep(0.01)
        finally:
            gc.enable()


def test_closed_connection_leaves_nothing_for_the_collector() -> None:
    def protocols() -> int:
        return sum(type(each) is HTTPProtocol for each in gc.get_objects())

    with asked("uvloop") as client:
        gc.collect()
        gc.disable()
        try:
            before = protocols()
            for _ in range(20):
                with socket.create_connection(client.getpeername(), SECONDS) as another:
                    answer(another, message())
            end = time.monotonic() + SECONDS
            # Without a cycle all of them go at once. Few may be held by chance, such as by a
            # traceback of another thread.
            while protocols() > before + 5:
                assert time.monotonic() < end
                if sys.version_info >= (3, 14):  # there, something keeps them in a cycle
                    gc.collect()
                time.sleep(0.01)
        finally:
            gc.enable()


def test_connection_without_requests_is_closed_after_the_last(loop: str) -> None:
    with asked(loop, timeout_keep_alive=2) as client:
        answer(client, message())
        time.sleep(0.5)
        begun = time.monotonic()
        answer(client, message())
        assert client.recv(1) == b""
        assert time.monotonic() - begun > 1.9


def test_connection_whose_request_takes_long_is_not_closed(loop: str) -> None:
    with asked(loop, timeout_keep_alive=1) as client:
        answer(client, message())
        threading.Timer(1.5, STAGES["a"].go.set).start()
        assert answer(client, message("/hold/a/")) == (200, b'{"held": "a"}')
        assert client.recv(1) == b""


def test_responses_count_for_the_limit_of_the_process() -> None:
    with asked("asyncio", limit_max_requests=3, timeout_keep_alive=60) as client:
        for _ in range(3):
            assert answer(client, message())[0] == 200
        assert client.recv(1) == b""  # before any keep-alive timeout would end
