"""Keys of stores that are no tables: caches, sessions, what Django remembers in the process.

Owns how a key is named in ``Read`` and ``TableChange``, which keys any live run of this process has
read, and when a written key is told: at once, or with the transaction that writes it. Which
operations read and write keys is known to ``caches``, ``sessions`` and ``remembered``.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b
from threading import Lock
from time import monotonic
from typing import Any, Protocol

from django.db import connections

from wsrequest.live.tracking.reads import current, running
from wsrequest.live.tracking.transaction import MAX_KEYS
from wsrequest.types import Commit, TableChange

__all__ = [
    "CACHES",
    "MAX_KEYS",
    "REMEMBERED",
    "SESSIONS",
    "Keys",
    "hashed",
    "inside",
    "is_inside",
    "is_own_write",
]

CACHES = "cache:"
"""The databases of cache keys begin so; the name of the store follows."""
SESSIONS = "session:"
"""The database of session keys, whatever keeps the sessions."""
REMEMBERED = "remembered:"
"""The database of what Django keeps in a process. Its tables are those of the models."""

_MAX_KNOWN = 50_000  # keys that runs have read; from then on any key counts as read
_MAX_DEADLINES = 10_000  # keys whose end is known, in each of two generations
_UNKNOWN_SECONDS = 60.0  # until a key is looked at again that may end without a write
_LATE_SECONDS = 2.0  # by which a store may keep a key longer: some count in whole seconds
_NEVER = float("inf")


class _Operation:
    """One on stores; in whatever threads it goes on."""

    __slots__ = ("stores", "writes_left")

    def __init__(self, stores: tuple[str, ...], writes: int | None) -> None:
        self.stores, self.writes_left = stores, writes


_inside: ContextVar[tuple[_Operation, ...]] = ContextVar("wsrequest.live.tracking.keys", default=())


class Watching(Protocol):
    """What notes the writes of a process; ``capture.Capture``."""

    is_active: bool

    def tell(self, changes: Commit) -> None:
        """Publish what was written."""

    def tap(self, alias: str) -> Any:
        """The tap of this thread's connection to a database."""


def hashed(key: str) -> str:
    """Return a name of one length for a key. Two keys of one name are woken together."""
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


@contextmanager
def inside(*stores: str, writes: int | None = None) -> Iterator[None]:
    """An operation on stores is under way, and tells by itself what it writes there.

    Args:
        stores: the databases that stand for them.
        writes: how many statements it writes their tables by; None for any number.
    """
    token = _inside.set((*_inside.get(), _Operation(stores, writes)))
    try:
        yield
    finally:
        _inside.reset(token)


def is_inside(store: str) -> bool:
    """Whether an operation on a store is under way."""
    return any(store in operation.stores for operation in _inside.get())


def is_own_write(store: str) -> bool:
    """Whether a write to the table of a store is one that an operation on that makes, and tells.

    Ask once for each write: those beyond the operation's own are of somebody else, of a receiver
    of a signal for example. Which of them it is does not matter, since one more is told.
    """
    for operation in reversed(_inside.get()):
        if store in operation.stores:
            if operation.writes_left is None:
                return True
            operation.writes_left -= 1
            return operation.writes_left >= 0
    return False


class Keys:
    """The keys that the live runs of one process read. From any thread.

    A run notes a key before it reads it, and a write is told after it was made. So a key that no
    run has noted by then was read by no run in its old state, and is not told. What is written in
    a transaction is not made yet, so it is told whoever has read it.

    Args:
        watching: what publishes changes.

    Attributes:
        is_active: whether anybody wants to know, as ``watching`` knows it. A plain attribute,
            since each call of a cache looks at it.
    """

    def __init__(self, watching: Watching) -> None:
        self._watching = watching
        self.is_active = watching.is_active
        self._lock = Lock()  # of what is replaced; sets and dicts are changed without
        self._known: set[tuple[str, str | None]] = set()
        self._deadlines: dict[tuple[str, str], float] = {}
        self._older: dict[tuple[str, str], float] = {}

    def forget(self) -> None:
        """Nobody is subscribed any more."""
        with self._lock:
            self._known, self._deadlines, self._older = set(), {}, {}

    def note(self, store: str, key: str | None, *, ends: bool = False) -> None:
        """Note that the run of this context is about to read a key.

        Args:
            store: the database that stands for it.
            key: as ``hashed`` gives it; None for any of the store.
            ends: whether the key may end without a write.
        """
        reads = current()
        if reads is None:
            return
        known = self._known
        if len(known) < _MAX_KNOWN:
            known.add((store, key))
        else:
            known.add(("*", None))
        reads.add_key(store, key, MAX_KEYS)
        if ends:
            self._expire(reads, store, key)

    def _expire(self, reads: Any, store: str, key: str | None) -> None:
        deadline = None
        if key is not None:
            place = store, key
            deadline = self._deadlines.get(place, self._older.get(place))
        now = monotonic()
        if deadline == _NEVER:
            return
        if deadline is None:
            reads.end_at(now + _UNKNOWN_SECONDS)
        elif deadline > now:
            reads.end_at(deadline + 0.05)
        elif deadline > now - _LATE_SECONDS:
            reads.end_at(now + 1.0)

    def set_end(self, store: str, key: str, seconds: float | None) -> bool:
        """Note when a key ends that was set; None for never.

        Returns:
            Whether readers of it may have been told a later time.
        """
        place = store, key
        now = monotonic()
        deadline = _NEVER if seconds is None else now + seconds
        before = self._deadlines.get(place, self._older.get(place, now + _UNKNOWN_SECONDS))
        if len(self._deadlines) >= _MAX_DEADLINES:
            with self._lock:
                self._older, self._deadlines = self._deadlines, {}
        self._deadlines[place] = deadline
        return deadline < before

    def wrote(self, store: str, keys: Iterable[str | None], alias: str | None = None) -> None:
        """Tell that keys were written, if any run has read them by when they are committed.

        Args:
            store: the database that stands for it.
            keys: as ``hashed`` gives them; None for any of the store.
            alias: of a database, when the keys are rows of it: they are told with its transaction.
        """
        if not self.is_active:
            return
        tap = self._tap(alias)
        if tap is None:
            told = tuple(TableChange(store, key) for key in self._read(store, keys))
            if told:
                self._watching.tell(Commit(told, running()))
        elif tap.is_open:
            # Until it commits, a run may note one of them and read it in its old state.
            tap.add_keys(_few(keys), store)
        elif found := self._read(store, keys):
            tap.add_keys(found, store)

    def is_open(self, alias: str | None) -> bool:
        """Whether this thread has a transaction open in a database; none has no transactions."""
        tap = self._tap(alias)
        return tap is not None and bool(tap.is_open)

    def _tap(self, alias: str | None) -> Any:
        if alias is None or connections[alias].connection is None:
            return None
        return self._watching.tap(alias)

    def _read(self, store: str, keys: Iterable[str | None]) -> list[str | None]:
        """Those of written keys that any run has read."""
        return _few(key for key in keys if self._is_known(store, key))

    def _is_known(self, store: str, key: str | None) -> bool:
        known = self._known
        if key is None or ("*", None) in known:
            return True
        return (store, key) in known or (store, None) in known


def _few(keys: Iterable[str | None]) -> list[str | None]:
    found = list(keys)
    return [None] if len(found) > MAX_KEYS else found
