"""Answers plain HTTP by the worker pool: an ASGI application.

It reads the whole body before a thread is taken, as Django's own ASGI handler does, so that a slow
client holds no thread. A response in parts is sent at the pace at which the client reads it.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextvars import Context
from typing import Any
from weakref import WeakSet

from wsrequest.errors import Refused
from wsrequest.request.budget import Account
from wsrequest.request.response import Outcome
from wsrequest.request.upload import Body
from wsrequest.server.admission import place_of
from wsrequest.server.context import ConnectionConfig, ServerContext
from wsrequest.server.http.environ import path_info
from wsrequest.server.http.recorded_task import RecordedTask, Recording
from wsrequest.server.http.task import END, Events, HTTPTask
from wsrequest.server.http.whole_response import plain_response
from wsrequest.types import ASGI, Receive, Scope, Send, Start
from wsrequest.workers.queue import QueueKey, QuotaGroup

__all__ = ["HTTPApplication"]

logger = logging.getLogger("wsrequest.http")

# How often running requests are looked at. A view answers sooner than that, mostly, and then nobody
# need listen for a client that goes away.
_LOOK_SECONDS = 0.25

_TASK_BYTES = 8192
"""What an unfinished request takes besides its body: its headers, task and coroutine."""

_SMALL_BODY_BYTES = 1024
"""Up to this size, a body is not counted on top of that."""

_RETRY = ("Retry-After", "1")

CompletePage = Callable[[Outcome, bytes], bytes | None]
BeginRecording = Callable[[ServerContext, ConnectionConfig, Scope], Recording | None]

_MAX_PEERS, _ADDRESS_CHARACTERS = 1024, 64  # remembered, below 1 MiB together


class HTTPApplication:
    """Answers HTTP requests of one process by its worker pool.

    Args:
        django: Django's own ASGI handler, which answers the paths of WSREQUEST_HTTP_DJANGO_PATHS.
        get_server: returns what the requests of the running event loop share.
        get_config: returns the current settings.
        began: called on an event loop before its first request.
        complete_page: returns another body for one that is a whole page, or None. None if there
            are no live pages.
        begin_recording: returns what records the reads of a request, or None. Called on the event
            loop before the request runs.
    """

    def __init__(
        self,
        django: ASGI,
        get_server: Callable[[], ServerContext],
        get_config: Callable[[], ConnectionConfig],
        began: Callable[[], None],
        complete_page: CompletePage | None = None,
        begin_recording: BeginRecording | None = None,
    ) -> None:
        self._django, self._complete_page = django, complete_page
        self._begin_recording = begin_recording
        self._get_server, self._get_config, self._began = get_server, get_config, began
        self._requests: _Requests | None = None
        self._all: WeakSet[_Requests] = WeakSet()  # also of earlier settings, while they run

    def __call__(self, scope: Scope, receive: Receive, send: Send) -> Awaitable[None]:
        """Return the coroutine that answers one request (ASGI specification).

        It raises what the body of a response raises after the response has begun. The server then
        closes the connection.
        """
        if scope["type"] != "http":
            return self._django(scope, receive, send)  # it says that it cannot
        requests = self._requests_for(scope)
        if requests is None:
            return self._django(scope, receive, send)
        return requests.answer(scope, receive, send)

    def take_request(
        self, scope: Scope, receive: Receive, send: Send, body: bytes, start: Start
    ) -> bool:
        """Answer a request of type "http" whose body is complete, without a coroutine.

        Args:
            scope: of the request.
            receive: the ASGI server's.
            send: the ASGI server's.
            body: all of it, which ``receive`` then does not return.
            start: starts an application for the rest of the request, if that needs a coroutine.

        Returns:
            False if nothing was done, because the request must be passed to ``__call__``.
        """
        requests = self._requests_for(scope)
        return requests is not None and requests.take(scope, receive, send, body, start)

    def _requests_for(self, scope: Scope) -> "_Requests | None":
        """Return those that a request belongs to. None if Django's own handler answers it."""
        server, config = self._get_server(), self._get_config()
        if config.http_django_paths and config.http_django_paths.covers(path_info(scope)):
            return None
        requests = self._requests
        if requests is None or requests.server is not server or requests.config is not config:
            self._began()
            requests = self._requests = _Requests(
                server, config, self._complete_page, self._begin_recording
            )
            self._all.add(requests)
        return requests

    async def drain(self) -> None:
        """Wait for the requests in flight, because the process ends. Event streams end at once."""
        newest = self._requests
        if newest is not None:
            on_this_loop = [each for each in self._all if each.server is newest.server]
            await asyncio.gather(*(each.drain() for each in on_this_loop))


class _Requests:
    """The HTTP requests that run on one event loop with the same settings. Owns their tasks."""

    def __init__(
        self,
        server: ServerContext,
        config: ConnectionConfig,
        complete_page: CompletePage | None,
        begin_recording: BeginRecording | None,
    ) -> None:
        self.server, self.config, self.complete_page = server, config, complete_page
        self._begin_recording = begin_recording
        # Both would be forgotten between two requests, and making them takes microseconds.
        self._peers: dict[str, tuple[Account, QuotaGroup]] = {}
        self._running: dict[HTTPTask, None] = {}  # an ordered set: the oldest first
        self._answering: set[asyncio.Task[Any]] = set()  # their bodies have come
        self._timer: asyncio.TimerHandle | None = None
        self._left: set[HTTPTask] = set()  # while drained: they run, and their clients are gone
        self._none_left: asyncio.Future[None] | None = None

    async def answer(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        try:
            task = self._task(scope, receive, send)
        except Refused:
            await _send_all(send, plain_response(503, _RETRY))
            return
        try:
            event = await receive()
            if event["type"] == "http.request" and not event.get("more_body"):
                is_complete = self._keep_whole(task, event.get("body", b""))
            else:
                is_complete = await self._keep_parts(task, event, receive)
            if is_complete:
                self._submit(task)
                await self._send(task)
        finally:
            self._end(task)

    def take(self, scope: Scope, receive: Receive, send: Send, body: bytes, start: Start) -> bool:
        """Answer one request whose body is complete. Return False if nothing was done."""
        try:
            task = self._task(scope, receive, send)
        except Refused:
            return False
        self._keep_whole(task, body)
        task.start = start
        self._submit(task)
        return True

    async def go_on(self, task: HTTPTask) -> None:
        """Send the response to a request that was taken without a coroutine."""
        try:
            await self._send(task)
        finally:
            self._end(task)

    async def _send(self, task: HTTPTask) -> None:
        asyncio_task = asyncio.current_task()
        assert asyncio_task is not None  # a server runs each request in one
        self._answering.add(asyncio_task)
        try:
            await task.send()
        finally:
            self._answering.discard(asyncio_task)
            del asyncio_task  # it would keep an exception, whose frames keep it

    def _end(self, task: HTTPTask) -> None:
        if task.end():
            self._running.pop(task, None)
            task.discard()

    def _task(self, scope: Scope, receive: Receive, send: Send) -> HTTPTask:
        """Return the task of a request.

        Raises:
            Refused: the process, or the address of the client, holds as much as it may.
        """
        client = scope.get("client")
        account, group = self._peer_of(str(client[0]) if client else "")
        account.begin(_TASK_BYTES, self.config.limits, None)
        begin = self._begin_recording
        recording = begin(self.server, self.config, scope) if begin is not None else None
        if recording is not None:
            task: HTTPTask = RecordedTask(self, scope, receive, send, QueueKey(group), recording)
        else:
            task = HTTPTask(self, scope, receive, send, QueueKey(group))
        task.account, task.held_bytes = account, _TASK_BYTES
        return task

    def _peer_of(self, address: str) -> tuple[Account, QuotaGroup]:
        """Return what counts for one client's address."""
        peer = self._peers.get(address)
        if peer is None:
            place = place_of(address)
            peer = self.server.budget.account_of(place), self.server.addresses.of(place)
            # Without an address, each request counts by itself. A proxy can make up a long one.
            if 0 < len(address) <= _ADDRESS_CHARACTERS:
                if len(self._peers) >= _MAX_PEERS:
                    self._peers.clear()
                self._peers[address] = peer
        return peer

    def _keep_whole(self, task: HTTPTask, body: bytes) -> bool:
        count = len(body)
        if count <= self.config.upload_memory_bytes and (
            count <= _SMALL_BODY_BYTES or self._hold(task, count)
        ):
            task.content = body
        else:
            self._keep(task, body)
        return True

    async def _keep_parts(self, task: HTTPTask, event: dict[str, Any], receive: Receive) -> bool:
        """Keep a body that comes in parts. Return False if the client went away before its end."""
        while event["type"] != "http.disconnect":
            if part := event.get("body"):
                self._keep(task, part)
            if not event.get("more_body"):
                return True
            event = await receive()
        return False

    def _keep(self, task: HTTPTask, part: bytes) -> None:
        if task.body is None:
            task.body = Body(self.config.upload_memory_bytes, self.config.upload_directory)
        if not task.body.is_in_file and not self._hold(task, len(part)):
            task.body.move_to_file()
        task.body.write(part)

    def _hold(self, task: HTTPTask, count: int) -> bool:
        """Count bytes in memory. Return False if the process holds as much as it may.

        Bodies may take half of that, because a slow upload keeps what it has taken for as long as
        its client likes. The rest is left for requests that have no other place.
        """
        assert task.account is not None  # until the task ends
        if 2 * (self.server.budget.held_bytes + count) > self.config.limits.process_bytes:
            return False
        try:
            task.account.begin(count, self.config.limits, None)
        except Refused:
            return False
        task.held_bytes += count
        return True

    def _submit(self, task: HTTPTask) -> None:
        loop = self.server.pool.loop
        task.since = loop.time()
        self._running[task] = None
        if self._timer is None:
            self._look_soon()
        task.is_in_pool = True
        self.server.pool.submit(task, task.queue_key)

    def _look(self) -> None:
        """Notice clients that went away, and requests that take too long."""
        now = self.server.pool.loop.time()
        self._cut_slow_readers(now)
        late_since = now - self.config.limits.request_seconds
        for task in list(self._running):
            if task.since > now - _LOOK_SECONDS:
                break
            task.begin_sending()
            if task.since <= late_since and not task.is_lost:
                if not task.has_begun:
                    self._expire(task)
                elif not task.is_held_back:  # else its thread counts as blocked already
                    task.give_up()
            task.listen()
        self._timer = None
        if self._running:
            self._look_soon()

    def _cut_slow_readers(self, now: float) -> None:
        """Break responses off that hold a thread for a client that reads nothing.

        Only if threads are scarce. A client behind a slow line may seem to read nothing for a time.
        """
        pool, limit = self.server.pool, now - self.config.limits.slow_reader_seconds
        slow = [task for task in self._running if task.is_unread_since(limit)]
        if slow and 2 * pool.load().threads["blocked"] > pool.max_threads:
            logger.warning(
                "threads are scarce: broke off %s responses that nobody has read for "
                "WSREQUEST_SLOW_READER_SECONDS",
                len(slow),
            )
            for task in slow:
                task.break_off()

    def _look_soon(self) -> None:
        # Not in the context of the request that happens to be the first: it is for all of them.
        self._timer = self.server.pool.loop.call_later(_LOOK_SECONDS, self._look, context=Context())

    def _expire(self, task: HTTPTask) -> None:
        """Answer a request in place of its view, and let another thread take the place of its own.

        A view whose client went away may take as long as any other.
        """
        if not task.is_over:
            task.context_of_caller.run(
                logger.warning, "%s %s did not answer in time", task.method, task.path
            )
            task.finish(plain_response(504))
        if task.is_in_pool and task.withdraw(task.queue_key):
            del self._running[task]
            task.discard()
        task.drop()
        task.give_up()

    async def drain(self) -> None:
        """Wait for the requests in flight. End the responses that do not end on their own."""
        for task in self._running:
            task.begin_sending()
            if task.is_endless:
                task.finish(END)
        await asyncio.sleep(0)  # then those coroutines have begun
        if self._answering:
            await asyncio.wait(self._answering.copy())
        # The process would end in the middle of a view.
        self._left = {task for task in self._running if task.is_in_pool and not task.is_lost}
        if self._left:
            self._none_left = self.server.pool.loop.create_future()
            await self._none_left

    # The owner of the tasks.

    def part_ready(self, task: HTTPTask, part: dict[str, Any], body_bytes: int) -> None:
        """Have the coroutine of a task send a part."""
        task.add_part(part, body_bytes)

    def task_ended(self, task: HTTPTask, last: Events | None) -> None:
        """Have the coroutine of a task end the response."""
        self._running.pop(task, None)
        if task in self._left:
            self._left.remove(task)
            if not self._left and self._none_left is not None and not self._none_left.done():
                self._none_left.set_result(None)
        task.finish(last)


async def _send_all(send: Send, events: Events) -> None:
    for event in events:
        await send(event)
