"""How many threads are of use while jobs wait, told from what the process has done with its time.

Owns the judgement. Who is called up, and who rests, is the lane's.
"""

from time import perf_counter, process_time

__all__ = ["LOOK_SECONDS", "PoolScaler"]

# Threads share one interpreter. One more helps while those at work wait for something, and costs
# where they do not: so it is called up when the process left this share of its time unused, or when
# no job was begun for so long. That is the interval at which Python makes a busy thread let others
# go on (sys.setswitchinterval).
_UNUSED_SHARE = 0.3
_PATIENCE_SECONDS = 0.005
# Several that use no more than one processor together only take turns: one of them is let off.
_ONE_PROCESSOR = 1.1
# The interval is doubled while jobs are begun all the time and the process is busy: a thread that
# is interrupted for a look, and for the results that are taken with it, comes back to cold caches.
# So long a result may wait there.
LOOK_SECONDS, _LONGEST_SECONDS = 0.001, 0.010


class PoolScaler:
    """Looks at the process from time to time, while jobs wait.

    Attributes:
        seconds: from one look to the next.
    """

    def __init__(self) -> None:
        self.seconds = LOOK_SECONDS
        self._then = (0.0, 0.0)  # time, and processor time of the process, at the last look

    def begin(self) -> None:
        """Jobs wait, and did not before."""
        self.seconds = LOOK_SECONDS
        self._then = perf_counter(), process_time()

    def look(self, begun: float, working: int) -> int:
        """Judge what has been done since the last look.

        Args:
            begun: when a job was last begun.
            working: how many threads have one, without those that are known to wait.

        Returns:
            1 when one more would be of use, -1 when one is too many, else 0.
        """
        (then, used_then), now, used = self._then, perf_counter(), process_time()
        self._then = now, used
        passed, spent = now - then, used - used_then
        if spent < (1 - _UNUSED_SHARE) * passed or now - begun > _PATIENCE_SECONDS:
            self.seconds = LOOK_SECONDS
            return 1
        self.seconds = min(2 * self.seconds, _LONGEST_SECONDS)
        return -1 if working > 1 and spent < _ONE_PROCESSOR * passed else 0
