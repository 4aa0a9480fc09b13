"""Decides by HTTP's caching rules which visitors may share a response, and for how long.

A response is shared exactly where a caching proxy could serve it to everybody. The application
declares that, and is responsible for it.
"""

import re
from collections.abc import Callable, Hashable, Mapping

from wsrequest.types import Headers

__all__ = ["Sharing", "fresh_seconds", "shared_key"]

_UNSHARED_SECONDS = 600.0
_MAX_UNSHARED = 1000

# RFC 9111 1.2.2: a larger number means this one, and no timer accepts infinity
_MAX_SECONDS = 2.0**31
_DIRECTIVE = re.compile(r'([\w-]+)\s*(?:=\s*(?:"([^"]*)"|([^\s,;"]*)))?')


def shared_key(
    status: int, headers: Headers, meta: Mapping[str, object]
) -> tuple[tuple[str, str | None], ...] | None:
    """Return what two requests must have in common, besides their URL, to share this response.

    Args:
        status: only a 200 is shared.
        headers: of the response.
        meta: the environ of the request. The headers that Vary names are looked up in it.

    Returns:
        The headers that Vary names, each with its value. None for a response to one visitor only.

    Source: RFC 9111 sections 3, 3.5 and 4.1.
    """
    fields = {name.lower(): value for name, value in headers.items()}
    directives = _directives(fields.get("cache-control"))
    is_public = "public" in directives or "s-maxage" in directives
    is_held_back = directives.keys() & {"private", "no-store", "no-cache"}
    # A cache would have to ask again for each visitor, and might get another response.
    is_stale = _seconds(directives.get("s-maxage", directives.get("max-age"))) == 0
    if status != 200 or not is_public or is_held_back or is_stale or "set-cookie" in fields:
        return None
    names = sorted({name.strip().lower() for name in _text(fields.get("vary")).split(",")} - {""})
    if "*" in names:
        return None
    values = (meta.get("HTTP_" + name.upper().replace("-", "_")) for name in names)
    return tuple(
        (name, None if value is None else str(value))
        for name, value in zip(names, values, strict=True)
    )


class Sharing:
    """Records which public responses are not shared for a while.

    A page may declare itself public, and yet refuse a request without credentials. Sharing it again
    after each commit would cost an extra run each time.

    Args:
        time: returns the time in seconds.
    """

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._until: dict[Hashable, float] = {}  # the first to expire is first

    def may_share(self, shared_key: Hashable, own_key: Hashable) -> bool:
        """Whether a subscriber with a key of its own may join others under the shared key."""
        if shared_key is None or shared_key == own_key:
            return False
        return self._until.get(shared_key, 0.0) <= self._time()

    def stop(self, key: Hashable) -> None:
        """Stop sharing for a while: a run for all of them gave no public response."""
        now = self._time()
        self._until.pop(key, None)
        while self._until:
            first = next(iter(self._until))
            if self._until[first] > now and len(self._until) < _MAX_UNSHARED:
                break
            del self._until[first]
        self._until[key] = now + _UNSHARED_SECONDS


def fresh_seconds(headers: Headers) -> float | None:
    """Return for how long the application allows reuse of its response: max-age, if above zero."""
    fields = {name.lower(): value for name, value in headers.items()}
    return _seconds(_directives(fields.get("cache-control")).get("max-age")) or None


def _seconds(text: str | None) -> float | None:
    return min(float(text), _MAX_SECONDS) if text and text.isascii() and text.isdecimal() else None


def _directives(value: str | list[str] | None) -> dict[str, str]:
    matches = _DIRECTIVE.finditer(_text(value))
    return {match[1].lower(): match[2] or match[3] or "" for match in matches}


def _text(value: str | list[str] | None) -> str:
    return value if isinstance(value, str) else ", ".join(value or ())
