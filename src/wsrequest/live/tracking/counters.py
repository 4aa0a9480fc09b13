"""Gives each rerun its own throttle counters, which end with it.

A visitor's throttle counts what the visitor sends. A rerun is not such a request, and other users'
writes could use the throttle up. How often a view runs again is limited by the live query's pace.
Therefore a cache of the run replaces the real one for the keys of throttles.

Other values that a project keeps under such a key, for example a ban, still apply to a rerun: a key
that the run has not written is read from the real cache. Only histories and counts begin empty.
"""

import re
from collections.abc import Callable, Iterable
from fnmatch import translate
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache

__all__ = ["COUNTERS", "CounterCache", "are_counters"]

COUNTERS = ("throttle*", "rl:*")
"""Keys of the throttles of REST framework and django-ninja, and of django-ratelimit."""

_is_counter = re.compile("|".join(translate(pattern) for pattern in COUNTERS)).match
_MISSING = object()


def are_counters(keys: Iterable[str]) -> bool:
    """Whether cache keys, as the project names them, are all counters of throttles."""
    found = list(keys)
    return bool(found) and all(_is_counter(key) for key in found)


class CounterCache(BaseCache):
    """A cache of one run, which shows the real cache where the run has written nothing.

    REST framework and django-ninja read a history, which is a list of times, and write a longer
    one. django-ratelimit, and projects that count by themselves, add or increment. Neither sees
    what the visitor has used up.

    Args:
        read: returns what the real cache holds for a key and version, or the default, its last
            argument.
    """

    def __init__(self, read: Callable[[Any, int | None, Any], Any]) -> None:
        super().__init__({})
        self._read = read
        self._held: dict[str, Any] = {}
        self._is_cleared = False

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """Return a value of the run, or else of the real cache, unless it is a history."""
        name = self.make_key(key, version)
        if name in self._held:
            value = self._held[name]
        else:
            value = _MISSING if self._is_cleared else self._read(key, version, _MISSING)
            if isinstance(value, list | tuple):
                value = _MISSING
        return default if value is _MISSING else value

    def get_or_set(
        self, key: Any, default: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> Any:
        """Return a value of the run, and set it if it does not exist."""
        if not self._has(key, version):
            self.set(key, default() if callable(default) else default, timeout, version)
        return self._held[self.make_key(key, version)]

    def incr(self, key: Any, delta: int = 1, version: int | None = None) -> Any:
        """Increment a value of the run.

        Raises:
            ValueError: there is no such value.
        """
        if not self._has(key, version):
            raise ValueError(f"Key '{key}' not found")
        name = self.make_key(key, version)
        self._held[name] += delta
        return self._held[name]

    async def aget_or_set(self, *args: Any, **kwargs: Any) -> Any:
        """See ``get_or_set``."""
        return self.get_or_set(*args, **kwargs)

    async def aincr(self, key: Any, delta: int = 1, version: int | None = None) -> Any:
        """See ``incr``."""
        return self.incr(key, delta, version)

    def set(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        """Keep a value. The run ends before any timeout."""
        self._held[self.make_key(key, version)] = value

    def add(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        """Keep a value unless there is one."""
        if self._has(key, version):
            return False
        self.set(key, value, timeout, version)
        return True

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Return whether there is a value."""
        return self._has(key, version)

    def delete(self, key: Any, version: int | None = None) -> bool:
        """Forget a value, for this run."""
        is_there = self._has(key, version)
        self._held[self.make_key(key, version)] = _MISSING
        return is_there

    def clear(self) -> None:
        """Forget all values, for this run."""
        self._held.clear()
        self._is_cleared = True

    def _has(self, key: Any, version: int | None) -> bool:
        """Whether the run itself has a value."""
        return self._held.get(self.make_key(key, version), _MISSING) is not _MISSING
