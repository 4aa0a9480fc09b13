"""Tracks keys of stores that are not tables: caches, sessions, and caches of Django's models.

It defines how a key is named in ``ReadPredicate`` and ``TableChange``, remembers which keys any
live run of this process has read, and decides when a written key is published: at once, or with its
transaction. The operations that read and write keys are wrapped in ``caches``, ``sessions`` and
``model_caches``.
"""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from hashlib import blake2b
from time import monotonic
from typing import TYPE_CHECKING, Any

from django.db import connections

from wsrequest.live.forks import ForkLock
from wsrequest.live.tracking.databases import is_mysql
from wsrequest.live.tracking.reads import current, running
from wsrequest.live.tracking.transaction_writes import MAX_KEYS
from wsrequest.types import Commit, TableChange

if TYPE_CHECKING:
    from wsrequest.live.tracking.tracker import ChangeTracker

__all__ = [
    "CACHES",
    "LOCAL_CACHES",
    "MAX_KEYS",
    "MODEL_CACHES",
    "SESSIONS",
    "KeyTracker",
    "hashed",
    "inside",
    "is_inside",
    "is_own_write",
    "name_in",
]

CACHES = "cache:"
"""The databases of cache keys begin with this. The name of the store follows."""
SESSIONS = "session:"
"""The database of session keys, whatever stores the sessions."""
LOCAL_CACHES = f"{CACHES}local:"
"""The same for caches in the memory of one process."""
MODEL_CACHES = "model_cache:"
"""The database of what Django caches of its models in the process."""

_MAX_KNOWN = 50_000  # keys that runs have read. Above it, any key counts as read
_MAX_DEADLINES = 10_000  # keys whose expiry is known, in each of two generations
_UNKNOWN_SECONDS = 60.0  # until a key that may expire without a write is checked again
_LATE_SECONDS = 2.0  # how much longer a store may keep a key: some count in whole seconds
_NEVER = float("inf")


class _StoreOperation:
    """One operation on stores, in all threads that take part in it."""

    __slots__ = ("stores", "writes_left")

    def __init__(self, stores: tuple[str, ...], writes: int | None) -> None:
        self.stores, self.writes_left = stores, writes


_inside: ContextVar[tuple[_StoreOperation, ...]] = ContextVar(
    "wsrequest.live.tracking.keys", default=()
)


def hashed(key: str) -> str:
    """Return a name of fixed length for a key. Two keys with the same name trigger together."""
    return blake2b(key.encode("utf-8", "surrogatepass"), digest_size=8).hexdigest()


def name_in(alias: str | None, key: str) -> str | None:
    """Return the name of a key that a database keeps. None for any key.

    MySQL takes keys for equal that differ in case, accents, trailing spaces, or characters without
    a weight. Which ones, depends on the collation.

    Args:
        alias: of the database, or None if the key is kept elsewhere.
        key: as it is looked up.
    """
    if alias is None or not is_mysql(alias):
        return hashed(key)
    is_plain = key.isascii() and key.isprintable()
    return hashed(key.casefold().rstrip(" ")) if is_plain else None


@contextmanager
def inside(*stores: str, writes: int | None = None) -> Iterator[None]:
    """Run an operation on stores, which itself publishes what it writes there.

    Args:
        stores: the databases that stand for them.
        writes: how many statements it uses to write their tables. None for any number.
    """
    token = _inside.set((*_inside.get(), _StoreOperation(stores, writes)))
    try:
        yield
    finally:
        _inside.reset(token)


def is_inside(store: str) -> bool:
    """Whether an operation on a store is under way."""
    return any(store in operation.stores for operation in _inside.get())


def is_own_write(store: str) -> bool:
    """Whether an operation on a store makes and publishes a write to its table.

    Call it once for each write. Writes beyond the operation's own come from other code, such as a
    signal receiver. Which of the writes these are does not matter, because one more is published.
    """
    for operation in reversed(_inside.get()):
        if store in operation.stores:
            if operation.writes_left is None:
                return True
            operation.writes_left -= 1
            return operation.writes_left >= 0
    return False


class KeyTracker:
    """The keys that the live runs of one process read. From any thread.

    A run records a key before it reads it, and a write is published after it was made. A key that
    no run has recorded by then was read by no run in its old state, so it is not published. A write
    within a transaction is not visible yet, so it is always published.

    If other processes receive commits, nothing is known about what their runs have read, or about
    their writes. So each write of a key is published, except in stores of one process only.

    Args:
        tracker: publishes commits.

    Attributes:
        is_active: whether any manager is active, as in ``tracker``. A plain attribute, because each
            call of a cache reads it.
    """

    def __init__(self, tracker: "ChangeTracker") -> None:
        self._tracker = tracker
        self.is_active = tracker.is_active
        self._lock = ForkLock()  # for replacing them. Sets and dicts are changed without it
        self._known: set[tuple[str, str | None]] = set()
        self._deadlines: dict[tuple[str, str], float] = {}
        self._older: dict[tuple[str, str], float] = {}

    def is_shared(self, store: str) -> bool:
        """Whether other processes may read and write a store, and hear what this one writes."""
        return self._tracker.is_shared and not store.startswith((LOCAL_CACHES, MODEL_CACHES))

    def forget(self) -> None:
        """Forget all keys, because no subscriber is left."""
        with self._lock:
            self._known, self._deadlines, self._older = set(), {}, {}

    def note(self, store: str, key: str | None, *, ends: bool = False) -> None:
        """Record that the run of this context is about to read a key.

        Args:
            store: the database that stands for it.
            key: as returned by ``hashed``. None for any key of the store.
            ends: whether the key may expire without a write.
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
        if self.is_shared(store) and deadline is not None:
            # Another process may have set the key since, with another end.
            deadline = min(deadline, now + _UNKNOWN_SECONDS)
        if deadline == _NEVER:
            return
        if deadline is None:
            reads.end_at(now + _UNKNOWN_SECONDS)
        elif deadline > now:
            reads.end_at(deadline + 0.05)
        elif deadline > now - _LATE_SECONDS:
            reads.end_at(now + 1.0)

    def set_end(self, store: str, key: str, seconds: float | None) -> bool:
        """Record when a key expires that was set. None for never.

        Returns:
            Whether readers of the key may expect a later time.
        """
        place = store, key
        now = monotonic()
        deadline = _NEVER if seconds is None else now + seconds
        before = self._deadlines.get(place, self._older.get(place, now + _UNKNOWN_SECONDS))
        if len(self._deadlines) >= _MAX_DEADLINES:
            with self._lock:
                self._older, self._deadlines = self._deadlines, {}
        self._deadlines[place] = deadline
        return deadline < before or self.is_shared(store)

    def wrote(self, store: str, keys: Iterable[str | None], alias: str | None = None) -> None:
        """Publish that keys were written, if any run has read them by the time of their commit.

        Args:
            store: the database that stands for them.
            keys: as returned by ``hashed``. None for any key of the store.
            alias: of a database, if the keys are rows of it. They are published with its
                transaction.
        """
        if not self.is_active:
            return
        connection_tracker = self._connection_tracker(alias)
        if connection_tracker is None:
            changes = tuple(TableChange(store, key) for key in self._read(store, keys))
            if changes:
                self._tracker.publish(Commit(changes, running()))
        elif connection_tracker.is_open:
            # Until it commits, a run may record one of them and read it in its old state.
            connection_tracker.add_keys(_few(keys), store)
        elif found := self._read(store, keys):
            connection_tracker.add_keys(found, store)

    def is_open(self, alias: str | None) -> bool:
        """Whether this thread has a transaction open in a database. False without an alias."""
        connection_tracker = self._connection_tracker(alias)
        return connection_tracker is not None and bool(connection_tracker.is_open)

    def _connection_tracker(self, alias: str | None) -> Any:
        if alias is None or connections[alias].connection is None:
            return None
        return self._tracker.connection_tracker(alias)

    def _read(self, store: str, keys: Iterable[str | None]) -> list[str | None]:
        """Return the written keys that any run has read."""
        return _few(key for key in keys if self._is_known(store, key))

    def _is_known(self, store: str, key: str | None) -> bool:
        known = self._known
        if key is None or ("*", None) in known or self.is_shared(store):
            return True
        return (store, key) in known or (store, None) in known


def _few(keys: Iterable[str | None]) -> list[str | None]:
    found = list(keys)
    return [None] if len(found) > MAX_KEYS else found
