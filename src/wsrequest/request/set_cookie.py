"""Parse a ``Set-Cookie`` line as a browser does, and decide whether it changes the browser.

A cookie has changed if a browser that follows RFC 6265 section 5.3 would store something else than
it holds. This module has the only definition of that.
"""

import string
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import quote

__all__ = ["Cookie", "Key", "anywhere", "default_path", "is_change", "parse_set_cookie"]

RENEWAL_SHARE = 0.1
"""If only the expiry of a cookie moves, it is passed on after moving by this share of its age."""
_SLACK_SECONDS = 1.0  # Expires has whole seconds

MAX_PAIR_BYTES = 4096
MAX_ATTRIBUTE_BYTES = 1024
_MAX_LINE_BYTES = 8192
"""The limit of a whole line. It is not in any RFC, but nothing else limits the attributes."""

Key = tuple[str, str, str]


class Cookie(NamedTuple):
    """What a browser stores for one line.

    Attributes:
        name: exact, like the path.
        value: as in the line, including any quotes.
        domain: lower-case, without a leading dot. "" for a cookie of the host alone.
        path: the directory of the URL if the line has no path.
        expires: epoch seconds, or None for a cookie that ends with the browser's session.
        age: seconds from when it was set until it expires, 0 without ``expires``.
        flags: Secure, HttpOnly and SameSite, lower-case.
        line: the same ``Set-Cookie`` line with its path, so that it means the same whichever URL
            the browser gets it from.
    """

    name: str
    value: str
    domain: str
    path: str
    expires: float | None
    age: float
    flags: frozenset[str]
    line: str

    @property
    def key(self) -> Key:
        """The key by which a browser replaces a cookie (RFC 6265 5.3, step 11)."""
        return self.name, self.domain, self.path

    def has_ended(self, now: float) -> bool:
        """Whether a browser has dropped it."""
        return self.expires is not None and self.expires <= now


def parse_set_cookie(line: str, url_path: str, now: float) -> Cookie | None:
    """Parse a line as a browser does that gets it from a URL.

    Args:
        line: the value of one ``Set-Cookie`` header.
        url_path: percent-encoded path of the request that it answers.
        now: epoch seconds.

    Returns:
        None for a line that browsers ignore, or that exceeds our size limit.

    Source: RFC 6265 sections 5.2 and 5.3. RFC 6265bis section 5.6 for the sizes.
    """
    pair, _, rest = line.partition(";")
    name, separator, value = pair.partition("=")
    name, value = name.strip(), value.strip()
    if not separator or not name or len(name) + len(value) > MAX_PAIR_BYTES:
        return None
    if len(rest) > MAX_ATTRIBUTE_BYTES:  # otherwise, no single attribute can be too long
        attributes = [part for part in rest.split(";") if _is_read(part)]
        rest, line = ";".join(attributes), ";".join([pair, *attributes])
        if len(line) > _MAX_LINE_BYTES:
            return None
    # The last attribute of a name wins, unless it is invalid.
    domain = path = ""
    max_age: float | None = None
    expires: float | None = None
    flags: dict[str, str] = {}
    for attribute in rest.split(";") if rest else ():
        key, _, text = attribute.partition("=")
        key, text = key.strip().lower(), text.strip()
        if key == "path":
            path = text if text.startswith("/") else ""
        elif key == "domain":
            domain = text.removeprefix(".").lower() or domain
        elif key == "max-age":
            seconds = _max_age(text)
            max_age = max_age if seconds is None else seconds
        elif key == "expires":
            date = _date(text)
            expires = expires if date is None else date
        elif key in ("secure", "httponly"):
            flags[key] = key
        elif key == "samesite":
            flags[key] = f"samesite={text.lower()}"
    if max_age is not None:  # takes precedence over Expires
        expires = now + max_age
    if not path:
        path = default_path(url_path)
        line = f"{line}; Path={path}"
    return Cookie(
        name, value, domain, path, expires, 0.0 if expires is None else expires - now,
        frozenset(flags.values()), line,
    )  # fmt: skip


def anywhere(line: str, url_path: str) -> str:
    """Return the line with its path, so that a response of another URL can have it."""
    cookie = parse_set_cookie(line, url_path, 0.0)
    return line if cookie is None else cookie.line


def is_change(shown: Cookie | None, cookie: Cookie) -> bool:
    """Whether a cookie changes what a browser stores, given the one that it last received.

    A sliding session sets its cookie with every response, and each time only its expiry moves.
    Passing that on each time would cost an HTTP request per response, so it waits for
    ``RENEWAL_SHARE``.

    Args:
        shown: has the same key. None if it is unknown what the browser holds.
        cookie: has not expired.
    """
    if shown is None or (shown.value, shown.flags) != (cookie.value, cookie.flags):
        return True
    if shown.expires is None or cookie.expires is None:
        return shown.expires is not cookie.expires
    moved = abs(cookie.expires - shown.expires)
    if abs(cookie.age - shown.age) <= _SLACK_SECONDS:  # the same age, counted from now
        return moved >= max(_SLACK_SECONDS, RENEWAL_SHARE * cookie.age)
    return moved > _SLACK_SECONDS


def default_path(url_path: str) -> str:
    """Return the path of a cookie without one: the directory of its URL (RFC 6265 5.1.4)."""
    if ";" in url_path:  # a line cannot express such a path, so take the directory above
        url_path = url_path[: url_path.index(";")]
    directory = url_path.rpartition("/")[0]
    return quote(directory, safe=string.punctuation) if directory.startswith("/") else "/"


def _is_read(attribute: str) -> bool:
    return len(attribute.partition("=")[2].strip()) <= MAX_ATTRIBUTE_BYTES


def _max_age(text: str) -> float | None:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        return None  # RFC 6265 5.2: an invalid attribute is ignored
    # Twelve digits exceed any browser's limit, and stay below Python's own limit on digits.
    return 0.0 if text.startswith("-") else float(int(digits[:12]))


def _date(text: str) -> float | None:
    try:
        parsed = parsedate_to_datetime(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
