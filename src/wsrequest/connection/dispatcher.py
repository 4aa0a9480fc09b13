"""Turns the frames of one client into requests, and keeps track of them until their last frames.

Nothing here waits. So a cancel, credit or a ping takes effect however busy the connection is.
The module is long because all of its methods change one record: which requests wait, run and hold
bytes, and who may still send.
"""

import asyncio
import logging
from contextvars import Context
from typing import Protocol

from wsrequest.connection.identity import ConnectionIdentity, Host
from wsrequest.connection.live_requests import LiveRequests
from wsrequest.connection.send_queue import SendQueue, frame_bytes
from wsrequest.errors import Refused
from wsrequest.protocol.client_codec import decode_client
from wsrequest.protocol.messages import Cancel, Credit, Part, Ping, Pong, Request
from wsrequest.protocol.server_codec import encode_refused, encode_server
from wsrequest.protocol.session import Key, Session
from wsrequest.request.browser_cookies import BrowserCookies
from wsrequest.request.environ import (
    Base,
    WebSocketInfo,
    request_attributes,
)
from wsrequest.request.exclusions import check_excluded, check_overrides, check_referrer
from wsrequest.request.flow import FlowController
from wsrequest.request.task import MessageTask, RecordedTask
from wsrequest.request.upload import Body
from wsrequest.subscriptions.barrier import with_settled
from wsrequest.subscriptions.run import LiveTask
from wsrequest.subscriptions.subscription import too_large_to_subscribe
from wsrequest.types import Frame

__all__ = ["SLOW_READER", "Dispatcher", "DispatcherHost"]

logger = logging.getLogger("wsrequest.connection")

SLOW_READER = 4001  # PROTOCOL.md 7

_TASK_BYTES = 1536
"""What an unfinished request takes besides its frames, measured with an upload of no bytes."""


class DispatcherHost(Host, Protocol):
    """The connection that a dispatcher serves."""

    send_queue: SendQueue
    identity: ConnectionIdentity

    def all_is_answered(self) -> None:
        """Close the draining connection, since no request is left. May be called more than once."""


class Dispatcher:
    """Turns the frames of one client into tasks, and their responses into frames.

    Used on the event loop only, except ``browser_cookies`` and ``changed_cookie_lines``. A task
    runs, waits for room, or waits for the rest of its body. A task that was dropped while a thread
    runs it still counts as running. Otherwise a client could get around the limit by canceling.

    Args:
        host: the connection.
        base: what its handshake said.
        info: what a view finds in ``request.websocket``.
    """

    __slots__ = (
        "_account", "_activity", "_give_up_timer", "_host", "_identity", "_is_draining", "_live",
        "_loop", "_queue_key", "_running", "_send_queue", "_session", "_tasks", "_timeouts",
        "_waiting", "base", "config", "info", "request_attributes", "server",
    )  # fmt: skip
    protocol_name = "websocket"

    def __init__(self, host: DispatcherHost, base: Base, info: WebSocketInfo) -> None:
        self._host, self._send_queue, self._identity = host, host.send_queue, host.identity
        self._timeouts = host.timeouts
        self.server, self.config, self.base, self.info = host.server, host.config, base, info
        self.request_attributes = request_attributes(base, info)
        self._activity = host.server.activity
        self._loop = host.server.pool.loop
        self._session = Session(host.config.limits)
        self._account = host.server.account_of(base)
        self._queue_key = host.server.queue_key_of(base)
        self._tasks: dict[Key, MessageTask] = {}  # those that the client waits for
        self._running: dict[MessageTask, None] = {}  # an ordered set, since tasks end in any order
        # A list, since an empty deque takes 700 bytes. It holds at most WSREQUEST_MAX_WAITING.
        self._waiting: list[MessageTask] = []
        self._live: LiveRequests | None = None  # made for the first live request
        self._is_draining = False
        self._give_up_timer: asyncio.TimerHandle | None = None  # for tasks left at the end

    # What the client sends.

    def receive(self, frame: Frame) -> None:
        """Handle one frame of the client. An invalid frame is refused."""
        limits, now = self.config.limits, self._loop.time()
        self._timeouts.last_frame_at = now
        activity, request = self._activity, None
        if activity is not None:
            activity.received_bytes += frame_bytes(frame)
        try:
            message = decode_client(frame, max_bytes=limits.message_bytes)
            if not isinstance(message, Request):
                self._receive_other(message)
                return
            request = message
            key = self._session.begin(message)
            # Inline, since every request passes here.
            try:
                if self._is_draining or message.subscribe:
                    self._check_subscribe(message, len(frame))
                if self.config.excluded_paths:
                    check_excluded(message.url, self.base, self.config.excluded_paths)
                if message.headers or message.token is not None:
                    check_overrides(message, self.base, self.config.trusted_proxy_headers)
                if message.referrer is not None:
                    check_referrer(message.referrer, self.base, self.config.trusted_proxy_headers)
                held_bytes = len(frame) + _TASK_BYTES
                self._account.begin(held_bytes, limits, message.id)
            except Refused as refused:
                refused.id = message.id
                self._session.finish(key)
                raise
            if message.subscribe:
                task: MessageTask = self._make_live_task(key, message)
            else:
                flow = None if message.credit is None else self._make_flow(message.credit)
                kind = MessageTask if activity is None else RecordedTask
                task = kind(self, key, message, flow)
            if activity is not None:
                task.record = activity.begin()
            self._tasks[key] = task
            task.since, task.account, task.held_bytes = now, self._account, held_bytes
            if now + limits.request_seconds < self._timeouts.rings_at:
                self._timeouts.schedule(now + limits.request_seconds)
            if message.more:
                task.body = Body(self.config.upload_memory_bytes, self.config.upload_directory)
                self._write_body(task, message.body or b"", True)
            else:
                self._waiting.append(task)
                self._fill()
        except Refused as refused:
            self._refuse(refused, request)

    def _make_flow(self, credit: int) -> FlowController:
        window_bytes = 2 * self.config.limits.part_bytes  # a thread may be that far ahead
        return FlowController(credit, window_bytes, self._send_queue.has_room)

    def _check_subscribe(self, message: Request, frame_bytes: int) -> None:
        if self._is_draining:
            raise Refused("shutting_down", "the server is about to restart", message.id)
        if self.server.live is None:
            raise Refused("not_supported", "this server has no live requests", message.id)
        if frame_bytes > self.config.limits.subscribe_bytes:
            raise too_large_to_subscribe(self.config.limits.subscribe_bytes)

    def _receive_other(self, message: Part | Credit | Cancel | Ping | Pong) -> None:
        key = self._session.receive(message)
        if isinstance(message, Ping):
            self._reply(encode_server(Pong(message.value)))
        elif key is not None and not isinstance(message, Pong):
            if key in self._tasks:
                self._receive_for_task(self._tasks[key], message)
            elif self._live is not None:
                self._live.subscriptions.cancel(key)  # a live request takes no other message

    def _receive_for_task(self, task: MessageTask, message: Part | Credit | Cancel) -> None:
        # Only progress gives a task more time. Otherwise a client could hold its memory forever.
        if isinstance(message, Cancel):
            self._drop(task)
        elif isinstance(message, Credit):
            if task.has_begun and message.count:
                task.since = self._loop.time()
            if task.flow is not None:
                task.flow.grant(message.count)
        else:
            if message.body or not message.more:
                task.since = self._loop.time()
            self._account.begin(len(message.body), self.config.limits, message.id)
            task.held_bytes += len(message.body)
            self._write_body(task, message.body, message.more)

    def _make_live_task(self, key: Key, message: Request) -> LiveTask:
        live = self.server.live
        assert live is not None  # otherwise _check_subscribe refused it
        if self._live is None:
            self._live = LiveRequests(self, self._send_queue, self._identity, live)
        return LiveTask(self, key, message)

    def _write_body(self, task: MessageTask, part: bytes, more: bool) -> None:
        body, id = task.body, task.message.id
        assert body is not None and id is not None  # more requires an id, and opened the body
        try:
            body.write(part)
        except OSError as error:
            message = task.message
            logger.error("keeping the body of %s %s failed: %s", message.method, task.path, error)
            raise Refused("internal_error", "the server cannot keep the body", id) from error
        if not more:
            self._waiting.append(task)
            self._fill()
        elif part:
            self._reply(encode_server(Credit(id, len(part))))

    def _refuse(self, refused: Refused, request: Request | None) -> None:
        self._host.log.refused(refused)
        task = None
        if refused.code != "id_in_use" and refused.id is not None:
            task = self._tasks.get(refused.id)
            if task is not None:  # a refusal with an id finishes that request (5.1)
                self._drop(task, refused)
            elif self._live is not None and self._live.subscriptions.cancel(refused.id):
                self._session.finish(refused.id)
        if task is None and self._activity is not None:
            self._activity.refuse(refused, request, self.info.connection_id)
        self._reply(encode_refused(refused))

    def _reply(self, frame: Frame) -> None:
        """Send a reply that costs the client little. Disconnect a client that never reads them."""
        limits = self.config.limits
        if self._send_queue.count > 2 * (limits.in_flight + limits.waiting):
            self._send_queue.discard()
            self._host.close(SLOW_READER, "too much waits to be read")
        else:
            self._send_queue.put(frame)

    # Which tasks run.

    def _fill(self) -> None:
        """Run tasks while there is room, in the order in which they came."""
        queue, max_running = self._send_queue, self.config.limits.in_flight
        while (
            self._waiting
            and len(self._running) < max_running
            and queue.waiting_bytes < queue.max_bytes
        ):
            task = self._waiting.pop(0)
            self._running[task] = None
            task.is_in_pool = True
            task.cookie = self._identity.cookies.header(task.message.url)
            if self._live is not None and isinstance(task, LiveTask):
                self._live.subscriptions.begin(task)
            self.server.pool.submit(task, self._queue_key)

    def _hold(self) -> None:
        """Take back the tasks that no thread has begun, since their responses would only wait."""
        for task in reversed(list(self._running)):
            if task.is_in_pool and task.withdraw(self._queue_key):
                del self._running[task]
                self._waiting.insert(0, task)

    def _withdraw(self, task: MessageTask) -> bool:
        """Take out a task that was not begun. False if it was begun. Then it ends by itself."""
        if task in self._running:
            if not task.withdraw(self._queue_key):
                return False
            del self._running[task]
            self._fill()
        elif task in self._waiting:
            self._waiting.remove(task)
        return True

    def go_on(self) -> None:
        """Continue what waited for the client to read."""
        self._fill()
        for task in self._running:
            if task.flow is not None:
                task.flow.wake()
        if self._live is not None:
            self._live.subscriptions.go_on()

    # The owner of its tasks.

    @property
    def browser_cookies(self) -> BrowserCookies:
        """The cookies that the browser probably has. May be read on any thread."""
        return self._identity.browser_cookies

    def changed_cookie_lines(self, task: MessageTask) -> list[str]:
        """Return the Set-Cookie lines that the browser lacks. May be called on any thread."""
        return self._identity.changed_cookie_lines(task)

    def part_ready(self, task: MessageTask, frame: Frame, body_bytes: int) -> None:
        """Send a frame of a response that has more."""
        if not task.is_dropped:
            task.since = self._loop.time()
            self._learn(task)
            if task.record is not None:
                task.record.sent_bytes += frame_bytes(frame)
            self._send_queue.put(frame, task.context)
        if task.flow is not None and body_bytes:
            task.flow.sent(body_bytes)

    def task_ended(self, task: MessageTask, frame: Frame | None) -> None:
        """Send the last frame of a task that has left its thread."""
        self._running.pop(task, None)
        if self._give_up_timer is not None and not self._running:
            self._give_up_timer.cancel()  # its tasks would keep the connection alive
        if not task.is_dropped:
            if task.set_cookies is not None or task.user is not None:
                self._learn(task)
            if self._live is not None and isinstance(task, LiveTask):
                self._live.answered(task, frame)
            elif frame is not None and task.message.settled and not task.has_begun:
                self._settle(task, frame)
            else:
                self.answer(task, frame)
        if self._waiting:
            self._fill()

    def answer(self, task: MessageTask, frame: Frame | None) -> None:
        """Finish a task with its last frame."""
        self._forget(task)
        if task.record is not None:
            self._end(task, 0 if frame is None else frame_bytes(frame))
        if frame is not None:
            self._send_queue.put(frame, task.context)
            if self._send_queue.waiting_bytes >= self._send_queue.max_bytes:
                self._hold()

    def _learn(self, task: MessageTask) -> None:
        if self._identity.learn(task) and self._live is not None:
            self._live.subscriptions.refresh()

    # Live requests.

    def begin_again(self, task: LiveTask) -> None:
        """Run the task of a live request that was begun before."""
        task.since = self._loop.time()
        self._tasks[task.key] = task
        self._timeouts.schedule(task.since + self.config.limits.request_seconds)
        self._waiting.append(task)
        self._fill()

    def went_live(self, task: LiveTask) -> None:
        """Keep the id of a request that its first run has not finished."""
        if task.record is not None:
            self._end(task, 0 if task.result is None else len(task.result.body))
        if self._tasks.pop(task.key, None) is task:
            self._session.go_live(task.key)
            self._check_drained()

    def _settle(self, task: MessageTask, frame: Frame) -> None:
        if self._live is None or self._is_draining:
            self.answer(task, with_settled(frame, is_settled=self._live is None))
        else:
            self._live.settle(task, frame)

    def put(self, frame: Frame, context: Context | None = None) -> None:
        """Send a frame after those that wait, in the given context or in that of the connection."""
        self._send_queue.put(frame, context)
        if self._send_queue.waiting_bytes >= self._send_queue.max_bytes:
            self._hold()

    def finished(self, key: Key) -> None:
        """Free the id of a live request that has ended."""
        self._session.finish(key)

    def logged_out(self) -> None:
        """End what was answered for the session's user, who has logged out."""
        if self._live is not None:
            self._live.subscriptions.logged_out()

    # How tasks end.

    def _forget(self, task: MessageTask) -> None:
        if self._tasks.get(task.key) is task:  # otherwise the id may be another task's by now
            del self._tasks[task.key]
            self._session.finish(task.key)
        if self._is_draining:
            self._check_drained()

    def _check_drained(self) -> None:
        if self._is_draining and not self._tasks:
            self._host.all_is_answered()

    def _end(self, task: MessageTask, last_bytes: int, refused: Refused | None = None) -> None:
        """Have a message counted and logged that was answered, refused or dropped."""
        assert self._activity is not None  # the task has a record
        id, is_dropped = self.info.connection_id, task.is_dropped
        self._activity.end(task, id, last_bytes, refused, is_dropped=is_dropped)

    def _drop(self, task: MessageTask, refused: Refused | None = None) -> bool:
        """Send nothing more of a task, and end it as soon as possible.

        Args:
            task: any task.
            refused: what its client gets in place of a response, if anything.

        Returns:
            Whether it was not begun, and never will be.
        """
        self._forget(task)
        was_dropped = task.is_dropped  # then its id may be another task's by now
        task.drop()
        if task.record is not None:
            self._end(task, 0, refused)
        if self._live is not None:
            self._live.dropped(task, is_first_time=not was_dropped)
        is_untouched = self._withdraw(task)
        if is_untouched:
            task.discard()
        return is_untouched

    def task_expired(self, task: MessageTask) -> None:
        """Refuse a stalled task, and let another thread take the place of its own."""
        if task.is_stalled:
            late = Refused("deadline_exceeded", "no answer in time", task.message.id)
            if not task.is_dropped:
                logger.warning("%s %s did not answer in time", task.message.method, task.path)
                self._send_queue.put(encode_refused(late, has_begun=task.has_begun))
            self._drop(task, late)
        task.give_up()

    def is_busy(self) -> bool:
        """Whether the client waits for anything."""
        return bool(self._tasks) or (self._live is not None and bool(self._live.subscriptions))

    @property
    def has_tasks(self) -> bool:
        """Whether any request must be answered before a restart."""
        return bool(self._tasks)

    def timed_tasks(self) -> list[MessageTask]:
        """Return the tasks that have a deadline: stalled ones, and those that hold a thread."""
        tasks = dict.fromkeys([*self._running, *self._tasks.values()])
        return [task for task in tasks if not task.is_lost and (task.is_stalled or task.is_in_pool)]

    # The end.

    def begin_no_more(self) -> None:
        """Refuse every new request, since the server restarts."""
        self._is_draining = True

    def refuse_for_restart(self, *, endless_only: bool = False) -> None:
        """Refuse what is in flight. After close code 4004 no request may be in doubt.

        Args:
            endless_only: refuse only those whose responses never end by themselves.
        """
        if self._live is not None:
            self._live.flush()
        for task in list(self._tasks.values()):
            if endless_only and not task.is_endless:
                continue
            record, task.record = task.record, None
            is_untouched = self._drop(task)
            refused = (
                Refused("shutting_down", "the server is about to restart", task.message.id)
                if is_untouched or task.is_endless
                else Refused("deadline_exceeded", "no answer before the restart", task.message.id)
            )
            if record is not None:
                task.record = record
                self._end(task, 0, refused)
            self._send_queue.put(encode_refused(refused, has_begun=task.has_begun))

    def end(self) -> None:
        """Drop all tasks, since the connection has ended. Safe to call twice."""
        self._waiting.clear()
        if self._live is not None:
            self._live.subscriptions.end()
        for task in list(self._tasks.values()):
            self._drop(task)
        left = [task for task in self._running if task.is_in_pool]
        if left:  # they end by themselves, or are given up as any late task is
            seconds = self.config.limits.request_seconds
            self._give_up_timer = self._loop.call_later(seconds, _give_up, left)


def _give_up(tasks: list[MessageTask]) -> None:
    for task in tasks:
        task.give_up()
