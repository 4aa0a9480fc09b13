"""Which failures are sent and retried, and which end a live request."""

import pytest

from tests.unit.live.fakes import World, failed, ok, read, wrote
from wsrequest.errors import Refused


@pytest.mark.parametrize("status", [429, 500, 502, 503])
def test_a_failure_that_passes_is_shown_and_tried_again(status: int) -> None:
    world = World()
    me = world.subscribe()
    world.commit("a")
    world.end(result=failed(status))
    assert me.shown[-1][1].status == status and not me.ends
    world.clock.advance(2.0)
    assert len(world.jobs) == 2
    world.end(result=ok(b"one"))
    assert me.body == b"one" and len(me.shown) == 3
    world.clock.advance(1000.0)
    assert len(world.jobs) == 2


def test_failures_are_tried_again_after_longer_and_longer_pauses() -> None:
    world = World()
    world.subscribe()
    world.commit("a")
    pauses = []
    for _ in range(9):
        world.end(result=failed())
        before, count = world.clock.now, len(world.jobs)
        world.commit("a")  # no reason to hurry
        while len(world.jobs) == count:
            world.clock.advance(0.25)
        pauses.append(world.clock.now - before)
    assert pauses[0] <= 2.0 + 0.25 and 30.0 <= pauses[-1] <= 60.0 + 0.25
    assert pauses[0] < pauses[3] < pauses[5]
    world.end(result=ok())
    count = len(world.jobs)
    world.commit("a")
    world.until_begun(count + 1)
    world.end(result=failed())
    world.clock.advance(2.0)
    assert len(world.jobs) == count + 2


def test_a_failure_is_tried_again_when_it_says_so() -> None:
    world = World()
    world.subscribe()
    world.commit("a")
    world.end(result=failed(503, Retry_After="90"))
    world.clock.advance(89.0)
    assert len(world.jobs) == 1
    world.clock.advance(1.0)
    assert len(world.jobs) == 2


def test_a_server_that_fails_is_a_500() -> None:
    world = World()
    me = world.subscribe()
    world.commit("a")
    world.end(result=None)
    assert me.shown[-1][1].status == 500


def test_a_failed_run_leaves_the_reads_of_the_one_before() -> None:
    world = World(least_seconds=1.0)
    world.subscribe(reads=(read("a"),))
    world.commit("a")
    world.end(result=failed(), reads=(read("b"),))
    assert world.manager._index.touched(wrote("a")) and world.manager._index.touched(wrote("b"))


def test_a_join_that_succeeds_ends_the_pause_of_a_failure() -> None:
    """Who joins did not receive the failure, so it must not be left behind."""
    world = World()
    one = world.subscribe(b"one")
    world.commit("a")
    world.end(result=failed(503, Retry_After="3600"))
    two = world.subscribe(b"two")
    assert len(world.jobs) == 2
    world.end(result=ok(b"two"))
    assert one.body == two.body == b"two"


@pytest.mark.parametrize("status", [301, 302, 400, 401, 403, 404, 410])
def test_an_answer_that_does_not_pass_ends_all_of_the_group(status: int) -> None:
    world = World()
    one, two = world.subscribe(), world.subscribe()
    world.commit("a")
    world.commit("a")
    world.end(result=failed(status))
    for who in (one, two):
        assert [why.status for why in who.ends] == [status] and who.query is None
    assert len(world.jobs) == 1 and world.is_empty()


def test_an_answer_that_cannot_be_sent_ends_all_of_the_group() -> None:
    world = World()
    one, two = world.subscribe(), world.subscribe()
    world.commit("a")
    refused = Refused("answer_too_large", "a stream")
    world.end(result=refused)
    assert one.ends == two.ends == [refused] and world.is_empty()
