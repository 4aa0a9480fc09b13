"""The worker pool: which job runs when and on which thread."""

import asyncio
import threading
from contextvars import ContextVar, copy_context
from typing import Any

import pytest
from asgiref.local import Local
from asgiref.sync import async_to_sync, sync_to_async

from tests.unit.workers.works import (
    SECONDS,
    Hold,
    Work,
    becomes,
    done,
    opened,
    pool_threads,
)
from wsrequest.workers import pool as pool_module
from wsrequest.workers.queue import QueueKey

pytestmark = pytest.mark.asyncio


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
async def test_a_pool_works_although_prepare_fails() -> None:
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


async def test_async_code_called_in_a_job_runs_on_the_loop_of_the_pool() -> None:
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
