"""One run of a view for a live request of a test: what it reads, and its effects.

The handler of a test client finds the run of its request in a context variable. A rerun has no
effects on the visitor, as on a server (``subscriptions/rerun``).
"""

from collections.abc import AsyncIterable, AsyncIterator, Iterable, Iterator
from contextlib import contextmanager, nullcontext
from contextvars import ContextVar
from typing import Any

from asgiref.sync import async_to_sync
from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import request_finished
from django.db import close_old_connections
from msgspec.structs import replace

from wsrequest.conf import conf
from wsrequest.connection.connection import SUBPROTOCOL
from wsrequest.errors import Refused
from wsrequest.live.tracking.reads import ReadSet, reading
from wsrequest.protocol.messages import Request
from wsrequest.push.events import Join
from wsrequest.request.discarding import Discarded, discarding
from wsrequest.request.environ import LiveWebSocketInfo, WebSocketInfo
from wsrequest.request.no_messages import asks_for_page, keep_messages_out
from wsrequest.request.response import is_endless
from wsrequest.subscriptions.cookie_reads import CookieReads, note_cookies
from wsrequest.subscriptions.run import unconditional, without

__all__ = ["LiveRun", "aread_whole", "current_run", "read_whole"]

_CURRENT: ContextVar["LiveRun | None"] = ContextVar("wsrequest.test.runs", default=None)


def current_run() -> "LiveRun | None":
    """Return the run that a request of this context is for, None for an ordinary request."""
    return _CURRENT.get()


class LiveRun:
    """One run.

    Args:
        connection_id: of the live request, which is one connection.
        is_rerun: whether it is any but the first.

    Attributes:
        reads: what it reads.
        request: None until the handler has made it.
        cookies: which of them it reads.
        info: what the view finds in ``request.websocket``. None until then.
    """

    def __init__(self, connection_id: str, *, is_rerun: bool) -> None:
        self._connection_id = connection_id
        self.info: LiveWebSocketInfo | None = None
        self.reads = ReadSet()
        self.reads.is_rerun = is_rerun
        self.request: WSGIRequest | None = None
        self.cookies: CookieReads | None = None
        self._discarded = Discarded() if is_rerun else None

    @contextmanager
    def running(self) -> Iterator[None]:
        """Make the request of this context the run."""
        effects = nullcontext() if self._discarded is None else discarding(self._discarded)
        token = _CURRENT.set(self)
        try:
            with reading(self.reads), effects:
                yield
        finally:
            _CURRENT.reset(token)

    @property
    def joins(self) -> tuple[Join, ...]:
        """The rooms that the view has joined."""
        return () if self.info is None else tuple(self.info.joins.values())

    def shape(self, message: Request) -> Request:
        """Return the message that subscribes, or that a server keeps for later runs."""
        if self.reads.is_rerun:
            message = without(message, conf.per_request_headers)
        return replace(unconditional(message), subscribe=True, credit=None)

    def begin(self, request: WSGIRequest) -> None:
        """Take the request, before any middleware has seen it."""
        self.info = WebSocketInfo(self._connection_id, SUBPROTOCOL).of_live(
            is_rerun=self.reads.is_rerun
        )
        request.websocket = self.info  # type: ignore[attr-defined]  # ours
        if asks_for_page(request):
            keep_messages_out(request)
        self.request = request
        self.cookies = note_cookies(request)

    def end(self, response: Any) -> None:
        """Take the response, before anything of it is sent: a rerun sets no cookies."""
        if self._discarded is not None:
            response.cookies.clear()
            del response["Set-Cookie"]


def read_whole(response: Any) -> bytes:
    """Return the whole body. A streamed one is read, and the response keeps it in one piece.

    Raises:
        Refused: it has no end, or is too large to be live.
    """
    if not response.streaming:
        return _Gathered(response).add_all([response.content])
    if response.is_async:
        body = async_to_sync(aread_whole)(response)
        response.streaming_content = [body]
        return body
    return _Gathered(response).add_all(response.streaming_content)


async def aread_whole(response: Any) -> bytes:
    """Do the same on an event loop."""
    if not (response.streaming and response.is_async):
        return read_whole(response)
    body = await _Gathered(response).aadd_all(response.streaming_content)
    response.streaming_content = _in_one_piece(body)
    return body


async def _in_one_piece(body: bytes) -> AsyncIterator[bytes]:
    yield body


def _close(response: Any) -> None:
    """End an unread body. As with Django's client, this closes no connection of the test."""
    request_finished.disconnect(close_old_connections)
    try:
        response.close()
    finally:
        request_finished.connect(close_old_connections)


class _Gathered:
    def __init__(self, response: Any) -> None:
        if response.streaming and is_endless(response):
            _close(response)
            raise Refused("not_live", "this answer is a stream of events, which has no end")
        self._response = response
        self._pieces: list[bytes] = []
        self._room = conf.limits().answer_bytes

    def add_all(self, pieces: Iterable[bytes]) -> bytes:
        for piece in pieces:
            self._add(piece)
        return self._end()

    async def aadd_all(self, pieces: AsyncIterable[bytes]) -> bytes:
        async for piece in pieces:
            self._add(piece)
        return self._end()

    def _add(self, piece: bytes) -> None:
        self._room -= len(piece)
        if self._room < 0:
            _close(self._response)
            raise Refused(
                "answer_too_large",
                f"a live answer may have {conf.limits().answer_bytes} bytes "
                "(WSREQUEST_MAX_BUFFERED_RESPONSE_BYTES)",
            )
        self._pieces.append(piece)

    def _end(self) -> bytes:
        body = b"".join(self._pieces)
        if self._response.streaming:
            self._response.streaming_content = [body]
        return body
