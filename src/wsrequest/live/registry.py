"""The live requests of one process: who hears of a commit, and who is shown what.

Owns the order that makes them never stale (live-lessons L1): take the position, run, register
what was read, check what was committed since. Runs themselves are the subscribers', and when
they are due is ``turns``'.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterable
from itertools import chain
from typing import TypeGuard

from wsrequest.errors import Refused
from wsrequest.live.groups import MOST_ECHOES, Group, Run, Subscriber
from wsrequest.live.kept import Commits, coarser
from wsrequest.live.log import Log
from wsrequest.live.matching import Index, weight_bytes
from wsrequest.live.results import Result
from wsrequest.live.sharing import Sharing
from wsrequest.live.turns import Turns
from wsrequest.live.waits import Wait
from wsrequest.types import Changes, Read

__all__ = ["Registry"]

logger = logging.getLogger("wsrequest.live")

_MOST_CHASES = 3  # 1, 2 and 4 times ``replica_seconds`` behind each other
_MOST_WARNINGS = 32  # paths that are named in the log, each once
_FREE_BYTES = 2048  # of a group's reads, which count with the live request itself
_SLICE = 100  # subscribers that are shown a result before the loop has a turn for others
_FAILED, _LATE = Result(500, {}, b""), Result(504, {}, b"")


class Registry:
    """Groups of subscribers, by what their last run read. Used on one event loop.

    Args:
        loop: the event loop.
        max_runs: how many views run again at the same time; live work never starves requests.
        least_seconds: between the begins of two runs of one group.
        run_seconds: how long a run may take.
        replica_seconds: by when a replica should have caught up. What was read from one is read
            again then, and two more times later.
        recheck_seconds: how old a result may become, for what other processes write; 0: any age.
        quiet_tables: those in which views write that only run again, of sessions that is, and
            databases of keys: what such a run writes there wakes nobody else.
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
        replica_seconds: float = 1.0,
        recheck_seconds: float = 0.0,
        quiet_tables: frozenset[str] = frozenset(),
        activate: Callable[[bool], None] = lambda is_active: None,
    ) -> None:
        self._loop, self._activate = loop, activate
        self._least_seconds, self._run_seconds = least_seconds, run_seconds
        self._replica_seconds, self._recheck_seconds = replica_seconds, recheck_seconds
        self._quiet_tables = quiet_tables
        self._log, self._remembered = Log(), Commits()
        self._index: Index[Group] = Index()
        self._turns = Turns(loop, max_runs, self._start)
        self._groups: dict[Hashable, Group] = {}
        self._version = 0
        self._is_active = False
        self._commits = 0  # that no rerun made
        self._warned_of_echoes: set[str] = set()
        self._warned_of_vagueness: set[str] = set()
        self._sharing = Sharing(loop.time)

    def __len__(self) -> int:
        """How many groups there are."""
        return len(self._groups)

    def columns(self, database: str, table: str) -> frozenset[tuple[str, ...]]:
        """The sets of columns by which readers narrow a table; from any thread."""
        return self._index.columns(database, table)

    # Changes.

    def receive(self, changes: Changes) -> None:
        """A transaction was committed. Called in the order in which they were published."""
        if _is_rerun(changes.run):
            changes = self._written_by_rerun(changes, changes.run)
        else:
            self._commits += 1
        self._log.add(changes)
        commit = None
        for group in self._index.touched(changes):
            commit = commit or self._remembered.add(changes)
            group.kept.wrote(commit)
            self._touch(group, changes.run)

    def _written_by_rerun(self, changes: Changes, run: Run) -> Changes:
        """Leave away what may not wake others, since nobody but the server asked for this run."""
        changes = changes.without(self._quiet_tables)
        group = run.group
        assert group is not None  # only first runs have none
        is_vague = any(change.table is None for change in changes.changes)
        if is_vague and not group.may_be_vague(run, self._commits):
            known = tuple(change for change in changes.changes if change.table is not None)
            changes = Changes(known, run)
            self._warn(
                self._warned_of_vagueness,
                group.path,
                "a live view writes each time it runs again, by statements whose tables cannot be "
                "told (CALL, DO, tables without a model): %s. From now on these wake no other "
                "view until something else is committed. Write on requests that are not live, or "
                "skip it with wsrequest.live.is_rerun()",
            )
        return changes

    def lost(self) -> None:
        """Commits may have been missed: everything may have changed."""
        self._log.lose()
        self._commits += 1
        if self._groups:
            logger.warning(
                "commits may have been missed: all %s live views run again", len(self._groups)
            )
        for group in list(self._groups.values()):
            self._touch(group, None)

    def _touch(self, group: Group, writer: object) -> None:
        if isinstance(writer, Run) and writer.group is group:
            return  # a view that writes what it reads would run for ever
        group.hear(writer if _is_rerun(writer) else None)
        if group.echoes > MOST_ECHOES:
            text = "live views run each other without end, and are slowed down, %s for one"
            self._warn(self._warned_of_echoes, group.path, text)
        self._turns.queue(group)

    def _warn(self, warned: set[str], path: str, text: str) -> None:
        """Log a warning once for each path."""
        if path not in warned and len(warned) < _MOST_WARNINGS:
            warned.add(path)
            logger.warning(text, path)

    # First runs, and who comes and goes.

    def begin(self) -> Run:
        """Take the position before a view runs first. ``join`` or ``abandon`` follows."""
        return self._open(None)

    def abandon(self, run: Run) -> None:
        """A first run has ended without a subscriber. Safe to call twice."""
        self._log.close(run, ())
        self._look_who_reads()

    def join(
        self, subscriber: Subscriber, run: Run, result: Result, reads: Iterable[Read],
        *, expires_seconds: float | None = None,
    ) -> None:  # fmt: skip
        """Take a subscriber in whose first run has ended, and show it the result.

        Args:
            subscriber: new, or one that has left.
            run: its first run.
            result: what that gave.
            reads: what that read.
            expires_seconds: from now on, when the view is to run again whatever is written.
        """
        reads = frozenset(reads)
        is_late = self._log.close(run, reads)
        self._place(subscriber, run, result, reads, expires_seconds, is_late)
        result.forget_frames()

    def leave(self, subscriber: Subscriber) -> None:
        """Forget a subscriber. Safe to call twice."""
        group, subscriber.group = subscriber.group, None
        self._depart(subscriber, group)

    def move(self, subscriber: Subscriber) -> None:
        """The key of a subscriber is another: show it what others of that key are shown."""
        left, group = self._enter(subscriber, subscriber.key)
        if group.latest is not None and (group.is_current or group.failures):
            # Under a version of its own: it may have been shown a greater one where it was.
            self._version += 1
            group.version = self._version
            subscriber.show(group.version, group.latest)
        elif group.is_new:
            self._turns.queue(group)
        else:
            group.position = -1  # whatever it has shown, it has shown nothing to this one
        self._depart(subscriber, left)

    def settle(self, wait: Wait, subscribers: Iterable[Subscriber]) -> None:
        """Begin a wait: it ends once these subscribers were shown what is known to have changed."""
        wait.begin(subscribers, self._log.position)

    def stop(self) -> None:
        """End all timers and runs. Safe to call twice."""
        for group in list(self._groups.values()):
            for subscriber in list(group.subscribers):
                self.leave(subscriber)
        for run in self._log.close_all():
            run.end()
        self._look_who_reads()

    def _place(
        self, subscriber: Subscriber, run: Run, result: Result, reads: frozenset[Read],
        expires_seconds: float | None, is_late: bool,
    ) -> None:  # fmt: skip
        """Show a subscriber a result, among all those who may be shown it."""
        left, group = self._enter(subscriber, self._key(subscriber, result))
        run.group = group
        self._version += 1
        if group.is_new:
            group.latest, group.version, group.position = result, self._version, run.position
        elif group.latest is None or group.latest.digest != result.digest:
            is_late = True  # one of the two is older; both are shown what a run gives now
            group.position = min(group.position, run.position)  # that is all both were shown
            if group.is_public:
                group.latest = None  # or it is what one of them alone is answered
        self._read_by(group, group.kept.join(group.reads, reads))
        self._expire(group, run, expires_seconds)
        subscriber.show(self._version, result)
        if group.latest is not None and group.latest.digest == result.digest:
            subscriber.keep(group.latest)
        if is_late:
            self._turns.queue(group)
        if group.failures:
            self._turns.hurry(group)
        self._depart(subscriber, left)
        self._look_who_reads()

    def _enter(self, subscriber: Subscriber, key: Hashable) -> tuple[Group | None, Group]:
        """Put a subscriber into the group of a key; ``_depart`` from the other one follows."""
        left, group = subscriber.group, self._groups.get(key)
        if group is None:
            group = self._groups[key] = Group(key, subscriber.path)
        subscriber.group = group
        group.subscribers[subscriber] = None
        return (None if left is group else left), group

    def _depart(self, subscriber: Subscriber, group: Group | None) -> None:
        if group is None:
            return
        del group.subscribers[subscriber]
        if group.payer is subscriber:
            count = group.pay_no_more()
            if group.subscribers and not group.pay(count):  # the next one does
                self._read_by(group, group.reads)
        if not group.subscribers:
            self._index.remove(group)
            del self._groups[group.key]
            self._turns.leave(group)
            group.stop()
            if not self._groups:
                self._remembered.clear()
            self._look_who_reads()

    def _look_who_reads(self) -> None:
        is_active = bool(self._groups) or self._log.is_needed
        if is_active != self._is_active:
            self._is_active = is_active
            self._activate(is_active)

    def _read_by(self, group: Group, reads: frozenset[Read]) -> None:
        """Let a group be woken by reads, or by more where their memory may not be held."""
        if reads != group.reads or group.payer is None:
            for wider in chain((reads,), coarser(reads)):
                if group.pay(max(0, weight_bytes(wider) - _FREE_BYTES)):
                    break
            else:
                group.pay(0)
            if wider is not reads:
                group.kept.widen(wider)
            reads = wider
        group.reads = reads
        self._index.replace(group, reads)

    def _key(self, subscriber: Subscriber, result: Result) -> Hashable:
        if self._sharing.may_share(result.shared_key, subscriber.key):
            return result.shared_key
        return subscriber.key

    # Runs.

    def _open(self, group: Group | None) -> Run:
        run = Run(self._loop.time(), group)
        self._log.open(run)
        self._look_who_reads()
        return run

    def _start(self, group: Group) -> None:
        group.kept.begin()
        run = group.run = self._open(group)
        run.watchdog = self._loop.call_later(self._run_seconds, self._is_overdue, run)
        subscriber = next(iter(group.subscribers))
        run.subscriber = None if group.is_public else subscriber
        run.job = subscriber.start_shared(run) if group.is_public else subscriber.start(run)

    def _is_overdue(self, run: Run) -> None:
        job = run.job  # its end forgets it
        assert job is not None and run.group is not None  # set when it began
        logger.warning("a live view did not answer in time: %s", run.group.path)
        run.group.hung = run
        self.finished(run, _LATE, ())
        job.give_up()

    def finished(
        self, run: Run, result: Result | Refused | None, reads: Iterable[Read],
        *, expires_seconds: float | None = None, told: object = None, is_moot: bool = False,
    ) -> None:  # fmt: skip
        """Take the end of a run that ``Subscriber.start`` began. Late ends change nothing.

        Args:
            run: that has ended.
            result: what it gave; why that cannot be sent, which ends those whom it is for; None
                when the server failed.
            reads: what it read.
            expires_seconds: from now on, when it is to run again whatever is written.
            told: what it tells of those whom it is for, for ``Subscriber.learn``.
            is_moot: whether its result is for nobody; those who are left are run again.
        """
        group, reads = run.group, frozenset(reads)
        assert group is not None  # only first runs have none
        if run.is_over:
            self._has_come_back(run, group)
            return
        runner = run.subscriber
        run.end()
        is_late = self._log.close(run, reads)
        group.run = None
        group.is_dirty |= is_late
        if told is not None and runner is not None:
            self._learn(group, runner, told)
        if is_moot:
            group.is_dirty = True
        elif isinstance(result, Refused) and group.subscribers:
            self._refuse(group, result)
        elif group.subscribers and not isinstance(result, Refused):
            self._take(group, run, result or _FAILED, reads, expires_seconds)
        self._turns.ended(group)
        if group.subscribers and group.is_dirty:
            self._turns.queue(group)
        self._look_who_reads()

    def _learn(self, group: Group, runner: Subscriber, told: object) -> None:
        """Part those whose answer is another's, by what a run of one of them tells of all.

        The group stays with the one who was run, and with those who are equal to it still.
        """
        if not group.subscribers or group.is_public:
            return
        for subscriber in group.subscribers:
            subscriber.learn(told, is_own=subscriber is runner)
        if all(subscriber.key == group.key for subscriber in group.subscribers):
            return
        stays = runner.group is group and runner.key not in self._groups
        if stays:
            del self._groups[group.key]
            group.key = runner.key
            self._groups[group.key] = group
        for subscriber in list(group.subscribers):
            if not stays or subscriber.key != group.key:
                self.move(subscriber)

    def _has_come_back(self, run: Run, group: Group) -> None:
        if group.hung is run:
            group.hung = None
            if group.subscribers and group.is_dirty:
                self._turns.queue(group)

    # What a run gave.

    def _take(
        self, group: Group, run: Run, result: Result, reads: frozenset[Read],
        expires_seconds: float | None,
    ) -> None:  # fmt: skip
        if group.is_public and result.shared_key != group.key:
            self._part(group)
            return
        if result.is_success and self._sharing.may_share(result.shared_key, group.key):
            for subscriber in list(group.subscribers):
                self._place(subscriber, run, result, reads, expires_seconds, group.is_dirty)
            return
        if not result.is_success and not result.passes:
            self._end(group, result)
            return
        # A failed run may have ended before it read all.
        before = group.reads
        take = group.kept.take if result.is_success else group.kept.join
        self._read_by(group, take(before, reads))
        self._pace(group, run, result)
        self._expire(group, run, expires_seconds)
        self._version += 1
        if group.latest is not None and group.latest.digest == result.digest:
            result = group.latest  # which its subscribers hold already
        group.latest, group.version, group.is_showing = result, self._version, True
        self._show(group, result, list(group.subscribers))

    def _expire(self, group: Group, run: Run, seconds: float | None) -> None:
        if self._recheck_seconds:
            self._turns.expire_in(group, self._recheck_seconds)
        if seconds is not None:
            self._turns.expire_in(group, seconds)
        if run.lags and group.chases < _MOST_CHASES:
            seconds = self._replica_seconds * 2**group.chases
            self._turns.expire_in(group, seconds, is_awaited=True)
            group.chases += 1

    def _pace(self, group: Group, run: Run, result: Result) -> None:
        now = self._loop.time()
        if result.is_success:
            group.failures, group.position = 0, run.position
            group.rest(run.began, now, self._least_seconds)
        else:
            group.retry(now, result.retry_after_seconds)
            group.is_dirty = True

    def _refuse(self, group: Group, refused: Refused) -> None:
        if group.subscribers and group.is_public:
            self._part(group)
        else:
            self._end(group, refused)

    def _part(self, group: Group) -> None:
        """Part those who shared a result: it is public no longer, and each runs for itself."""
        self._sharing.stop(group.key)
        for subscriber in list(group.subscribers):
            self.move(subscriber)

    def _end(self, group: Group, why: Result | Refused) -> None:
        for subscriber in list(group.subscribers):
            subscriber.end(why)
            self.leave(subscriber)

    def _show(self, group: Group, result: Result, subscribers: list[Subscriber]) -> None:
        if group.latest is not result:
            return  # a newer one is being shown to all
        for subscriber in subscribers[:_SLICE]:
            if subscriber.group is group:
                subscriber.show(group.version, result)
        rest = subscribers[_SLICE:]
        if rest:
            self._loop.call_soon(self._show, group, result, rest)
        else:
            result.forget_frames()
            group.is_showing = False
            group.settle()


def _is_rerun(writer: object) -> TypeGuard[Run]:
    return isinstance(writer, Run) and writer.is_rerun
