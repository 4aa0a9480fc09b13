"""A Django response: its status, headers and body as the wire wants them.

Owns what of a response is sent, and in which pieces. Where the pieces go, and
when they may, is the connection's.
"""

from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any

from django.http.response import HttpResponseBase

from wsrequest.http.exclusions import INTERNAL, internal_header
from wsrequest.types import Headers

__all__ = [
    "aclose_body",
    "apieces",
    "cookie_lines",
    "has_body",
    "headers_of",
    "is_endless",
    "pieces",
    "sent_headers",
    "split",
]

_RARE = INTERNAL | {"set-cookie"}
"""Headers, in lower case, whose answers need a closer look."""


def headers_of(response: HttpResponseBase, *, show_cookies: bool) -> Headers:
    """The headers of a response, names as the application wrote them.

    Args:
        response: any of Django's.
        show_cookies: whether Set-Cookie is among them; a browser's scripts must not read it.
    """
    cookies = [("Set-Cookie", morsel.OutputString()) for morsel in response.cookies.values()]
    headers, _ = sent_headers(
        response.status_code, [*response.items(), *cookies], show_cookies=show_cookies
    )
    return headers


def sent_headers(
    status: int, pairs: list[tuple[str, str]], *, show_cookies: bool
) -> tuple[Headers, str | None]:
    """The headers that ``start_response`` was given, as the wire wants them.

    Args:
        status: of the response.
        pairs: as PEP 3333 has them.
        show_cookies: whether Set-Cookie is among them; a browser's scripts must not read it.

    Returns:
        The headers, and the name of one that is addressed to a proxy; None without such.
    """
    headers: Headers = dict(pairs)
    if len(headers) != len(pairs):
        headers = _gathered(pairs)
    if status == 204:
        headers.pop("Content-Length", None)  # RFC 9110 8.6; by HTTP the server takes it away
    if _RARE.isdisjoint(map(str.lower, headers)):
        return headers, None
    by_hand = [name for name in headers if name.lower() == "set-cookie"]
    if by_hand:
        cookies = [value.strip() for name in by_hand for value in _values(headers.pop(name))]
        if show_cookies:
            headers["Set-Cookie"] = cookies if len(cookies) > 1 else cookies[0]
    return headers, internal_header(headers)


def cookie_lines(response: HttpResponseBase) -> list[str]:
    """The ``Set-Cookie`` lines of a response, also one that the view wrote as a header."""
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
    """Whether an answer may have a body (RFC 9110 section 6.4.1)."""
    return method != "HEAD" and status not in (204, 304) and status >= 200


def is_endless(response: HttpResponseBase) -> bool:
    """Whether a streamed response is one that does not end by itself."""
    return str(response.headers.get("Content-Type", "")).startswith("text/event-stream")


def split(chunk: bytes, size: int) -> Iterator[bytes]:
    """Cut a chunk into pieces of at most ``size`` bytes; nothing for an empty one."""
    if len(chunk) <= size:
        if chunk:
            yield chunk
        return
    for start in range(0, len(chunk), size):
        yield chunk[start : start + size]


def pieces(response: Any, size: int) -> Iterator[bytes]:
    """The body of a streamed response with a sync iterator, in pieces of at most ``size`` bytes.

    A file is read in pieces of that size; what a generator yields is passed on as it comes.
    """
    file = getattr(response, "file_to_stream", None)
    if file is not None:
        while chunk := file.read(size):  # a file of text ends with "", which is not b""
            yield chunk
        return
    for chunk in response.streaming_content:
        yield from split(chunk, size)


async def apieces(response: Any, size: int) -> AsyncGenerator[bytes, None]:
    """The body of a streamed response with an async iterator, as ``pieces``."""
    async with aclosing(response.streaming_content) as chunks:
        async for chunk in chunks:
            for piece in split(chunk, size):
                yield piece


async def aclose_body(response: Any) -> None:
    """Close the async iterator of a streamed response, which Django leaves to the collector."""
    # What the application gave; ``streaming_content`` is a new wrapper at each access.
    close = getattr(getattr(response, "_iterator", None), "aclose", None)
    if close is not None:
        await close()
