"""Frees what threads of the parent held when a process forked.

A forked process has only the thread that called ``fork``. Nobody there releases a lock that another
thread held.
"""

import os
from threading import Lock
from typing import Protocol
from weakref import WeakSet

__all__ = ["ForkLock", "renew_in_children"]


class _Renewable(Protocol):
    def after_fork(self) -> None:
        """Forget the threads of the parent. Takes no lock."""


def renew_in_children(instance: _Renewable) -> None:
    """Call ``after_fork`` of an instance in each process that is forked while it exists."""
    _instances.add(instance)


class ForkLock:
    """A lock that is free in a forked process, whichever thread of the parent held it.

    What it guards must be usable at any moment, because the holder may have been in the middle.
    """

    __slots__ = ("__weakref__", "_lock")

    def __init__(self) -> None:
        self.after_fork()
        renew_in_children(self)

    def after_fork(self) -> None:
        """Replace the lock, which a thread of the parent may hold."""
        self._lock = Lock()

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *exc_info: object) -> None:
        self._lock.release()


_instances: WeakSet[_Renewable] = WeakSet()


def _after_fork() -> None:
    for instance in list(_instances):
        instance.after_fork()


os.register_at_fork(after_in_child=_after_fork)
