"""Keeps the commits that arrive while views run, to compare each run with them at its end.

Each run has a position: the number of commits that had arrived when it began. A run is out of date
if a later commit wrote what it read, or if that is no longer known. Commits that were lost are
the matter of ``rechecks`` and ``certainty``.
"""

from collections import deque
from collections.abc import Iterable

from wsrequest.live.index import Matcher
from wsrequest.live.query import Run
from wsrequest.types import Commit, ReadPredicate

__all__ = ["CommitLog"]

# Looking through more commits than this for a run that waits would take too long.
_MAX_RENEWED = 1000
# While views run. Of older commits only the tables are kept, with the last position of each.
_MAX_COMMITS = 10_000
_MAX_BYTES = 2**22
_MAX_TABLES = 10_000


class CommitLog:
    """The commits that arrived while some run was open. ``len`` counts them.

    Attributes:
        position: how many commits have arrived. Losses and marks count as commits.
        lost_position: that of the last loss, or -1.
    """

    def __init__(self) -> None:
        self.position = 0
        self.lost_position = -1
        self._forgotten_position = -1  # runs that began before it cannot know what was written
        self._open: set[Run] = set()
        self._commits: deque[tuple[int, Commit, int]] = deque()  # the oldest first, with weights
        self._bytes = 0
        # Of older commits: the last position that wrote a table, and the run that wrote it, if only
        # one did.
        self._tables: dict[tuple[str, str | None], tuple[int, object | None]] = {}

    def __len__(self) -> int:
        return len(self._commits)

    @property
    def is_needed(self) -> bool:
        """Whether any run is open."""
        return bool(self._open)

    def add(self, commit: Commit) -> None:
        """Add the commit of a transaction."""
        self.position += 1
        if not self._open:
            return
        weight = commit.weight_bytes()
        self._commits.append((self.position, commit, weight))
        self._bytes += weight
        while len(self._commits) > _MAX_COMMITS or self._bytes > _MAX_BYTES:
            position, oldest, weight = self._commits.popleft()
            self._bytes -= weight
            self._keep_tables(position, oldest)
        if len(self._tables) > _MAX_TABLES:  # they may be keys, whose number is unlimited
            self._forget()

    def _keep_tables(self, position: int, commit: Commit) -> None:
        for change in commit.changes:
            place = change.database, change.table
            _, run = self._tables.get(place, (0, commit.run))
            self._tables[place] = position, commit.run if run is commit.run else None

    def mark(self) -> int:
        """Return a position that only runs have which begin from now on."""
        self.position += 1
        return self.position

    def lose(self) -> None:
        """Record that commits may have been lost. Runs that began before may be out of date."""
        self.lost_position = self.mark()

    def _forget(self) -> None:
        self._clear()
        self._forgotten_position = self.mark()

    def _clear(self) -> None:
        self._commits.clear()
        self._tables.clear()
        self._bytes = 0

    def open(self, run: Run) -> None:
        """Open a run: give it its position, before it reads anything."""
        run.position = self.position
        self._open.add(run)

    def close(self, run: Run, reads: Iterable[ReadPredicate]) -> bool:
        """Close a run.

        Args:
            run: an open run. Safe to call twice.
            reads: what it read.

        Returns:
            Whether it is out of date. It is if another writer changed what it read, or if nobody
                knows because the run was closed before. Losses do not count.
        """
        if run not in self._open:
            return True
        self._open.remove(run)
        is_late = run.position < self._forgotten_position or self._was_written(run, reads)
        if not self._open:
            self._clear()
            return is_late
        if self._commits:
            oldest = min(other.position for other in self._open)
            while self._commits and self._commits[0][0] <= oldest:
                self._bytes -= self._commits.popleft()[2]
        return is_late

    def renew(self, run: Run, reads: Iterable[ReadPredicate]) -> bool:
        """Move an open run to the current position, if nothing has changed what it read.

        Args:
            run: the run.
            reads: all that it read.

        Returns:
            False if it may be out of date. Losses count, too. The run keeps its position then.
        """
        if run not in self._open or self.position - run.position > _MAX_RENEWED:
            return False
        if run.position < max(self._forgotten_position, self.lost_position):
            return False
        if self._was_written(run, reads):
            return False
        run.position = self.position
        return True

    def close_all(self) -> list[Run]:
        """Close all open runs, and return them."""
        runs = list(self._open)
        self._open.clear()
        self._clear()
        return runs

    def _was_written(self, run: Run, reads: Iterable[ReadPredicate]) -> bool:
        if self.position == run.position:
            return False
        matcher = Matcher(reads)
        for (database, table), (position, writer) in self._tables.items():
            if position > run.position and writer is not run and matcher.reads(database, table):
                return True
        for position, commit, _ in reversed(self._commits):
            if position <= run.position:
                return False
            if commit.run is not run and matcher.touched(commit):
                return True
        return False
