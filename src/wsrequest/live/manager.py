"""Manages the live queries of one event loop, and keeps their subscribers up to date.

A run must never be out of date unnoticed. Therefore each run has a fixed order: it takes its
position in the commit log, runs the view, registers what was read, and checks what was committed
since the position (live-lessons L1). Subscribers make the runs, and the scheduler decides when.
What can be decided for one query, or without queries, is in modules of its own. What is left here
changes the queries, the index and the commit log together.
"""

import asyncio
import logging
from collections.abc import Callable, Hashable, Iterable
from itertools import chain

from wsrequest.errors import Refused
from wsrequest.live.certainty import Certainty
from wsrequest.live.commit_log import CommitLog
from wsrequest.live.counts import LiveCounts
from wsrequest.live.feedback import FeedbackGuard, is_rerun
from wsrequest.live.http_caching import Sharing
from wsrequest.live.index import Index, weight_bytes
from wsrequest.live.query import LiveQuery, Run, Subscriber
from wsrequest.live.rechecks import Rechecks
from wsrequest.live.retained_reads import RetainedCommits, coarser
from wsrequest.live.scheduler import RerunScheduler
from wsrequest.live.snapshot import Snapshot
from wsrequest.live.waits import Wait
from wsrequest.types import Commit, ReadPredicate

__all__ = ["LiveQueryManager"]

logger = logging.getLogger("wsrequest.live")

_FREE_BYTES = 2048  # of a query's reads, which count with the live request itself
_FAILED, _LATE = Snapshot(500, {}, b""), Snapshot(504, {}, b"")


class LiveQueryManager:
    """The live queries of one event loop, by what their last runs read.

    Args:
        loop: the event loop.
        max_runs: how many reruns may be under way. Live work never starves requests.
        least_seconds: between the starts of two runs of one query.
        run_seconds: how long a run may take.
        replica_seconds: when a replica should have caught up. What was read from one is read again
            then, and two more times later.
        recheck_seconds: the maximum age of a snapshot, to find what other processes wrote. 0 for
            any age.
        ignored_tables: tables that views write only because they run again, such as sessions, and
            databases of keys. What a rerun writes there triggers no other query.
        activate: called with True when the first view begins to read, and with False when the last
            subscriber has left. While inactive, the process need not publish its writes.

    Attributes:
        counts: what it has done so far.
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
        self._log, self._retained_commits = CommitLog(), RetainedCommits()
        self._feedback = FeedbackGuard(ignored_tables)
        self._index: Index[LiveQuery] = Index()
        self._scheduler = RerunScheduler(loop, max_runs, self._start)
        self._queries: dict[Hashable, LiveQuery] = {}
        self._version = 0
        self.counts = LiveCounts()
        self._is_active = False
        self._sharing = Sharing(loop.time)
        self.certainty = Certainty(loop, self._log)
        self.rechecks = Rechecks(
            loop, self._scheduler, self._log, self._feedback, self._queries,
            max_runs=max_runs, replica_seconds=replica_seconds, recheck_seconds=recheck_seconds,
        )  # fmt: skip

    def __len__(self) -> int:
        """Return the number of live queries."""
        return len(self._queries)

    @property
    def subscriber_count(self) -> int:
        """How many subscribers there are. From any thread."""
        return sum(len(query.subscribers) for query in list(self._queries.values()))

    @property
    def waiting_count(self) -> int:
        """How many live queries wait for their turn. From any thread."""
        return self._scheduler.waiting_count

    def columns(self, database: str, table: str) -> frozenset[tuple[str, ...]]:
        """Return the sets of columns by which readers narrow a table. From any thread."""
        return self._index.columns(database, table)

    # Changes.

    def receive(self, commit: Commit) -> None:
        """Take the commit of a transaction. Called in the order in which commits were published."""
        self.counts.commits += 1
        if is_rerun(commit.run):
            made, commit = commit, self._feedback.allowed(commit, commit.run)
            self.counts.suppressed += len(commit.changes) < len(made.changes)
        else:
            self._feedback.count_commit()
        self._log.add(commit)
        retained = None
        for query in self._index.touched(commit):
            retained = retained or self._retained_commits.add(commit)
            query.retained.wrote(retained)
            self._touch(query, commit.run)

    def lost(self) -> None:
        """Take the notice that commits may have been missed: everything may have changed."""
        self.rechecks.lost()
        self.certainty.lost()

    def connected(self, is_connected: bool) -> None:
        """Take the notice whether commits of other processes arrive."""
        self.rechecks.connected(is_connected)
        self.certainty.connected(is_connected)

    def _touch(self, query: LiveQuery, writer: object) -> None:
        if isinstance(writer, Run) and writer.query is query:
            self.counts.suppressed += 1
            return  # a view that writes what it reads would run forever
        self.counts.coalesced += query.is_dirty
        query.note_commit(writer if is_rerun(writer) else None)
        self._feedback.check(query)
        self._scheduler.queue(query)

    # First runs, and subscribers that come and go.

    def begin(self) -> Run:
        """Take the position before a first run. A call of ``join`` or ``abandon`` follows."""
        return self._open(None)

    def abandon(self, run: Run) -> None:
        """End a first run that has no subscriber. Safe to call twice."""
        self._log.close(run, ())
        self._update_active()

    def renew(self, run: Run, reads: Iterable[ReadPredicate]) -> bool:
        """Let a first run that has ended count as one that ended now. False if it may be outdated.

        Args:
            run: a first run, which has no subscriber yet.
            reads: all that it read.
        """
        return self.rechecks.is_calm and self._log.renew(run, reads)

    def join(
        self, subscriber: Subscriber, run: Run, result: Snapshot, reads: Iterable[ReadPredicate],
        *, expires_seconds: float | None = None,
    ) -> None:  # fmt: skip
        """Add a subscriber whose first run has ended, and send it the snapshot.

        Args:
            subscriber: a new one, or one that has left.
            run: its first run.
            result: the snapshot that it gave.
            reads: what it read.
            expires_seconds: when the view must run again whatever is written, from now.
        """
        reads = frozenset(reads)
        is_late = self._log.close(run, reads)
        self._place(subscriber, run, result, reads, expires_seconds, is_late)
        if run.position < self._log.lost_position and subscriber.query is not None:
            self.rechecks.missed(subscriber.query)
            self.certainty.lost()
        result.forget_frames()

    def leave(self, subscriber: Subscriber) -> None:
        """Remove a subscriber. Safe to call twice."""
        query, subscriber.query = subscriber.query, None
        self._depart(subscriber, query)

    def move(self, subscriber: Subscriber) -> None:
        """Move a subscriber whose key has changed to the query of that key."""
        left, query = self._enter(subscriber, subscriber.key)
        if query.latest is not None and (query.is_current or query.failures):
            # Under a new version, because the subscriber may have been sent a higher one in its old
            # query.
            self._version += 1
            query.version = self._version
            subscriber.show(query.version, query.latest)
        elif query.is_new:
            self._scheduler.queue(query)
        else:
            query.position = -1  # whatever the query has sent, this subscriber has received nothing
        self._depart(subscriber, left)

    def settle(self, wait: Wait, subscribers: Iterable[Subscriber]) -> None:
        """Begin a wait, which ends when these subscribers were sent all that is known to change."""
        lost_position, subscribers = self._log.lost_position, list(subscribers)
        for query in filter(None, (subscriber.query for subscriber in subscribers)):
            if query.latest_position < lost_position:
                self._scheduler.queue(query)  # a client waits for what may be lost
        wait.begin(subscribers, self._log.position, lost_position)

    def stop(self) -> None:
        """End all timers and runs. Safe to call twice."""
        self.rechecks.stop()
        for query in list(self._queries.values()):
            for subscriber in list(query.subscribers):
                self.leave(subscriber)
        for run in self._log.close_all():
            run.end()
        self._update_active()

    def _place(
        self, subscriber: Subscriber, run: Run, result: Snapshot, reads: frozenset[ReadPredicate],
        expires_seconds: float | None, is_late: bool,
    ) -> None:  # fmt: skip
        """Send a subscriber a snapshot, in the query of all who may be sent it."""
        left, query = self._enter(subscriber, self._key(subscriber, result))
        run.query = query
        self._version += 1
        if query.is_new:
            query.latest, query.version, query.position = result, self._version, run.position
        elif query.latest is None or query.latest.digest != result.digest:
            is_late = True  # one of the two is older: a new run decides what both are sent
            query.position = min(query.position, run.position)  # both were sent nothing newer
            if query.is_public:
                query.latest = None  # it may be what only one of them is answered
        self._set_reads(query, query.retained.join(query.reads, reads))
        self.rechecks.ran(query, run, expires_seconds)
        subscriber.show(self._version, result)
        if query.latest is not None and query.latest.digest == result.digest:
            subscriber.keep(query.latest)
        if is_late:
            self._scheduler.queue(query)
        if query.failures:
            self._scheduler.hurry(query)
        self._depart(subscriber, left)
        self._update_active()

    def _enter(self, subscriber: Subscriber, key: Hashable) -> tuple[LiveQuery | None, LiveQuery]:
        """Add a subscriber to the query of a key. ``_depart`` from its other query follows."""
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
            if query.subscribers and not query.pay(count):  # the next subscriber pays
                self._set_reads(query, query.reads)
        if not query.subscribers:
            self._index.remove(query)
            del self._queries[query.key]
            self._scheduler.leave(query)
            query.stop()
            if not self._queries:
                self._retained_commits.clear()
            self._update_active()

    def _update_active(self) -> None:
        is_active = bool(self._queries) or self._log.is_needed
        if is_active != self._is_active:
            self._is_active = is_active
            self._activate(is_active)

    def _set_reads(self, query: LiveQuery, reads: frozenset[ReadPredicate]) -> None:
        """Let a query be triggered by reads, or by wider ones if there is no memory for them."""
        if reads != query.reads or query.payer is None:
            for wider in chain((reads,), coarser(reads)):
                if query.pay(max(0, weight_bytes(wider) - _FREE_BYTES)):
                    break
            else:
                query.pay(0)
            if wider is not reads:
                query.retained.widen(wider)
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
        self._update_active()
        return run

    def _start(self, query: LiveQuery) -> None:
        query.retained.begin()
        self.counts.started(is_shared=query.is_public)
        run = query.run = self._open(query)
        run.watchdog = self._loop.call_later(self._run_seconds, self._overdue, run)
        subscriber = next(iter(query.subscribers))
        run.subscriber = None if query.is_public else subscriber
        run.job = subscriber.start_shared(run) if query.is_public else subscriber.start(run)

    def _overdue(self, run: Run) -> None:
        job = run.job  # dropped when the run ends
        assert job is not None and run.query is not None  # set when it began
        logger.warning("a live view did not answer in time: %s", run.query.path)
        run.query.stuck = run
        self.finished(run, _LATE, ())
        job.give_up()

    def finished(
        self, run: Run, result: Snapshot | Refused | None, reads: Iterable[ReadPredicate],
        *, expires_seconds: float | None = None, observed: object = None, is_moot: bool = False,
    ) -> None:  # fmt: skip
        """Take the end of a run that ``Subscriber.start`` began. Late ends change nothing.

        Args:
            run: the run that has ended.
            result: its snapshot. A refusal if it cannot be sent, which ends its subscribers. None
                if the server failed.
            reads: what it read.
            expires_seconds: when it must run again whatever is written, from now.
            observed: what the run revealed about its subscribers, for ``Subscriber.learn``.
            is_moot: its result is for no subscriber. Those that are left run again.
        """
        query, reads = run.query, frozenset(reads)
        assert query is not None  # only first runs lack a query
        if run.is_over:
            self._returned(run, query)
            return
        runner, query.run = run.subscriber, None
        run.end()
        is_late = self._log.close(run, reads)
        query.is_dirty |= is_late
        if observed is not None and runner is not None:
            self._learn(query, runner, observed)
        try:
            query.is_dirty |= is_moot
            if query.subscribers and not is_moot:
                self.counts.ended(query.latest, result)
                if isinstance(result, Refused):
                    self._refuse(query, result)
                else:
                    self._accept(query, run, result or _FAILED, reads, expires_seconds)
        finally:
            self._scheduler.ended(query)
        if query.subscribers and query.is_dirty:
            self._scheduler.queue(query)
        self._update_active()

    def _learn(self, query: LiveQuery, runner: Subscriber, observed: object) -> None:
        """Separate the subscribers that must not share, by what a run of one of them revealed.

        The query stays with the subscriber that was run, and with those that are still equal to it.
        """
        if not query.subscribers or query.is_public:
            return
        for subscriber in query.subscribers:
            subscriber.learn(observed, is_own=subscriber is runner)
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

    def _returned(self, run: Run, query: LiveQuery) -> None:
        if query.stuck is run:
            query.stuck = None
            if query.subscribers and query.is_dirty:
                self._scheduler.queue(query)

    # Results of runs.

    def _accept(
        self, query: LiveQuery, run: Run, result: Snapshot, reads: frozenset[ReadPredicate],
        expires_seconds: float | None,
    ) -> None:  # fmt: skip
        if query.is_public and result.shared_key != query.key:
            self._separate(query)
            return
        if result.is_success and self._sharing.may_share(result.shared_key, query.key):
            for subscriber in list(query.subscribers):
                self._place(subscriber, run, result, reads, expires_seconds, query.is_dirty)
            return
        if not result.is_success and not result.passes:
            self._end(query, result)
            return
        # A failed run may have ended before it read everything.
        before = query.reads
        take = query.retained.take if result.is_success else query.retained.join
        self._set_reads(query, take(before, reads))
        query.pace(run, self._loop.time(), self._least_seconds, result)
        self.rechecks.ran(query, run, expires_seconds)
        self._version += 1
        if query.latest is not None and query.latest.digest == result.digest:
            query.latest.audience = result.audience  # each run decides again
            result = query.latest  # which its subscribers already hold
        query.show(self._loop, self._version, result)

    def _refuse(self, query: LiveQuery, refused: Refused) -> None:
        if query.subscribers and query.is_public:
            self._separate(query)
        else:
            self._end(query, refused)

    def _separate(self, query: LiveQuery) -> None:
        """Separate subscribers of a response that is no longer public: each runs for itself."""
        self._sharing.stop(query.key)
        for subscriber in list(query.subscribers):
            self.move(subscriber)

    def _end(self, query: LiveQuery, why: Snapshot | Refused) -> None:
        for subscriber in list(query.subscribers):
            subscriber.end(why)
            self.leave(subscriber)
