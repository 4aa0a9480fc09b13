"""The other side of a connection, without a network: its client and its ASGI server in one.

Owns what came and what goes. A test that must not race asks the peer not to read, waits
for a frame, or for a stage of ``views``.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any, TypeVar

from tests.unit.views import STAGES
from wsrequest.connection.connection import SUBPROTOCOL, Connection
from wsrequest.connection.live_requests import LiveRequests
from wsrequest.protocol.messages import Part, Refusal, Response
from wsrequest.protocol.server_codec import decode_server
from wsrequest.request.environ import Base, make_base
from wsrequest.request.handler import Handler, finish_thread, prepare_thread
from wsrequest.server.context import ConnectionConfig, ServerContext
from wsrequest.server.tickets import Tickets
from wsrequest.types import Limits
from wsrequest.workers.pool import WorkerPool
from wsrequest.workers.queue import QueueKey

T = TypeVar("T")

SECONDS = 5.0  # far more than anything takes that goes well
ORIGIN = "http://testserver"
BROWSER = ("the-browser",)


async def happens(event: threading.Event) -> None:
    """Wait on the event loop for something that a thread tells of."""
    assert await asyncio.to_thread(event.wait, SECONDS), "it did not happen"


class Peer:
    """What a connection is given as ``send`` and ``receive``, and what a test holds of it."""

    connection: Connection
    pool: WorkerPool
    task: asyncio.Task[None]

    def __init__(self) -> None:
        self._inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self._changed = asyncio.Event()
        self.reads = asyncio.Event()
        self.reads.set()
        self.is_gone = False  # the server raises when something is sent
        self.messages: list[Any] = []
        self.closed: tuple[int, str] | None = None
        self.sending = 0

    # For the connection.

    async def receive(self) -> dict[str, Any]:
        return await self._inbox.get()

    async def send(self, event: dict[str, Any]) -> None:
        self.sending += 1
        self._changed.set()
        try:
            if self.is_gone:
                raise OSError("the client has gone")
            if event["type"] != "websocket.close":  # which servers do not wait with
                await self.reads.wait()
        finally:
            self.sending -= 1
        if event["type"] == "websocket.close":
            self.closed = (event["code"], event["reason"])
        else:
            frame = event["text"] if "text" in event else event["bytes"]
            self.messages.append(decode_server(frame))
        self._changed.set()

    # For the test.

    @property
    def live_requests(self) -> LiveRequests:
        """The live requests of the connection, which has had one."""
        found = self.connection.dispatcher._live
        assert found is not None
        return found

    def say(self, _body: bytes | None = None, **frame: Any) -> None:
        """Send a frame; with ``_body`` a binary one."""
        text = json.dumps(frame)
        if _body is None:
            self.say_raw(text)
        else:
            self.say_raw(text.encode() + b"\n" + _body)

    def say_raw(self, frame: str | bytes) -> None:
        kind = "text" if isinstance(frame, str) else "bytes"
        self._inbox.put_nowait({"type": "websocket.receive", kind: frame})

    def vanish(self) -> None:
        self._inbox.put_nowait({"type": "websocket.disconnect", "code": 1006})

    async def until(self, find: Callable[[], T | None]) -> T:
        """Wait until ``find`` finds something among what the connection has sent."""
        async with asyncio.timeout(SECONDS):
            while not (found := find()):
                self._changed.clear()
                await self._changed.wait()
            return found

    async def until_answered(self, id: int | str | None, count: int) -> None:
        """Wait until so many messages with an id have come."""
        await self.until(lambda: len(self.of(id)) >= count)

    def of(self, id: int | str | None) -> list[Any]:
        """The messages with an id, so far."""
        return [message for message in self.messages if getattr(message, "id", None) == id]

    async def first(self, id: int | str | None) -> Any:
        return (await self.until(lambda: self.of(id)))[0]

    async def last(self, id: int | str | None) -> Any:
        """Wait for the message that finishes a request."""

        def find() -> Any:
            for message in self.of(id):
                if isinstance(message, Refusal):
                    return message
                if isinstance(message, Response | Part) and not message.more:
                    return message
            return None

        return await self.until(find)

    async def body(self, id: int | str | None) -> bytes:
        """Wait for the end of an answer; return its body."""
        last = await self.last(id)
        assert not isinstance(last, Refusal), last
        return b"".join(m.body or b"" for m in self.of(id) if isinstance(m, Response | Part))

    async def code(self, id: int | str | None) -> str:
        """Wait for a refusal; return its code."""
        last = await self.last(id)
        assert isinstance(last, Refusal), last
        return last.code

    async def obeyed(self) -> None:
        """Wait until the connection has read everything that was said; the peer must read."""
        mark = f"mark {len(self.messages)} {self._inbox.qsize()}"
        self.say(ping=mark)
        raw = json.dumps(mark).encode()
        await self.until(
            lambda: [m for m in self.messages if bytes(getattr(m, "value", b"")) == raw]
        )

    async def becomes(self, is_so: Callable[[], object]) -> None:
        """Wait, turn by turn of the loop, for something that the peer is not told of."""
        async with asyncio.timeout(SECONDS):
            while not is_so():  # noqa: ASYNC110  # nothing tells of it
                await asyncio.sleep(0)

    async def taken(self) -> None:
        """Wait until the connection has read everything that was said, whether the peer reads."""
        await self.becomes(self._inbox.empty)
        await self.pool.call(int, queue_key=QueueKey())  # what it gave the lane is begun, or done

    async def is_closed(self) -> tuple[int, str]:
        """Wait for the end of the connection; return its close code and reason."""
        await asyncio.wait_for(asyncio.shield(self.task), SECONDS)
        assert self.closed is not None
        return self.closed


def base(
    origin: str | None = None,
    cookie: str = "",
    *,
    address: str = "203.0.113.7",
    headers: dict[str, str] | None = None,
) -> Base:
    told = {"host": "testserver", **(headers or {})}
    raw = [(name.encode(), value.encode()) for name, value in told.items()]
    if origin is not None:
        raw.append((b"origin", origin.encode()))
    if cookie:
        raw.append((b"cookie", cookie.encode()))
    made = make_base({"type": "websocket", "client": (address, 1), "headers": raw})
    made.is_same_origin = origin == ORIGIN
    made.browser = () if origin is None else BROWSER
    return made


def make_server(pool: WorkerPool) -> ServerContext:
    return ServerContext(Handler(), pool, lambda: Tickets(None, 60))


@asynccontextmanager
async def pool_open(threads: int = 2, max_threads: int = 8) -> AsyncIterator[WorkerPool]:
    """A lane whose threads end with the block, whatever its views wait for."""
    before = set(threading.enumerate())
    pool = WorkerPool(
        asyncio.get_running_loop(),
        threads=threads,
        max_threads=max_threads,
        prepare=prepare_thread,
        finish=finish_thread,
    )
    try:
        yield pool
    finally:
        for stage in STAGES.values():
            stage.go.set()
        pool.stop()
        for thread in set(threading.enumerate()) - before:
            if thread.name == "wsrequest-worker":
                await asyncio.to_thread(thread.join, SECONDS)
                assert not thread.is_alive()
        await asyncio.sleep(0)  # their last results are with the loop


@asynccontextmanager
async def connected(
    server: ServerContext,
    *,
    greeted: bool = False,
    origin: str | None = None,
    cookie: str = "",
    config: ConnectionConfig | None = None,
    address: str = "203.0.113.7",
    headers: dict[str, str] | None = None,
    **limits: Any,
) -> AsyncIterator[Peer]:
    """A connection of a service, served until the block ends."""
    peer = Peer()
    peer.connection = Connection(
        peer.send,
        base(origin, cookie, address=address, headers=headers),
        SUBPROTOCOL if greeted else None,
        server,
        config or ConnectionConfig(Limits(**limits)),
    )
    peer.pool = server.pool
    peer.task = asyncio.ensure_future(peer.connection.run(peer.receive))
    try:
        yield peer
    finally:
        peer.reads.set()
        peer.vanish()
        await asyncio.wait_for(peer.task, SECONDS)


@asynccontextmanager
async def opened(threads: int = 2, max_threads: int = 8, **kwargs: Any) -> AsyncIterator[Peer]:
    """A connection with a lane of its own; fails when a task outlives it."""
    before = asyncio.all_tasks()
    async with pool_open(threads, max_threads) as pool:
        async with connected(make_server(pool), **kwargs) as peer:
            yield peer
    left = asyncio.all_tasks() - before
    if left:
        _, pending = await asyncio.wait(left, timeout=SECONDS)
        assert not pending
    assert not list(peer.connection.dispatcher._running)
    assert pool._blocked == 0
