"""Retains what earlier runs of a view read and the last one did not.

A run may be answered from a cache that wsrequest does not see, such as a variable of a module. It
then reads less than the run that filled the cache. Therefore earlier reads count on, until they are
known to be moot: they were written, and the next run did not read them again. Pure.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator

from wsrequest.live.index import touches
from wsrequest.types import Commit, ReadPredicate

__all__ = ["MAX_RETAINED", "RetainedCommit", "RetainedCommits", "RetainedReads", "coarser"]

_MAX_COMMITS = 100  # that are compared after one run. What other commits wrote is retained
_MAX_LOOKS = 2_000  # of a read at a commit. Each takes about 5 us on the event loop
MAX_RETAINED = 32  # for one query. Above it, reads become their table, and tables their database
_MAX_BYTES = 2**22  # of the commits that all queries of a process retain together


class RetainedCommit:
    """What one commit wrote.

    Attributes:
        commit: None if the commit was dropped, as if it had never arrived.
    """

    __slots__ = ("commit", "weight_bytes")

    def __init__(self, commit: Commit) -> None:
        self.commit: Commit | None = commit
        self.weight_bytes = commit.weight_bytes()


class RetainedCommits:
    """The newest commits that the queries of a process retain, with one common limit.

    Dropping one is safe: then the earlier reads count on, and a view may run once more than needed.
    """

    __slots__ = ("_bytes", "_commits")

    def __init__(self) -> None:
        self._commits: deque[RetainedCommit] = deque()  # the oldest first
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._commits)

    def add(self, commit: Commit) -> RetainedCommit:
        """Retain a commit, and drop the oldest ones above the limit."""
        # Without its run, which would keep a connection alive.
        retained = RetainedCommit(commit if commit.run is None else Commit(commit.changes))
        self._commits.append(retained)
        self._bytes += retained.weight_bytes
        while self._bytes > _MAX_BYTES:
            oldest = self._commits.popleft()
            oldest.commit = None
            self._bytes -= oldest.weight_bytes
        return retained

    def clear(self) -> None:
        """Drop all: no query needs them any more."""
        self._commits.clear()
        self._bytes = 0


class RetainedReads:
    """The reads of one query besides those of its last run. ``len`` counts them."""

    __slots__ = ("_added", "_count", "_tried", "_wide", "_written")

    def __init__(self) -> None:
        self._count = 0
        # By ``join``, since the last run that succeeded.
        self._added: frozenset[ReadPredicate] = frozenset()
        self._written: list[RetainedCommit] = []  # since the last run began
        self._tried: list[RetainedCommit] = []  # before that: the reason for the run
        # Reads that stand for more than themselves: for everything that was read of a table or a
        # database. If a part of that was written and not read again, this proves nothing about the
        # rest.
        self._wide: frozenset[ReadPredicate] = frozenset()

    def __len__(self) -> int:
        return self._count

    def wrote(self, commit: RetainedCommit) -> None:
        """Record a commit that concerns the query."""
        if len(self._written) < _MAX_COMMITS:
            self._written.append(commit)

    def begin(self) -> None:
        """Record the start of a run."""
        self._tried, self._written = self._written, []

    def take(
        self, before: frozenset[ReadPredicate], reads: frozenset[ReadPredicate]
    ) -> frozenset[ReadPredicate]:
        """Take the reads of a run that succeeded.

        Args:
            before: everything that triggered the query.
            reads: what the run read.

        Returns:
            What triggers the query from now on.
        """
        tried = [each.commit for each in self._tried if each.commit is not None]
        self._tried, self._added = [], frozenset()
        old = before - reads
        if len(old) * len(tried) > _MAX_LOOKS:
            tried = []  # all of it counts on
        if old:
            whole = {(read.database, read.table): read for read in reads if not read.equals}
            covering = {
                read: whole.get((read.database, None)) or whole.get((read.database, read.table))
                for read in old
            }
            # Each of these stands for the rows as well, which this run did not read as such.
            self._wide |= {by for by in covering.values() if by is not None}
            old = frozenset(
                read
                for read, by in covering.items()
                if by is None
                and (read in self._wide or not any(touches((read,), each) for each in tried))
            )
        kept = self._limited(old)
        self._wide &= kept | reads
        self._count = len(kept)
        return reads | kept

    def widen(self, wider: frozenset[ReadPredicate]) -> None:
        """Record that these wider reads replace what was read."""
        self._wide |= wider

    def join(
        self, before: frozenset[ReadPredicate], reads: frozenset[ReadPredicate]
    ) -> frozenset[ReadPredicate]:
        """Take the reads of a run that does not show which earlier reads are moot.

        Such a run failed, or was made for one subscriber whose response others share. However many
        there are until the next run of the query, together they add no more than one run retains.

        Args:
            before: everything that triggered the query.
            reads: what the run read.

        Returns:
            What triggers the query from now on.
        """
        if not before:
            return reads
        # The run may have filled a cache again that earlier commits had made moot. The next run may
        # be answered from it, so these commits prove nothing any more.
        self._tried, self._written = [], []
        known = {(read.database, read.table) for read in self._added if not read.equals}
        new = [
            read
            for read in reads - before
            if not {(read.database, read.table), (read.database, None)} & known
        ]
        if not new:
            return before
        base, self._added = before - self._added, self._limited(self._added.union(new))
        return base | self._added

    def _limited(self, old: frozenset[ReadPredicate]) -> frozenset[ReadPredicate]:
        kept = _fewer(old)
        if len(kept) < len(old):
            self._wide |= {read for read in kept if not read.equals}
        return kept


def coarser(reads: Iterable[ReadPredicate]) -> Iterator[frozenset[ReadPredicate]]:
    """Yield wider reads that match all that these reads match: first any row, then any table."""
    tables = frozenset(ReadPredicate(database, table) for database, table in _places(reads))
    yield tables
    yield frozenset(
        ReadPredicate(database, None) for database in {read.database for read in tables}
    )


def _fewer(reads: frozenset[ReadPredicate]) -> frozenset[ReadPredicate]:
    """Return at most ``MAX_RETAINED`` reads. The tables with most reads become reads of any row."""
    places = Counter((read.database, read.table) for read in reads)
    count = len(reads)
    widened: set[tuple[str, str | None]] = set()
    for place, times in places.most_common():
        if count <= MAX_RETAINED or times == 1:
            break
        widened.add(place)
        count -= times - 1
    result = {read for read in reads if (read.database, read.table) not in widened}
    result |= {ReadPredicate(database, table) for database, table in widened}
    while len(result) > MAX_RETAINED:
        ((database, times),) = Counter(read.database for read in result).most_common(1)
        if times == 1:
            break  # there are that many databases
        result = {read for read in result if read.database != database}
        result.add(ReadPredicate(database, None))
    return frozenset(result)


def _places(reads: Iterable[ReadPredicate]) -> set[tuple[str, str | None]]:
    return {(read.database, read.table) for read in reads}
