"""Runs live queries again although no commit is known that concerns them.

Their snapshots are old, or were read from a replica. Or commits may have been lost. Or the process
is cut off: it cannot know what other processes commit.

In the last two cases all live queries run again, in a pass. Passes are spread over some time, so
that many processes do not query one database in the same moment. They are also limited, so that
losses without end do not make views run without end.
"""

import asyncio
import logging
import random
from collections.abc import Hashable, Mapping

from wsrequest.live.commit_log import CommitLog
from wsrequest.live.feedback import FeedbackGuard
from wsrequest.live.query import LiveQuery, Run
from wsrequest.live.scheduler import RerunScheduler
from wsrequest.live.waits import Wait

__all__ = ["Rechecks"]

logger = logging.getLogger("wsrequest.live")

_MAX_REPLICA_RETRIES = 3  # 1, 2 and 4 times ``replica_seconds`` after each other

_SPREAD_SECONDS = 1.5  # of a quick pass
_SLOW_SECONDS = 5.0  # over which a slow pass is spread, and the shortest rest after it
_LOOK_SECONDS = 0.5  # between two looks whether a pass is over


class Rechecks:
    """The passes, and the ages of snapshots. Used on the event loop only.

    A pass after a loss is quick: its runs have the same turns as those after a commit. After it
    comes a rest, as long as its runs kept the scheduler busy. While the process is cut off, passes
    are slow: their runs have the turns of old snapshots, and the rest is as long as the pass.

    Args:
        loop: the event loop.
        scheduler: decides when the runs start.
        log: has the position of the last loss.
        feedback: a lost commit may be one that no rerun made.
        queries: all live queries.
        max_runs: how many reruns may be under way.
        replica_seconds: when a replica should have caught up.
        recheck_seconds: the maximum age of a snapshot. 0 for any age.

    Attributes:
        lost_count: how many times commits may have been lost.
        pass_count: how many passes have begun.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        scheduler: RerunScheduler,
        log: CommitLog,
        feedback: FeedbackGuard,
        queries: Mapping[Hashable, LiveQuery],
        *,
        max_runs: int,
        replica_seconds: float,
        recheck_seconds: float,
    ) -> None:
        self._loop, self._scheduler = loop, scheduler
        self._log, self._feedback, self._queries = log, feedback, queries
        self._replica_seconds, self._recheck_seconds = replica_seconds, recheck_seconds
        self.lost_count = self.pass_count = 0
        self._is_connected = True
        self._is_lost = False  # and no pass has begun since
        self._max_runs = max_runs
        # The current pass, or the last one.
        self._wait: Wait | None = None  # for its end
        self._is_quick = False
        self._began = self._ended_at = 0.0
        self._busy_seconds = 0.0  # of all its runs
        self._next_quick_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    @property
    def is_calm(self) -> bool:
        """Whether commits arrive, and no pass is needed or under way."""
        return self._is_connected and not self._is_lost and self._wait is None

    # The age of snapshots.

    def ran(self, query: LiveQuery, run: Run, expires_seconds: float | None) -> None:
        """Schedule the next run for the age of the snapshot that a run gave.

        Args:
            query: the live query.
            run: the run.
            expires_seconds: when the view must run again whatever is written, or None.
        """
        if self._wait is not None:
            self._busy_seconds += self._loop.time() - run.began
        expire_in = self._scheduler.expire_in
        if self._recheck_seconds:
            # A run that began long ago may have missed what a process without a bus has written.
            age = self._loop.time() - run.began
            expire_in(query, max(0.0, self._recheck_seconds - age))
        if expires_seconds is not None:
            expire_in(query, expires_seconds)
        if run.lags and query.replica_retries < _MAX_REPLICA_RETRIES:
            expire_in(query, self._replica_seconds * 2**query.replica_retries, is_awaited=True)
            query.replica_retries += 1

    def missed(self, query: LiveQuery) -> None:
        """Have a query run soon: commits were lost during the first run of a subscriber."""
        self._scheduler.expire_in(query, _SPREAD_SECONDS * random.random(), is_awaited=True)

    # Losses, and a process that is cut off.

    def lost(self) -> None:
        """Take the notice that commits may have been lost: anything may have changed."""
        self.lost_count += 1
        self._log.lose()
        self._is_lost = bool(self._queries)
        if self._is_connected:
            self._look()

    def connected(self, is_connected: bool) -> None:
        """Take the notice whether commits of other processes arrive."""
        self._is_connected = is_connected
        self._look()

    def stop(self) -> None:
        """End the current pass, and begin no other. Safe to call twice."""
        self._is_connected, self._is_lost = True, False
        self._stop_timer()
        if self._wait is not None:
            self._wait.cancel()
            self._wait = None

    def _look(self) -> None:
        """Begin a pass if one is needed and may begin now, or set the timer for it."""
        self._stop_timer()
        if self._is_connected and not self._is_lost:
            return
        now = self._loop.time()
        due = self._due(now)
        if due <= now:
            self._begin(now, is_quick=self._is_connected)
            if self._is_connected:
                return
            due = self._due(now)
        self._stop_timer()  # the pass may be over already, if there are no live queries
        self._timer = self._loop.call_at(due, self._look)

    def _due(self, now: float) -> float:
        """Return when the next pass may begin, or when to look again."""
        if self._is_connected and not self._is_quick:
            return self._next_quick_at  # it does not wait for a slow pass
        if self._wait is not None:
            spread_until = self._began + (_SPREAD_SECONDS if self._is_quick else _SLOW_SECONDS)
            if now < spread_until:
                return spread_until
            if self._scheduler.is_waiting:
                return now + _LOOK_SECONDS
            self._end()  # views that hang need not be waited for
        if self._is_connected:
            return self._next_quick_at
        return self._ended_at + max(self._ended_at - self._began, _SLOW_SECONDS)

    def _begin(self, now: float, *, is_quick: bool) -> None:
        is_lost, self._is_lost = self._is_lost, False
        if self._wait is not None:
            self._end()
        self._is_quick, self._began, self._busy_seconds = is_quick, now, 0.0
        self.pass_count += 1
        if is_lost:
            # The commit that ends the pauses of reruns that trigger each other may be lost.
            self._feedback.count_commit()
            logger.warning(
                "commits may have been missed: all %s live views run again", len(self._queries)
            )
        position = self._log.mark()
        seconds = _SPREAD_SECONDS if is_quick else _SLOW_SECONDS
        for query in self._queries.values():
            if is_lost:
                query.note_commit(None)
                query.is_dirty = True
                if is_quick and query.failures:
                    query.forgive()  # it may have failed for the reason of the loss
            self._scheduler.expire_in(query, seconds * random.random(), is_awaited=is_quick)
        self._wait = Wait(self._all_ran, accepts_failure=True)
        subscribers = [next(iter(query.subscribers)) for query in self._queries.values()]
        self._wait.begin(subscribers, position, position)

    def _all_ran(self) -> None:
        self._end()
        self._look()

    def _end(self) -> None:
        """End the current pass: each of its queries has run, or nothing else can be waited for."""
        if self._wait is not None:
            self._wait.cancel()
            self._wait = None
        self._ended_at = self._loop.time()
        if self._is_quick:
            spread_until = max(self._ended_at, self._began + _SPREAD_SECONDS)
            self._next_quick_at = spread_until + self._busy_seconds / self._max_runs

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
