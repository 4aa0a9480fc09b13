"""Subscribers that one run of a view is for, and when it is to run again.

Owns what is known of one group: its last result, whether that may be out of date, and its pace.
Which groups run is the registry's.
"""

import asyncio
import random
from collections.abc import Hashable
from typing import Protocol

from wsrequest.errors import Refused
from wsrequest.live.kept import Kept
from wsrequest.live.queues import Turn
from wsrequest.live.snapshot import Snapshot
from wsrequest.live.waits import Wait
from wsrequest.types import ReadPredicate

__all__ = ["MOST_ECHOES", "MOST_VAGUE", "LiveQuery", "Job", "Run", "Subscriber"]

_MOST_RETRY_SECONDS = 60.0
MOST_ECHOES = 4  # runs in a row that other live runs had called for, until they are slowed down
MOST_VAGUE = 3  # reruns in a row that may wake others by "any table"


class Job(Protocol):
    """A view that is being run."""

    def give_up(self) -> None:
        """Nobody waits for it any more; on the event loop, safe to call twice."""


class Run:
    """One run of a view, from before its first read to its end.

    What a commit tells of the run that made it is one of these, so its identity matters.

    Attributes:
        position: of the log, before anything was read.
        query: whom it is for; None for a first run, until its subscriber joins one.
        began: loop time.
        subscriber: as whom it is made, until it is over; None for a first run, and a shared one.
        job: what runs it, until it is over; None for a first run, which belongs to its connection.
        is_rerun: whether the registry began it, and no client.
        is_over: its result is no longer wanted.
        lags: it read from a replica.
        feedback_runs: of its group, when it began.
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
        """Its result is there, or wanted no longer. Safe to call twice."""
        self.is_over = True
        # A commit that is remembered names its run: that keeps nobody's connection alive.
        self.job = self.subscriber = None
        if self.watchdog is not None:
            self.watchdog.cancel()
            self.watchdog = None


class Subscriber(Protocol):
    """One live request, as the registry sees it. Called on the event loop."""

    key: Hashable
    """Equal for those whose requests are equal, whoever answers: URL, headers, identity."""
    query: "LiveQuery | None"
    turn: Turn
    """In whose turn its view runs again."""

    @property
    def path(self) -> str:
        """Of its URL, for a line of the log."""

    def start(self, run: Run) -> Job:
        """Run the view again; ``Registry.finished`` follows, with this run."""

    def start_shared(self, run: Run) -> Job:
        """The same with nothing that is its own: for all who share the result of ``run.query``."""

    def learn(self, told: object, *, is_own: bool) -> None:
        """Take what a run of its group tells of it, which may make ``key`` another.

        Args:
            told: as ``Registry.finished`` was given it.
            is_own: whether the run was made as this one.
        """

    def show(self, version: int, result: Snapshot) -> None:
        """Send a result, unless the client has the same."""

    def keep(self, result: Snapshot) -> None:
        """Hold this one instead of an equal one of its own, so that all of a group hold one."""

    def end(self, why: Snapshot | Refused) -> None:
        """Send the last that is to be said; the registry forgets the subscriber."""

    def take(self, count: int) -> bool:
        """Count so many bytes more for what is read. False where that is too much."""

    def give(self, count: int) -> None:
        """Count so many bytes less."""


class LiveQuery:
    """Subscribers who are shown the same.

    Attributes:
        key: ``Subscriber.key``, or what those have in common who may share.
        path: of the URL of all of them.
        subscribers: never empty while the registry knows the group; in the order of joining.
        latest: the last result; None until the first run of this group has ended.
        version: of ``latest``.
        position: of the run that gave the last success.
        reads: by what it is woken: what the runs behind ``latest`` read, and what is kept.
        kept: what runs before them read that may still count.
        payer: the subscriber in whose account the memory of ``reads`` counts; None for none.
        paid_bytes: what counts there.
        is_dirty: what was read may have changed since.
        is_awaited: it is to run for another reason than its age alone.
        is_showing: some of the subscribers are still to be shown ``latest``.
        run: that is going on.
        stuck: a run that did not end in time; there is no other before it has come back.
        not_before: loop time of the next run, by the pace of its view or of its failures.
        quiet_until: the same, because live runs only answer each other.
        timer: until then.
        expiry: until the result is too old by what the view said.
        failures: in a row.
        replica_retries: how often it ran since the last change only because a replica may have
            lagged.
        feedback_runs: how many live runs called for each other, one by one, before it was called
            for; 0 when somebody else was the reason to run.
        vague: how many of its reruns wrote any table since ``vague_since``, and the last of them.
        vague_since: how many commits there had been that no rerun made.
        waits: those that end once the subscribers were shown what was committed up to a position.
    """

    __slots__ = (
        "expiry", "failures", "feedback_runs", "is_awaited", "is_dirty", "is_showing",
        "kept", "key", "latest", "not_before", "paid_bytes", "path", "payer", "position",
        "quiet_until", "reads", "replica_retries", "run", "stuck", "subscribers", "timer",
        "vague", "vague_since", "version", "waits",
    )  # fmt: skip

    def __init__(self, key: Hashable, path: str) -> None:
        self.key, self.path = key, path
        self.subscribers: dict[Subscriber, None] = {}
        self.latest: Snapshot | None = None
        self.version, self.position = 0, -1
        self.reads: frozenset[ReadPredicate] = frozenset()
        self.kept = Kept()
        self.payer: Subscriber | None = None
        self.paid_bytes = 0
        self.is_dirty = self.is_awaited = self.is_showing = False
        self.run: Run | None = None
        self.stuck: Run | None = None
        self.not_before = self.quiet_until = 0.0
        self.timer: asyncio.TimerHandle | None = None
        self.expiry: asyncio.TimerHandle | None = None
        self.failures = self.feedback_runs = self.replica_retries = self.vague_since = 0
        self.vague: tuple[int, Run | None] = 0, None
        self.waits: dict[Wait, None] = {}  # an ordered set

    @property
    def is_new(self) -> bool:
        """Whether there is no result, and nothing was done for one."""
        return self.latest is None and not self.is_dirty and self.run is None

    @property
    def is_current(self) -> bool:
        """Whether the last result is what a run would give now, as far as is known."""
        return self.latest is not None and not self.is_dirty and self.run is None

    @property
    def is_public(self) -> bool:
        """Whether different identities share its result. It must have subscribers."""
        return self.key != next(iter(self.subscribers)).key

    def has_shown(self, position: int) -> bool:
        """Whether all were shown what was committed up to a position."""
        return not self.is_showing and (self.is_current or position <= self.position)

    def rest(self, began: float, ended: float, least_seconds: float) -> None:
        """Set the pace behind a run: half of the time for others, at least.

        Args:
            began: loop time of the run's begin.
            ended: of its end.
            least_seconds: between the begins of two runs.
        """
        self.not_before = max(began + least_seconds, ended + (ended - began))
        if self.feedback_runs > MOST_ECHOES:
            pause = min(_MOST_RETRY_SECONDS, 0.1 * 2 ** (self.feedback_runs - MOST_ECHOES))
            self.quiet_until = ended + pause

    def hear(self, writer: Run | None) -> None:
        """A commit concerns it.

        Args:
            writer: the live run that alone made it, if any. Only those that call for each other
                without end are slowed down: a commit that somebody else made, or that is few runs
                away from one, ends the pause for echoes at once, for somebody waits for it.
        """
        self.replica_retries = 0
        feedback_runs = 0 if writer is None else writer.feedback_runs + 1
        # The next run is for all that came since the last began: what somebody waits for counts.
        self.feedback_runs = (
            min(feedback_runs, self.feedback_runs) if self.is_dirty else feedback_runs
        )
        if self.feedback_runs <= MOST_ECHOES and self.quiet_until:
            self.quiet_until = 0.0
            self._stop_timer()

    def pay(self, count: int) -> bool:
        """Count the memory of what it reads in the account of its oldest subscriber.

        Args:
            count: bytes, instead of those that counted before.

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
        """Count nothing for what it reads. Returns how many bytes counted."""
        count, self.paid_bytes = self.paid_bytes, 0
        if self.payer is not None:
            self.payer.give(count)
            self.payer = None
        return count

    def may_be_vague(self, run: Run, commits: int) -> bool:
        """Whether one of its reruns may wake others by a write that cannot be told.

        Args:
            run: that wrote any table. All that it writes counts as one.
            commits: how many there were that no rerun made. Each begins the count anew, for what
                it wrote may be what the rerun passes on.
        """
        if commits != self.vague_since:
            self.vague_since, self.vague = commits, (0, None)
        count, last = self.vague
        if last is not run:
            count += 1
            self.vague = count, run
        return count <= MOST_VAGUE

    def retry(self, ended: float, told_seconds: float | None) -> None:
        """Set the pace behind a failure: what it asks for, or longer each time.

        Args:
            ended: loop time.
            told_seconds: of Retry-After.
        """
        self.failures += 1
        most = min(_MOST_RETRY_SECONDS, 2.0**self.failures)
        # With jitter: many groups may have failed for the same reason in the same moment.
        self.not_before = ended + (told_seconds or most * random.uniform(0.5, 1.0))

    def forgive(self) -> None:
        """What failed may succeed now: the pause is over."""
        self.failures, self.not_before = 0, 0.0
        self._stop_timer()

    def _stop_timer(self) -> None:
        if self.timer is not None:
            self.timer.cancel()
            self.timer = None

    def stop(self) -> None:
        """Nobody is left: end what is going on, and keep nothing. Safe to call twice."""
        for timer in (self.timer, self.expiry):
            if timer is not None:
                timer.cancel()
        if self.run is not None and self.run.job is not None:
            self.run.job.give_up()
        # Its runs name it, for as long as commits name them.
        self.latest, self.reads, self.kept, self.vague = None, frozenset(), Kept(), (0, None)
        waits, self.waits = self.waits, {}
        for wait in waits:
            wait.look()

    def settle(self) -> None:
        """End the waits for no more than was shown."""
        waits, self.waits = self.waits, {}
        due: list[Wait] = []
        for wait in waits:
            if self.has_shown(wait.position):
                due.append(wait)
            else:
                self.waits[wait] = None
        for wait in due:
            wait.look()
