"""How many threads of a pool work: another begins only where it helps."""

import asyncio
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.unit.workers.works import (
    SECONDS,
    Hold,
    Work,
    becomes,
    done,
    joined,
    opened,
    pool_threads,
)
from wsrequest.workers import pool as pool_module
from wsrequest.workers import scaling
from wsrequest.workers.pool import WorkerPool
from wsrequest.workers.queue import QueueKey

pytestmark = pytest.mark.asyncio


class Clock:
    """An event loop whose timers a test fires, and the time that a pool then reads."""

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


@asynccontextmanager
async def clocked(
    monkeypatch: pytest.MonkeyPatch, holds: list[Hold], threads: int, max_threads: int | None = None
) -> AsyncIterator[tuple[Clock, WorkerPool]]:
    """A pool whose time a test sets. In the end each of the holds runs."""
    clock: Any = Clock(monkeypatch)
    pool = WorkerPool(clock, threads=threads, max_threads=max_threads or threads)
    with joined():
        yield clock, pool
        for hold in holds:
            hold.go.set()
        pool.stop()
        for hold in holds:
            await hold.until_begun()


def submit(pool: WorkerPool, *works: Work) -> None:
    """Submit each job as the only one of its queue key."""
    for work in works:
        pool.submit(work, QueueKey())


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
    before, holds = pool_threads(), [Hold() for _ in range(4)]
    async with clocked(monkeypatch, holds, threads=4) as (clock, pool):
        submit(pool, *holds)
        await holds[0].until_begun()
        assert len(pool_threads() - before) == 1
        clock.look(after=after, used=used)
        assert len(pool_threads() - before) == 1 + is_called
        assert clock.looks  # while jobs wait


async def test_it_is_looked_less_often_while_the_interpreter_is_busy(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    holds = [Hold(), Hold()]
    async with clocked(monkeypatch, holds, threads=1) as (clock, pool):
        submit(pool, *holds)
        await holds[0].until_begun()
        delays = [clock.delay]
        for _ in range(5):
            pool._begun = clock.time  # as if jobs were begun all the time
            clock.look(after=0.001, used=0.001)
            delays.append(clock.delay)
        assert delays == [0.001, 0.002, 0.004, 0.008, 0.010, 0.010]
        clock.look(after=0.001, used=0.0)
        assert clock.delay == 0.001


def rests(pool: WorkerPool) -> bool:
    """Wait until a thread of a pool rests."""
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
    first, second, third, _ = holds = [Hold() for _ in range(4)]
    async with clocked(monkeypatch, holds, threads=2) as (clock, pool):
        submit(pool, *holds)
        await first.until_begun()
        clock.look(after=0.001, used=0.0)  # all that work wait: another is called up
        await second.until_begun()
        clock.look(after=0.001, used=used)
        first.go.set()  # its thread now rests, or takes the next job
        if is_let_off:
            assert await asyncio.to_thread(rests, pool)
            assert not third.begun.is_set()
            second.go.set()  # the one that is left never rests while jobs wait
        await third.until_begun()


async def test_the_last_thread_at_work_takes_the_next_job(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """It was one too many, but the other has begun to wait since."""
    blocked, first, second = holds = [Hold() for _ in range(3)]
    async with clocked(monkeypatch, holds, threads=2) as (clock, pool):
        block, blocked.pool = threading.Event(), pool

        def hold_blocked() -> None:
            first.begun.wait(SECONDS)
            assert block.wait(SECONDS)
            blocked.hold()

        submit(pool, Work(hold_blocked), first, second)
        clock.look(after=0.001, used=0.0)
        await first.until_begun()
        clock.look(after=0.001, used=0.001)
        block.set()
        await blocked.until_begun()
        first.go.set()
        await second.until_begun()


async def test_blocking_calls_others_up_at_once_only_where_that_helps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A thread that waits for a quick async view is back before another would have begun."""
    before = pool_threads()
    blocked, *others = holds = [Hold() for _ in range(4)]
    async with clocked(monkeypatch, holds, threads=2, max_threads=8) as (clock, pool):
        block, blocked.pool = threading.Event(), pool

        def hold_blocked() -> None:
            assert block.wait(SECONDS)
            blocked.hold()

        submit(pool, Work(hold_blocked), *others)
        block.set()  # not before the others wait, or the next would find none at work
        await blocked.until_begun()
        clock.look(after=0.0005, used=0.0005)
        assert len(pool_threads() - before) == 1
        clock.look(after=0.0005, used=0.0)  # no thread does anything: all wait
        assert len(pool_threads() - before) == 3


async def test_a_job_that_finds_a_long_one_at_work_gets_a_thread_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    holds = [Hold(), Hold()]
    async with clocked(monkeypatch, holds, threads=4) as (clock, pool):
        submit(pool, holds[0])
        await holds[0].until_begun()
        clock.time += 0.002
        submit(pool, holds[1])
        await holds[1].until_begun()
        assert not clock.looks


async def test_a_job_behind_others_leaves_it_to_the_next_look_whether_a_thread_is_of_use(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    before, holds = pool_threads(), [Hold(), Hold(), Hold()]
    async with clocked(monkeypatch, holds, threads=4) as (clock, pool):
        submit(pool, *holds[:2])
        await holds[0].until_begun()
        clock.time += 0.002
        submit(pool, holds[2])
        assert len(pool_threads() - before) == 1
        assert len(clock.looks) == 1


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
