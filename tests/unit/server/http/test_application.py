"""Plain HTTP by the worker threads, event by event."""

import asyncio
import gc
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from typing import Any

import pytest
from django import urls
from django.http import HttpRequest, HttpResponse

from tests.unit.fixtures import _project as _project
from tests.unit.peer import SECONDS, happens
from tests.unit.test_asgi import Wire
from tests.unit.views import STAGES
from wsrequest.asgi import Application, get_asgi_application
from wsrequest.server.http.task import HTTPTask

pytestmark = pytest.mark.asyncio

VARIABLE: ContextVar[str] = ContextVar("VARIABLE", default="")


@asynccontextmanager
async def running() -> AsyncIterator[Application]:
    application = get_asgi_application()
    try:
        yield application
    finally:
        application._wiring.stop()


def ask(
    application: Any,
    path: str,
    body: bytes | None = b"",
    *,
    method: str = "GET",
    address: str = "203.0.113.7",
    headers: tuple[tuple[bytes, bytes], ...] = (),
) -> Wire:
    """Call the application. With None for the body, the test sends the events itself."""
    scope = {
        "type": "http",
        "http_version": "1.1",
        "method": method,
        "path": path.partition("?")[0],
        "query_string": path.partition("?")[2].encode(),
        "headers": [(b"host", b"testserver"), *headers],
        "client": (address, 40000),
    }
    wire = Wire(application, scope)
    if body is not None:
        wire.inbox.put_nowait({"type": "http.request", "body": body, "more_body": False})
    return wire


async def answered(wire: Wire) -> tuple[int, bytes]:
    events = await wire.ends()
    assert [event["type"] for event in events][:1] == ["http.response.start"]
    return events[0]["status"], b"".join(event.get("body", b"") for event in events)


async def begun(name: str) -> None:
    await happens(STAGES[name].begun)


def gone(wire: Wire) -> None:
    wire.inbox.put_nowait({"type": "http.disconnect"})


async def test_request_is_answered() -> None:
    async with running() as application:
        for url in ("/quick/a/", "/aquick/a/"):
            assert await answered(ask(application, url)) == (200, b'{"quick": "a"}')


@pytest.mark.parametrize("limit", [10, 2**20], ids=["file", "memory"])
async def test_body_in_parts_is_put_together(settings: Any, limit: int) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = limit
    async with running() as application:
        wire = ask(application, "/echo/a/", None, method="POST")
        for number in range(5):
            wire.inbox.put_nowait(
                {"type": "http.request", "body": b"part %d " % number, "more_body": number < 4}
            )
        assert (await answered(wire))[1] == b"part 0 part 1 part 2 part 3 part 4 "
        assert STAGES["a"].body.closed


async def test_large_body_of_one_part_goes_to_a_file(settings: Any) -> None:
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 10
    async with running() as application:
        wire = ask(application, "/echo/a/", b"x" * 100, method="POST")
        assert (await answered(wire))[1] == b"x" * 100
        assert STAGES["a"].body._rolled


async def test_memory_of_bodies_is_limited_and_the_rest_goes_to_files(settings: Any) -> None:
    settings.WSREQUEST_MAX_PENDING_REQUEST_BYTES = settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 2**20
    settings.WSREQUEST_MAX_BODY_BYTES = settings.WSREQUEST_MAX_MESSAGE_BYTES = 2**18
    part = b"x" * 2**16
    async with running() as application:
        wires = [ask(application, f"/echo/{n}/", None, method="POST") for n in range(6)]
        for wire in wires:
            wire.inbox.put_nowait({"type": "http.request", "body": part, "more_body": True})
            wire.inbox.put_nowait({"type": "http.request", "body": part, "more_body": True})
        await asyncio.sleep(0.1)
        budget = application._wiring.get_server().budget
        assert 0 < budget.held_bytes <= 2**20
        for wire in wires:
            wire.inbox.put_nowait({"type": "http.request", "more_body": False})
            assert (await answered(wire))[1] == part * 2
        assert {STAGES[f"{n}"].body._rolled for n in range(6)} == {True, False}
        assert budget.held_bytes == 0


async def test_process_that_holds_too_much_refuses(settings: Any) -> None:
    settings.WSREQUEST_MAX_PENDING_REQUEST_BYTES = 4096
    async with running() as application:
        wire = ask(application, "/quick/a/")
        assert await answered(wire) == (503, b"Service Unavailable")
        assert (b"Retry-After", b"1") in wire.events[0]["headers"]
        assert not STAGES["a"].count


async def test_client_that_leaves_within_its_body_is_forgotten() -> None:
    async with running() as application:
        wire = ask(application, "/echo/a/", None, method="POST")
        wire.inbox.put_nowait({"type": "http.request", "body": b"x" * 100, "more_body": True})
        gone(wire)
        assert await wire.ends() == []
        assert not STAGES["a"].count
        assert application._wiring.get_server().budget.held_bytes == 0


async def test_client_that_leaves_before_its_turn_is_not_served(settings: Any) -> None:
    settings.WSREQUEST_THREADS = settings.WSREQUEST_MAX_THREADS = 1
    async with running() as application:
        first = ask(application, "/hold/a/")
        await begun("a")
        second = ask(application, "/quick/b/")
        gone(second)
        assert await second.ends() == []
        STAGES["a"].go.set()
        assert (await answered(first))[0] == 200
        assert not STAGES["b"].count


async def test_async_view_of_a_client_that_left_is_cancelled() -> None:
    async with running() as application:
        wire = ask(application, "/ahold/a/")
        await begun("a")
        gone(wire)
        assert await wire.ends() == []
        await happens(STAGES["a"].cancelled)


async def test_coroutine_that_the_server_cancels_drops_its_request() -> None:
    async with running() as application:
        wire = ask(application, "/ahold/a/")
        await begun("a")
        wire.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wire.task
        await happens(STAGES["a"].cancelled)


@pytest.mark.parametrize("url", ["/hold/a/", "/ahold/a/"])
async def test_late_request_gets_504_and_frees_the_others(
    settings: Any, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch, url: str
) -> None:
    settings.WSREQUEST_REQUEST_SECONDS, settings.WSREQUEST_THREADS = 0.3, 1
    async with running() as application:
        monkeypatch.setattr(logging.getLogger("wsrequest"), "propagate", True)
        wire = ask(application, url)
        assert await answered(wire) == (504, b"Gateway Timeout")
        assert f"GET {url} did not answer in time" in caplog.text
        assert (await answered(ask(application, "/quick/b/")))[0] == 200
        STAGES["a"].go.set()


async def test_late_request_in_the_queue_is_not_run(settings: Any) -> None:
    settings.WSREQUEST_REQUEST_SECONDS = 0.3
    settings.WSREQUEST_THREADS = settings.WSREQUEST_MAX_THREADS = 1
    async with running() as application:
        first, second = ask(application, "/hold/a/"), ask(application, "/quick/b/")
        assert (await answered(first))[0] == (await answered(second))[0] == 504
        STAGES["a"].go.set()
        await happens(STAGES["a"].ended)
        assert (await answered(ask(application, "/quick/c/")))[0] == 200
        assert not STAGES["b"].count
        assert application._wiring.get_server().budget.held_bytes == 0


async def test_context_of_middleware_around_the_application_reaches_the_view() -> None:
    async with running() as application:
        VARIABLE.set("outside")
        assert (await answered(ask(application, "/quick/a/")))[0] == 200
        assert VARIABLE.get() == "outside"


class NotModified:
    """URLs of a project whose view sets the length that the whole response would have."""

    @staticmethod
    def view(request: HttpRequest, length: str) -> HttpResponse:
        return HttpResponse(status=304, headers={"Content-Length": length, "ETag": '"a"'})

    urlpatterns = (urls.path("304/<length>/", view),)


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize(("length", "is_sent"), [("0", True), ("5", False)])
async def test_response_without_its_body_has_no_length_that_a_server_would_miss(
    settings: Any, method: str, length: str, is_sent: bool
) -> None:
    """uvicorn with httptools counts the bytes of a 304, and raises."""
    settings.ROOT_URLCONF = NotModified
    async with running() as application:
        wire = ask(application, f"/304/{length}/", method=method)
        assert await answered(wire) == (304, b"")
        headers = {name.lower(): value for name, value in wire.events[0]["headers"]}
        assert headers[b"etag"] == b'"a"'
        assert (b"content-length" in headers) is is_sent


async def test_drain_waits_for_what_is_in_flight() -> None:
    async with running() as application:
        wire = ask(application, "/hold/a/")
        await begun("a")
        drain = asyncio.create_task(application.drain())
        await asyncio.sleep(0.05)
        assert not drain.done()
        STAGES["a"].go.set()
        assert (await answered(wire))[0] == 200
        await asyncio.wait_for(drain, SECONDS)


async def test_drain_waits_for_what_began_with_other_settings(settings: Any) -> None:
    async with running() as application:
        wire = ask(application, "/hold/a/")
        await begun("a")
        for count in (10, 20):  # twice, because more than one change can lie behind a request
            settings.WSREQUEST_REQUEST_SECONDS = count
            assert (await answered(ask(application, "/quick/b/")))[0] == 200
        drain = asyncio.create_task(application.drain())
        await asyncio.sleep(0.05)
        assert not drain.done()
        STAGES["a"].go.set()
        assert (await answered(wire))[0] == 200
        await asyncio.wait_for(drain, SECONDS)


async def test_drain_ends_a_stream_of_events() -> None:
    async with running() as application:
        wire = ask(application, "/ticking/a/")
        await wire.until("http.response.start")
        await asyncio.wait_for(application.drain(), SECONDS)
        events = await wire.ends()
        assert events[-1] == {"type": "http.response.body", "body": b""}
        await happens(STAGES["a"].closed)


@pytest.mark.parametrize(
    "url",
    ["/quick/a/", "/aquick/a/", "/pieces/a/", "/apieces/a/", "/broken/a/", "/echo/a/"],
)
async def test_answered_request_leaves_nothing_for_the_collector(url: str) -> None:
    async with running() as application:
        await ask(application, "/quick/z/").ends()
        gc.collect()
        gc.disable()
        logging.disable()
        try:
            before = {id(task) for task in _tasks()}
            wire = ask(application, url, b"xyz", method="POST")
            await asyncio.wait([wire.task], timeout=SECONDS)
            has_failed = wire.task.exception() is not None
            assert has_failed is (url == "/broken/a/")
            del wire.task, wire  # an exception's frames refer to Wire.send
            await asyncio.sleep(0.05)
            assert {id(task) for task in _tasks()} <= before
        finally:
            logging.disable(logging.NOTSET)
            gc.enable()


def _tasks() -> list[Any]:
    return [thing for thing in gc.get_objects() if type(thing) is HTTPTask]
