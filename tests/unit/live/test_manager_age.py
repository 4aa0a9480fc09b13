"""What runs again although nothing was written: old snapshots, and those read from replicas."""

from tests.unit.live.fakes import World, ok

# Expiry.


def test_a_result_that_is_too_old_is_made_anew() -> None:
    world = World()
    me = world.subscribe(expires_seconds=30.0)
    world.clock.advance(29.0)
    assert not world.jobs
    world.clock.advance(1.0)
    world.end(result=ok(b"two"), expires_seconds=10.0)
    assert me.body == b"two"
    world.clock.advance(10.0)
    world.end(result=ok(b"two"))
    world.clock.advance(1000.0)
    assert len(world.jobs) == 2


def test_the_shortest_time_of_those_who_share_counts() -> None:
    world = World()
    world.subscribe(expires_seconds=30.0)
    world.subscribe(expires_seconds=10.0)
    world.subscribe(expires_seconds=20.0)
    world.clock.advance(10.0)
    assert len(world.jobs) == 1


def test_a_run_for_another_reason_begins_the_time_anew() -> None:
    world = World()
    world.subscribe(expires_seconds=30.0)
    world.clock.advance(20.0)
    world.commit("a")
    world.end(result=ok(b"two"), expires_seconds=30.0)
    world.clock.advance(29.0)
    assert len(world.jobs) == 1
    world.clock.advance(1.0)
    assert len(world.jobs) == 2


def test_no_result_becomes_older_than_it_may() -> None:
    world = World(recheck_seconds=60.0)
    me = world.subscribe(expires_seconds=1000.0)
    for body in (b"two", b"three"):
        world.clock.advance(59.0)
        jobs = len(world.jobs)
        world.clock.advance(1.0)
        assert len(world.jobs) == jobs + 1
        world.end(result=ok(body))
        assert me.body == body


# Replicas.


def test_what_a_replica_told_is_asked_again_until_it_should_have_caught_up() -> None:
    world = World(replica_seconds=2.0)
    me = world.subscribe()
    world.commit("a")
    for count, seconds in enumerate([2.0, 4.0, 8.0], start=1):
        world.jobs[-1].run.lags = True
        world.end(result=ok(b"one" if count < 3 else b"two"))
        world.clock.advance(seconds - 0.1)
        assert len(world.jobs) == count
        world.clock.advance(0.1)
        assert len(world.jobs) == count + 1
    assert me.body == b"two"
    world.jobs[-1].run.lags = True
    world.end(result=ok(b"two"))
    world.clock.advance(1000.0)
    assert len(world.jobs) == 4  # enough, until something is written again
    world.commit("a")
    world.jobs[-1].run.lags = True
    world.end(result=ok(b"two"))
    world.clock.advance(2.0)
    assert len(world.jobs) == 6
