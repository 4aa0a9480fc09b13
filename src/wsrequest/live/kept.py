"""What earlier runs of a view read, and the last one did not.

A run that is answered from a cache that nobody sees, a variable of a module for example, reads less
than the one that filled it. So what was read counts on, until it is known to be moot: it was
written, and the run behind that did not read it again. Pure.
"""

from collections import Counter, deque
from collections.abc import Iterable, Iterator

from wsrequest.live.index import touches
from wsrequest.types import Commit, ReadPredicate

__all__ = ["MAX_KEPT", "KeptCommit", "KeptCommits", "Kept", "coarser"]

_MAX_COMMITS = 100  # that are looked at behind one run; what others wrote is kept
_MOST_LOOKS = 2_000  # of a read at a commit, which take some 5 us each on the event loop
MAX_KEPT = 32  # of one group; more of a table are the table, more tables are the database
_MOST_BYTES = 2**22  # of the commits that all groups remember together


class KeptCommit:
    """What one commit wrote.

    Attributes:
        changes: None where it was forgotten, as if it had never been heard of.
    """

    __slots__ = ("changes", "weight_bytes")

    def __init__(self, changes: Commit) -> None:
        self.changes: Commit | None = changes
        self.weight_bytes = changes.weight_bytes()


class KeptCommits:
    """The commits that the groups of a process remember, bounded together: the newest ones.

    To forget one is safe. What was read counts on then, and a view may run once more.
    """

    __slots__ = ("_bytes", "_commits")

    def __init__(self) -> None:
        self._commits: deque[KeptCommit] = deque()  # the oldest first
        self._bytes = 0

    def __len__(self) -> int:
        return len(self._commits)

    def add(self, changes: Commit) -> KeptCommit:
        """Remember a commit, and forget the oldest where they are too many bytes."""
        # It keeps no run, and nobody's connection.
        commit = KeptCommit(changes if changes.run is None else Commit(changes.changes))
        self._commits.append(commit)
        self._bytes += commit.weight_bytes
        while self._bytes > _MOST_BYTES:
            oldest = self._commits.popleft()
            oldest.changes = None
            self._bytes -= oldest.weight_bytes
        return commit

    def clear(self) -> None:
        """Nobody needs them any more."""
        self._commits.clear()
        self._bytes = 0


class Kept:
    """What is known of one group's reads besides those of its last run. ``len`` counts them."""

    __slots__ = ("_added", "_count", "_tried", "_wide", "_written")

    def __init__(self) -> None:
        self._count = 0
        self._added: frozenset[ReadPredicate] = (
            frozenset()
        )  # by ``join``, since the last run that succeeded
        self._written: list[KeptCommit] = []  # since the last run began
        self._tried: list[KeptCommit] = []  # before that: why it ran
        # Those that stand for more than they say: all that was read of a table, or of a database.
        # That some of it was written and not read again proves nothing of the rest.
        self._wide: frozenset[ReadPredicate] = frozenset()

    def __len__(self) -> int:
        return self._count

    def wrote(self, commit: KeptCommit) -> None:
        """A commit has touched the group."""
        if len(self._written) < _MAX_COMMITS:
            self._written.append(commit)

    def begin(self) -> None:
        """A run begins."""
        self._tried, self._written = self._written, []

    def take(
        self, before: frozenset[ReadPredicate], reads: frozenset[ReadPredicate]
    ) -> frozenset[ReadPredicate]:
        """Take the reads of a run that has succeeded.

        Args:
            before: all that the group was woken by.
            reads: what the run read.

        Returns:
            What the group is to be woken by from now on.
        """
        tried = [commit.changes for commit in self._tried if commit.changes is not None]
        self._tried, self._added = [], frozenset()
        old = before - reads
        if len(old) * len(tried) > _MOST_LOOKS:
            tried = []  # all of it counts on
        if old:
            whole = {(read.database, read.table): read for read in reads if not read.equals}
            covering = {
                read: whole.get((read.database, None)) or whole.get((read.database, read.table))
                for read in old
            }
            # Each stands for the rows as well, which this run has not read as such.
            self._wide |= {by for by in covering.values() if by is not None}
            old = frozenset(
                read
                for read, by in covering.items()
                if by is None
                and (read in self._wide or not any(touches((read,), each) for each in tried))
            )
        kept = self._made_fewer(old)
        self._wide &= kept | reads
        self._count = len(kept)
        return reads | kept

    def widen(self, wider: frozenset[ReadPredicate]) -> None:
        """The group is woken by these instead of what was read, which they stand for."""
        self._wide |= wider

    def join(
        self, before: frozenset[ReadPredicate], reads: frozenset[ReadPredicate]
    ) -> frozenset[ReadPredicate]:
        """Take the reads of a run that says nothing of what counts no longer.

        It has failed, or was one subscriber's, whose answer others share. However many there are
        until the next run of the group, they add no more than a run keeps.

        Args:
            before: all that the group was woken by.
            reads: what the run read.

        Returns:
            What the group is to be woken by from now on.
        """
        if not before:
            return reads
        # It may have filled again what the commits before it had made moot, and the next run may
        # be answered from that: they prove nothing any more.
        self._tried, self._written = [], []
        known = {(read.database, read.table) for read in self._added if not read.equals}
        found = [
            read
            for read in reads - before
            if not {(read.database, read.table), (read.database, None)} & known
        ]
        if not found:
            return before
        base, self._added = before - self._added, self._made_fewer(self._added.union(found))
        return base | self._added

    def _made_fewer(self, old: frozenset[ReadPredicate]) -> frozenset[ReadPredicate]:
        kept = _fewer(old)
        if len(kept) < len(old):
            self._wide |= {read for read in kept if not read.equals}
        return kept


def coarser(reads: Iterable[ReadPredicate]) -> Iterator[frozenset[ReadPredicate]]:
    """Yield what wakes by all that these reads do, by less each time: any row, then any table."""
    tables = frozenset(ReadPredicate(database, table) for database, table in _places(reads))
    yield tables
    yield frozenset(
        ReadPredicate(database, None) for database in {read.database for read in tables}
    )


def _fewer(reads: frozenset[ReadPredicate]) -> frozenset[ReadPredicate]:
    """Return at most ``MAX_KEPT`` reads; of the tables with most reads any row is read."""
    places = Counter((read.database, read.table) for read in reads)
    count = len(reads)
    widened: set[tuple[str, str | None]] = set()
    for place, times in places.most_common():
        if count <= MAX_KEPT or times == 1:
            break
        widened.add(place)
        count -= times - 1
    found = {read for read in reads if (read.database, read.table) not in widened}
    found |= {ReadPredicate(database, table) for database, table in widened}
    while len(found) > MAX_KEPT:
        ((database, times),) = Counter(read.database for read in found).most_common(1)
        if times == 1:
            break  # there are so many databases
        found = {read for read in found if read.database != database}
        found.add(ReadPredicate(database, None))
    return frozenset(found)


def _places(reads: Iterable[ReadPredicate]) -> set[tuple[str, str | None]]:
    return {(read.database, read.table) for read in reads}
