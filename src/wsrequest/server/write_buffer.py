"""What uvicorn holds of a connection because its client does not read.

Owns the place between uvicorn's protocol object and its transport, where the transport says that
its client is slow, and the end of a transport that nobody empties. Without it such bytes are
counted nowhere, and they stay for as long as the client does.
"""

import asyncio
from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["Receiver", "ResponseBuffer", "WriteBuffer"]

_WEBSOCKETS = "uvicorn.protocols.websockets."
# Each has a transport of its own. HTTP/2 shares one among many responses.
_HTTP_1 = tuple(f"uvicorn.protocols.http.{name}_impl" for name in ("h11", "httptools", "zttp"))

# What a client may have uvicorn write on top of what it does not read: pongs for its pings. Pieces
# that are smaller count for the second. Each is an object, and asyncio adds up the sizes of all
# for each that it takes (from Python 3.12 on).
_SPARE_BYTES, _LEAST_BYTES = 2**20, 1024


class Receiver(Protocol):
    """A connection, seen by its write buffer."""

    def is_buffered(self, count: int) -> None:
        """So many bytes wait in the server's buffer; 0 when the client has read most of them."""

    def reader_is_slow(self) -> None:
        """The client has read nothing of them for too long. The connection ends with this."""

    def too_much_waits(self) -> None:
        """The client has more and more written that it does not read. The connection ends, too."""


class WriteBuffer(asyncio.Protocol):
    """Stands between a transport and uvicorn's protocol object for a WebSocket.

    Args:
        server: uvicorn's protocol object.
        slow_reader_seconds: a client that reads nothing for so long is cut.
        receiver: see the attribute.

    Attributes:
        receiver: the connection; None before its handshake is accepted and after its end.
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
        self._buffered_bytes = 0  # as last seen; 0 while the client keeps up
        self._since = 0.0  # loop time from which on they wait
        self._spare_bytes = 0  # that it may still have written on top of them
        self._is_lost = False
        self._on_gone: Callable[[], None] | None = None  # set when the application is done
        # Once begun it goes on until it rings: most clients have read by then.
        self._timer: asyncio.TimerHandle | None = None

    @classmethod
    def watch(cls, send: Callable[..., Any], slow_reader_seconds: float) -> "WriteBuffer | None":
        """Stand before the transport of a WebSocket, whatever its extensions.

        Args:
            send: the ASGI callable, as the server gave it.
            slow_reader_seconds: a client that reads nothing for so long is cut.

        Returns:
            None for another server, or where something stands between the server and us.
        """
        server: Any = getattr(send, "__self__", None)
        if not type(server).__module__.startswith(_WEBSOCKETS):
            return None
        try:
            if server.transport.get_protocol() is not server:
                return None
        except AttributeError:  # a version of uvicorn that is made otherwise
            return None
        found = cls(server, slow_reader_seconds)
        server.transport.set_protocol(found)
        return found

    def serve(self, receiver: Receiver) -> None:
        """Tell a connection from now on what waits for its client."""
        self.receiver = receiver
        if self._buffered_bytes:
            receiver.is_buffered(self._buffered_bytes)

    def abort(self) -> None:
        """End the connection although something is still to be read.

        A transport that is closed sends what it holds first. To a client that reads nothing and
        stays that takes for ever, and nobody counts it.
        """
        self._transport.abort()

    def end_soon(self, on_gone: Callable[[], None]) -> None:
        """The application is done: end the connection if its client does not read the rest in time.

        Nothing else would end it, and a client could leave one after the other like this.

        Args:
            on_gone: called when nothing is left of the connection; maybe at once.
        """
        if self._is_lost:
            on_gone()
        else:
            self._on_gone = on_gone
            self._begin(self._seconds)

    # asyncio.Protocol, for uvicorn.

    def data_received(self, data: bytes) -> None:
        """Something has come."""
        if self._buffered_bytes and self._transport.is_closing():
            return  # it has been cut for what came in the same read of the socket
        self._server.data_received(data)
        if self._buffered_bytes:
            self._look()

    def pause_writing(self) -> None:
        """The client reads more slowly than is written."""
        self._server.pause_writing()
        self._since, self._spare_bytes = asyncio.get_running_loop().time(), _SPARE_BYTES
        if self._timer is None:
            self._begin(self._seconds)
        self._note(self._transport.get_write_buffer_size())

    def resume_writing(self) -> None:
        """It has caught up."""
        self._note(0)
        self._server.resume_writing()

    def eof_received(self) -> bool | None:
        """The client sends no more."""
        return self._server.eof_received()  # type: ignore[no-any-return]

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection has ended."""
        self._is_lost = True
        if self._timer is not None:
            self._timer.cancel()
        self._note(0)
        self.receiver = None  # which refers to us
        if self._on_gone is not None:
            self._on_gone()
        self._server.connection_lost(exc)

    def _look(self) -> None:
        """Look what the client has had written although it does not read."""
        size = self._transport.get_write_buffer_size()
        more = size - self._buffered_bytes
        if more > 0:
            self._spare_bytes -= max(more, _LEAST_BYTES)
        if self._spare_bytes < 0 or self.receiver is None:
            # Before its handshake is accepted it has nothing else to read.
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
            if size < self._buffered_bytes:  # it reads, if slowly
                self._since = now
                self._note(size)
            if now < self._since + self._seconds:
                self._begin(self._since + self._seconds - now)
            else:
                if self.receiver is not None:
                    self.receiver.reader_is_slow()
                self._transport.abort()


class ResponseBuffer:
    """uvicorn's buffer of one response by HTTP/1.1.

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
            send: as the server gave it.

        Returns:
            None for another server, or where something stands between the server and us.
        """
        cycle: Any = getattr(send, "__self__", None)
        if type(cycle).__module__ not in _HTTP_1:
            return None
        try:
            return cls(cycle)
        except AttributeError:  # a version of uvicorn that is made otherwise
            return None

    async def drain(self) -> None:
        """Wait until the client has read all but little, or is gone."""
        self._size = self._transport.get_write_buffer_size()
        await self._flow.drain()

    def has_shrunk(self) -> bool:
        """Whether the client has read something since this was last asked, or since a write."""
        before, self._size = self._size, self._transport.get_write_buffer_size()
        return self._size < before

    def abort(self) -> None:
        """End the connection although something is still to be read."""
        self._transport.abort()
