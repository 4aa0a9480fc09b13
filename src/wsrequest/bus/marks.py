"""What waits until a log has passed a certain point.

A process writes a mark into the log, and waits until it arrives. Everything that was committed
before has arrived by then.
"""

from collections.abc import Callable
from threading import Lock

__all__ = ["Marks"]


class Marks:
    """The marks of one process that have not arrived. From any thread."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._number = 0
        self._waiting: list[tuple[int, float, Callable[[bool], None]]] = []

    def wait(self, then: Callable[[bool], None], send: Callable[[int], None], now: float) -> None:
        """Write a mark, and wait for it.

        Args:
            then: called with whether it has arrived. It must be quick and raise nothing.
            send: writes the mark. Called before this returns.
            now: monotonic time.
        """
        with self._lock:
            self._number += 1
            self._waiting.append((self._number, now, then))
            send(self._number)

    def arrived(self, mark: int) -> None:
        """End what waits for this mark or an earlier one."""
        self._end(lambda number: number <= mark, True)

    def end(self, *, has_arrived: bool) -> None:
        """End everything that waits.

        Args:
            has_arrived: whether that is as if all marks had arrived.
        """
        self._end(lambda number: True, has_arrived)

    def seconds(self, now: float) -> float:
        """Return how long the oldest one has waited. 0 if nothing waits."""
        with self._lock:
            return now - self._waiting[0][1] if self._waiting else 0.0

    def _end(self, is_due: Callable[[int], bool], has_arrived: bool) -> None:
        with self._lock:
            due = [then for number, _, then in self._waiting if is_due(number)]
            self._waiting = self._waiting[len(due) :]  # marks rise
        for then in due:
            then(has_arrived)
