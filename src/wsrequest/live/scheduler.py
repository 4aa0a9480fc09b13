"""Which groups run their view, and when.

Owns the cap on runs, so that live work never starves requests, the turns of those who wait for
one, and the timers of each group: its pace, and the age of its result. What a run gives is the
registry's.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable

from wsrequest.live.query import LiveQuery
from wsrequest.live.queues import FairTurns, Turn

__all__ = ["RerunScheduler"]

# While others wait, so many of their runs begin for each one that is made for age alone.
_AHEAD = 3


class RerunScheduler:
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
        self, loop: asyncio.AbstractEventLoop, max_runs: int, start: Callable[[LiveQuery], None]
    ) -> None:
        self._loop, self._max_runs, self._start = loop, max_runs, start
        self._most = max(1, max_runs - 1)  # of one kind, or of one address
        self._awaited: FairTurns[LiveQuery] = FairTurns()
        self._old: FairTurns[LiveQuery] = FairTurns()
        self._running: dict[LiveQuery, tuple[Turn, bool]] = {}  # in whose turn, and whether for age
        self._by_address: Counter[Hashable] = Counter()  # of those
        self._ahead = 0  # how many began since the last for age, while one of those waited

    def queue(self, query: LiveQuery, *, is_old: bool = False) -> None:
        """Have a group run, as soon as its pace and the others allow.

        Args:
            query: whose result may be out of date.
            is_old: it is merely old; nobody knows that anything has changed.
        """
        query.is_dirty = True
        query.is_awaited |= not is_old
        if query.run is not None or query.stuck is not None or query.timer is not None:
            return  # looked at again when that is over
        due = max(query.not_before, query.quiet_until)
        if due > self._loop.time():
            query.timer = self._loop.call_at(due, self._is_due, query)
            return
        if query.is_awaited:
            self._old.discard(query)
            self._add(self._awaited, query)
        else:
            self._add(self._old, query)
        self._fill()

    def leave(self, query: LiveQuery) -> None:
        """Nobody is left of a group. Safe to call twice."""
        self._awaited.discard(query)
        self._old.discard(query)

    def hurry(self, query: LiveQuery) -> None:
        """Do not wait until a failure is to be tried again."""
        query.forgive()
        if query.is_dirty:
            self.queue(query)

    def ended(self, query: LiveQuery) -> None:
        """The run of a group has ended: it is another's turn."""
        turn, _ = self._running.pop(query)
        self._by_address[turn.address] -= 1
        if not self._by_address[turn.address]:
            del self._by_address[turn.address]
        self._fill()

    def expire_in(self, query: LiveQuery, seconds: float, *, is_awaited: bool = False) -> None:
        """Have a group run in ``seconds``, unless it is to run earlier.

        Args:
            query: whose result is too old by then.
            seconds: from now on.
            is_awaited: it is known that something has changed.
        """
        due = self._loop.time() + seconds
        if query.expiry is not None:
            if query.expiry.when() <= due:
                return
            query.expiry.cancel()
        query.expiry = self._loop.call_at(due, self._is_old, query, is_awaited)

    def _is_due(self, query: LiveQuery) -> None:
        query.timer = None
        self.queue(query, is_old=True)  # or awaited, as was noted when the timer was set

    def _is_old(self, query: LiveQuery, is_awaited: bool) -> None:
        query.expiry = None
        self.queue(query, is_old=not is_awaited)

    def _add(self, queue: FairTurns[LiveQuery], query: LiveQuery) -> None:
        """Let a group wait in the turn of one of its subscribers: of one who has no other waiting.

        Who shares a page with somebody greedy has it in a turn of his own.
        """
        if query in queue:
            return
        first: Turn | None = None
        for subscriber in query.subscribers:
            turn = subscriber.turn
            first = first or turn
            if not queue.has(turn.address) and turn.address not in self._by_address:
                first = turn
                break
        if first is not None:
            queue.add(query, first)

    def _fill(self) -> None:
        while len(self._running) < self._max_runs and (taken := self._take()) is not None:
            query, turn, is_old = taken
            query.is_dirty = query.is_awaited = False
            if query.expiry is not None:
                query.expiry.cancel()
                query.expiry = None
            self._running[query] = turn, is_old
            self._by_address[turn.address] += 1
            self._start(query)

    def _take(self) -> tuple[LiveQuery, Turn, bool] | None:
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
