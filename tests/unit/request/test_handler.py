"""The handler: signals, exceptions, middleware and async views, as under a WSGI server.

Long by its cases: one handler beside what Django and its tools expect of it.
"""

import asyncio
import io
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial
from typing import Any

import pytest
from asgiref.sync import async_to_sync, iscoroutinefunction, markcoroutinefunction
from django.core import signals
from django.core.cache import caches
from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.db import connections, transaction
from django.http import FileResponse, HttpRequest, HttpResponse, StreamingHttpResponse
from django.http.response import ResponseHeaders
from django.urls import path, reverse
from django.utils.decorators import async_only_middleware, sync_only_middleware
from django.views import View

from tests.unit.request.callers import Caller
from wsrequest.request import handler
from wsrequest.request.handler import Handler, finish_thread, prepare_thread
from wsrequest.request.response import Outcome
from wsrequest.workers.pool import WorkerPool
from wsrequest.workers.queue import QueueKey

LOG: list[str] = []


def plain(request: HttpRequest) -> HttpResponse:
    LOG.append("view")
    return HttpResponse(reverse("plain"))


async def asynchronous(request: HttpRequest) -> HttpResponse:
    LOG.append("async view")
    await asyncio.sleep(0)
    return HttpResponse("async")


class AsyncClass(View):
    async def get(self, request: HttpRequest) -> HttpResponse:
        await asyncio.sleep(0)
        return HttpResponse("async class")


def fail(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("the view fails")


async def async_fail(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("the async view fails")


def leave(request: HttpRequest) -> HttpResponse:
    raise SystemExit(3)


async def async_leave(request: HttpRequest) -> HttpResponse:
    raise SystemExit(3)


def nothing(request: HttpRequest) -> Any:
    return None


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def walk() -> Iterator[str]:
        LOG.append("stream")
        yield "x"

    return StreamingHttpResponse(walk())


async def async_stream(request: HttpRequest) -> StreamingHttpResponse:
    async def walk() -> AsyncIterator[str]:
        yield "x"

    return StreamingHttpResponse(walk())


def file(request: HttpRequest) -> FileResponse:
    return FileResponse(io.BytesIO(bytes(10_000)))


async def cancelled(request: HttpRequest) -> HttpResponse:
    raise asyncio.CancelledError


@transaction.non_atomic_requests
async def not_atomic(request: HttpRequest) -> HttpResponse:
    return HttpResponse("not atomic")


urlpatterns = [
    path("plain/", plain, name="plain"),
    path("async/", asynchronous),
    path("async-class/", AsyncClass.as_view()),
    path("fail/", fail),
    path("async-fail/", async_fail),
    path("leave/", leave),
    path("async-leave/", async_leave),
    path("nothing/", nothing),
    path("stream/", stream),
    path("stream/async/", async_stream),
    path("file/", file),
    path("cancelled/", cancelled),
    path("not-atomic/", not_atomic),
]

GetResponse = Callable[[HttpRequest], Any]


def outer(get_response: GetResponse) -> GetResponse:
    return noting("outer", get_response)


def inner(get_response: GetResponse) -> GetResponse:
    return noting("inner", get_response)


outer, inner = sync_only_middleware(outer), sync_only_middleware(inner)


def noting(name: str, get_response: GetResponse) -> GetResponse:
    def middleware(request: HttpRequest) -> Any:
        LOG.append(f"{name} in")
        response = get_response(request)
        LOG.append(f"{name} out")
        return response

    return middleware


@async_only_middleware
def foreign(get_response: Callable[[HttpRequest], Awaitable[Any]]) -> Any:
    async def middleware(request: HttpRequest) -> Any:
        LOG.append("foreign in")
        response = await get_response(request)
        LOG.append("foreign out")
        return response

    return middleware


@sync_only_middleware
def failing(get_response: GetResponse) -> GetResponse:
    def middleware(request: HttpRequest) -> Any:
        raise RuntimeError("the middleware fails")

    return middleware


@pytest.fixture(autouse=True)
def _project(settings: Any) -> Iterator[None]:
    settings.ROOT_URLCONF = __name__
    settings.MIDDLEWARE = [f"{__name__}.outer", f"{__name__}.inner"]
    LOG.clear()
    yield
    LOG.clear()


@pytest.fixture
def heard() -> Iterator[list[str]]:
    """What the request signals told, in order, in ``LOG``."""
    names = {
        signals.request_started: "started",
        signals.request_finished: "finished",
        signals.got_request_exception: "exception",
    }
    receivers = {}
    for signal, name in names.items():

        def receiver(name: str = name, **kwargs: Any) -> None:
            LOG.append(name)

        signal.connect(receiver)
        receivers[signal] = receiver
    yield LOG
    for signal, receiver in receivers.items():
        signal.disconnect(receiver)


def make(url: str, **environ: Any) -> WSGIRequest:
    return WSGIRequest(
        {
            "REQUEST_METHOD": "GET",
            "PATH_INFO": url,
            "SCRIPT_NAME": "",
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "wsgi.input": io.BytesIO(),
            "wsgi.url_scheme": "http",
            **environ,
        }
    )


def handle(url: str, carry: Any = async_to_sync, **environ: Any) -> Any:
    outcome = Handler().handle(make(url, **environ).environ, Caller(carry))
    assert outcome.result is outcome.response  # no tool is at work
    return outcome.response


def test_handle_runs_middleware_around_the_view() -> None:
    assert handle("/plain/").content == b"/plain/"
    assert LOG == ["outer in", "inner in", "view", "inner out", "outer out"]


def test_handle_tells_of_the_start_before_and_of_the_end_at_the_close(heard: list[str]) -> None:
    response = handle("/stream/")
    assert heard[0] == "started" and "finished" not in heard
    assert list(response) == [b"x"]
    response.close()
    assert heard[-2:] == ["stream", "finished"]
    assert heard.count("finished") == heard.count("started") == 1


def test_the_sender_of_the_signals_is_django_s_handler() -> None:
    senders = []

    def receiver(sender: Any, **kwargs: Any) -> None:
        senders.append(sender)

    for signal in (signals.request_started, signals.request_finished):
        signal.connect(receiver)
    try:
        handle("/plain/").close()
    finally:
        for signal in (signals.request_started, signals.request_finished):
            signal.disconnect(receiver)
    assert senders == [WSGIHandler, WSGIHandler]


def test_handle_sets_the_script_prefix() -> None:
    assert handle("/plain/", SCRIPT_NAME="/app").content == b"/app/plain/"


def test_handle_forces_the_script_prefix_where_the_project_does(settings: Any) -> None:
    settings.FORCE_SCRIPT_NAME = "/forced"
    assert handle("/plain/").content == b"/forced/plain/"


def signals_by_http(url: str) -> int:
    """How often Django tells of an exception when a WSGI server runs the same request."""
    before = LOG.count("exception")
    try:
        WSGIHandler()(make(url).environ, lambda status, headers, *_: print).close()
    except BaseException:  # it is the server's, which answers with a 500
        signals.request_finished.send(sender=WSGIHandler)
    count = LOG.count("exception") - before
    LOG.clear()
    return count


@pytest.mark.parametrize("url", ["/fail/", "/async-fail/", "/nothing/", "/leave/", "/async-leave/"])
@pytest.mark.parametrize("is_propagating", [False, True])
def test_a_view_that_fails_becomes_a_500_and_is_told_of_as_by_http(
    url: str, is_propagating: bool, heard: list[str], settings: Any
) -> None:
    settings.DEBUG_PROPAGATE_EXCEPTIONS = is_propagating
    expected = signals_by_http(url)
    response = handle(url)
    response.close()
    assert response.status_code == 500
    assert heard[-1] == "finished" and heard.count("finished") == 1
    assert heard.count("exception") == expected


@pytest.mark.parametrize("url", ["/leave/", "/async-leave/"])
def test_a_view_that_leaves_is_logged_and_the_process_stays(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    assert handle(url).content == b"Internal Server Error"
    assert "Internal Server Error" in caplog.text


def test_a_middleware_that_raises_becomes_a_500(settings: Any, heard: list[str]) -> None:
    settings.MIDDLEWARE = [f"{__name__}.outer", f"{__name__}.failing"]
    response = handle("/plain/")
    response.close()
    assert response.status_code == 500
    assert [entry for entry in heard if entry != "exception"] == [
        "started",
        "outer in",
        "outer out",
        "finished",
    ]
    assert heard.count("exception") == 1


def test_a_receiver_of_the_start_that_raises_becomes_a_500(
    caplog: pytest.LogCaptureFixture,
) -> None:
    def receiver(**kwargs: Any) -> None:
        raise RuntimeError("the receiver fails")

    signals.request_started.connect(receiver)
    try:
        response = handle("/plain/")
    finally:
        signals.request_started.disconnect(receiver)
    response.close()
    assert response.status_code == 500
    assert "the receiver fails" in caplog.text


def test_an_unknown_path_is_a_404() -> None:
    assert handle("/missing/").status_code == 404


# Async views.


@pytest.mark.parametrize(
    ("url", "content"), [("/async/", b"async"), ("/async-class/", b"async class")]
)
def test_an_async_view_is_given_to_carry(url: str, content: bytes) -> None:
    carried = []

    def carry(view: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        carried.append(view)
        return async_to_sync(view)

    assert handle(url, carry=carry).content == content
    assert len(carried) == 1


def test_a_sync_view_is_not_given_to_carry() -> None:
    def carry(view: Any) -> Any:
        raise AssertionError("a sync view runs where it is")

    assert handle("/plain/", carry=carry).content == b"/plain/"


def test_an_async_view_runs_without_carry() -> None:
    assert handle("/async/").content == b"async"


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_an_async_view_under_atomic_requests_is_django_s_own_error(
    settings: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:

    monkeypatch.setitem(connections["default"].settings_dict, "ATOMIC_REQUESTS", True)
    assert handle("/async/").status_code == 500
    assert "You cannot use ATOMIC_REQUESTS with async views." in caplog.text
    assert handle("/not-atomic/").content == b"not atomic"


@pytest.mark.parametrize("url", ["/plain/", "/async/"])
def test_an_async_middleware_works_in_a_lane(settings: Any, url: str) -> None:
    settings.MIDDLEWARE = [f"{__name__}.outer", f"{__name__}.foreign", f"{__name__}.inner"]

    async def main() -> HttpResponse:
        pool = WorkerPool(asyncio.get_running_loop(), threads=1, max_threads=2)
        try:
            async with asyncio.timeout(5):
                return await pool.call(handle, url, queue_key=QueueKey())
        finally:
            pool.stop()

    assert asyncio.run(main()).status_code == 200
    assert [entry for entry in LOG if "view" not in entry] == [
        "outer in",
        "foreign in",
        "inner in",
        "inner out",
        "foreign out",
        "outer out",
    ]


# The door.


class Wrapped:
    """What a tool makes of a response."""

    def __init__(self, result: Any) -> None:
        self.result = result
        self.closes = 0

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self.result:
            yield chunk.upper()

    def close(self) -> None:
        self.closes += 1
        self.result.close()


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """What a tool sees that replaces ``WSGIHandler.__call__`` after the handler was made."""
    seen: list[Any] = []
    django = WSGIHandler.__call__

    def watching(self: WSGIHandler, environ: dict[str, Any], start_response: Any) -> Any:
        def started(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
            seen.append(status)
            return start_response(status, [*headers, ("X-Tool", "1")])

        seen.append((type(self), environ["PATH_INFO"]))
        return Wrapped(django(self, environ, started))

    monkeypatch.setattr(WSGIHandler, "__call__", watching)
    return seen


class Shouting(HttpResponse):
    """A response that lists its headers in a way of its own."""

    def items(self) -> Any:
        return [(name.upper(), value) for name, value in super().items()]


class Whispering(ResponseHeaders):
    """Headers that list themselves in a way of their own."""

    def items(self) -> Any:
        return [(name.lower(), value) for name, value in super().items()]


@pytest.mark.parametrize("kind", ["plain", "response", "headers"])
def test_the_headers_are_those_that_django_lists(
    monkeypatch: pytest.MonkeyPatch, kind: str
) -> None:
    response = (Shouting if kind == "response" else HttpResponse)(headers={"X-cAsE": "1"})
    response["x-Late"], response["X-Case"] = "2", "3"
    response.set_cookie("a", "1")
    if kind == "headers":
        response.headers = Whispering(response.headers)
    found: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], *_: Any) -> Any:
        found.append((status, headers))

    monkeypatch.setattr(WSGIHandler, "get_response", lambda self, request: response)
    WSGIHandler()(make("/plain/").environ, start_response)
    before = dict(vars(response))
    outcome = Handler().handle(make("/plain/").environ, Caller())
    status, headers = found[0]
    assert (outcome.status, outcome.headers) == (int(status[:3]), headers)
    assert vars(response) == before  # a tool or a cache that looks at it later finds no trace


def test_what_a_tool_does_to_the_headers_behind_django_is_sent(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    django = WSGIHandler.get_response

    def get_response(self: WSGIHandler, request: Any) -> Any:
        response: Any = django(self, request)
        response.headers = {"X-Tool": "1"}  # whatever it is, it is what Django lists
        return response

    monkeypatch.setattr(WSGIHandler, "get_response", get_response)
    assert Handler().handle(make("/plain/").environ, Caller()).headers == [("X-Tool", "1")]


def test_an_async_view_is_known_as_asgiref_knows_it() -> None:
    def marked(request: HttpRequest) -> Any: ...

    def attributed(request: HttpRequest) -> Any: ...

    attributed.csrf_exempt = True  # type: ignore[attr-defined]
    markcoroutinefunction(marked)
    views = [
        plain, asynchronous, marked, attributed, partial(plain), partial(asynchronous),
        AsyncClass.as_view(), View.as_view(), AsyncClass().get, AsyncClass, len,
    ]  # fmt: skip
    for view in views:
        assert handler._is_coroutine_function(view) is iscoroutinefunction(view), view
    assert handler._is_coroutine_function(marked)


@pytest.mark.parametrize("url", ["/plain/", "/async/", "/stream/"])
def test_a_request_is_one_call_of_django_s_own_handler(
    watched: list[Any], url: str, heard: list[str]
) -> None:
    outcome = Handler().handle(make(url).environ, Caller())
    assert outcome.response is not None
    assert watched == [(WSGIHandler, url), "200 OK"]
    assert outcome.status == 200 and ("X-Tool", "1") in outcome.headers
    content = b"".join(outcome.pieces(100)) if outcome.response.streaming else outcome.content
    assert content == {"/plain/": b"/PLAIN/", "/async/": b"ASYNC", "/stream/": b"X"}[url]
    outcome.close()
    assert outcome.result.closes == 1
    assert heard.count("started") == heard.count("finished") == 1


@pytest.mark.parametrize("name", ["get_response", "make_view_atomic"])
def test_a_method_that_a_tool_replaces_later_is_called(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    handler, calls = Handler(), []
    django = getattr(WSGIHandler, name)

    def replaced(self: WSGIHandler, argument: Any) -> Any:
        calls.append(name)
        return django(self, argument)

    monkeypatch.setattr(BaseHandler, name, replaced)
    handler.handle(make("/plain/").environ, Caller()).close()
    assert calls == [name]


def test_a_tool_may_answer_in_django_s_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def answering(self: WSGIHandler, environ: dict[str, Any], start_response: Any) -> Any:
        start_response("503 Busy", [("Retry-After", "1")])
        return [b"later"]

    monkeypatch.setattr(WSGIHandler, "__call__", answering)
    outcome = Handler().handle(make("/plain/").environ, Caller())
    assert (outcome.status, outcome.content) == (503, b"later")
    assert outcome.headers == [("Retry-After", "1")] and LOG == []
    outcome.close()


def test_a_tool_that_fails_behind_django_becomes_a_500(
    monkeypatch: pytest.MonkeyPatch, heard: list[str]
) -> None:
    django = WSGIHandler.__call__

    def failing(self: WSGIHandler, environ: dict[str, Any], start_response: Any) -> Any:
        django(self, environ, start_response)
        raise RuntimeError("the tool fails")

    monkeypatch.setattr(WSGIHandler, "__call__", failing)
    outcome = Handler().handle(make("/plain/").environ, Caller())
    outcome.close()
    assert (outcome.status, outcome.content) == (500, b"Internal Server Error")
    assert heard.count("started") == heard.count("finished") == 1


def test_a_wrapper_ends_in_its_thread_and_the_response_later(
    watched: list[Any], heard: list[str]
) -> None:
    outcome = Handler().handle(make("/stream/async/").environ, Caller())
    wrapper = outcome.result
    assert outcome.is_async and outcome.body_context is not None
    outcome.unwrap()
    assert wrapper.closes == 1 and "finished" not in heard
    outcome.close()
    assert wrapper.closes == 1 and heard.count("finished") == 1


def test_a_file_is_read_in_large_pieces_behind_a_wrapper(watched: list[Any]) -> None:
    outcome = Handler().handle(make("/file/").environ, Caller())
    assert [len(piece) for piece in outcome.pieces(6000)] == [6000, 4000]
    outcome.close()


def test_a_request_that_cannot_be_made_is_the_caller_s_error(heard: list[str]) -> None:
    def fail(request: WSGIRequest) -> None:
        raise ValueError("no request can be made")

    caller = Caller()
    caller.prepare = fail
    with pytest.raises(ValueError, match="no request can be made"):
        Handler().handle(make("/plain/").environ, caller)
    assert heard == ["started", "finished"]


@pytest.mark.parametrize("is_dropped", [False, True])
def test_a_cancelled_view_is_an_error_unless_nobody_waits(
    is_dropped: bool, heard: list[str], watched: list[Any]
) -> None:
    """Tools see a status where a client has gone, and an error where a view cancels itself."""
    caller = Caller()
    caller.is_dropped = is_dropped
    if is_dropped:
        outcome = Handler().handle(make("/cancelled/").environ, caller)
        assert outcome.is_cancelled and watched[-1] == "499 Client Closed Request"
        outcome.close()
    else:
        with pytest.raises(asyncio.CancelledError):
            Handler().handle(make("/cancelled/").environ, caller)
    assert heard.count("started") == heard.count("finished") == 1


def test_requests_within_requests_keep_apart() -> None:
    """A view may run another request in its thread, as ``WebSocketRequest`` does."""
    handler, caller = Handler(), Caller()
    inner: list[Outcome] = []
    outer: list[Outcome] = []

    def carry(view: Any) -> Any:
        def run(*args: Any) -> Any:
            handler.handle(make("/plain/").environ, Caller(), inner.append).close()
            return async_to_sync(view)(*args)

        return run

    caller.carry = carry
    assert handler.handle(make("/async/").environ, caller, outer.append).content == b"async"
    assert [len(outcomes) for outcomes in (outer, inner)] == [1, 1]


SPAN: ContextVar[str] = ContextVar("span", default="none")


@sync_only_middleware
def spanning(get_response: GetResponse) -> GetResponse:
    """As tracing middleware: its span is there while the view runs, and not behind it."""

    def middleware(request: HttpRequest) -> Any:
        token = SPAN.set(request.path)
        try:
            return get_response(request)
        finally:
            SPAN.reset(token)

    return middleware


@pytest.mark.parametrize("url", ["/plain/", "/async/", "/fail/", "/stream/async/"])
def test_the_context_of_an_outcome_is_the_view_s(settings: Any, url: str) -> None:
    settings.MIDDLEWARE = [f"{__name__}.spanning"]
    outcome = Handler().handle(make(url).environ, Caller())
    outcome.close()
    assert outcome.context is not None and outcome.context[SPAN] == url
    assert SPAN.get() == "none"
    if outcome.is_async:  # as Django's own handlers have it
        assert outcome.body_context is not None
        assert outcome.body_context.get(SPAN, "none") == "none"


# What threads keep.


@contextmanager
def lane_of_one(loop: asyncio.AbstractEventLoop) -> Iterator[WorkerPool]:
    pool = WorkerPool(loop, threads=1, max_threads=1, prepare=prepare_thread)
    try:
        yield pool
    finally:
        pool.stop()


def test_requests_of_a_thread_share_their_cache_objects(settings: Any) -> None:
    async def main() -> list[tuple[int, Any]]:
        with lane_of_one(asyncio.get_running_loop()) as pool:
            source = QueueKey()

            def look() -> tuple[int, Any]:
                return threading.get_ident(), caches["default"]

            return [await pool.call(look, queue_key=source) for _ in range(3)]

    found = asyncio.run(main())
    assert len({ident for ident, _ in found}) == 1
    assert len({id(cache) for _, cache in found}) == 1


class Unavailable:
    """A cache backend whose library is not installed, as PyMemcacheCache fails."""

    def __init__(self, *args: Any) -> None:
        raise ModuleNotFoundError("No module named 'pymemcache'")


@pytest.mark.parametrize(
    "backend",
    [
        pytest.param(f"{__name__}.Unavailable", id="its-library-is-missing"),
        pytest.param("no.such.Backend", id="it-is-missing-itself"),
    ],
)
def test_a_cache_that_cannot_be_made_is_only_the_error_of_who_asks_for_it(
    settings: Any, backend: str
) -> None:
    local = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}
    settings.CACHES = {"default": local, "broken": {"BACKEND": backend}, "other": local}
    prepare_thread()
    assert caches["other"].get("nothing") is None


def test_a_thread_that_ends_closes_its_database_connections() -> None:
    closed: list[str] = []

    def work() -> None:
        for alias in ("default", "other"):
            one: Any = connections[alias]
            one.close = partial(closed.append, alias)
        finish_thread()

    thread = threading.Thread(target=work)
    thread.start()
    thread.join()
    assert sorted(closed) == ["default", "other"]
