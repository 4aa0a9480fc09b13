"""Records what the HTTP run of a live page reads, so that its first live run need not happen.

A run can be recorded only from its beginning, when nobody knows whether it will render a page tag.
So only URLs are recorded that are like one whose page had a tag. All other requests pay a look at
a dict.
"""

import logging
from contextlib import AbstractContextManager
from typing import Any

from django.core.handlers.wsgi import WSGIRequest

from wsrequest.live import page_tag
from wsrequest.live.page_runs import PageRun, PageRuns
from wsrequest.live.snapshot import Snapshot
from wsrequest.live.tracking.reads import ReadSet, reading
from wsrequest.pages.completing import CompletedPage, complete_outcome, completed_page
from wsrequest.request.handler import seen_user
from wsrequest.request.response import Outcome, cookie_lines, internal_header
from wsrequest.request.secrets import csrf_secret
from wsrequest.server.context import ConnectionConfig, ServerContext
from wsrequest.subscriptions.cookie_reads import CookieReads, note_cookies
from wsrequest.subscriptions.page_proof import origin_of
from wsrequest.subscriptions.resumption import MESSAGES_COOKIE
from wsrequest.types import Scope

__all__ = ["PageRecording", "begin_recording", "complete_and_learn", "websocket_of"]

logger = logging.getLogger("wsrequest.pages")

_MAX_PATTERNS = 4096
_MAX_PATH_CHARS = 256
_NO_DIGITS = dict.fromkeys(map(ord, "0123456789"))
_ASKED = "_wsrequest_asked_for_websocket"

# The paths of pages without their digits. Any thread may add one.
_patterns: dict[str, None] = {}


def begin_recording(
    server: ServerContext, config: ConnectionConfig, scope: Scope
) -> "PageRecording | None":
    """Begin to record the HTTP run of a request, if its page probably becomes live.

    Args:
        server: runs it.
        config: the current settings.
        scope: of the request.

    Returns:
        None if the request is not recorded.
    """
    live = server.live
    if not _patterns or scope["method"] != "GET" or live is None or live.page_runs is None:
        return None
    if _pattern_of(scope["path"]) not in _patterns or not _accepts_pages(scope):
        return None
    client = scope.get("client")
    return PageRecording(live.page_runs, config.csrf_cookie, str(client[0]) if client else "")


def complete_and_learn(outcome: Outcome, body: bytes) -> bytes | None:
    """Complete a page as ``complete_outcome`` does, and note that its URL has live pages."""
    completed = complete_outcome(outcome, body)
    request = outcome.request
    if request is not None and (page := completed_page(request)) is not None and page.proof:
        scope = getattr(request, "scope", None)
        path = str(scope["path"]) if scope else ""
        if page.content != "regions" and 0 < len(path) <= _MAX_PATH_CHARS:
            if len(_patterns) >= _MAX_PATTERNS:
                _patterns.clear()
            _patterns[_pattern_of(path)] = None
    return completed


def websocket_of(request: object) -> object | None:
    """Return ``request.websocket``, or None, without counting as a question of the project."""
    if isinstance(request, WSGIRequest):
        return request.__dict__.get("websocket")
    return getattr(request, "websocket", None)


class PageRecording:
    """The record of one HTTP run. The worker thread has it between ``reading`` and ``ran``.

    Args:
        page_runs: the pages of the event loop.
        csrf_cookie: the name of that cookie, or None.
        address: of the client, or an empty text.
    """

    __slots__ = ("_address", "_cookies", "_csrf_cookie", "_page", "_page_runs", "_request")

    def __init__(self, page_runs: PageRuns, csrf_cookie: str | None, address: str) -> None:
        self._page_runs, self._csrf_cookie, self._address = page_runs, csrf_cookie, address
        self._page: PageRun | None = page_runs.begin()
        self._cookies: CookieReads | None = None
        self._request: WSGIRequest | None = None

    def reading(self) -> AbstractContextManager[ReadSet]:
        """Return the context in which the request runs."""
        assert self._page is not None  # until end()
        return reading(self._page.reads)

    def prepare(self, request: WSGIRequest) -> None:
        """Record which cookies a request reads, before any middleware has seen it."""
        page = self._page
        assert page is not None  # until end()
        page.origin = origin_of(request)
        page.cookie = str(request.META.get("HTTP_COOKIE", ""))
        self._request = request
        self._cookies = note_cookies(request)
        request.__class__ = _RecordedRequest

    def ran(self, outcome: Outcome | None) -> None:
        """Note what the request was answered with. Never raises.

        Args:
            outcome: of the request, or None.
        """
        page, request, cookies = self._page, self._request, self._cookies
        self._request = self._cookies = None  # they may be large
        if page is None or request is None or cookies is None or outcome is None:
            return
        try:
            found = completed_page(request)
            result = None if found is None else _reusable(request, outcome, found)
            if found is not None and result is not None:
                uses_token = csrf_secret(request) is not None
                names = cookies.counting(self._csrf_cookie, uses_token=uses_token)
                page.cookie_names = None if names is None else names - {MESSAGES_COOKIE}
                page.user, page.match = seen_user(request), request.resolver_match
                page.holder = self._address if page.user is None else (page.user[0],)
                page.predicates = page.reads.result()
                page.proof, page.result = found.proof, result
        except Exception:
            logger.exception("recording the page %s failed", request.path)

    def end(self) -> None:
        """Have the page wait for its socket, or drop it. On the event loop. Safe to call twice."""
        page, self._page = self._page, None
        if page is not None:
            self._page_runs.keep(page)


def _reusable(request: WSGIRequest, outcome: Outcome, found: CompletedPage) -> Snapshot | None:
    """Return the page, if a live run could only give the same, as far as the database decides."""
    result, response = found.result, outcome.response
    if result is None or not found.proof or found.content == "regions":
        return None
    if response is None or outcome.result is not response or outcome.status != 200:
        return None
    if _changes_cookies(request, response):
        return None  # with them, the same request may be answered in another way
    if internal_header(result.headers) is not None:
        return None
    if page_tag.has_regions(result.body):
        return None  # their views have run, too, and they have live requests of their own
    if request.__dict__.get(_ASKED):
        return None  # a live run may be answered in another way
    return result


def _changes_cookies(request: WSGIRequest, response: Any) -> bool:
    """Whether a response sets any cookie to what its request did not have, or deletes one."""
    if not cookie_lines(response):
        return False
    if response.has_header("Set-Cookie"):
        return True
    held: dict[str, Any] = request.COOKIES
    return any(
        morsel["max-age"] == 0 or dict.get(held, name) != morsel.value
        for name, morsel in response.cookies.items()
    )


def _pattern_of(path: str) -> str:
    return path.translate(_NO_DIGITS)


def _accepts_pages(scope: Scope) -> bool:
    return any(name == b"accept" and b"text/html" in value for name, value in scope["headers"])


class _RecordedRequest(WSGIRequest):
    """A request over HTTP, which has no ``websocket``, and notes if somebody looks for it."""

    @property
    def websocket(self) -> object:
        """What only a request of a socket has."""
        try:
            return self.__dict__["websocket"]
        except KeyError:
            self.__dict__[_ASKED] = True
            raise AttributeError("websocket") from None

    @websocket.setter
    def websocket(self, value: object) -> None:
        self.__dict__["websocket"] = value
