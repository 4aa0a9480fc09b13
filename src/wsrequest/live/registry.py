"""The live requests of one process: who hears of a commit, and what is run again for it.

Owns the order that makes them never stale (live-lessons L1): take the position, run, register
what was read, check what was committed since. Runs themselves are the subscribers'.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Hashable, Iterable

from wsrequest.live.groups import MOST_ECHOES, Group, Run, Subscriber
from wsrequest.live.matching import Index, touches
from wsrequest.live.results import Result
from wsrequest.types import Changes, Read

__all__ = ["Registry"]

logger = logging.getLogger("wsrequest.live")

_MOST_LOG = 10_000  # commits while one view ran
_SLICE = 100  # subscribers that are shown a result before the loop has a turn for others
_FAILED, _LATE = Result(500, {}, b""), Result(504, {}, b"")


class Registry:
    """Groups of subscribers, by what their last run read. Used on one event loop.

    Args:
        loop: the event loop.
        max_runs: how many views run again at the same time; live work never starves requests.
        least_seconds: between the begins of two runs of one group.
        run_seconds: how long a run may take.
        quiet_tables: those in which views write that only run again, of sessions that is: what
            such a run writes there wakes nobody else.
        activate: told when the first begins to read and when the last has left, so that nobody
            writes for nothing.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        max_runs: int,
        least_seconds: float,
        run_seconds: float,
        quiet_tables: frozenset[str] = frozenset(),
        activate: Callable[[bool], None] = lambda is_active: None,
    ) -> None:
        self._loop = loop
        self._max_runs, self._least_seconds = max_runs, least_seconds
        self._run_seconds, self._activate = run_seconds, activate
        self._quiet_tables = quiet_tables
        self._index: Index[Group] = Index()
        self._groups: dict[Hashable, Group] = {}
        self._ready: deque[Group] = deque()
        self._is_active = False
        self._running = 0
        self._position = 0  # how many commits were heard of
        self._version = 0
        self._open_runs: set[Run] = set()
        # Commits that were heard of while some run was open, the oldest first.
        self._log: deque[tuple[int, Changes]] = deque()

    def __len__(self) -> int:
        """How many groups there are."""
        return len(self._groups)

    # Changes.

    def receive(self, changes: Changes) -> None:
        """A transaction was committed. Called in the order in which they were published."""
        if _is_rerun(changes.run):
            told = tuple(c for c in changes.changes if c.table not in self._quiet_tables)
            changes = Changes(told, changes.run)
        self._position += 1
        if self._open_runs:
            self._log.append((self._position, changes))
            if len(self._log) > _MOST_LOG:
                self._forget_log()
        for group in self._index.touched(changes):
            self._touch(group, changes.run)

    def lost(self) -> None:
        """Commits may have been missed: everything may have changed."""
        self._position += 1
        self._forget_log()
        for group in list(self._groups.values()):
            self._touch(group, None)

    def _forget_log(self) -> None:
        """Whatever runs now is to run once more: what it missed is not known any longer."""
        self._log.clear()
        for run in self._open_runs:
            run.position = -1

    def _touch(self, group: Group, writer: object) -> None:
        if isinstance(writer, Run) and writer.group is group:
            return  # a view that writes what it reads would run for ever
        group.echoes = group.echoes + 1 if _is_rerun(writer) else 0
        if group.echoes == MOST_ECHOES + 1:
            logger.warning("live views run each other without end, and are slowed down")
        group.is_dirty = True
        self._queue(group)

    # Runs.

    def begin(self, group: Group | None = None) -> Run:
        """Take the position before a view runs. ``join``, ``finished`` or ``abandon`` follows."""
        if not self._is_active:
            self._is_active = True
            self._activate(True)
        run = Run(self._position, self._loop.time(), group)
        self._open_runs.add(run)
        return run

    def abandon(self, run: Run) -> None:
        """A first run has ended without a subscriber. Safe to call twice."""
        self._close(run, ())

    def join(
        self, subscriber: Subscriber, run: Run, result: Result, reads: Iterable[Read],
        *, expires_seconds: float | None = None, is_dirty: bool = False,
    ) -> None:  # fmt: skip
        """Take a subscriber in whose first run has ended, and show it the result.

        Args:
            subscriber: new, or one that has left.
            run: its first run.
            result: what that gave.
            reads: what that read.
            expires_seconds: from now on, when the view is to run again whatever is written.
            is_dirty: the result is out of date already, for a reason that the caller knows.
        """
        reads = frozenset(reads)
        is_dirty |= self._close(run, reads)
        key = _key(subscriber, result)
        group = self._groups.get(key)
        self._version += 1
        if group is None:
            group = self._groups[key] = Group(key)
            group.latest, group.version = result, self._version
        elif group.latest is None or group.latest.digest != result.digest:
            is_dirty = True  # one of the two is older; both are shown what a run gives now
        run.group = group
        group.reads = group.unite(reads)
        self._index.replace(group, group.reads)
        self._enter(group, subscriber)
        if expires_seconds is not None:
            self._expire_in(group, expires_seconds)
        subscriber.show(self._version, result)
        if is_dirty:
            group.is_dirty = True
            self._queue(group)

    def _enter(self, group: Group, subscriber: Subscriber) -> None:
        subscriber.group = group
        group.subscribers[subscriber] = None

    def leave(self, subscriber: Subscriber) -> None:
        """Forget a subscriber. Safe to call twice."""
        group, subscriber.group = subscriber.group, None
        if group is None:
            return
        del group.subscribers[subscriber]
        if not group.subscribers:
            self._drop(group)

    def move(self, subscriber: Subscriber) -> None:
        """The key of a subscriber is another: show it what others of that key are shown."""
        self.leave(subscriber)
        group = self._groups.get(subscriber.key)
        if group is None:
            group = self._groups[subscriber.key] = Group(subscriber.key)
        self._enter(group, subscriber)
        if group.is_settled and group.latest is not None:
            subscriber.show(group.version, group.latest)
        elif group.is_settled:
            group.is_dirty = True
            self._queue(group)

    def when_settled(self, subscribers: Iterable[Subscriber], then: Callable[[], None]) -> None:
        """Call ``then`` once all these subscribers were shown what is known to have changed."""
        groups = {s.group for s in subscribers if s.group is not None and not s.group.is_settled}
        count = len(groups)

        def settled() -> None:
            nonlocal count
            count -= 1
            if not count:
                then()

        for group in groups:
            group.waiters.append(settled)
        if not groups:
            then()

    def stop(self) -> None:
        """End all timers and runs. Safe to call twice."""
        for group in list(self._groups.values()):
            self._drop(group)

    def _drop(self, group: Group) -> None:
        self._index.remove(group)
        if self._groups.get(group.key) is group:
            del self._groups[group.key]
        group.stop()
        self._rest_if_idle()

    def _rest_if_idle(self) -> None:
        if not self._open_runs:
            self._log.clear()
            if not self._groups and self._is_active:
                self._is_active = False
                self._activate(False)

    def _close(self, run: Run, reads: frozenset[Read] | tuple[()]) -> bool:
        """End a run. Returns whether what it read was written since it began."""
        if run not in self._open_runs:
            return False
        self._open_runs.remove(run)
        run.is_over = True
        if run.watchdog is not None:
            run.watchdog.cancel()
        is_late = run.position < 0 or any(
            position > run.position and changes.run is not run and touches(reads, changes)
            for position, changes in self._log
        )
        oldest = min((other.position for other in self._open_runs), default=self._position)
        while self._log and self._log[0][0] <= oldest:
            self._log.popleft()
        self._rest_if_idle()
        return is_late

    # Which group runs, and when.

    def _queue(self, group: Group) -> None:
        if group.run is not None or group.is_queued or group.timer is not None:
            return
        if group.not_before > self._loop.time():
            group.timer = self._loop.call_at(group.not_before, self._is_due, group)
        else:
            group.is_queued = True
            self._ready.append(group)
            self._fill()

    def _is_due(self, group: Group) -> None:
        group.timer = None
        self._queue(group)

    def _expire_in(self, group: Group, seconds: float) -> None:
        due = self._loop.time() + seconds
        if group.expiry is not None:
            if group.expiry.when() <= due:
                return
            group.expiry.cancel()
        group.expiry = self._loop.call_at(due, self._is_old, group)

    def _is_old(self, group: Group) -> None:
        group.expiry = None
        group.is_dirty = True
        self._queue(group)

    def _fill(self) -> None:
        while self._ready and self._running < self._max_runs:
            group = self._ready.popleft()
            group.is_queued = False
            if group.subscribers and group.is_dirty:
                self._start(group)

    def _start(self, group: Group) -> None:
        group.is_dirty = False
        if group.expiry is not None:
            group.expiry.cancel()
            group.expiry = None
        run = group.run = self.begin(group)
        self._running += 1
        run.watchdog = self._loop.call_later(self._run_seconds, self._is_late, run)
        run.job = next(iter(group.subscribers)).start(run)

    def _is_late(self, run: Run) -> None:
        logger.warning("a live view did not answer in time")
        assert run.job is not None  # set when it began
        job = run.job
        self.finished(run, _LATE, ())
        job.give_up()

    # What a run gave.

    def finished(
        self, run: Run, result: Result | None, reads: Iterable[Read],
        *, expires_seconds: float | None = None,
    ) -> None:  # fmt: skip
        """Take the end of a run that ``Subscriber.start`` began. Late ends are ignored.

        Args:
            run: that has ended.
            result: what it gave; None when the server failed.
            reads: what it read.
            expires_seconds: from now on, when it is to run again whatever is written.
        """
        if run.is_over:
            return
        group, reads = run.group, frozenset(reads)
        assert group is not None  # only first runs have none
        is_late = self._close(run, reads)
        self._running -= 1
        group.run = None
        group.is_dirty |= is_late
        if group.subscribers:
            self._take(group, run, result or _FAILED, reads, expires_seconds)
        if group.subscribers and group.is_dirty:
            self._queue(group)
        self._fill()

    def _take(
        self, group: Group, run: Run, result: Result, reads: frozenset[Read],
        expires_seconds: float | None,
    ) -> None:  # fmt: skip
        now = self._loop.time()
        if not result.is_success and not result.passes:
            self._end(group, result)
            return
        # A failed run may have ended before it read all; one that read nothing was answered by a
        # cache that nobody sees.
        group.reads = reads if result.is_success and reads else group.unite(reads)
        self._index.replace(group, group.reads)
        if result.is_success:
            group.failures = 0
            group.rest(run.began, now, self._least_seconds)
        else:
            group.retry(now, result.retry_after_seconds)
            group.is_dirty = True
        if expires_seconds is not None:
            self._expire_in(group, expires_seconds)
        if result.is_success and self._split(group, result):
            return
        self._version += 1
        group.latest, group.version = result, self._version
        self._show(group, self._version, list(group.subscribers))

    def _end(self, group: Group, result: Result) -> None:
        subscribers = list(group.subscribers)
        for subscriber in subscribers:
            self.leave(subscriber)
            subscriber.end(result)

    def _split(self, group: Group, result: Result) -> bool:
        """Part those who shared a result that is one identity's now; each runs for itself."""
        first = next(iter(group.subscribers))
        if group.key in (result.shared_key, first.key):
            return False
        for subscriber in list(group.subscribers):
            self.move(subscriber)
        return True

    def _show(self, group: Group, version: int, subscribers: list[Subscriber]) -> None:
        for subscriber in subscribers[:_SLICE]:
            # Shown something newer by now, another may have been: versions are looked at there.
            if subscriber.group is group and group.latest is not None:
                subscriber.show(group.version, group.latest)
        rest = subscribers[_SLICE:]
        if rest and group.version == version:
            self._loop.call_soon(self._show, group, version, rest)
        elif group.is_settled and group.version == version:
            group.settle()


def _is_rerun(writer: object) -> bool:
    return isinstance(writer, Run) and writer.job is not None


def _key(subscriber: Subscriber, result: Result) -> Hashable:
    return subscriber.key if result.shared_key is None else result.shared_key
