"""One socket, from its accepted handshake to its close.

Only the client's own rate limit holds up reading.
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
from wsrequest.request.task import MessageTask
from wsrequest.server import connections
from wsrequest.server.context import ConnectionConfig, ServerContext
from wsrequest.types import Frame, Receive, Send

__all__ = ["SUBPROTOCOL", "Connection", "TokenBucket"]

TURN_FRAMES = 64  # a server can hand over thousands of buffered frames without a pause
BURST_SECONDS = 1.0  # how long unused allowance is kept


class TokenBucket:
    """Limits a rate of frames, at a small cost per frame.

    Args:
        per_second: how many frames may be taken per second on average.
    """

    __slots__ = ("_due", "_left", "_per_second", "_turn")

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._turn = self._left = max(1, min(TURN_FRAMES, per_second // 8))
        self._due = 0.0  # loop time by which the frames so far would have come at that rate

    def is_turn_over(self) -> bool:
        """Count a frame. Return whether other connections should have their turn now."""
        self._left -= 1
        return self._left <= 0

    def next_turn(self, now: float) -> float:
        """Begin another turn. Return how many seconds to wait first, or 0 to only yield.

        Args:
            now: loop time.
        """
        self._left = self._turn
        self._due = max(self._due, now - BURST_SECONDS) + self._turn / self._per_second
        return max(0.0, self._due - now)


logger = logging.getLogger("wsrequest.connection")

SUBPROTOCOL = "wsrequest.v1"
# PROTOCOL.md 7, with SLOW_READER. Of the codes below 3000, daphne sends only 1000.
SILENT, NO_REQUEST, RESTART, FAILED = 4000, 4002, 4004, 4005

FAREWELL_SECONDS = 0.5  # a round trip of a client that is not the fastest


class Connection:
    """An accepted WebSocket.

    Args:
        send: the ASGI callable.
        base: what its handshake said.
        subprotocol: the one agreed on, or None. A client with one gets Hello and pings.
        server: what the connections of the process share.
        config: the settings of this connection.

    Attributes:
        abort: closes the socket although the client has not read all. None if the server cannot.
    """

    __slots__ = (
        "__weakref__", "_closing", "_ended", "_farewell", "_is_resting", "_left", "_send", "_task",
        "_token_bucket", "_unread", "abort", "config", "connection_id", "dispatcher", "identity",
        "log", "send_queue", "server", "timeouts",
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
        self.send_queue.activity = server.activity
        self._unread: Unread | None = None  # made for the first client that leaves much unread
        self.abort: Callable[[], None] | None = None
        self.identity = ConnectionIdentity(self, base)
        self.dispatcher = Dispatcher(self, base, WebSocketInfo(self.connection_id, subprotocol))
        self._token_bucket = TokenBucket(config.limits.messages_per_second)
        self._is_resting = False  # its turn is over, so the next frame has to wait
        self._task: asyncio.Task[Any] | None = None
        self._closing: tuple[int, str] | None = None
        self._left: object = None  # the close code of the client
        self._ended: asyncio.Future[None] | None = None  # for a caller of drain()
        self._farewell: asyncio.TimerHandle | None = None  # closes it once drained

    def run(self, receive: Receive) -> Awaitable[None]:
        """Serve the connection until either side closes it."""
        serving = self._run(receive)
        if asyncio.current_task() is None:  # granian has a task implementation of its own
            return self.server.pool.loop.create_task(serving)
        return serving

    async def _run(self, receive: Receive) -> None:
        self._task = asyncio.current_task()
        connections.add(self)
        self.log.opened(self.dispatcher.base.origin)
        if self.server.activity is not None:
            self.server.activity.connected("websocket")
        subprotocol = self.dispatcher.info.subprotocol
        if subprotocol:
            base = self.dispatcher.base
            referrer = takes_referrer(base, self.config.trusted_proxy_headers)
            hello = self.config.hello(subprotocol, base.tickets, referrer=referrer)
            self.send_queue.put(encode_server(hello))
        self.timeouts.start()
        try:
            await self._read(receive)
        except asyncio.CancelledError:
            # close() cancels it, because with a receive() pending granian's close would wait
            # forever. Or the server cancels it as it ends: hypercorn's workers do only that.
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
        """Take a frame that did not come by ``receive``. False if it must wait for its turn."""
        if self._is_resting or self._closing is not None:
            return False
        self._take(frame)
        return True

    def _take(self, frame: Frame) -> None:
        self._is_resting = self._token_bucket.is_turn_over()
        try:
            self.dispatcher.receive(frame)
        except Exception:
            logger.exception("connection %s failed", self.connection_id)
            self.close(FAILED, "the server failed")

    async def _rest(self) -> None:
        await asyncio.sleep(self._token_bucket.next_turn(self.server.pool.loop.time()))
        self._is_resting = False

    def close(self, code: int, reason: str) -> None:
        """Send what waits, then close. On the event loop. Safe to call twice."""
        if self._closing is None and self._task is not None:
            self._closing = (code, reason)
            self._task.cancel()

    def close_soon(self, code: int, reason: str) -> None:
        """Close from any thread."""
        self.server.pool.post(partial(self.close, code, reason))

    def logged_out_soon(self) -> None:
        """End what was answered for a user that this connection logged out, from any thread."""
        self.server.pool.post(self.dispatcher.logged_out)

    async def drain(self) -> None:
        """Accept no new request, answer what is in flight, and close. Returns once it is closed."""
        self.dispatcher.begin_no_more()
        if self._task is None:
            return
        if self._ended is None:
            self._ended = self.server.pool.loop.create_future()
        self.dispatcher.refuse_for_restart(endless_only=True)
        if not self.dispatcher.has_tasks:
            self.close_for_restart()
        await asyncio.shield(self._ended)  # other callers may wait, too

    def close_for_restart(self) -> None:
        """Refuse what is in flight, and close. On the event loop. Safe to call twice."""
        self.dispatcher.refuse_for_restart()
        self.close(RESTART, "the server restarts")

    def all_is_answered(self) -> None:
        """Close for a restart after a short delay. Safe to call twice."""
        if self._farewell is None:
            # Its next request may be on the way, and must be read and refused. If granian or
            # hypercorn closes with unread data, it resets the connection, and responses are lost.
            self._farewell = self.server.pool.loop.call_later(
                FAREWELL_SECONDS, self.close_for_restart
            )

    @property
    def session_key(self) -> str | None:
        """The session that the cookies of the connection name."""
        return self.identity.session_key

    @property
    def session_keys(self) -> set[str]:
        """The sessions that they may name later, when a cookie expires."""
        return self.identity.session_keys

    # Callbacks of the send queue.

    def _room(self) -> None:
        self.dispatcher.go_on()

    def _broken(self) -> None:
        """Close, since the server failed to send a frame. A client must not wait for it forever."""
        self.close(FAILED, "an answer could not be sent")

    def _is_waiting(self, count: int) -> None:
        self._get_unread().in_send_queue(count)

    def is_buffered(self, count: int) -> None:
        """Count bytes in the server's buffer. 0 means that the client has read most of them."""
        if count or self._unread is not None:
            self._get_unread().in_server(count)

    def _get_unread(self) -> Unread:
        if self._unread is None:
            self._unread = Unread(
                self.server.budget, self.dispatcher.base, self.config.limits, self.too_much_waits
            )
        return self._unread

    def too_much_waits(self) -> None:
        """Disconnect at once a client that leaves too much unread."""
        self.send_queue.discard()
        self.close(SLOW_READER, "too much waits to be read")
        if self.abort is not None:
            self.abort()

    # Callbacks of the timeouts.

    def timed_tasks(self) -> list[MessageTask]:
        """Return the tasks that have a deadline, in any order."""
        return self.dispatcher.timed_tasks()

    def task_expired(self, task: MessageTask) -> None:
        """Refuse a task that missed its deadline, or whose body stopped coming."""
        self.dispatcher.task_expired(task)

    def is_busy(self) -> bool:
        """Whether the client waits for anything."""
        return self.dispatcher.is_busy()

    def session_since(self) -> float | None:
        """Return the loop time at which a session was last valid, or None without a session."""
        return self.identity.session_since

    def session_is_due(self) -> None:
        """Check whether the session is still valid."""
        self.identity.session_is_due()

    def sending_since(self) -> float | None:
        """Return the loop time at which the current frame began to be sent, or None."""
        return self.send_queue.sending_since

    def reader_is_slow(self) -> None:
        """Disconnect a client that does not read."""
        self.send_queue.discard()
        self.close(SLOW_READER, "a frame waited too long to be read")

    def ping_is_due(self) -> None:
        """Ping a silent client."""
        self.send_queue.put(encode_server(Ping(Raw(b"1"))))

    def client_is_silent(self, *, was_pinged: bool) -> None:
        """Disconnect a silent client."""
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
        except Exception as error:  # servers raise various errors once the client has gone
            logger.debug("closing failed: %r", error)

    def _end(self) -> None:
        connections.discard(self)
        code, reason = self._closing or (self._left, "by the client")
        self.log.closed(code, reason)
        if self.server.activity is not None:
            self.server.activity.disconnected("websocket", code)
        self.timeouts.stop()
        self.send_queue.discard()
        self.dispatcher.end()
        self._is_resting = True  # from now on. With TLS, frames can still come
        self._task = None
        if self._farewell is not None:
            self._farewell.cancel()
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
