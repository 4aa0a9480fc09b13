"""One run of a view for a live request, whether a first run or a rerun.

It is a request task whose reads are recorded and whose response is kept whole. The application
does not see its conditional headers. Long because a first run, a rerun and the takeover of a page's
run fill the same fields, on the same threads.
"""

import asyncio
import logging
from collections.abc import Collection, Container
from contextlib import AbstractContextManager, nullcontext
from time import monotonic
from typing import Any, Protocol

import msgspec
from django.core.handlers.wsgi import WSGIRequest

from wsrequest.errors import Refused
from wsrequest.live.http_caching import fresh_seconds, shared_key
from wsrequest.live.normalizing import Normalizer
from wsrequest.live.page_runs import PageRun
from wsrequest.live.query import Run
from wsrequest.live.snapshot import Snapshot
from wsrequest.live.tracking.reads import ReadSet, reading
from wsrequest.protocol.messages import Request, Response
from wsrequest.protocol.session import Key
from wsrequest.push.events import Audience, Join, user_name
from wsrequest.request.discarding import Discarded, discarding
from wsrequest.request.environ import LiveWebSocketInfo
from wsrequest.request.handler import seen_user
from wsrequest.request.no_messages import asks_for_page, keep_messages_out
from wsrequest.request.response import Outcome
from wsrequest.request.secrets import csp_nonce, csrf_secret, held_secrets
from wsrequest.request.sender import FrameSender, ResponseSender
from wsrequest.request.task import MessageOwner, MessageTask
from wsrequest.server.context import ConnectionConfig, ServerContext
from wsrequest.subscriptions.cookie_reads import CookieReads, note_cookies
from wsrequest.subscriptions.page_proof import ServedPage, is_page_proof, served_page
from wsrequest.subscriptions.resumption import digest_of_cookies, digest_of_request, prove, proven
from wsrequest.subscriptions.shared import SharedKey, Site, evaluate_share_key, site_of
from wsrequest.subscriptions.takeover import stands_for
from wsrequest.types import ReadPredicate

__all__ = [
    "LiveTask",
    "check_live",
    "unconditional",
    "without",
]

logger = logging.getLogger("wsrequest.live")

# A run must give the whole response, whatever its subscriber already holds.
_CONDITIONAL = frozenset(
    "if-none-match if-modified-since if-match if-unmodified-since if-range range".split()
)


class _LiveSender(FrameSender):
    def send(self, outcome: Outcome) -> None:
        """Take a response and close it. Never raises."""
        super().send(outcome)
        self._take()

    async def finish_async(self) -> None:
        """Take the rest of an async body and close the response. Raises only if canceled."""
        await super().finish_async()
        if self._is_whole:
            await asyncio.to_thread(self._take)

    def _take(self) -> None:
        is_whole, self._is_whole = self._is_whole, False
        body, self._body = self._body or b"", None
        try:
            if is_whole:
                self._task.receive(self._response(), body)
        except Exception as error:
            self.failed(error)

    def _learn_cookies(self, lines: list[str], outcome: Outcome) -> None:
        """Take the cookies that a response sets. May raise, which ``failed`` handles."""
        self._task.sets_cookies = True
        if self._task.discarded is None:
            super()._learn_cookies(lines, outcome)
        elif outcome.response is not None:
            outcome.response.cookies.clear()
            del outcome.response["Set-Cookie"]

    def _begin_head(self, outcome: Outcome) -> None:
        super()._begin_head(outcome)
        self._task.set_shared_key(self._response())

    def _response(self) -> Response:
        """Return the response without its body."""
        return Response(
            self._status, self._headers, self._task.message.id,
            cookies=self._ticket, csrf=self._csrf_token,
        )  # fmt: skip

    def _encode(self) -> None:
        """The snapshot is encoded, and not the response."""

    def _endless(self) -> Refused:
        return Refused("not_live", "this answer is a stream of events, which has no end")

    def failed(self, error: BaseException) -> None:
        if isinstance(error, Refused):
            self._task.refusal = error
        super().failed(error)


class LiveOwner(MessageOwner, Protocol):
    """What owns the task of a live request: a dispatcher, an SSE response or a rerun."""

    @property
    def server(self) -> ServerContext:
        """What the connections of the process share."""

    @property
    def config(self) -> ConnectionConfig:
        """The settings of the connection."""


class LiveTask(MessageTask):
    """One run of a live request.

    Args:
        owner: its connection, SSE response or rerun.
        key: by which the session finds it.
        message: the request.
        is_by_http: whether the message stands for the HTTP request of an SSE response.

    Attributes:
        live_run: the live query manager's record of the run, made before it is submitted.
        page: the HTTP run of its page, which it may take over in place of running. None without
            one, and if it ran after all.
        head: the head of its response, and ``result`` the snapshot, once the response is complete.
        refusal: why its response cannot be live, as far as that is known.
        by_session: whether it ran for a user that a session named.
        sets_cookies: whether its response sets cookies. A browser's connection does not get them.
        cookies: which of them it read.
        is_restart: whether it replaces a rerun that could not be sent.
        needs_sender: whether its body has tokens of a CSRF secret that the visitor lacks, because
            what the run sets is discarded. Such a body must not be sent.
        discarded: what it wrote to sessions, if that is dropped. Otherwise None.
        proof: that it was answered, with which the client can resume it.
    """

    __slots__ = (
        "_info", "_is_by_http", "_is_stream", "_proven", "_reads", "_request", "_shared_key",
        "_site", "_uses_token", "by_session", "cookies", "discarded", "head", "is_restart",
        "live_run", "needs_sender", "page", "proof", "refusal", "result", "sets_cookies",
        "shown_message",
    )  # fmt: skip
    _answer_class = _LiveSender
    owner: LiveOwner

    def __init__(
        self, owner: LiveOwner, key: Key, message: Request, *, is_by_http: bool = False
    ) -> None:
        super().__init__(owner, key, unconditional(message), None)
        self._is_by_http = is_by_http
        self.shown_message = message
        self.live_run: Run | None = None
        self.page: PageRun | None = None
        self.by_session = self.sets_cookies = False
        self.head: Response | None = None
        self.result: Snapshot | None = None
        self.refusal: Refused | None = None
        self.discarded: Discarded | None = None
        self.proof = ""
        # The cookies for which it was answered before, or the page that was.
        self._proven: str | ServedPage | None = None
        self._is_stream = False
        self._reads = ReadSet()
        self.cookies: CookieReads | None = None
        self._uses_token = self.needs_sender = self.is_restart = False
        self._request: WSGIRequest | None = None
        self._info: LiveWebSocketInfo | None = None
        self._site: Site | None = None
        self._shared_key: SharedKey | None = None

    @property
    def reads(self) -> frozenset[ReadPredicate]:
        """What it read. Empty until it ran."""
        return self._reads.result() if self.page is None else self.page.predicates

    @property
    def joins(self) -> tuple[Join, ...]:
        """The rooms that the view has joined."""
        return () if self._info is None else tuple(self._info.joins.values())

    @property
    def cookie_names(self) -> frozenset[str] | None:
        """The cookies that count for its response, present or not. None for all."""
        if self.page is not None:
            return self.page.cookie_names
        if self.cookies is None:
            return frozenset()  # it did not run
        return self.cookies.counting(self.owner.config.csrf_cookie, uses_token=self._uses_token)

    @property
    def is_personal(self) -> bool:
        """Whether the response belongs to this connection only."""
        return self._info is not None and self._info.is_personal

    @property
    def expires_seconds(self) -> float | None:
        """After how many seconds to run it again without any write. None for never."""
        declared = self._reads.expires_seconds
        # A cache may have answered, which leaves no reads, even if a middleware before it has read
        # something. Over HTTP, too, the response stays fresh for that long.
        fresh = fresh_seconds(self.result.headers) if self.result is not None else None
        seconds = min((s for s in (declared, fresh) if s is not None), default=None)
        if seconds is None or self.page is None:
            return seconds
        return max(0.01, seconds - (monotonic() - self.page.began))

    def run(self) -> None:
        """Run the request, and record every statement. Or take over the run of its page."""
        self._reads.run = self.live_run
        self._reads.is_rerun = self.owner.info.is_rerun
        if self.message.rerun:
            self._proven = self._find_proven(self.message.rerun)
            if self._takes_over():
                return
            if self._proven is not None:
                self.discarded = Discarded()
        self._run()
        if self._proven is not None and not self._can_resume():
            if self._answer is not None and self._answer.unfinished is not None:
                self._answer.unfinished.close()
            self.discarded = self._proven = self._shared_key = None
            self.head = self.result = self.refusal = None
            self.needs_sender = self.sets_cookies = self._is_stream = False
            self._run()

    def _takes_over(self) -> bool:
        """Take the page's HTTP run as its own, if it could only give the same. In the thread."""
        page, self.page = self.page, None
        if page is None or not isinstance(self._proven, ServedPage):
            return False
        request, live, result = (
            WSGIRequest(self.make_environ()),
            self.owner.server.live,
            page.result,
        )
        assert live is not None and result is not None  # it was kept
        if not stands_for(page, self.message, self.shown_message, request, self.cookie, live):
            return False
        self._adopt(page, result, request)
        return True

    def _adopt(self, page: PageRun, result: Snapshot, request: WSGIRequest) -> None:
        self.page, self._reads, self.result = page, page.reads, result
        self.head = Response(result.status, result.headers, self.message.id)
        self.user, self.by_session = page.user, bool(page.user and page.user[1])
        self.proof = prove(self._digest_of_request(), self._digest_of_cookies())
        record = self.record  # the event loop may take it
        if record is not None:
            request.resolver_match = page.match
            record.request, record.status = request, result.status
            record.user = None if page.user is None else page.user[0]

    def _run(self) -> None:
        with reading(self._reads), self._effects():
            super().run()
        self._is_stream = self._answer is not None and self._answer.unfinished is not None

    def _can_resume(self) -> bool:
        """Whether the response of a run without effects may be sent to the client."""
        # A form needs what the run would set. And the proof so far names only the request, not yet
        # the visitor that was answered.
        return not self.needs_sender and self._has_same_cookies()

    def _find_proven(self, proof: str) -> str | ServedPage | None:
        if not is_page_proof(proof):
            return proven(proof, self._digest_of_request())
        try:
            request = WSGIRequest(self.make_environ())
        except Exception:  # the run fails, too
            return None
        return served_page(proof, self.message, request, is_by_http=self._is_by_http)

    def _has_same_cookies(self) -> bool:
        if isinstance(self._proven, ServedPage):
            names, csrf_cookie = self._counting_names(), self.owner.config.csrf_cookie
            return self._proven.has_cookies(self.cookie, names, csrf_cookie)
        return self._digest_of_cookies() == self._proven

    def _digest_of_request(self) -> str:
        return digest_of_request(self.message, self.owner.base, is_by_http=self._is_by_http)

    def _digest_of_cookies(self) -> str:
        names = self._counting_names()
        return digest_of_cookies(self.cookie, names, self.owner.config.csrf_cookie)

    def _counting_names(self) -> frozenset[str] | None:
        # What a stream reads while it is sent comes too late.
        return None if self._is_stream else self.cookie_names

    async def _finish(self, answer: ResponseSender) -> None:
        with reading(self._reads), self._effects():
            await super()._finish(answer)

    def _effects(self) -> AbstractContextManager[object]:
        return nullcontext() if self.discarded is None else discarding(self.discarded)

    def _end(self) -> None:
        if self.live_run is not None:
            self.live_run.lags = self._reads.lags
        super()._end()

    def receive(self, head: Response, body: bytes) -> None:
        """Take the whole response. On a thread, since the work grows with the body."""
        request, self._request = self._request, None
        assert request is not None  # a response exists, so a request did
        self.head = head
        audience = self._audience(request)
        self.by_session = bool(self.user and self.user[1])
        secret = csrf_secret(request)
        self._uses_token = secret is not None
        normalizer = Normalizer(secret, csp_nonce(request), self.owner.config.live_ignored, request)
        shared_key = None if self.is_personal else self._shared_key
        is_page = asks_for_page(request)
        self.result = Snapshot(
            head.status, head.headers, body, shared_key, normalizer, is_page=is_page
        )
        self.result.audience = audience
        query = None if self.live_run is None else self.live_run.query
        latest = None if query is None else query.latest
        if latest is None or latest.digest != self.result.digest:  # otherwise it is not sent
            self.result.prepare()
        if self.discarded is not None and normalizer.has_token(body):
            name = self.owner.config.session_cookie_name
            held = held_secrets(request, self.discarded, name)
            self.needs_sender = not any(normalizer.is_secret(value) for value in held)
        if self.result.is_success and not self._reads.is_rerun:
            self.proof = prove(self._digest_of_request(), self._digest_of_cookies())

    def _audience(self, request: WSGIRequest) -> Audience | None:
        """Return whose events the client gets after this run."""
        joins = self.joins if "room" in self.message.events else ()
        wants_user = "user" in self.message.events
        if not (joins or wants_user):
            return None
        user: Any = None
        if wants_user:
            # Read now if no code of the project has, since the client asks for the user's events.
            user = getattr(request, "user", None)
            is_user = getattr(user, "pk", None) is not None and user.is_authenticated
            self.user = seen_user(request) if is_user else self.user
            user = user if is_user else None
        return Audience(joins, None if user is None else user_name(user))

    def set_shared_key(self, head: Response) -> None:
        """Note who else may see the response. On the thread that runs the request."""
        request, live = self._request, self.owner.server.live
        assert request is not None and live is not None  # a response exists
        varying = shared_key(head.status, head.headers, request.META)
        if varying is None or self._site is None or self.sets_cookies:
            return
        if self.message.events:
            return  # the shared run is nobody's, and would decide who gets which events
        if asks_for_page(request) and ("accept", "text/html") not in varying:
            # The shared run is that of a page, too, and has the same ETag.
            varying = (*varying, ("accept", "text/html"))
        try:
            share_key = evaluate_share_key(live.share_key, request)
        except Exception:
            logger.exception("WSREQUEST_LIVE_SHARE_KEY failed: %s is not shared", self.path)
        else:
            message = self.message
            self._shared_key = SharedKey(self._site, message.url, message.query, share_key, varying)

    def prepare(self, request: WSGIRequest) -> None:
        """Record what the view reads from its connection."""
        info = self.owner.info
        self._info = info.of_live(is_rerun=info.is_rerun, is_resumed=self._proven is not None)
        request.websocket = self._info  # type: ignore[attr-defined]  # ours
        self._request, self._site = request, site_of(request)
        if asks_for_page(request):
            keep_messages_out(request)
        record = self.record  # the event loop may take it
        if record is not None:
            record.request = request
        self.cookies = note_cookies(request)


def check_live(
    reads: Collection[ReadPredicate], expires_seconds: float | None, joins: Collection[Join] = ()
) -> None:
    """Refuse a request that would never be run again, and is in no room.

    Args:
        reads: those of its first run.
        expires_seconds: when it runs again without any write. None for never.
        joins: the rooms that it has joined.

    Raises:
        Refused: ``not_live``.
    """
    if not (reads or joins) and expires_seconds is None:
        raise Refused(
            "not_live",
            "the view read nothing whose change can be seen: let it call "
            "wsrequest.live.depends_on(...), or ask for it without subscribe",
        )


def unconditional(message: Request) -> Request:
    """Return the request without the headers that ask for less than the whole response."""
    return without(message, _CONDITIONAL)


def without(message: Request, names: Container[str]) -> Request:
    """Return the request without the headers whose lower-case names are in ``names``."""
    headers = {n: v for n, v in message.headers.items() if n.lower() not in names}
    if len(headers) == len(message.headers):
        return message
    return msgspec.structs.replace(message, headers=headers)
