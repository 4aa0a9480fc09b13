"""The live requests of one process: who hears of a commit, and who is shown what.

Owns the order that makes them never stale (live-lessons L1): take the position, run, register
what was read, check what was committed since. Runs themselves are the subscribers', and when
they are due is ``scheduler``'.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterable
from itertools import chain
from typing import TypeGuard

from wsrequest.errors import Refused
from wsrequest.live.commit_log import CommitLog
from wsrequest.live.http_caching import Sharing
from wsrequest.live.index import Index, weight_bytes
from wsrequest.live.kept import KeptCommits, coarser
from wsrequest.live.query import MOST_ECHOES, LiveQuery, Run, Subscriber
from wsrequest.live.scheduler import RerunScheduler
from wsrequest.live.snapshot import Snapshot
from wsrequest.live.waits import Wait
from wsrequest.types import Commit, ReadPredicate

__all__ = ["LiveQueryManager"]

logger = logging.getLogger("wsrequest.live")

_MOST_CHASES = 3  # 1, 2 and 4 times ``replica_seconds`` behind each other
_MOST_WARNINGS = 32  # paths that are named in the log, each once
_FREE_BYTES = 2048  # of a group's reads, which count with the live request itself
_SLICE = 100  # subscribers that are shown a result before the loop has a turn for others
_FAILED, _LATE = Snapshot(500, {}, b""), Snapshot(504, {}, b"")


class LiveQueryManager:
    """Groups of subscribers, by what their last run read. Used on one event loop.

    Args:
        loop: the event loop.
        max_runs: how many views run again at the same time; live work never starves requests.
        least_seconds: between the begins of two runs of one group.
        run_seconds: how long a run may take.
        replica_seconds: by when a replica should have caught up. What was read from one is read
            again then, and two more times later.
        recheck_seconds: how old a result may become, for what other processes write; 0: any age.
        ignored_tables: those in which views write that only run again, of sessions that is, and
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
        ignored_tables: frozenset[str] = frozenset(),
        activate: Callable[[bool], None] = lambda is_active: None,
    ) -> None:
        self._loop, self._activate = loop, activate
        self._least_seconds, self._run_seconds = least_seconds, run_seconds
        self._replica_seconds, self._recheck_seconds = replica_seconds, recheck_seconds
        self._quiet_tables = ignored_tables
        self._log, self._remembered = CommitLog(), KeptCommits()
        self._index: Index[LiveQuery] = Index()
        self._scheduler = RerunScheduler(loop, max_runs, self._start)
        self._queries: dict[Hashable, LiveQuery] = {}
        self._version = 0
        self._is_active = False
        self._commits = 0  # that no rerun made
        self._warned_of_echoes: set[str] = set()
        self._warned_of_vagueness: set[str] = set()
        self._sharing = Sharing(loop.time)

    def __len__(self) -> int:
        """How many groups there are."""
        return len(self._queries)

    def columns(self, database: str, table: str) -> frozenset[tuple[str, ...]]:
        """The sets of columns by which readers narrow a table; from any thread."""
        return self._index.columns(database, table)

    # Changes.

    def receive(self, changes: Commit) -> None:
        """A transaction was committed. Called in the order in which they were published."""
        if _is_rerun(changes.run):
            changes = self._written_by_rerun(changes, changes.run)
        else:
            self._commits += 1
        self._log.add(changes)
        commit = None
        for query in self._index.touched(changes):
            commit = commit or self._remembered.add(changes)
            query.kept.wrote(commit)
            self._touch(query, changes.run)

    def _written_by_rerun(self, changes: Commit, run: Run) -> Commit:
        """Leave away what may not wake others, since nobody but the server asked for this run."""
        changes = changes.without(self._quiet_tables)
        query = run.query
        assert query is not None  # only first runs have none
        is_vague = any(change.table is None for change in changes.changes)
        if is_vague and not query.may_be_vague(run, self._commits):
            known = tuple(change for change in changes.changes if change.table is not None)
            changes = Commit(known, run)
            self._warn(
                self._warned_of_vagueness,
                query.path,
                "a live view writes each time it runs again, by statements whose tables cannot be "
                "told (CALL, DO, tables without a model): %s. From now on these wake no other "
                "view until something else is committed. Write on requests that are not live, or "
                "skip it with wsrequest.live.is_rerun()",
            )
        return changes

    def lost(self) -> None:
        """KeptCommits may have been missed: everything may have changed."""
        self._log.lose()
        self._commits += 1
        if self._queries:
            logger.warning(
                "commits may have been missed: all %s live views run again", len(self._queries)
            )
        for query in list(self._queries.values()):
            self._touch(query, None)

    def _touch(self, query: LiveQuery, writer: object) -> None:
        if isinstance(writer, Run) and writer.query is query:
            return  # a view that writes what it reads would run for ever
        query.hear(writer if _is_rerun(writer) else None)
        if query.feedback_runs > MOST_ECHOES:
            text = "live views run each other without end, and are slowed down, %s for one"
            self._warn(self._warned_of_echoes, query.path, text)
        self._scheduler.queue(query)

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
        self, subscriber: Subscriber, run: Run, result: Snapshot, reads: Iterable[ReadPredicate],
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
        query, subscriber.query = subscriber.query, None
        self._depart(subscriber, query)

    def move(self, subscriber: Subscriber) -> None:
        """The key of a subscriber is another: show it what others of that key are shown."""
        left, query = self._enter(subscriber, subscriber.key)
        if query.latest is not None and (query.is_current or query.failures):
            # Under a version of its own: it may have been shown a greater one where it was.
            self._version += 1
            query.version = self._version
            subscriber.show(query.version, query.latest)
        elif query.is_new:
            self._scheduler.queue(query)
        else:
            query.position = -1  # whatever it has shown, it has shown nothing to this one
        self._depart(subscriber, left)

    def settle(self, wait: Wait, subscribers: Iterable[Subscriber]) -> None:
        """Begin a wait: it ends once these subscribers were shown what is known to have changed."""
        wait.begin(subscribers, self._log.position)

    def stop(self) -> None:
        """End all timers and runs. Safe to call twice."""
        for query in list(self._queries.values()):
            for subscriber in list(query.subscribers):
                self.leave(subscriber)
        for run in self._log.close_all():
            run.end()
        self._look_who_reads()

    def _place(
        self, subscriber: Subscriber, run: Run, result: Snapshot, reads: frozenset[ReadPredicate],
        expires_seconds: float | None, is_late: bool,
    ) -> None:  # fmt: skip
        """Show a subscriber a result, among all those who may be shown it."""
        left, query = self._enter(subscriber, self._key(subscriber, result))
        run.query = query
        self._version += 1
        if query.is_new:
            query.latest, query.version, query.position = result, self._version, run.position
        elif query.latest is None or query.latest.digest != result.digest:
            is_late = True  # one of the two is older; both are shown what a run gives now
            query.position = min(query.position, run.position)  # that is all both were shown
            if query.is_public:
                query.latest = None  # or it is what one of them alone is answered
        self._read_by(query, query.kept.join(query.reads, reads))
        self._expire(query, run, expires_seconds)
        subscriber.show(self._version, result)
        if query.latest is not None and query.latest.digest == result.digest:
            subscriber.keep(query.latest)
        if is_late:
            self._scheduler.queue(query)
        if query.failures:
            self._scheduler.hurry(query)
        self._depart(subscriber, left)
        self._look_who_reads()

    def _enter(self, subscriber: Subscriber, key: Hashable) -> tuple[LiveQuery | None, LiveQuery]:
        """Put a subscriber into the group of a key; ``_depart`` from the other one follows."""
        left, query = subscriber.query, self._queries.get(key)
        if query is None:
            query = self._queries[key] = LiveQuery(key, subscriber.path)
        subscriber.query = query
        query.subscribers[subscriber] = None
        return (None if left is query else left), query

    def _depart(self, subscriber: Subscriber, query: LiveQuery | None) -> None:
        if query is None:
            return
        del query.subscribers[subscriber]
        if query.payer is subscriber:
            count = query.pay_no_more()
            if query.subscribers and not query.pay(count):  # the next one does
                self._read_by(query, query.reads)
        if not query.subscribers:
            self._index.remove(query)
            del self._queries[query.key]
            self._scheduler.leave(query)
            query.stop()
            if not self._queries:
                self._remembered.clear()
            self._look_who_reads()

    def _look_who_reads(self) -> None:
        is_active = bool(self._queries) or self._log.is_needed
        if is_active != self._is_active:
            self._is_active = is_active
            self._activate(is_active)

    def _read_by(self, query: LiveQuery, reads: frozenset[ReadPredicate]) -> None:
        """Let a group be woken by reads, or by more where their memory may not be held."""
        if reads != query.reads or query.payer is None:
            for wider in chain((reads,), coarser(reads)):
                if query.pay(max(0, weight_bytes(wider) - _FREE_BYTES)):
                    break
            else:
                query.pay(0)
            if wider is not reads:
                query.kept.widen(wider)
            reads = wider
        query.reads = reads
        self._index.replace(query, reads)

    def _key(self, subscriber: Subscriber, result: Snapshot) -> Hashable:
        if self._sharing.may_share(result.shared_key, subscriber.key):
            return result.shared_key
        return subscriber.key

    # Runs.

    def _open(self, query: LiveQuery | None) -> Run:
        run = Run(self._loop.time(), query)
        self._log.open(run)
        self._look_who_reads()
        return run

    def _start(self, query: LiveQuery) -> None:
        query.kept.begin()
        run = query.run = self._open(query)
        run.watchdog = self._loop.call_later(self._run_seconds, self._is_overdue, run)
        subscriber = next(iter(query.subscribers))
        run.subscriber = None if query.is_public else subscriber
        run.job = subscriber.start_shared(run) if query.is_public else subscriber.start(run)

    def _is_overdue(self, run: Run) -> None:
        job = run.job  # its end forgets it
        assert job is not None and run.query is not None  # set when it began
        logger.warning("a live view did not answer in time: %s", run.query.path)
        run.query.stuck = run
        self.finished(run, _LATE, ())
        job.give_up()

    def finished(
        self, run: Run, result: Snapshot | Refused | None, reads: Iterable[ReadPredicate],
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
        query, reads = run.query, frozenset(reads)
        assert query is not None  # only first runs have none
        if run.is_over:
            self._has_come_back(run, query)
            return
        runner = run.subscriber
        run.end()
        is_late = self._log.close(run, reads)
        query.run = None
        query.is_dirty |= is_late
        if told is not None and runner is not None:
            self._learn(query, runner, told)
        if is_moot:
            query.is_dirty = True
        elif isinstance(result, Refused) and query.subscribers:
            self._refuse(query, result)
        elif query.subscribers and not isinstance(result, Refused):
            self._take(query, run, result or _FAILED, reads, expires_seconds)
        self._scheduler.ended(query)
        if query.subscribers and query.is_dirty:
            self._scheduler.queue(query)
        self._look_who_reads()

    def _learn(self, query: LiveQuery, runner: Subscriber, told: object) -> None:
        """Part those whose answer is another's, by what a run of one of them tells of all.

        The group stays with the one who was run, and with those who are equal to it still.
        """
        if not query.subscribers or query.is_public:
            return
        for subscriber in query.subscribers:
            subscriber.learn(told, is_own=subscriber is runner)
        if all(subscriber.key == query.key for subscriber in query.subscribers):
            return
        stays = runner.query is query and runner.key not in self._queries
        if stays:
            del self._queries[query.key]
            query.key = runner.key
            self._queries[query.key] = query
        for subscriber in list(query.subscribers):
            if not stays or subscriber.key != query.key:
                self.move(subscriber)

    def _has_come_back(self, run: Run, query: LiveQuery) -> None:
        if query.stuck is run:
            query.stuck = None
            if query.subscribers and query.is_dirty:
                self._scheduler.queue(query)

    # What a run gave.

    def _take(
        self, query: LiveQuery, run: Run, result: Snapshot, reads: frozenset[ReadPredicate],
        expires_seconds: float | None,
    ) -> None:  # fmt: skip
        if query.is_public and result.shared_key != query.key:
            self._part(query)
            return
        if result.is_success and self._sharing.may_share(result.shared_key, query.key):
            for subscriber in list(query.subscribers):
                self._place(subscriber, run, result, reads, expires_seconds, query.is_dirty)
            return
        if not result.is_success and not result.passes:
            self._end(query, result)
            return
        # A failed run may have ended before it read all.
        before = query.reads
        take = query.kept.take if result.is_success else query.kept.join
        self._read_by(query, take(before, reads))
        self._pace(query, run, result)
        self._expire(query, run, expires_seconds)
        self._version += 1
        if query.latest is not None and query.latest.digest == result.digest:
            result = query.latest  # which its subscribers hold already
        query.latest, query.version, query.is_showing = result, self._version, True
        self._show(query, result, list(query.subscribers))

    def _expire(self, query: LiveQuery, run: Run, seconds: float | None) -> None:
        if self._recheck_seconds:
            self._scheduler.expire_in(query, self._recheck_seconds)
        if seconds is not None:
            self._scheduler.expire_in(query, seconds)
        if run.lags and query.replica_retries < _MOST_CHASES:
            seconds = self._replica_seconds * 2**query.replica_retries
            self._scheduler.expire_in(query, seconds, is_awaited=True)
            query.replica_retries += 1

    def _pace(self, query: LiveQuery, run: Run, result: Snapshot) -> None:
        now = self._loop.time()
        if result.is_success:
            query.failures, query.position = 0, run.position
            query.rest(run.began, now, self._least_seconds)
        else:
            query.retry(now, result.retry_after_seconds)
            query.is_dirty = True

    def _refuse(self, query: LiveQuery, refused: Refused) -> None:
        if query.subscribers and query.is_public:
            self._part(query)
        else:
            self._end(query, refused)

    def _part(self, query: LiveQuery) -> None:
        """Part those who shared a result: it is public no longer, and each runs for itself."""
        self._sharing.stop(query.key)
        for subscriber in list(query.subscribers):
            self.move(subscriber)

    def _end(self, query: LiveQuery, why: Snapshot | Refused) -> None:
        for subscriber in list(query.subscribers):
            subscriber.end(why)
            self.leave(subscriber)

    def _show(self, query: LiveQuery, result: Snapshot, subscribers: list[Subscriber]) -> None:
        if query.latest is not result:
            return  # a newer one is being shown to all
        for subscriber in subscribers[:_SLICE]:
            if subscriber.query is query:
                subscriber.show(query.version, result)
        rest = subscribers[_SLICE:]
        if rest:
            self._loop.call_soon(self._show, query, result, rest)
        else:
            result.forget_frames()
            query.is_showing = False
            query.settle()


def _is_rerun(writer: object) -> TypeGuard[Run]:
    return isinstance(writer, Run) and writer.is_rerun
