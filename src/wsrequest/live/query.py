"""Keeps the state of one live query: its subscribers, its latest snapshot and its pace.

The manager and the scheduler decide which queries run.
"""

import asyncio
import random
from collections.abc import Hashable
from typing import TYPE_CHECKING, Protocol

from wsrequest.errors import Refused
from wsrequest.live.retained_reads import RetainedReads
from wsrequest.live.round_robin import Turn
from wsrequest.live.snapshot import Snapshot
from wsrequest.types import ReadPredicate, RemoteRerun

if TYPE_CHECKING:
    from wsrequest.live.waits import Wait

__all__ = [
    "MAX_FEEDBACK_RUNS",
    "MAX_UNKNOWN_WRITES",
    "Job",
    "LiveQuery",
    "Run",
    "Subscriber",
]

_MAX_RETRY_SECONDS = 60.0
_MAX_DOUBLINGS = 10  # of a pause. A power of a count that only rises would overflow in the end
_SLICE = 100  # subscribers that are sent a snapshot before the event loop does other work
MAX_FEEDBACK_RUNS = 4  # runs in a row that other reruns triggered, before they are slowed down
MAX_UNKNOWN_WRITES = 3  # reruns in a row that may trigger others by a write to "any table"


class Job(Protocol):
    """A view that is being run."""

    def give_up(self) -> None:
        """Stop waiting for it. On the event loop. Safe to call twice."""


class Run:
    """One run of a view, from before its first read to its end.

    A commit names the run that made it, so the identity of these objects matters.

    Attributes:
        position: of the commit log, before anything was read.
        query: the query that the run is for. None for a first run, until its subscriber joins one.
        began: loop time.
        subscriber: whose request is run, until the run is over. None for a first run and a shared
            one.
        job: the running view, until the run is over. None for a first run, which its connection
            owns.
        is_rerun: whether the manager started it, and not a client.
        is_over: its result is no longer wanted.
        lags: it read from a replica.
        feedback_runs: of its query, when the run began.
    """

    __slots__ = (
        "began", "feedback_runs", "query", "is_over", "is_rerun", "job", "lags", "position",
        "subscriber", "watchdog",
    )  # fmt: skip

    def __init__(self, began: float, query: "LiveQuery | None" = None) -> None:
        self.began, self.query = began, query
        self.position = 0
        self.feedback_runs = 0 if query is None else query.feedback_runs
        self.subscriber: Subscriber | None = None
        self.job: Job | None = None
        self.is_over = self.lags = False
        self.is_rerun = query is not None
        self.watchdog: asyncio.TimerHandle | None = None

    def end(self) -> None:
        """End the run: its result is there, or no longer wanted. Safe to call twice."""
        self.is_over = True
        # A retained commit names its run, which must not keep a connection alive.
        self.job = self.subscriber = None
        if self.watchdog is not None:
            self.watchdog.cancel()
            self.watchdog = None


class Subscriber(Protocol):
    """One live request, as the manager sees it. Called on the event loop."""

    key: Hashable
    """Equal for subscribers with equal requests: URL, headers and identity."""
    query: "LiveQuery | None"
    turn: Turn
    """The turn in which its view runs again."""

    @property
    def path(self) -> str:
        """The path of its URL, for the log."""

    def start(self, run: Run) -> Job:
        """Run the view again. A call of ``LiveQueryManager.finished`` with this run follows."""

    def start_shared(self, run: Run) -> Job:
        """Run the view with nothing of its own, for all who share the snapshot of ``run.query``."""

    def learn(self, observed: object, *, is_own: bool) -> None:
        """Take what a run of its query revealed about it, which may change ``key``.

        Args:
            observed: as passed to ``LiveQueryManager.finished``.
            is_own: whether the run was made for this subscriber.
        """

    def show(self, version: int, result: Snapshot) -> None:
        """Send a snapshot, unless the client already has it."""

    def keep(self, result: Snapshot) -> None:
        """Hold this snapshot in place of an equal one: all subscribers then hold one object."""

    def end(self, why: Snapshot | Refused) -> None:
        """Send the last message. The manager forgets the subscriber."""

    def take(self, count: int) -> bool:
        """Count more bytes for its read set. False if that is too much."""

    def give(self, count: int) -> None:
        """Count fewer bytes."""


class LiveQuery:
    """The subscribers that are sent the same snapshots.

    Attributes:
        key: ``Subscriber.key``, or what subscribers who may share have in common.
        path: of the URL of all of them.
        subscribers: in the order of joining. Never empty while the manager knows the query.
        latest: the last snapshot. None until the first run of this query has ended.
        version: of ``latest``.
        position: of the run that gave the last success.
        reads: what triggers it: the reads of the runs behind ``latest``, and those that are
            retained.
        retained: what earlier runs read that may still count.
        payer: the subscriber whose account covers the memory of ``reads``, or None.
        paid_bytes: how much is counted there.
        is_dirty: what was read may have changed since.
        is_awaited: it must run for a reason other than its age.
        is_showing: some of the subscribers have not been sent ``latest`` yet.
        run: the current run.
        stuck: a run that did not end in time. No other run starts before it returns.
        not_before: loop time of the next run, by the pace of the view or after failures.
        paused_until: the same, because reruns only trigger each other.
        timer: for the later of these two.
        expiry: the timer for the age of the snapshot.
        failures: how many in a row.
        replica_retries: how many runs since the last change had the only reason that a replica may
            lag.
        feedback_runs: how many reruns triggered each other in a row before this query was
            triggered. 0 if anything else was the reason to run.
        unknown_writes: how many of its reruns wrote to unknown tables since ``unknown_since``,
            and the last one.
        unknown_since: how many commits there were then that no rerun had made.
        waits: the settled responses that wait for this query.
    """

    __slots__ = (
        "expiry", "failures", "feedback_runs", "is_awaited", "is_dirty", "is_showing",
        "retained", "key", "latest", "not_before", "paid_bytes", "path", "payer", "position",
        "paused_until", "reads", "replica_retries", "run", "stuck", "subscribers", "timer",
        "unknown_writes", "unknown_since", "version", "waits",
    )  # fmt: skip

    def __init__(self, key: Hashable, path: str) -> None:
        self.key, self.path = key, path
        self.subscribers: dict[Subscriber, None] = {}
        self.latest: Snapshot | None = None
        self.version, self.position = 0, -1
        self.reads: frozenset[ReadPredicate] = frozenset()
        self.retained = RetainedReads()
        self.payer: Subscriber | None = None
        self.paid_bytes = 0
        self.is_dirty = self.is_awaited = self.is_showing = False
        self.run: Run | None = None
        self.stuck: Run | None = None
        self.not_before = self.paused_until = 0.0
        self.timer: asyncio.TimerHandle | None = None
        self.expiry: asyncio.TimerHandle | None = None
        self.failures = self.feedback_runs = self.replica_retries = self.unknown_since = 0
        self.unknown_writes: tuple[int, Run | None] = 0, None
        self.waits: dict[Wait, None] = {}  # an ordered set

    @property
    def is_new(self) -> bool:
        """Whether there is no snapshot, and no run for one has started."""
        return self.latest is None and not self.is_dirty and self.run is None

    @property
    def is_current(self) -> bool:
        """Whether the last snapshot is what a run would give now, as far as is known."""
        return self.latest is not None and not self.is_dirty and self.run is None

    @property
    def is_public(self) -> bool:
        """Whether different identities share its snapshots. Needs a subscriber."""
        return self.key != next(iter(self.subscribers)).key

    def has_shown(
        self, position: int, lost_position: int = -1, *, accepts_failure: bool = False
    ) -> bool:
        """Whether all subscribers were sent what was committed up to a position.

        Args:
            position: of the commit log.
            lost_position: where commits were last lost. A run that began before it proves nothing
                about later commits, even if none is known.
            accepts_failure: whether it is enough that they were sent a failure.
        """
        if self.is_showing:
            return False
        if position <= self.position or (accepts_failure and self.failures):
            return True
        return self.is_current and lost_position <= self.position

    @property
    def latest_position(self) -> int:
        """That of the current run, or of the last one that gave a success."""
        return self.position if self.run is None else self.run.position

    def show(self, loop: asyncio.AbstractEventLoop, version: int, result: Snapshot) -> None:
        """Send a new latest snapshot to all subscribers, some of them at a time.

        Args:
            loop: does other work in between.
            version: higher than all before.
            result: of the last run.
        """
        self.latest, self.version, self.is_showing = result, version, True
        self._show(loop, result, list(self.subscribers))

    def _show(
        self, loop: asyncio.AbstractEventLoop, result: Snapshot, subscribers: list[Subscriber]
    ) -> None:
        if self.latest is not result:
            return  # a newer one is being sent to all
        for subscriber in subscribers[:_SLICE]:
            if subscriber.query is self:
                subscriber.show(self.version, result)
        rest = subscribers[_SLICE:]
        if rest:
            loop.call_soon(self._show, loop, result, rest)
        else:
            result.forget_frames()
            self.is_showing = False
            self.settle()

    def pace(self, run: Run, ended: float, least_seconds: float, result: Snapshot) -> None:
        """Set the pace after a run, and record whether it was a success.

        Args:
            run: the run.
            ended: loop time of its end.
            least_seconds: between the starts of two runs.
            result: of the run.
        """
        if result.is_success:
            self.failures, self.position = 0, run.position
            self.rest(run.began, ended, least_seconds)
        else:
            self.retry(ended, result.retry_after_seconds)
            self.is_dirty = True

    def rest(self, began: float, ended: float, least_seconds: float) -> None:
        """Set the pace after a run: at least half of the time is left to others.

        Args:
            began: loop time of the start of the run.
            ended: loop time of its end.
            least_seconds: between the starts of two runs.
        """
        self.not_before = max(began + least_seconds, ended + (ended - began))
        if self.feedback_runs > MAX_FEEDBACK_RUNS:
            doublings = min(self.feedback_runs - MAX_FEEDBACK_RUNS, _MAX_DOUBLINGS)
            pause = min(_MAX_RETRY_SECONDS, 0.1 * 2**doublings)
            self.paused_until = ended + pause

    def note_commit(self, writer: Run | RemoteRerun | None) -> None:
        """Record a commit that concerns the query.

        Args:
            writer: the rerun that alone made the commit, or None. Only queries that trigger each
                other without end are slowed down. A commit that someone else made, or that is only
                a few runs away from one, ends the pause at once, because somebody waits for it.
        """
        self.replica_retries = 0
        feedback_runs = 0 if writer is None else writer.feedback_runs + 1
        # The next run covers every commit since the last one began. The one that somebody waits
        # for counts.
        self.feedback_runs = (
            min(feedback_runs, self.feedback_runs) if self.is_dirty else feedback_runs
        )
        if self.feedback_runs <= MAX_FEEDBACK_RUNS and self.paused_until:
            self.paused_until = 0.0
            self._stop_timer()

    def pay(self, count: int) -> bool:
        """Count the memory of its reads in the account of its oldest subscriber.

        Args:
            count: bytes, in place of those that were counted before.

        Returns:
            Whether the account allows it. If not, nothing has changed.
        """
        payer = next(iter(self.subscribers)) if self.payer is None else self.payer
        more = count - self.paid_bytes
        if more > 0 and not payer.take(more):
            return False
        if more < 0:
            payer.give(-more)
        self.payer, self.paid_bytes = payer, count
        return True

    def pay_no_more(self) -> int:
        """Stop counting its reads. Returns how many bytes were counted."""
        count, self.paid_bytes = self.paid_bytes, 0
        if self.payer is not None:
            self.payer.give(count)
            self.payer = None
        return count

    def may_write_unknown(self, run: Run, commits: int) -> bool:
        """Whether one of its reruns may trigger others by a write to unknown tables.

        Args:
            run: the rerun that made the write. All that it writes counts as one write.
            commits: how many commits there were that no rerun made. Each restarts the count,
                because the rerun may pass on what that commit wrote.
        """
        if commits != self.unknown_since:
            self.unknown_since, self.unknown_writes = commits, (0, None)
        count, last = self.unknown_writes
        if last is not run:
            count += 1
            self.unknown_writes = count, run
        return count <= MAX_UNKNOWN_WRITES

    def retry(self, ended: float, retry_after_seconds: float | None) -> None:
        """Set the pace after a failure: what the response asks for, or a pause that grows.

        Args:
            ended: loop time.
            retry_after_seconds: of Retry-After, or None.
        """
        self.failures += 1
        most = min(_MAX_RETRY_SECONDS, 2.0 ** min(self.failures, _MAX_DOUBLINGS))
        # With jitter, because many queries may have failed for the same reason at the same moment.
        self.not_before = ended + (retry_after_seconds or most * random.uniform(0.5, 1.0))

    def forgive(self) -> None:
        """End the pause after failures: a run may succeed now."""
        self.failures, self.not_before = 0, 0.0
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def stop(self) -> None:
        """End what is going on and drop everything: no subscriber is left. Safe to call twice."""
        for timer in (self.timer, self.expiry):
            if timer is not None:
                timer.cancel()
        if self.run is not None and self.run.job is not None:
            self.run.job.give_up()
        # Commits may name its runs for a long time, and the runs name the query.
        self.latest, self.reads, self.retained, self.unknown_writes = (
            None,
            frozenset(),
            RetainedReads(),
            (0, None),
        )
        waits, self.waits = self.waits, {}
        for wait in waits:
            wait.look()

    def settle(self) -> None:
        """End the waits that the latest snapshot settles."""
        waits, self.waits = self.waits, {}
        due: list[Wait] = []
        for wait in waits:
            if wait.is_met_by(self):
                due.append(wait)
            else:
                self.waits[wait] = None
        for wait in due:
            wait.look()
