"""The task of one HTTP request, and the sender of its response.

An ASGI server calls its application in a coroutine, which also sends the response. So the parts of
a response wait here until that coroutine has sent what comes before them.
"""

import asyncio
import io
from collections import deque
from contextvars import copy_context
from typing import TYPE_CHECKING, Any, Protocol

from wsrequest.errors import AnswerDropped, Refused
from wsrequest.request.flow import FlowController
from wsrequest.request.response import Outcome
from wsrequest.request.sender import ResponseSender
from wsrequest.request.task import Owner, RequestTask
from wsrequest.server.http.environ import make_environ
from wsrequest.server.http.whole_response import (
    Event,
    WholeResponse,
    encode_headers,
    plain_response,
)
from wsrequest.server.write_buffer import ResponseBuffer
from wsrequest.types import Receive, Scope, Send, Start
from wsrequest.workers.loop_callbacks import adopt
from wsrequest.workers.queue import QueueKey

if TYPE_CHECKING:
    from wsrequest.server.uvicorn import HTTPProtocol

__all__ = ["END", "EventSender", "Events", "HTTPOwner", "HTTPTask"]

Events = WholeResponse | tuple[Event, ...]
"""The events that end a response, when it is iterated over."""

_NO_LIMIT_BYTES = 2**62
_PAGES = ("text/html", "application/xhtml+xml")


class EventSender(ResponseSender):
    """Sends the response to an HTTP request, as the events of ASGI.

    Attributes:
        last: the events that end it, or None.
    """

    last: Events | None = None
    _status: int = 500
    _headers: list[tuple[str, str]] = []
    _start: Event | None = None  # of a streamed response

    def _begin_head(self, outcome: Outcome) -> None:
        status, headers = outcome.status, outcome.headers
        if status in (204, 304):
            # RFC 9110 8.6 forbids it for 204. With 304 it is that of the body which is not sent,
            # and uvicorn with httptools would miss these bytes. Django's middleware adds 0.
            kept = "0" if status == 304 else None
            headers = [
                (name, value)
                for name, value in headers
                if name.lower() != "content-length" or value == kept
            ]
        self._status, self._headers = status, headers
        if outcome.response is not None and outcome.response.streaming:
            self._start = {
                "type": "http.response.start",
                "status": status,
                "headers": encode_headers(headers),
            }
            self._task.limit_flow()

    def _send(self, outcome: Outcome) -> None:
        super()._send(outcome)
        complete, response = self._task.owner.complete_page, outcome.response
        # The header's own entry, since looking it up by its name costs more than all of this.
        kind = None if response is None else response.headers._store.get("content-type")
        if complete is None or kind is None or not kind[1].startswith(_PAGES):
            return
        if self._is_whole and not response.streaming:  # type: ignore[union-attr]
            body = complete(outcome, outcome.content if self._body is None else self._body)
            if body is not None:
                self._change_body(body)

    def _change_body(self, body: bytes) -> None:
        """Take another body than the one that the headers are of."""
        if self._body is not None:  # else the request is HEAD
            self._body = body
        self._headers = [self._changed(name, value, body) for name, value in self._headers]

    def _changed(self, name: str, value: str, body: bytes) -> tuple[str, str]:
        lower = name.lower()
        if lower == "content-length":
            value = str(len(body))
        elif lower == "etag" and not value.startswith("W/"):
            value = f"W/{value}"
        return name, value

    def _head(self) -> Event:
        assert self._start is not None  # by _begin_head()
        return self._start

    def _piece(self, body: bytes) -> Event:
        return {"type": "http.response.body", "body": body, "more_body": True}

    def _end_of_parts(self) -> Events:
        return END

    def _encode(self) -> Events:
        return WholeResponse(self._status, self._headers, self._body or b"")

    def failed(self, error: BaseException) -> None:
        """Send an error in place of the response. One that has begun is broken off."""
        if self._task.has_begun and not self._task.is_dropped:
            # There is no event for that. A server that catches an exception logs it, and closes the
            # connection, so the client sees that the response is not complete.
            if not isinstance(error, Exception):
                # It belongs to the view. Raised on the event loop, it could end the server.
                outer = RuntimeError(f"the body of the response raised {type(error).__name__}")
                outer.__cause__ = error
                error = outer
            self.last, self._task.error = None, error
        else:
            super().failed(error)

    def refuse(self, refused: Refused) -> None:
        """Send an error in place of the response."""
        self.last = plain_response(refused.status)


END: Events = ({"type": "http.response.body", "body": b""},)
"""The events that end a response in parts."""


class HTTPOwner(Owner, Protocol):
    """What has HTTP requests run."""

    async def go_on(self, task: "HTTPTask") -> None:
        """Send the response to a request that was taken without a coroutine."""


class HTTPTask(RequestTask):
    """The task of one HTTP request.

    Args:
        owner: has it run.
        scope: of type "http".
        receive: the ASGI server's.
        send: the ASGI server's.
        queue_key: takes its turn in the pool.

    Attributes:
        content: the body, unless it is long and in ``body``.
        context_of_caller: the context variables that middleware around the application has set.
        error: why its response failed after it had begun. Never what would end the process.
        is_over: whether its response has ended, or nobody waits for it.
        start: starts its coroutine. None if that has begun, or is not needed any more.
    """

    owner: HTTPOwner
    __slots__ = (
        "_last", "_listening", "_parts", "_receive", "_send", "_sending_since", "_waiter",
        "content", "context_of_caller", "error", "is_over", "queue_key", "scope", "start",
    )  # fmt: skip
    _answer_class = EventSender

    def __init__(
        self, owner: HTTPOwner, scope: Scope, receive: Receive, send: Send, queue_key: QueueKey
    ) -> None:
        super().__init__(owner, scope["method"], None, {"scope": scope})
        self.scope, self._receive, self._send = scope, receive, send
        self.queue_key = queue_key
        self.content = b""
        self.error: Exception | None = None
        self.is_over = False
        self._listening: asyncio.Task[None] | None = None
        self.context_of_caller = copy_context()
        self._parts: deque[tuple[Event, int]] = deque()
        self._last: Events | None = None
        self._sending_since: float | None = None  # None while the server takes what comes
        self._waiter: asyncio.Future[None] | None = None
        self.start: Start | None = None

    @property
    def path(self) -> str:
        """The path for log lines."""
        return str(self.scope["path"]).encode("unicode_escape").decode("ascii")

    @property
    def is_held_back(self) -> bool:
        """Whether its response waits for its client."""
        return self.flow is not None and self.flow.is_full

    def run(self) -> None:
        """Run the request, with the context variables of what called the application."""
        if self.context_of_caller:  # an empty one is the rule on uvicorn
            of_thread = copy_context()
            adopt(self.context_of_caller)
            # The event loop may have used a cache before, whose client may be unfit for threads.
            adopt(of_thread)
        self._run()

    def _run(self) -> None:
        super().run()

    def make_environ(self) -> dict[str, Any]:
        """Build the environ of the request from its scope."""
        if self.body is not None:
            return make_environ(self.scope, self.body.open(), self.body.size)
        return make_environ(self.scope, io.BytesIO(self.content), len(self.content))

    def limit_flow(self) -> None:
        """Limit how far a streamed response may be ahead of the server. In the worker thread.

        Raises:
            AnswerDropped: nobody waits for it any more.
        """
        window_bytes = 2 * self.owner.config.limits.part_bytes
        self.flow = FlowController(_NO_LIMIT_BYTES, window_bytes, _has_room)
        if self.is_dropped:  # before there was a flow that could be dropped
            raise AnswerDropped

    # On the event loop.

    def add_part(self, part: Event, body_bytes: int) -> None:
        """Take a part of the response, which ``send`` sends."""
        if self.is_over:
            return  # it was ended in its middle, and would never be if it is made fast
        self._parts.append((part, body_bytes))
        self._wake()

    def finish(self, last: Events | None) -> None:
        """Take what ends the response."""
        if not self.is_over:
            self.is_over, self._last = True, last
            if self.start is not None and isinstance(last, WholeResponse):
                if self._write_at_once(last):
                    self.start = None
                    return
            self._wake()

    def begin_sending(self) -> None:
        """Start its coroutine, unless that has begun or is not needed."""
        start, self.start = self.start, None
        if start is not None:
            # The server may begin to read again in it, and asyncio then keeps this context.
            self.context_of_caller.run(start, self._send_rest)

    async def _send_rest(self, scope: Scope, receive: Receive, send: Send) -> None:
        await self.owner.go_on(self)

    def _wake(self) -> None:
        if self.start is not None:
            self.begin_sending()
        elif self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    async def send(self) -> None:
        """Send the response as it comes, until it ends or ``finish`` was called.

        Raises:
            Exception: what the body raised, after the response had begun.
        """
        while not self.is_over or self._parts:
            if not self._parts:
                self._waiter = asyncio.get_running_loop().create_future()
                await self._waiter
                continue
            self.listen()  # some servers ignore what is sent to a client that went away
            part, body_bytes = self._parts.popleft()
            self._sending_since = asyncio.get_running_loop().time()
            await self._send(part)
            self._sending_since = None
            if self.flow is not None and body_bytes:
                self.flow.sent(body_bytes)
        if self.error is not None:
            error, self.error = self.error, None
            try:
                raise error
            finally:
                del error  # it refers to this frame
        last = self._last
        if last is None or (isinstance(last, WholeResponse) and self._write_at_once(last)):
            return
        for event in last:
            await self._send(event)

    def _write_at_once(self, response: WholeResponse) -> bool:
        """Write a whole response past ASGI. Return False where that cannot be done."""
        reference = (self.scope.get("state") or {}).get(ResponseBuffer.STATE_KEY)
        protocol: HTTPProtocol | None = None if reference is None else reference()
        return protocol is not None and protocol.respond(self._send, response)

    def is_unread_since(self, time: float) -> bool:
        """Whether it holds a thread, and the server has taken nothing since that time of the loop.

        Args:
            time: of the loop.
        """
        since = self._sending_since
        # A stream of events is not in the pool, but has a thread unless its body is async.
        has_thread = self.is_in_pool or (self.is_endless and self._stream is None)
        is_waiting = since is not None and since <= time
        return has_thread and is_waiting and self.is_held_back and not self.is_over

    def break_off(self) -> None:
        """End the response in its middle. Its client gets an error if it reads on after all."""
        self.drop()
        self._parts.clear()
        if not self.is_over:
            self.error = TimeoutError("its client did not read")
            self.finish(None)

    def listen(self) -> None:
        """Notice from now on if the client goes away. Safe to call twice."""
        if self._listening is None and not self.is_dropped:
            # The server may begin to read again here, and asyncio then keeps the context for all
            # that the connection sends from now on.
            self._listening = asyncio.get_running_loop().create_task(
                self._listen(), context=self.context_of_caller
            )

    def end(self) -> bool:
        """Drop what is left of it, because its coroutine ends.

        Returns:
            Whether nothing of it runs any more. Otherwise it ends by itself.
        """
        if self._listening is not None:
            self._listening.cancel()
            self._listening = None  # it refers to this task
        self.drop()
        if self.is_in_pool:
            return self.withdraw(self.queue_key)
        return self._answer is None

    async def _listen(self) -> None:
        # No other event is due. Middleware that has read the body may return it again and again.
        if (await self._receive())["type"] == "http.disconnect":
            self.drop()
            self.error = None  # nobody would see it
            self.finish(None)


def _has_room() -> bool:
    """One HTTP request is not held back for another."""
    return True
