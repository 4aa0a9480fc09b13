"""What a loss of commits makes run again, and what runs again while commits cannot be heard."""

import random
from collections.abc import Callable

import pytest

from tests.unit.live.fakes import World, failed, ok, read, wrote
from wsrequest.live import rechecks as module
from wsrequest.types import RemoteRerun


@pytest.fixture(autouse=True)
def _same_each_time() -> None:
    """Passes are spread at random."""
    random.seed(1)


SPREAD, SLOW = module._SPREAD_SECONDS, module._SLOW_SECONDS


def started(world: World, seconds: float, step: float = 0.1, body: bytes = b"one") -> list[float]:
    """Let time pass, end each run at once, and return when they started, from now."""
    begin, found = world.clock.now, []
    while world.clock.now < begin + seconds - step / 2:
        world.clock.advance(step)
        for job in world.jobs[:]:
            if not job.run.is_over:
                found.append(job.run.began - begin)
                world.end(job, ok(body))
    return found


def test_all_run_again_after_a_loss_spread_over_its_time() -> None:
    world = World(max_runs=1000)
    for number in range(200):
        world.subscribe(key=f"key {number}")
    world.manager.lost()
    assert len(world.jobs) < 20  # not all at once
    times = started(world, SPREAD)
    assert len(times) == 200 and {int(10 * time / SPREAD) for time in times} == set(range(10))
    assert started(world, 100.0) == []
    assert (world.manager.rechecks.lost_count, world.manager.rechecks.pass_count) == (1, 1)


def test_a_commit_does_not_wait_for_the_turn_after_a_loss() -> None:
    world = World()
    me = world.subscribe()
    world.manager.lost()
    world.commit("a")
    assert len(world.jobs) == 1
    world.end(result=ok(b"two"))
    world.clock.advance(SPREAD)
    assert me.body == b"two" and len(world.jobs) == 1  # that run counts for the loss, too


def test_a_run_that_a_loss_came_into_is_repeated() -> None:
    world = World()
    world.subscribe()
    world.commit("a")
    world.manager.lost()
    world.end(result=ok(b"two"))
    world.clock.advance(SPREAD)
    assert len(world.jobs) == 2
    world.end(result=ok(b"two"))
    world.clock.advance(100.0)
    assert len(world.jobs) == 2


def test_a_first_run_that_a_loss_came_into_is_repeated() -> None:
    world = World()
    me, run = world.subscriber(), world.manager.begin()
    world.manager.lost()
    world.manager.join(me, run, ok(b"one"), {read("a")})
    world.clock.advance(SPREAD)
    assert len(world.jobs) == 1
    world.end(result=ok(b"two"))
    world.clock.advance(100.0)
    assert me.body == b"two" and len(world.jobs) == 1


def test_a_commit_before_a_loss_still_makes_a_run_late_at_once() -> None:
    world = World()
    me, run = world.subscriber(), world.manager.begin()
    world.commit("a")
    world.manager.lost()
    world.manager.join(me, run, ok(b"one"), {read("a")})
    assert len(world.jobs) == 1


def test_a_process_without_live_queries_does_nothing_after_a_loss() -> None:
    world = World()
    world.manager.lost()
    assert world.is_empty() and world.manager.rechecks.pass_count == 0


@pytest.mark.parametrize("interval", [0.01, 0.1, 1.0, 7.0])
def test_losses_without_end_do_not_make_views_run_without_end(interval: float) -> None:
    world = World()
    world.subscribe()
    runs: list[float] = []
    for _ in range(int(300 / interval)):
        world.manager.lost()
        runs += started(world, interval, step=interval)
    assert world.manager.rechecks.lost_count >= int(300 / interval)
    assert len(runs) <= 300 / SPREAD + 1
    # The last one is not forgotten.
    position = world.manager._log.position
    started(world, 5.0)
    assert world.jobs[-1].run.position >= position
    before = len(world.jobs)
    started(world, 300.0)
    assert len(world.jobs) == before


def busy_seconds(world: World, each_second: Callable[[], None] = lambda: None) -> int:
    """Let 1,000 seconds pass in which each run takes one. Returns in how many something ran."""
    busy = 0
    for _ in range(1000):
        each_second()
        running = [job for job in world.jobs if not job.run.is_over]
        busy += bool(running)
        world.clock.advance(1.0)
        for job in running:
            world.end(job, ok())
    return busy


def test_losses_of_a_process_that_cannot_follow_leave_half_of_the_time() -> None:
    """Each run takes a second and only one may run: a pass takes 40 s."""
    world = World(max_runs=1)
    for number in range(40):
        world.subscribe(key=f"key {number}")
    assert 300 < busy_seconds(world, each_second=world.manager.lost) < 600


def test_nothing_is_known_while_commits_cannot_be_heard_so_all_are_checked_steadily() -> None:
    world = World(max_runs=100)
    for number in range(50):
        world.subscribe(key=f"key {number}")
    world.manager.connected(False)
    times = started(world, 60.0)
    assert 50 * 4 <= len(times) <= 50 * 7
    assert {int(time) for time in times[:50]} == set(range(int(SLOW)))
    world.manager.lost()
    world.manager.connected(True)
    assert len(started(world, SPREAD)) == 50
    assert started(world, 100.0) == []


def test_checks_while_commits_cannot_be_heard_rest_as_long_as_they_take() -> None:
    world = World(max_runs=1)
    for number in range(40):
        world.subscribe(key=f"key {number}")
    world.manager.connected(False)
    assert 300 < busy_seconds(world) < 600


def test_checks_take_a_quarter_of_the_turns_while_commits_wait() -> None:
    world = World(max_runs=1)
    for number in range(40):
        world.subscribe(key=f"old {number}", reads=(read("b"),))
    world.manager.connected(False)
    world.clock.advance(SLOW)  # all of them are due
    for number in range(40):
        world.subscribe(key=f"key {number}")
    world.commit("a")
    begun: list[str] = []
    while len(begun) < 40:
        job = world.jobs[-1]
        begun.append(str(job.subscriber.key).split()[0])
        world.end(job, ok(), reads=(read("b" if begun[-1] == "old" else "a"),))
    assert 8 <= begun.count("old") <= 11


def test_a_view_that_fails_or_hangs_does_not_hold_up_the_checks_of_others() -> None:
    world = World(run_seconds=30.0)
    broken, hanging, fine = (world.subscribe(key=key) for key in ("broken", "hanging", "fine"))
    world.manager.connected(False)
    for _ in range(1200):
        world.clock.advance(0.1)
        for job in world.jobs:
            if not job.run.is_over and job.subscriber is not hanging:
                world.end(job, failed(503) if job.subscriber is broken else ok())
    keys = [job.subscriber.key for job in world.jobs]
    assert keys.count("fine") >= 10 and keys.count("hanging") == 1
    assert hanging.shown[-1][1].status == 504 and fine.body == b"one"


def test_a_view_that_hangs_does_not_hold_up_the_next_loss() -> None:
    world = World(run_seconds=30.0)
    hanging, fine = world.subscribe(key="hanging"), world.subscribe(key="fine")
    world.commit("a")
    for job in world.jobs[:]:
        if job.subscriber is fine:
            world.end(job, ok())
    for _ in range(5):
        count = len(world.jobs)
        world.manager.lost()
        for _ in range(40):
            world.clock.advance(0.1)
            for job in world.jobs:
                if not job.run.is_over and job.subscriber is not hanging:
                    world.end(job, ok())
        assert len(world.jobs) > count
    assert world.clock.now < 1030.0


def test_a_loss_ends_the_pause_of_views_that_trigger_each_other() -> None:
    """The commit that somebody waits for may be among those that were lost."""
    world = World()
    world.subscribe()
    rerun = RemoteRerun(7, 20)  # of a long row
    world.manager.receive(wrote("a", run=rerun))
    world.end(result=ok())
    world.manager.receive(wrote("a", run=rerun))
    world.clock.advance(10.0)
    assert len(world.jobs) == 1
    world.manager.lost()
    world.clock.advance(SPREAD)
    assert len(world.jobs) == 2


def test_loss_ends_the_pause_after_a_failure() -> None:
    """A database that restarts makes views fail, and is the bus that loses messages."""
    world = World()
    me = world.subscribe()
    for _ in range(4):
        world.commit("a")
        world.end(result=failed())
        world.clock.advance(20.0)
    world.end(result=failed())
    world.clock.advance(1.0)
    assert not any(not job.run.is_over for job in world.jobs)  # it pauses for at least 8 seconds
    world.manager.lost()
    world.clock.advance(SPREAD)
    world.end(result=ok(b"two"))
    assert me.body == b"two"


def test_all_timers_end_with_the_manager() -> None:
    world = World()
    world.subscribe()
    world.manager.connected(False)
    world.clock.advance(60.0)
    world.manager.stop()
    assert world.is_empty()
