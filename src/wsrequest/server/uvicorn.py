"""Protocol classes for uvicorn, which it is given by name.

    uvicorn project.asgi:application --ws wsrequest.server.uvicorn:WebSocketProtocol
        --http wsrequest.server.uvicorn:HTTPProtocol

Both are uvicorn's own classes with a few methods extended. They limit what uvicorn buffers for a
client that does not read, and drain before it ends without a signal. ``WebSocketProtocol`` also
passes frames between the socket and a connection without the queue of ASGI and its tasks.
``HTTPProtocol`` writes a usual response without the two events of ASGI.
"""

import asyncio
import zlib
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any
from weakref import ref

from uvicorn.config import Config
from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from uvicorn.server import ServerState

from wsrequest.server.drain import Drain
from wsrequest.server.http.whole_response import WholeResponse, header_lines
from wsrequest.server.whole_requests import RequestTaker
from wsrequest.server.write_buffer import ResponseBuffer, WriteBuffer
from wsrequest.types import Frame, Receive, Send

if TYPE_CHECKING:
    from uvicorn.protocols.http.h11_impl import H11Protocol as _HTTPProtocol
else:
    from uvicorn.protocols.http.auto import AutoHTTPProtocol as _HTTPProtocol

_httptools: Any  # uvicorn's module that uses it, or None
try:
    from uvicorn.protocols.http import httptools_impl as _httptools
except ImportError:  # httptools is not installed, so uvicorn uses h11
    _httptools = None

__all__ = ["HTTPProtocol", "WebSocketProtocol"]

_TEXT, _BINARY = 0x81, 0x82  # whole messages (FIN) without an extension (RSV), RFC 6455 5.2

# For a smaller frame, deflating costs little more than finding out whether that is worth it.
_MIN_UNCOMPRESSED_BYTES = 16384
_SAMPLE_BYTES = 2048

_FIRST_REQUEST_SECONDS = 0.5  # for that of a connection that was opened just before the end


class WebSocketProtocol(WriteBuffer, WebSocketsSansIOProtocol):
    """uvicorn's protocol object for one WebSocket, with limits and a fast path.

    Args:
        config: uvicorn's.
        server_state: what the connections of uvicorn's server share.
        app_state: of the lifespan. Each scope gets a copy.

    Source: uvicorn.protocols.websockets.websockets_sansio_impl
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        # A weak reference, or only the garbage collector would free a closed connection.
        state = {**app_state, self.STATE_KEY: ref(self)}
        super().__init__(config, server_state, state, _loop)
        self._take: Callable[[Frame], bool] | None = None  # none on the way through ASGI

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
        if receive != self.receive or send != self.send:
            return None
        self._take = take
        return self._deflate if self.conn.extensions else self._write

    def send_receive_event_to_app(self) -> None:
        """Pass a message on: at once if the connection takes it, otherwise through ASGI."""
        # What came earlier through ASGI must be read first.
        if self._take is None or not self.queue.empty() or self.close_sent or self.disconnected:
            super().send_receive_event_to_app()
            return
        data = self.frames[0] if len(self.frames) == 1 else b"".join(self.frames)
        frame: Frame = data
        if self.curr_msg_data_type == "text":
            try:
                frame = data.decode()
            except UnicodeDecodeError:
                super().send_receive_event_to_app()  # closes it
                return
        if self._take(frame):
            self.frames = []
        else:
            super().send_receive_event_to_app()

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection has ended."""
        super().connection_lost(exc)
        self._take = None  # it refers to this object

    def shutdown(self) -> None:
        """Close the WebSocket, after the drain. uvicorn calls this when it ends."""
        if self.drain is None:
            super().shutdown()
        else:
            self.drain.begin(self._close)

    def _close(self) -> None:
        if not self.transport.is_closing():
            super().shutdown()

    def _may_write(self) -> bool:
        is_closing = self.close_sent or self.transport.is_closing()
        return not is_closing and self.writable.is_set()

    def _write(self, frame: Frame) -> bool:
        if not self._may_write():
            return False
        self.transport.write(join(frame))
        return True

    def _deflate(self, frame: Frame) -> bool:
        if not self._may_write():
            return False
        if isinstance(frame, str):
            self.conn.send_text(frame.encode())
        elif is_packed(frame):
            # Each message may be sent uncompressed (RFC 7692, section 6).
            self.transport.write(join(frame))
            return True
        else:
            self.conn.send_binary(frame)
        self.transport.write(b"".join(self.conn.data_to_send()))
        return True


class HTTPProtocol(_HTTPProtocol):
    """uvicorn's protocol object for one HTTP/1.1 connection, which event streams can find.

    Args:
        config: uvicorn's.
        server_state: what the connections of uvicorn's server share.
        app_state: of the lifespan. Each scope gets a copy.

    Attributes:
        drain: runs before uvicorn ends this connection on its own. None without an event stream.

    Source: uvicorn.protocols.http.auto
    """

    def __init__(
        self,
        config: Config,
        server_state: ServerState,
        app_state: dict[str, Any],
        _loop: asyncio.AbstractEventLoop | None = None,
    ) -> None:
        state = {**app_state, ResponseBuffer.STATE_KEY: ref(self)}
        super().__init__(config, server_state, state, _loop)
        self.drain: Drain | None = None
        self._taker = RequestTaker.find(self.app) if _httptools is not None else None
        self._is_feeding = False  # inside data_received()
        self._idle_since: float | None = None  # loop time
        self._idle_timer: asyncio.TimerHandle | None = None
        self._unstarted: tuple[Any, ...] | None = None  # a request whose body may follow at once
        self._headers_of_lines: list[tuple[bytes, bytes]] = []
        self._lines: bytes | None = b""

    def data_received(self, data: bytes) -> None:
        """Parse bytes of the client (asyncio.Protocol)."""
        self._is_feeding, self._idle_since = True, None
        try:
            super().data_received(data)
        finally:
            self._is_feeding = False
            if self._unstarted is not None:
                self._start_unstarted()

    def on_message_complete(self) -> None:
        """Hand a request over whose body came with its head (httptools)."""
        uvicorn: Any = super()
        uvicorn.on_message_complete()
        if self._unstarted is not None and not self._take(self._unstarted[0]):
            self._start_unstarted()

    def _start_asgi_task(self, *request: Any) -> None:
        # uvicorn's, with an underscore. If it had another name, each request would get a task.
        if self._is_feeding and self._taker is not None and request[1:] == (self.app,):
            self._unstarted = request
        else:
            self._start_in_task(*request)

    def _start_unstarted(self) -> None:
        request, self._unstarted = self._unstarted, None
        assert request is not None  # the caller looked
        self._start_in_task(*request)

    def _start_in_task(self, *request: Any) -> None:
        uvicorn: Any = super()
        uvicorn._start_asgi_task(*request)

    def _take(self, cycle: Any) -> bool:
        """Hand a request over without a task, if ``respond`` can probably write its response."""
        taker = self._taker
        try:
            if (
                taker is None
                or type(cycle) is not _httptools.RequestResponseCycle
                or cycle.more_body
                or cycle.disconnected
                or cycle.access_log
                or not cycle.keep_alive
                or cycle.waiting_for_100_continue
                or cycle.flow.read_paused
                or cycle.scope["method"] == "HEAD"
                or self.config.limit_concurrency is not None  # it counts tasks
                or getattr(self.config, "reset_contextvars", False)  # for each task
            ):
                return False
            start, body = partial(self._start_in_task, cycle), bytes(cycle.body)
            if not taker.take(cycle.scope, cycle.receive, cycle.send, body, start):
                return False
        except Exception:  # the application raises it again in its task, and uvicorn logs that
            return False
        self._unstarted = None
        cycle.body = bytearray()
        cycle.message_event.clear()
        return True

    def respond(self, send: Send, response: WholeResponse) -> bool:
        """Write a whole response at once, with the same bytes as two calls of ``send``.

        uvicorn would take about a tenth of a trivial request's time for these.

        Args:
            send: the ASGI callable, as the application got it.
            response: the response.

        Returns:
            False if nothing was written, because ``send`` must do it: something wraps it, it has to
            wait or to write a log line, or the response is not of the usual kind.

        Source: uvicorn.protocols.http.httptools_impl
        """
        cycle: Any = self.cycle
        try:
            if (
                response.lines is None
                or _httptools is None
                or type(cycle) is not _httptools.RequestResponseCycle
                or send != cycle.send
                or cycle.response_started
                or cycle.disconnected
                or cycle.access_log
                or not cycle.keep_alive
                or cycle.flow.write_paused
                or cycle.flow.read_paused  # another request waits
                or cycle.scope["method"] == "HEAD"
            ):
                return False
            state, seconds = self.server_state, self.timeout_keep_alive
        except AttributeError:  # of another version of uvicorn, which promises none of them
            return False
        status_line, own_lines = _httptools.STATUS_LINE.get(response.status), self._own_lines(cycle)
        if status_line is None or own_lines is None:
            return False
        cycle.response_started = cycle.response_complete = True
        cycle.waiting_for_100_continue = False
        cycle.transport.write(
            b"".join((status_line, own_lines, response.lines, b"\r\n", response.body))
        )
        cycle.message_event.set()
        if cycle.transport.is_closing():
            cycle.on_response()
        else:  # the same, with one timer for many responses
            state.total_requests += 1
            self._idle_since = self.loop.time()
            if self._idle_timer is None:
                self._idle_timer = self.loop.call_later(seconds, self._close_idle)
        cycle.on_response = _do_nothing  # it refers to this object
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        """Note that the connection has ended (asyncio.Protocol)."""
        if self._idle_timer is not None:
            self._idle_timer.cancel()
            self._idle_timer = None
        super().connection_lost(exc)

    def _close_idle(self) -> None:
        """Close the connection if no request came in time after the last response."""
        self._idle_timer = None
        if self._idle_since is not None:  # else the next response starts the timer
            left = self._idle_since + self.timeout_keep_alive - self.loop.time()
            if left > 0:
                self._idle_timer = self.loop.call_later(left, self._close_idle)
            else:
                self.timeout_keep_alive_handler()

    def _own_lines(self, cycle: Any) -> bytes | None:
        """Return the lines of the server's own headers, such as Date. They change every second."""
        headers = cycle.default_headers
        if headers != self._headers_of_lines:
            self._headers_of_lines = list(headers)
            pairs = [(name.decode("latin1"), value.decode("latin1")) for name, value in headers]
            self._lines = header_lines(pairs, None)
        return self._lines

    def shutdown(self) -> None:
        """Close the connection after its response, and after the drain."""
        if self.drain is None:
            self._close()
        else:
            self.drain.begin(self._close)

    def _close(self) -> None:
        if self.cycle is None and not self.transport.is_closing():
            # The first request may have arrived, and not been read. uvicorn would reset the
            # connection. With another worker on the same port, no client expects that.
            self.loop.call_later(_FIRST_REQUEST_SECONDS, super().shutdown)
        else:
            super().shutdown()


def _do_nothing() -> None:
    pass


def is_packed(frame: bytes) -> bool:
    """Whether deflating a frame would not make it smaller, as with images and archives.

    It would take most of the time of sending. A frame that is not large counts as compressible.
    """
    if len(frame) < _MIN_UNCOMPRESSED_BYTES:
        return False
    middle = len(frame) // 2
    sample = frame[middle : middle + _SAMPLE_BYTES]
    return len(zlib.compress(sample, 1)) >= _SAMPLE_BYTES * 0.95


def join(message: Frame) -> bytes:
    """Return the server's frame for a message: unfragmented and unmasked (RFC 6455 5.2).

    websockets needs four times as many instructions, which a commit with many subscribers repeats
    for each of them (docs/decisions/7-uvicorn-fast-path.md).
    """
    first, payload = (_BINARY, message) if isinstance(message, bytes) else (_TEXT, message.encode())
    length = len(payload)
    if length < 126:
        head = bytes((first, length))
    elif length <= 0xFFFF:
        head = bytes((first, 126)) + length.to_bytes(2)
    else:
        head = bytes((first, 127)) + length.to_bytes(8)
    return head + payload
