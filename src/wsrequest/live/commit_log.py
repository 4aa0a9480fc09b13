"""What was committed while views ran, for the look back at the end of each run.

Owns positions: how many commits were heard of when a run began. A run is out of date when one
behind its position wrote what it read. When that is not known any longer, it is out of date.
"""

from collections import deque
from collections.abc import Iterable

from wsrequest.live.index import Matcher
from wsrequest.live.query import Run
from wsrequest.types import Commit, ReadPredicate

__all__ = ["CommitLog"]

# While views run. Of older commits only the tables are kept, and when each was written last.
_MOST_COMMITS = 10_000
_MOST_BYTES = 2**22
_MOST_TABLES = 10_000

_LOST = -1  # the position of a run that cannot know what it missed


class CommitLog:
    """Commits that were heard of while some run was open. ``len`` counts them.

    Attributes:
        position: how many commits were heard of.
    """

    def __init__(self) -> None:
        self.position = 0
        self._open: set[Run] = set()
        self._commits: deque[tuple[int, Commit, int]] = deque()  # the oldest first; with weights
        self._bytes = 0
        # Of older ones: when a table was written last, and by which run if by one only.
        self._tables: dict[tuple[str, str | None], tuple[int, object | None]] = {}

    def __len__(self) -> int:
        return len(self._commits)

    @property
    def is_needed(self) -> bool:
        """Whether some run is open."""
        return bool(self._open)

    def add(self, changes: Commit) -> None:
        """A transaction was committed."""
        self.position += 1
        if not self._open:
            return
        weight = changes.weight_bytes()
        self._commits.append((self.position, changes, weight))
        self._bytes += weight
        while len(self._commits) > _MOST_COMMITS or self._bytes > _MOST_BYTES:
            position, oldest, weight = self._commits.popleft()
            self._bytes -= weight
            self._keep_tables(position, oldest)
        if len(self._tables) > _MOST_TABLES:  # they may be keys, of which there is no end
            self._forget()

    def _keep_tables(self, position: int, changes: Commit) -> None:
        for change in changes.changes:
            place = change.database, change.table
            _, run = self._tables.get(place, (0, changes.run))
            self._tables[place] = position, changes.run if run is changes.run else None

    def lose(self) -> None:
        """Commits may have been missed: whatever runs now is out of date."""
        self.position += 1
        self._forget()

    def _forget(self) -> None:
        self._clear()
        for run in self._open:
            run.position = _LOST

    def _clear(self) -> None:
        self._commits.clear()
        self._tables.clear()
        self._bytes = 0

    def open(self, run: Run) -> None:
        """Take the position, before anything is read."""
        run.position = self.position
        self._open.add(run)

    def close(self, run: Run, reads: Iterable[ReadPredicate]) -> bool:
        """End a run.

        Args:
            run: that was opened; safe to call twice.
            reads: what it read.

        Returns:
            Whether that is out of date: it was written since, by another than the run itself, or
            nobody knows, since the run was closed before.
        """
        if run not in self._open:
            return True
        self._open.remove(run)
        is_late = run.position == _LOST or self._was_written(run, reads)
        if not self._open:
            self._clear()
            return is_late
        oldest = min(other.position for other in self._open)
        while self._commits and self._commits[0][0] <= oldest:
            self._bytes -= self._commits.popleft()[2]
        return is_late

    def close_all(self) -> list[Run]:
        """End all runs that are open; return them."""
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
        for position, changes, _ in reversed(self._commits):
            if position <= run.position:
                return False
            if changes.run is not run and matcher.touched(changes):
                return True
        return False
