"""The cookies of one connection: those of its handshake, updated by the cookies of responses.

This is the storage model of RFC 6265 section 5, as far as one host needs it. ``set_cookie`` parses
each line of ``Set-Cookie``.
"""

from collections.abc import Iterable
from http.cookies import _unquote  # as Django's parse_cookie does
from time import time
from typing import NamedTuple

from wsrequest.request.set_cookie import Cookie, Key, is_change, parse_set_cookie

__all__ = ["CookieJar", "cookie_pairs", "path_matches"]

_MAX_COOKIES = 180  # RFC 6265 6.1 asks browsers for at least 50 per domain. Chromium keeps 180.
_MAX_BYTES = 65_536
"""The limit of all cookies of a connection. Views may set cookies from what clients send them."""
_UNKNOWN_PATH = ""  # of a cookie of the handshake


class _Held(NamedTuple):
    """A cookie as the connection sends it, and as the browser last received it."""

    cookie: Cookie
    shown: Cookie | None  # None for a cookie of the handshake, of which only the value is known


_Cookies = dict[Key, _Held]


class CookieJar:
    """Cookies by name, domain and path. Updated on the event loop, read in any thread.

    Args:
        header: the Cookie header of the handshake, or "". Its cookies count as set for every
            path, because the browser did not say for which.
        path: of the handshake. A browser may hold cookies of other paths, which it did not send.
    """

    __slots__ = ("_cookies", "_gone", "_path", "_plain")

    def __init__(self, header: str, path: str = "/") -> None:
        self._path = path
        # Hashes of the keys of cookies that were deleted but never seen here. Hashes, because a key
        # can be long.
        self._gone: frozenset[int] = frozenset()
        self._plain: str | None = header  # the header, while no cookie depends on path or time
        # update() replaces it as a whole and never changes it, because other threads may read it.
        self._cookies: _Cookies | None = None

    def header(self, url: str) -> str:
        """Return the Cookie header for a request to a path, with or without its query, or ""."""
        if self._plain is not None:
            return self._plain
        path, now = url.partition("?")[0], time()
        fitting = [
            held.cookie
            for held in self._all().values()
            if path_matches(path, held.cookie.path) and not held.cookie.has_ended(now)
        ]
        # RFC 6265 5.4: longer paths first, and among equal lengths the oldest cookie first.
        fitting.sort(key=lambda cookie: -len(cookie.path))
        return "; ".join(f"{cookie.name}={cookie.value}" for cookie in fitting)

    def get(self, name: str) -> str | None:
        """Return a cookie as ``request.COOKIES`` has it, whatever its path, or None."""
        now = time()
        candidates = [
            held.cookie
            for held in self._all().values()
            if held.cookie.name == name and not held.cookie.has_ended(now)
        ]
        if not candidates:
            return None
        # Of several, Django takes the last in the header, which has the shortest path.
        return _value(min(reversed(candidates), key=lambda cookie: len(cookie.path)))

    def values(self, name: str) -> set[str]:
        """Return all values of a cookie, of all paths. Some of them may have expired."""
        return {_value(held.cookie) for held in self._all().values() if held.cookie.name == name}

    def next_end(self) -> float | None:
        """Return the epoch seconds at which the next cookie expires, or None if none will."""
        ends = [held.cookie.expires for held in self._all().values() if held.cookie.expires]
        now = time()
        return min((end for end in ends if end > now), default=None)

    def changed_lines(self, lines: Iterable[str], path: str) -> list[str]:
        """Return the lines that would change what the browser stores, each with its path.

        Args:
            lines: of Set-Cookie, from one response.
            path: of the URL of the response.
        """
        return self._merge(lines, path)[2]

    def update(self, lines: Iterable[str], path: str) -> bool:
        """Store the cookies that a response sets, and remove expired ones.

        Returns:
            Whether any Cookie header changes.
        """
        before = self._all()
        stored, gone, _ = self._merge(lines, path)
        is_plain = all(
            held.cookie.path == "/" and held.cookie.expires is None for held in stored.values()
        )
        plain = "; ".join(f"{held.cookie.name}={held.cookie.value}" for held in stored.values())
        self._cookies, self._plain, self._gone = stored, plain if is_plain else None, gone
        return _sent(before) != _sent(stored)

    def _merge(self, lines: Iterable[str], path: str) -> tuple[_Cookies, frozenset[int], list[str]]:
        """Return what is stored and what is gone after these lines, and the lines that are new."""
        now = time()
        stored = {k: held for k, held in self._all().items() if not held.cookie.has_ended(now)}
        gone, changed = self._gone, []
        room = _MAX_BYTES - sum(map(_size, stored.values()))
        for line in lines:
            cookie = parse_set_cookie(line, path, now)
            if cookie is None:
                continue
            key, unknown = cookie.key, (cookie.name, "", _UNKNOWN_PATH)
            # The same cookie may have come with the handshake. What is known now replaces it.
            if unknown in stored:
                stored = {key if k == unknown else k: held for k, held in stored.items()}
            held = stored.get(key)
            if cookie.has_ended(now):
                is_unseen = not path_matches(self._path, cookie.path) and hash(key) not in gone
                if held is not None:
                    room += _size(stored.pop(key))
                if held is not None or is_unseen:
                    changed.append(cookie.line)
                if len(gone) < _MAX_COOKIES:
                    gone |= {hash(key)}
                continue
            gone -= {hash(key)}
            shown = None if held is None else held.shown
            if is_new := is_change(shown, cookie):
                changed.append(cookie.line)
            # It keeps its place: a replaced cookie keeps its creation time (5.3, step 11).
            kept = cookie._replace(line="")
            new = _Held(kept, kept if is_new else shown)
            needed = _size(new) - (0 if held is None else _size(held))
            if needed <= max(room, 0) and (held is not None or len(stored) < _MAX_COOKIES):
                stored[key] = new
                room -= needed
        return stored, gone, changed

    def _all(self) -> "_Cookies":
        plain = self._plain  # read before the cookies, because update() replaces it after them
        if self._cookies is not None:
            return self._cookies
        cookies: _Cookies = {}
        for name, value in _pairs(plain or ""):
            cookie = Cookie(name, value, "", "/", None, 0.0, frozenset(), "")
            cookies[name, "", _UNKNOWN_PATH] = _Held(cookie, None)
        return cookies


def _value(cookie: Cookie) -> str:
    return str(_unquote(cookie.value))


def _size(held: _Held) -> int:
    cookie, shown = held
    size = sum(map(len, cookie.key)) + len(cookie.value)
    # Usually both are the same object. Otherwise the same value came again with another expiry.
    return size if shown is None or shown is cookie else 2 * size


def _sent(cookies: _Cookies) -> list[tuple[str, str, str]]:
    return [(held.cookie.name, held.cookie.value, held.cookie.path) for held in cookies.values()]


def cookie_pairs(header: str) -> tuple[tuple[str, str], ...]:
    """Return the names and values of a Cookie header, in an order that does not depend on its own.

    Cookies of the same name keep their order, because it decides which one a view sees.
    """
    return tuple(sorted(_pairs(header), key=lambda pair: pair[0]))


def _pairs(header: str) -> list[tuple[str, str]]:
    pairs = []
    for pair in header.split(";"):
        name, separator, value = pair.strip().partition("=")
        if separator and name:
            pairs.append((name, value))
    return pairs


def path_matches(path: str, cookie_path: str) -> bool:
    """Whether a cookie of ``cookie_path`` is sent to ``path`` (RFC 6265 5.1.4)."""
    if path == cookie_path:
        return True
    return path.startswith(cookie_path) and (
        cookie_path.endswith("/") or path[len(cookie_path)] == "/"
    )
