"""What earlier runs of a view read, and the last one did not.

A run that is answered from a cache that nobody sees, a variable of a module for example, reads less
than the one that filled it. So what was read counts on, until it is known to be moot: it was
written, and the run behind that did not read it again. Pure.
"""

from collections import Counter

from wsrequest.live.matching import touches
from wsrequest.types import Changes, Read

__all__ = ["MAX_KEPT", "Kept"]

_MAX_COMMITS = 100  # that are looked at behind one run; what others wrote is kept
MAX_KEPT = 32  # of one group; more of a table are the table, more tables are the database


class Kept:
    """What is known of one group's reads besides those of its last run. ``len`` counts them."""

    __slots__ = ("_count", "_tried", "_written")

    def __init__(self) -> None:
        self._count = 0
        self._written: list[Changes] = []  # since the last run began
        self._tried: list[Changes] = []  # before that: why it ran

    def __len__(self) -> int:
        return self._count

    def wrote(self, changes: Changes) -> None:
        """A commit has touched the group."""
        if len(self._written) < _MAX_COMMITS:
            self._written.append(changes)

    def begin(self) -> None:
        """A run begins."""
        self._tried, self._written = self._written, []

    def take(self, before: frozenset[Read], reads: frozenset[Read]) -> frozenset[Read]:
        """Take the reads of a run that has succeeded.

        Args:
            before: all that the group was woken by.
            reads: what the run read.

        Returns:
            What the group is to be woken by from now on.
        """
        tried, self._tried = self._tried, []
        old = before - reads
        if old:
            places = {(read.database, read.table) for read in reads if not read.equals}
            old = frozenset(
                read
                for read in old
                if not {(read.database, read.table), (read.database, None)} & places
                and not any(touches((read,), changes) for changes in tried)
            )
        kept = _fewer(set(old))
        self._count = len(kept)
        return reads | kept


def _fewer(reads: set[Read]) -> set[Read]:
    while len(reads) > MAX_KEPT:
        (database, table), count = Counter((r.database, r.table) for r in reads).most_common(1)[0]
        if count > 1:
            reads = {r for r in reads if (r.database, r.table) != (database, table)}
            reads.add(Read(database, table))
        else:
            ((database, _),) = Counter(r.database for r in reads).most_common(1)
            reads = {r for r in reads if r.database != database}
            reads.add(Read(database, None))
    return reads
