"""Decide how many threads are useful, from how the process spent its time.

The pool acts on the decision: it wakes threads and lets them rest.
"""

from time import perf_counter, process_time

__all__ = ["LOOK_SECONDS", "PoolScaler"]

# Threads share one interpreter. One more helps while the running ones wait for something, and
# otherwise only costs. So a thread is added if the process left this share of its time unused, or
# if no job started for this long. That is the interval after which Python makes a busy thread let
# others run (sys.setswitchinterval).
_UNUSED_SHARE = 0.3
_PATIENCE_SECONDS = 0.005
# Several threads that together use no more than one processor only take turns: let one rest.
_ONE_PROCESSOR = 1.1
# The interval doubles while jobs start all the time and the process is busy. A thread that is
# interrupted for a look, and for the results that are collected with it, returns to cold caches.
# A result may wait for as long as the interval.
LOOK_SECONDS, _LONGEST_SECONDS = 0.001, 0.010


class PoolScaler:
    """Measures the process from time to time, while jobs are queued.

    Attributes:
        seconds: the time until the next look.
    """

    def __init__(self) -> None:
        self.seconds = LOOK_SECONDS
        self._then = (0.0, 0.0)  # clock time and processor time of the process at the last look

    def begin(self) -> None:
        """Start measuring: jobs are queued now, and none were before."""
        self.seconds = LOOK_SECONDS
        self._then = perf_counter(), process_time()

    def look(self, begun: float, working: int) -> int:
        """Evaluate the time since the last look.

        Args:
            begun: when a job last started.
            working: the number of threads that run a job and are not blocked.

        Returns:
            1 if one more thread would help, -1 if there is one too many, and otherwise 0.
        """
        (then, used_then), now, used = self._then, perf_counter(), process_time()
        self._then = now, used
        passed, spent = now - then, used - used_then
        if spent < (1 - _UNUSED_SHARE) * passed or now - begun > _PATIENCE_SECONDS:
            self.seconds = LOOK_SECONDS
            return 1
        self.seconds = min(2 * self.seconds, _LONGEST_SECONDS)
        return -1 if working > 1 and spent < _ONE_PROCESSOR * passed else 0
