"""Which groups run their view, and when.

Owns the cap on runs, so that live work never starves requests, and the timers of each group: its
pace, and the age of its result. What a run gives is the registry's.
"""

import asyncio
from collections import deque
from collections.abc import Callable

from wsrequest.live.groups import Group

__all__ = ["Turns"]


class Turns:
    """The queue of groups that are to run. Used on the event loop only.

    Args:
        loop: the event loop.
        max_runs: how many run at the same time.
        start: called for each group whose turn it is; ``ended`` follows.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, max_runs: int, start: Callable[[Group], None]
    ) -> None:
        self._loop, self._max_runs, self._start = loop, max_runs, start
        self._ready: deque[Group] = deque()
        self._running = 0

    def queue(self, group: Group) -> None:
        """Have a group run, as soon as its pace and the others allow."""
        group.is_dirty = True
        if group.run is not None or group.hung is not None or group.is_queued:
            return  # looked at again when that is over
        if group.timer is not None:
            return
        due = max(group.not_before, group.quiet_until)
        if due > self._loop.time():
            group.timer = self._loop.call_at(due, self._is_due, group)
        else:
            group.is_queued = True
            self._ready.append(group)
            self._fill()

    def hurry(self, group: Group) -> None:
        """Do not wait until a failure is to be tried again."""
        group.forgive()
        if group.is_dirty:
            self.queue(group)

    def ended(self) -> None:
        """A run has ended: it is another's turn."""
        self._running -= 1
        self._fill()

    def expire_in(self, group: Group, seconds: float) -> None:
        """Have a group run in ``seconds``, unless it is to run earlier."""
        due = self._loop.time() + seconds
        if group.expiry is not None:
            if group.expiry.when() <= due:
                return
            group.expiry.cancel()
        group.expiry = self._loop.call_at(due, self._is_old, group)

    def _is_due(self, group: Group) -> None:
        group.timer = None
        self.queue(group)

    def _is_old(self, group: Group) -> None:
        group.expiry = None
        self.queue(group)

    def _fill(self) -> None:
        while self._ready and self._running < self._max_runs:
            group = self._ready.popleft()
            group.is_queued = False
            if group.subscribers and group.is_dirty:
                group.is_dirty = False
                if group.expiry is not None:
                    group.expiry.cancel()
                    group.expiry = None
                self._running += 1
                self._start(group)
