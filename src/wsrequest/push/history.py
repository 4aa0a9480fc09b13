"""The recent events of the rooms of one event loop, within a limit of memory.

They serve clients that read slowly, and clients that come back.
"""

import sys
from collections import OrderedDict, deque
from collections.abc import Callable

from wsrequest.push.events import Event
from wsrequest.types import Frame

__all__ = ["Entry", "History", "HistoryStore"]

_ENTRY_BYTES = 400  # of an entry without its frame


class Entry:
    """An event of a room, encoded once for all who get it.

    Attributes:
        number: its place among the events of the room.
        frame: that for a WebSocket.
        key: as in ``Event``.
        exclude: likewise.
        at: loop time at which it arrived.
        is_notice: whether it says that events were lost.
        held_bytes: roughly how much memory it takes, with a server-sent event of it.
    """

    __slots__ = ("_sse", "at", "exclude", "frame", "held_bytes", "is_notice", "key", "number")

    def __init__(
        self, number: int, frame: Frame, at: float, key: str | None = None,
        exclude: str | None = None, *, is_notice: bool = False,
    ) -> None:  # fmt: skip
        self.number, self.frame, self.at = number, frame, at
        self.key, self.exclude, self.is_notice = key, exclude, is_notice
        self._sse: bytes | None = None
        # One emoji makes each character of a string take four bytes.
        encoded = frame if isinstance(frame, bytes) or frame.isascii() else frame.encode()
        self.held_bytes = _ENTRY_BYTES + sys.getsizeof(frame) + len(encoded)

    @classmethod
    def of(cls, event: Event, number: int, frame: Frame, at: float) -> "Entry":
        """Return an event with its frame."""
        return cls(number, frame, at, event.key, event.exclude)

    def sse(self, encode: Callable[[Frame], bytes]) -> bytes:
        """Return it as a server-sent event."""
        if self._sse is None:
            self._sse = encode(self.frame)
        return self._sse


class History:
    """The recent events of one room.

    Args:
        start: the number of the last event before it.

    Attributes:
        start: the number before the first event that is there. All later ones are.
        held_bytes: how much its events count in the store.
    """

    __slots__ = ("_entries", "held_bytes", "start")

    def __init__(self, start: int = 0) -> None:
        # Made for the first event, since an empty one takes 600 bytes.
        self._entries: deque[Entry] | tuple[()] = ()
        self.start = start
        self.held_bytes = 0

    def __len__(self) -> int:
        return len(self._entries)

    def after(self, number: int) -> list[Entry] | None:
        """Return what follows a number. Of events with one key, only the newest.

        Returns:
            None if some of it is not there.
        """
        if number < self.start:
            return None
        found: list[Entry] = []
        keys: set[str] = set()
        for entry in reversed(self._entries):
            if entry.number <= number:
                break
            if entry.key is not None:
                if entry.key in keys:
                    continue
                keys.add(entry.key)
            found.append(entry)
        return found[::-1]


class HistoryStore:
    """All histories of one event loop. Used on the event loop only.

    Each room has its share of the memory. A room that takes more loses its own oldest events first.
    Otherwise the room that was not used for the longest time loses its events.

    Args:
        max_events: of one room. 0 for no history.
        max_seconds: how old an event may be.
        max_bytes: of all rooms together.
    """

    def __init__(self, max_events: int, max_seconds: float, max_bytes: int) -> None:
        self.max_events, self.max_seconds, self.max_bytes = max_events, max_seconds, max_bytes
        # Those with events, the least recently used first.
        self._histories: OrderedDict[History, None] = OrderedDict()
        self.held_bytes = 0

    def add(self, history: History, entry: Entry) -> None:
        """Keep an event, and as much of the others as there is room for."""
        if not self.max_events:
            history.start = entry.number
            return
        self._histories[history] = None
        self._histories.move_to_end(history)
        if not history._entries:
            history._entries = deque()
        history._entries.append(entry)
        self._count(history, entry.held_bytes)
        self.trim(history, entry.at)
        while self.held_bytes > self.max_bytes:
            share = self.max_bytes // len(self._histories)
            is_over = len(history) > 1 and history.held_bytes > share
            self._drop_first(history if is_over else next(iter(self._histories)))

    def trim(self, history: History, now: float) -> None:
        """Drop what is too old, and what is too much for one room."""
        oldest = now - self.max_seconds
        while history._entries:
            if len(history) <= self.max_events and history._entries[0].at >= oldest:
                break
            self._drop_first(history)

    def clear(self, history: History, number: int) -> None:
        """Drop all events up to a number."""
        while history:
            self._drop_first(history)
        history.start = number

    def _drop_first(self, history: History) -> None:
        assert history._entries
        entry = history._entries.popleft()
        history.start = entry.number
        self._count(history, -entry.held_bytes)
        if not history:
            history._entries = ()
            del self._histories[history]

    def _count(self, history: History, count: int) -> None:
        history.held_bytes += count
        self.held_bytes += count
