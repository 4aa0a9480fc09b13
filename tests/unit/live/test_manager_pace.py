"""How many views run at a time, and how often each one does, whatever is written."""

import logging

import pytest

from tests.unit.live.fakes import World, failed, ok, read
from wsrequest.live.query import MAX_FEEDBACK_RUNS, LiveQuery

# How many, and how often.


def test_no_more_views_run_at_a_time_than_may() -> None:
    world = World(max_runs=2)
    people = [world.subscribe(key=number) for number in range(5)]
    world.commit("a")
    assert len(world.jobs) == 2
    ended = 0
    while ended < len(world.jobs):
        world.end(world.jobs[ended], ok(b"two"))
        ended += 1
        assert len(world.jobs) - ended <= 2
    assert ended == 5 and all(who.body == b"two" for who in people)


def test_a_run_that_hangs_gives_its_place_to_another() -> None:
    world = World(max_runs=1, run_seconds=5.0)
    one, two = world.subscribe(key="me"), world.subscribe(key="you")
    world.commit("a")
    assert len(world.jobs) == 1
    world.manager.leave(world.jobs[0].subscriber)
    world.clock.advance(5.0)
    assert len(world.jobs) == 2
    world.end(result=ok(b"two"))
    assert b"two" in (one.body, two.body)


def test_a_group_that_left_its_place_in_the_queue_is_passed_over() -> None:
    world = World(max_runs=1)
    one, two, three = (world.subscribe(key=key) for key in ("me", "you", "they"))
    world.commit("a")
    waiting = [who for who in (one, two, three) if who is not world.jobs[0].subscriber]
    world.manager.leave(waiting[0])
    for count in (1, 2):
        assert len(world.jobs) == count
        world.end(result=ok(b"two"))
    assert len(world.jobs) == 2 and world.jobs[1].subscriber is waiting[1]


def test_runs_begin_no_oftener_than_they_may() -> None:
    world = World(least_seconds=1.0)
    me = world.subscribe()
    for _ in range(100):
        world.commit("a")
        if len(world.jobs) > len(me.shown) - 1:
            world.end(result=ok(str(world.clock.now).encode()))
        world.clock.advance(0.1)
    assert 9 <= len(world.jobs) <= 11
    world.clock.advance(1.0)
    assert len(world.jobs) <= 12


def test_a_slow_view_rests_as_long_as_it_ran() -> None:
    world = World()
    world.subscribe()
    world.commit("a")
    world.clock.advance(8.0)
    world.end(result=ok(b"two"))
    world.commit("a")
    world.clock.advance(7.0)
    assert len(world.jobs) == 1
    world.clock.advance(1.0)
    assert len(world.jobs) == 2


def test_the_first_commit_after_a_rest_is_not_delayed() -> None:
    world = World(least_seconds=1.0)
    world.subscribe()
    world.commit("a")
    world.end(result=ok(b"two"))
    world.clock.advance(1.0)
    world.commit("a")
    assert len(world.jobs) == 2


# Views that write.


def test_a_view_that_writes_what_it_reads_does_not_run_itself() -> None:
    world = World()
    world.subscribe()
    world.commit("a")
    job = world.jobs[0]
    world.commit("a", run=job.run)  # while it runs
    world.end(job, ok(b"two"))
    world.commit("a", run=job.run)  # heard of late
    assert len(world.jobs) == 1


def test_a_first_run_that_writes_what_it_reads_does_not_run_again() -> None:
    world = World()
    me, run = world.subscriber(), world.manager.begin()
    world.commit("a", run=run)
    world.manager.join(me, run, ok(), {read("a")})
    world.commit("a", run=run)
    assert not world.jobs


def test_what_a_first_run_writes_wakes_the_others() -> None:
    world = World()
    one = world.subscribe(key="me")
    two, run = world.subscriber("you"), world.manager.begin()
    world.commit("a", run=run)
    world.manager.join(two, run, ok(), {read("a")})
    assert [job.subscriber for job in world.jobs] == [one]


def test_views_that_wake_each_other_are_slowed_down(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.subscribe(key="me", reads=(read("a"),))
    world.subscribe(key="you", reads=(read("b"),))
    writes = {"me": "b", "you": "a"}
    world.commit("a")
    ended = 0
    for _ in range(6000):  # ten minutes
        while ended < len(world.jobs):
            job = world.jobs[ended]
            ended += 1
            world.commit(writes[str(job.subscriber.key)], run=job.run)
            reads = (read({"me": "a", "you": "b"}[str(job.subscriber.key)]),)
            world.end(job, ok(str(ended).encode()), reads)
        world.clock.advance(0.1)
    assert MAX_FEEDBACK_RUNS < ended < 80
    messages = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(messages) == 2 and all("slowed down" in line for line in messages)  # once for each
    assert {line.split()[-1] for line in messages} == {"/me/", "/you/"}


def test_a_view_that_was_slowed_down_is_at_its_pace_again(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.subscribe()
    world.subscribe(key="other", reads=(read("b"),))
    world.commit("b")
    other = world.jobs[0]
    world.end(other, ok(b"two"), (read("b"),))
    for count in range(2, MAX_FEEDBACK_RUNS + 5):
        other.run.feedback_runs = count  # as where the two call for each other
        world.commit("a", run=other.run)
        world.until_begun(count)
        world.end(result=ok(b"two"))
    count = len(world.jobs)
    world.commit("a", run=other.run)
    assert len(world.jobs) == count
    world.until_begun(count + 1)
    world.commit("a")
    world.end(result=ok(b"two"))
    world.until_begun(count + 2)
    world.end(result=ok(b"three"))
    world.commit("a")
    before = world.clock.now
    world.until_begun(count + 3)
    assert world.clock.now - before < 1.0


def let_feedback_run(world: World, seconds: float) -> None:
    """Let two views run for a time, each of which writes what the other reads."""
    writes, known = {"me": "b", "you": "a"}, 0
    reads = {"me": (read("a"),), "you": (read("b"),), "they": (read("a"), read("c"))}
    for _ in range(int(seconds * 10)):
        while known < len(world.jobs):
            job = world.jobs[known]
            known += 1
            key = str(job.subscriber.key)
            if key in writes:
                world.commit(writes[key], run=job.run)
            world.end(job, ok(str(known).encode()), reads[key])
        world.clock.advance(0.1)


@pytest.mark.parametrize("key, table", [("me", "a"), ("they", "c")])
def test_a_real_commit_ends_the_pause_for_feedback_at_once(key: str, table: str) -> None:
    """It was shown after 44 s beside two views that wake each other, also by one that is not."""
    world = World()
    world.subscribe(key="me", reads=(read("a"),))
    world.subscribe(key="you", reads=(read("b"),))
    world.subscribe(key="they", reads=(read("a"), read("c")))
    world.commit("a")
    let_feedback_run(world, 60.0)
    count = len(world.jobs)
    assert not [job for job in world.jobs if not job.run.is_over]
    world.commit(table)
    assert key in [job.subscriber.key for job in world.jobs[count:]]


def test_a_view_that_only_hears_what_a_live_run_writes_is_not_slowed_down(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """It was 50 s behind after some commits, each of which made a writing live view run."""
    world = World()
    world.subscribe(key="writer", reads=(read("a"),))
    world.subscribe(key="me", reads=(read("b"),))
    for number in range(5 * MAX_FEEDBACK_RUNS):
        world.commit("a")
        writer = world.jobs[-1]
        world.commit("b", run=writer.run)
        assert world.jobs[-1] is not writer  # at once
        world.end(writer, ok(b"%d" % number), (read("a"),))
        world.end(result=ok(b"%d" % number), reads=(read("b"),))
        world.clock.advance(1.5)
    assert not caplog.records


def test_what_a_commit_made_another_view_write_ends_the_pause_for_feedback() -> None:
    world = World()
    world.subscribe(key="me", reads=(read("a"),))
    world.subscribe(key="you", reads=(read("b"),))
    world.subscribe(key="they", reads=(read("c"),))
    world.commit("a")
    let_feedback_run(world, 60.0)
    world.commit("c")
    count, writer = len(world.jobs), world.jobs[-1]
    assert writer.subscriber.key == "they"
    world.commit("a", run=writer.run)
    assert [job.subscriber.key for job in world.jobs[count:]] == ["me"]


def test_a_real_commit_ends_no_pause_of_a_slow_view_or_a_failure() -> None:
    world = World()
    world.subscribe(key="me", reads=(read("a"),))
    world.subscribe(key="other", reads=(read("other"),))
    world.commit("other")
    rerun = world.jobs[0].run
    for count in range(2, MAX_FEEDBACK_RUNS + 4):
        rerun.feedback_runs = count
        world.commit("a", run=rerun)
        world.until_begun(count)
        world.clock.advance(8.0)
        world.end(result=ok(str(count).encode()))
    count = len(world.jobs)
    world.commit("a")
    world.clock.advance(7.0)
    assert len(world.jobs) == count  # it ran for 8 seconds
    world.clock.advance(1.0)
    assert len(world.jobs) == count + 1
    world.end(result=failed(503, Retry_After="30"))
    world.commit("a")
    world.clock.advance(29.0)
    assert len(world.jobs) == count + 1


@pytest.mark.parametrize("feedback_runs", [0, 2])
def test_a_real_commit_while_the_view_runs_leaves_no_pause_for_feedback(feedback_runs: int) -> None:
    """A feedback run after the commit delayed its response by up to a minute."""
    world = World()
    world.subscribe(key="me", reads=(read("a"),))
    world.subscribe(key="other", reads=(read("other"),))
    world.commit("other")
    rerun = world.jobs[0].run
    world.end(result=ok(b"two"), reads=(read("other"),))
    for count in range(2, MAX_FEEDBACK_RUNS + 6):
        rerun.feedback_runs = count
        world.commit("a", run=rerun)
        world.until_begun(count)
        if count < MAX_FEEDBACK_RUNS + 5:
            world.end(result=ok(str(count).encode()))
    world.commit("a")
    for _ in range(feedback_runs):
        world.commit("a", run=rerun)
    count = len(world.jobs)
    world.end(result=ok(b"three"))
    world.clock.advance(0.25)  # as long as it ran, at most
    assert len(world.jobs) == count + 1


def test_a_warning_of_feedback_is_logged_once_for_a_path(caplog: pytest.LogCaptureFixture) -> None:
    """It was logged 218 times in a minute: each real commit begins the count anew."""
    world = World()
    world.subscribe(key="me", reads=(read("a"),))
    world.subscribe(key="you", reads=(read("b"),))
    for _ in range(20):
        world.commit("a")
        let_feedback_run(world, 5.0)
    messages = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert sorted(line.split()[-1] for line in messages) == ["/me/", "/you/"]


def test_tables_that_are_quiet_wake_nobody_when_a_view_runs_again() -> None:
    world = World(ignored_tables=frozenset({"session"}))
    reads = (read("a"), read("session"))
    world.subscribe(key="me", reads=reads)
    world.subscribe(key="you", reads=reads)
    world.commit("a")
    for job in list(world.jobs):
        world.commit("session", run=job.run)
        world.end(job, ok(b"two"), reads)
    assert len(world.jobs) == 2
    world.commit("session")
    assert len(world.jobs) == 4


def test_pauses_do_not_overflow_however_long_it_goes_on() -> None:
    """A view that fails, or that triggers another one, for a day."""
    query = LiveQuery("key", "/path/")
    query.feedback_runs = query.failures = 5000
    query.rest(began=10.0, ended=11.0, least_seconds=0.0)
    assert query.paused_until == 11.0 + 60.0
    query.retry(11.0, None)
    assert 11.0 + 30.0 <= query.not_before <= 11.0 + 60.0
