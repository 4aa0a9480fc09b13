"""What uvicorn buffers for a client that does not read is counted, and freed."""

import asyncio
import random
import socket
import time
from base64 import b64encode
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from django.http import HttpRequest, HttpResponse
from django.urls import path
from websockets.frames import Opcode

from tests.unit.fixtures import _project as _project
from tests.unit.server.test_uvicorn import raw, serving
from wsrequest.asgi import Application
from wsrequest.live import depends_on
from wsrequest.request.budget import Budget
from wsrequest.server.drain import Drain
from wsrequest.server.endpoint import not_found
from wsrequest.server.write_buffer import ResponseBuffer, WriteBuffer

SECONDS = 10.0
MIB = 2**20
# No compression makes much less of it, and it is more than a system takes off a server's hands.
TEXT = b64encode(random.Random(1).randbytes(6 * MIB))


def large(request: HttpRequest) -> HttpResponse:
    depends_on("something")  # or it would not be live
    return HttpResponse(TEXT, content_type="text/plain")


class Large:
    """URLs of a project with one answer."""

    urlpatterns = (path("large/", large),)


class Server:
    """Our application in uvicorn, and the transports of what it serves."""

    def __init__(self, *, is_early: bool = False, is_wrapped: bool = False) -> None:
        self.application = Application(not_found)
        self.transports: list[asyncio.Transport] = []
        self._is_early, self._is_wrapped = is_early, is_wrapped

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        async def wrapped_send(event: Any) -> None:
            await send(event)

        self.transports.append(send.__self__.transport)
        if self._is_early:  # its first message comes before it is accepted
            while send.__self__.queue.qsize() < 2:  # noqa: ASYNC110  # nothing tells of it
                await asyncio.sleep(0.01)
        await self.application(scope, receive, wrapped_send if self._is_wrapped else send)

    @property
    def budget(self) -> Budget:
        assert self.application._wiring._server is not None
        return self.application._wiring._server.budget

    def is_free(self) -> bool:
        """Whether nothing is left of any client."""
        return not self.budget.held_bytes and all(
            each.is_closing() and not each.get_write_buffer_size() for each in self.transports
        )


def becomes(is_so: Callable[[], bool]) -> None:
    end = time.monotonic() + SECONDS
    while not is_so():
        assert time.monotonic() < end
        time.sleep(0.01)


def narrow_line(port: int) -> socket.socket:
    """A TCP connection whose receiver buffers next to nothing."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.settimeout(SECONDS)
    line.connect(("127.0.0.1", port))
    return line


def head(*lines: str) -> bytes:
    return "\r\n".join([*lines, "Host: 127.0.0.1", "", ""]).encode()


HANDSHAKE = (
    *("GET /ws/ HTTP/1.1", "Upgrade: websocket", "Connection: Upgrade"),
    *("Sec-WebSocket-Version: 13", "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ=="),
)
DEFLATE = "Sec-WebSocket-Extensions: permessage-deflate"
EVENTS = ("GET /ws/?url=/large/ HTTP/1.1", "Accept: text/event-stream")


ASK = raw(Opcode.TEXT, b'{"id":1,"url":"/large/"}')


def read_head(line: socket.socket) -> None:
    found = b""
    while b"\r\n\r\n" not in found:
        found += line.recv(1)
    assert found.startswith(b"HTTP/1.1 101")


WAYS = [
    *(("direct", "asyncio"), ("deflate", "uvloop"), ("early", "asyncio"), ("wrapped", "uvloop")),
    *(("events", "asyncio"), ("events", "uvloop"), ("wrapped events", "asyncio")),
]


@pytest.mark.parametrize(("way", "loop"), WAYS)
def test_what_uvicorn_holds_of_a_client_that_does_not_read_counts_until_it_is_cut(
    way: str, loop: str, settings: Any
) -> None:
    """With and without the fast path, with middleware around ``send``, and for event streams."""
    settings.ROOT_URLCONF = Large
    settings.WSREQUEST_SLOW_READER_SECONDS = settings.WSREQUEST_PING_SECONDS = 1
    server = Server(is_early=way == "early", is_wrapped="wrapped" in way)
    with serving(server, loop) as port, closing(narrow_line(port)) as line:
        if "events" in way:
            line.sendall(head(*EVENTS))
        else:
            line.sendall(head(*HANDSHAKE, *([DEFLATE] if way == "deflate" else [])))
            if way == "early":
                becomes(lambda: bool(server.transports))
            else:
                read_head(line)
            line.sendall(ASK)
        becomes(lambda: bool(server.transports))
        becomes(lambda: server.transports[0].get_write_buffer_size() > MIB)
        # Counted in the same turn of the loop, which this thread can look into.
        becomes(lambda: server.budget.unread_bytes > MIB)
        becomes(server.is_free)


@pytest.mark.slow
def test_a_flood_of_pings_whose_pongs_nobody_reads_ends_the_connection(settings: Any) -> None:
    """uvicorn writes a pong for each, read or not: 56 MiB in 8 s, uncounted."""
    settings.ROOT_URLCONF = Large
    server = Server()
    with serving(server, "uvloop") as port, closing(narrow_line(port)) as line:
        line.sendall(head(*HANDSHAKE))
        read_head(line)
        pings, most = raw(Opcode.PING, bytes(125)) * 500, 0
        with pytest.raises(ConnectionError):
            for _ in range(40 * MIB // len(pings)):
                line.sendall(pings)
                most = max(most, server.transports[0].get_write_buffer_size())
        assert most < 1.5 * MIB  # what paused it, a MiB, and what one read of the socket brings
        becomes(server.is_free)


# Without a server.


class Transport:
    """A transport whose client reads what a test says."""

    def __init__(self) -> None:
        self.protocol: Any = None
        self.sizes = [0]  # that are still to be seen; the last one stays
        self.is_aborted = asyncio.Event()

    def get_protocol(self) -> Any:
        return self.protocol

    def set_protocol(self, protocol: Any) -> None:
        self.protocol = protocol

    def get_write_buffer_size(self) -> int:
        return self.sizes.pop(0) if len(self.sizes) > 1 else self.sizes[0]

    def is_closing(self) -> bool:
        return self.is_aborted.is_set()

    def abort(self) -> None:
        self.is_aborted.set()
        asyncio.get_running_loop().call_soon(self.protocol.connection_lost, None)


class Calls(asyncio.Protocol):
    """The server's own protocol class, which notes its calls."""

    def __init__(self) -> None:
        self.transport = Transport()
        self.transport.protocol = self
        self.calls: list[str] = []

    def data_received(self, data: bytes) -> None:
        self.calls.append("data_received")

    def pause_writing(self) -> None:
        self.calls.append("pause_writing")

    def resume_writing(self) -> None:
        self.calls.append("resume_writing")

    def connection_lost(self, exc: Exception | None) -> None:
        self.calls.append("connection_lost")


class Protocol(WriteBuffer, Calls):  # type: ignore[misc]  # its transport is not a real one
    """A protocol class as uvicorn is given it."""


class Connection:
    """What a write buffer tells of."""

    def __init__(self) -> None:
        self.buffered: list[int] = []
        self.is_slow = self.is_too_much = False

    def is_buffered(self, count: int) -> None:
        self.buffered.append(count)

    def reader_is_slow(self) -> None:
        self.is_slow = True

    def too_much_waits(self) -> None:
        self.is_too_much = True


async def nothing() -> None:
    """There is nothing to drain."""


def watched(seconds: float) -> tuple[Protocol, Any, Connection]:
    buffer, connection = Protocol(), Connection()
    buffer.watch(seconds, Drain(nothing))
    buffer.serve(connection)
    return buffer, buffer.transport, connection


@pytest.mark.asyncio
async def test_what_waits_is_told_until_it_has_been_read() -> None:
    buffer, transport, connection = watched(SECONDS)
    transport.sizes = [100_000]
    buffer.pause_writing()
    buffer.resume_writing()
    buffer.data_received(b"")
    buffer.connection_lost(None)
    assert connection.buffered == [100_000, 0, 0]
    calls = ["pause_writing", "resume_writing", "data_received", "connection_lost"]
    assert buffer.calls == calls  # uvicorn's own methods run, too


@pytest.mark.asyncio
async def test_who_reads_slowly_is_cut_when_he_reads_no_more() -> None:
    buffer, transport, connection = watched(0.01)
    transport.sizes = [400_000, 300_000, 200_000, 200_000]
    buffer.pause_writing()
    await asyncio.wait_for(transport.is_aborted.wait(), SECONDS)
    await asyncio.sleep(0)
    assert connection.buffered == [400_000, 300_000, 200_000, 0]
    assert connection.is_slow


@pytest.mark.asyncio
async def test_who_has_read_in_time_is_not_cut() -> None:
    buffer, transport, connection = watched(0.01)
    transport.sizes = [100_000]
    buffer.pause_writing()
    buffer.resume_writing()
    timer = buffer._timer
    while buffer._timer is not None:  # noqa: ASYNC110  # nothing tells of it
        await asyncio.sleep(0)
    assert timer is not None and not timer.cancelled()
    assert not transport.is_aborted.is_set() and not connection.is_slow


@pytest.mark.asyncio
async def test_a_connection_whose_application_is_done_is_cut_and_counts_until_it_is_gone() -> None:
    """Each could leave 64 KiB in a buffer that is sent for as long as its client stays."""
    buffer, transport, connection = watched(0.01)
    gone: list[bool] = []
    buffer.end_soon(lambda: gone.append(transport.is_aborted.is_set()))
    assert not gone
    await asyncio.wait_for(transport.is_aborted.wait(), SECONDS)
    await asyncio.sleep(0)
    assert gone == [True] and not connection.is_slow
    buffer.end_soon(lambda: gone.append(False))  # it is gone already
    assert gone == [True, False]


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("piece", "count"),
    [pytest.param(100_000, 11, id="large"), pytest.param(1, 1025, id="one-byte")],
)
async def test_what_comes_on_top_of_what_nobody_reads_counts_and_is_bounded(
    piece: int, count: int
) -> None:
    """Each piece for a KiB at least: many small ones take memory and time, too."""
    buffer, transport, connection = watched(SECONDS)
    buffer.data_received(b"")  # it reads, as yet
    transport.sizes = [70_000]
    buffer.pause_writing()
    for number in range(1, count):
        transport.sizes = [70_000 + number * piece]
        buffer.data_received(b"")
    assert not transport.is_aborted.is_set() and connection.buffered[-1] == transport.sizes[0]
    transport.sizes = [70_000 + count * piece]
    buffer.data_received(b"")
    assert transport.is_aborted.is_set() and connection.is_too_much
    buffer.data_received(b"")  # of the same read of the socket
    assert buffer.calls.count("data_received") == count + 1
    await asyncio.sleep(0)
    assert connection.buffered[-1] == 0


@pytest.mark.asyncio
async def test_a_client_that_reads_may_send_pings_for_ever() -> None:
    buffer, transport, connection = watched(SECONDS)
    for _ in range(20):
        transport.sizes = [70_000]
        buffer.pause_writing()
        transport.sizes = [70_000 + MIB]
        buffer.data_received(b"")
        transport.sizes = [70_000]
        buffer.data_received(b"")
        buffer.resume_writing()
    assert connection.buffered == 20 * [70_000, 70_000 + MIB, 70_000, 0]
    assert not transport.is_aborted.is_set()
    buffer.connection_lost(None)


@pytest.mark.asyncio
async def test_what_was_read_between_pings_is_not_forgotten() -> None:
    """Or one that reads a large answer slowly, and sends pings, would be cut."""
    buffer, transport, connection = watched(0.05)
    transport.sizes = [400_000]
    buffer.pause_writing()
    before = buffer._since
    transport.sizes = [300_000]
    buffer.data_received(b"")
    assert buffer._since > before
    buffer.connection_lost(None)
    assert connection.buffered == [400_000, 300_000, 0]


@pytest.mark.asyncio
@pytest.mark.parametrize("is_late", [False, True])
async def test_before_it_is_accepted_a_client_has_nothing_to_leave_unread(is_late: bool) -> None:
    """Its pings may also come in the same piece as its handshake, before the application runs."""
    buffer = Protocol()
    transport: Any = buffer.transport
    transport.sizes = [70_000]
    if is_late:
        buffer.pause_writing()
    buffer.watch(SECONDS, Drain(nothing))
    if not is_late:
        buffer.pause_writing()
    buffer.data_received(b"")
    assert transport.is_aborted.is_set()
    await asyncio.sleep(0)


@pytest.mark.asyncio
async def test_what_nothing_watches_is_left_alone() -> None:
    buffer = Protocol()
    transport: Any = buffer.transport
    transport.sizes = [70_000]
    buffer.pause_writing()
    buffer.data_received(b"")
    assert not transport.is_aborted.is_set() and buffer._timer is None
    buffer.resume_writing()
    buffer.connection_lost(None)


def test_other_servers_have_no_buffer() -> None:
    async def send(event: object) -> None:
        """The ASGI callable of another server, or of middleware."""

    scopes: list[dict[str, Any]] = [{}, {"state": {}}, {"state": None}]
    for scope in scopes:
        assert WriteBuffer.find(scope, send) is None
        assert ResponseBuffer.find(scope, send, Drain(nothing)) is None
