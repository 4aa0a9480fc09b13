"""How results of threads reach the event loop."""

import asyncio
import gc
import os
import threading
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

import pytest

from tests.unit.workers.works import (
    SECONDS,
    Hold,
    Work,
    done,
    joined,
    opened,
)
from wsrequest.workers.pool import WorkerPool
from wsrequest.workers.queue import QueueKey

pytestmark = pytest.mark.asyncio


class ListLoop:
    """An event loop as a pool sees it. It keeps what it is to call until a test turns it."""

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
