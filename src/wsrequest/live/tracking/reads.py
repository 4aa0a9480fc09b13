"""Collects what one run reads, while it runs.

Statements find their read set through a context variable. It flows into what asgiref starts and
into copies of the context, but not into a thread that the view starts itself.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from time import monotonic

from wsrequest.live.index import combination_count, narrowed
from wsrequest.live.sql.parameters import equals_of
from wsrequest.live.sql.statement import Names, Statement
from wsrequest.live.sql.values import Passes, as_it_is
from wsrequest.live.tracking.counters import CounterCache
from wsrequest.types import ReadPredicate

__all__ = ["ReadSet", "current", "reading", "running"]

# A run that fetches more than this many objects one by one reads the whole table.
MAX_CONDITIONS = 100

# The maximum number of places of a run in the index. What it reads beyond counts as whole tables.
# The places are filled on the event loop, a thousand in about a millisecond.
MAX_PLACES = 5000

_Equals = tuple[tuple[str, frozenset[object]], ...]


class ReadSet:
    """Collects what a run reads. Any thread may add to it.

    Args:
        run: the value of ``Commit.run`` for what the run writes.

    Attributes:
        is_rerun: whether no client has sent the request.
        seconds: the shortest time after which the run must be repeated even if nothing was written.
            None for never.
        is_open: whether the run goes on.
        deadline: when something that was read expires, by the monotonic clock.
        counter_caches: the caches that stand in for real ones, by their ids, for throttle counters.
        lags: whether some of it was read from a replica, which may not have caught up.
    """

    def __init__(self, run: object | None = None) -> None:
        self.run = self if run is None else run
        self.seconds: float | None = None
        self.deadline: float | None = None
        self.is_open = self.lags = self.is_rerun = False
        # None stands for all rows.
        self._found: dict[tuple[str, str | None], set[_Equals] | None] = {}
        self._keys: dict[str, int] = {}  # how many of each store
        self.counter_caches: dict[int, CounterCache] = {}

    def __len__(self) -> int:
        return len(self._found)

    def add(self, database: str, table: str | None, equals: _Equals = ()) -> None:
        """Record a read, as ``ReadPredicate`` describes it."""
        place = database, table
        if not equals:
            self._found[place] = None
            return
        conditions = self._found.setdefault(place, set())
        if conditions is None:
            return
        conditions.add(equals)
        if len(conditions) > MAX_CONDITIONS:
            self._found[place] = None

    def add_key(self, store: str, key: str | None, most: int) -> None:
        """Record the read of a key. Above ``most`` keys, it is any key of the store."""
        if (store, None) in self._found or (store, key) in self._found:
            return
        count = self._keys[store] = self._keys.get(store, 0) + 1
        if key is None or count > most:
            for place in [place for place in list(self._found) if place[0] == store]:
                self._found.pop(place, None)
            key = None
        self._found[store, key] = None

    def end_at(self, deadline: float) -> None:
        """Record when something that was read expires, by the monotonic clock."""
        self.deadline = deadline if self.deadline is None else min(self.deadline, deadline)

    @property
    def expires_seconds(self) -> float | None:
        """When the run must be repeated, from now. None for never."""
        left = None if self.deadline is None else max(0.01, self.deadline - monotonic())
        return min((s for s in (self.seconds, left) if s is not None), default=None)

    def part(self) -> "ReadSet":
        """Return a read set for a part of the run, to be merged later."""
        part = ReadSet(self.run)
        part.is_rerun, part.counter_caches = self.is_rerun, self.counter_caches
        return part

    def merge(self, other: "ReadSet", without: frozenset[str] = frozenset()) -> None:
        """Add what another read set has recorded, except for some tables."""
        for (database, table), found in list(other._found.items()):
            if table in without:
                continue
            for equals in [()] if found is None else list(found):
                self.add(database, table, equals)
        if other.deadline is not None:
            self.end_at(other.deadline)
        if other.seconds is not None:
            self.seconds = min(self.seconds or other.seconds, other.seconds)
        self.lags |= other.lags

    def add_statement(
        self,
        database: str,
        statement: Statement,
        names: Names,
        ignored: frozenset[str],
        params: object,
        passes: Passes = as_it_is,
    ) -> None:
        """Record what a statement reads."""
        if statement.reads is None:
            self.add(database, None)
            return
        narrowed = dict(statement.narrowed)
        known = params if isinstance(params, list | tuple) else ()
        for table in statement.reads - ignored:
            conditions = narrowed.get(table, ())
            if conditions and len(known) == statement.placeholders:
                self.add(database, table, equals_of(conditions, names.kinds[table], known, passes))
            else:
                self.add(database, table)

    def result(self) -> frozenset[ReadPredicate]:
        """Return everything that was read so far."""
        result: set[ReadPredicate] = set()
        left = MAX_PLACES
        for (database, table), found in list(self._found.items()):
            reads = [
                # Narrowed, because otherwise the values of ignored columns would be kept.
                narrowed(ReadPredicate(database, table, equals))
                for equals in ([()] if found is None else _merged(list(found)))
            ]
            left -= sum(map(combination_count, reads))
            if left < 0:
                reads, left = [ReadPredicate(database, table)], 0
            result.update(reads)
        return frozenset(result)


def _merged(found: Sequence[_Equals]) -> Iterable[_Equals]:
    """Merge objects that were fetched one by one into one read of several keys."""
    single: dict[str, frozenset[object]] = {}
    for equals in found:
        if len(equals) == 1:
            ((column, values),) = equals
            single[column] = single.get(column, frozenset()) | values
        else:
            yield equals
    for column, values in single.items():
        yield ((column, values),)


_CURRENT: ContextVar[ReadSet | None] = ContextVar("wsrequest.live.tracking.reads", default=None)


def current() -> ReadSet | None:
    """Return the read set of this context, or None outside of a run."""
    reads = _CURRENT.get()
    return reads if reads is not None and reads.is_open else None


def running() -> object | None:
    """Return the run that this context is part of, or None."""
    reads = current()
    return None if reads is None else reads.run


@contextmanager
def reading(reads: ReadSet) -> Iterator[ReadSet]:
    """Collect in ``reads`` what this context reads. May be entered again, while a body streams."""
    before = _CURRENT.set(reads)
    reads.is_open = True
    try:
        yield reads
    finally:
        # What the run started without waiting for it is not part of the run any more.
        reads.is_open = False
        _CURRENT.reset(before)
