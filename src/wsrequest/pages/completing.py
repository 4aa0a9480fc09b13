"""Complete the page tag of a served page: what it shows, by which proof, with which messages.

A page is complete when all of Django is done with it. Then it is known which body is sent, which
messages it shows, and which cookies the browser holds afterwards.
"""

import json
import logging
from collections.abc import Iterable
from html import unescape
from typing import Any, NamedTuple

from django.http import HttpRequest
from django.utils.encoding import iri_to_uri
from django.utils.html import strip_tags
from django.utils.safestring import SafeData

from wsrequest.conf import conf
from wsrequest.live import page_tag
from wsrequest.live.normalizing import Normalizer, ignored_of
from wsrequest.live.snapshot import Snapshot
from wsrequest.request.cookies import CookieJar
from wsrequest.request.response import Outcome, cookie_lines, headers_of
from wsrequest.request.secrets import csp_nonce, csrf_secret
from wsrequest.request.sender import HAS_PAGE_TAG
from wsrequest.subscriptions.page_proof import prove_page

__all__ = [
    "CompletedPage",
    "completed_page",
    "complete_outcome",
    "complete_page",
    "is_page",
    "make_normalizer",
    "name_messages",
    "page_url",
    "resolvable",
    "weakened",
]

logger = logging.getLogger("wsrequest.pages")

_COMPLETED = "_wsrequest_page_is_complete"
_PAGE = "_wsrequest_completed_page"
_has_warned = False


class CompletedPage(NamedTuple):
    """What the tag of a page was completed with.

    Attributes:
        content: what is live there. "none" for nothing.
        proof: that the page was answered, or an empty text.
        result: the page as its live run would have made it. None if that has no messages, and so
            is another page.
    """

    content: str
    proof: str = ""
    result: Snapshot | None = None


def completed_page(request: HttpRequest) -> CompletedPage | None:
    """Return what the tag of a request's page was completed with. None without such a tag."""
    page: CompletedPage | None = getattr(request, _PAGE, None)
    return page


def is_page(content_type: object) -> bool:
    """Whether a response of this Content-Type can have a page tag."""
    return str(content_type).startswith(("text/html", "application/xhtml+xml"))


def page_url(request: HttpRequest) -> str:
    """Return the path and query of a page, as a browser writes them that resolves this text."""
    return resolvable(request.get_full_path())


def resolvable(url: str) -> str:
    """Return a path and query as a browser writes them that resolves this text."""
    return iri_to_uri(url).replace("'", "%27")


def make_normalizer(request: HttpRequest, nonce: str | None) -> Normalizer:
    """Return what makes the normal form of a response, as in the live run of the same URL.

    Args:
        request: of the response.
        nonce: that its scripts have, or None.
    """
    ignored = ignored_of(tuple(conf.LIVE_IGNORED_CONTENT), conf.LIVE_REWRITER)
    return Normalizer(csrf_secret(request), nonce, ignored, request)


def complete_page(request: HttpRequest, response: Any, body: bytes) -> bytes | None:
    """Return the body of a page with its tag completed. Never raises.

    Args:
        request: that was answered with it, over HTTP.
        response: Django's response. Its headers say what the body is.
        body: as it would be sent.

    Returns:
        None if the body stays as it is, because it has no tag, or one that was completed.
    """
    if page_tag.MARK not in body or getattr(request, _COMPLETED, False):
        return None
    setattr(request, _COMPLETED, True)
    try:
        return _complete(request, response, body)
    except Exception:  # of the project's rewriter, or of another storage of messages
        logger.exception("completing the page tag of %s failed", request.path)
        return None


def name_messages(request: HttpRequest, response: Any) -> None:
    """Name the messages that a page shows in its tag, if it answers a message. Never raises.

    A script has asked for the page, such as by a form whose answer redirects to it. Its browser
    draws it in place of the page that it has, which stays proven and follows itself.

    Args:
        request: a request of the socket, which is not live.
        response: Django's response, whose content is replaced.
    """
    try:
        if response.streaming or response.status_code != 200:
            return
        if response.has_header("Content-Encoding") or not is_page(response.get("Content-Type", "")):
            return
        messages = _shown_messages(request)
        tag = page_tag.find(response.content) if messages else None
        if tag is None:
            return
        listed = json.dumps(messages)
        response.content = tag.put(
            page_tag.render(page_url(request), content=tag.content, messages=listed)
        )
        if response.has_header("Content-Length"):
            response.headers["Content-Length"] = str(len(response.content))
        if response.has_header("ETag"):
            response.headers["ETag"] = weakened(response.headers["ETag"])
    except Exception:  # of another storage of messages
        logger.exception("completing the page tag of %s failed", request.path)


def complete_outcome(outcome: Outcome, body: bytes) -> bytes | None:
    """Do the same for what came out of Django's handler.

    Args:
        outcome: of an HTTP request, with a whole body.
        body: of the outcome.
    """
    response, request = outcome.response, outcome.request
    if response is None or request is None or outcome.result is not response:
        return None  # the last two are those of a tool around Django
    if response.has_header("Content-Encoding"):
        if getattr(request, HAS_PAGE_TAG, False) and not getattr(request, _COMPLETED, False):
            _warn_of_compression(request.path)
        return None
    return complete_page(request, response, body)


def _complete(request: HttpRequest, response: Any, body: bytes) -> bytes | None:
    tag = page_tag.find(body)
    if tag is None:
        return None
    url = page_url(request)
    if response.status_code != 200:
        setattr(request, _PAGE, CompletedPage("none"))
        return tag.put(page_tag.render(url, content="none"))
    cookie = _cookie_after(request, response)

    def prove(url: str) -> str:
        return prove_page(request, url, cookie, conf.csrf_cookie)

    messages, proof = _shown_messages(request), prove(url)
    # Live versions have no messages, so they are never equal to this page.
    result = None if messages else _live_version(request, response, body)
    setattr(request, _PAGE, CompletedPage(tag.content, proof, result))
    completed = tag.put(
        page_tag.render(
            url,
            content=tag.content,
            etag="" if result is None else result.etag or "",
            proof=proof,
            messages=json.dumps(messages),
        )
    )
    return page_tag.prove_regions(completed, prove)


def weakened(etag: str) -> str:
    """Return an entity tag for a page whose bytes differ each time it is completed."""
    return etag if etag.startswith("W/") else f"W/{etag}"


def _warn_of_compression(path: str) -> None:
    """Name the remedy, once in a process."""
    global _has_warned
    if not _has_warned:
        _has_warned = True
        logger.warning(
            "the live page %s was compressed before its tag was completed: add "
            "wsrequest.pages.middleware.LivePageMiddleware below GZipMiddleware",
            path,
        )


def _live_version(request: HttpRequest, response: Any, body: bytes) -> Snapshot:
    """Return the page as its live run will give it, with the same entity tag."""
    normalizer = make_normalizer(request, csp_nonce(request))
    headers = headers_of(response, show_cookies=False)
    return Snapshot(200, headers, body, None, normalizer, is_page=True)


def _cookie_after(request: HttpRequest, response: Any) -> str:
    """Return the Cookie header that the browser sends to the socket once it has the response."""
    header = str(dict.get(request.META, "HTTP_COOKIE", ""))  # past the tracking of reads
    lines = cookie_lines(response)
    if not lines:
        return header
    jar = CookieJar(header, request.path)
    jar.update(lines, request.path)
    return jar.header(f"{request.META.get('SCRIPT_NAME', '')}{conf.PATH}")


def _shown_messages(request: HttpRequest) -> list[str]:
    """Return the texts of the messages that the page has used up, as they can be read there."""
    storage = getattr(request, "_messages", None)
    if not getattr(storage, "used", False):
        return []
    shown: Iterable[Any] = getattr(storage, "_loaded_messages", ())
    return [text for text in (_plain(str(message)) for message in shown) if text]


def _plain(text: str) -> str:
    if isinstance(text, SafeData):
        text = unescape(strip_tags(text))
    return " ".join(text.split())
