"""Turn Django's response into what its transport sends: whole, in parts, or gathered.

This covers both sides of the hand-over: a worker thread, and the event loop for an async body.
``FrameSender`` makes frames of it, for a message. ``server.http`` has the sender for HTTP.
"""

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import aclosing, nullcontext
from functools import partial
from typing import Any

from asgiref.sync import ThreadSensitiveContext, sync_to_async
from django.db import connections
from django.http import HttpRequest
from msgspec import Struct

from wsrequest.errors import AnswerDropped, Refused
from wsrequest.protocol.messages import Part, Response
from wsrequest.protocol.server_codec import encode_refused, encode_response, encode_server
from wsrequest.request import response as response_module
from wsrequest.request.response import Outcome, cookie_lines
from wsrequest.request.secrets import csrf_token
from wsrequest.types import Frame, Headers

__all__ = ["HAS_PAGE_TAG", "FrameSender", "ResponseSender"]


logger = logging.getLogger("wsrequest.connection")

HAS_PAGE_TAG = "_wsrequest_has_page_tag"
"""The attribute of a request whose page has rendered its tag."""

_PIECES_A_TURN = 16  # a turn of the event loop costs about as much as a piece


class ResponseSender(Struct, eq=False):
    """Sends one response. What a transport makes of it, a subclass says.

    ``learn`` and ``send`` run in a worker thread. ``finish_async`` runs on the event loop if there
    is an ``unfinished`` outcome.

    Attributes:
        last: what ends the response, such as its last frame. None if there is nothing to send.
        unfinished: the outcome whose async body must still be iterated on the event loop.
    """

    _task: Any
    last: Any = None
    unfinished: Outcome | None = None
    _is_whole: bool = False  # the response is sent whole, with ``_body``, as soon as it is closed
    _body: bytes | None = None  # None without one, as for HEAD

    # What the transport decides.

    def learn(self, outcome: Outcome) -> None:
        """Look at a response as soon as Django has made it. Never raises."""

    def _begin_head(self, outcome: Outcome) -> None:
        """Take the status and the headers. ``failed`` handles what this raises."""
        raise NotImplementedError

    def _head(self) -> Any:
        """Return what begins a response in parts."""
        raise NotImplementedError

    def _piece(self, body: bytes) -> Any:
        """Return a part of the body."""
        raise NotImplementedError

    def _end_of_parts(self) -> Any:
        """Return what ends a response in parts."""
        raise NotImplementedError

    def _needs_parts(self, body: bytes) -> bool:
        """Whether a body that is not streamed must be sent in parts. Not asked without flow."""
        return False

    def _encode(self) -> Any:
        """Return ``last`` for a response that is sent whole."""
        raise NotImplementedError

    def _endless(self) -> Refused:
        """Return the refusal of a response that does not end and cannot be sent in parts."""
        raise NotImplementedError

    def refuse(self, refused: Refused) -> None:
        """Send a refusal in place of the response, or of its rest."""
        raise NotImplementedError

    # What is the same for all.

    def send(self, outcome: Outcome) -> None:
        """Send what Django's handler returned, and close it. Never raises."""
        if self.last is None and not outcome.is_cancelled:
            try:
                self._send(outcome)
            except BaseException as error:
                self.failed(error)
        if self.unfinished is None:
            try:
                outcome.close()
            except Exception:
                logger.exception("closing the response to %s failed", self._task.path)
            if self._is_whole:
                try:
                    self.last = self._encode()
                except BaseException as error:
                    self.failed(error)
        else:
            self._close(outcome.unwrap)
            self._task.owner.server.handler.release_thread()

    async def finish_async(self) -> None:
        """Send the rest of an async body and close the response. Raises only when cancelled."""
        outcome = self.unfinished
        assert outcome is not None
        # Sync code that the body calls gets its own thread, as in Django's ASGI handler.
        async with ThreadSensitiveContext():
            try:
                await self._send_async(outcome.response)
            except BaseException as error:
                self.failed(error)
            finally:
                self.unfinished = None
                try:
                    await response_module.aclose_body(outcome.response)
                except BaseException:  # an error of the view. The response is closed anyway.
                    logger.exception("ending the body of %s failed", self._task.path)
                await sync_to_async(self._close_and_disconnect)(outcome)

    def _send(self, outcome: Outcome) -> None:
        task, response = self._task, outcome.response
        self._begin_head(outcome)
        is_streaming = response is not None and response.streaming
        if response is not None and is_streaming:
            task.is_endless = response_module.is_endless(response)
        if not response_module.has_body(task.method, outcome.status):
            self._is_whole = True
        elif not is_streaming:
            body = outcome.content
            if task.flow is not None and self._needs_parts(body):
                self._send_parts(response_module.split(body, task.owner.config.limits.part_bytes))
            else:
                self._is_whole, self._body = True, body
        elif task.is_endless and task.flow is None:
            raise self._endless()
        elif outcome.is_async:
            self.unfinished = outcome
        elif task.flow is None:
            limits = task.owner.config.limits
            gathered = _Gathered(limits.answer_bytes)
            for piece in outcome.pieces(limits.part_bytes):
                self._stop_if_dropped()
                gathered.add(piece)
            self._is_whole, self._body = True, gathered.body
        elif task.is_endless:
            # Its thread waits for events nearly all the time, so it does not count as working.
            task.is_in_pool = False
            with task.owner.server.pool.blocked():
                self._send_parts(outcome.pieces(task.owner.config.limits.part_bytes))
        else:
            self._send_parts(outcome.pieces(task.owner.config.limits.part_bytes))

    def _send_parts(self, pieces: Iterable[bytes]) -> None:
        self._begin()
        for piece in pieces:
            self._stop_if_dropped()  # a view may wait with empty pieces, which take no credit
            self._send_piece(piece)
        self.last = self._end_of_parts()

    async def _send_async(self, response: Any) -> None:
        task, limits = self._task, self._task.owner.config.limits
        self._stop_if_dropped()
        gathered = _Gathered(limits.answer_bytes)
        if task.flow is not None:
            task.has_begun = True
            task.owner.part_ready(task, self._head(), 0)
        async with aclosing(response_module.apieces(response, limits.part_bytes)) as pieces:
            count_since_turn = 0
            async for piece in pieces:
                # A body in memory never waits, nor does a server whose client reads fast. Without
                # this turn, all others would wait until the credit is used up.
                count_since_turn += 1
                if count_since_turn >= _PIECES_A_TURN:
                    count_since_turn = 0
                    await asyncio.sleep(0)
                    self._stop_if_dropped()
                if task.flow is None:
                    gathered.add(piece)
                while task.flow is not None and piece:
                    count = await task.flow.atake(len(piece))
                    task.owner.part_ready(task, self._piece(piece[:count]), count)
                    piece = piece[count:]
        if task.flow is None:
            self._is_whole, self._body = True, gathered.body
            self.last = self._encode()
        else:
            self.last = self._end_of_parts()

    def _begin(self) -> None:
        self._task.has_begun = True
        self._post(self._head(), 0)

    def _send_piece(self, piece: bytes) -> None:
        """Send a piece of the body from a worker thread, which is blocked without credit."""
        task, pool = self._task, self._task.owner.server.pool
        flow = task.flow
        assert flow is not None  # parts are sent only to a client that gave credit
        while piece:
            count = flow.try_take(len(piece))
            if not count:
                is_counted = task.is_endless or task.is_lost  # as blocked, and only once
                with nullcontext() if is_counted else pool.blocked():
                    count = flow.take(len(piece))
            self._post(self._piece(piece[:count]), count)
            piece = piece[count:]

    def _post(self, part: Any, body_bytes: int) -> None:
        task = self._task
        task.owner.server.pool.post(partial(task.owner.part_ready, task, part, body_bytes))

    def _stop_if_dropped(self) -> None:
        if self._task.is_dropped:
            raise AnswerDropped

    def failed(self, error: BaseException) -> None:
        """Send an error in place of the rest of the response."""
        task = self._task
        self.last, self._is_whole, self._body = None, False, None
        if task.is_dropped and isinstance(error, AnswerDropped | asyncio.CancelledError):
            return
        if not isinstance(error, Refused):
            logger.error("answering %s %s failed", task.method, task.path, exc_info=error)
            error = Refused("internal_error", "the answer failed in its middle")
        self.refuse(error)

    def _close(self, close: Callable[[], None]) -> None:
        try:
            close()
        except Exception:
            logger.exception("closing the response to %s failed", self._task.path)

    def _close_and_disconnect(self, outcome: Outcome) -> None:
        self._close(outcome.close)
        connections.close_all()  # this thread exists for the body only, and ends with it


class FrameSender(ResponseSender):
    """Sends the response to a message, in one frame, or in parts to a client that gave credit."""

    _status: int = 500
    _headers: Headers = {}
    _ticket: str | None = None
    _csrf_token: str | None = None

    def learn(self, outcome: Outcome) -> None:
        """Take the user and the cookies that a response sets for the connection. Never raises."""
        task, response = self._task, outcome.response
        assert outcome.request and response  # the handler calls this with both
        try:
            if HAS_PAGE_TAG in vars(outcome.request) and not task.message.subscribe:
                finish_page = task.owner.server.finish_page
                if finish_page is not None:
                    finish_page(outcome.request, response)
            task.user = outcome.user
            record = task.record  # the event loop may take it
            if record is not None and outcome.user is not None:
                record.user = outcome.user[0]
            if lines := cookie_lines(response):
                self._learn_cookies(lines, outcome)
            # What a live request reads is tracked, and it makes no token for a page.
            if task.owner.config.hides_csrf_token and not task.message.subscribe:
                self._learn_csrf_token(outcome.request)
        except BaseException as error:
            self.failed(error)

    def _learn_cookies(self, lines: list[str], outcome: Outcome) -> None:
        assert outcome.context is not None  # it has a response
        # In the view's context, so that tools count the work for a ticket as part of the request.
        outcome.context.run(self._set_cookies, lines)

    def _learn_csrf_token(self, request: HttpRequest) -> None:
        """Take the token for a page that cannot read its cookie (PROTOCOL.md 6.5)."""
        base = self._task.owner.base
        # A page of another origin must not send HTTP requests on behalf of this origin's pages.
        if base.origin is not None and base.is_same_origin:
            self._csrf_token = csrf_token(request)

    def _set_cookies(self, lines: list[str]) -> None:
        task, owner = self._task, self._task.owner
        task.set_cookies = lines
        if owner.base.origin is not None and (changed := owner.changed_cookie_lines(task)):
            self._ticket = ""  # the cookies cannot reach the browser (PROTOCOL.md 6.4)
            if owner.base.browser:
                tickets = owner.server.tickets()
                self._ticket = tickets.issue(
                    changed, owner.base.origin, owner.base.browser, owner.browser_cookies
                )

    def _begin_head(self, outcome: Outcome) -> None:
        self._status = outcome.status
        record = self._task.record
        if record is not None:
            record.status = outcome.status
        self._headers, internal = response_module.sent_headers(
            outcome.status, outcome.headers, show_cookies=self._task.owner.base.origin is None
        )
        if internal is not None:
            raise self._internal(internal)

    def _internal(self, name: str) -> Refused:
        """Return the refusal for a response whose header names a file or URL behind a proxy."""
        message = self._task.message
        if message.method in ("GET", "HEAD"):  # safe, so the client can send it again over HTTP
            return Refused("use_http", "this answer is completed by the HTTP server")
        logger.error(
            "%s %s was answered with %s, which only a proxy can act on: have clients send it by "
            "HTTP (WSREQUEST_EXCLUDED_PATHS)",
            message.method, self._task.path, name,
        )  # fmt: skip
        return Refused("internal_error", "this answer is completed by the HTTP server; it was run")

    def _needs_parts(self, body: bytes) -> bool:
        credit = self._task.message.credit
        most: int = self._task.owner.config.limits.part_bytes
        return len(body) > (most if credit is None else min(credit, most))

    def _encode(self) -> Frame | None:
        return encode_response(
            Response(
                self._status, self._headers, self._task.message.id, self._body,
                cookies=self._ticket, csrf=self._csrf_token,
            )
        )  # fmt: skip

    def _head(self) -> Frame:
        return encode_response(
            Response(
                self._status, self._headers, self._task.message.id,
                more=True, cookies=self._ticket, csrf=self._csrf_token,
            )
        )  # fmt: skip

    def _piece(self, body: bytes) -> Frame:
        id = self._task.message.id
        assert id is not None  # credit needs an id
        return encode_server(Part(id, body, more=True))

    def _end_of_parts(self) -> Frame:
        id = self._task.message.id
        assert id is not None  # credit needs an id
        return encode_server(Part(id, b""))

    def _endless(self) -> Refused:
        return Refused(
            "needs_credit",
            "this answer is a stream of events: send an id and credit with the request",
        )

    def refuse(self, refused: Refused) -> None:
        """Send a refusal in place of the response, or of its rest."""
        refused.id = self._task.message.id
        self.last = encode_refused(refused, has_begun=self._task.has_begun)
        record = self._task.record  # the event loop may take it
        if record is not None:
            record.refused(refused)


class _Gathered:
    """Collects the pieces of a streamed body for a client that accepts only whole responses."""

    def __init__(self, max_bytes: int) -> None:
        self._pieces: list[bytes] = []
        self._room = max_bytes

    def add(self, piece: bytes) -> None:
        self._room -= len(piece)
        if self._room < 0:
            raise Refused(
                "answer_too_large",
                "this streamed answer is too large to be sent whole: send an id and credit",
            )
        if piece:
            self._pieces.append(piece)

    @property
    def body(self) -> bytes:
        return b"".join(self._pieces)
