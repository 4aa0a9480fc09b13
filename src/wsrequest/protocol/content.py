"""Decide which bodies a text frame can carry as ``data``, and in which form.

Implements the rule of PROTOCOL.md 4.2 by which the headers tell JSON, text and bytes apart. Every
response passes here, so what follows from header names and types alone is cached.
"""

import re
from enum import Enum
from functools import lru_cache
from typing import Literal

import msgspec
from msgspec import Raw

from wsrequest.errors import Refused
from wsrequest.protocol.nesting import MAX_NESTING, nests_deeper
from wsrequest.types import Headers

__all__ = ["body_of", "data_of", "is_json", "kind_of"]

# Text other than text/*: the types that the developer tools of browsers show as text.
_TEXT = re.compile(r"text/.+|application/(xml|javascript|x-www-form-urlencoded)|.+/.+\+xml")
_CHARSET = re.compile(r';\s*charset\s*=\s*"?([^\s";]*)', re.IGNORECASE)

_SHORT_CHARACTERS = 128  # of a media type with its parameters


class _Kind(Enum):
    JSON = 1
    TEXT = 2
    BYTES = 3


_json = msgspec.json.Decoder(Raw)
_string = msgspec.json.Decoder(str)


def is_json(body: bytes) -> bool:
    """Whether ``body`` is one JSON value that a text frame can carry as ``data``.

    Whether it is UTF-8 is not checked.
    """
    # The surrounding frame is a level, too. Most bodies are short, and so cannot be deep.
    if len(body) >= MAX_NESTING and nests_deeper(body, MAX_NESTING - 1):
        return False
    try:
        _json.decode(body)
    except (msgspec.DecodeError, RecursionError):
        return False
    return True


def data_of(headers: Headers, body: bytes) -> Raw | str | None:
    """Return ``data`` that represents ``body`` exactly: JSON, a string, or None if it needs bytes.

    Args:
        headers: of the response that has the body, their names in any case.
        body: not empty. JSON of the right shape may still not be UTF-8. Encoding the text frame
            detects that without another pass.
    """
    kind = _kind_of(headers)
    if kind is _Kind.JSON:
        return Raw(body) if is_json(body) else None
    if kind is _Kind.TEXT:
        try:
            return body.decode()
        except UnicodeDecodeError:
            return None
    return None


def kind_of(headers: Headers) -> Literal["json", "text"] | None:
    """Return what a body is by its headers. None for one that no text frame carries."""
    kind = _kind_of(headers)
    if kind is _Kind.JSON:
        return "json"
    return "text" if kind is _Kind.TEXT else None


def _kind_of(headers: Headers) -> _Kind:
    name = _type_name(tuple(headers))
    media_type = None if name is None else headers[name]
    if not isinstance(media_type, str):
        return _Kind.BYTES
    return (_kind_of_short if len(media_type) <= _SHORT_CHARACTERS else _kind)(media_type)


def body_of(headers: Headers, data: Raw) -> bytes:
    """Return the body that the ``data`` of a text frame represents, the reverse of ``data_of``.

    Raises:
        Refused: ``bad_message``. The type says that it is text, and it is not a string.
    """
    if any(
        name.lower() == "content-type" and isinstance(value, str) and _is_json_type(value)
        for name, value in headers.items()
    ):
        return bytes(data)
    try:
        return _string.decode(data).encode()
    except msgspec.DecodeError:
        raise Refused("bad_message", "data must be a string where the type is not JSON") from None


@lru_cache(maxsize=512)
def _type_name(names: tuple[str, ...]) -> str | None:
    """Return the name of the one Content-Type header, or None, also if the body is encoded."""
    lower = [name.lower() for name in names]
    if "content-encoding" in lower or lower.count("content-type") != 1:
        return None
    return names[lower.index("content-type")]


def _kind(media_type: str) -> _Kind:
    charset = _CHARSET.search(media_type)
    if charset and charset[1].lower() not in ("utf-8", "utf8"):
        return _Kind.BYTES
    if _is_json_type(media_type):
        return _Kind.JSON
    return _Kind.TEXT if _TEXT.fullmatch(_essence(media_type)) else _Kind.BYTES


# A view may use a type that its client chose, so only short ones are cached.
_kind_of_short = lru_cache(maxsize=512)(_kind)


def _is_json_type(media_type: str) -> bool:
    essence = _essence(media_type)
    return essence == "application/json" or essence.endswith("+json")


def _essence(media_type: str) -> str:
    return media_type.partition(";")[0].strip().lower()
