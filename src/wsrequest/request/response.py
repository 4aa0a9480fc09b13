"""Convert what a call of Django's WSGI handler returned: status, headers and body."""

import sys
from collections.abc import AsyncGenerator, Callable, Iterable, Iterator
from contextlib import aclosing
from contextvars import Context
from functools import partial
from sys import getrefcount
from typing import Any

from django.core.handlers.wsgi import WSGIRequest
from django.http.response import HttpResponseBase
from django.utils.functional import SimpleLazyObject
from msgspec import Struct

from wsrequest.request import response as response_module
from wsrequest.types import Headers

__all__ = [
    "Outcome",
    "aclose_body",
    "apieces",
    "cookie_lines",
    "has_body",
    "headers_of",
    "internal_header",
    "is_endless",
    "pieces",
    "sent_headers",
    "split",
]

# Headers by which nginx, Apache and lighttpd (X-Sendfile), LiteSpeed and Perlbal learn what to send
# in place of the response. They reveal what is behind the proxy.
_INTERNAL = frozenset(
    "x-accel-redirect x-sendfile x-sendfile2 x-lighttpd-send-file x-litespeed-location "
    "x-reproxy-url x-reproxy-file".split()
)
_RARE = _INTERNAL | {"set-cookie"}
"""Headers, in lower case, whose responses need a closer look."""


def headers_of(response: HttpResponseBase, *, show_cookies: bool) -> Headers:
    """Return the headers of a response, with names as the application wrote them.

    Args:
        response: any of Django's responses.
        show_cookies: whether to include Set-Cookie, which a browser's scripts must not read.
    """
    cookies = [("Set-Cookie", morsel.OutputString()) for morsel in response.cookies.values()]
    headers, _ = sent_headers(
        response.status_code, [*response.items(), *cookies], show_cookies=show_cookies
    )
    return headers


def sent_headers(
    status: int, pairs: list[tuple[str, str]], *, show_cookies: bool
) -> tuple[Headers, str | None]:
    """Return the headers for the wire that ``start_response`` received.

    Args:
        status: of the response.
        pairs: as in PEP 3333.
        show_cookies: whether to include Set-Cookie, which a browser's scripts must not read.

    Returns:
        The headers, and the name of the one that is addressed to a proxy, or None.
    """
    headers: Headers = dict(pairs)
    if len(headers) != len(pairs):
        headers = _gathered(pairs)
    if status == 204:
        headers.pop("Content-Length", None)  # RFC 9110 8.6. Over HTTP, the server removes it.
    if _RARE.isdisjoint(map(str.lower, headers)):
        return headers, None
    by_hand = [name for name in headers if name.lower() == "set-cookie"]
    if by_hand:
        cookies = [value.strip() for name in by_hand for value in _values(headers.pop(name))]
        if show_cookies:
            headers["Set-Cookie"] = cookies if len(cookies) > 1 else cookies[0]
    return headers, internal_header(headers)


def internal_header(names: Iterable[str]) -> str | None:
    """Return the header by which a response asks a proxy to send something else, or None.

    Args:
        names: of the headers, in any case.
    """
    return next((name for name in names if name.lower() in _INTERNAL), None)


def cookie_lines(response: HttpResponseBase) -> list[str]:
    """Return the ``Set-Cookie`` lines of a response, also one that the view set as a header."""
    if not response.cookies and "set-cookie" not in response.headers._store:
        return []
    by_hand = response.headers.get("Set-Cookie")
    lines = [] if by_hand is None else [str(by_hand)]
    return lines + [morsel.OutputString() for morsel in response.cookies.values()]


def _gathered(pairs: list[tuple[str, str]]) -> Headers:
    headers: Headers = {}
    for name, value in pairs:
        headers[name] = [*_values(headers[name]), value] if name in headers else value
    return headers


def _values(value: str | list[str]) -> list[str]:
    return value if isinstance(value, list) else [value]


def has_body(method: str, status: int) -> bool:
    """Whether a response may have a body (RFC 9110 section 6.4.1)."""
    return method != "HEAD" and status not in (204, 304) and status >= 200


def is_endless(response: HttpResponseBase) -> bool:
    """Whether a streamed response does not end on its own."""
    return str(response.headers.get("Content-Type", "")).startswith("text/event-stream")


def split(chunk: bytes, size: int) -> Iterator[bytes]:
    """Split a chunk into pieces of at most ``size`` bytes. An empty one is one empty piece."""
    if len(chunk) <= size:
        yield chunk
        return
    for start in range(0, len(chunk), size):
        yield chunk[start : start + size]


def pieces(response: Any, size: int) -> Iterator[bytes]:
    """Yield the body of a streamed response with a sync iterator.

    A file is read in pieces of ``size`` bytes. The chunks of a generator are passed on as they
    come, unless they are larger.
    """
    file = getattr(response, "file_to_stream", None)
    if file is not None:
        while chunk := file.read(size):  # a text file ends with "", which is not b""
            yield chunk
        return
    for chunk in response.streaming_content:
        yield from split(chunk, size)


async def apieces(response: Any, size: int) -> AsyncGenerator[bytes, None]:
    """Yield the body of a streamed response with an async iterator, as ``pieces`` does."""
    async with aclosing(response.streaming_content) as chunks:
        async for chunk in chunks:
            for piece in split(chunk, size):
                yield piece


async def aclose_body(response: Any) -> None:
    """Close the async iterator of a streamed response, which Django leaves to the collector."""
    # The application's own iterator. ``streaming_content`` is a new wrapper at each access.
    close = getattr(getattr(response, "_iterator", None), "aclose", None)
    if close is not None:
        await close()


class Outcome(Struct, eq=False):
    """The outcome of one call of ``WSGIHandler.__call__``.

    Attributes:
        request: the one that Django made. None if it could not, or if a tool did not call Django.
        response: Django's own response, or None for the same reasons.
        result: what the call returned: ``response``, or what a tool wrapped around it. It must be
            closed once, after the outcome was used.
        status: as passed to ``start_response``.
        headers: as passed to ``start_response``.
        context: as the view saw it, with the spans and scopes of all middleware. If no view was
            called, as the response left the middleware.
        body_context: as the response left the middleware. None unless its body is async.
        user: the result of ``handler.seen_user``.
        is_no_request: whether the request could not be made.
        is_cancelled: whether the view was cancelled because nobody waits for it any more.
    """

    request: WSGIRequest | None = None
    response: HttpResponseBase | None = None
    result: Any = ()
    status: int = 500
    headers: list[tuple[str, str]] = []
    context: Context | None = None
    body_context: Context | None = None
    user: tuple[object, bool] | None = None
    is_no_request: bool = False
    is_cancelled: bool = False

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: object = None
    ) -> Callable[[bytes], object]:
        """Take status and headers (PEP 3333)."""
        self.status, self.headers = int(status[:3]), headers
        return _no_write

    @property
    def is_async(self) -> bool:
        """Whether the body has an async iterator, so that ``response`` must be iterated."""
        response: Any = self.response
        return response is not None and response.streaming and response.is_async

    @property
    def content(self) -> bytes:
        """Return the whole body of a response that is not streamed."""
        response: Any = self.response
        if self.result is not response:
            return b"".join(self.result)
        content: bytes = response.content
        return content

    def pieces(self, size: int) -> Iterator[bytes]:
        """Yield the body of a streamed response that is not async, as the function ``pieces``."""
        response: Any = self.response
        if self.result is response:
            return response_module.pieces(response, size)
        if getattr(response, "file_to_stream", None) is not None:
            response.block_size = size  # that of FileResponse is small
        return _split(self.result, size)

    def close(self) -> None:
        """End the request. May raise an error of a tool or of the application."""
        close = getattr(self.result, "close", None)
        if close is not None:
            close()
        _unlink_request(self)

    def unwrap(self) -> None:
        """Close what a tool wrapped around a response whose body continues elsewhere.

        This happens in the thread of the call. Monitoring agents keep their transaction per thread,
        and would count the next request as part of this one. ``close`` closes the response itself,
        at its end.
        """
        response: Any = self.response
        if self.result is response:
            return
        response.close = _nothing
        try:
            self.close()
        finally:
            del response.close
            self.result = response


def _unlink_request(holder: Any) -> None:
    """Have a request freed with its outcome, if nothing but the two refer to it.

    Three attributes that Django's middleware sets refer to their request. So it would stay until
    Python's collector runs, with some dozens of others. Their memory costs a tenth of a trivial
    request's time, because it leaves the processor's caches before it is used again.

    If anything else has the request, such as a thread of the view, it keeps all of it.
    """
    if holder.request is None or _ALONE is None:
        return
    try:
        if _count_references(holder) == _ALONE:
            for name in ("user", "auser", "_messages"):
                holder.request.__dict__.pop(name, None)
    except Exception:
        return  # one of them is not what Django sets


def _count_references(holder: Any) -> int:
    """Count the references to the request of a holder, but not those from its own attributes."""
    request = holder.request
    attributes = request.__dict__
    own = 0
    user = attributes.get("user")
    if type(user) is SimpleLazyObject:
        # By object's method, because its own would ask the database for the user.
        setup = object.__getattribute__(user, "__dict__")["_setupfunc"]
        for cell in setup.__closure__ or ():
            own += cell.cell_contents is request
    auser = attributes.get("auser")
    if type(auser) is partial:
        for each in auser.args:
            own += each is request
        each = None  # it counts, too
    messages = attributes.get("_messages")
    if messages is not None:
        members = messages.__dict__
        own += members.get("request") is request
        for storage in members.get("storages", ()):
            own += storage.__dict__.get("request") is request
    return getrefcount(request) - own


class _Nobody:
    """Stands for a request. To make one, Django needs settings, which may not be there yet."""


class _Holder:
    request = _Nobody()


def _count_alone() -> int | None:
    """Count what one holder counts for. None if this Python does not count references exactly."""
    if sys.implementation.name != "cpython" or not getattr(sys, "_is_gil_enabled", lambda: True)():
        return None
    return _count_references(_Holder)


_ALONE = _count_alone()


def _nothing() -> None:
    pass


def _split(chunks: Iterable[bytes], size: int) -> Iterator[bytes]:
    for chunk in chunks:
        yield from response_module.split(chunk, size)


def _no_write(data: bytes) -> object:
    raise NotImplementedError("WSGI's write() is not offered: return the body instead")
