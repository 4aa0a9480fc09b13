"""Whoever in this process wants to hear of commits: the registries of its event loops.

Owns whether there is anybody, so that what is written for nobody costs next to nothing.
"""

from threading import Lock
from typing import Protocol

__all__ = ["Audience", "Hearer", "Watcher"]


class Hearer(Protocol):
    """Who wants to hear of commits: a registry."""

    def columns(self, database: str, table: str) -> frozenset[tuple[str, ...]]:
        """The sets of columns by which it narrows what is read of a table; from any thread."""


class Watcher(Protocol):
    """What notes the writes."""

    is_active: bool


class Audience:
    """The registries of one process. From any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._registries: tuple[Hearer, ...] = ()
        self._watcher: Watcher | None = None

    def watch_by(self, watcher: Watcher) -> None:
        """Have it watch while there is anybody."""
        with self._lock:
            self._watcher = watcher
            watcher.is_active = bool(self._registries)

    def add(self, registry: Hearer) -> None:
        """The first subscriber of a registry is about to read."""
        with self._lock:
            self._set((*self._registries, registry))

    def discard(self, registry: Hearer) -> None:
        """The last subscriber of a registry has left. Safe to call twice."""
        with self._lock:
            self._set(tuple(other for other in self._registries if other is not registry))

    def columns(self, database: str, table: str) -> frozenset[tuple[str, ...]]:
        """The sets of columns by which anybody narrows what is read of a table."""
        found = [registry.columns(database, table) for registry in self._registries]
        return found[0] if len(found) == 1 else frozenset().union(*found)

    def _set(self, registries: tuple[Hearer, ...]) -> None:
        self._registries = registries
        if self._watcher is not None:
            self._watcher.is_active = bool(registries)
