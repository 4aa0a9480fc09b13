"""Jobs that wait for a thread: in turn among their sources, each within its share of the threads.

Owns the order. Not thread-safe: the lane calls it with its lock held.
"""

from collections import deque

from wsrequest.http.jobs import Job, Source
from wsrequest.http.shares import Shares

__all__ = ["Waiting"]


class Waiting:
    """The jobs of one lane that no thread has begun.

    Args:
        max_threads: how many threads there may be, for the shares.

    True while there is a source whose turn has come.
    """

    def __init__(self, max_threads: int) -> None:
        self._ready: deque[Source] = deque()
        self.shares = Shares(max_threads)

    def __bool__(self) -> bool:
        return bool(self._ready)

    def add(self, job: Job, source: Source) -> None:
        """Put a job behind the others of its source."""
        source.jobs.append(job)
        if not source.is_queued:
            source.is_queued = True
            self._ready.append(source)

    def withdraw(self, job: Job, source: Source) -> bool:
        """Take a job back. False when it was taken."""
        try:
            source.jobs.remove(job)
        except ValueError:
            return False
        return True

    def take(self, parked: int) -> tuple[Job, Source] | None:
        """Take the next job; None when there is none, or none whose source may have a thread more.

        Args:
            parked: how many threads wait. ``give_back`` must follow.
        """
        while self._ready:
            source = self._ready.popleft()
            if parked and not self.shares.has_room(source, parked):
                self.shares.hold(source, parked)
                continue
            job = source.jobs.pop(0) if source.jobs else None  # they can be withdrawn
            if source.jobs:
                self._ready.append(source)
            else:
                source.is_queued = False
            if job is not None:
                source.taken += 1
                source.group.taken += 1
                return job, source
        return None

    def give_back(self, source: Source, parked: int) -> bool:
        """A job of a source has ended; as ``release``."""
        source.taken -= 1
        source.group.taken -= 1
        return self.release(parked)

    def release(self, parked: int) -> bool:
        """Let those go on for whom there is room by now. Whether there were any."""
        if not self.shares.held:
            return False
        released = self.shares.release(parked)
        self._ready.extend(released)
        return bool(released)
