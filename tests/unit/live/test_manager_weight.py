"""The reads of a query count in the account of its oldest subscriber, or become less exact."""

from tests.unit.live.fakes import FakeSubscriber, World, ok, read
from wsrequest.live.index import weight_bytes
from wsrequest.live.manager import _FREE_BYTES
from wsrequest.types import Commit, ReadPredicate, TableChange


def rows(table: str, first: int, count: int) -> tuple[ReadPredicate, ...]:
    return tuple(
        ReadPredicate("default", table, (("id", frozenset({first + n})),)) for n in range(count)
    )


def wrote(table: str, key: int) -> Commit:
    return Commit((TableChange("default", table, ({"id": key},)),))


def joined(
    world: World, reads: tuple[ReadPredicate, ...], most: int, key: str = "me"
) -> FakeSubscriber:
    who = world.subscriber(key)
    who.most_bytes = most
    world.manager.join(who, world.manager.begin(), ok(), reads)
    return who


def test_what_a_group_reads_counts_as_long_as_it_is_there() -> None:
    world = World()
    exact = rows("a", 0, 500)
    me = joined(world, exact, 10**7)
    assert me.paid_bytes == weight_bytes(exact) - _FREE_BYTES
    assert me.query is not None and me.query.reads == set(exact)
    world.manager.receive(wrote("a", 7))
    fewer = (*rows("a", 0, 3), read("b"))
    world.end(result=ok(b"two"), reads=fewer)
    world.manager.receive(wrote("b", 1))
    world.end(result=ok(b"three"), reads=fewer)
    assert me.paid_bytes < 40_000
    world.manager.leave(me)
    assert me.paid_bytes == 0


def test_what_may_not_be_held_is_read_as_any_row_of_its_table() -> None:
    """256 live requests of 5,000 places on each of 1,000 connections held what they liked."""
    world = World()
    me = joined(world, (*rows("a", 0, 500), *rows("b", 0, 500)), 20_000)
    assert me.query is not None and me.query.reads == {read("a"), read("b")}
    assert me.paid_bytes == 0
    world.manager.receive(wrote("c", 1))
    assert not world.jobs
    world.manager.receive(wrote("a", 7))
    assert len(world.jobs) == 1
    me.most_bytes = 10**7  # others have gone: the next run is exact again
    world.end(result=ok(b"two"), reads=rows("a", 0, 500))
    assert set(rows("a", 0, 500)) <= me.query.reads


def test_tables_that_are_too_many_are_any_table_which_is_always_free() -> None:
    world = World()
    tables = tuple(
        ReadPredicate(database, f"t{n}") for n in range(20) for database in ("default", "other")
    )
    me = joined(world, tables, 0)
    assert me.query is not None
    assert me.query.reads == {ReadPredicate("default", None), ReadPredicate("other", None)}
    world.manager.receive(wrote("t7", 7))
    assert len(world.jobs) == 1


def test_so_many_databases_are_free_too() -> None:
    world = World()
    me = joined(world, tuple(ReadPredicate(f"db{n}", "a") for n in range(100)), 0)
    assert me.query is not None and len(me.query.reads) == 100 and me.paid_bytes == 0


def test_the_next_one_pays_when_the_oldest_leaves() -> None:
    world = World()
    exact = rows("a", 0, 100)
    one, two, three = (joined(world, exact, most) for most in (10**7, 10**7, 0))
    cost = one.paid_bytes
    assert cost and not two.paid_bytes and one.query is two.query is three.query
    world.manager.leave(one)
    assert (one.paid_bytes, two.paid_bytes) == (0, cost)
    world.manager.leave(two)
    assert (two.paid_bytes, three.paid_bytes) == (0, 0)
    assert three.query is not None and three.query.reads == {read("a")}
    world.manager.receive(wrote("a", 7))
    assert len(world.jobs) == 1


def test_who_becomes_another_takes_along_what_he_pays_for() -> None:
    world = World()
    exact = rows("a", 0, 100)
    me = joined(world, exact, 10**7)
    world.move(me, "you")
    assert me.paid_bytes == 0
    world.end(result=ok(b"two"), reads=exact)
    assert me.paid_bytes == weight_bytes(exact) - _FREE_BYTES
    world.manager.stop()
    assert me.paid_bytes == 0
