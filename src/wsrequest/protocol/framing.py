"""Handle what the frames of both sides share: size, head and body, pings and refusals.

Implements PROTOCOL.md 2.1, 2.2 and 3.2. ``client_codec`` and ``server_codec`` define the members
of a head.
"""

from collections.abc import Callable

import msgspec
from msgspec import Raw

from wsrequest.errors import Refused
from wsrequest.protocol.messages import Ping, Pong
from wsrequest.protocol.validation import MAX_INTEGER, id_anywhere, id_at_start
from wsrequest.types import Frame

__all__ = [
    "MAX_PING_BYTES",
    "UNREADABLE",
    "check_credit",
    "check_size",
    "encode_ping",
    "head_and_body",
    "ping_value",
    "refused_for",
]

UNREADABLE = (msgspec.DecodeError, UnicodeError, RecursionError)
"""The exceptions that decoding a head can raise.

RecursionError means that the stack was almost full. ``nesting`` has refused what would be too deep
for an empty one.
"""

MAX_PING_BYTES = 125  # RFC 6455 5.5: the limit of a control frame

_json = msgspec.json.Decoder(Raw)


def check_size(frame: Frame, max_bytes: int) -> None:
    """Check the size of a frame in bytes (of UTF-8 in a text frame).

    Raises:
        Refused: ``message_too_large``, with the id that the frame begins with.
    """
    size = len(frame)
    if isinstance(frame, str) and size <= max_bytes and not frame.isascii():
        size = len(frame.encode("utf-8", "surrogatepass"))
    if size > max_bytes:
        raise Refused(
            "message_too_large",
            f"a frame may have {max_bytes} bytes; send large bodies in parts, or by HTTP",
            id_at_start(frame),
        )


def head_and_body(frame: bytes) -> tuple[str, bytes]:
    """Split a binary frame at its first line feed (2.2).

    Raises:
        Refused: ``bad_json``. Without a line feed there is no head.
        UnicodeDecodeError: the head is not UTF-8. Without this check, the value of a ping would
            be sent back in a text frame as it came.
    """
    end = frame.find(b"\n")
    if end < 0:
        raise Refused(
            "bad_json",
            "a binary frame is a JSON head on one line, a line feed, and the body",
            id_at_start(frame),
        )
    return frame[:end].decode(), frame[end + 1 :]


def refused_for(error: Exception, frame: Frame, explain: Callable[[Frame], str]) -> Refused:
    """Return the refusal of a frame whose head could not be decoded.

    Args:
        error: one of ``UNREADABLE``. Its text is not used: it is the wording of msgspec.
        frame: the head as text if it could be separated from the body, and otherwise the frame.
        explain: says what is wrong with a head that is JSON.
    """
    try:
        if isinstance(error, msgspec.ValidationError):
            # The decoder stopped at the first wrong member. What follows need not be JSON.
            _json.decode(frame)
            return Refused("bad_message", explain(frame), id_anywhere(frame))
    except UNREADABLE as head_error:
        error = head_error
    if isinstance(error, RecursionError):
        detail = "the JSON nests too deeply"
    elif isinstance(error, UnicodeError):
        detail = "the JSON is not UTF-8"
    else:
        detail = "the frame is not JSON"
    return Refused("bad_json", detail, id_at_start(frame))


def check_credit(count: int) -> int:
    """Return a ``credit`` after checking that it is valid (4.4).

    Raises:
        Refused: ``bad_message``. It is not a valid count of bytes.
    """
    if not 0 <= count <= MAX_INTEGER:
        raise Refused("bad_message", "credit is a count of bytes, 0 or more, of at most 53 bits")
    return count


def ping_value(value: Raw) -> Raw:
    """Return a copy of the value of a ping or pong, so that its frame can be freed.

    Raises:
        Refused: ``bad_message``. The value is too long.
    """
    raw = bytes(value)
    if len(raw) > MAX_PING_BYTES:
        raise Refused("bad_message", f"a ping carries at most {MAX_PING_BYTES} bytes")
    return Raw(raw)


def encode_ping(message: Ping | Pong) -> str:
    """Return the frame of a ping or pong, with its value exactly as it came."""
    name = "ping" if isinstance(message, Ping) else "pong"
    return f'{{"{name}":{bytes(message.value).decode()}}}'
