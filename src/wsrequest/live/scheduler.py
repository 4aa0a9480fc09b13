"""Decides which live query runs next, and when.

It limits concurrent reruns, so that live work never starves requests. It also manages the turns of
waiting queries and the timers of each query: for its pace, and for the age of its snapshot.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Hashable

from wsrequest.live.query import LiveQuery
from wsrequest.live.round_robin import RoundRobin, Turn

__all__ = ["RerunScheduler"]

# While both kinds wait, how many awaited reruns start for each rechecked one.
_AHEAD = 3


class RerunScheduler:
    """The queries that must run. Used on the event loop only.

    Queries that somebody waits for, above all after a commit, come first. Queries whose snapshot is
    merely old get a quarter of the turns while others wait, and all idle capacity.

    Args:
        loop: the event loop.
        max_runs: how many reruns may be under way. One address may have all but one of them, and so
            may merely old queries. The rerun of another then starts at once.
        start: called for each query when it is its turn. A call of ``ended`` follows.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, max_runs: int, start: Callable[[LiveQuery], None]
    ) -> None:
        self._loop, self._max_runs, self._start = loop, max_runs, start
        self._most = max(1, max_runs - 1)  # of one kind, or of one address
        self._awaited: RoundRobin[LiveQuery] = RoundRobin()
        self._old: RoundRobin[LiveQuery] = RoundRobin()
        # each with its turn, and whether it runs for its age
        self._running: dict[LiveQuery, tuple[Turn, bool]] = {}
        self._by_address: Counter[Hashable] = Counter()  # how many are running
        # how many awaited ones started since the last old one, while an old one waited
        self._ahead = 0

    @property
    def is_waiting(self) -> bool:
        """Whether a query waits for its turn."""
        return bool(self._awaited) or bool(self._old)

    @property
    def waiting_count(self) -> int:
        """How many queries wait for their turn. From any thread."""
        return len(self._awaited) + len(self._old)

    def queue(self, query: LiveQuery, *, is_old: bool = False) -> None:
        """Have a query run as soon as its pace and the others allow.

        Args:
            query: its snapshot may be out of date.
            is_old: it is merely old. Nothing is known to have changed.
        """
        query.is_dirty = True
        query.is_awaited |= not is_old
        if query.run is not None or query.stuck is not None or query.timer is not None:
            return  # checked again when that is over
        due = max(query.not_before, query.paused_until)
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
        """Remove a query without subscribers. Safe to call twice."""
        self._awaited.discard(query)
        self._old.discard(query)

    def hurry(self, query: LiveQuery) -> None:
        """Stop waiting for the retry after a failure."""
        query.forgive()
        if query.is_dirty:
            self.queue(query)

    def ended(self, query: LiveQuery) -> None:
        """Record the end of a query's run, and start the next one."""
        turn, _ = self._running.pop(query)
        self._by_address[turn.address] -= 1
        if not self._by_address[turn.address]:
            del self._by_address[turn.address]
        self._fill()

    def expire_in(self, query: LiveQuery, seconds: float, *, is_awaited: bool = False) -> None:
        """Have a query run in ``seconds``, unless it runs earlier.

        Args:
            query: its snapshot is too old by then.
            seconds: from now.
            is_awaited: something is known to have changed.
        """
        due = self._loop.time() + seconds
        if query.expiry is not None:
            if query.expiry.when() <= due:
                return
            query.expiry.cancel()
        query.expiry = self._loop.call_at(due, self._is_old, query, is_awaited)

    def _is_due(self, query: LiveQuery) -> None:
        query.timer = None
        # is_awaited, which was set with the timer, overrides this
        self.queue(query, is_old=True)

    def _is_old(self, query: LiveQuery, is_awaited: bool) -> None:
        query.expiry = None
        self.queue(query, is_old=not is_awaited)

    def _add(self, queue: RoundRobin[LiveQuery], query: LiveQuery) -> None:
        """Let a query wait in the turn of a subscriber, if possible one with nothing else waiting.

        A subscriber who shares a page with a greedy client thus gets it in a turn of its own.
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
        """Return the next query, its turn, and whether it runs for its age only."""
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
