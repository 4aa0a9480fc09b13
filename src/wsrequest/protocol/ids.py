"""What a request may be called, and finding that name in a frame that is refused.

Owns PROTOCOL.md 2.3 and 2.5. Which ids are in use is ``session``'s to know.
"""

import re

import msgspec
from msgspec import UNSET, Struct, UnsetType

from wsrequest.errors import Refused
from wsrequest.types import Frame, Id

__all__ = [
    "MAX_ID_CHARACTERS",
    "MAX_INTEGER",
    "check_id",
    "id_anywhere",
    "id_at_start",
    "need_id",
    "readable_id",
]

MAX_ID_CHARACTERS = 64
MAX_INTEGER = 2**53 - 1  # what JavaScript holds exactly

# In bytes, since what is behind the id may not be UTF-8 at all. A character of an id takes six
# bytes at most, printed as \u0041, and the window leaves room for white space.
_WINDOW_BYTES = 512
_ID_AT_START = re.compile(
    rb'[ \t\r\n]*\{[ \t\r\n]*"id"[ \t\r\n]*:[ \t\r\n]*'
    rb'(-?[0-9]+|"(?:[^"\\]|\\.)*")[ \t\r\n]*[,}]'
)


class _Named(Struct):
    id: Id | UnsetType = UNSET


_named = msgspec.json.Decoder(_Named)
_id = msgspec.json.Decoder(Id)


def check_id(id: Id | UnsetType) -> Id | None:
    """Return an id that may be used, None for an absent one.

    Raises:
        Refused: ``bad_message``; it is too long, or no integer that JavaScript holds exactly.
    """
    if isinstance(id, int):
        if not -MAX_INTEGER <= id <= MAX_INTEGER:
            raise Refused("bad_message", "an integer id must fit in 53 bits")
    elif id is UNSET:
        return None
    elif len(id) > MAX_ID_CHARACTERS:
        raise Refused("bad_message", f"an id has at most {MAX_ID_CHARACTERS} characters")
    return id


def need_id(id: Id | None, member: str) -> Id:
    """Return the id of a message that is about a request.

    Raises:
        Refused: ``bad_message``; there is none.
    """
    if id is None:
        raise Refused("bad_message", f"{member} needs the id of a request")
    return id


def readable_id(id: Id | UnsetType) -> Id | None:
    """Return an id that can be answered with, None for one that is absent or itself wrong."""
    try:
        return check_id(id)
    except Refused:
        return None


def id_anywhere(head: Frame) -> Id | None:
    """Return the id of a head that is JSON of a wrong shape, wherever the id stands."""
    try:
        return readable_id(_named.decode(head).id)
    except (msgspec.ValidationError, RecursionError):
        return None


def id_at_start(frame: Frame) -> Id | None:
    """Return the id that begins a frame which cannot be read as a whole (2.5)."""
    start = frame[:_WINDOW_BYTES]
    found = _ID_AT_START.match(
        start.encode("utf-8", "surrogatepass") if isinstance(start, str) else start
    )
    if found is None:
        return None
    try:
        return readable_id(_id.decode(found[1]))
    except (msgspec.DecodeError, UnicodeError):
        return None  # 01, a raw control character, half a surrogate pair
