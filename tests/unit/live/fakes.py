"""A manager under the control of a test: its clock, and subscribers that record what they get.

Nothing happens by itself: a test lets time pass and ends runs.
"""

from collections.abc import Callable, Hashable
from typing import Any

from wsrequest.errors import Refused
from wsrequest.live.manager import LiveQueryManager
from wsrequest.live.query import LiveQuery, Run
from wsrequest.live.round_robin import Turn
from wsrequest.live.snapshot import Snapshot
from wsrequest.live.waits import Wait
from wsrequest.types import Commit, ReadPredicate, TableChange


class Handle:
    """As asyncio's TimerHandle."""

    def __init__(self, due: float, call: Callable[[], object]) -> None:
        self._due, self.call, self.is_cancelled = due, call, False

    def cancel(self) -> None:
        self.is_cancelled = True

    def when(self) -> float:
        return self._due


class Clock:
    """What the manager uses of an event loop, where time passes by ``advance`` only."""

    def __init__(self) -> None:
        self.now = 1000.0
        self._handles: list[Handle] = []
        self._soon: list[Callable[[], object]] = []

    def time(self) -> float:
        return self.now

    def call_at(self, when: float, function: Callable[..., object], *args: object) -> Handle:
        handle = Handle(when, lambda: function(*args))
        self._handles.append(handle)
        return handle

    def call_later(self, delay: float, function: Callable[..., object], *args: object) -> Handle:
        return self.call_at(self.now + delay, function, *args)

    def call_soon(self, function: Callable[..., object], *args: object) -> None:
        self._soon.append(lambda: function(*args))

    @property
    def waiting(self) -> list[Handle]:
        """The timers that are still to ring, the next one first."""
        self._handles = [handle for handle in self._handles if not handle.is_cancelled]
        return sorted(self._handles, key=Handle.when)

    def turn(self) -> bool:
        """One turn of the loop. Returns whether there was something to do."""
        soon, self._soon = self._soon, []
        for call in soon:
            call()
        return bool(soon)

    def advance(self, seconds: float) -> None:
        """Let time pass; what is due meanwhile happens in its order."""
        end = self.now + seconds
        while self.turn():
            pass
        while self.waiting and self.waiting[0].when() <= end:
            handle = self.waiting[0]
            self.now = max(self.now, handle.when())
            self._handles.remove(handle)
            handle.call()
            while self.turn():
                pass
        self.now = end


class Job:
    """A view that runs until the test ends it."""

    def __init__(self, run: Run, subscriber: "FakeSubscriber") -> None:
        self.run, self.subscriber = run, subscriber
        self.is_given_up = self.is_shared = False

    def give_up(self) -> None:
        self.is_given_up = True


class FakeSubscriber:
    """Notes what it is shown. ``jobs`` are those that it was asked to start."""

    def __init__(self, key: Hashable = "me", jobs: list[Job] | None = None) -> None:
        self.key, self.path = key, f"/{key}/"
        self.jobs: list[Job] = [] if jobs is None else jobs
        self.shown: list[tuple[int, Snapshot]] = []
        self.ends: list[Any] = []
        self.paid_bytes, self.most_bytes = 0, 2**24
        self.query: LiveQuery | None = None
        self.turn = Turn(object(), object())  # of an address of its own

    def start(self, run: Run) -> Job:
        job = Job(run, self)
        self.jobs.append(job)
        return job

    def start_shared(self, run: Run) -> Job:
        job = self.start(run)
        job.is_shared = True
        return job

    def learn(self, told: object, *, is_own: bool) -> None:
        raise AssertionError("no run of these fakes tells anything of its subscriber")

    def show(self, version: int, result: Snapshot) -> None:
        # As a connection does: what is older than what was shown is not shown.
        if not self.shown or version > self.shown[-1][0]:
            self.shown.append((version, result))

    def keep(self, result: Snapshot) -> None: ...

    def take(self, count: int) -> bool:
        if self.paid_bytes + count > self.most_bytes:
            return False
        self.paid_bytes += count
        return True

    def give(self, count: int) -> None:
        self.paid_bytes -= count

    def end(self, why: Any) -> None:
        self.ends.append(why)

    @property
    def body(self) -> bytes:
        """What it was shown last."""
        return self.shown[-1][1].body

    @property
    def bodies(self) -> list[bytes]:
        """All that it was shown, but for what it had already."""
        found: list[bytes] = []
        for _, result in self.shown:
            if not found or found[-1] != result.body:
                found.append(result.body)
        return found


class World:
    """A manager with a clock, and the jobs of all its subscribers in the order of their begin."""

    def __init__(self, **kwargs: Any) -> None:
        self.clock = Clock()
        self.jobs: list[Job] = []
        self.is_active: list[bool] = []
        given = {"max_runs": 4, "least_seconds": 0.0, "run_seconds": 30.0, **kwargs}
        self.manager = LiveQueryManager(self.clock, activate=self.is_active.append, **given)  # type: ignore[arg-type]

    def subscriber(self, key: Hashable = "me") -> FakeSubscriber:
        return FakeSubscriber(key, self.jobs)

    def subscribe(
        self,
        body: bytes = b"one",
        reads: tuple[ReadPredicate, ...] = (),
        key: Hashable = "me",
        **kwargs: Any,
    ) -> FakeSubscriber:
        """Take in a subscriber whose first run is over at once."""
        shared, turn = kwargs.pop("shared", None), kwargs.pop("turn", None)
        subscriber = self.subscriber(key)
        subscriber.turn = turn or subscriber.turn
        run = self.manager.begin()
        self.manager.join(subscriber, run, ok(body, shared), reads or (read("a"),), **kwargs)
        return subscriber

    def move(self, subscriber: FakeSubscriber, key: str) -> None:
        """Let a subscriber become another."""
        subscriber.key = key
        self.manager.move(subscriber)

    def commit(self, *tables: str, run: object = None) -> None:
        self.manager.receive(wrote(*tables, run=run))

    def end(
        self, job: Job | None = None, result: Snapshot | Refused | None = None,
        reads: tuple[ReadPredicate, ...] = (), **kwargs: Any,
    ) -> None:  # fmt: skip
        """End a run, the last one unless another is named."""
        job = job or self.jobs[-1]
        self.manager.finished(job.run, result, reads or (read("a"),), **kwargs)

    def until_begun(self, count: int) -> None:
        """Let time pass until so many runs were begun."""
        for _ in range(1000):
            if len(self.jobs) >= count:
                return
            self.clock.advance(0.25)
        raise AssertionError(f"only {len(self.jobs)} runs were begun")

    def is_empty(self) -> bool:
        """Whether nothing is left of all who were here."""
        manager = self.manager
        return not len(manager) and not len(manager._index) and not self.clock.waiting


class Waiter:
    """Counts how often its wait ended, and records what the subscribers had been sent by then."""

    def __init__(self, world: World, *subscribers: FakeSubscriber) -> None:
        self.ended_count = 0
        self.seen: list[bytes] = []
        self._subscribers = subscribers
        self.wait = Wait(self.end)
        world.manager.settle(self.wait, subscribers)

    def end(self) -> None:
        self.ended_count += 1
        self.seen = [who.body for who in self._subscribers]


def read(table: str) -> ReadPredicate:
    return ReadPredicate("default", table)


def wrote(*tables: str, run: object = None) -> Commit:
    return Commit(tuple(TableChange("default", table) for table in tables), run)


def ok(body: bytes = b"one", shared: Hashable | None = None) -> Snapshot:
    return Snapshot(200, {"Content-Type": "text/plain"}, body, shared)


def failed(status: int = 500, body: bytes = b"secret", **headers: str) -> Snapshot:
    return Snapshot(status, {n.replace("_", "-"): v for n, v in headers.items()}, body)
