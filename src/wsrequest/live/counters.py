"""Counters of throttles during a rerun: each rerun has its own, which end with it.

Owns which cache keys are such counters, and the cache that stands in for the real one. A visitor's
throttle counts what the visitor sends; a rerun is nobody's request, and strangers' writes could
use the throttle up. How often a view runs again is limited by the registry's pace.
"""

import re
from collections.abc import Iterable
from fnmatch import translate
from typing import Any

from django.core.cache.backends.base import DEFAULT_TIMEOUT, BaseCache

__all__ = ["COUNTERS", "Scratch", "are_counters"]

COUNTERS = ("throttle*", "rl:*")
"""Keys of REST framework's throttles and django-ninja's, and of django-ratelimit."""

_is_counter = re.compile("|".join(translate(pattern) for pattern in COUNTERS)).match
_MISSING = object()


def are_counters(keys: Iterable[str]) -> bool:
    """Whether cache keys, as the project names them, are all counters of throttles."""
    found = list(keys)
    return bool(found) and all(_is_counter(key) for key in found)


class Scratch(BaseCache):
    """A cache of one run."""

    def __init__(self) -> None:
        super().__init__({})
        self._held: dict[str, Any] = {}

    def get(self, key: Any, default: Any = None, version: int | None = None) -> Any:
        """Return a value."""
        return self._held.get(self.make_key(key, version), default)

    def set(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> None:
        """Keep a value. The run ends before any time-out."""
        self._held[self.make_key(key, version)] = value

    def add(
        self, key: Any, value: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None
    ) -> bool:
        """Keep a value unless there is one."""
        name = self.make_key(key, version)
        if name in self._held:
            return False
        self._held[name] = value
        return True

    def touch(self, key: Any, timeout: Any = DEFAULT_TIMEOUT, version: int | None = None) -> bool:
        """Say whether there is a value."""
        return self.make_key(key, version) in self._held

    def delete(self, key: Any, version: int | None = None) -> bool:
        """Forget a value."""
        return self._held.pop(self.make_key(key, version), _MISSING) is not _MISSING

    def clear(self) -> None:
        """Forget all."""
        self._held.clear()
