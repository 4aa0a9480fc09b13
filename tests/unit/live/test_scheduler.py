"""Which view runs again first: no client waits for everything that another asked for."""

from tests.unit.live.fakes import FakeSubscriber, World, ok, read
from wsrequest.live.round_robin import Turn


def of(address: str, connection: int = 0) -> Turn:
    return Turn(address, (address, connection))


def crowd(world: World, count: int, address: str = "hostile", **kwargs: object) -> None:
    """Many live requests of a few connections of one address."""
    for number in range(count):
        world.subscribe(key=(address, number), turn=of(address, number % 4), **kwargs)  # type: ignore[arg-type]


def runs_until(world: World, who: FakeSubscriber, ends: int = 10_000) -> int:
    """End runs, the oldest first; return how many ended before one of ``who`` began."""
    for ended in range(ends):
        if any(job.subscriber is who for job in world.jobs):
            return ended
        world.end(world.jobs[ended], ok(str(ended).encode()))
    raise AssertionError("it never ran")


def test_a_victim_beside_a_thousand_hostile_requests_runs_at_once() -> None:
    """It had waited for 250 of their runs: 6 to 7.5 seconds where each takes 100 ms."""
    world = World(max_runs=4)
    crowd(world, 1000)
    victim = world.subscribe(key="victim", turn=of("victim"))
    world.commit("a")
    # One address leaves one place of the four free.
    assert runs_until(world, victim) == 0


def test_a_victim_of_the_same_address_waits_for_its_turn_among_connections() -> None:
    world = World(max_runs=4)
    crowd(world, 1000)
    victim = world.subscribe(key="victim", turn=of("hostile", 99))
    world.commit("a")
    assert runs_until(world, victim) <= 5


def test_a_victim_beside_several_hostile_addresses_waits_for_one_run_of_each() -> None:
    world = World(max_runs=4)
    for number in range(5):
        crowd(world, 200, f"hostile {number}")
    victim = world.subscribe(key="victim", turn=of("victim"))
    world.commit("a")
    assert runs_until(world, victim) <= 6


def test_a_run_that_is_shared_is_in_the_turn_of_who_has_no_other() -> None:
    """Or the greedy could have a page that others read wait behind all of theirs."""
    world = World(max_runs=4)
    crowd(world, 1000)
    for number in range(4):  # they came first
        world.subscribe(key="page", turn=of("hostile", number))
    victim = world.subscribe(key="page", turn=of("victim"))
    world.commit("a")
    query = victim.query
    assert query is not None
    assert query in [job.run.query for job in world.jobs[:4]]


def test_one_address_alone_has_all_but_one_of_the_runs() -> None:
    world = World(max_runs=4)
    crowd(world, 10)
    world.commit("a")
    assert len(world.jobs) == 3
    for number in range(10):
        world.end(world.jobs[number], ok(b"two"))
    assert len(world.jobs) == 10


def test_one_run_at_a_time_is_for_whoever_comes() -> None:
    world = World(max_runs=1)
    crowd(world, 3)
    world.commit("a")
    for number in range(3):
        assert len(world.jobs) == number + 1
        world.end(world.jobs[number], ok(b"two"))


# Rechecks.


def test_rechecks_leave_a_place_for_what_was_committed() -> None:
    """Four silent connections had kept the queue full by them alone."""
    world = World(max_runs=4, recheck_seconds=60.0)
    for number in range(8):
        crowd(world, 50, f"hostile {number}")
    world.clock.advance(60.0)
    assert len(world.jobs) == 3
    victim = world.subscribe(key="victim", reads=(read("b"),), turn=of("victim"))
    world.commit("b")
    assert world.jobs[3].subscriber is victim


def test_what_was_committed_goes_before_what_is_merely_old() -> None:
    world = World(max_runs=1, recheck_seconds=60.0)
    crowd(world, 100)
    world.clock.advance(60.0)
    victims = [
        world.subscribe(key=name, reads=(read("b"),), turn=of(name)) for name in ("one", "two")
    ]
    world.commit("b")
    world.end(world.jobs[0], ok(b"two"))
    world.end(world.jobs[1], ok(b"two"), (read("b"),))
    assert {job.subscriber for job in world.jobs[1:]} == set(victims)


def test_what_is_merely_old_has_a_quarter_of_the_turns_and_what_is_idle() -> None:
    world = World(max_runs=1, recheck_seconds=60.0)
    crowd(world, 40, "old")
    world.clock.advance(60.0)
    crowd(world, 40, "new", reads=(read("b"),))
    world.commit("b")
    order = []
    for number in range(80):
        job = world.jobs[number]
        order.append(job.subscriber.key[0])  # type: ignore[index]  # a tuple
        reads = (read("b" if order[-1] == "new" else "a"),)
        world.end(job, ok(str(number).encode()), reads)
    assert 9 <= order[:40].count("old") <= 12
    assert order.count("old") == order.count("new") == 40


def test_a_commit_hurries_what_waits_because_it_is_old() -> None:
    world = World(max_runs=1, recheck_seconds=60.0)
    crowd(world, 20)
    last = world.subscribe(key="last", reads=(read("b"),), turn=of("hostile"))
    world.clock.advance(60.0)
    world.commit("b")
    world.end(world.jobs[0], ok(b"two"))
    assert world.jobs[1].subscriber is last
    known = 1
    while known < len(world.jobs):
        world.end(world.jobs[known], ok(b"two"))
        known += 1
    assert known == 21  # once each


def test_who_has_left_waits_in_no_queue() -> None:
    world = World(max_runs=1, recheck_seconds=60.0)
    people = [world.subscribe(key=number, turn=of("me", number)) for number in range(9)]
    world.clock.advance(60.0)
    world.commit("a")
    for who in people:
        world.manager.leave(who)
    scheduler = world.manager._scheduler
    assert not len(scheduler._awaited) and not len(scheduler._old)
    world.end(result=ok(b"two"))
    assert not scheduler._running and not scheduler._by_address
