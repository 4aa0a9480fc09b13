"""What was committed while views ran, for the look back at the end of each run.

Owns positions: how many commits were heard of when a run began. A run is out of date when one
behind its position wrote what it read. When that is not known any longer, it is out of date.
"""

from collections import deque
from collections.abc import Iterable

from wsrequest.live.groups import Run
from wsrequest.live.matching import touches
from wsrequest.types import Changes, Read

__all__ = ["Log"]

_MOST_COMMITS = 10_000  # while one view ran
_LOST = -1  # the position of a run that cannot know what it missed


class Log:
    """Commits that were heard of while some run was open. ``len`` counts them.

    Attributes:
        position: how many commits were heard of.
    """

    def __init__(self) -> None:
        self.position = 0
        self._open: set[Run] = set()
        self._commits: deque[tuple[int, Changes]] = deque()  # the oldest first

    def __len__(self) -> int:
        return len(self._commits)

    @property
    def is_needed(self) -> bool:
        """Whether some run is open."""
        return bool(self._open)

    def add(self, changes: Changes) -> None:
        """A transaction was committed."""
        self.position += 1
        if self._open:
            self._commits.append((self.position, changes))
            if len(self._commits) > _MOST_COMMITS:
                self._forget()

    def lose(self) -> None:
        """Commits may have been missed: whatever runs now is out of date."""
        self.position += 1
        self._forget()

    def _forget(self) -> None:
        self._commits.clear()
        for run in self._open:
            run.position = _LOST

    def open(self, run: Run) -> None:
        """Take the position, before anything is read."""
        run.position = self.position
        self._open.add(run)

    def close(self, run: Run, reads: Iterable[Read]) -> bool:
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
        is_late = run.position == _LOST or self._was_written(run, frozenset(reads))
        oldest = min((other.position for other in self._open), default=self.position)
        while self._commits and self._commits[0][0] <= oldest:
            self._commits.popleft()
        return is_late

    def close_all(self) -> list[Run]:
        """End all runs that are open; return them."""
        runs = list(self._open)
        self._open.clear()
        self._commits.clear()
        return runs

    def _was_written(self, run: Run, reads: frozenset[Read]) -> bool:
        for position, changes in reversed(self._commits):
            if position <= run.position:
                return False
            if changes.run is not run and touches(reads, changes):
                return True
        return False
