"""The fast path between uvicorn's socket and a connection.

It handles the frames that need nothing of ASGI. A plain frame of the client goes to the connection
in the call that brought it, and a response goes to the transport in the call that made it. All else
goes to uvicorn's own protocol object, which still decides on pings, closing and back-pressure.
"""

import sys
import zlib
from collections.abc import Callable
from typing import Any, Protocol

from wsrequest.protocol.frame_parser import FrameParser, join
from wsrequest.server import write_buffer
from wsrequest.server.write_buffer import WriteBuffer
from wsrequest.types import Frame

__all__ = ["FastPath", "Receiver", "UncompressedSender"]

_MODULE = "uvicorn.protocols.websockets.websockets_sansio_impl"
# For a smaller frame, deflating costs little more than finding out whether that is worth it.
_MIN_UNCOMPRESSED_BYTES = 16384
_SAMPLE_BYTES = 2048


class Receiver(write_buffer.Receiver, Protocol):
    """A connection, as its fast path sees it."""

    def take(self, frame: Frame) -> bool:
        """Take a frame at once. Return False if it must wait its turn, behind ``receive``."""


class FastPath(WriteBuffer):
    """A write buffer that receives and sends frames itself.

    Args:
        server: uvicorn's protocol object, of an accepted WebSocket without extensions.
        slow_reader_seconds: a client that reads nothing for this long is disconnected.
        receiver: gets the plain frames.
    """

    __slots__ = ("_queue", "_take_frame", "_writable", "data_received")

    def __init__(self, server: Any, slow_reader_seconds: float, receiver: Receiver) -> None:
        super().__init__(server, slow_reader_seconds, receiver)
        self._queue, self._writable, self._take_frame = server.queue, server.writable, receiver.take
        parser = FrameParser(server.config.ws_max_size, self._take, super().data_received)
        self.data_received = parser.receive  # type: ignore[method-assign] # saves a call

    @classmethod
    def attach(
        cls,
        receive: Callable[..., Any],
        send: Callable[..., Any],
        slow_reader_seconds: float,
        receiver: Receiver,
    ) -> "FastPath | None":
        """Serve a connection on the fast path, if possible.

        Args:
            receive: the ASGI callable, as the server passed it.
            send: the other ASGI callable, after "websocket.accept" and before any wait.
            slow_reader_seconds: a client that reads nothing for this long is disconnected.
            receiver: the connection.

        Returns:
            None if only ASGI works: for another server, a compressed connection, something between
            the server and us, or a client that did not wait for the connection to be accepted.
        """
        server = _server_of(send)
        owner: Any = getattr(receive, "__self__", None)
        if server is None or owner is not server:
            return None
        try:
            is_plain = not server.conn.extensions and server.handshake_complete
            is_untouched = server.queue.empty() and _is_between_frames(server.conn)
            is_open = server.writable.is_set() and not server.transport.is_closing()
            if not (is_plain and is_untouched and is_open) or server.frames:
                return None
            path = cls(server, slow_reader_seconds, receiver)
        except AttributeError:  # a version of uvicorn or websockets with other internals
            return None
        server.transport.set_protocol(path)
        return path

    def send(self, frame: Frame) -> bool:
        """Write a frame. Return False if it must go through ASGI, to wait or because of the end."""
        return _write(self._server, self._transport, self._writable, frame)

    def _take(self, frame: Frame) -> bool:
        server = self._server
        # What came earlier through ASGI must be read first.
        if self._queue.empty() and not server.close_sent and not server.disconnected:
            return self._take_frame(frame)
        return False


class UncompressedSender:
    """Writes the frames of a compressed connection that compression would not make smaller.

    For images, archives and other packed data, deflating takes most of the time of sending, and
    saves nothing. Each message may be sent uncompressed (RFC 7692, section 6).

    Args:
        server: uvicorn's protocol object, of an accepted WebSocket with permessage-deflate.
    """

    __slots__ = ("_server", "_transport", "_writable")

    def __init__(self, server: Any) -> None:
        self._server = server
        self._transport, self._writable = server.transport, server.writable

    @classmethod
    def attach(cls, send: Callable[..., Any]) -> "UncompressedSender | None":
        """Return a sender for the connection of an ASGI callable, after "websocket.accept".

        Returns:
            None for another server, something between the server and us, or no compression.
        """
        server: Any = _server_of(send)
        try:
            names = [] if server is None else [each.name for each in server.conn.extensions]
            return cls(server) if names == ["permessage-deflate"] else None
        except AttributeError:  # a version of uvicorn or websockets with other internals
            return None

    def send(self, frame: Frame) -> bool:
        """Write a frame. Return False if it must use ASGI: small, compressible, or not now."""
        if isinstance(frame, str) or len(frame) < _MIN_UNCOMPRESSED_BYTES:
            return False
        middle = len(frame) // 2
        sample = frame[middle : middle + _SAMPLE_BYTES]
        if len(zlib.compress(sample, 1)) < _SAMPLE_BYTES * 0.95:
            return False
        return _write(self._server, self._transport, self._writable, frame)


def _server_of(send: Callable[..., Any]) -> Any:
    """Return uvicorn's protocol object that has this method, or None for anything else."""
    implementation = sys.modules.get(_MODULE)
    server = getattr(send, "__self__", None)
    expected = getattr(implementation, "WebSocketsSansIOProtocol", None)
    return server if server is not None and type(server) is expected else None


def _write(server: Any, transport: Any, writable: Any, frame: Frame) -> bool:
    if server.close_sent or transport.is_closing() or not writable.is_set():
        return False
    transport.write(join(frame))
    return True


def _is_between_frames(conn: Any) -> bool:
    """Whether websockets' parser waits for the first byte of a frame, having read none of it."""
    # It takes two bytes of a head from its buffer as soon as they arrive, so an empty buffer proves
    # nothing. The function in which it waits does.
    waiting = conn.parser
    while waiting.gi_yieldfrom is not None:
        waiting = waiting.gi_yieldfrom
    return waiting.gi_code is type(conn.reader).at_eof.__code__ and not conn.reader.buffer
