"""Which groups run their view, and when.

Owns the cap on runs, so that live work never starves requests, the turns of those who wait for
one, and the timers of each group: its pace, and the age of its result. What a run gives is the
registry's.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable

from wsrequest.live.groups import Group
from wsrequest.live.queues import FairQueue, Turn

__all__ = ["Turns"]

# While others wait, so many of their runs begin for each one that is made for age alone.
_AHEAD = 3


class Turns:
    """The groups that are to run. Used on the event loop only.

    Those that somebody waits for, after a commit above all, come first. Those whose result is
    merely old have a quarter of the turns while others wait, and what is idle.

    Args:
        loop: the event loop.
        max_runs: how many run at the same time. One address may have all but one of them, and so
            may those that are merely old: a run of another then begins at once.
        start: called for each group whose turn it is; ``ended`` follows.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, max_runs: int, start: Callable[[Group], None]
    ) -> None:
        self._loop, self._max_runs, self._start = loop, max_runs, start
        self._most = max(1, max_runs - 1)  # of one kind, or of one address
        self._awaited: FairQueue[Group] = FairQueue()
        self._old: FairQueue[Group] = FairQueue()
        self._running: dict[Group, tuple[Turn, bool]] = {}  # in whose turn, and whether for age
        self._by_address: Counter[Hashable] = Counter()  # of those
        self._ahead = 0  # how many began since the last for age, while one of those waited

    def queue(self, group: Group, *, is_old: bool = False) -> None:
        """Have a group run, as soon as its pace and the others allow.

        Args:
            group: whose result may be out of date.
            is_old: it is merely old; nobody knows that anything has changed.
        """
        group.is_dirty = True
        group.is_awaited |= not is_old
        if group.run is not None or group.hung is not None or group.timer is not None:
            return  # looked at again when that is over
        due = max(group.not_before, group.quiet_until)
        if due > self._loop.time():
            group.timer = self._loop.call_at(due, self._is_due, group)
            return
        if group.is_awaited:
            self._old.discard(group)
            self._add(self._awaited, group)
        else:
            self._add(self._old, group)
        self._fill()

    def leave(self, group: Group) -> None:
        """Nobody is left of a group. Safe to call twice."""
        self._awaited.discard(group)
        self._old.discard(group)

    def hurry(self, group: Group) -> None:
        """Do not wait until a failure is to be tried again."""
        group.forgive()
        if group.is_dirty:
            self.queue(group)

    def ended(self, group: Group) -> None:
        """The run of a group has ended: it is another's turn."""
        turn, _ = self._running.pop(group)
        self._by_address[turn.address] -= 1
        if not self._by_address[turn.address]:
            del self._by_address[turn.address]
        self._fill()

    def expire_in(self, group: Group, seconds: float, *, is_awaited: bool = False) -> None:
        """Have a group run in ``seconds``, unless it is to run earlier.

        Args:
            group: whose result is too old by then.
            seconds: from now on.
            is_awaited: it is known that something has changed.
        """
        due = self._loop.time() + seconds
        if group.expiry is not None:
            if group.expiry.when() <= due:
                return
            group.expiry.cancel()
        group.expiry = self._loop.call_at(due, self._is_old, group, is_awaited)

    def _is_due(self, group: Group) -> None:
        group.timer = None
        self.queue(group, is_old=True)  # or awaited, as was noted when the timer was set

    def _is_old(self, group: Group, is_awaited: bool) -> None:
        group.expiry = None
        self.queue(group, is_old=not is_awaited)

    def _add(self, queue: FairQueue[Group], group: Group) -> None:
        """Let a group wait in the turn of one of its subscribers: of one who has no other waiting.

        Who shares a page with somebody greedy has it in a turn of his own.
        """
        if group in queue:
            return
        first: Turn | None = None
        for subscriber in group.subscribers:
            turn = subscriber.turn
            first = first or turn
            if not queue.has(turn.address) and turn.address not in self._by_address:
                first = turn
                break
        if first is not None:
            queue.add(group, first)

    def _fill(self) -> None:
        while len(self._running) < self._max_runs and (taken := self._take()) is not None:
            group, turn, is_old = taken
            group.is_dirty = group.is_awaited = False
            if group.expiry is not None:
                group.expiry.cancel()
                group.expiry = None
            self._running[group] = turn, is_old
            self._by_address[turn.address] += 1
            self._start(group)

    def _take(self) -> tuple[Group, Turn, bool] | None:
        """The next group, its turn, and whether it is to run for its age alone."""
        for is_old in (True, False) if self._ahead >= _AHEAD else (False, True):
            if is_old and sum(old for _, old in self._running.values()) >= self._most:
                continue
            taken = (self._old if is_old else self._awaited).pop(self._may_run)
            if taken is not None:
                self._ahead = 0 if is_old else self._ahead + bool(self._old)
                return *taken, is_old
        return None

    def _may_run(self, address: Hashable) -> bool:
        return self._by_address[address] < self._most
