"""A response that is sent whole: as the events of ASGI, or as bytes of HTTP/1.1.

The bytes are for ``server.uvicorn``, which writes them past the events. They are made here, in one
step, because making events of each response and bytes of these would take five microseconds more.
"""

import re
from collections.abc import Iterator
from functools import lru_cache
from http import HTTPStatus
from typing import Any

__all__ = ["Event", "WholeResponse", "encode_headers", "header_lines", "plain_response"]

Event = dict[str, Any]
"""An event for an ASGI server's ``send``."""

# A project can make up names, too, so the cache limits their number and their lengths.
_MAX_NAMES, _SHORT_CHARACTERS = 512, 64

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")  # RFC 9110 5.6.2
_OF_THE_CONNECTION = frozenset(("connection", "transfer-encoding"))
_LENGTH = "content-length: "


class WholeResponse:
    """A response that is sent whole. Iterating over it gives its events.

    Args:
        status: of the response.
        headers: as in PEP 3333.
        body: all of it, or nothing for HEAD.

    Attributes:
        lines: the headers as bytes, or None for a response that the server must look at itself.

    Raises:
        UnicodeEncodeError: a header is not Latin-1.
    """

    __slots__ = ("_events_headers", "body", "headers", "lines", "status")

    def __init__(self, status: int, headers: list[tuple[str, str]], body: bytes) -> None:
        self.status, self.headers, self.body = status, headers, body
        self.lines = header_lines(headers, len(body))
        # Now, so that what is raised can be handled.
        self._events_headers = None if self.lines is not None else encode_headers(headers)

    def __iter__(self) -> Iterator[Event]:
        headers = self._events_headers
        if headers is None:
            headers = encode_headers(self.headers)
        yield {"type": "http.response.start", "status": self.status, "headers": headers}
        yield {"type": "http.response.body", "body": self.body}


def plain_response(status: int, *headers: tuple[str, str]) -> WholeResponse:
    """Return a response that names its status in plain text."""
    text = HTTPStatus(status).phrase.encode()
    own = [("Content-Type", "text/plain"), ("Content-Length", str(len(text)))]
    return WholeResponse(status, [*own, *headers], text)


def encode_headers(headers: list[tuple[str, str]]) -> list[tuple[bytes, bytes]]:
    """Return headers as ASGI wants them.

    Raises:
        UnicodeEncodeError: one of them is not Latin-1.
    """
    # Django leaves a space before each cookie, which h11 refuses.
    return [(name.encode("latin1"), value.encode("latin1").strip()) for name, value in headers]


def header_lines(headers: list[tuple[str, str]], body_bytes: int | None) -> bytes | None:
    """Return the lines of headers for HTTP/1.1, with names in lower case.

    Args:
        headers: as in PEP 3333.
        body_bytes: what Content-Length must say. None if there must be none.

    Returns:
        None if a header is about the connection, has characters that are not allowed in it, or
        says another length.

    Raises:
        UnicodeEncodeError: one of the values is not Latin-1.
    """
    length: int | None = None
    lines = []
    for name, value in headers:
        start = _line_start(name) if len(name) <= _SHORT_CHARACTERS else _make_line_start(name)
        # Stricter than RFC 9110 5.5, which allows tabs.
        if start is None or not value.isprintable():
            return None
        value = value.strip()
        if start is _LENGTH:
            if length is not None or not (value.isascii() and value.isdecimal()):
                return None
            length = int(value)
        lines.append(f"{start}{value}\r\n")
    return "".join(lines).encode("latin1") if length == body_bytes else None


def _make_line_start(name: str) -> str | None:
    lower = name.lower()
    if lower in _OF_THE_CONNECTION or not _NAME.fullmatch(name):
        return None
    return _LENGTH if lower == "content-length" else f"{lower}: "


_line_start = lru_cache(maxsize=_MAX_NAMES)(_make_line_start)
"""What the line of a header begins with. None if the name is about the connection, or refused."""
