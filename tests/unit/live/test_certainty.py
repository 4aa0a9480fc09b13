"""Who is told that what he holds may be out of date, and until when."""

import random
from collections.abc import Iterable
from typing import Any

import pytest

from tests.unit.live.fakes import FakeSubscriber, World, failed, ok
from wsrequest.errors import Refused
from wsrequest.live import certainty as module
from wsrequest.live import rechecks

DOUBT, SPREAD = module._DOUBT_SECONDS, rechecks._SPREAD_SECONDS


@pytest.fixture(autouse=True)
def _same_each_time() -> None:
    """Passes are spread at random."""
    random.seed(1)


class Group:
    """The live requests of one connection, and what was reported to it."""

    def __init__(self, world: World, *subscribers: FakeSubscriber) -> None:
        self.all = list(subscribers)
        self.reports: list[bool] = []
        world.manager.certainty.enter(self)

    def subscribers(self) -> Iterable[FakeSubscriber]:
        return self.all

    def report_uncertain(self, is_uncertain: bool) -> None:
        if is_uncertain is not (self.reports[-1] if self.reports else False):
            self.reports.append(is_uncertain)


def cut_off(world: World) -> None:
    world.manager.connected(False)
    world.clock.advance(0.0)


def reconnected(world: World) -> None:
    world.manager.lost()
    world.manager.connected(True)


def end_all(world: World, **results: Any) -> None:
    """End each run that is under way."""
    for job in world.jobs[:]:
        if not job.run.is_over:
            world.end(job, results.get(str(job.subscriber.key), ok()))


def test_all_are_told_when_commits_cannot_be_heard() -> None:
    world = World()
    groups = [Group(world, world.subscribe()) for _ in range(250)]
    cut_off(world)
    assert [group.reports for group in groups] == [[True]] * 250


def test_one_that_comes_meanwhile_is_told_at_once() -> None:
    world = World()
    cut_off(world)
    assert Group(world).reports == [True]


def test_it_is_sure_again_when_each_live_query_has_run() -> None:
    world = World()
    mine, other = Group(world, world.subscribe(key="a"), world.subscribe(key="b")), Group(world)
    cut_off(world)
    reconnected(world)
    assert mine.reports == [True] and other.reports == [True, False]
    world.until_begun(2)
    first, second = world.jobs
    world.end(first, ok(b"two"))
    assert mine.reports == [True]
    world.end(second, ok(b"two"))
    assert mine.reports == [True, False] and mine.all[0].body == b"two"


def test_a_run_that_began_before_does_not_count() -> None:
    world = World()
    mine = Group(world, world.subscribe())
    cut_off(world)
    world.until_begun(1)
    reconnected(world)
    world.end(result=ok(b"two"))
    assert mine.reports == [True]
    world.clock.advance(SPREAD)
    world.end(result=ok(b"three"))
    assert mine.reports == [True, False]


@pytest.mark.parametrize("result", [failed(503), Refused("answer_too_large", "no"), failed(403)])
def test_one_that_fails_or_ends_shows_that_itself(result: Any) -> None:
    world = World()
    mine = Group(world, world.subscribe(key="a"), world.subscribe(key="b"))
    cut_off(world)
    reconnected(world)
    world.clock.advance(SPREAD)
    end_all(world, b=result)
    assert mine.reports == [True, False]


def test_one_that_pauses_after_a_failure_holds_up_nobody() -> None:
    world = World()
    mine = Group(world, world.subscribe(key="a"), world.subscribe(key="b"))
    world.commit("a")
    end_all(world, b=failed(503, Retry_After="3600"))
    cut_off(world)
    reconnected(world)
    world.clock.advance(SPREAD)
    end_all(world)
    assert mine.reports == [True, False]


def test_one_that_hangs_holds_up_its_own_connection_until_it_is_late() -> None:
    world = World(run_seconds=30.0)
    mine, other = Group(world, world.subscribe(key="a")), Group(world, world.subscribe(key="b"))
    cut_off(world)
    reconnected(world)
    world.clock.advance(SPREAD)
    end_all_but = [job for job in world.jobs if job.subscriber.key == "b"]
    world.end(end_all_but[0], ok())
    assert mine.reports == [True] and other.reports == [True, False]
    world.clock.advance(30.0)
    assert mine.reports == [True, False] and mine.all[0].shown[-1][1].status == 504


def test_one_that_leaves_holds_up_nobody() -> None:
    world = World()
    mine = Group(world, world.subscribe(key="a"), world.subscribe(key="b"))
    cut_off(world)
    reconnected(world)
    world.clock.advance(SPREAD)
    world.manager.leave(mine.all.pop())
    end_all(world)
    assert mine.reports == [True, False]


def test_another_loss_on_the_way_is_waited_for_as_well() -> None:
    world = World()
    mine = Group(world, world.subscribe())
    cut_off(world)
    reconnected(world)
    world.until_begun(1)
    world.manager.lost()
    world.end(result=ok())
    assert mine.reports == [True]
    for _ in range(100):
        world.clock.advance(0.1)
        end_all(world)
    assert mine.reports == [True, False]


def test_cut_off_again_on_the_way() -> None:
    world = World()
    mine = Group(world, world.subscribe())
    cut_off(world)
    reconnected(world)
    cut_off(world)
    for _ in range(100):
        world.clock.advance(0.5)
        end_all(world)
    assert mine.reports == [True]
    reconnected(world)
    world.clock.advance(SPREAD)
    end_all(world)
    assert mine.reports == [True, False]


def test_a_live_request_that_came_on_the_way_is_waited_for_as_well() -> None:
    world = World()
    mine = Group(world, world.subscribe(key="a"))
    run = world.manager.begin()
    cut_off(world)
    reconnected(world)
    new = world.subscriber("b")
    world.manager.join(new, run, ok(), ())
    mine.all.append(new)
    world.clock.advance(SPREAD)
    (job,) = [job for job in world.jobs if job.subscriber.key == "a"]
    world.end(job, ok())
    assert mine.reports == [True]
    end_all(world)
    assert mine.reports == [True, False]


def test_a_loss_that_is_made_good_in_time_is_not_told() -> None:
    world = World()
    mine = Group(world, world.subscribe())
    world.manager.lost()
    world.clock.advance(SPREAD)
    end_all(world)
    world.clock.advance(60.0)
    assert mine.reports == []


def test_a_loss_that_is_not_made_good_in_time_is_told() -> None:
    world = World()
    mine, other = Group(world, world.subscribe(key="a")), Group(world, world.subscribe(key="b"))
    world.manager.lost()
    world.clock.advance(SPREAD)
    world.end([job for job in world.jobs if job.subscriber.key == "b"][0], ok())
    world.clock.advance(DOUBT)
    assert mine.reports == [True] and other.reports == []
    end_all(world)
    assert mine.reports == [True, False]


@pytest.mark.parametrize("interval", [0.05, 1.0])
@pytest.mark.parametrize("run_seconds", [0.05, 2.0])
def test_losses_without_end_are_told_at_a_bounded_pace(interval: float, run_seconds: float) -> None:
    world = World()
    mine = Group(world, world.subscribe())

    def step() -> None:
        world.clock.advance(0.05)
        for job in world.jobs:
            if not job.run.is_over and world.clock.now >= job.run.began + run_seconds:
                world.end(job, ok())

    for count in range(2400):
        if not count % (interval / 0.05):
            world.manager.lost()
        step()
    assert run_seconds < 1.0 or True in mine.reports
    assert len(mine.reports) <= 120 / DOUBT
    for _ in range(200):
        step()
    assert not mine.reports or mine.reports[-1] is False


def test_a_loss_is_told_within_five_seconds_whenever_it_comes() -> None:
    for after in (0.1, 1.0, DOUBT - 0.01):
        world = World()
        mine = Group(world, world.subscribe())
        world.manager.lost()
        while world.clock.now < 1000.0 + after:
            world.clock.advance(min(0.05, 1000.0 + after - world.clock.now))
            end_all(world)
        world.manager.lost()
        world.clock.advance(5.0)  # and nothing ends any more
        assert mine.reports == [True]


def test_a_connection_that_is_gone_is_told_nothing_and_nothing_is_kept() -> None:
    world = World()
    subscriber = world.subscribe()
    mine = Group(world, subscriber)
    cut_off(world)
    reconnected(world)
    world.manager.certainty.leave(mine)
    world.manager.certainty.leave(mine)
    world.manager.leave(subscriber)
    world.clock.advance(60.0)
    world.manager.lost()
    world.clock.advance(60.0)
    assert mine.reports == [True] and world.is_empty()
