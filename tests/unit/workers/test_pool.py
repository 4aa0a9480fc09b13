"""The worker pool: which job runs when, on which thread, and how results reach the loop."""

import asyncio
import gc
import os
import threading
import time
import weakref
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from contextvars import ContextVar, copy_context
from typing import Any

import pytest
from asgiref.local import Local
from asgiref.sync import async_to_sync, sync_to_async

from wsrequest.workers import pool as pool_module
from wsrequest.workers import scaling
from wsrequest.workers.pool import WorkerPool
from wsrequest.workers.queue import QueueKey, QuotaGroup

SECONDS = 5.0  # far more than anything here takes

pytestmark = pytest.mark.asyncio


class Work:
    """A job that calls a function, and can be waited for on the event loop."""

    def __init__(self, function: Callable[[], object] = lambda: None) -> None:
        self.function = function
        self.delivered = asyncio.Event()

    def run(self) -> None:
        self.function()

    def deliver(self) -> None:
        self.delivered.set()


class Hold(Work):
    """A job that holds its thread until it is let go; with a lane, parked meanwhile."""

    def __init__(self, pool: WorkerPool | None = None) -> None:
        super().__init__(self.hold)
        self.pool, self.begun, self.go = pool, threading.Event(), threading.Event()

    def hold(self) -> None:
        if self.pool is None:
            self.begun.set()
            assert self.go.wait(SECONDS)
            return
        with self.pool.blocked():
            self.begun.set()
            assert self.go.wait(SECONDS)

    async def until_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, SECONDS)


class ListLoop:
    """An event loop as far as a lane knows one: it counts, and calls when it is told to."""

    def __init__(self) -> None:
        self.scheduled: list[Callable[[], None]] = []

    def call_later(self, delay: float, callback: Callable[[], None], **kwargs: Any) -> None:
        pass

    def call_soon_threadsafe(self, callback: Callable[[], None], **kwargs: Any) -> None:
        self.scheduled.append(callback)

    def turn(self) -> None:
        scheduled, self.scheduled = self.scheduled, []
        for callback in scheduled:
            callback()


def pool_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "wsrequest-worker"}


@contextmanager
def joined() -> Iterator[None]:
    """Fail when a thread of a lane outlives the block."""
    before = pool_threads()
    yield
    for thread in pool_threads() - before:
        thread.join(SECONDS)
        assert not thread.is_alive()


@asynccontextmanager
async def opened(
    threads: int = 1, max_threads: int = 8, **kwargs: Any
) -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(
        asyncio.get_running_loop(), threads=threads, max_threads=max_threads, **kwargs
    )
    with joined():
        yield pool
        pool.stop()


async def becomes(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not is_so():  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.005)


async def done(*works: Work) -> None:
    async with asyncio.timeout(SECONDS):
        for work in works:
            await work.delivered.wait()


# Order.


async def test_submit_serves_sources_in_turn() -> None:
    async with opened() as pool:
        greedy, modest, order = QueueKey(), QueueKey(), []
        hold = Hold()
        pool.submit(hold, greedy)
        works = [Work(lambda: order.append("greedy")) for _ in range(100)]
        for work in works:
            pool.submit(work, greedy)
        one = Work(lambda: order.append("modest"))
        pool.submit(one, modest)
        hold.go.set()
        await done(one, *works)
    assert order.index("modest") <= 1


async def test_submit_keeps_the_order_of_one_source() -> None:
    async with opened() as pool:
        queue_key, order = QueueKey(), []
        works = [Work(lambda n=n: order.append(n)) for n in range(50)]  # type: ignore[misc]
        for work in works:
            pool.submit(work, queue_key)
        await done(*works)
    assert order == list(range(50))


async def test_a_source_is_served_again_after_it_ran_empty() -> None:
    async with opened() as pool:
        queue_key = QueueKey()
        for _ in range(3):
            work = Work()
            pool.submit(work, queue_key)
            await done(work)


# Threads.


async def test_threads_are_kept_between_jobs() -> None:
    async with opened(threads=2) as pool:
        queue_key, idents = QueueKey(), set()
        for _ in range(30):
            works = [Work(lambda: idents.add(threading.get_ident())) for _ in range(4)]
            for work in works:
                pool.submit(work, queue_key)
            await done(*works)
    assert 1 <= len(idents) <= 2


async def test_jobs_at_the_same_time_are_at_most_as_many_as_threads() -> None:
    running, most, lock = 0, 0, threading.Lock()

    def count() -> None:
        nonlocal running, most
        with lock:
            running += 1
            most = max(most, running)
        with lock:
            running -= 1

    async with opened(threads=2) as pool:
        holds = [Hold(), Hold()]
        works = [Work(count) for _ in range(40)]
        for work in (*holds, *works):
            pool.submit(work, QueueKey())
        for hold in holds:
            await hold.until_begun()
        assert not any(work.delivered.is_set() for work in works)
        for hold in holds:
            hold.go.set()
        await done(*works)
    assert most <= 2


async def test_thread_locals_survive_a_job() -> None:
    local = threading.local()
    async with opened() as pool:
        await pool.call(setattr, local, "value", 7, queue_key=QueueKey())
        assert await pool.call(getattr, local, "value", queue_key=QueueKey()) == 7


async def test_context_variables_of_a_job_end_with_it() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="untouched")
    async with opened() as pool:
        await pool.call(variable.set, "set by a job", queue_key=QueueKey())
        assert await pool.call(variable.get, queue_key=QueueKey()) == "untouched"


async def test_what_prepare_sets_in_its_context_stays() -> None:
    variable: ContextVar[str] = ContextVar("variable")
    async with opened(prepare=lambda: variable.set("prepared")) as pool:
        await pool.call(variable.set, "set by a job", queue_key=QueueKey())
        assert await pool.call(variable.get, queue_key=QueueKey()) == "prepared"


class Looking:
    """A job that looks at a variable, with no context that it was asked in."""

    def __init__(self, variable: ContextVar[str], loop: asyncio.AbstractEventLoop) -> None:
        self.variable, self.found = variable, loop.create_future()
        self.value = ""

    def run(self) -> None:
        self.value = self.variable.get()

    def deliver(self) -> None:
        self.found.set_result(self.value)


def handing_on(monkeypatch: pytest.MonkeyPatch, variable: ContextVar[str]) -> list[str]:
    """Have threads run in the context of who starts them, as tools do; return what they kept."""
    kept: list[str] = []
    start, run = threading.Thread.start, threading.Thread.run

    def starting(self: Any) -> None:
        self.context = copy_context()
        kept.append(variable.get())
        start(self)

    monkeypatch.setattr(threading.Thread, "start", starting)
    monkeypatch.setattr(threading.Thread, "run", lambda self: self.context.run(run, self))
    return kept


async def test_a_thread_has_nothing_of_the_context_that_begun_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The instrumentation of OpenTelemetry and Sentry hands it on, and all jobs would copy it."""
    variable: ContextVar[str] = ContextVar("variable", default="untouched")
    kept = handing_on(monkeypatch, variable)
    variable.set("of the connection that came first")
    async with opened() as pool:
        for _ in range(2):
            job = Looking(variable, asyncio.get_running_loop())
            pool.submit(job, QueueKey())
            assert await job.found == "untouched"
    assert set(kept) == {"untouched"}


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_job_has_nothing_of_its_thread_s_own_context(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Whatever a tool has set there before the thread came to us."""
    variable: ContextVar[str] = ContextVar("variable", default="untouched")
    run = threading.Thread.run

    def running(self: threading.Thread) -> None:
        variable.set("by a tool")
        run(self)

    monkeypatch.setattr(threading.Thread, "run", running)
    async with opened() as pool:
        job = Looking(variable, asyncio.get_running_loop())
        pool.submit(job, QueueKey())
        assert await job.found == "untouched"


async def test_a_call_has_the_context_of_who_makes_it() -> None:
    variable: ContextVar[str] = ContextVar("variable", default="untouched")
    local = Local()

    def look() -> str:
        name: str = local.name
        return name

    async with opened(prepare=lambda: setattr(local, "name", "prepared")) as pool:
        assert await pool.call(look, queue_key=QueueKey()) == "prepared"
        variable.set("of the caller")
        local.name = "of the caller"
        assert await pool.call(variable.get, queue_key=QueueKey()) == "of the caller"
        assert await pool.call(look, queue_key=QueueKey()) == "of the caller"


async def test_prepare_is_called_once_in_each_thread() -> None:
    idents: list[int] = []
    async with opened(threads=2, prepare=lambda: idents.append(threading.get_ident())) as pool:
        holds = [Hold(), Hold()]
        for hold in holds:
            pool.submit(hold, QueueKey())
        for hold in holds:
            await hold.until_begun()
        for hold in holds:
            hold.go.set()
        await done(*holds)
        await pool.call(int, queue_key=QueueKey())
    assert len(idents) == len(set(idents)) == 2


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
async def test_a_lane_works_although_prepare_fails() -> None:
    def fail() -> None:
        raise ImportError("a cache without its library")

    async with opened(prepare=fail) as pool, asyncio.timeout(SECONDS):
        assert await pool.call(int, queue_key=QueueKey()) == 0


async def test_finish_is_called_in_each_thread_that_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that linger, and those that are stopped; also when it fails."""
    monkeypatch.setattr(pool_module, "_LINGER_SECONDS", 0.01)
    begun: list[int] = []
    ended: list[int] = []

    def finish() -> None:
        ended.append(threading.get_ident())
        raise OSError("the database has gone")

    def prepare() -> None:
        begun.append(threading.get_ident())

    async with opened(threads=1, max_threads=3, prepare=prepare, finish=finish) as pool:
        holds = [Hold(pool), Hold(pool)]
        for hold in holds:
            pool.submit(hold, QueueKey())
            await hold.until_begun()
        for hold in holds:
            hold.go.set()
        await done(*holds)
        await becomes(lambda: len(ended) == len(begun) - 1)
    await becomes(lambda: len(ended) == len(begun))
    assert sorted(ended) == sorted(begun)


# How many threads work.


class Clock:
    """A loop that looks when it is told to, and the time that a lane then finds."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.time = 100.0
        self.processor_time = 1.0
        self.looks: list[Callable[[], None]] = []
        for module in (pool_module, scaling):
            monkeypatch.setattr(module, "perf_counter", lambda: self.time)
        monkeypatch.setattr(scaling, "process_time", lambda: self.processor_time)

    def call_later(self, delay: float, callback: Callable[[], None], **kwargs: Any) -> None:
        self.delay = delay
        self.looks.append(callback)

    def call_soon_threadsafe(self, callback: Callable[[], None], **kwargs: Any) -> None:
        pass

    def look(self, *, after: float, used: float) -> None:
        self.time += after
        self.processor_time += used
        (look,) = self.looks
        self.looks.clear()
        look()


@pytest.mark.parametrize(
    ("after", "used", "is_called"),
    [
        pytest.param(0.0005, 0.0005, False, id="the-interpreter-is-busy"),
        pytest.param(0.0005, 0.0001, True, id="it-waits-for-something"),
        pytest.param(0.0060, 0.0060, True, id="nothing-was-begun"),
    ],
)
async def test_another_thread_is_called_up_only_where_it_helps(
    monkeypatch: pytest.MonkeyPatch, after: float, used: float, is_called: bool
) -> None:
    clock, before = Clock(monkeypatch), pool_threads()
    pool = WorkerPool(clock, threads=4, max_threads=4)  # type: ignore[arg-type]
    with joined():
        holds = [Hold() for _ in range(4)]
        for hold in holds:
            pool.submit(hold, QueueKey())
        await holds[0].until_begun()
        assert len(pool_threads() - before) == 1
        clock.look(after=after, used=used)
        assert len(pool_threads() - before) == 1 + is_called
        assert clock.looks  # while jobs wait
        for hold in holds:
            hold.go.set()
        pool.stop()
        for hold in holds:
            await hold.until_begun()


async def test_it_is_looked_less_often_while_the_interpreter_is_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    pool = WorkerPool(clock, threads=1, max_threads=1)  # type: ignore[arg-type]
    with joined():
        holds = [Hold(), Hold()]
        for hold in holds:
            pool.submit(hold, QueueKey())
        await holds[0].until_begun()
        delays = [clock.delay]
        for _ in range(5):
            pool._begun = clock.time  # as if jobs were begun all the time
            clock.look(after=0.001, used=0.001)
            delays.append(clock.delay)
        assert delays == [0.001, 0.002, 0.004, 0.008, 0.010, 0.010]
        clock.look(after=0.001, used=0.0)
        assert clock.delay == 0.001
        for hold in holds:
            hold.go.set()
        pool.stop()


def rests(pool: WorkerPool) -> bool:
    """Wait until a thread of a lane rests."""
    end = time.monotonic() + SECONDS
    while not pool._resting and time.monotonic() < end:
        time.sleep(0.001)
    return bool(pool._resting)


@pytest.mark.parametrize(
    ("used", "is_let_off"),
    [
        pytest.param(0.0010, True, id="they-take-turns"),
        pytest.param(0.0018, False, id="they-run-side-by-side"),
    ],
)
async def test_a_thread_rests_when_several_do_the_work_of_one(
    monkeypatch: pytest.MonkeyPatch, used: float, is_let_off: bool
) -> None:
    clock = Clock(monkeypatch)
    pool = WorkerPool(clock, threads=2, max_threads=2)  # type: ignore[arg-type]
    with joined():
        first, second, third, fourth = holds = [Hold() for _ in range(4)]
        for hold in holds:
            pool.submit(hold, QueueKey())
        await first.until_begun()
        clock.look(after=0.001, used=0.0)  # all that work wait: another is called up
        await second.until_begun()
        clock.look(after=0.001, used=used)
        first.go.set()  # whoever ends a job now rests, or takes the next
        if is_let_off:
            assert await asyncio.to_thread(rests, pool)
            assert not third.begun.is_set()
            second.go.set()  # the one that is left never rests while jobs wait
        await third.until_begun()
        for hold in holds:
            hold.go.set()
        pool.stop()
        await fourth.until_begun()


async def test_the_last_thread_at_work_takes_the_next_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was one too many, but the other has begun to wait since."""
    clock = Clock(monkeypatch)
    pool = WorkerPool(clock, threads=2, max_threads=2)  # type: ignore[arg-type]
    with joined():
        block, blocked, first, second = threading.Event(), Hold(pool), Hold(), Hold()

        def hold_parked() -> None:
            first.begun.wait(SECONDS)
            assert block.wait(SECONDS)
            blocked.hold()

        for work in (Work(hold_parked), first, second):
            pool.submit(work, QueueKey())
        clock.look(after=0.001, used=0.0)
        await first.until_begun()
        clock.look(after=0.001, used=0.001)
        block.set()
        await blocked.until_begun()
        first.go.set()
        await second.until_begun()
        for hold in (blocked, second):
            hold.go.set()
        pool.stop()


async def test_parking_calls_others_up_at_once_only_where_that_helps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A thread that waits for a quick async view is back before another would have begun."""
    clock, before = Clock(monkeypatch), pool_threads()
    pool = WorkerPool(clock, threads=2, max_threads=8)  # type: ignore[arg-type]
    with joined():
        block, blocked, holds = threading.Event(), Hold(pool), [Hold(), Hold(), Hold()]

        def hold_parked() -> None:
            assert block.wait(SECONDS)
            blocked.hold()

        pool.submit(Work(hold_parked), QueueKey())
        for hold in holds:
            pool.submit(hold, QueueKey())
        block.set()  # not before the others wait, or the next would find nobody at work
        await blocked.until_begun()
        clock.look(after=0.0005, used=0.0005)
        assert len(pool_threads() - before) == 1
        clock.look(after=0.0005, used=0.0)  # nobody does anything: all wait
        assert len(pool_threads() - before) == 3
        for hold in (blocked, *holds):
            hold.go.set()
        pool.stop()
        for hold in holds:
            await hold.until_begun()


async def test_a_job_that_finds_a_long_one_at_work_gets_a_thread_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = Clock(monkeypatch)
    pool = WorkerPool(clock, threads=4, max_threads=4)  # type: ignore[arg-type]
    with joined():
        holds = [Hold(), Hold()]
        pool.submit(holds[0], QueueKey())
        await holds[0].until_begun()
        clock.time += 0.002
        pool.submit(holds[1], QueueKey())
        await holds[1].until_begun()
        assert not clock.looks
        for hold in holds:
            hold.go.set()
        pool.stop()


async def test_a_job_behind_others_leaves_it_to_the_next_look_whether_a_thread_is_of_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock, before = Clock(monkeypatch), pool_threads()
    pool = WorkerPool(clock, threads=4, max_threads=4)  # type: ignore[arg-type]
    with joined():
        holds = [Hold(), Hold(), Hold()]
        for hold in holds[:2]:
            pool.submit(hold, QueueKey())
        await holds[0].until_begun()
        clock.time += 0.002
        pool.submit(holds[2], QueueKey())
        assert len(pool_threads() - before) == 1
        assert len(clock.looks) == 1
        for hold in holds:
            hold.go.set()
        pool.stop()
        await holds[2].until_begun()


async def test_the_thread_that_rested_last_is_called_up_first() -> None:
    async with opened(threads=2) as pool:
        holds = [Hold(), Hold()]
        for hold in holds:
            pool.submit(hold, QueueKey())
        for hold in holds:
            await hold.until_begun()
        for hold in holds:
            hold.go.set()
        await done(*holds)
        idents = set()
        for _ in range(20):
            # Its result is there before a thread rests: a job that comes between would find it at
            # work, and a look that is late call up the other.
            await becomes(lambda: len(pool._resting) == 2)
            idents.add(await pool.call(threading.get_ident, queue_key=QueueKey()))
    assert len(idents) == 1


# Parking.


async def test_a_parked_thread_makes_way_for_another() -> None:
    async with opened(threads=2, max_threads=4) as pool:
        holds = [Hold(pool), Hold(pool)]
        for hold in holds:
            pool.submit(hold, QueueKey())
            await hold.until_begun()
        third = Work()
        pool.submit(third, QueueKey())
        await done(third)
        for hold in holds:
            hold.go.set()
        await done(*holds)


async def test_parking_starts_a_thread_for_a_job_that_waits_already() -> None:
    async with opened(threads=1, max_threads=2) as pool:
        block, blocked, go = threading.Event(), threading.Event(), threading.Event()

        def hold() -> None:
            assert block.wait(SECONDS)
            with pool.blocked():
                blocked.set()
                assert go.wait(SECONDS)

        first, second = Work(hold), Work()
        pool.submit(first, QueueKey())
        pool.submit(second, QueueKey())
        block.set()
        await done(second)
        assert not first.delivered.is_set()
        go.set()
        await done(first)


async def test_no_more_threads_than_max_threads_are_made() -> None:
    before = pool_threads()
    async with opened(threads=1, max_threads=2) as pool:
        holds = [Hold(pool), Hold(pool)]
        for hold in holds:
            pool.submit(hold, QueueKey())
            await hold.until_begun()
        late = Work()
        pool.submit(late, QueueKey())
        assert len(pool_threads() - before) == 2
        assert not late.delivered.is_set()
        holds[0].go.set()
        await done(late)
        assert not holds[1].delivered.is_set()
        holds[1].go.set()
        await done(*holds)


async def test_a_thread_parked_from_outside_is_stood_in_for_and_counted_in_again() -> None:
    async with opened(threads=1, max_threads=2) as pool:
        hold, work = Hold(), Work()
        pool.submit(hold, QueueKey())
        await hold.until_begun()
        pool.submit(work, QueueKey())
        pool.block()
        await done(work)
        pool.unblock()
        hold.go.set()
        await done(hold)


async def test_threads_beyond_the_usual_number_leave_after_a_while(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(pool_module, "_LINGER_SECONDS", 0.01)
    before = pool_threads()
    async with opened(threads=1, max_threads=3) as pool:
        holds = [Hold(pool), Hold(pool)]
        for hold in holds:
            pool.submit(hold, QueueKey())
            await hold.until_begun()
        third = Work()
        pool.submit(third, QueueKey())
        await done(third)
        made = pool_threads() - before
        for hold in holds:
            hold.go.set()
        await done(*holds)

        def until_one_is_left() -> None:
            left = threading.Event()
            while sum(thread.is_alive() for thread in made) > 1:
                left.wait(0.005)

        await asyncio.wait_for(asyncio.to_thread(until_one_is_left), SECONDS)
        assert await pool.call(int, queue_key=QueueKey()) == 0


# Shares.


@asynccontextmanager
async def shared(threads: int = 2) -> AsyncIterator[tuple[WorkerPool, QueueKey, list[Hold]]]:
    """A lane of four threads, and a source that holds as many as it may, all parked."""
    async with opened(threads=threads, max_threads=4) as pool:
        greedy, holds = QueueKey(), [Hold(pool), Hold(pool)]
        for hold in holds:
            pool.submit(hold, greedy)
            await hold.until_begun()
        yield pool, greedy, holds
        for hold in holds:
            hold.go.set()
        await done(*holds)


async def until_held(pool: WorkerPool, queue_key: QueueKey) -> None:
    await becomes(lambda: queue_key in pool._queue.fair_share.held)


async def test_a_job_beyond_the_share_of_its_source_waits_while_others_are_begun() -> None:
    async with shared() as (pool, greedy, holds):
        more, other = Work(), QueueKey()
        pool.submit(more, greedy)
        await until_held(pool, greedy)
        assert await pool.call(int, queue_key=other) == 0
        assert not more.delivered.is_set()
        holds[0].go.set()
        await done(more)
        assert not holds[1].delivered.is_set()


async def test_a_job_that_waits_for_its_share_is_begun_when_others_go_on() -> None:
    """Though none of them ends: threads that wait no more leave room as well."""
    async with opened(threads=4, max_threads=8) as pool:
        greedy, holds = QueueKey(), [Hold(pool) for _ in range(5)]
        for hold, queue_key in zip(holds, (greedy, *(QueueKey() for _ in range(4))), strict=True):
            pool.submit(hold, queue_key)
            await hold.until_begun()
        pool.block()
        more = Work()
        pool.submit(more, greedy)
        await until_held(pool, greedy)
        pool.unblock()
        await done(more)
        assert not any(hold.delivered.is_set() for hold in holds)
        for hold in holds:
            hold.go.set()


async def test_a_job_that_waits_for_its_share_is_begun_when_one_that_ran_ends() -> None:
    """Though no thread waits less than before."""
    async with opened(threads=5, max_threads=8) as pool:
        greedy, others, mine = (
            QueueKey(),
            [Hold(pool) for _ in range(3)],
            [Hold() for _ in range(4)],
        )
        for hold in (*others, *mine):
            pool.submit(hold, QueueKey() if hold in others else greedy)
            await hold.until_begun()
        more = Work()
        pool.submit(more, greedy)
        await until_held(pool, greedy)
        mine[0].go.set()
        await done(more)
        assert not any(hold.delivered.is_set() for hold in (*others, *mine[1:]))
        for hold in (*others, *mine):
            hold.go.set()


async def test_jobs_that_were_held_get_a_thread_each_although_none_of_them_ends() -> None:
    async with shared(threads=3) as (pool, greedy, holds):
        long, other = [Hold(), Hold()], Hold()
        pool.submit(other, QueueKey())
        await other.until_begun()
        for hold in long:
            pool.submit(hold, greedy)
        await until_held(pool, greedy)
        for hold in holds:
            hold.go.set()
        for hold in long:
            await hold.until_begun()
        for hold in (*long, other):
            hold.go.set()


async def test_withdraw_takes_back_a_job_that_waits_for_its_share() -> None:
    async with shared() as (pool, greedy, holds):
        more = Work()
        pool.submit(more, greedy)
        await until_held(pool, greedy)
        assert pool.withdraw(more, greedy)
        holds[0].go.set()
        await becomes(lambda: not pool._queue.fair_share.held)
        assert not greedy.is_queued
        again = Work()
        pool.submit(again, greedy)
        await done(again)
        assert not more.delivered.is_set()


async def test_a_thread_that_rests_keeps_no_source() -> None:
    async with opened() as pool:
        group = QuotaGroup()
        left = weakref.ref(group)
        await pool.call(int, queue_key=QueueKey(group))
        del group
        await becomes(lambda: left() is None)


# Taking back.


async def test_withdraw_takes_back_what_no_thread_has_begun() -> None:
    async with opened() as pool:
        queue_key, hold, ran = QueueKey(), Hold(), []
        pool.submit(hold, QueueKey())
        await hold.until_begun()
        work = Work(lambda: ran.append(1))
        pool.submit(work, queue_key)
        assert pool.withdraw(work, queue_key)
        assert not pool.withdraw(work, queue_key)
        hold.go.set()
        await pool.call(int, queue_key=queue_key)
        assert not ran and not work.delivered.is_set()


async def test_withdraw_is_too_late_for_a_running_job() -> None:
    async with opened() as pool:
        queue_key, hold = QueueKey(), Hold()
        pool.submit(hold, queue_key)
        await hold.until_begun()
        assert not pool.withdraw(hold, queue_key)
        hold.go.set()
        await done(hold)


# Results.


async def test_results_that_are_ready_together_reach_the_loop_in_one_call() -> None:
    loop, finished, order = ListLoop(), threading.Event(), []
    pool = WorkerPool(loop, threads=1, max_threads=1)  # type: ignore[arg-type]
    with joined():
        queue_key = QueueKey()

        class Ordered:
            def __init__(self, number: int) -> None:
                self.number = number

            def run(self) -> None:
                if self.number == 20:
                    finished.set()

            def deliver(self) -> None:
                order.append(self.number)

        for number in range(21):
            pool.submit(Ordered(number), queue_key)
        assert finished.wait(SECONDS)
        pool.stop()
    assert len(loop.scheduled) == 1
    loop.turn()
    assert order == list(range(21))


async def test_a_result_does_not_wait_for_the_job_behind_it() -> None:
    async with opened(threads=1) as pool:
        quick, hold, waiting = Work(), Hold(), Work()
        for work in (quick, hold, waiting):
            pool.submit(work, QueueKey())
        await done(quick)
        assert not hold.delivered.is_set()
        hold.go.set()
        await done(hold, waiting)


@pytest.mark.skipif(not hasattr(os, "eventfd"), reason="this system has no event descriptors")
async def test_a_result_after_stop_arrives_and_the_descriptor_is_given_back() -> None:
    def descriptors() -> int:
        return len(os.listdir("/proc/self/fd"))

    gc.collect()
    before = descriptors()
    async with opened() as pool:
        assert descriptors() == before + 1
        hold = Hold()
        pool.submit(hold, QueueKey())
        await hold.until_begun()
        pool.stop()
        hold.go.set()
        await done(hold)
    del pool
    gc.collect()
    assert descriptors() == before


async def test_post_schedules_again_after_a_turn() -> None:
    loop, order = ListLoop(), []
    pool = WorkerPool(loop, threads=1, max_threads=1)  # type: ignore[arg-type]
    pool.post(lambda: order.append(1))
    pool.post(lambda: order.append(2))
    loop.turn()
    pool.post(lambda: order.append(3))
    assert len(loop.scheduled) == 1
    loop.turn()
    assert order == [1, 2, 3]


async def test_post_within_a_result_comes_last() -> None:
    loop, order = ListLoop(), []
    pool = WorkerPool(loop, threads=1, max_threads=1)  # type: ignore[arg-type]
    pool.post(lambda: pool.post(lambda: order.append("inner")))
    pool.post(lambda: order.append("outer"))
    loop.turn()
    loop.turn()
    assert order == ["outer", "inner"]


async def test_results_are_taken_outside_of_the_context_of_a_job() -> None:
    """What a result begins on the loop must not inherit a request's language, tenant or user."""
    variable: ContextVar[str] = ContextVar("variable", default="untouched")
    seen: list[str] = []
    async with opened() as pool:

        def job() -> None:
            variable.set("set by a job")
            pool.post(lambda: seen.append(variable.get()))

        await pool.call(job, queue_key=QueueKey())
    assert seen == ["untouched"]


async def test_a_result_that_cannot_be_taken_does_not_stop_the_next(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop = ListLoop()
    order: list[object] = []
    pool = WorkerPool(loop, threads=1, max_threads=1)  # type: ignore[arg-type]
    pool.post(lambda: order.append(1 // 0))
    pool.post(lambda: order.append("taken"))
    loop.turn()
    assert order == ["taken"]
    assert "a callback from a worker thread failed" in caplog.text


async def test_post_after_the_loop_was_closed_is_dropped() -> None:
    loop = asyncio.new_event_loop()
    loop.close()
    called: list[int] = []
    WorkerPool(loop, threads=1, max_threads=1).post(lambda: called.append(1))
    assert not called


@pytest.mark.parametrize("error", [RuntimeError, SystemExit, KeyboardInterrupt, GeneratorExit])
async def test_a_job_that_raises_is_delivered_and_its_thread_lives_on(
    error: type[BaseException], caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> None:
        raise error("a job's own")

    async with opened() as pool:
        ident = await pool.call(threading.get_ident, queue_key=QueueKey())
        work = Work(fail)
        pool.submit(work, QueueKey())
        await done(work)
        assert await pool.call(threading.get_ident, queue_key=QueueKey()) == ident
    assert "a job failed" in caplog.text


# The end.


async def test_stop_ends_idle_threads_and_may_be_called_twice() -> None:
    async with opened(threads=2) as pool:
        await pool.call(int, queue_key=QueueKey())
        pool.stop()


async def test_stop_lets_the_running_job_end() -> None:
    async with opened() as pool:
        hold = Hold()
        pool.submit(hold, QueueKey())
        await hold.until_begun()
        pool.stop()
        hold.go.set()
        await done(hold)


# Calls.


async def test_call_returns_the_result() -> None:
    async with opened() as pool:
        assert await pool.call(divmod, 7, 2, queue_key=QueueKey()) == (3, 1)


async def test_call_raises_what_the_function_raises() -> None:
    async with opened() as pool:
        with pytest.raises(ZeroDivisionError):
            await pool.call(divmod, 7, 0, queue_key=QueueKey())


async def test_call_does_not_wait_forever_for_a_stop_iteration() -> None:
    def stop() -> None:
        raise StopIteration

    async with opened() as pool, asyncio.timeout(SECONDS):
        with pytest.raises(RuntimeError):  # a future cannot hold a StopIteration
            await pool.call(stop, queue_key=QueueKey())


async def test_a_call_that_was_cancelled_ends_in_silence(caplog: pytest.LogCaptureFixture) -> None:
    async with opened() as pool:
        begun, go = threading.Event(), threading.Event()

        def hold() -> None:
            begun.set()
            assert go.wait(SECONDS)

        task = asyncio.create_task(pool.call(hold, queue_key=QueueKey()))
        await asyncio.to_thread(begun.wait, SECONDS)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        go.set()
        await pool.call(int, queue_key=QueueKey())
    assert not caplog.records


# asgiref, whose place for the main event loop is not documented.


async def test_async_code_called_in_a_job_runs_on_the_loop_of_the_lane() -> None:
    async def which() -> asyncio.AbstractEventLoop:
        return asyncio.get_running_loop()

    async with opened() as pool:
        assert await pool.call(async_to_sync(which), queue_key=QueueKey()) is pool.loop


async def test_thread_sensitive_code_below_async_code_runs_in_the_thread_of_the_job() -> None:
    async def which() -> int:
        return await sync_to_async(threading.get_ident, thread_sensitive=True)()

    def idents() -> tuple[int, int]:
        return threading.get_ident(), async_to_sync(which)()

    async with opened() as pool:
        job, inner = await pool.call(idents, queue_key=QueueKey())
    assert job == inner != threading.get_ident()


# Threads that are all taken.


async def test_exhaustion_is_logged_once_and_its_end(caplog: pytest.LogCaptureFixture) -> None:
    async with opened(threads=1, max_threads=2) as pool:
        holds = [Hold(pool) for _ in range(2)]
        for hold in holds:
            pool.submit(hold, QueueKey())
            await hold.until_begun()
        assert caplog.messages == []  # nothing waits for them yet
        works = [Work() for _ in range(5)]
        for work in works:
            pool.submit(work, QueueKey())
        assert len(caplog.messages) == 1
        assert "all 2 threads (WSREQUEST_MAX_THREADS)" in caplog.messages[0]
        for hold in holds:
            hold.go.set()
        await done(*holds, *works)
        assert "threads have come back" in caplog.messages[1]
        assert len(caplog.messages) == 2


@pytest.mark.parametrize("refused", [1, 3])
async def test_jobs_are_run_when_the_system_refused_a_thread_for_a_while(
    refused: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A container may have so many processes and threads, and no more."""
    start, left = threading.Thread.start, [refused]

    def start_or_not(self: threading.Thread) -> None:
        if self.name == "wsrequest-worker" and left[0]:
            left[0] -= 1
            raise RuntimeError("can't start new thread")
        start(self)

    monkeypatch.setattr(threading.Thread, "start", start_or_not)
    async with opened(threads=1) as pool:
        work = Work()
        pool.submit(work, QueueKey())
        await done(work)
    assert left == [0]
    assert caplog.messages == [
        "could not start a worker thread (0 running): can't start new thread"
    ]


async def test_exhaustion_is_logged_when_the_last_thread_is_parked(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with opened(threads=1, max_threads=1) as pool:
        hold, work = Hold(), Work()
        pool.submit(hold, QueueKey())
        await hold.until_begun()
        pool.submit(work, QueueKey())
        assert caplog.messages == []
        pool.block()
        await becomes(lambda: len(caplog.messages) == 1)
        hold.go.set()
        await done(hold, work)
        pool.unblock()
