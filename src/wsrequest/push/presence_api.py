"""Who is in a room, asked from any thread of any process."""

import os
import threading
from collections.abc import Callable
from typing import Protocol

from asgiref.sync import sync_to_async

from wsrequest.bus.base import Bus
from wsrequest.bus.memory import MemoryBus
from wsrequest.protocol.messages import Member
from wsrequest.push.events import check_room
from wsrequest.push.presence_reader import PresenceReader

__all__ = ["amembers", "forget_source", "members", "read_by", "use_source"]


class Source(Protocol):
    """Knows who is in the rooms, without asking other processes.

    Attributes:
        pid: the process in which it knows.
    """

    pid: int

    def of(self, room: str) -> list[Member]:
        """Return who is in a room. From any thread."""


_lock = threading.Lock()
_sources: list[Source] = []
_read: Callable[[], PresenceReader | None] | None = None
_reader: PresenceReader | None = None


def use_source(source: Source) -> None:
    """Answer from a source from now on."""
    with _lock:
        _sources.append(source)


def forget_source(source: Source) -> None:
    """Answer from a source no more. Safe to call twice."""
    with _lock:
        if source in _sources:
            _sources.remove(source)


def read_by(bus: Bus, max_bytes: Callable[[], int]) -> None:
    """Have processes without a source ask over a bus.

    Args:
        bus: see there.
        max_bytes: returns how much the members of one process may take.
    """
    global _read

    def read() -> PresenceReader | None:
        return None if isinstance(bus, MemoryBus) else PresenceReader(bus, max_bytes())

    _read = read


def members(room: str) -> list[Member]:
    """Return who is in a room, in all processes, in the order of their ids.

    In a process that serves sockets, it takes no time. Elsewhere, the first call listens to the
    other processes for 2 seconds. Calls in the minute after that take no time.

    Args:
        room: the name of the room.

    Raises:
        TypeError: the name is not a string.
        ValueError: it cannot be the name of a room.
        RuntimeError: ``"wsrequest"`` is not in INSTALLED_APPS.
    """
    global _reader
    check_room(room)
    with _lock:
        sources = [source for source in _sources if source.pid == os.getpid()]
    if sources:
        found = {member.id: member for source in sources for member in source.of(room)}
        return [found[id] for id in sorted(found)]
    if _read is None:
        raise RuntimeError('Rooms need "wsrequest" in INSTALLED_APPS.')
    while True:
        with _lock:
            if _reader is None or _reader.is_over or _reader.pid != os.getpid():
                _reader = _read()
            reader = _reader
        if reader is None:
            return []  # no other process can be heard
        listed = reader.of(room)
        if listed is not None:
            return listed


async def amembers(room: str) -> list[Member]:
    """See ``members``. The event loop goes on while it listens."""
    return await sync_to_async(members, thread_sensitive=False)(room)


def _after_fork() -> None:
    global _lock, _reader
    _lock, _reader = threading.Lock(), None  # a thread of the parent may hold it


os.register_at_fork(after_in_child=_after_fork)
