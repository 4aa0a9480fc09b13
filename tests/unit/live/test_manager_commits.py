"""Which commits run a view again: take the position, run, register, check."""

import pytest

from tests.unit.live.fakes import World, ok, read
from wsrequest.live import commit_log


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
    me, run = world.subscriber(), world.manager.begin()
    world.commit("a")
    world.manager.join(me, run, ok(b"one"), {read("a")})
    assert me.bodies == [b"one"] and len(world.jobs) == 1
    world.end(result=ok(b"two"))
    assert me.bodies == [b"one", b"two"]


def test_a_commit_of_another_table_does_not_run_the_view() -> None:
    world = World()
    me, run = world.subscriber(), world.manager.begin()
    world.commit("b")
    world.manager.join(me, run, ok(), {read("a")})
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
    world.manager.lost()
    assert not caplog.records
    world.subscribe()
    world.manager.lost()
    assert [r.getMessage() for r in caplog.records] == [
        "commits may have been missed: all 1 live views run again"
    ]


def test_commits_that_were_missed_may_have_changed_everything() -> None:
    world = World()
    world.subscribe(key="one", reads=(read("a"),))
    world.subscribe(key="two", reads=(read("b"),))
    late, run = world.subscriber("three"), world.manager.begin()
    world.manager.lost()
    world.clock.advance(2.0)
    assert len(world.jobs) == 2
    world.manager.lost()
    for job in list(world.jobs):
        world.end(job, ok())
    world.clock.advance(2.0)
    assert len(world.jobs) == 4
    world.manager.join(late, run, ok(), {read("c")})
    world.clock.advance(2.0)
    assert world.jobs[-1].subscriber is late


def test_of_a_log_that_is_full_the_tables_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commit_log, "_MAX_COMMITS", 3)
    world = World()
    me, run = world.subscriber(), world.manager.begin()
    other, its_run = world.subscriber("other"), world.manager.begin()
    for _ in range(4):
        world.commit("b")
    world.manager.join(me, run, ok(), {read("a")})
    assert not world.jobs
    world.manager.join(other, its_run, ok(), {read("b")})
    assert len(world.jobs) == 1


def test_the_log_is_no_longer_than_the_oldest_run_needs() -> None:
    world = World()
    first = world.manager.begin()
    world.commit("a")
    second = world.manager.begin()
    world.commit("a")
    assert len(world.manager._log) == 2
    world.manager.abandon(first)
    assert len(world.manager._log) == 1
    world.manager.abandon(second)
    assert not len(world.manager._log)
    world.commit("a")
    assert not len(world.manager._log)


def test_a_commit_that_is_kept_for_an_older_run_is_no_reason_to_run_again() -> None:
    world = World()
    world.manager.begin()
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
