"""A live request over server-sent events, for clients that get no WebSocket (PROTOCOL.md 4.9).

The subscription is the same as on a WebSocket. Here its versions are events of one HTTP response.
"""

import asyncio
import logging
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import msgspec

from wsrequest.connection.send_queue import SendQueue
from wsrequest.connection.sse_codec import REQUEST_ID, event_of, push_event
from wsrequest.connection.unread import Unread
from wsrequest.errors import Refused
from wsrequest.protocol.headers import is_allowed_value
from wsrequest.protocol.messages import Request, Uncertain
from wsrequest.protocol.server_codec import encode_refused, encode_server
from wsrequest.protocol.session import Key
from wsrequest.push.room import Listener
from wsrequest.request.cookies import CookieJar
from wsrequest.request.environ import Base, WebSocketInfo, request_attributes, split_url
from wsrequest.request.set_cookie import anywhere
from wsrequest.request.task import MessageTask
from wsrequest.server import connections
from wsrequest.server.context import ConnectionConfig, Live, ServerContext
from wsrequest.server.endpoint import NOT_EMBEDDED
from wsrequest.server.write_buffer import ResponseBuffer
from wsrequest.subscriptions.run import LiveTask
from wsrequest.subscriptions.subscription_set import SubscriptionSet
from wsrequest.types import Frame, Receive, Send
from wsrequest.workers.queue import QueueKey

__all__ = ["SSEResponse"]

logger = logging.getLogger("wsrequest.connection")

_UNCERTAIN = b"event: uncertain\n"  # a page's handler of "message" gets only responses
_ALIVE = b": alive\n\n"  # a comment, since proxies cut silent connections

Header = tuple[bytes, bytes]


class SSEResponse:
    """A response of server-sent events. Used on the event loop only, except ``*_soon``.

    Args:
        send: the ASGI callable.
        base: made from the HTTP request.
        server: what the connections of the process share.
        config: the settings of this response.
        headers: those of the response, besides its own.
        buffer: what the server buffers of the response. None if the server does not show it.
        on_gone: called once, when both the response and its first run are over. A client that
            leaves while its view runs still has a thread, so it still counts.
        on_refused: called if the first run's response is not live, so that it was only a request.
    """

    protocol_name = "http"

    def __init__(
        self,
        send: Send,
        base: Base,
        server: ServerContext,
        config: ConnectionConfig,
        headers: list[Header],
        buffer: ResponseBuffer | None = None,
        on_gone: Callable[[], None] = lambda: None,
        on_refused: Callable[[], None] = lambda: None,
    ) -> None:
        assert server.live is not None  # the caller has checked
        self.server, self.config, self.base = server, config, base
        self.connection_id = uuid4().hex
        self.info = WebSocketInfo(self.connection_id, None)
        self.request_attributes = request_attributes(base, self.info)
        self._send, self._headers = send, headers
        self._buffer = buffer
        self._jar = CookieJar(base.cookie, base.path)
        self._proof = ""  # the proof of its first response, with which the client can resume
        self._is_started = False
        self._is_over = asyncio.Event()
        self._on_gone, self._on_refused = on_gone, on_refused
        self._is_ended = False  # the response, in any way
        self._is_running = False  # the first run
        self._late: asyncio.TimerHandle | None = None  # while the first run has a deadline
        # Once set, it runs until it fires, since most clients have read by then.
        self._slow: asyncio.TimerHandle | None = None
        self._send_queue = SendQueue(
            self._write, config.limits.outbound_bytes, self._room, self._sending, self._is_over.set,
            self._is_waiting,
        )  # fmt: skip
        self._activity = self._send_queue.activity = server.activity
        self._unread: Unread | None = None  # made for the first client that leaves much unread
        self._live: Live = server.live
        self._subscriptions = SubscriptionSet(self, server.live)

    async def run(self, receive: Receive, message: Request) -> None:
        """Serve it until either side ends it."""
        connections.add(self)
        task = LiveTask(self, REQUEST_ID, message, is_by_http=True)
        task.cookie = self.cookie_for(message.url)
        if self._activity is not None:
            self._activity.connected("sse")
            task.record = self._activity.begin()
        self._subscriptions.begin(task)
        task.is_in_pool = self._is_running = True
        queue_key = self.server.queue_key_of(self.base)
        self.server.pool.submit(task, queue_key)
        self._late = self.server.pool.loop.call_later(
            self.config.limits.request_seconds, self._give_up, task, queue_key
        )
        gone = asyncio.ensure_future(self._until_gone(receive))
        try:
            while not self._is_over.is_set():
                await self._wait(self.config.limits.ping_seconds)
            await self._end_response()
        finally:
            connections.discard(self)
            gone.cancel()
            task.drop()
            if self._activity is not None:
                self._activity.end(task, self.connection_id, 0, is_dropped=True)
                self._activity.disconnected("sse")
            self._withdraw(task, queue_key)
            self._subscriptions.abandon(task)
            self._subscriptions.end()
            self._send_queue.discard()
            if self._slow is not None:
                self._slow.cancel()
            self._is_ended = True
            self._look_whether_gone()

    def _withdraw(self, task: LiveTask, queue_key: QueueKey) -> bool:
        """Take back the first run. False if a thread has begun it, since then it ends by itself."""
        if not task.withdraw(queue_key):
            return False
        self._has_run()
        return True

    def _has_run(self) -> None:
        """Note the end of the first run, so that nothing keeps this alive."""
        self._is_running = False
        if self._late is not None:
            self._late.cancel()
            self._late = None
        self._look_whether_gone()

    def _look_whether_gone(self) -> None:
        if self._is_ended and not self._is_running:
            on_gone, self._on_gone = self._on_gone, lambda: None
            on_gone()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._is_over.wait()
        except TimeoutError:
            if self._is_started and not self._send_queue.count:
                self._send_queue.put(_ALIVE)

    async def _until_gone(self, receive: Receive) -> None:
        while (await receive())["type"] != "http.disconnect":
            pass
        self._send_queue.discard()
        self._is_over.set()

    def _give_up(self, task: LiveTask, queue_key: QueueKey) -> None:
        self._late = None
        if not self._withdraw(task, queue_key):
            task.give_up()
        if task.result is None and not task.is_dropped:
            task.drop()
            late = Refused("deadline_exceeded", "no answer in time")
            if self._activity is not None:
                self._activity.end(task, self.connection_id, 0, late)
            self._last(encode_refused(late))

    def close(self) -> None:
        """End it, since the server restarts. Safe to call twice."""
        self._is_over.set()

    # One of the sockets of a session.

    @property
    def session_key(self) -> str | None:
        """The session that its cookies name."""
        return self._jar.get(self.config.session_cookie_name)

    @property
    def session_keys(self) -> set[str]:
        """The sessions that they may name later, when a cookie expires."""
        return self._jar.values(self.config.session_cookie_name)

    def close_soon(self, code: int, reason: str) -> None:
        """End it, from any thread."""
        self.server.pool.post(self._subscriptions.logged_out)

    def logged_out_soon(self) -> None:
        """End it, from any thread."""
        self.server.pool.post(self._subscriptions.logged_out)

    # The owner of its first run.

    @property
    def browser_cookies(self) -> None:
        """None, since it issues no tickets."""

    def changed_cookie_lines(self, task: MessageTask) -> list[str]:
        """Return nothing, since the response itself sets the cookies."""
        return []

    def part_ready(self, task: MessageTask, frame: Frame, body_bytes: int) -> None:
        """Do nothing, since a live response has no parts."""

    def task_ended(self, task: MessageTask, frame: Frame | None) -> None:
        """Send the response of the first run."""
        assert isinstance(task, LiveTask)
        self._has_run()
        if task.is_dropped:
            return
        self._take_cookies(task)
        if task.head is not None:
            headers = {n: v for n, v in task.head.headers.items() if n.lower() != "set-cookie"}
            task.head = msgspec.structs.replace(task.head, headers=headers)
            self._proof = task.proof
            frame = self._subscriptions.answered(task)
        if self._activity is not None:
            body_bytes = 0 if task.result is None else len(task.result.body)
            self._activity.end(task, self.connection_id, body_bytes)
        if frame is not None:
            self._on_refused()
            self._last(frame, task.result.tag if task.result is not None else None)

    def _take_cookies(self, task: LiveTask) -> None:
        lines, task.set_cookies = task.set_cookies, None
        if lines is None:
            return
        path = split_url(task.message.url)[0]
        # A control character could begin another header (CVE-2026-44546).
        self._headers += [
            (b"set-cookie", line.encode("latin1"))
            for line in (anywhere(line, path) for line in lines)
            if is_allowed_value(line)
        ]
        self._jar.update(lines, path)

    # The host of its subscription.

    def cookie_for(self, url: str) -> str:
        """Return the Cookie header that a request to ``url`` would have now."""
        return self._jar.header(url)

    def cookies_end(self) -> float | None:
        """Return the epoch seconds at which the first of its cookies expires, or None."""
        return self._jar.next_end()

    def has_room(self) -> bool:
        """Whether more may be queued for the client."""
        return self._send_queue.has_room()

    def show(self, frame: Frame, tag: str | None) -> None:
        """Send a frame as an event."""
        self._send_queue.put(event_of(frame, tag, self._proof))

    def report_uncertain(self, is_uncertain: bool) -> None:
        """Send the notice whether the client may miss changes as an event with a name."""
        self._send_queue.put(_UNCERTAIN + event_of(encode_server(Uncertain(is_uncertain))))

    def make_listener(self) -> Listener:
        """Return what gets the events of the response."""
        return Listener(self.connection_id, self._send_queue, push_event)

    def restart(self, key: Key, message: Request) -> None:
        """End the stream, because its headers are sent. The next one can set cookies."""
        self._is_over.set()

    def finished(self, key: Key) -> None:
        """End the response with its request."""
        self._is_over.set()

    def _room(self) -> None:
        self._subscriptions.go_on()

    def _is_waiting(self, count: int) -> None:
        if self._unread is None:
            limits = self.config.limits
            self._unread = Unread(self.server.budget, self.base, limits, self._does_not_read)
        self._unread.in_send_queue(count)

    def _sending(self, since: float) -> None:
        if self._slow is None:
            self._expect_reading(self.config.limits.slow_reader_seconds)

    def _expect_reading(self, seconds: float) -> None:
        self._slow = self.server.pool.loop.call_later(seconds, self._look_whether_read)

    def _look_whether_read(self) -> None:
        self._slow = None
        since, limit = self._send_queue.sending_since, self.config.limits.slow_reader_seconds
        if since is None:
            return
        left = since + limit - self.server.pool.loop.time()
        if left > 0:
            self._expect_reading(left)
        elif self._buffer is not None and self._buffer.has_shrunk():
            self._expect_reading(limit)
        else:
            self._does_not_read()

    def _does_not_read(self) -> None:
        self._send_queue.discard()
        if self._buffer is not None:
            self._buffer.abort()
        self._is_over.set()

    def _last(self, frame: Frame, tag: str | None = None) -> None:
        self.show(frame, tag)
        self._is_over.set()

    # The response.

    async def _write(self, event: dict[str, Any]) -> None:
        if not self._is_started:
            self._is_started = True
            await self._start()
        body = event["bytes"]
        await self._send({"type": "http.response.body", "body": body, "more_body": True})
        if self._buffer is not None:
            await self._buffer.drain()  # what the client has not read waits, and counts

    async def _start(self) -> None:
        headers = [
            *((b"content-type", b"text/event-stream"), (b"cache-control", b"no-store")),
            (b"x-accel-buffering", b"no"),  # nginx would buffer events
            *NOT_EMBEDDED,
            *self._headers,
        ]
        await self._send({"type": "http.response.start", "status": 200, "headers": headers})

    async def _end_response(self) -> None:
        if self._send_queue.is_broken:
            return
        try:
            async with asyncio.timeout(self.config.limits.slow_reader_seconds):
                await self._send_queue.flush()
                if not self._is_started:
                    await self._start()
                await self._send({"type": "http.response.body", "body": b"", "more_body": False})
        except TimeoutError:
            self._does_not_read()
