"""What a frame is refused with whose head cannot be read: in our words, with the place.

Owns these sentences. Where msgspec stopped is all that is taken from its errors; should a later
version say that otherwise, the sentence has no place, and is right all the same.
"""

import re

import msgspec
from msgspec import Raw

from wsrequest.errors import Refused
from wsrequest.protocol.validation import id_anywhere, id_at_start
from wsrequest.types import Frame

__all__ = ["UNREADABLE", "refused_for"]

UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
"""What reading a head can raise.

A RecursionError means that little of the stack was left: ``nesting`` has refused what is too deep
for an empty one.
"""

_BYTE = re.compile(r"\(byte (\d+)\)")
_MEMBER = re.compile(r"`\$\.(\w+)")
_FOUND = re.compile(r"got `(\w+)`")

_MUST_BE = {
    **dict.fromkeys(("method", "url", "body", "token", "cookies"), "a string"),
    **dict.fromkeys(("more", "cancel", "subscribe", "settled"), "true or false"),
    **dict.fromkeys(("credit", "status", "version"), "an integer"),
    "id": "a string or an integer",
    "headers": "an object whose values are strings",
    "patch": '"json" or "merge"',
}
_KINDS = {
    "null": "null",
    "bool": "a boolean",
    "int": "an integer",
    "float": "a number with a fraction or an exponent",
    "str": "a string",
    "array": "an array",
    "object": "an object",
}

_json = msgspec.json.Decoder(Raw)


def refused_for(error: Exception, frame: Frame) -> Refused:
    """Return what a frame is refused with whose head could not be read.

    Args:
        error: one of ``UNREADABLE``.
        frame: the head as text, where it could be told from the body; else the frame.
    """
    if isinstance(error, msgspec.ValidationError):
        # It was raised at the first member of a wrong type; what is behind need not be JSON.
        try:
            _json.decode(frame)
        except UNREADABLE as found:
            error = found
        else:
            return Refused("bad_message", _wrong_member(str(error)), id_anywhere(frame))
    return Refused("bad_json", _no_json(error), id_at_start(frame))


def _wrong_member(told: str) -> str:
    member, found = _MEMBER.search(told), _FOUND.search(told)
    kind = _KINDS.get(found[1], "") if found else ""
    if member is None:
        return f"a frame is a JSON object{kind and f', not {kind}'}"
    must_be = _MUST_BE.get(member[1], "an object as PROTOCOL.md has it")
    sentence = f"{member[1]} must be {must_be}"
    if kind:
        is_within = member[1] == "headers" and "[" in told
        sentence += f": one is {kind}" if is_within else f", not {kind}"
    return f"{sentence}; leave out what there is not" if kind == "null" else sentence


def _no_json(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return "the JSON nests too deeply"
    if isinstance(error, UnicodeError):
        return "the JSON is not UTF-8"
    place = _BYTE.search(str(error))
    if place:
        return f"the frame is no JSON: what stands at byte {place[1]} cannot stand there"
    return "the frame is no JSON: it ends too early, or holds half of a surrogate pair"
