"""What the fields of a Request may hold: method, url, token and query data.

Pure checks that raise ``Refused`` with the sentence for the developer. The
headers have rules of their own, in ``headers``.
"""

import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

import msgspec

from wsrequest.errors import Refused
from wsrequest.protocol.headers import (
    MAX_HEADER_CHARACTERS,
    check_headers,
    is_allowed_value,
    is_forbidden,
)

__all__ = [
    "METHODS",
    "check_headers",
    "check_method",
    "check_token",
    "check_url",
    "encode_query",
    "is_forbidden",
]

METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
MAX_REFERRER_CHARACTERS = 4096
_REFERRER = re.compile(r"https?://[\w.:\[\]-]+/[!-\"$-~]*", re.ASCII)
MAX_URL_CHARACTERS = 8190  # Apache's LimitRequestLine; nginx and gunicorn take 4 to 8 KiB
# Encoding it takes time for each value, on the event loop. uvicorn takes no longer request by HTTP.
MAX_QUERY_DATA_BYTES = 65536

# A raw space or control character cannot stand in an HTTP request line (RFC 9112 3.2); a backslash
# is read as a slash by browsers; a fragment is never sent (RFC 9110 4.2.5). A lone surrogate has no
# UTF-8.
_BAD_IN_URL = re.compile(r"[\x00-\x20\x7f\\#\ud800-\udfff]")
_PLAIN_URL = re.compile(r"/(?!/)[\x21\x22\x24-\x5b\x5d-\x7e]*")  # good, and in ASCII
_PRINTABLE = "".join(map(chr, range(0x21, 0x7F)))


def check_method(method: str) -> str:
    """Return ``method`` in upper case.

    Raises:
        Refused: ``unknown_method``; it is none of the seven.
    """
    if method in METHODS:
        return method
    upper = method.upper()
    # Outside ASCII there are letters whose upper case is an ASCII one: "po\u017ft" is no POST.
    if upper not in METHODS or not method.isascii():
        raise Refused(
            "unknown_method", f"method {method[:20]!r} is none of {', '.join(sorted(METHODS))}"
        )
    return upper


def check_url(url: str) -> str:
    """Return a path with optional query (PROTOCOL.md 4.1), in ASCII, as a browser would send it.

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
    found = _BAD_IN_URL.search(url)
    if found:
        raise Refused(
            "bad_url", f"url holds {found[0]!r}; percent-encode it, and leave out fragments"
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
    """Check that a token can stand in the header that it becomes.

    Args:
        token: what follows the scheme.
        headers: names of the message's headers, which must not have that one, too.

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
    """Check that a referrer has the shape of one: an http or https URL in ASCII, without fragment.

    Whose page it may name is checked where the Origin is known.

    Args:
        referrer: as the message has it.

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


_members = msgspec.json.Decoder(dict[str, msgspec.Raw] | None)
_items = msgspec.json.Decoder(list[msgspec.Raw])
_text = msgspec.json.Decoder(str)


def encode_query(data: msgspec.Raw) -> str:
    """Return the query string that the ``data`` of a GET or HEAD stands for.

    Numbers are passed on as they are written (1.0 stays 1.0), so nothing is rounded.

    Args:
        data: JSON that was read before, so of a depth that can be read.

    Raises:
        Refused: ``bad_message``; it is no object, or a value is null, an object or a nested list,
            or there is too much of it.
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
    except RecursionError:  # at the very edge of what could be read before
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
