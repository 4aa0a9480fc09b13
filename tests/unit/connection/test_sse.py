"""A live request over server-sent events, and what a client that leaves leaves behind."""

import asyncio
import gc
from typing import Any
from weakref import ref

import pytest

from tests.unit.live_views import DATABASE, TABLES, live_service
from tests.unit.peer import SECONDS, base, happens, pool_open
from tests.unit.views import STAGES
from wsrequest.connection.sse import SSEResponse
from wsrequest.protocol.messages import Request
from wsrequest.server.context import ConnectionConfig, ServerContext
from wsrequest.server.write_buffer import ResponseBuffer
from wsrequest.types import Limits

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def _views(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.unit.live_views"


class Client:
    """One that opens a stream, and may go away."""

    def __init__(self, server: ServerContext, url: str, **limits: Any) -> None:
        self.gone = 0
        self.events: list[dict[str, Any]] = []
        self._leaves, self.reads = asyncio.Event(), asyncio.Event()
        self.reads.set()
        config = ConnectionConfig(Limits(**{"ping_seconds": SECONDS, **limits}))
        buffer, gone = self.buffer(), self._is_gone
        stream = SSEResponse(self.send, base(), server, config, [], buffer, gone)
        self.stream = ref(stream)
        message = Request("GET", url, subscribe=True)
        self.task = asyncio.create_task(stream.run(self._receive, message))

    def buffer(self) -> ResponseBuffer | None:
        """What the server shows of its buffer."""
        return None

    async def send(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        await self.reads.wait()

    async def _receive(self) -> dict[str, Any]:
        await self._leaves.wait()
        return {"type": "http.disconnect"}

    def _is_gone(self) -> None:
        self.gone += 1

    async def leave(self) -> None:
        self._leaves.set()
        await asyncio.wait_for(self.task, SECONDS)


async def becomes(is_so: Any) -> None:
    async with asyncio.timeout(SECONDS):
        while not is_so():  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0)


async def test_streams_that_are_cut_during_their_first_run_are_counted_and_then_freed() -> None:
    """1,000 of them had left 809 streams and timers for a minute, which nothing counted."""
    async with pool_open(2) as pool, live_service(pool) as server:
        clients = [Client(server, "/held/a/") for _ in range(20)]
        await happens(STAGES["a"].begun)
        await becomes(lambda: STAGES["a"].count == 2)
        for client in clients:
            await client.leave()
        # Those whose views had not begun are gone; the others have a thread each, and count.
        assert sum(client.gone for client in clients) == 18
        assert DATABASE[0].is_empty()
        STAGES["a"].go.set()
        await becomes(lambda: all(client.gone == 1 for client in clients))
        for client in clients:
            client.task = None  # type: ignore[assignment]  # it would keep the stream alive
        gc.collect()
        # request_seconds are not over: no timer waits for them.
        assert not [client for client in clients if client.stream() is not None]


async def test_a_stream_counts_until_it_ends_and_once() -> None:
    async with pool_open(2) as pool, live_service(pool) as server:
        client = Client(server, "/table/a/")
        await becomes(lambda: len(client.events) == 2)
        assert not client.gone
        await client.leave()
        assert client.gone == 1


async def test_a_stream_whose_view_is_late_counts_until_it_comes_back() -> None:
    async with pool_open(2) as pool, live_service(pool) as server:
        client = Client(server, "/held/a/", request_seconds=0.05)
        await asyncio.wait_for(client.task, SECONDS)
        assert b"deadline_exceeded" in client.events[1]["body"] and not client.gone
        STAGES["a"].go.set()
        await becomes(lambda: client.gone == 1)


async def test_the_end_of_a_stream_waits_for_its_reader_no_longer_than_other_frames() -> None:
    """It waited for ever, and held its place among the connections of its address."""
    async with pool_open(2) as pool, live_service(pool) as server:
        client = Client(server, "/table/a/", slow_reader_seconds=0.01)
        await becomes(lambda: len(client.events) == 2)
        client.reads.clear()
        stream = client.stream()
        assert stream is not None
        stream.close()
        await asyncio.wait_for(client.task, SECONDS)
        assert client.gone == 1


class UvicornClient(Client):
    """The same behind uvicorn, which buffers what its client does not read.

    Attributes:
        sizes: of uvicorn's buffer, that are still to be seen; the last one stays.
    """

    def __init__(self, server: ServerContext, url: str, **limits: Any) -> None:
        self.flow = self.transport = self
        self.sizes = [0]
        self.is_aborted = False
        super().__init__(server, url, **limits)

    def buffer(self) -> ResponseBuffer:
        protocol: Any = self
        return ResponseBuffer(protocol)

    async def send(self, event: dict[str, Any]) -> None:
        self.events.append(event)

    async def drain(self) -> None:
        await self.reads.wait()

    def get_write_buffer_size(self) -> int:
        return self.sizes.pop(0) if len(self.sizes) > 1 else self.sizes[0]

    def abort(self) -> None:
        self.is_aborted = True


async def test_what_a_stream_s_client_leaves_in_uvicorn_s_buffer_counts_until_it_is_cut() -> None:
    """Nothing counted it, and it stayed in the buffer when the stream had ended."""
    async with pool_open(2) as pool, live_service(pool) as server:
        TABLES["a"] = ["x" * 200_000]
        client = UvicornClient(server, "/listed/a/", slow_reader_seconds=0.01)
        client.reads.clear()
        client.sizes = [200_000, 150_000, 100_000, 100_000]
        await becomes(lambda: server.budget.unread_bytes > 100_000)
        await asyncio.wait_for(client.task, SECONDS)
        assert client.is_aborted and len(client.sizes) == 1  # not while it still read something
        assert not server.budget.held_bytes and client.gone == 1


async def test_a_stream_whose_client_reads_in_time_goes_on() -> None:
    limits = {"ping_seconds": 0.01, "slow_reader_seconds": 0.01}
    async with pool_open(2) as pool, live_service(pool) as server:
        client = UvicornClient(server, "/table/a/", **limits)
        await becomes(lambda: len(client.events) > 4)  # its answer, and signs of life
        assert not client.is_aborted and not server.budget.unread_bytes
        await client.leave()


async def test_a_stream_s_client_has_the_time_of_each_frame_and_no_more() -> None:
    """It was looked at when it was pinged: it had 50 seconds instead of 30."""
    async with pool_open(2) as pool, live_service(pool) as server:
        client = Client(server, "/table/a/", ping_seconds=2 * SECONDS, slow_reader_seconds=0.01)
        await becomes(lambda: len(client.events) == 2)
        await asyncio.sleep(0.05)  # nothing waits to be read
        client.reads.clear()
        DATABASE[0].commit(a=1)
        await asyncio.wait_for(client.task, SECONDS)
        assert client.gone == 1
