"""The frames of one client, and its requests until their last frames.

Nothing here waits, so that cancel, credit and ping are handled however busy the connection is. A
task that was dropped while a thread runs it still counts as in flight, or cancelling would be a way
around the limit.
"""

import asyncio
import logging
from collections.abc import Callable, Iterator
from contextvars import Context
from typing import Protocol

import msgspec

from wsrequest.connection.identity import ConnectionIdentity, Host
from wsrequest.connection.send_queue import SendQueue
from wsrequest.errors import Refused
from wsrequest.protocol.client_codec import decode_client
from wsrequest.protocol.messages import Cancel, Credit, Part, Ping, Pong, Request
from wsrequest.protocol.server_codec import encode_refused, encode_server
from wsrequest.protocol.session import Key, Session
from wsrequest.request.browser_cookies import BrowserCookies
from wsrequest.request.environ import (
    Base,
    WebSocketInfo,
    check_excluded,
    check_overrides,
    check_referrer,
)
from wsrequest.request.sender import FlowController
from wsrequest.request.task import RequestTask
from wsrequest.request.upload import Body
from wsrequest.subscriptions.barrier import Barrier, told
from wsrequest.subscriptions.run import LiveTask
from wsrequest.subscriptions.subscription import Subscriptions, too_large_to_subscribe
from wsrequest.types import Frame
from wsrequest.workers.pool import WorkerPool
from wsrequest.workers.queue import QueueKey

__all__ = ["SLOW_READER", "Dispatcher", "InFlight", "Line", "Schedule"]


class Schedule:
    """The calls of one connection between their message and their last frame. On the event loop.

    Args:
        pool: runs them, in turn with those of other connections.
        queue_key: the connection, for the lane.
        max_running: how many at the same time; the others wait, first come first served.
        has_room: whether more may be begun now; not while the client does not read.
        on_begin: called with each call before it goes to the lane.
    """

    __slots__ = (
        "_has_room",
        "_lane",
        "_max_running",
        "_on_begin",
        "_running",
        "_queue_key",
        "_waiting",
    )

    def __init__(
        self,
        pool: WorkerPool,
        queue_key: QueueKey,
        max_running: int,
        has_room: Callable[[], bool],
        on_begin: Callable[[RequestTask], None],
    ) -> None:
        self._lane, self._queue_key, self._max_running = pool, queue_key, max_running
        self._has_room, self._on_begin = has_room, on_begin
        # A list, for an empty deque takes 700 bytes. At most WSREQUEST_MAX_WAITING stand in it.
        self._waiting: list[RequestTask] = []
        self._running: dict[RequestTask, None] = {}  # an ordered set, for calls end in any order

    def __iter__(self) -> Iterator[RequestTask]:
        """The calls that run, the oldest first."""
        return iter(self._running)

    def add(self, task: RequestTask) -> None:
        """Run a call as soon as there is room."""
        self._waiting.append(task)
        self.fill()

    def fill(self) -> None:
        """Begin what may begin now: called when there is room again."""
        while self._waiting and len(self._running) < self._max_running and self._has_room():
            task = self._waiting.pop(0)
            self._running[task] = None
            task.is_in_pool = True
            self._on_begin(task)
            self._lane.submit(task, self._queue_key)

    def hold(self) -> None:
        """Take back what no thread has begun, since its answers would only wait to be read."""
        for task in reversed(list(self._running)):
            if task.is_in_pool and self._lane.withdraw(task, self._queue_key):
                task.is_in_pool = False
                del self._running[task]
                self._waiting.insert(0, task)

    def ended(self, task: RequestTask) -> None:
        """A call is back from the lane."""
        self._running.pop(task, None)
        if self._waiting:
            self.fill()

    def withdraw(self, task: RequestTask) -> bool:
        """Take out a call that was not begun. False for one that was: it ends by itself."""
        if task in self._running:
            if not self._lane.withdraw(task, self._queue_key):
                return False
            task.is_in_pool = False
            self.ended(task)
        elif task in self._waiting:
            self._waiting.remove(task)
        return True

    def give_up(self, task: RequestTask) -> None:
        """A call holds its thread beyond its time: let another thread stand in until it ends."""
        if task.is_in_pool and not task.is_lost:
            task.is_lost = True
            self._lane.block()

    def stop(self) -> None:
        """Begin nothing more. Safe to call twice."""
        self._waiting.clear()


logger = logging.getLogger("wsrequest.connection")


class Line(Host, Protocol):
    """A connection, seen by its exchange."""

    send_queue: SendQueue
    identity: ConnectionIdentity

    def all_is_answered(self) -> None:
        """Nothing is in flight any more, while the connection drains. More than once, perhaps."""


class InFlight:
    """What one client has asked for and was not answered to its end. On the event loop only.

    Args:
        line: the connection.
        base: of its handshake.
        info: what its requests tell of it.
    """

    __slots__ = (
        "_account", "_tasks", "_is_draining", "_last_look", "_line", "_loop", "_send_queue",
        "_schedule", "_session", "_settling", "_subscriptions", "_identity", "_timeouts", "base",
        "info", "server", "config",
    )  # fmt: skip

    def __init__(self, line: Line, base: Base, info: WebSocketInfo) -> None:
        self._line, self._send_queue, self._identity = line, line.send_queue, line.identity
        self._timeouts = line.timeouts
        self.server, self.config, self.base, self.info = line.server, line.config, base, info
        limits = line.config.limits
        self._loop = line.server.pool.loop
        self._session = Session(limits)
        self._account = line.server.account_of(base)
        self._tasks: dict[Key, RequestTask] = {}  # unfinished for the client
        self._schedule = Schedule(
            line.server.pool,
            line.server.queue_key_of(base),
            limits.in_flight,
            line.send_queue.has_room,
            self._begin,
        )
        self._subscriptions: Subscriptions | None = None  # made for the first
        self._settling: Barrier | None = None
        self._is_draining = False
        self._last_look: asyncio.TimerHandle | None = None  # for calls that outlive the connection

    # Calls.

    def _begin(self, task: RequestTask) -> None:
        task.cookie = self._identity.cookie_for(task.message.url)
        if isinstance(task, LiveTask) and self._subscriptions is not None:
            self._subscriptions.begin(task)

    @property
    def browser_cookies(self) -> BrowserCookies:
        """What the browser is believed to hold; for any thread."""
        return self._identity.browser_cookies

    def news_of(self, task: RequestTask) -> list[str]:
        """The lines of its Set-Cookie that a browser must be told; from any thread."""
        return self._identity.news_of(task)

    def go_on(self) -> None:
        """The client has read: go on with what had to wait for it."""
        self._schedule.fill()
        for task in self._schedule:
            if task.flow is not None:
                task.flow.wake()
        if self._subscriptions is not None:
            self._subscriptions.go_on()

    def part_ready(self, task: RequestTask, frame: Frame, body_bytes: int) -> None:
        """A frame of an answer that goes on."""
        if not task.is_dropped:
            task.since = self._loop.time()
            self._learn(task)
            self._send_queue.put(frame, task.context)
        if task.flow is not None and body_bytes:
            task.flow.sent(body_bytes)

    def task_ended(self, task: RequestTask, frame: Frame | None) -> None:
        """A call is back from the lane, with its last frame."""
        if not task.is_dropped:
            if task.set_cookies is not None or task.user is not None:
                self._learn(task)
            if isinstance(task, LiveTask):
                self._live_answered(task, frame)
            elif frame is not None and task.message.settled and not task.has_begun:
                self._settle(task, frame)
            else:
                self._answer(task, frame)
        self._schedule.ended(task)
        if self._last_look is not None and not any(self._schedule):
            self._last_look.cancel()  # it would keep all this alive

    def _answer(self, task: RequestTask, frame: Frame | None) -> None:
        self._forget(task)
        if frame is not None:
            self.put(frame, task.context)

    def _learn(self, task: RequestTask) -> None:
        if self._identity.learn(task) and self._subscriptions is not None:
            self._subscriptions.refresh()

    # Live requests.

    def _live_answered(self, task: LiveTask, frame: Frame | None) -> None:
        assert self._subscriptions is not None  # made with the call
        if task.needs_sender:  # its body was made where it could not run once more
            self._subscriptions.abandon(task)
            self._begin_with_effects(task)
            return
        if task.result is not None:
            frame = self._subscriptions.answered(task)
        else:
            self._subscriptions.abandon(task)
        if task.result is None or frame is not None:
            self._answer(task, frame)
        elif self._tasks.pop(task.key, None) is task:
            self._session.go_live(task.key)
            if self._is_draining and not self._tasks:
                self._line.all_is_answered()
        self._subscriptions.renewed(task)

    def _begin_with_effects(self, before: LiveTask) -> None:
        """Run the first run of a live request once more, as one that the client has sent."""
        message = msgspec.structs.replace(before.shown_message, rerun="")
        self._begin_again(LiveTask(self, before.key, message))

    def begin_anew(self, key: Key, message: Request) -> None:
        """Run a live request that goes on once more as one that the client has sent."""
        task = LiveTask(self, key, message)
        task.is_anew = True
        self._begin_again(task)

    def _begin_again(self, task: LiveTask) -> None:
        task.since = self._loop.time()
        self._tasks[task.key] = task
        self._timeouts.schedule(task.since + self.config.limits.request_seconds)
        self._schedule.add(task)

    def _settle(self, task: RequestTask, frame: Frame) -> None:
        if self._subscriptions is None or self._is_draining:
            self._answer(task, told(frame, is_settled=self._subscriptions is None))
            return
        if self._settling is None:
            self._settling = Barrier(
                self._loop, self._answer, self._subscriptions.account, self.config.limits
            )
        self._settling.hold(task, frame, self._subscriptions.when_settled)

    def cookie_for(self, url: str) -> str:
        """The Cookie header that a request to ``url`` would have now."""
        return self._identity.cookie_for(url)

    def cookies_end(self) -> float | None:
        """Epoch seconds at which one of its cookies ends by itself; None when none does."""
        return self._identity.cookies_end()

    def has_room(self) -> bool:
        """Whether less waits than the client should be sent at once."""
        return self._send_queue.has_room()

    def put(self, frame: Frame, context: Context | None = None) -> None:
        """Send a frame behind those that wait; in a context, or in that of the connection."""
        self._send_queue.put(frame, context)
        if self._send_queue.waiting_bytes and not self._send_queue.has_room():
            self._schedule.hold()

    def show(self, frame: Frame, tag: str | None) -> None:
        """Send a frame of a live request behind those that wait."""
        self.put(frame)

    def finished(self, key: Key) -> None:
        """A live request has ended; its id is free."""
        self._session.finish(key)

    def logged_out(self) -> None:
        """The session's user is gone."""
        if self._subscriptions is not None:
            self._subscriptions.logged_out()

    # Ends of calls.

    def _forget(self, task: RequestTask) -> None:
        if self._tasks.get(task.key) is task:  # else the id may be another's by now
            del self._tasks[task.key]
            self._session.finish(task.key)
        if self._is_draining and not self._tasks:
            self._line.all_is_answered()

    def _drop(self, task: RequestTask) -> bool:
        """The client shall hear no more of a call, which ends as soon as it can.

        Returns:
            Whether it had not been begun, and never will be.
        """
        self._forget(task)
        was_dropped = task.is_dropped  # then its id may be another's by now
        task.drop()
        if self._settling is not None:
            self._settling.drop(task)
        if isinstance(task, LiveTask) and self._subscriptions is not None:
            self._subscriptions.abandon(task)
            if not was_dropped:
                self._subscriptions.renewed(task)
        is_untouched = self._schedule.withdraw(task)
        if is_untouched:
            task.discard()
        return is_untouched

    # What the clock says.

    def is_busy(self) -> bool:
        """Whether the client has something to wait for."""
        return bool(self._tasks) or bool(self._subscriptions)

    @property
    def has_tasks(self) -> bool:
        """Whether anything is in flight that must be answered before a restart."""
        return bool(self._tasks)

    def timed_tasks(self) -> list[RequestTask]:
        """Calls that may not go on like this: stalled, or holding a thread."""
        tasks = dict.fromkeys([*self._schedule, *self._tasks.values()])
        return [task for task in tasks if not task.is_lost and (task.is_stalled or task.is_in_pool)]

    def task_expired(self, task: RequestTask) -> None:
        """Refuse a stalled call, and let another thread stand in for the one that it holds."""
        if not task.is_stalled:
            self._schedule.give_up(task)
            return
        if not task.is_dropped:
            logger.warning("%s %s did not answer in time", task.message.method, task.path)
            late = Refused("deadline_exceeded", "no answer in time", task.message.id)
            self._send_queue.put(encode_refused(late, has_begun=task.has_begun))
        self._drop(task)
        self._schedule.give_up(task)

    def _give_up(self, tasks: list[RequestTask]) -> None:
        for task in tasks:
            self._schedule.give_up(task)

    # The end.

    def begin_no_more(self) -> None:
        """Refuse every request from now on, since the server restarts."""
        self._is_draining = True

    def refuse_for_restart(self, *, endless_only: bool = False) -> None:
        """Say what became of each call: after 4004 no request may be left in doubt.

        Args:
            endless_only: leave those alone whose answers end by themselves.
        """
        if self._settling is not None:
            self._settling.flush()
        for task in list(self._tasks.values()):
            if endless_only and not task.is_endless:
                continue
            is_untouched = self._drop(task)
            refused = (
                Refused("shutting_down", "the server is about to restart", task.message.id)
                if is_untouched or task.is_endless
                else Refused("deadline_exceeded", "no answer before the restart", task.message.id)
            )
            self._send_queue.put(encode_refused(refused, has_begun=task.has_begun))

    def end(self) -> None:
        """Drop all calls, for the connection has ended."""
        self._schedule.stop()
        if self._subscriptions is not None:
            self._subscriptions.end()
        for task in list(self._tasks.values()):
            self._drop(task)
        left = [task for task in self._schedule if task.is_in_pool]
        if left:  # they end by themselves, or their threads are replaced as of any late call
            seconds = self.config.limits.request_seconds
            self._last_look = self._loop.call_later(seconds, self._give_up, left)


SLOW_READER = 4001  # PROTOCOL.md 7

_CALL_BYTES = 1536
"""What an unfinished request takes beside its frames: measured with an upload of no byte."""


class Dispatcher(InFlight):
    """What one client asks for and is answered. Used on the event loop only."""

    __slots__ = ()

    def receive(self, frame: Frame) -> None:
        """Take one frame of the client; whatever is wrong with it is answered."""
        self._timeouts.touch()
        try:
            message = decode_client(frame, max_bytes=self.config.limits.message_bytes)
            if isinstance(message, Request):
                self._open(self._session.begin(message), message, len(frame))
                return
            key = self._session.receive(message)
            if isinstance(message, Ping):
                self._reply(encode_server(Pong(message.value)))
            elif key is not None and not isinstance(message, Pong):
                if key in self._tasks:
                    self._receive_for_task(self._tasks[key], message)
                elif self._subscriptions is not None:
                    self._subscriptions.cancel(key)  # for nothing else concerns one that is live
        except Refused as refused:
            self._refuse(refused)

    def _receive_for_task(self, task: RequestTask, message: Part | Credit | Cancel) -> None:
        # Only progress gives a call more time. Else a client could have what it holds for ever.
        if isinstance(message, Cancel):
            self._drop(task)
        elif isinstance(message, Credit):
            if task.has_begun and message.count:
                task.since = self._timeouts.last_frame_at
            if task.flow is not None:
                task.flow.grant(message.count)
        else:
            if message.body or not message.more:
                task.since = self._timeouts.last_frame_at
            self._account.begin(len(message.body), self.config.limits, message.id)
            task.held_bytes += len(message.body)
            self._write_body(task, message.body, message.more)

    def _open(self, key: Key, message: Request, frame_bytes: int) -> None:
        try:
            if self._is_draining:
                raise Refused("shutting_down", "the server is about to restart", message.id)
            if message.subscribe and self.server.live is None:
                raise Refused("not_supported", "this server has no live requests", message.id)
            if message.subscribe and frame_bytes > self.config.limits.subscribe_bytes:
                raise too_large_to_subscribe(self.config.limits.subscribe_bytes)
            if self.config.excluded_paths:
                check_excluded(message.url, self.base, self.config.excluded_paths)
            if message.headers or message.token is not None:
                check_overrides(message, self.base, self.config.vouching_headers)
            if message.referrer is not None:
                check_referrer(message.referrer, self.base, self.config.vouching_headers)
            held_bytes = frame_bytes + _CALL_BYTES
            self._account.begin(held_bytes, self.config.limits, message.id)
        except Refused as refused:
            refused.id = message.id
            self._session.finish(key)
            raise
        limits = self.config.limits
        flow = None
        if message.credit is not None:
            flow = FlowController(message.credit, 2 * limits.part_bytes, self._send_queue.has_room)
        if message.subscribe:
            task: RequestTask = self._make_live_task(key, message)
        else:
            task = RequestTask(self, key, message, flow)
        self._tasks[key] = task
        task.since, task.account, task.held_bytes = (
            self._timeouts.last_frame_at,
            self._account,
            held_bytes,
        )
        self._timeouts.schedule(task.since + limits.request_seconds)
        if message.more:
            task.body = Body(self.config.upload_memory_bytes, self.config.upload_directory)
            self._write_body(task, message.body or b"", True)
        else:
            self._schedule.add(task)

    def _make_live_task(self, key: Key, message: Request) -> LiveTask:
        live = self.server.live
        assert live is not None  # else _open has refused it
        if self._subscriptions is None:
            self._subscriptions = Subscriptions(self, live)
        return LiveTask(self, key, message)

    def _write_body(self, task: RequestTask, part: bytes, more: bool) -> None:
        body, id = task.body, task.message.id
        assert body is not None and id is not None  # more needs an id, and opened the body
        try:
            body.write(part)
        except OSError as error:
            message = task.message
            logger.error("keeping the body of %s %s failed: %s", message.method, task.path, error)
            raise Refused("internal_error", "the server cannot keep the body", id) from error
        if not more:
            body.is_complete = True
            self._schedule.add(task)
        elif part:
            self._reply(encode_server(Credit(id, len(part))))

    def _refuse(self, refused: Refused) -> None:
        self._line.log.refused(refused)
        if refused.code != "id_in_use" and refused.id is not None:
            task = self._tasks.get(refused.id)
            if task is not None:  # a refusal with an id finishes that request (5.1)
                self._drop(task)
            elif self._subscriptions is not None and self._subscriptions.cancel(refused.id):
                self._session.finish(refused.id)
        self._reply(encode_refused(refused))

    def _reply(self, frame: Frame) -> None:
        """Send what is cheap to ask for; a client that asks without reading is cut."""
        limits = self.config.limits
        if self._send_queue.count > 2 * (limits.in_flight + limits.waiting):
            self._send_queue.discard()
            self._line.close(SLOW_READER, "too much waits to be read")
        else:
            self._send_queue.put(frame)
