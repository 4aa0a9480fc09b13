"""One socket, from its accept to its close: read, timed, drained, closed.

Reading waits for nothing but its own rate limit.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from uuid import uuid4

from msgspec import Raw

from wsrequest.connection.dispatcher import SLOW_READER, Dispatcher
from wsrequest.connection.identity import ConnectionIdentity
from wsrequest.connection.log import ConnectionLog
from wsrequest.connection.send_queue import SendQueue
from wsrequest.connection.timeouts import Timeouts
from wsrequest.connection.unread import Unread
from wsrequest.protocol.messages import Ping
from wsrequest.protocol.server_codec import encode_server
from wsrequest.request.environ import Base, WebSocketInfo
from wsrequest.request.exclusions import takes_referrer
from wsrequest.request.task import RequestTask
from wsrequest.server import connections
from wsrequest.server.context import ConnectionConfig, ServerContext
from wsrequest.types import Frame, Receive, Send

__all__ = ["SUBPROTOCOL", "Connection", "TokenBucket"]

TURN_FRAMES = 64  # a server can hand over thousands that came in one piece, without a pause between
BURST_SECONDS = 1.0  # what was not used up may be used later, for so long


class TokenBucket:
    """A token bucket that is looked at once for many frames.

    Args:
        per_second: how many frames may be taken in a second, on the average.
    """

    __slots__ = ("_due", "_left", "_per_second", "_turn")

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._turn = self._left = max(1, min(TURN_FRAMES, per_second // 8))
        self._due = 0.0  # loop time by which the frames taken so far would be taken at that speed

    def is_turn_over(self) -> bool:
        """Count a frame; whether others should have their turn now."""
        self._left -= 1
        return self._left <= 0

    def next_turn(self, now: float) -> float:
        """Begin another turn; return the seconds to wait before, 0 for only letting others in.

        Args:
            now: loop time.
        """
        self._left = self._turn
        self._due = max(self._due, now - BURST_SECONDS) + self._turn / self._per_second
        return max(0.0, self._due - now)


logger = logging.getLogger("wsrequest.connection")

SUBPROTOCOL = "wsrequest.v1"
# PROTOCOL.md 7, with SLOW_READER. Of the codes below 3000 daphne sends none but 1000.
SILENT, NO_REQUEST, RESTART, FAILED = 4000, 4002, 4004, 4005

FAREWELL_SECONDS = 0.5  # a round trip, and a client that is not the fastest


class Connection:
    """An accepted WebSocket.

    Args:
        send: the ASGI callable.
        base: of its handshake.
        subprotocol: what was agreed on; a client with one is greeted and pinged.
        server: what the process runs requests with.
        config: the settings that hold for this connection.

    Attributes:
        abort: ends it although the client has not read all; None where the server has no such way.
    """

    __slots__ = (
        "__weakref__", "_closing", "_ended", "_farewell", "_is_resting", "_left", "_pace", "_send",
        "_task", "_unread", "abort", "config", "connection_id", "dispatcher", "identity", "log",
        "send_queue", "server", "timeouts",
    )  # fmt: skip

    def __init__(
        self,
        send: Send,
        base: Base,
        subprotocol: str | None,
        server: ServerContext,
        config: ConnectionConfig,
    ) -> None:
        self.server, self.config = server, config
        self.connection_id = uuid4().hex
        self.log = ConnectionLog(self.connection_id, base)
        self._send = send
        self.timeouts = Timeouts(self, config.limits, pings=subprotocol is not None)
        self.send_queue = SendQueue(
            send, config.limits.outbound_bytes, self._room, self.timeouts.sending, self._broken,
            self._is_waiting,
        )  # fmt: skip
        self._unread: Unread | None = None  # made for the first client that leaves much
        self.abort: Callable[[], None] | None = None
        self.identity = ConnectionIdentity(self, base)
        self.dispatcher = Dispatcher(self, base, WebSocketInfo(self.connection_id, subprotocol))
        self._pace = TokenBucket(config.limits.messages_per_second)
        self._is_resting = False  # its turn is over: the next frame has to wait
        self._task: asyncio.Task[Any] | None = None
        self._closing: tuple[int, str] | None = None
        self._left: object = None  # the code with which the client has gone
        self._ended: asyncio.Future[None] | None = None  # for whoever drains
        self._farewell: asyncio.TimerHandle | None = None  # closes when it has been drained

    def run(self, receive: Receive) -> Awaitable[None]:
        """Serve the connection until either side closes it."""
        serving = self._run(receive)
        if asyncio.current_task() is None:  # granian's own task implementation
            return self.server.pool.loop.create_task(serving)
        return serving

    async def _run(self, receive: Receive) -> None:
        self._task = asyncio.current_task()
        connections.add(self)
        self.log.opened(self.dispatcher.base.origin)
        subprotocol = self.dispatcher.info.subprotocol
        if subprotocol:
            base = self.dispatcher.base
            referrer = takes_referrer(base, self.config.vouching_headers)
            hello = self.config.hello(subprotocol, base.tickets, referrer=referrer)
            self.send_queue.put(encode_server(hello))
        self.timeouts.start()
        try:
            await self._read(receive)
        except asyncio.CancelledError:
            # Our own doing: with a receive() pending granian's close would wait forever. Or the
            # server's, which is about to end: hypercorn's workers hear of it in this way only.
            is_ours = self._closing is not None
            if is_ours:
                self._task.uncancel()  # type: ignore[union-attr] # set above
            else:
                self._closing = (RESTART, "the server restarts")
                self.dispatcher.refuse_for_restart()
            await self._close()
            if not is_ours:
                raise
        finally:
            self._end()

    async def _read(self, receive: Receive) -> None:
        while True:
            event = await receive()
            if event["type"] != "websocket.receive":
                self._left = event.get("code")
                return
            text = event.get("text")
            if self._is_resting:
                await self._rest()
            self._take(event["bytes"] if text is None else text)
            if self._is_resting:
                await self._rest()

    def take(self, frame: Frame) -> bool:
        """Take a frame that did not come by ``receive``; false when it must wait behind that."""
        if self._is_resting or self._closing is not None:
            return False
        self._take(frame)
        return True

    def _take(self, frame: Frame) -> None:
        self._is_resting = self._pace.is_turn_over()
        try:
            self.dispatcher.receive(frame)
        except Exception:
            logger.exception("connection %s failed", self.connection_id)
            self.close(FAILED, "the server failed")

    async def _rest(self) -> None:
        await asyncio.sleep(self._pace.next_turn(self.server.pool.loop.time()))
        self._is_resting = False

    def close(self, code: int, reason: str) -> None:
        """Send what waits, then close. On the event loop; safe to call twice."""
        if self._closing is None and self._task is not None:
            self._closing = (code, reason)
            self._task.cancel()

    def close_soon(self, code: int, reason: str) -> None:
        """Like ``close``, from any thread."""
        self.server.pool.post(partial(self.close, code, reason))

    def logged_out_soon(self) -> None:
        """Its own request has logged its user out; from any thread."""
        self.server.pool.post(self.dispatcher.logged_out)

    async def drain(self) -> None:
        """Begin nothing more, answer what is in flight, close for a restart; return when closed."""
        self.dispatcher.begin_no_more()
        if self._task is None:
            return
        if self._ended is None:
            self._ended = self.server.pool.loop.create_future()
        self.dispatcher.refuse_for_restart(endless_only=True)
        if not self.dispatcher.has_tasks:
            self.close_for_restart()
        await asyncio.shield(self._ended)  # others may be waiting, too

    def close_for_restart(self) -> None:
        """Refuse what is in flight, and close. On the event loop; safe to call twice."""
        self.dispatcher.refuse_for_restart()
        self.close(RESTART, "the server restarts")

    def all_is_answered(self) -> None:
        """Close soon, for a restart. Safe to call twice."""
        if self._farewell is None:
            # Its next request may be on the way. It is to be read and refused: granian and
            # hypercorn reset a connection that they close unread, and the answers go with it.
            self._farewell = self.server.pool.loop.call_later(
                FAREWELL_SECONDS, self.close_for_restart
            )

    @property
    def session_key(self) -> str | None:
        """The session that the connection's cookies name."""
        return self.identity.session_key

    # What the outbox says.

    def _room(self) -> None:
        self.dispatcher.go_on()

    def _broken(self) -> None:
        """The server does not send a frame; who waits for it must not wait forever."""
        self.close(FAILED, "an answer could not be sent")

    def _is_waiting(self, count: int) -> None:
        self._get_unread().in_send_queue(count)

    def is_buffered(self, count: int) -> None:
        """So many bytes wait in the server's buffer; 0 when the client has read most of them."""
        if count or self._unread is not None:
            self._get_unread().in_server(count)

    def _get_unread(self) -> Unread:
        if self._unread is None:
            self._unread = Unread(
                self.server.budget, self.dispatcher.base, self.config.limits, self.too_much_waits
            )
        return self._unread

    def too_much_waits(self) -> None:
        """Cut a client at once that leaves more unread than there is room for."""
        self.send_queue.discard()
        self.close(SLOW_READER, "too much waits to be read")
        if self.abort is not None:
            self.abort()

    # What the clock says.

    def timed_tasks(self) -> list[RequestTask]:
        """The calls that have a deadline, in any order."""
        return self.dispatcher.timed_tasks()

    def task_expired(self, task: RequestTask) -> None:
        """Refuse a call that did not answer in time, or whose body did not come on."""
        self.dispatcher.task_expired(task)

    def is_busy(self) -> bool:
        """Whether the client has something to wait for."""
        return self.dispatcher.is_busy()

    def session_since(self) -> float | None:
        """Loop time at which a session was last found to name a user; None without such."""
        return self.identity.session_since

    def session_is_due(self) -> None:
        """Look whether the session still names somebody."""
        self.identity.session_is_due()

    def sending_since(self) -> float | None:
        """Loop time at which the frame now being sent was begun; None when none is."""
        return self.send_queue.sending_since

    def reader_is_slow(self) -> None:
        """Cut a client that does not read what waits for it."""
        self.send_queue.discard()
        self.close(SLOW_READER, "a frame waited too long to be read")

    def ping_is_due(self) -> None:
        """Ask a silent client for a sign of life."""
        self.send_queue.put(encode_server(Ping(Raw(b"1"))))

    def client_is_silent(self, *, was_pinged: bool) -> None:
        """Cut a client that gives no sign of life."""
        if was_pinged:
            self.send_queue.discard()
            self.close(SILENT, "no pong came")
        elif self.timeouts.has_spoken:
            self.close(SILENT, "nothing came")
        else:
            self.close(NO_REQUEST, "no request came")

    # The end.

    async def _close(self) -> None:
        assert self._closing is not None
        code, reason = self._closing
        try:
            async with asyncio.timeout(self.config.limits.pong_seconds):
                await self.send_queue.flush()
        except TimeoutError:
            self.send_queue.discard()
        try:
            async with asyncio.timeout(self.config.limits.pong_seconds):
                await self._send({"type": "websocket.close", "code": code, "reason": reason})
        except TimeoutError:
            if self.abort is not None:
                self.abort()
        except Exception as error:  # servers raise errors of their own when the client has gone
            logger.debug("closing failed: %r", error)

    def _end(self) -> None:
        connections.discard(self)
        self.log.closed(*(self._closing or (self._left, "by the client")))
        self.timeouts.stop()
        self.send_queue.discard()
        self.dispatcher.end()
        self._is_resting = True  # for good: TLS can bring frames until what was written has gone
        self._task = None
        if self._farewell is not None:
            self._farewell.cancel()
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
