"""Render a region: the answer of another view, in place in a page.

The view runs during the page's own request, as it would for a GET of the region's URL by the same
visitor. It passes its decorators and the view middleware. The rest of the middleware has seen the
page's request already, and what it set (user, session, tenant) holds for the region.

In a live run of the page, the view does not run: the region has a live request of its own, and the
page's versions leave its content out.
"""

import asyncio
import copy
import io
import logging
from collections.abc import Sequence
from functools import cache
from typing import Any
from urllib.parse import unquote

from asgiref.sync import async_to_sync
from django.core.exceptions import BadRequest, PermissionDenied, SuspiciousOperation
from django.core.handlers.base import BaseHandler
from django.core.signals import got_request_exception
from django.http import Http404, HttpRequest, QueryDict
from django.urls import get_urlconf, reverse, set_urlconf
from django.utils import translation
from django.utils.datastructures import MultiValueDict

from wsrequest.conf import Remembered
from wsrequest.live import page_tag
from wsrequest.live.snapshot import Snapshot
from wsrequest.pages.completing import is_page, make_normalizer, resolvable
from wsrequest.pages.fragments import fragment_of
from wsrequest.request.environ import below
from wsrequest.request.no_messages import without_messages
from wsrequest.request.response import is_endless
from wsrequest.request.secrets import csp_nonce
from wsrequest.types import Headers

__all__ = ["region_url", "render_region"]

logger = logging.getLogger("wsrequest.pages")

_URLS = "_wsrequest_region_urls"  # of the page, and of the regions around this one
_MAX_DEPTH = 5
_LOOP = 508  # Loop Detected (RFC 5842)

# Of the page's own request, or of its transport. The live request of the region lacks them.
_LEFT_OUT = frozenset(
    "CONTENT_TYPE HTTP_IF_MATCH HTTP_IF_MODIFIED_SINCE HTTP_IF_NONE_MATCH HTTP_IF_RANGE "
    "HTTP_IF_UNMODIFIED_SINCE HTTP_RANGE HTTP_REFERER HTTP_TURBO_FRAME "
    "HTTP_X_REQUESTED_WITH".split()
)
_LEFT_OUT_PREFIXES = ("HTTP_HX_", "HTTP_X_TURBO_")
# What a request has computed from its URL, its body or its headers.
_COMPUTED = (
    "GET _body _current_scheme_host accepted_types accepted_types_by_precedence headers "
    "_files _post _upload_parser"
).split()


def region_url(request: HttpRequest, view: str, args: Sequence[Any], kwargs: dict[str, Any]) -> str:
    """Return the path, perhaps with a query, of a region.

    Args:
        request: of the page.
        view: the name of a URL pattern, as ``{% url %}`` takes it, or a path that begins with "/".
        args: for the pattern.
        kwargs: for the pattern.

    Raises:
        NoReverseMatch: no pattern has this name and these arguments.
        ValueError: it is a URL of another origin.
    """
    if view.startswith("/"):
        if view[1:2] in ("/", "\\"):
            raise ValueError(f"a region is a path of this site, not {view!r}")
        return resolvable(view)
    if "://" in view:
        raise ValueError(f"a region is a path of this site, not {view!r}")
    match = getattr(request, "resolver_match", None)
    namespace = None if match is None else match.namespace
    return resolvable(reverse(view, args=args, kwargs=kwargs, current_app=namespace))


def render_region(request: HttpRequest, url: str, region_id: str = "") -> str:
    """Return the element of a region, with the content that its view answers now.

    Args:
        request: of the page.
        url: of the region, as ``region_url`` returns it.
        region_id: the id of the element. Of an answer that is a whole document, the content of the
            element with this id is taken.

    Raises:
        RuntimeError: it was called on an event loop, where no view can be run.
    """
    websocket = getattr(request, "websocket", None)
    if websocket is not None and websocket.is_live:
        return page_tag.render_region(url, region_id=region_id)
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        pass
    else:
        raise RuntimeError(
            f"{{% live %}} runs the view of {url}, which is not possible on an event loop: in an "
            "async view, render the template by `await sync_to_async(render)(…)`"
        )
    around: tuple[str, ...] = getattr(request, _URLS, (resolvable(request.get_full_path()),))
    if url in around or len(around) > _MAX_DEPTH:
        logger.error("the region %s is not rendered inside %s", url, " > ".join(around))
        return page_tag.render_region(url, region_id=region_id, status=_LOOP)
    derived = _derived(request, url)
    setattr(derived, _URLS, (*around, url))
    with translation.override(translation.get_language()):  # the view may activate another
        status, content_type, charset, body = _answer(derived)
    _keep_token(request, derived)
    if not 200 <= status <= 299:
        return page_tag.render_region(url, region_id=region_id, status=status)
    if status != 204 and not is_page(content_type):
        logger.error("the region %s is not HTML but %s", url, content_type)
        return page_tag.render_region(url, region_id=region_id, status=status, is_html=False)
    normalizer = make_normalizer(derived, csp_nonce(derived) or csp_nonce(request))
    headers: Headers = {"Content-Type": content_type}
    result = Snapshot(status, headers, body, None, normalizer, is_page=True)
    content = fragment_of(page_tag.removed(body).decode(charset, "replace"), region_id)
    return page_tag.render_region(url, region_id=region_id, etag=result.etag or "", content=content)


def _derived(request: HttpRequest, url: str) -> Any:
    """Return a GET of another URL with all that the middleware has set on a request."""
    derived: Any = copy.copy(request)
    path, _, query = url.partition("?")
    script_name = str(request.META.get("SCRIPT_NAME", "")).rstrip("/")
    path_info = below(unquote(path), script_name) or "/"
    meta = {
        name: value
        for name, value in request.META.items()
        if name not in _LEFT_OUT and not name.startswith(_LEFT_OUT_PREFIXES)
    }
    meta |= {
        "REQUEST_METHOD": "GET",
        "PATH_INFO": path_info,
        "QUERY_STRING": query,
        "HTTP_ACCEPT": "text/html",
        "CONTENT_LENGTH": "",
        "RAW_URI": url,
        "REQUEST_URI": url,
        "wsgi.input": io.BytesIO(),
    }
    for name in _COMPUTED:
        derived.__dict__.pop(name, None)
    derived.META = meta
    if hasattr(request, "environ"):
        derived.environ = meta
    derived.method, derived.path_info = "GET", path_info
    derived.path = script_name + path_info
    derived.content_type, derived.content_params = "", {}
    derived.resolver_match = None
    derived._stream, derived._read_started, derived._post_parse_error = io.BytesIO(), False, False
    derived._body, derived._files = b"", MultiValueDict()
    derived._post = QueryDict(encoding=request.encoding)
    without_messages(derived)
    return derived


def _keep_token(request: HttpRequest, derived: HttpRequest) -> None:
    """Have the page's response set the cookie of a CSRF token that a region has made."""
    for name in ("CSRF_COOKIE", "CSRF_COOKIE_NEEDS_UPDATE"):
        if name in derived.META:
            request.META[name] = derived.META[name]


def _answer(request: Any) -> tuple[int, str, str, bytes]:
    """Run the view of a request. Returns the status, content type, charset and body."""
    urlconf = get_urlconf()
    try:
        handler: Any = _handler()()
        response = handler._get_response(request)
        try:
            content_type = str(response.headers.get("Content-Type", ""))
            body = b"" if is_endless(response) else _body_of(response)
        finally:
            # Not close(), which would end the page's request.
            for close in response._resource_closers:
                close()
        return response.status_code, content_type, response.charset, body
    except Http404:
        status = 404
    except PermissionDenied:
        status = 403
    except (BadRequest, SuspiciousOperation):
        status = 400
    except Exception:
        # The page is shown without the region. Monitoring learns of the error as of any other.
        got_request_exception.send(sender=BaseHandler, request=request)
        logger.exception("the view of the region %s failed", request.path)
        status = 500
    finally:
        set_urlconf(urlconf)
    return status, "", "utf-8", b""


def _body_of(response: Any) -> bytes:
    if not response.streaming:
        return bytes(response.content)
    if not response.is_async:
        return b"".join(response.streaming_content)

    async def gather() -> bytes:
        return b"".join([piece async for piece in response.streaming_content])

    return async_to_sync(gather)()


@cache
def _handler() -> Remembered[BaseHandler]:
    return Remembered(_make_handler)


def _make_handler() -> BaseHandler:
    """Return a handler of which only the middleware around views is used.

    Those that serve requests cannot be reached from a template.
    """
    handler = BaseHandler()
    handler.load_middleware()
    return handler
