"""Reruns that write to unknown tables trigger others a few times, until something commits."""

import logging
from typing import Any

import pytest

from tests.unit.live.fakes import Job, World, ok, read
from wsrequest.live.query import MAX_FEEDBACK_RUNS, MAX_UNKNOWN_WRITES
from wsrequest.types import Commit, TableChange

MORE = MAX_UNKNOWN_WRITES + 3


def write_unknown(world: World, job: Job, *tables: str) -> None:
    """A run commits a write to unknown tables, and to known ones."""
    changes = [TableChange("default", None), *(TableChange("default", table) for table in tables)]
    world.manager.receive(Commit(tuple(changes), job.run))


def age(world: World) -> Job:
    """Let the first group run again for its age alone; nothing was committed."""
    world.manager._scheduler.queue(next(iter(world.manager._queries.values())), is_old=True)
    world.clock.advance(0.0)
    return world.jobs[-1]


def made() -> tuple[World, Any]:
    world = World()
    world.subscribe(key="me", reads=(read("a"),))
    return world, world.subscribe(key="reader", reads=(read("b"),))


def woken(world: World, *tables: str, commits: int = 1) -> bool:
    """Whether a rerun of the first that writes any table wakes the reader."""
    job = age(world)
    assert job.subscriber.key == "me"
    before = len(world.jobs)
    for _ in range(commits):
        write_unknown(world, job, *tables)
    world.end(job, ok(b"two"))
    rest(world)
    return len(world.jobs) > before


def rest(world: World) -> None:
    """Let a minute pass, more than any pause for feedback runs, and end all runs that begin."""
    reads = {"me": "a", "reader": "b"}
    for _ in range(130):
        for job in world.jobs:
            if not job.run.is_over:
                world.end(job, ok(b"two"), (read(reads[str(job.subscriber.key)]),))
        world.clock.advance(0.5)


def test_any_table_wakes_others_only_a_few_times() -> None:
    world, _ = made()
    assert [woken(world) for _ in range(MORE)] == [True] * MAX_UNKNOWN_WRITES + [False] * 3


def test_what_one_run_writes_counts_once() -> None:
    world, _ = made()
    found = [woken(world, commits=5) for _ in range(MORE)]
    assert found == [True] * MAX_UNKNOWN_WRITES + [False] * 3


def test_a_table_that_is_named_wakes_others_as_ever() -> None:
    world, _ = made()
    assert all(woken(world, "b") for _ in range(MORE))


@pytest.mark.parametrize("table", ["a", "elsewhere"])
def test_a_commit_of_anything_else_begins_the_count_anew(table: str) -> None:
    """Also one that does not concern it: what a rerun writes may be passed on by several."""
    world, _ = made()
    for _ in range(MORE):
        woken(world)
    world.commit(table)
    rest(world)
    assert [woken(world) for _ in range(MORE)] == [True] * MAX_UNKNOWN_WRITES + [False] * 3


def test_commits_that_may_have_been_missed_begin_the_count_anew() -> None:
    world, _ = made()
    for _ in range(MORE):
        woken(world)
    world.manager.lost()
    rest(world)
    assert woken(world)


def test_a_first_run_wakes_others_as_ever() -> None:
    world, reader = made()
    for _ in range(MORE):
        woken(world)
    before = len(world.jobs)
    run = world.manager.begin()
    world.manager.receive(Commit((TableChange("default", None),), run))
    assert "reader" in [job.subscriber.key for job in world.jobs[before:]]


def test_a_run_that_goes_on_is_not_out_of_date_by_it() -> None:
    world, _ = made()
    for _ in range(MORE):
        woken(world)
    job = age(world)
    run = world.manager.begin()
    write_unknown(world, job)
    new = world.subscriber("new")
    world.manager.join(new, run, ok(), {read("c")})
    assert new.query is not None and new.query.is_current


def test_views_that_write_so_end_with_one_warning(caplog: pytest.LogCaptureFixture) -> None:
    """Two ran each other for ever, at full speed after each commit of somebody else."""
    world = World()
    keys = {"me": "a", "you": "b", "reader": "c"}
    for key, table in keys.items():
        world.subscribe(key=key, reads=(read(table),))
    for _ in range(3):
        known = len(world.jobs)
        world.commit("a")
        ends = known + 1 + 3 * 2 * MAX_UNKNOWN_WRITES
        for _ in range(6000):  # ten minutes
            while known < len(world.jobs):
                job = world.jobs[known]
                key = str(job.subscriber.key)
                known += 1
                assert known <= ends
                if key != "reader":
                    write_unknown(world, job)
                world.end(job, ok(str(known).encode()), (read(keys[key]),))
            world.clock.advance(0.1)
        assert not [handle for handle in world.clock.waiting]
    messages = [r.getMessage() for r in caplog.records if r.levelno == logging.WARNING]
    messages = [line for line in messages if "cannot determine" in line]
    assert [line.partition("again: ")[2].partition(". ")[0] for line in messages] == ["/me/"]


def test_a_real_commit_is_seen_at_once_beside_them() -> None:
    world = World()
    keys = {"me": "a", "you": "b", "reader": "c"}
    shown = {key: world.subscribe(key=key, reads=(read(t),)) for key, t in keys.items()}
    for number in range(MAX_FEEDBACK_RUNS + 2):
        begun = len(world.jobs)
        world.commit("c")
        assert [job.subscriber for job in world.jobs[begun:]] == [shown["reader"]]
        world.end(result=ok(str(number).encode()), reads=(read("c"),))
        world.commit("a")
        known = begun + 1
        for _ in range(700):
            while known < len(world.jobs):
                job = world.jobs[known]
                known += 1
                if job.subscriber.key != "reader":
                    write_unknown(world, job)
                world.end(job, ok(str(known).encode()), (read(keys[str(job.subscriber.key)]),))
            world.clock.advance(0.1)
