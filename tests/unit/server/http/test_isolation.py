"""What plain HTTP requests share: nothing of one reaches another, and none holds up the rest."""

import asyncio
from contextvars import ContextVar
from typing import Any

import pytest
from django.core.cache import caches

from tests.unit.fixtures import _project as _project
from tests.unit.peer import SECONDS, happens
from tests.unit.server.http.test_application import answered, ask, begun, gone, running
from tests.unit.views import STAGES
from wsrequest.types import Receive, Scope, Send

pytestmark = pytest.mark.asyncio

VISITOR: ContextVar[str] = ContextVar("VISITOR", default="")


async def test_listening_for_a_client_runs_in_the_context_of_its_request() -> None:
    """A server that resumes reading then keeps that context for what the connection sends next."""
    async with running() as application:
        seen: dict[str, str] = {}
        both = asyncio.Event()

        async def middleware(scope: Scope, receive: Receive, send: Send) -> None:
            VISITOR.set(scope["path"])

            async def get() -> dict[str, Any]:
                seen[scope["path"]] = VISITOR.get()
                if len(seen) == 2:
                    both.set()
                return await receive()

            await application(scope, get, send)

        wires = []
        for name in ("a", "b"):
            wires.append(ask(middleware, f"/hold/{name}/"))
            await begun(name)
        seen.clear()
        both.clear()
        await asyncio.wait_for(both.wait(), SECONDS)
        for name in ("a", "b"):
            STAGES[name].go.set()
        assert [(await answered(wire))[0] for wire in wires] == [200, 200]
        assert seen == {"/hold/a/": "/hold/a/", "/hold/b/": "/hold/b/"}


async def test_worker_threads_keep_their_own_caches() -> None:
    """A client of a cache may be unfit for several threads. ``ready()`` may have made one."""
    ours = caches["default"]
    async with running() as application:
        for name in ("a", "b"):
            assert (await answered(ask(application, f"/cached/{name}/")))[0] == 200
        assert STAGES["a"].body is not ours


async def test_body_that_came_in_one_event_counts_as_held(settings: Any) -> None:
    settings.WSREQUEST_MAX_PENDING_REQUEST_BYTES = 2**20
    settings.WSREQUEST_MAX_BODY_BYTES = settings.WSREQUEST_MAX_MESSAGE_BYTES = 2**18
    settings.WSREQUEST_THREADS = settings.WSREQUEST_MAX_THREADS = 1
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 2**20
    body = b"x" * 300_000
    async with running() as application:
        first = ask(application, "/hold/z/")
        await begun("z")
        wires = [ask(application, f"/echo/{n}/", body, method="POST") for n in range(4)]
        await asyncio.sleep(0.1)
        budget = application._wiring.get_server().budget
        assert 300_000 < budget.held_bytes <= 2**20
        STAGES["z"].go.set()
        for wire in (first, *wires):
            assert (await answered(wire))[0] == 200
        assert budget.held_bytes == 0
        kept = [STAGES[str(n)].body for n in range(4)]
        assert {getattr(body, "_rolled", False) for body in kept} == {True, False}


async def test_drain_ends_a_stream_of_events_that_never_waits() -> None:
    async with running() as application:

        async def slow(scope: Scope, receive: Receive, send: Send) -> None:
            async def send_slowly(event: dict[str, Any]) -> None:
                await send(event)
                await asyncio.sleep(0.005)

            await application(scope, receive, send_slowly)

        wire = ask(slow, "/babbling/a/")
        await wire.until("http.response.body")
        await asyncio.wait_for(application.drain(), SECONDS)
        events = await wire.ends()
        assert events[-1] == {"type": "http.response.body", "body": b""}
        await happens(STAGES["a"].closed)


async def test_stream_that_takes_long_lets_another_thread_work(settings: Any) -> None:
    settings.WSREQUEST_REQUEST_SECONDS, settings.WSREQUEST_THREADS = 1.5, 1
    async with running() as application:
        wire = ask(application, "/stream/a/")
        await wire.until("http.response.body")
        await asyncio.sleep(2)
        assert (await answered(ask(application, "/quick/b/")))[0] == 200
        STAGES["a"].go.set()
        assert await answered(wire) == (200, b"onetwo")
        assert application._wiring.get_server().pool.load().threads["blocked"] == 0


@pytest.mark.parametrize("kind", ["SystemExit", "KeyboardInterrupt"])
async def test_stream_cannot_end_the_server(kind: str) -> None:
    async with running() as application:
        errors: list[BaseException] = []

        async def caught(scope: Scope, receive: Receive, send: Send) -> None:
            try:
                await application(scope, receive, send)
            except BaseException as error:
                errors.append(error)

        await ask(caught, f"/leaving/{kind}/").ends()
        assert len(errors) == 1
        assert isinstance(errors[0], Exception)


async def test_server_that_repeats_the_body_does_not_stop_the_loop() -> None:
    """As middleware does that has read the body and gives it to the application again."""
    count = 0
    async with running() as application:

        async def replaying(scope: Scope, receive: Receive, send: Send) -> None:
            nonlocal count

            async def again() -> dict[str, Any]:
                nonlocal count
                count += 1
                if count == 100:
                    await asyncio.Event().wait()  # or it would never end
                return {"type": "http.request", "body": b"", "more_body": False}

            await application(scope, again, send)

        wire = ask(replaying, "/hold/a/")
        await begun("a")
        await asyncio.sleep(0.6)  # by then it is listened for its client
        STAGES["a"].go.set()
        assert (await answered(wire))[0] == 200
        assert count < 100


async def test_drain_waits_for_a_view_whose_client_left() -> None:
    async with running() as application:
        wire = ask(application, "/hold/a/")
        await begun("a")
        gone(wire)
        await wire.ends()
        drain = asyncio.create_task(application.drain())
        await asyncio.sleep(0.05)
        assert not drain.done()
        STAGES["a"].go.set()
        await asyncio.wait_for(drain, SECONDS)
        assert STAGES["a"].ended.is_set()


async def test_slow_uploads_of_some_addresses_leave_room_for_the_requests_of_others(
    settings: Any,
) -> None:
    settings.WSREQUEST_MAX_PENDING_REQUEST_BYTES = 2**20
    settings.WSREQUEST_MAX_BODY_BYTES = settings.WSREQUEST_MAX_MESSAGE_BYTES = 2**17
    settings.FILE_UPLOAD_MAX_MEMORY_SIZE = 2**20
    async with running() as application:
        for number in range(5):
            wire = ask(application, "/echo/a/", None, method="POST", address=f"192.0.2.{number}")
            for _ in range(60):
                wire.inbox.put_nowait(
                    {"type": "http.request", "body": b"x" * 4096, "more_body": True}
                )
        await asyncio.sleep(0.1)
        assert await answered(ask(application, "/quick/b/")) == (200, b'{"quick": "b"}')


async def test_stream_of_empty_pieces_ends_with_its_client() -> None:
    """Some views find out in this way whether anybody still listens."""
    async with running() as application:
        wire = ask(application, "/idling/a/")
        await wire.until("http.response.start")
        gone(wire)
        await wire.ends()
        await happens(STAGES["a"].closed)


@pytest.mark.parametrize("view", ["endless", "babbling"])
async def test_clients_that_read_nothing_do_not_keep_all_threads(settings: Any, view: str) -> None:
    settings.WSREQUEST_THREADS = settings.WSREQUEST_MAX_THREADS = 4
    settings.WSREQUEST_SLOW_READER_SECONDS = 0.5
    reads = asyncio.Event()
    async with running() as application:

        async def unread(scope: Scope, receive: Receive, send: Send) -> None:
            async def block(event: dict[str, Any]) -> None:
                await reads.wait()
                await send(event)

            await application(scope, receive, block)

        wires = [
            ask(unread, f"/{view}/{number}/", address=f"192.0.2.{number}") for number in range(4)
        ]
        for number in range(4):
            await begun(str(number))
        assert (await answered(ask(application, "/quick/b/")))[0] == 200
        # As many are broken off as threads are scarce.
        reads.set()
        endings: list[object] = []
        for wire in wires:
            gone(wire)
            try:
                endings.append(await wire.ends())
            except TimeoutError as error:
                endings.append(str(error))
        assert any("did not read" in str(ending) for ending in endings), endings
        for number in range(4):
            await happens(STAGES[str(number)].closed)
