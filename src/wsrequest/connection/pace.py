"""How fast the frames of one connection are taken.

Owns when reading pauses: so that others have their turn, and when a client is faster than it may
be. What is not read waits with the server and then with the client, so nothing is lost.
"""

__all__ = ["Pace"]

TURN_FRAMES = 64  # a server can hand over thousands that came in one piece, without a pause between
BURST_SECONDS = 1.0  # what was not used up may be used later, for so long


class Pace:
    """A token bucket that is looked at once for many frames.

    Args:
        per_second: how many frames may be taken in a second, on the average.
    """

    __slots__ = ("_due", "_left", "_per_second", "_turn")

    def __init__(self, per_second: int) -> None:
        self._per_second = per_second
        self._turn = self._left = max(1, min(TURN_FRAMES, per_second // 8))
        self._due = 0.0  # loop time by which the frames taken so far would be taken at that speed

    def is_turn_over(self) -> bool:
        """Count a frame; whether others should have their turn now."""
        self._left -= 1
        return self._left <= 0

    def next_turn(self, now: float) -> float:
        """Begin another turn; return the seconds to wait before, 0 for only letting others in.

        Args:
            now: loop time.
        """
        self._left = self._turn
        self._due = max(self._due, now - BURST_SECONDS) + self._turn / self._per_second
        return max(0.0, self._due - now)
