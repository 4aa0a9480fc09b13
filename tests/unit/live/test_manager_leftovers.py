"""Subscribers that left leave nothing behind, and nobody records writes for them."""

import gc
from weakref import ref

from tests.unit.live.fakes import World, failed, ok, read, wrote
from wsrequest.live.query import LiveQuery


def test_writers_are_told_whether_anybody_reads() -> None:
    world = World()
    run = world.manager.begin()
    assert world.is_active == [True]  # before anything is read
    me = world.subscriber()
    world.manager.join(me, run, ok(), {read("a")})
    assert world.is_active == [True]
    two = world.subscribe(key="you")
    world.manager.leave(me)
    assert world.is_active == [True]
    world.manager.leave(two)
    assert world.is_active == [True, False]
    world.manager.abandon(world.manager.begin())
    assert world.is_active == [True, False, True, False]


def test_writers_are_needed_until_the_last_first_run_is_over() -> None:
    world = World()
    run = world.manager.begin()
    world.manager.leave(world.subscribe())
    assert world.is_active == [True]
    world.manager.abandon(run)
    world.manager.abandon(run)
    assert world.is_active == [True, False]


def test_a_run_that_was_abandoned_is_out_of_date_for_whoever_joins_with_it() -> None:
    world = World()
    run = world.manager.begin()
    world.manager.abandon(run)
    world.commit("a")
    world.manager.join(world.subscriber(), run, ok(), {read("a")})
    assert len(world.jobs) == 1


def test_nothing_is_left_of_those_who_have_left() -> None:
    world = World(least_seconds=1.0)
    people = [world.subscribe(key=("left", n % 3), expires_seconds=5.0) for n in range(9)]
    world.commit("a")
    world.end(result=failed())
    for who in people:
        world.manager.leave(who)
    for job in list(world.jobs):
        world.end(job, None)
    assert world.is_empty() and not len(world.manager._log)
    people.clear()
    world.jobs.clear()
    del who, job
    gc.collect()
    queries = [thing for thing in gc.get_objects() if type(thing) is LiveQuery]  # asks no proxy
    assert not [query for query in queries if "left" in str(query.key)]


def test_stop_ends_everything() -> None:
    world = World(least_seconds=1.0, max_runs=1)
    people = [world.subscribe(key=number, expires_seconds=5.0) for number in range(3)]
    world.commit("a")
    world.manager.stop()
    world.manager.stop()
    assert world.is_empty() and world.jobs[0].is_given_up
    world.end(result=ok(b"two"))
    assert all(who.bodies == [b"one"] for who in people) and len(world.jobs) == 1
    assert world.is_empty() and world.is_active == [True, False]


def test_changes_of_nothing_wake_nobody() -> None:
    world = World()
    world.subscribe()
    world.manager.receive(wrote())
    assert not world.jobs


def test_a_commit_that_is_remembered_keeps_nothing_of_its_run() -> None:
    """With a run came a connection, and what its group was answered."""
    world = World()
    writer, other = world.subscribe(key="writer"), world.subscribe(reads=(read("b"),), key="other")
    log_is_open = world.manager.begin()
    world.commit("a")
    job = world.jobs[-1]
    world.commit("b", run=job.run)
    run, query, gone = job.run, job.run.query, ref(job)
    assert other.query is not None and query is not None
    retained = other.query.retained
    written = [commit.commit for commit in retained._written + retained._tried]
    assert written and all(changes is None or changes.run is None for changes in written)
    world.end(job, ok(b"two"))
    assert query.latest is not None and run.job is None and run.subscriber is None
    world.manager.leave(writer)
    assert len(world.manager._log)  # it names the run
    assert query.latest is None and not query.reads and not len(query.retained)
    world.jobs.clear()
    gc.disable()
    try:
        del job
        assert gone() is None
    finally:
        gc.enable()
    world.manager.abandon(log_is_open)


def test_what_a_run_wrote_is_known_as_its_own_when_it_is_over() -> None:
    world = World()
    world.subscribe()
    world.commit("a")
    job = world.jobs[-1]
    world.end(job)
    world.commit("a", run=job.run)
    assert len(world.jobs) == 1 and job.run.is_rerun
