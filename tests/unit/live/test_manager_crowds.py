"""What many subscribers of one query are sent: in slices, and never an older snapshot."""

from tests.unit.live.fakes import FakeSubscriber, Waiter, World, ok


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
    assert not before.ended_count and not behind.ended_count
    world.clock.advance(1.0)
    assert before.seen == behind.seen == [b"two"]


def test_who_leaves_joins_or_moves_between_the_slices_is_shown_what_is_theirs() -> None:
    world = World()
    people = crowd(world, 250)
    stranger = world.subscribe(b"strange", key="you")
    world.end(result=ok(b"two"))
    world.manager.leave(people[240])
    world.move(people[241], "you")
    world.move(stranger, "me")
    joined = world.subscribe(b"two")
    world.clock.advance(1.0)
    assert people[240].bodies == [b"one"] and b"two" not in people[241].bodies
    assert stranger.body == joined.body == people[249].body == b"two"
