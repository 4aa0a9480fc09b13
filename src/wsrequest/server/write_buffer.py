"""Count and limit what uvicorn buffers for a client that does not read.

A write buffer stands between uvicorn's protocol object and its transport. There it learns that a
client is slow, and ends a transport that is never emptied. Without it, such bytes would not be
counted, and would stay for as long as the client does.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["Receiver", "ResponseBuffer", "WriteBuffer"]

_WEBSOCKETS = "uvicorn.protocols.websockets."
# Each of these connections has its own transport. HTTP/2 shares one among many responses.
_HTTP_1 = tuple(f"uvicorn.protocols.http.{name}_impl" for name in ("h11", "httptools", "zttp"))

# What a client may make uvicorn write on top of its unread bytes: pongs for its pings. Smaller
# pieces count as the second number. Each piece is an object, and for each that it accepts, asyncio
# adds up the sizes of all (from Python 3.12 on).
_SPARE_BYTES, _LEAST_BYTES = 2**20, 1024


class Receiver(Protocol):
    """A connection, as its write buffer sees it."""

    def is_buffered(self, count: int) -> None:
        """Note how many bytes wait in the server's buffer, 0 once the client has read most."""

    def reader_is_slow(self) -> None:
        """Note that the client has read nothing of them for too long. The connection then ends."""

    def too_much_waits(self) -> None:
        """Note that the client causes more and more writes without reading. The connection ends."""


class WriteBuffer(asyncio.Protocol):
    """Stands between a transport and uvicorn's protocol object for a WebSocket.

    Args:
        server: uvicorn's protocol object.
        slow_reader_seconds: a client that reads nothing for this long is disconnected.
        receiver: see the attribute.

    Attributes:
        receiver: the connection. None before its handshake is accepted and after its end.
    """

    __slots__ = (
        "_buffered_bytes", "_is_lost", "_on_gone", "_seconds", "_server", "_since",
        "_spare_bytes", "_timer", "_transport", "receiver",
    )  # fmt: skip

    def __init__(
        self, server: Any, slow_reader_seconds: float, receiver: Receiver | None = None
    ) -> None:
        self._server, self._transport = server, server.transport
        self._seconds, self.receiver = slow_reader_seconds, receiver
        self._buffered_bytes = 0  # as last seen. 0 while the client keeps up.
        self._since = 0.0  # loop time since which they wait
        self._spare_bytes = 0  # how many more the client may cause to be written
        self._is_lost = False
        self._on_gone: Callable[[], None] | None = None  # set when the application is done
        # Once started, it runs until it fires, because most clients have read by then.
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def watch(cls, send: Callable[..., Any], slow_reader_seconds: float) -> "WriteBuffer | None":
        """Watch the transport of a WebSocket, whatever its extensions.

        Args:
            send: the ASGI callable, as the server passed it.
            slow_reader_seconds: a client that reads nothing for this long is disconnected.

        Returns:
            None for another server, or if something is between the server and us.
        """
        server: Any = getattr(send, "__self__", None)
        if not type(server).__module__.startswith(_WEBSOCKETS):
            return None
        try:
            if server.transport.get_protocol() is not server:
                return None
        except AttributeError:  # a version of uvicorn with other internals
            return None
        buffer = cls(server, slow_reader_seconds)
        server.transport.set_protocol(buffer)
        return buffer

    def serve(self, receiver: Receiver) -> None:
        """Report to a connection from now on how many bytes wait for its client."""
        self.receiver = receiver
        if self._buffered_bytes:
            receiver.is_buffered(self._buffered_bytes)

    def abort(self) -> None:
        """End the connection although some bytes are unread.

        Closing a transport would first send what it holds. To a client that stays and reads
        nothing, that takes forever, and nothing counts it.
        """
        self._transport.abort()

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
            self._begin(self._seconds)

    # asyncio.Protocol, for uvicorn.

    def data_received(self, data: bytes) -> None:
        """Pass bytes of the client on."""
        if self._buffered_bytes and self._transport.is_closing():
            return  # it was ended because of earlier bytes of the same read
        self._server.data_received(data)
        if self._buffered_bytes:
            self._look()

    def pause_writing(self) -> None:
        """Note that the client reads more slowly than the server writes."""
        self._server.pause_writing()
        self._since, self._spare_bytes = asyncio.get_running_loop().time(), _SPARE_BYTES
        if self._timer is None:
            self._begin(self._seconds)
        self._note(self._transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """Note that the client has caught up."""
        self._note(0)
        self._server.resume_writing()

    def eof_received(self) -> bool | None:
        """Note that the client sends no more."""
        return self._server.eof_received()  # type: ignore[no-any-return]

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection has ended."""
        self._is_lost = True
        if self._timer is not None:
            self._timer.cancel()
        self._note(0)
        self.receiver = None  # it refers to this object
        if self._on_gone is not None:
            self._on_gone()
        self._server.connection_lost(exc)

    def _look(self) -> None:
        """Check what the client caused to be written although it does not read."""
        size = self._transport.get_write_buffer_size()
        more = size - self._buffered_bytes
        if more > 0:
            self._spare_bytes -= max(more, _LEAST_BYTES)
        if self._spare_bytes < 0 or self.receiver is None:
            # Before its handshake is accepted, there is nothing else for it to read.
            if self.receiver is not None:
                self.receiver.too_much_waits()
            self._transport.abort()
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
            self._transport.abort()
        elif self._buffered_bytes:
            now = asyncio.get_running_loop().time()
            size = self._transport.get_write_buffer_size()
            if size < self._buffered_bytes:  # it reads, but slowly
                self._since = now
                self._note(size)
            if now < self._since + self._seconds:
                self._begin(self._since + self._seconds - now)
            else:
                if self.receiver is not None:
                    self.receiver.reader_is_slow()
                self._transport.abort()


class ResponseBuffer:
    """uvicorn's buffer of one response over HTTP/1.1.

    Args:
        cycle: uvicorn's object of the request and its response.
    """

    __slots__ = ("_flow", "_size", "_transport")

    def __init__(self, cycle: Any) -> None:
        self._flow, self._transport = cycle.flow, cycle.transport
        self._size = 0  # as last seen

    @classmethod
    def find(cls, send: Callable[..., Any]) -> "ResponseBuffer | None":
        """Find the buffer behind an ASGI callable.

        Args:
            send: as the server passed it.

        Returns:
            None for another server, or if something is between the server and us.
        """
        cycle: Any = getattr(send, "__self__", None)
        if type(cycle).__module__ not in _HTTP_1:
            return None
        try:
            return cls(cycle)
        except AttributeError:  # a version of uvicorn with other internals
            return None

    async def drain(self) -> None:
        """Wait until the client has read nearly everything, or is gone."""
        self._size = self._transport.get_write_buffer_size()
        await self._flow.drain()

    def has_shrunk(self) -> bool:
        """Whether the client has read something since the last call, or since a write."""
        before, self._size = self._size, self._transport.get_write_buffer_size()
        return self._size < before

    def abort(self) -> None:
        """End the connection although some bytes are unread."""
        self._transport.abort()
