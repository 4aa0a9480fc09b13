"""Fair shares: which queue keys may hold one more thread, alone and in a pool of threads."""

import gc
import logging
import weakref
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from tests.unit.workers.works import Hold, Work, becomes, done, opened
from wsrequest.workers.pool import WorkerPool
from wsrequest.workers.queue import FairShare, QueueKey, QuotaGroup, QuotaGroups


class Pool:
    """A lane's threads, as far as shares go: every job waits from its begin to its end."""

    def __init__(self, threads: int) -> None:
        self.fair_share, self.free, self.threads = FairShare(threads), threads, threads

    @property
    def blocked(self) -> int:
        return self.threads - self.free

    def take(self, queue_key: QueueKey) -> bool:
        """Begin a job, if there is a thread and the source may have it."""
        if not self.free or not self.fair_share.has_room(queue_key, self.blocked):
            return False
        self.free -= 1
        queue_key.taken += 1
        queue_key.group.taken += 1
        return True

    def give_back(self, queue_key: QueueKey) -> None:
        self.free += 1
        queue_key.taken -= 1
        queue_key.group.taken -= 1

    def take_all(self, *sources: QueueKey) -> int:
        """Let sources begin in turn what they may; return how many threads they then hold."""
        while any([self.take(queue_key) for queue_key in sources]):
            pass
        return sum(queue_key.taken for queue_key in sources)


def sources(count: int) -> list[QueueKey]:
    """Sources of one group."""
    group = QuotaGroup("somewhere")
    return [QueueKey(group) for _ in range(count)]


def test_a_source_alone_may_hold_what_a_page_asks_for() -> None:
    """WSREQUEST_MAX_IN_FLIGHT of WSREQUEST_MAX_THREADS, both as they come."""
    assert Pool(256).take_all(QueueKey()) >= 64


@pytest.mark.parametrize("threads", [1, 2, 8, 256])
def test_while_no_thread_waits_a_source_may_hold_all(threads: int) -> None:
    fair_share, queue_key = FairShare(threads), QueueKey()
    for _ in range(threads):
        assert fair_share.has_room(queue_key, blocked=0)
        queue_key.taken += 1
        queue_key.group.taken += 1


@pytest.mark.parametrize("threads", [4, 8, 32, 256])
def test_a_greedy_source_leaves_half_of_the_threads(threads: int) -> None:
    pool = Pool(threads)
    pool.take_all(QueueKey())
    assert pool.free >= threads / 2


@pytest.mark.parametrize("threads", [8, 32, 256])
@pytest.mark.parametrize("connections", [4, 100])
def test_a_greedy_group_leaves_a_quarter_of_the_threads(threads: int, connections: int) -> None:
    pool = Pool(threads)
    pool.take_all(*sources(connections))
    assert pool.free >= threads / 4


def test_a_greedy_group_holds_more_than_one_of_its_sources_may() -> None:
    alone, together = Pool(256), Pool(256)
    assert together.take_all(*sources(4)) > 1.5 * alone.take_all(QueueKey())


def test_a_newcomer_of_a_greedy_group_gets_a_thread() -> None:
    pool, (*greedy, newcomer) = Pool(256), sources(5)
    pool.take_all(*greedy)
    assert pool.take(newcomer)
    assert not pool.take(newcomer)
    pool.give_back(newcomer)
    assert pool.take(newcomer)


def test_a_newcomer_gets_a_thread_whatever_some_greedy_groups_hold() -> None:
    pool = Pool(256)
    for _ in range(8):
        pool.take_all(*sources(100))
        assert pool.take(QueueKey())


def test_a_newcomer_gets_a_thread_whatever_many_greedy_sources_hold() -> None:
    """Each of an address of its own, and all at the same time."""
    pool = Pool(256)
    pool.take_all(*(QueueKey() for _ in range(25)))
    assert pool.take(QueueKey())


def test_shares_of_those_who_ask_at_the_same_time_are_equal() -> None:
    pool, greedy = Pool(256), [QueueKey() for _ in range(8)]
    pool.take_all(*greedy)
    assert (
        max(queue_key.taken for queue_key in greedy) - min(queue_key.taken for queue_key in greedy)
        <= 1
    )


def test_what_the_first_took_evens_out_as_jobs_end() -> None:
    pool, first, second = Pool(256), QueueKey(), QueueKey()
    pool.take_all(first)
    pool.take_all(second)
    assert first.taken > second.taken + 20
    for _ in range(first.taken):
        pool.give_back(first)
        pool.take_all(second)
        pool.take(first)
    assert abs(first.taken - second.taken) <= 1


def test_release_returns_those_for_whom_there_is_room_in_their_order() -> None:
    fair_share = FairShare(16)
    held = [QueueKey(), QueueKey(), QueueKey()]
    for queue_key, taken in zip(held, (5, 9, 1), strict=True):
        queue_key.jobs.append(object())  # type: ignore[arg-type]
        queue_key.taken = queue_key.group.taken = taken
        fair_share.hold(queue_key, 13)
    assert fair_share.release(13) == []
    assert fair_share.release(6) == [held[0], held[2]]
    assert fair_share.held == [held[1]]


def test_release_lets_those_go_whose_jobs_were_withdrawn() -> None:
    fair_share, queue_key = FairShare(4), QueueKey()
    queue_key.is_queued, queue_key.taken = True, 4
    fair_share.hold(queue_key, 4)
    assert fair_share.release(4) == fair_share.held == []
    assert not queue_key.is_queued


def test_it_is_logged_once_that_a_group_holds_its_share(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "wsrequest.workers")
    fair_share, greedy = FairShare(8), sources(2)
    for queue_key in greedy:
        fair_share.hold(queue_key, 5)
    assert len(caplog.messages) == 1
    assert "'somewhere' holds its share of the threads, of which 5 of 8" in caplog.messages[0]
    assert fair_share.release(5) == []
    fair_share.release(0)
    fair_share.hold(greedy[0], 5)
    assert len(caplog.messages) == 1
    fair_share.hold(QueueKey(QuotaGroup("elsewhere")), 5)
    assert "'elsewhere'" in caplog.messages[1]


def test_a_name_cannot_begin_a_line_of_the_log(caplog: pytest.LogCaptureFixture) -> None:
    FairShare(8).hold(QueueKey(QuotaGroup("made up\nERROR by a proxy")), 5)
    assert "\n" not in caplog.messages[0]


def test_sources_of_one_name_are_of_one_group_and_those_without_of_none() -> None:
    groups = QuotaGroups()
    assert groups.of("here") is groups.of("here") is not groups.of("there")
    assert groups.of("") is not groups.of("")
    assert groups.of("").name == "no address"


def test_a_group_goes_with_its_last_source() -> None:
    groups = QuotaGroups()
    one, other = QueueKey(groups.of("here")), QueueKey(groups.of("here"))
    one.taken = one.group.taken = 1
    del one
    assert groups.of("here").taken == 1
    del other
    gc.collect()
    assert groups.of("here").taken == 0


# In a pool.


@asynccontextmanager
async def shared(threads: int = 2) -> AsyncIterator[tuple[WorkerPool, QueueKey, list[Hold]]]:
    """A pool of four threads, and a queue key that holds as many as it may, all blocked."""
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


@pytest.mark.asyncio
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


@pytest.mark.asyncio
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


@pytest.mark.asyncio
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


@pytest.mark.asyncio
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


@pytest.mark.asyncio
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


@pytest.mark.asyncio
async def test_a_thread_that_rests_keeps_no_source() -> None:
    async with opened() as pool:
        group = QuotaGroup()
        left = weakref.ref(group)
        await pool.call(int, queue_key=QueueKey(group))
        del group
        await becomes(lambda: left() is None)
