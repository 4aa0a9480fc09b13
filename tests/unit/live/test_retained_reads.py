"""What earlier runs read counts until it is known to be moot, and is bounded."""

import pytest

from tests.unit.live.fakes import World, failed, ok, read, wrote
from wsrequest.live import retained_reads as retained_module
from wsrequest.live.index import touches
from wsrequest.live.retained_reads import (
    MAX_RETAINED,
    RetainedCommit,
    RetainedCommits,
    RetainedReads,
)
from wsrequest.types import Commit, ReadPredicate, TableChange


def committed(table: str) -> RetainedCommit:
    return RetainedCommit(wrote(table))


def row(table: str, key: int) -> ReadPredicate:
    return ReadPredicate("default", table, (("id", frozenset({key})),))


def test_what_a_run_does_not_read_again_still_wakes() -> None:
    world = World()
    world.subscribe(reads=(read("a"), read("b")))
    world.commit("b")
    world.end(result=ok(b"two"), reads=(read("b"),))  # answered by what it remembers of a
    world.commit("a")
    assert len(world.jobs) == 2
    world.end(result=ok(b"three"), reads=(read("a"), read("b")))
    world.commit("b")
    world.end(result=ok(b"four"), reads=(read("b"),))
    world.commit("a")
    assert len(world.jobs) == 4


def test_what_was_written_and_not_read_again_is_moot() -> None:
    world = World()
    world.subscribe(reads=(read("a"), read("b")))
    world.commit("b")
    world.end(result=ok(b"two"), reads=(read("b"),))
    world.commit("a")
    world.end(result=ok(b"three"), reads=(read("b"),))
    world.commit("a")
    assert len(world.jobs) == 2


def test_write_during_a_run_is_for_the_next_one_to_read() -> None:
    retained = RetainedReads()
    before = frozenset({read("a"), read("b")})
    retained.begin()
    retained.wrote(committed("a"))
    assert retained.take(before, frozenset({read("b")})) == before
    retained.begin()
    assert retained.take(before, frozenset({read("b")})) == {read("b")}


def test_failed_run_proves_nothing() -> None:
    world = World()
    world.subscribe(reads=(read("a"), read("b")))
    world.commit("a")
    world.end(result=None, reads=(read("b"),))
    world.until_begun(2)
    world.end(result=ok(b"two"), reads=(read("b"),))
    world.commit("a")
    world.until_begun(3)


def test_table_that_is_read_needs_no_rows_of_it() -> None:
    retained = RetainedReads()
    reads = frozenset({read("a")})
    assert retained.take(frozenset({row("a", 1)}) | reads, reads) == reads
    anything = frozenset({ReadPredicate("default", None)})
    assert retained.take(frozenset({row("a", 1), read("b")}), anything) == anything


def test_many_rows_are_the_table_and_many_tables_the_database() -> None:
    retained = RetainedReads()
    rows = frozenset(row("a", n) for n in range(MAX_RETAINED)) | {row("b", 1)}
    assert retained.take(rows, frozenset()) == {read("a"), row("b", 1)}
    tables = frozenset(read(f"t{n}") for n in range(MAX_RETAINED + 1)) | {
        ReadPredicate("other", "x")
    }
    assert retained.take(tables, frozenset()) == {
        ReadPredicate("default", None),
        ReadPredicate("other", "x"),
    }
    assert len(retained) == 2


def test_so_many_databases_that_nothing_can_be_made_of_them_are_all_kept() -> None:
    databases = frozenset(ReadPredicate(f"db{n}", None) for n in range(MAX_RETAINED + 1))
    assert RetainedReads().take(databases, frozenset()) == databases


@pytest.mark.once
def test_what_joins_adds_no_more_than_a_run_keeps() -> None:
    """By 1,000 who joined a shared page until its next run, what woke it grew without a limit."""
    retained = RetainedReads()
    base = frozenset(row("a", n) for n in range(100))
    reads = retained.join(frozenset(), base)
    assert reads == base  # of the first one
    for n in range(1000):
        reads = retained.join(reads, base | {row("b", n), row("c", n)})
        assert base < reads and len(reads) <= len(base) + MAX_RETAINED
        assert all(touches(reads, concerned(table, n)) for table in "bc")
    assert reads == base | {read("b"), read("c")}
    assert retained.join(reads, base | {row("b", 1)}) is reads  # no work where nothing is new
    fresh = base | {row("c", 1)}
    assert retained.take(reads, fresh) == fresh | {read("b"), read("c")}


def test_a_run_that_fails_adds_no_more_either() -> None:
    world = World()
    me = world.subscribe(reads=(read("a"),))
    for n in range(100):
        world.commit("a")
        world.until_begun(n + 1)
        world.end(result=failed(), reads=tuple(row("b", 10 * n + k) for k in range(10)))
    assert me.query is not None and me.query.reads == {read("a"), read("b")}
    assert world.manager._index.touched(concerned("b", 7)) == {me.query}


def test_a_crowd_that_joins_a_shared_page_is_held_by_bounded_reads() -> None:
    world = World()
    people = [
        world.subscribe(key=n, shared="all", reads=(read("a"), row("session", n)))
        for n in range(200)
    ]
    query = people[0].query
    assert query is not None and len(world.manager) == 1
    assert query.reads == {read("a"), row("session", 0), read("session")}
    for n in range(200):
        assert world.manager._index.touched(concerned("session", n)) == {query}


def concerned(table: str, key: int) -> Commit:
    return Commit((TableChange("default", table, ({"id": key},)),))


def drive(world: World, *reads: ReadPredicate) -> None:
    """End what runs, with these reads."""
    for job in world.jobs:
        if not job.run.is_over:
            world.end(job, ok(b"two"), reads=reads)


def test_the_whole_table_counts_on_where_one_row_of_many_was_written() -> None:
    """What stands for many rows is not moot because one of them was read no more, or alone."""
    world = World()
    me = world.subscribe(reads=(read("a"), *(row("b", n) for n in range(MAX_RETAINED + 1))))
    world.commit("a")
    drive(world, read("a"))  # answered by what it remembers of b
    assert me.query is not None and me.query.reads == {read("a"), read("b")}
    for again in ((row("b", 7),), ()):
        world.manager.receive(concerned("b", 7))
        drive(world, read("a"), *again)
    world.manager.receive(concerned("b", 8))
    assert not world.jobs[-1].run.is_over


def test_rows_count_on_behind_a_run_that_read_their_whole_table() -> None:
    world = World()
    world.subscribe(reads=(read("a"), row("b", 5)))
    world.commit("a")
    drive(world, read("a"), read("b"))
    world.manager.receive(concerned("b", 7))
    drive(world, read("a"))
    world.manager.receive(concerned("b", 5))
    assert not world.jobs[-1].run.is_over


@pytest.mark.parametrize("count", [20, 400])
def test_what_joins_and_is_made_a_table_counts_on(count: int) -> None:
    world = World()
    world.subscribe(reads=(read("a"),))
    world.subscribe(reads=(read("a"), *(row("b", n) for n in range(count))))
    for _ in range(2):  # known by row is what is moot by row
        world.manager.receive(concerned("b", 7))
        drive(world, read("a"), row("b", 7))
    world.manager.receive(concerned("b", 8))
    assert not world.jobs[-1].run.is_over


def test_what_could_not_be_held_counts_on() -> None:
    """The table, or the database, stands for what was read where no memory is left."""
    world = World()
    me = world.subscriber()
    me.most_bytes = 0
    reads = (read("a"), *(read(f"t{n}") for n in range(20)))
    world.manager.join(me, world.manager.begin(), ok(), reads)
    assert me.query is not None and me.query.reads == {ReadPredicate("default", None)}
    world.commit("a")
    drive(world, read("a"))  # answered by what it remembers of the others
    world.commit("t5")
    assert not world.jobs[-1].run.is_over


def test_what_stands_for_more_is_forgotten_with_what_it_stands_for() -> None:
    retained = RetainedReads()
    retained.widen(frozenset({read("a")}))
    before = frozenset({read("a"), read("b")})
    assert retained.take(before, frozenset({ReadPredicate("default", None)})) == {
        ReadPredicate("default", None)
    }
    assert retained._wide == {ReadPredicate("default", None)}
    assert retained.take(frozenset(), frozenset()) == frozenset() == retained._wide


def test_joiner_that_fills_again_what_was_thrown_away_makes_nothing_moot() -> None:
    """Between the commit and the rerun it reads what the rerun is answered from then."""
    world = World()
    both = (read("a"), read("b"))
    world.subscribe(reads=both)
    world.commit("b")
    world.subscribe(b"two", reads=both)
    drive(world, read("a"))
    drive(world, read("a"))
    world.commit("b")
    assert not world.jobs[-1].run.is_over


def test_looking_what_is_moot_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """5,000 rows that a run no longer reads, beside 100 commits, were 500,000 looks on the loop."""
    looks: list[Commit] = []
    monkeypatch.setattr(
        retained_module,
        "touches",
        lambda reads, changes: looks.append(changes) or touches(reads, changes),
    )
    retained = RetainedReads()
    for n in range(100):
        retained.wrote(RetainedCommit(concerned("x", n)))
    retained.begin()
    rows = frozenset(row("a", n) for n in range(5000))
    assert retained.take(rows, frozenset()) == {read("a")}
    assert len(looks) <= retained_module._MAX_LOOKS


def test_nobody_keeps_all_commits() -> None:
    retained = RetainedReads()
    for n in range(1000):
        retained.wrote(committed(f"t{n}"))
    retained.begin()
    reads = frozenset({read("t0"), read("t999")})
    assert retained.take(reads, frozenset()) == {read("t999")}  # of which nothing is known


def large(table: str, key: int) -> Commit:
    """A commit of about 1 MB."""
    return Commit((TableChange("default", table, ({"id": key, "text": "x" * 250_000},)),))


def test_the_commits_of_all_groups_are_bounded_together() -> None:
    """100 of each group had stayed, whatever they weighed, beside the log's 4 MiB."""
    commits = RetainedCommits()
    every = [commits.add(large("a", n)) for n in range(20)]
    known = [commit for commit in every if commit.commit is not None]
    assert 1 < len(known) == len(commits) <= 4 and known == every[-len(known) :]
    commits.add(Commit((TableChange("default", "a", ({"text": "x" * 2**21},)),)))
    assert not len(commits)  # which alone is too large
    assert all(commit.commit is None for commit in every)


def test_what_was_read_counts_on_where_the_commit_was_forgotten() -> None:
    world = World()
    me = world.subscribe(reads=(row("a", 1), row("a", 2), read("b")))
    world.commit("b")
    world.manager.receive(large("a", 1))
    for _ in range(10):
        world.manager.receive(large("b", 1))
    world.end(result=ok(b"two"), reads=(read("b"),))
    world.end(result=ok(b"three"), reads=(read("b"),))
    assert me.query is not None and row("a", 1) in me.query.reads
    assert len(world.manager._retained_commits) <= 4
    world.manager.leave(me)
    assert not len(world.manager._retained_commits)
