"""The cookies of one connection: those of the handshake, changed by what responses set.

Owns the storage model of RFC 6265 section 5, as far as one host needs it.
"""

from datetime import UTC
from email.utils import parsedate_to_datetime
from http.cookies import Morsel, SimpleCookie
from time import time

__all__ = ["CookieJar"]

_MAX_COOKIES = 180  # RFC 6265 6.1 asks browsers for at least 50 a domain; Chromium keeps 180


class _Cookie:
    __slots__ = ("expires", "path", "value")

    def __init__(self, value: str, path: str, expires: float | None) -> None:
        self.value, self.path, self.expires = value, path, expires

    def has_ended(self, now: float) -> bool:
        return self.expires is not None and self.expires <= now


_Cookies = dict[tuple[str, str], _Cookie]
_UNKNOWN_PATH = ""  # of a cookie of the handshake


class CookieJar:
    """Cookies by name and path. Updated on the event loop, read in any thread.

    Args:
        header: the Cookie header of the handshake, "" when there was none. Its
            cookies count as set for every path: the browser did not say which.
    """

    __slots__ = ("_cookies", "_plain")

    def __init__(self, header: str) -> None:
        self._plain: str | None = header  # what to send, while no cookie depends on path or time
        # Replaced as a whole by update(), never changed, since other threads may be reading it.
        self._cookies: _Cookies | None = None

    def header(self, path: str) -> str:
        """The Cookie header for a request to ``path``, "" for none."""
        if self._plain is not None:
            return self._plain
        now = time()
        fitting = [
            (name, cookie)
            for (name, _), cookie in self._all().items()
            if _path_matches(path, cookie.path) and not cookie.has_ended(now)
        ]
        fitting.sort(key=lambda item: -len(item[1].path))  # RFC 6265 5.4: longer paths first
        return "; ".join(f"{name}={cookie.value}" for name, cookie in fitting)

    def get(self, name: str) -> str | None:
        """The value of a cookie, whatever its path; None when there is none."""
        now = time()
        for (other, _), cookie in self._all().items():
            if other == name and not cookie.has_ended(now):
                return cookie.value
        return None

    def would_change(self, cookies: SimpleCookie) -> bool:
        """Whether ``update`` would give any cookie another value, take one away, or add one."""
        now = time()
        return any(
            self.get(name) != (None if _cookie(morsel, now).has_ended(now) else morsel.coded_value)
            for name, morsel in cookies.items()
        )

    def update(self, cookies: SimpleCookie) -> None:
        """Take the cookies that a response sets; expired ones are taken away."""
        now = time()
        stored = {key: held for key, held in self._all().items() if not held.has_ended(now)}
        for name, morsel in cookies.items():
            cookie = _cookie(morsel, now)
            # The same cookie came with the handshake, perhaps: it gives way to what is known.
            stored.pop((name, _UNKNOWN_PATH), None)
            stored.pop((name, cookie.path), None)
            if not cookie.has_ended(now) and len(stored) < _MAX_COOKIES:
                stored[name, cookie.path] = cookie
        is_plain = all(held.path == "/" and held.expires is None for held in stored.values())
        plain = "; ".join(f"{name}={held.value}" for (name, _), held in stored.items())
        self._cookies, self._plain = stored, plain if is_plain else None

    def _all(self) -> "_Cookies":
        plain = self._plain  # before the cookies: update() replaces it after them
        if self._cookies is not None:
            return self._cookies
        found: _Cookies = {}
        for pair in (plain or "").split(";"):
            name, separator, value = pair.strip().partition("=")
            if separator and name:
                found[name, _UNKNOWN_PATH] = _Cookie(value, "/", None)
        return found


def _cookie(morsel: "Morsel[str]", now: float) -> _Cookie:
    path = str(morsel["path"])
    return _Cookie(morsel.coded_value, path if path.startswith("/") else "/", _expiry(morsel, now))


def _path_matches(path: str, cookie_path: str) -> bool:
    """RFC 6265 5.1.4."""
    if path == cookie_path:
        return True
    return path.startswith(cookie_path) and (
        cookie_path.endswith("/") or path[len(cookie_path)] == "/"
    )


def _expiry(morsel: "Morsel[str]", now: float) -> float | None:
    """When a cookie ends (epoch seconds), None: with the connection (RFC 6265 5.3)."""
    max_age, expires = morsel["max-age"], morsel["expires"]
    try:
        if max_age != "":
            return now + int(max_age)
        if isinstance(expires, int | float):
            return now + expires  # as http.cookies writes it
        if expires:
            parsed = parsedate_to_datetime(str(expires))
            return (parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)).timestamp()
    except (ValueError, OverflowError):
        pass  # RFC 6265 5.2: an attribute that cannot be understood is ignored
    return None
