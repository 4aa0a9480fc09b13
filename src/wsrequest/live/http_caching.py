"""Whether a response may be shown to others than the one who asked for it, and for how long.

Owns what HTTP's caching rules say of sharing. A result is shared just where a proxy that caches
could serve it to everybody: the application says so, and answers for it.
"""

import re
from collections.abc import Callable, Hashable, Mapping

from wsrequest.types import Headers

__all__ = ["Sharing", "fresh_seconds", "shared_key"]

_APART_SECONDS = 600.0
_MOST_APART = 1000

_MOST_SECONDS = 2.0**31  # RFC 9111 1.2.2: a greater number means this one; no timer takes infinity
_DIRECTIVE = re.compile(r'([\w-]+)\s*(?:=\s*(?:"([^"]*)"|([^\s,;"]*)))?')


def shared_key(
    status: int, headers: Headers, meta: Mapping[str, object]
) -> tuple[tuple[str, str | None], ...] | None:
    """Return what two requests have in common that this response is good for, besides their URL.

    Args:
        status: only a 200 is shared.
        headers: of the response.
        meta: the environ of the request; what Vary names is looked up in it.

    Returns:
        The headers that Vary names, each with its value; None for a response that is one visitor's.

    Source: RFC 9111 sections 3, 3.5 and 4.1.
    """
    told = {name.lower(): value for name, value in headers.items()}
    directives = _directives(told.get("cache-control"))
    is_public = "public" in directives or "s-maxage" in directives
    is_held_back = directives.keys() & {"private", "no-store", "no-cache"}
    # A cache had to ask again for each of them, and might be told another thing.
    is_stale = _seconds(directives.get("s-maxage", directives.get("max-age"))) == 0
    if status != 200 or not is_public or is_held_back or is_stale or "set-cookie" in told:
        return None
    names = sorted({name.strip().lower() for name in _text(told.get("vary")).split(",")} - {""})
    if "*" in names:
        return None
    values = (meta.get("HTTP_" + name.upper().replace("-", "_")) for name in names)
    return tuple(
        (name, None if value is None else str(value))
        for name, value in zip(names, values, strict=True)
    )


class Sharing:
    """Which public answers are shared, and which for a while are not.

    A page may call itself public and yet answer nobody who brings nothing. To share it again after
    each commit would cost one run more than not to, each time.

    Args:
        time: tells the time, in seconds.
    """

    def __init__(self, time: Callable[[], float]) -> None:
        self._time = time
        self._until: dict[Hashable, float] = {}  # the first to end first

    def may_share(self, shared_key: Hashable, own_key: Hashable) -> bool:
        """Whether somebody with a key of their own may join others by this one."""
        if shared_key is None or shared_key == own_key:
            return False
        return self._until.get(shared_key, 0.0) <= self._time()

    def stop(self, key: Hashable) -> None:
        """Do not share for a while: a run for all of them gave no public answer."""
        now = self._time()
        self._until.pop(key, None)
        while self._until:
            first = next(iter(self._until))
            if self._until[first] > now and len(self._until) < _MOST_APART:
                break
            del self._until[first]
        self._until[key] = now + _APART_SECONDS


def fresh_seconds(headers: Headers) -> float | None:
    """How long the application lets its answer be reused: max-age, where it is above zero."""
    told = {name.lower(): value for name, value in headers.items()}
    return _seconds(_directives(told.get("cache-control")).get("max-age")) or None


def _seconds(text: str | None) -> float | None:
    return min(float(text), _MOST_SECONDS) if text and text.isascii() and text.isdecimal() else None


def _directives(value: str | list[str] | None) -> dict[str, str]:
    found = _DIRECTIVE.finditer(_text(value))
    return {match[1].lower(): match[2] or match[3] or "" for match in found}


def _text(value: str | list[str] | None) -> str:
    return value if isinstance(value, str) else ", ".join(value or ())
