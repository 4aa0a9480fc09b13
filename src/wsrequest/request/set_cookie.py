"""One ``Set-Cookie`` line, read as a browser reads it, and whether it is news to that browser.

Owns the only definition of a changed cookie: a browser that follows RFC 6265 section 5.3 would
store something else than it holds.
"""

import string
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import NamedTuple
from urllib.parse import quote

__all__ = ["Cookie", "Key", "anywhere", "default_path", "is_news", "parse_set_cookie"]

RENEWAL_SHARE = 0.1
"""A cookie whose end only moves is passed on once it has moved by this share of its age."""
_SLACK_SECONDS = 1.0  # Expires has whole seconds

MAX_PAIR_BYTES = 4096
MAX_ATTRIBUTE_BYTES = 1024
_MAX_LINE_BYTES = 8192
"""Of a whole line. No RFC says it; the number of attributes has no other limit."""

Key = tuple[str, str, str]


class Cookie(NamedTuple):
    """What a browser stores of one line.

    Attributes:
        name: exact, like the path.
        value: as it stands in the line, with its quotes if it has any.
        domain: lower-case and without a leading dot; "" for a cookie of the host alone.
        path: the directory of the URL where the line names none.
        expires: epoch seconds, None for a cookie that ends with the browser's session.
        age: seconds from when it was set until then, 0 without ``expires``.
        flags: Secure, HttpOnly and SameSite, lower-case.
        line: the same ``Set-Cookie`` line with its path, so that it means the same wherever the
            browser gets it from.
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
        """What a browser replaces a cookie by (RFC 6265 5.3, step 11)."""
        return self.name, self.domain, self.path

    def has_ended(self, now: float) -> bool:
        """Whether a browser has dropped it."""
        return self.expires is not None and self.expires <= now


def parse_set_cookie(line: str, url_path: str, now: float) -> Cookie | None:
    """Read a line as a browser would that got it from a URL.

    Args:
        line: the value of one ``Set-Cookie`` header.
        url_path: percent-encoded path of the request that it answers.
        now: epoch seconds.

    Returns:
        None for a line that browsers ignore, or that is larger than what is kept of any.

    Source: RFC 6265 sections 5.2 and 5.3; RFC 6265bis section 5.6 for the sizes.
    """
    pair, _, rest = line.partition(";")
    name, separator, value = pair.partition("=")
    name, value = name.strip(), value.strip()
    if not separator or not name or len(name) + len(value) > MAX_PAIR_BYTES:
        return None
    if len(rest) > MAX_ATTRIBUTE_BYTES:  # else none of them can be too long
        attributes = [part for part in rest.split(";") if _is_read(part)]
        rest, line = ";".join(attributes), ";".join([pair, *attributes])
        if len(line) > _MAX_LINE_BYTES:
            return None
    # A later attribute of the same name wins, unless it cannot be read.
    domain = path = ""
    max_age: float | None = None
    expires: float | None = None
    flags: dict[str, str] = {}
    for attribute in rest.split(";") if rest else ():
        key, _, said = attribute.partition("=")
        key, said = key.strip().lower(), said.strip()
        if key == "path":
            path = said if said.startswith("/") else ""
        elif key == "domain":
            domain = said.removeprefix(".").lower() or domain
        elif key == "max-age":
            found = _max_age(said)
            max_age = max_age if found is None else found
        elif key == "expires":
            found = _date(said)
            expires = expires if found is None else found
        elif key in ("secure", "httponly"):
            flags[key] = key
        elif key == "samesite":
            flags[key] = f"samesite={said.lower()}"
    if max_age is not None:  # goes before Expires
        expires = now + max_age
    if not path:
        path = default_path(url_path)
        line = f"{line}; Path={path}"
    return Cookie(
        name, value, domain, path, expires, 0.0 if expires is None else expires - now,
        frozenset(flags.values()), line,
    )  # fmt: skip


def anywhere(line: str, url_path: str) -> str:
    """The same line for a response of another URL: a path that it leaves open is named."""
    cookie = parse_set_cookie(line, url_path, 0.0)
    return line if cookie is None else cookie.line


def is_news(shown: Cookie | None, cookie: Cookie) -> bool:
    """Whether a browser that was shown one cookie would store something else by another.

    A sliding session sets its cookie with every answer, and each time only its end moves. To pass
    that on each time would cost an HTTP request per answer, so it waits for ``RENEWAL_SHARE``.

    Args:
        shown: of the same key, None where it is not known what the browser holds.
        cookie: that has not ended.
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
    """The path of a cookie that names none: the directory of its URL (RFC 6265 5.1.4)."""
    if ";" in url_path:  # no line can say such a path: the directory above
        url_path = url_path[: url_path.index(";")]
    directory = url_path.rpartition("/")[0]
    return quote(directory, safe=string.punctuation) if directory.startswith("/") else "/"


def _is_read(attribute: str) -> bool:
    return len(attribute.partition("=")[2].strip()) <= MAX_ATTRIBUTE_BYTES


def _max_age(text: str) -> float | None:
    digits = text.removeprefix("-")
    if not (digits.isascii() and digits.isdigit()):
        return None  # RFC 6265 5.2: an attribute that cannot be read is ignored
    # Longer than any browser keeps a cookie, and no limit of Python's on digits is met.
    return 0.0 if text.startswith("-") else float(int(digits[:12]))


def _date(text: str) -> float | None:
    try:
        parsed = parsedate_to_datetime(text)
        return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        return None
