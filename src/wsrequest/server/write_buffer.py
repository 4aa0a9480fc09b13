"""Count and limit what uvicorn buffers for a client that does not read.

The protocol classes of ``server/uvicorn`` are built on this. Without them, such bytes would not be
counted, and would stay for as long as the client does. ASGI shows an application none of this.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol
from weakref import ref

from wsrequest.server.drain import Drain
from wsrequest.types import Frame, Receive, Scope, Send

if TYPE_CHECKING:
    from wsrequest.server.uvicorn import HTTPProtocol

__all__ = ["Receiver", "ResponseBuffer", "WriteBuffer"]

logger = logging.getLogger("wsrequest.connection")

# What a client may make uvicorn write on top of its unread bytes: pongs for its pings. Smaller
# pieces count as the second number. Each piece is an object, and for each that it accepts, asyncio
# adds up the sizes of all (from Python 3.12 on).
_SPARE_BYTES, _LEAST_BYTES = 2**20, 1024

_reported: set[str] = set()  # options of uvicorn, each reported once per process


class Receiver(Protocol):
    """A connection, as its write buffer sees it."""

    def is_buffered(self, count: int) -> None:
        """Note how many bytes wait in the server's buffer, 0 once the client has read most."""

    def reader_is_slow(self) -> None:
        """Note that the client has read nothing of them for too long. The connection then ends."""

    def too_much_waits(self) -> None:
        """Note that the client causes more and more writes without reading. The connection ends."""


class WriteBuffer(asyncio.Protocol):
    """Counts the unread bytes of one WebSocket. The base of a protocol class, before the server's.

    It does nothing for a WebSocket of another application, which never calls ``watch``.

    Attributes:
        transport: the server's class sets it.
        receiver: the connection. None before its handshake is accepted and after its end.
        drain: runs before uvicorn closes the WebSocket on its own. None for another application's.
    """

    STATE_KEY = "wsrequest.websocket"
    OPTION = "--ws wsrequest.server.uvicorn:WebSocketProtocol"

    __slots__ = (
        "_buffered_bytes", "_is_lost", "_is_paused", "_on_gone", "_seconds", "_since",
        "_spare_bytes", "_timer", "drain", "receiver",
    )  # fmt: skip

    transport: asyncio.Transport

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._seconds: float | None = None  # before the application watches it
        self.drain: Drain | None = None
        self.receiver: Receiver | None = None
        self._buffered_bytes = 0  # as last seen. 0 while the client keeps up.
        self._since = 0.0  # loop time since which they wait
        self._spare_bytes = 0  # how many more the client may cause to be written
        self._is_paused = self._is_lost = False
        self._on_gone: Callable[[], None] | None = None  # set when the application is done
        # Once started, it runs until it fires, because most clients have read by then.
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def find(cls, scope: Scope, send: Send) -> "WriteBuffer | None":
        """Find the protocol object of a WebSocket, which puts itself into the state of its scope.

        Args:
            scope: of the WebSocket.
            send: its ASGI callable. It only shows whether to report a uvicorn without the class.

        Returns:
            None for another server, or for uvicorn without the class.
        """
        return _entry(scope, cls.STATE_KEY, send, cls.OPTION)  # type: ignore[no-any-return]

    def watch(self, slow_reader_seconds: float, drain: Drain) -> None:
        """Count from now on, and drain before uvicorn closes the connection on its own.

        Args:
            slow_reader_seconds: a client that reads nothing for this long is disconnected.
            drain: runs once if uvicorn ends without a signal.
        """
        self._seconds, self.drain = slow_reader_seconds, drain
        if self._is_paused:
            self._count_unread()

    def serve(self, receiver: Receiver) -> None:
        """Report to a connection from now on how many bytes wait for its client."""
        self.receiver = receiver
        if self._buffered_bytes:
            receiver.is_buffered(self._buffered_bytes)

    def bypass_asgi(
        self, receive: Receive, send: Send, take: Callable[[Frame], bool]
    ) -> Callable[[Frame], bool] | None:
        """Pass frames to a connection, and write its frames, without the queue of ASGI.

        Args:
            receive: the ASGI callable, as the application got it.
            send: the other.
            take: takes a frame at once. Returns False if it must wait its turn, behind ``receive``.

        Returns:
            What writes a frame at once, and returns False if it must go through ASGI. None if
            something between the server and the application wraps one of the callables.
        """
        return None

    def abort(self) -> None:
        """End the connection although some bytes are unread.

        Closing a transport would first send what it holds. To a client that stays and reads
        nothing, that takes forever, and nothing counts it.
        """
        self.transport.abort()

    def end_soon(self, on_gone: Callable[[], None]) -> None:
        """End the connection after the application, if its client does not read the rest in time.

        Nothing else would end it, and a client could leave one connection after another like this.

        Args:
            on_gone: called when nothing is left of the connection, possibly at once.
        """
        if self._is_lost:
            on_gone()
        else:
            self._on_gone = on_gone
            self._begin(self._seconds or 0.0)

    # asyncio.Protocol, before the server's own class.

    def data_received(self, data: bytes) -> None:
        """Pass bytes of the client on."""
        if self._buffered_bytes and self.transport.is_closing():
            return  # it was ended because of earlier bytes of the same read
        super().data_received(data)
        if self._buffered_bytes:
            self._look()

    def pause_writing(self) -> None:
        """Note that the client reads more slowly than the server writes."""
        super().pause_writing()
        self._is_paused = True
        if self._seconds is not None:
            self._count_unread()

    def resume_writing(self) -> None:
        """Note that the client has caught up."""
        self._is_paused = False
        self._note(0)
        super().resume_writing()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection has ended."""
        self._is_lost = True
        if self._timer is not None:
            self._timer.cancel()
        self._note(0)
        self.receiver = None  # it refers to this object
        if self._on_gone is not None:
            self._on_gone()
        super().connection_lost(exc)

    def _count_unread(self) -> None:
        assert self._seconds is not None
        self._since, self._spare_bytes = asyncio.get_running_loop().time(), _SPARE_BYTES
        if self._timer is None:
            self._begin(self._seconds)
        self._note(self.transport.get_write_buffer_size())

    def _look(self) -> None:
        """Check what the client caused to be written although it does not read."""
        size = self.transport.get_write_buffer_size()
        more = size - self._buffered_bytes
        if more > 0:
            self._spare_bytes -= max(more, _LEAST_BYTES)
        if self._spare_bytes < 0 or self.receiver is None:
            # Before its handshake is accepted, there is nothing else for it to read.
            if self.receiver is not None:
                self.receiver.too_much_waits()
            self.transport.abort()
        elif more:
            if more < 0:
                self._since = asyncio.get_running_loop().time()
            self._note(size)

    def _note(self, count: int) -> None:
        self._buffered_bytes = count
        if self.receiver is not None:
            self.receiver.is_buffered(count)

    def _begin(self, seconds: float) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = asyncio.get_running_loop().call_later(seconds, self._ring)

    def _ring(self) -> None:
        self._timer = None
        if self._on_gone is not None:
            self.transport.abort()
        elif self._buffered_bytes:
            now = asyncio.get_running_loop().time()
            size = self.transport.get_write_buffer_size()
            if size < self._buffered_bytes:  # it reads, but slowly
                self._since = now
                self._note(size)
            left = self._since + (self._seconds or 0.0) - now
            if left > 0:
                self._begin(left)
            else:
                if self.receiver is not None:
                    self.receiver.reader_is_slow()
                self.transport.abort()


class ResponseBuffer:
    """uvicorn's buffer of one response over HTTP/1.1.

    Args:
        protocol: uvicorn's object of the connection.
    """

    STATE_KEY = "wsrequest.http"
    OPTION = "--http wsrequest.server.uvicorn:HTTPProtocol"

    __slots__ = ("_protocol", "_size")

    def __init__(self, protocol: "HTTPProtocol") -> None:
        self._protocol = protocol
        self._size = 0  # as last seen

    @classmethod
    def find(cls, scope: Scope, send: Send, drain: Drain) -> "ResponseBuffer | None":
        """Find the buffer of a response, and drain before uvicorn ends its connection on its own.

        Args:
            scope: of the request.
            send: its ASGI callable. It only shows whether to report a uvicorn without the class.
            drain: runs once if uvicorn ends without a signal.

        Returns:
            None for another server, or for uvicorn without the class.
        """
        protocol: HTTPProtocol | None = _entry(scope, cls.STATE_KEY, send, cls.OPTION)
        if protocol is None:
            return None
        protocol.drain = drain
        return cls(protocol)

    async def drain(self) -> None:
        """Wait until the client has read nearly everything, or is gone."""
        self._size = self._protocol.transport.get_write_buffer_size()
        await self._protocol.flow.drain()

    def has_shrunk(self) -> bool:
        """Whether the client has read something since the last call, or since a write."""
        before, self._size = self._size, self._protocol.transport.get_write_buffer_size()
        return self._size < before

    def abort(self) -> None:
        """End the connection although some bytes are unread."""
        self._protocol.transport.abort()


def _entry(scope: Scope, key: str, send: Send, option: str) -> Any:
    reference: ref[Any] | None = (scope.get("state") or {}).get(key)
    # The module of a bound method is that of its class.
    if reference is None and option not in _reported and _is_of_uvicorn(send):
        _reported.add(option)
        logger.warning(
            "uvicorn runs without %s. What a client leaves unread is not limited, and what is in "
            "flight is not answered when uvicorn ends on its own. Start uvicorn with this option.",
            option,
        )
    return None if reference is None else reference()


def _is_of_uvicorn(send: Send) -> bool:
    return str(getattr(send, "__module__", "")).startswith("uvicorn.")
