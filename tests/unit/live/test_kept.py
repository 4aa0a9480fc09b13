"""What earlier runs read counts until it is known to be moot, and is bounded."""

from tests.unit.live.fakes import World, ok, read, wrote
from wsrequest.live.kept import MAX_KEPT, Kept
from wsrequest.types import Read


def row(table: str, key: int) -> Read:
    return Read("default", table, (("id", frozenset({key})),))


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
    kept = Kept()
    before = frozenset({read("a"), read("b")})
    kept.begin()
    kept.wrote(wrote("a"))
    assert kept.take(before, frozenset({read("b")})) == before
    kept.begin()
    assert kept.take(before, frozenset({read("b")})) == {read("b")}


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
    kept = Kept()
    reads = frozenset({read("a")})
    assert kept.take(frozenset({row("a", 1)}) | reads, reads) == reads
    anything = frozenset({Read("default", None)})
    assert kept.take(frozenset({row("a", 1), read("b")}), anything) == anything


def test_many_rows_are_the_table_and_many_tables_the_database() -> None:
    kept = Kept()
    rows = frozenset(row("a", n) for n in range(MAX_KEPT)) | {row("b", 1)}
    assert kept.take(rows, frozenset()) == {read("a"), row("b", 1)}
    tables = frozenset(read(f"t{n}") for n in range(MAX_KEPT + 1)) | {Read("other", "x")}
    assert kept.take(tables, frozenset()) == {Read("default", None), Read("other", "x")}
    assert len(kept) == 2


def test_nobody_keeps_all_commits() -> None:
    kept = Kept()
    for n in range(1000):
        kept.wrote(wrote(f"t{n}"))
    kept.begin()
    reads = frozenset({read("t0"), read("t999")})
    assert kept.take(reads, frozenset()) == {read("t999")}  # of which nothing is known
