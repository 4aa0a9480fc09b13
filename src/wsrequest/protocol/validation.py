"""Check the ids, methods, URLs and other members of messages."""

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

import msgspec
from msgspec import UNSET, Struct, UnsetType

from wsrequest.errors import Refused
from wsrequest.protocol.headers import MAX_HEADER_CHARACTERS, is_allowed_value
from wsrequest.types import Frame, Id

__all__ = [
    "MAX_ID_CHARACTERS",
    "MAX_INTEGER",
    "METHODS",
    "check_id",
    "check_method",
    "check_token",
    "check_url",
    "encode_query",
    "id_anywhere",
    "id_at_start",
    "need_id",
    "readable_id",
]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
MAX_ID_CHARACTERS = 64
MAX_INTEGER = 2**53 - 1  # the largest that JavaScript represents exactly
MAX_REFERRER_CHARACTERS = 4096
MAX_URL_CHARACTERS = 8190  # as Apache's LimitRequestLine (nginx and gunicorn accept 4 to 8 KiB)
# Encoding takes time for each value, on the event loop. uvicorn accepts no longer HTTP requests.
MAX_QUERY_DATA_BYTES = 65536

# In bytes, because what follows the id may not be UTF-8. A character of an id takes at most six
# bytes, printed as \u0041, and the window leaves room for white space.
_WINDOW_BYTES = 512
_ID_AT_START = re.compile(
    rb'[ \t\r\n]*\{[ \t\r\n]*"id"[ \t\r\n]*:[ \t\r\n]*'
    rb'(-?[0-9]+|"(?:[^"\\]|\\.)*")[ \t\r\n]*[,}]'
)

# An HTTP request line cannot contain a raw space or control character (RFC 9112 3.2). Browsers read
# a backslash as a slash. A fragment is never sent (RFC 9110 4.2.5). A lone surrogate has no UTF-8.
_BAD_IN_URL = re.compile(r"[\x00-\x20\x7f\\#\ud800-\udfff]")
_PLAIN_URL = re.compile(r"/(?!/)[\x21\x22\x24-\x5b\x5d-\x7e]*")  # valid, and in ASCII
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))
_REFERRER = re.compile(r"https?://[\w.:\[\]-]+/[!-\"$-~]*", re.ASCII)


class _Named(Struct):
    id: Id | UnsetType = UNSET


_named = msgspec.json.Decoder(_Named)
_id = msgspec.json.Decoder(Id)
_members = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)
_items = msgspec.json.Decoder(list[msgspec.Raw])
_text = msgspec.json.Decoder(str)


def check_id(id: Id | UnsetType) -> Id | None:
    """Return a valid id, or None if it is absent.

    Raises:
        Refused: ``bad_message``. It is too long, or an integer that JavaScript cannot represent.
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
    """Return the id of a message that concerns a request.

    Raises:
        Refused: ``bad_message``. The id is absent.
    """
    if id is None:
        raise Refused("bad_message", f"{member} needs the id of a request")
    return id


def readable_id(id: Id | UnsetType) -> Id | None:
    """Return an id that a refusal can name, or None if it is absent or invalid."""
    try:
        return check_id(id)
    except Refused:
        return None


def id_anywhere(head: Frame) -> Id | None:
    """Return the id of a head that is JSON of a wrong shape, wherever the id is."""
    try:
        return readable_id(_named.decode(head).id)
    except (msgspec.ValidationError, RecursionError):
        return None


def id_at_start(frame: Frame) -> Id | None:
    """Return the id at the start of a frame that cannot be decoded as a whole (2.5)."""
    start = frame[:_WINDOW_BYTES]
    match = _ID_AT_START.match(
        start.encode("utf-8", "surrogatepass") if isinstance(start, str) else start
    )
    if match is None:
        return None
    try:
        return readable_id(_id.decode(match[1]))
    except (msgspec.DecodeError, UnicodeError):
        return None  # 01, a raw control character, half a surrogate pair


def check_method(method: str) -> str:
    """Return ``method`` in upper case.

    Raises:
        Refused: ``unknown_method``. It is not in ``METHODS``.
    """
    if method in METHODS:
        return method
    upper = method.upper()
    # Some letters outside ASCII have an ASCII upper case: "po\u017ft" is not POST.
    if upper not in METHODS or not method.isascii():
        raise Refused(
            "unknown_method", f"method {method[:20]!r} is none of {', '.join(sorted(METHODS))}"
        )
    return upper


def check_url(url: str) -> str:
    """Return a path with optional query (PROTOCOL.md 4.1), in ASCII, as a browser sends it.

    Raises:
        Refused: ``bad_url``.
    """
    if len(url) > MAX_URL_CHARACTERS:
        raise _too_long(url)
    if _PLAIN_URL.fullmatch(url):
        return url
    if not url.startswith("/") or url.startswith("//"):
        raise Refused(
            "bad_url",
            "url must be a path that starts with exactly one slash, without scheme or host",
        )
    bad = _BAD_IN_URL.search(url)
    if bad:
        raise Refused(
            "bad_url", f"url holds {bad[0]!r}; percent-encode it, and leave out fragments"
        )
    url = quote(url, safe=_PRINTABLE)
    if len(url) > MAX_URL_CHARACTERS:
        raise _too_long(url)
    return url


def _too_long(url: str) -> Refused:
    return Refused(
        "bad_url",
        f"url has {len(url)} characters, percent-encoded; the limit is {MAX_URL_CHARACTERS}",
    )


def check_token(token: str, headers: Iterable[str] = ()) -> None:
    """Check that a token can stand in the Authorization header.

    Args:
        token: the text after the scheme.
        headers: names of the message's headers, which must not include Authorization.

    Raises:
        Refused: ``bad_header``.
    """
    if len(token) > MAX_HEADER_CHARACTERS or not is_allowed_value(token):
        raise Refused(
            "bad_header", "the token holds a character that HTTP does not allow, or is too long"
        )
    if any(name.lower() == "authorization" for name in headers):
        raise Refused("bad_header", "give a token or an Authorization header, not both")


def check_referrer(referrer: str) -> str:
    """Check the shape of a referrer: an http or https URL in ASCII, without fragment.

    ``request.exclusions`` checks whose page it names, because that depends on the Origin.

    Args:
        referrer: as sent in the message.

    Raises:
        Refused: ``bad_header``.

    Source: Referrer Policy, sections 8.3 and 8.4: no fragment, no credentials, at most 4,096
        characters.
    """
    if len(referrer) > MAX_REFERRER_CHARACTERS or not _REFERRER.fullmatch(referrer):
        raise Refused(
            "bad_header",
            f"referrer must be an http or https URL of at most {MAX_REFERRER_CHARACTERS} ASCII "
            "characters, without fragment and credentials",
        )
    return referrer


def encode_query(data: msgspec.Raw) -> str:
    """Return the query string for the ``data`` of a GET or HEAD.

    Numbers keep their notation (1.0 stays 1.0), so nothing is rounded.

    Args:
        data: JSON that was decoded before, so its depth is acceptable.

    Raises:
        Refused: ``bad_message``. It is not an object, is too long, or has a value that is null,
            an object or a nested list.
    """
    if len(bytes(data)) > MAX_QUERY_DATA_BYTES:
        raise Refused(
            "bad_message",
            f"data of a GET or HEAD may have {MAX_QUERY_DATA_BYTES} bytes; send more by POST",
        )
    try:
        members = _members.decode(data) or {}
        return "&".join(
            f"{_quoted(name)}={_quoted(text)}"
            for name, value in members.items()
            for text in _texts(name, bytes(value))
        )
    except msgspec.DecodeError:
        raise Refused(
            "bad_message", "data of a GET or HEAD must be an object, it becomes the query"
        ) from None
    except RecursionError:  # at the edge of what could be decoded before
        raise Refused("bad_json", "the JSON nests too deeply") from None


def _texts(name: str, value: bytes, *, in_list: bool = False) -> list[str]:
    first = value[:1]
    if first == b'"':
        return [_text.decode(value)]
    if first in b"-0123456789tf":  # a number, true or false, as it is written
        return [value.decode("ascii")]
    if first == b"[" and not in_list:
        items = _items.decode(value)
        return [text for item in items for text in _texts(name, bytes(item), in_list=True)]
    raise Refused(
        "bad_message",
        f"data[{name[:40]!r}] must be a string, number, boolean or a list of these: leave null out",
    )


def _quoted(text: str) -> str:
    return text if text.isalnum() and text.isascii() else quote_plus(text)
