"""Who is shown what, and when: every order in which commits, runs, joins and ends can come."""

import gc
import logging
from typing import Any

import pytest

from tests.unit.live.fakes import FakeSubscriber, World, failed, ok, read, wrote
from wsrequest.errors import Refused
from wsrequest.live import log
from wsrequest.live.groups import MOST_ECHOES, Group
from wsrequest.live.registry import Registry

# Position, run, register, check.


def test_a_commit_behind_a_first_run_runs_the_view_again() -> None:
    world = World()
    me = world.subscribe(b"one")
    world.commit("a")
    assert len(world.jobs) == 1
    world.end(result=ok(b"two"))
    assert me.bodies == [b"one", b"two"]


def test_a_commit_before_a_first_run_is_no_reason_to_run_again() -> None:
    world = World()
    world.commit("a")
    world.subscribe()
    assert not world.jobs


def test_a_commit_before_the_join_runs_the_view_again() -> None:
    world = World()
    me, run = world.subscriber(), world.registry.begin()
    world.commit("a")
    world.registry.join(me, run, ok(b"one"), {read("a")})
    assert me.bodies == [b"one"] and len(world.jobs) == 1
    world.end(result=ok(b"two"))
    assert me.bodies == [b"one", b"two"]


def test_a_commit_of_another_table_does_not_run_the_view() -> None:
    world = World()
    me, run = world.subscriber(), world.registry.begin()
    world.commit("b")
    world.registry.join(me, run, ok(), {read("a")})
    world.commit("b")
    assert not world.jobs


def test_a_commit_while_a_view_runs_again_makes_it_run_once_more() -> None:
    world = World()
    me = world.subscribe()
    world.commit("a")
    for _ in range(3):  # any number of them counts once
        world.commit("a")
    world.end(result=ok(b"two"))
    assert len(world.jobs) == 2
    world.end(result=ok(b"three"))
    assert len(world.jobs) == 2 and me.body == b"three"


def test_a_commit_of_what_only_the_run_now_reads_makes_it_run_once_more() -> None:
    """The index knows of the reads of the last run; the log is looked at for those of this one."""
    world = World()
    world.subscribe(reads=(read("a"),))
    world.commit("a")
    world.commit("b")
    world.end(result=ok(b"two"), reads=(read("b"),))
    assert len(world.jobs) == 2


def test_what_the_last_run_read_no_longer_is_no_reason_to_run() -> None:
    world = World()
    world.subscribe(reads=(read("a"),))
    world.commit("a")
    world.end(result=ok(b"two"), reads=(read("b"),))
    world.commit("a")
    assert len(world.jobs) == 1
    world.commit("b")
    assert len(world.jobs) == 2


def test_commits_that_were_missed_are_logged_where_that_is_any_matter(
    caplog: pytest.LogCaptureFixture,
) -> None:
    world = World()
    world.registry.lost()
    assert not caplog.records
    world.subscribe()
    world.registry.lost()
    assert [r.getMessage() for r in caplog.records] == [
        "commits may have been missed: all 1 live views run again"
    ]


def test_commits_that_were_missed_may_have_changed_everything() -> None:
    world = World()
    world.subscribe(key="one", reads=(read("a"),))
    world.subscribe(key="two", reads=(read("b"),))
    late, run = world.subscriber("three"), world.registry.begin()
    world.registry.lost()
    assert len(world.jobs) == 2
    world.registry.lost()
    for job in list(world.jobs):
        world.end(job, ok())
    assert len(world.jobs) == 4
    world.registry.join(late, run, ok(), {read("c")})
    assert world.jobs[-1].subscriber is late


def test_a_log_that_is_full_is_a_log_that_was_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log, "_MOST_COMMITS", 3)
    world = World()
    me, run = world.subscriber(), world.registry.begin()
    for _ in range(4):
        world.commit("b")
    world.registry.join(me, run, ok(), {read("a")})
    assert len(world.jobs) == 1


def test_the_log_is_no_longer_than_the_oldest_run_needs() -> None:
    world = World()
    first = world.registry.begin()
    world.commit("a")
    second = world.registry.begin()
    world.commit("a")
    assert len(world.registry._log) == 2
    world.registry.abandon(first)
    assert len(world.registry._log) == 1
    world.registry.abandon(second)
    assert not len(world.registry._log)
    world.commit("a")
    assert not len(world.registry._log)


def test_a_commit_that_is_kept_for_an_older_run_is_no_reason_to_run_again() -> None:
    world = World()
    world.registry.begin()
    world.commit("a")
    world.subscribe()
    assert not world.jobs


def test_a_run_that_is_taken_for_over_shows_nothing_when_it_ends() -> None:
    world = World(run_seconds=5.0)
    me = world.subscribe(b"one")
    world.commit("a")
    late = world.jobs[0]
    world.clock.advance(5.0)
    assert late.is_given_up and me.shown[-1][1].status == 504
    world.end(late, ok(b"too late"))
    world.until_begun(2)
    assert world.jobs[-1] is not late
    world.end(result=ok(b"two"))
    assert [result.body for _, result in me.shown] == [b"one", b"", b"two"]


def test_a_view_that_hangs_is_not_run_again_before_it_has_come_back() -> None:
    """Each run would take another thread, by itself, until none is left for requests."""
    world = World(run_seconds=5.0)
    world.subscribe()
    world.commit("a")
    world.clock.advance(600.0)
    world.commit("a")
    assert len(world.jobs) == 1
    world.end(result=None)
    world.until_begun(2)


# Groups.


def test_equal_subscribers_share_one_run() -> None:
    world = World()
    one, two = world.subscribe(), world.subscribe()
    world.commit("a")
    assert len(world.jobs) == 1
    world.end(result=ok(b"two"))
    assert one.body == two.body == b"two"


def test_subscribers_who_are_shown_the_same_joining_run_nothing() -> None:
    world = World()
    world.subscribe()
    world.subscribe()
    assert not world.jobs and len(world.registry) == 1


def test_a_join_with_another_result_shows_all_what_a_run_gives_now() -> None:
    world = World()
    one, two = world.subscribe(b"one"), world.subscribe(b"two")
    assert len(world.jobs) == 1
    world.end(result=ok(b"two"))
    assert one.bodies == [b"one", b"two"] and two.bodies == [b"two"]


def test_a_join_while_the_group_runs_is_shown_its_result() -> None:
    world = World()
    one = world.subscribe()
    world.commit("a")
    two = world.subscribe()
    world.end(result=ok(b"two"))
    assert one.body == two.body == b"two" and len(world.jobs) == 1


def test_reads_of_all_who_joined_count() -> None:
    world = World()
    world.subscribe(reads=(read("a"),))
    world.subscribe(reads=(read("b"),))
    world.commit("a")
    world.end(result=ok(), reads=(read("a"), read("b")))
    world.commit("b")
    assert len(world.jobs) == 2


def test_different_identities_never_share() -> None:
    world = World()
    one, two = world.subscribe(b"mine", key="me"), world.subscribe(b"yours", key="you")
    world.commit("a")
    assert len(world.jobs) == 2
    for job in list(world.jobs):
        world.end(job, ok(b"new " + job.subscriber.key.encode()))
    assert one.bodies == [b"mine", b"new me"] and two.bodies == [b"yours", b"new you"]


def test_versions_grow_for_each_subscriber() -> None:
    world = World()
    one = world.subscribe()
    for number in range(3):
        two = world.subscribe(str(number).encode())
        world.end(result=ok(b"new" + str(number).encode()))
        world.registry.leave(two)
    versions = [version for version, _ in one.shown]
    assert versions == sorted(set(versions)) and one.body == b"new2"


def test_who_left_while_the_view_runs_is_shown_nothing() -> None:
    world = World()
    one, two = world.subscribe(), world.subscribe()
    world.commit("a")
    world.registry.leave(one)
    world.registry.leave(one)
    world.end(result=ok(b"two"))
    assert one.bodies == [b"one"] and two.body == b"two"


def test_the_run_for_whom_all_have_left_is_given_up() -> None:
    world = World()
    world.registry.leave(world.subscribe())
    me = world.subscribe()
    world.commit("a")
    world.registry.leave(me)
    assert world.jobs[0].is_given_up
    world.end(result=ok(b"two"))
    assert me.bodies == [b"one"] and len(world.jobs) == 1
    assert world.is_empty()


def test_who_has_left_can_come_back() -> None:
    world = World()
    me = world.subscribe()
    world.commit("a")
    world.registry.leave(me)
    world.registry.join(me, world.registry.begin(), ok(b"two"), {read("a")})
    world.end(world.jobs[0], ok(b"older"))
    assert me.body == b"two"
    world.commit("a")
    world.end(result=ok(b"three"))
    assert me.body == b"three"


# Public results.


def test_a_public_result_is_shared_by_all_identities() -> None:
    world = World()
    one = world.subscribe(key="me", shared="page")
    two = world.subscribe(key="you", shared="page")
    world.commit("a")
    assert len(world.jobs) == 1
    world.end(result=ok(b"two", "page"))
    assert one.body == two.body == b"two"


def test_a_public_result_that_becomes_private_is_shown_to_nobody_else() -> None:
    world = World()
    people = [world.subscribe(key=key, shared="page") for key in ("me", "you", "they")]
    world.commit("a")
    world.end(result=ok(b"for me only"))
    assert [who.bodies for who in people] == [[b"one"]] * 3
    assert len(world.jobs) == 4  # each for itself
    for job in world.jobs[1:]:
        world.end(job, ok(b"for " + job.subscriber.key.encode()))
    assert [who.body for who in people] == [b"for me", b"for you", b"for they"]
    assert len(world.registry) == 3


@pytest.mark.parametrize("status", [302, 401, 403, 404, 429])
def test_an_answer_to_one_identity_ends_nobody_else(status: int) -> None:
    world = World()
    one = world.subscribe(key="me", shared="page")
    two = world.subscribe(key="you", shared="page")
    world.commit("a")
    world.end(result=failed(status))
    assert not two.ends and two.bodies == [b"one"]
    mine, yours = world.jobs[1:]
    world.end(mine, failed(status))
    world.end(yours, ok(b"two", "page"))
    assert two.bodies == [b"one", b"two"]
    if status == 429:
        assert one.shown[-1][1].status == 429
    else:
        assert [why.status for why in one.ends] == [status]


def test_a_refusal_of_one_identity_s_answer_ends_nobody_else() -> None:
    world = World()
    one = world.subscribe(key="me", shared="page")
    two = world.subscribe(key="you", shared="page")
    world.commit("a")
    refused = Refused("not_live", "a stream of events")
    world.end(result=refused)
    assert not one.ends and not two.ends
    mine, yours = world.jobs[1:]
    world.end(mine, refused)
    world.end(yours, ok(b"two", "page"))
    assert one.ends == [refused] and one.group is None
    assert not two.ends and two.bodies == [b"one", b"two"]


def test_a_failure_of_a_public_group_shows_its_status_but_not_its_body() -> None:
    """The page of an error may show the session of whoever the view ran for."""
    world = World()
    one = world.subscribe(key="me", shared="page")
    two = world.subscribe(key="you", shared="page")
    world.commit("a")
    world.end(result=failed(500, X_Secret="1"))
    for who in (one, two):
        assert who.shown[-1][1].status == 500 and not who.body
        assert not who.shown[-1][1].headers
    world.until_begun(2)
    world.end(result=ok(b"two", "page"))
    assert one.body == two.body == b"two"


def test_those_whose_results_become_public_share_again() -> None:
    world = World()
    one, two = world.subscribe(key="me"), world.subscribe(key="you")
    world.commit("a")
    for job in list(world.jobs):
        world.end(job, ok(b"two", "page"))
    assert len(world.registry) == 1 and one.body == two.body == b"two"
    world.commit("a")
    assert len(world.jobs) == 3
    world.end(result=ok(b"three", "page"))
    assert one.body == two.body == b"three"


def test_a_commit_while_results_become_public_is_not_lost() -> None:
    world = World()
    one, two = world.subscribe(key="me"), world.subscribe(key="you")
    world.commit("a")
    first, second = world.jobs
    world.end(first, ok(b"two", "page"))
    world.commit("a")
    world.end(world.jobs[-1], ok(b"three", "page"))
    world.end(second, ok(b"two", "page"))
    world.end(result=ok(b"three", "page"))
    assert one.body == two.body == b"three"


def test_a_commit_while_the_run_is_on_whose_result_becomes_public_is_not_lost() -> None:
    world = World()
    me = world.subscribe(key="me")
    world.commit("a")
    world.commit("a")
    world.end(result=ok(b"two", "page"))
    assert len(world.jobs) == 2
    world.end(result=ok(b"three", "page"))
    assert me.body == b"three"


# Another identity.


def move(world: World, subscriber: FakeSubscriber, key: str) -> None:
    subscriber.key = key
    world.registry.move(subscriber)


def test_who_becomes_another_is_shown_what_that_one_is_shown() -> None:
    world = World()
    yours = world.subscribe(b"yours", key="you")
    me = world.subscribe(b"mine", key="me")  # whose version is the greater one
    move(world, me, "you")
    assert me.bodies == [b"mine", b"yours"] and not world.jobs
    world.commit("a")
    world.end(result=ok(b"two"))
    assert me.body == yours.body == b"two"


def test_who_becomes_somebody_new_has_the_view_run() -> None:
    world = World()
    me = world.subscribe(b"mine", key="me")
    move(world, me, "you")
    assert me.bodies == [b"mine"] and world.jobs[0].subscriber is me
    world.end(result=ok(b"yours"))
    assert me.bodies == [b"mine", b"yours"]


def test_who_becomes_another_while_the_view_runs_is_not_shown_its_result() -> None:
    world = World()
    me, still = world.subscribe(b"mine", key="me"), world.subscribe(b"mine", key="me")
    world.commit("a")
    move(world, me, "you")
    world.end(world.jobs[0], ok(b"mine two"))
    world.end(world.jobs[1], ok(b"yours two"))
    assert me.bodies == [b"mine", b"yours two"] and still.bodies == [b"mine", b"mine two"]


def test_who_becomes_another_whose_view_fails_is_told_at_once() -> None:
    """Until it succeeds they would go on to see what another may see."""
    world = World()
    world.subscribe(key="you")
    world.commit("a")
    world.end(result=failed(503, Retry_After="30"))
    me = world.subscribe(b"mine", key="me")
    move(world, me, "you")
    assert me.shown[-1][1].status == 503


def test_who_moves_alone_is_still_heard_of() -> None:
    world = World()
    me = world.subscribe(key="me")
    move(world, me, "you")
    world.end(result=ok(b"two"))
    assert world.is_active == [True]


# Failures, and ends.


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
    assert world.registry._index.touched(wrote("a")) and world.registry._index.touched(wrote("b"))


def test_a_join_that_succeeds_ends_the_pause_of_a_failure() -> None:
    """Who joins was not told of the failure, so it must not be left behind."""
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
        assert [why.status for why in who.ends] == [status] and who.group is None
    assert len(world.jobs) == 1 and world.is_empty()


# How many, and how often.


def test_an_answer_that_cannot_be_sent_ends_all_of_the_group() -> None:
    world = World()
    one, two = world.subscribe(), world.subscribe()
    world.commit("a")
    refused = Refused("answer_too_large", "a stream")
    world.end(result=refused)
    assert one.ends == two.ends == [refused] and world.is_empty()


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
    world.registry.leave(world.jobs[0].subscriber)
    world.clock.advance(5.0)
    assert len(world.jobs) == 2
    world.end(result=ok(b"two"))
    assert b"two" in (one.body, two.body)


def test_a_group_that_left_its_place_in_the_queue_is_passed_over() -> None:
    world = World(max_runs=1)
    one, two, three = (world.subscribe(key=key) for key in ("me", "you", "they"))
    world.commit("a")
    waiting = [who for who in (one, two, three) if who is not world.jobs[0].subscriber]
    world.registry.leave(waiting[0])
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
    me, run = world.subscriber(), world.registry.begin()
    world.commit("a", run=run)
    world.registry.join(me, run, ok(), {read("a")})
    world.commit("a", run=run)
    assert not world.jobs


def test_what_a_first_run_writes_wakes_the_others() -> None:
    world = World()
    one = world.subscribe(key="me")
    two, run = world.subscriber("you"), world.registry.begin()
    world.commit("a", run=run)
    world.registry.join(two, run, ok(), {read("a")})
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
            world.commit(writes[job.subscriber.key], run=job.run)
            reads = (read({"me": "a", "you": "b"}[job.subscriber.key]),)
            world.end(job, ok(str(ended).encode()), reads)
        world.clock.advance(0.1)
    assert MOST_ECHOES < ended < 80
    told = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    assert len(told) == 2 and all("slowed down" in line for line in told)  # once for each
    assert {line.split()[-3] for line in told} == {"/me/", "/you/"}


def test_a_view_that_was_slowed_down_is_at_its_pace_again(caplog: pytest.LogCaptureFixture) -> None:
    world = World()
    world.subscribe()
    world.subscribe(key="other", reads=(read("b"),))
    world.commit("b")
    other = world.jobs[0]
    world.end(other, ok(b"two"), (read("b"),))
    for count in range(2, MOST_ECHOES + 5):
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


def test_tables_that_are_quiet_wake_nobody_when_a_view_runs_again() -> None:
    world = World(quiet_tables=frozenset({"session"}))
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


# Settled.


class Waiter:
    def __init__(self, world: World, *subscribers: FakeSubscriber) -> None:
        self.is_told = 0
        self.seen: list[bytes] = []
        self._subscribers = subscribers
        world.registry.when_settled(subscribers, self.tell)

    def tell(self) -> None:
        self.is_told += 1
        self.seen = [who.body for who in self._subscribers]


def test_settled_is_at_once_where_nothing_has_changed() -> None:
    world = World()
    assert Waiter(world, world.subscribe()).is_told == 1
    assert Waiter(world).is_told == 1


def test_settled_waits_for_each_of_the_subscribers() -> None:
    world = World()
    one, two, other = (world.subscribe(key=key) for key in ("me", "you", "they"))
    world.commit("a")
    waiter = Waiter(world, one, two)
    jobs = {job.subscriber: job for job in world.jobs}
    world.end(jobs[two], ok(b"two"))
    assert not waiter.is_told
    world.end(jobs[one], ok(b"two"))
    assert waiter.is_told == 1 and waiter.seen == [b"two", b"two"]
    world.end(jobs[other], ok(b"two"))
    assert waiter.is_told == 1


def test_settled_waits_for_a_run_that_began_before() -> None:
    world = World()
    me = world.subscribe()
    world.commit("a")
    world.commit("a")
    waiter = Waiter(world, me)
    world.end(result=ok(b"two"))
    assert not waiter.is_told
    world.end(result=ok(b"three"))
    assert waiter.seen == [b"three"]


def test_settled_does_not_wait_for_what_is_committed_later() -> None:
    """A table that changes all the time would never be settled."""
    world = World()
    me = world.subscribe()
    world.commit("a")
    waiter = Waiter(world, me)
    world.commit("a")
    world.end(result=ok(b"two"))
    assert waiter.is_told == 1
    world.end(result=ok(b"three"))
    assert waiter.is_told == 1


def test_settled_waits_while_a_failure_is_tried_again() -> None:
    world = World()
    me = world.subscribe()
    world.commit("a")
    waiter = Waiter(world, me)
    world.end(result=failed())
    assert not waiter.is_told
    world.until_begun(2)
    world.end(result=ok(b"two"))
    assert waiter.is_told == 1


def test_settled_waits_for_the_end_of_those_that_end() -> None:
    world = World()
    me = world.subscribe()
    world.commit("a")
    order: list[str] = []
    me.end = lambda why: order.append("end")  # type: ignore[method-assign]
    world.registry.when_settled([me], lambda: order.append("settled"))
    world.end(result=failed(404))
    assert order == ["end", "settled"]


def test_settled_does_not_wait_for_those_who_left() -> None:
    world = World()
    me, other = world.subscribe(key="me"), world.subscribe(key="you")
    world.commit("a")
    waiter = Waiter(world, me, other)
    world.registry.leave(me)
    assert not waiter.is_told
    world.registry.leave(other)
    assert waiter.is_told == 1


def test_settled_waits_for_those_who_became_another() -> None:
    world = World()
    me = world.subscribe(key="me")
    world.commit("a")
    waiter = Waiter(world, me)
    move(world, me, "you")
    assert not waiter.is_told
    world.end(result=ok(b"yours"))
    assert waiter.seen == [b"yours"]


def test_settled_waits_for_those_whose_public_result_became_private() -> None:
    world = World()
    one = world.subscribe(key="me", shared="page")
    two = world.subscribe(key="you", shared="page")
    world.commit("a")
    waiter = Waiter(world, one, two)
    world.end(result=ok(b"private"))
    assert not waiter.is_told
    for job in world.jobs[1:]:
        world.end(job, ok(b"two"))
    assert waiter.seen == [b"two", b"two"]


# Many.


def crowd(world: World, count: int) -> list[FakeSubscriber]:
    people = [world.subscribe() for _ in range(count)]
    world.commit("a")
    return people


def test_many_are_shown_a_result_in_slices() -> None:
    world = World()
    people = crowd(world, 250)
    world.end(result=ok(b"two"))
    assert sum(who.body == b"two" for who in people) == 100
    world.clock.turn()
    assert sum(who.body == b"two" for who in people) == 200
    world.clock.turn()
    assert all(who.body == b"two" for who in people)
    assert not world.clock.turn()


def test_a_newer_result_in_the_middle_is_shown_to_all() -> None:
    world = World()
    people = crowd(world, 250)
    world.end(result=ok(b"two"))
    world.commit("a")
    world.end(result=ok(b"three"))
    world.clock.advance(1.0)
    assert all(who.body == b"three" for who in people)
    assert people[0].bodies == [b"one", b"two", b"three"] and people[-1].bodies == [
        b"one",
        b"three",
    ]


def test_settled_waits_until_the_last_slice_was_shown() -> None:
    world = World()
    people = crowd(world, 250)
    before = Waiter(world, people[-1])
    world.end(result=ok(b"two"))
    behind = Waiter(world, people[-1])
    assert not before.is_told and not behind.is_told
    world.clock.advance(1.0)
    assert before.seen == behind.seen == [b"two"]


def test_who_leaves_joins_or_moves_between_the_slices_is_shown_what_is_theirs() -> None:
    world = World()
    people = crowd(world, 250)
    stranger = world.subscribe(b"strange", key="you")
    world.end(result=ok(b"two"))
    world.registry.leave(people[240])
    move(world, people[241], "you")
    move(world, stranger, "me")
    joined = world.subscribe(b"two")
    world.clock.advance(1.0)
    assert people[240].bodies == [b"one"] and b"two" not in people[241].bodies
    assert stranger.body == joined.body == people[249].body == b"two"


# What is left behind.


def test_writers_are_told_whether_anybody_reads() -> None:
    world = World()
    run = world.registry.begin()
    assert world.is_active == [True]  # before anything is read
    me = world.subscriber()
    world.registry.join(me, run, ok(), {read("a")})
    assert world.is_active == [True]
    two = world.subscribe(key="you")
    world.registry.leave(me)
    assert world.is_active == [True]
    world.registry.leave(two)
    assert world.is_active == [True, False]
    world.registry.abandon(world.registry.begin())
    assert world.is_active == [True, False, True, False]


def test_writers_are_needed_until_the_last_first_run_is_over() -> None:
    world = World()
    run = world.registry.begin()
    world.registry.leave(world.subscribe())
    assert world.is_active == [True]
    world.registry.abandon(run)
    world.registry.abandon(run)
    assert world.is_active == [True, False]


def test_a_run_that_was_abandoned_is_out_of_date_for_whoever_joins_with_it() -> None:
    world = World()
    run = world.registry.begin()
    world.registry.abandon(run)
    world.commit("a")
    world.registry.join(world.subscriber(), run, ok(), {read("a")})
    assert len(world.jobs) == 1


def test_nothing_is_left_of_those_who_have_left() -> None:
    world = World(least_seconds=1.0)
    people = [world.subscribe(key=("left", n % 3), expires_seconds=5.0) for n in range(9)]
    world.commit("a")
    world.end(result=failed())
    for who in people:
        world.registry.leave(who)
    for job in list(world.jobs):
        world.end(job, None)
    assert world.is_empty() and not len(world.registry._log)
    people.clear()
    world.jobs.clear()
    del who, job
    gc.collect()
    groups = [thing for thing in gc.get_objects() if type(thing) is Group]  # asks no proxy
    assert not [group for group in groups if "left" in str(group.key)]


def test_stop_ends_everything() -> None:
    world = World(least_seconds=1.0, max_runs=1)
    people = [world.subscribe(key=number, expires_seconds=5.0) for number in range(3)]
    world.commit("a")
    world.registry.stop()
    world.registry.stop()
    assert world.is_empty() and world.jobs[0].is_given_up
    world.end(result=ok(b"two"))
    assert all(who.bodies == [b"one"] for who in people) and len(world.jobs) == 1
    assert world.is_empty() and world.is_active == [True, False]


def test_changes_of_nothing_wake_nobody() -> None:
    world = World()
    world.subscribe()
    world.registry.receive(wrote())
    assert not world.jobs


# The tests are themselves tested, with planted faults.


def no_look_back(monkeypatch: pytest.MonkeyPatch) -> None:
    close = log.Log.close
    monkeypatch.setattr(log.Log, "close", lambda *args: close(*args) and False)


def late_ends_count(monkeypatch: pytest.MonkeyPatch) -> None:
    finished = Registry.finished

    def plant(self: Registry, run: Any, *args: Any, **kwargs: Any) -> None:
        run.is_over = False
        finished(self, run, *args, **kwargs)

    monkeypatch.setattr(Registry, "finished", plant)


def identity_is_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsrequest.live.registry._key", lambda subscriber, result: "anybody")


@pytest.mark.parametrize(
    ("plant", "test"),
    [
        (no_look_back, test_a_commit_before_the_join_runs_the_view_again),
        (no_look_back, test_a_commit_of_what_only_the_run_now_reads_makes_it_run_once_more),
        (late_ends_count, test_a_run_that_is_taken_for_over_shows_nothing_when_it_ends),
        (identity_is_no_matter, test_different_identities_never_share),
    ],
)  # fmt: skip
def test_a_planted_fault_is_found(plant: Any, test: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, KeyError, IndexError)):
        test()
