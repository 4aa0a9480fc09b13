"""Run one request, from where it comes from to where its response goes.

A request task makes the request in a worker thread, runs Django's stack and closes the response, in
the context that belongs to it. Its sender sends the body. ``MessageTask`` is the task of a message,
and the dispatcher decides when it runs. ``server.http`` has the task of an HTTP request.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextvars import Context, copy_context
from typing import Any, Protocol

from asgiref.sync import async_to_sync
from django.core.handlers.wsgi import WSGIRequest
from django.http import HttpRequest

from wsrequest.errors import Refused
from wsrequest.protocol.messages import Request
from wsrequest.protocol.session import Key
from wsrequest.request.browser_cookies import BrowserCookies
from wsrequest.request.budget import Account
from wsrequest.request.environ import Base, WebSocketInfo, make_environ, split_url
from wsrequest.request.flow import FlowController
from wsrequest.request.handler import Handler
from wsrequest.request.record import MessageRecord
from wsrequest.request.sender import FrameSender, ResponseSender
from wsrequest.request.upload import Body
from wsrequest.types import Limits
from wsrequest.workers.loop_callbacks import adopt
from wsrequest.workers.pool import WorkerPool
from wsrequest.workers.queue import QueueKey

__all__ = ["MessageOwner", "MessageTask", "Owner", "RecordedTask", "RequestTask"]

logger = logging.getLogger("wsrequest.connection")


class Config(Protocol):
    """The settings that a task depends on."""

    @property
    def limits(self) -> Limits:
        """The limits of sizes and times."""


class Process(Protocol):
    """What a task uses of its process."""

    @property
    def handler(self) -> Handler:
        """The handler that calls Django."""

    @property
    def pool(self) -> WorkerPool:
        """The pool that runs the task."""


class Owner(Protocol):
    """What has a task run, and sends its response."""

    @property
    def server(self) -> Process:
        """The process that runs the task."""

    @property
    def config(self) -> Config:
        """The settings of the task."""

    def part_ready(self, task: Any, part: Any, body_bytes: int) -> None:
        """Send a part of a response that goes on. Called on the event loop."""

    def task_ended(self, task: Any, last: Any) -> None:
        """End the task with the last part of its response, if any. Called on the event loop."""


class MessageConfig(Config, Protocol):
    """The settings that the task of a message depends on."""

    @property
    def token_scheme(self) -> str:
        """The word before a message's token in Authorization."""

    @property
    def hides_csrf_token(self) -> bool:
        """Whether no script of a page can read the cookie of the CSRF token."""


class TicketIssuer(Protocol):
    """Stores cookies for a browser to fetch."""

    def issue(
        self,
        lines: Iterable[str],
        origin: str,
        browser: Iterable[str],
        held: BrowserCookies | None = None,
    ) -> str:
        """Return the ticket for lines of Set-Cookie."""


class MessageProcess(Process, Protocol):
    """What the task of a message uses of its process."""

    @property
    def finish_page(self) -> Callable[[HttpRequest, Any], None] | None:
        """Changes a response that is a page, unless the request is live. Must not raise."""

    @property
    def tickets(self) -> Callable[[], TicketIssuer]:
        """Returns the issuer. Called for each ticket, because settings can change."""


class MessageOwner(Owner, Protocol):
    """The connection of a message's task.

    Attributes:
        base: from its handshake.
        info: the value of ``request.websocket``.
    """

    base: Base
    info: WebSocketInfo

    @property
    def request_attributes(self) -> Mapping[str, object]:
        """The result of ``environ.request_attributes``."""

    @property
    def server(self) -> MessageProcess:
        """The process that serves the connection."""

    @property
    def config(self) -> MessageConfig:
        """The settings of the connection."""

    @property
    def browser_cookies(self) -> BrowserCookies | None:
        """What its browser is believed to hold. None if no browser redeems its tickets."""

    def changed_cookie_lines(self, task: "MessageTask") -> list[str]:
        """Return the Set-Cookie lines that its browser does not have. Any thread may call this."""


class RequestTask:
    """A request that was accepted and is not yet fully answered. A job for the worker pool.

    It alone keeps track of whether it holds a thread.

    Attributes:
        account: counts ``held_bytes``. None while nothing is held.
        context: the context in which its response is sent, as its view saw it. None before it ran.
        held_bytes: the bytes that the process holds for it until it ends.
        since: loop time of its last progress, for its deadline.

    Args:
        owner: has it run, and sends its response.
        method: of the request.
        flow: limits what is sent of its response. None if the response is to be sent whole.
        request_attributes: the attributes that the request gets besides Django's own.
    """

    __slots__ = (
        "_answer", "_asyncio_task", "_body_context", "_stream", "account", "body", "context",
        "flow", "has_begun", "held_bytes", "is_dropped", "is_endless", "is_in_pool", "is_lost",
        "method", "owner", "request_attributes", "since",
    )  # fmt: skip
    owner: Owner
    _answer_class: type[ResponseSender]
    prepare: Callable[[WSGIRequest], None] | None = None

    def __init__(
        self,
        owner: Owner,
        method: str,
        flow: FlowController | None,
        request_attributes: Mapping[str, object],
    ) -> None:
        self.owner, self.method, self.flow = owner, method, flow
        self.request_attributes = request_attributes
        self.since = 0.0
        self.account: Account | None = None
        self.held_bytes = 0
        self.body: Body | None = None
        self.has_begun = False  # the first part of its response was sent
        self.is_endless = False  # its response does not end on its own
        self.is_dropped = False  # cancelled, timed out, or its client is gone
        self.is_in_pool = False  # queued there, or running in a thread
        self.is_lost = False  # its thread counts as blocked, because it exceeded its deadline
        self._answer: ResponseSender | None = None
        self._body_context: Context | None = None
        self.context: Context | None = None
        self._asyncio_task: asyncio.Task[Any] | None = None  # cancelled by ``drop``
        self._stream: asyncio.Task[None] | None = None

    @property
    def is_stalled(self) -> bool:
        """Whether its client has seen nothing of the response, or gives no credit for the rest."""
        return not self.has_begun or (self.flow is not None and self.flow.is_starved)

    @property
    def path(self) -> str:
        """The path for log lines. The query is left out, because it may be confidential."""
        raise NotImplementedError

    # On the event loop.

    def drop(self) -> None:
        """Stop what can be stopped, because nobody waits for it any more. Safe to call twice."""
        self.is_dropped = True
        if self.flow is not None:
            self.flow.drop()
        if self._asyncio_task is not None:
            self._asyncio_task.cancel()

    def withdraw(self, queue_key: QueueKey) -> bool:
        """Take it back from the pool. Return False if it has started, and so ends on its own."""
        if not self.owner.server.pool.withdraw(self, queue_key):
            return False
        self.is_in_pool = False
        return True

    def give_up(self) -> None:
        """Count its thread as blocked, because it exceeds its deadline, so another may run."""
        if self.is_in_pool and not self.is_lost:
            self.is_lost = True
            self.owner.server.pool.block()

    def discard(self) -> None:
        """Release what it holds. Safe to call twice."""
        if self.account is not None:
            self.account.end(self.held_bytes)
        self.account, self.held_bytes = None, 0
        if self.body is not None:
            self.body.close()

    def deliver(self) -> None:
        """Take the result of ``run``: the last part, or a body that continues on this loop."""
        self.is_in_pool = False
        if self.is_lost:
            self.is_lost = False
            self.owner.server.pool.unblock()
        answer = self._answer
        if answer is not None and answer.unfinished is not None:
            self._stream = asyncio.get_running_loop().create_task(
                self._go_on(answer), context=self._body_context
            )
        else:
            self._end()

    async def _go_on(self, answer: ResponseSender) -> None:
        adopt(copy_context())  # the context was copied in a worker thread
        await self._finish(answer)

    async def _finish(self, answer: ResponseSender) -> None:
        # It must not be cancelled before it has started, or the body would never be closed. So
        # ``drop`` can cancel it only from here on.
        self._asyncio_task = asyncio.current_task()
        try:
            await answer.finish_async()
        except asyncio.CancelledError:
            pass  # by drop(), or because the server ends its loop and nobody waits for this task
        finally:
            self._asyncio_task = self._stream = None
            self._end()

    def _end(self) -> None:
        self.discard()
        # They refer to each other: kept, all of it would stay until Python's full collection.
        answer, self._answer = self._answer, None
        self.owner.task_ended(self, answer.last if answer else None)

    # In a worker thread.

    def run(self) -> None:
        """Run the request. The response waits for ``deliver``, or is posted piece by piece."""
        if self.is_dropped:
            return
        self._answer = answer = self._answer_class(self)
        try:
            environ = self.make_environ()
            outcome = self.owner.server.handler.handle(environ, self, answer.learn)
        except Exception as error:
            if not isinstance(error, Refused):  # Django failed, for example on an unknown charset
                logger.exception("no request for %s", self.path)
                error = Refused("internal_error", "no request can be made of this message")
            answer.refuse(error)
        except BaseException:
            # A view may cancel itself. Its client still waits for a response.
            logger.exception("running %s %s failed", self.method, self.path)
            answer.refuse(Refused("internal_error", "the view did not return"))
        else:
            self.context, self._body_context = outcome.context, outcome.body_context
            answer.send(outcome)

    def make_environ(self) -> dict[str, Any]:
        """Build the environ of the request (PEP 3333). In the worker thread.

        Raises:
            Refused: no request can be made of what the client sent.
        """
        raise NotImplementedError

    # For the handler.

    def carry(self, view: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        """Run an async view on the server's loop, while the thread waits and counts as blocked."""

        async def run(*args: Any, **kwargs: Any) -> Any:
            if self.is_dropped:
                raise asyncio.CancelledError
            self._asyncio_task = asyncio.current_task()
            try:
                return await view(*args, **kwargs)
            finally:
                self._asyncio_task = None

        def carried(*args: Any, **kwargs: Any) -> Any:
            with self.owner.server.pool.blocked():
                return async_to_sync(run)(*args, **kwargs)

        return carried


class MessageTask(RequestTask):
    """The task of a message. Its response is sent in frames.

    Args:
        owner: its connection.
        key: identifies it in the session.
        message: the request.
        flow: limits its response to its credit. None if the response is to be sent whole.

    Attributes:
        cookie: the Cookie header of the request, or "".
        record: what metrics and the access log need of it. None without them.
        set_cookies: the Set-Cookie lines of the response, until the connection has learned them.
        user: the result of ``handler.seen_user``.
    """

    __slots__ = ("cookie", "key", "message", "record", "set_cookies", "user")
    owner: MessageOwner
    _answer_class = FrameSender

    def __init__(
        self, owner: MessageOwner, key: Key, message: Request, flow: FlowController | None
    ) -> None:
        super().__init__(owner, message.method, flow, owner.request_attributes)
        self.key, self.message = key, message
        self.cookie = ""
        self.record: MessageRecord | None = None
        self.set_cookies: list[str] | None = None
        self.user: tuple[object, bool] | None = None

    @property
    def path(self) -> str:
        """The path for log lines. The query is left out, because it may be confidential."""
        return split_url(self.message.url)[0]

    def make_environ(self) -> dict[str, Any]:
        """Build the environ of the request from the message and the handshake."""
        owner = self.owner
        return make_environ(
            self.message,
            owner.base,
            cookie=self.cookie,
            token_scheme=owner.config.token_scheme,
            upload=self.body,
        )


class RecordedTask(MessageTask):
    """A task of which metrics or the access log learn. Arguments as ``MessageTask``."""

    __slots__ = ()

    def prepare(self, request: WSGIRequest) -> None:
        """Note the request, which knows its URL pattern later. In the worker thread."""
        record = self.record  # the event loop may take it
        if record is not None:
            record.request = request
