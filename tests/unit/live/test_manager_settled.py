"""When a subscriber has been sent what had changed by a moment."""

import gc
from weakref import ref

import pytest

from tests.unit.live.fakes import Waiter, World, failed, ok, read
from wsrequest.live.waits import Wait


def test_settled_is_at_once_where_nothing_has_changed() -> None:
    world = World()
    assert Waiter(world, world.subscribe()).ended_count == 1
    assert Waiter(world).ended_count == 1


def test_settled_waits_for_each_of_the_subscribers() -> None:
    world = World()
    one, two, other = (world.subscribe(key=key) for key in ("me", "you", "they"))
    world.commit("a")
    waiter = Waiter(world, one, two)
    jobs = {job.subscriber: job for job in world.jobs}
    world.end(jobs[two], ok(b"two"))
    assert not waiter.ended_count
    world.end(jobs[one], ok(b"two"))
    assert waiter.ended_count == 1 and waiter.seen == [b"two", b"two"]
    world.end(jobs[other], ok(b"two"))
    assert waiter.ended_count == 1


def test_settled_waits_for_a_run_that_began_before() -> None:
    world = World()
    me = world.subscribe()
    world.commit("a")
    world.commit("a")
    waiter = Waiter(world, me)
    world.end(result=ok(b"two"))
    assert not waiter.ended_count
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
    assert waiter.ended_count == 1
    world.end(result=ok(b"three"))
    assert waiter.ended_count == 1


def test_settled_waits_while_a_failure_is_tried_again() -> None:
    world = World()
    me = world.subscribe()
    world.commit("a")
    waiter = Waiter(world, me)
    world.end(result=failed())
    assert not waiter.ended_count
    world.until_begun(2)
    world.end(result=ok(b"two"))
    assert waiter.ended_count == 1


def test_settled_waits_for_the_end_of_those_that_end() -> None:
    world = World()
    me = world.subscribe()
    world.commit("a")
    order: list[str] = []
    me.end = lambda why: order.append("end")  # type: ignore[method-assign]
    world.manager.settle(Wait(lambda: order.append("settled")), [me])
    world.end(result=failed(404))
    assert order == ["end", "settled"]


def test_settled_does_not_wait_for_those_who_left() -> None:
    world = World()
    me, other = world.subscribe(key="me"), world.subscribe(key="you")
    world.commit("a")
    waiter = Waiter(world, me, other)
    world.manager.leave(me)
    assert not waiter.ended_count
    world.manager.leave(other)
    assert waiter.ended_count == 1


def test_settled_waits_for_those_who_became_another() -> None:
    world = World()
    me = world.subscribe(key="me")
    world.commit("a")
    waiter = Waiter(world, me)
    world.move(me, "you")
    assert not waiter.ended_count
    world.end(result=ok(b"yours"))
    assert waiter.seen == [b"yours"]


def test_settled_waits_for_those_whose_public_result_became_private() -> None:
    world = World()
    one = world.subscribe(key="me", shared="page")
    two = world.subscribe(key="you", shared="page")
    world.commit("a")
    waiter = Waiter(world, one, two)
    world.end(result=ok(b"private"))
    assert not waiter.ended_count
    for job in world.jobs[1:]:
        world.end(job, ok(b"two"))
    assert waiter.seen == [b"two", b"two"]


# Waits that are revoked.


class Answer:
    """What waits, and must not be kept alive by what it waited for."""

    def __init__(self) -> None:
        self.is_sent = False

    def send(self) -> None:
        self.is_sent = True


def test_a_wait_that_is_revoked_keeps_nothing_alive() -> None:
    world = World()
    me = world.subscribe()
    world.commit("a")
    answers = [Answer() for _ in range(100)]
    waits = [Wait(answer.send) for answer in answers]
    for wait in waits:
        world.manager.settle(wait, [me])
    assert me.query is not None and len(me.query.waits) == 100
    for wait in waits:
        wait.cancel()
        wait.cancel()
    assert not me.query.waits
    kept = [ref(answer) for answer in answers]
    answers.clear()
    del wait
    gc.collect()
    assert not [answer for answer in kept if answer() is not None]
    world.end(result=ok(b"two"))
    assert me.body == b"two"


def test_a_wait_that_was_revoked_before_it_began_does_not_begin() -> None:
    world = World()
    me, answer = world.subscribe(), Answer()
    wait = Wait(answer.send)
    wait.cancel()
    world.manager.settle(wait, [me])
    assert not answer.is_sent
    world.commit("a")
    world.manager.settle(wait, [me])
    assert me.query is not None and not me.query.waits


def test_a_wait_that_another_revokes_when_it_ends_is_not_told() -> None:
    """As an answer whose sending fails, and with it the connection of both."""
    world = World()
    me, answer = world.subscribe(), Answer()
    world.commit("a")
    second = Wait(answer.send)
    world.manager.settle(Wait(second.cancel), [me])
    world.manager.settle(second, [me])
    world.end(result=ok(b"two"))
    assert not answer.is_sent


class Costly:
    """A function that notes how often it is compared with another."""

    compared = 0

    def __eq__(self, other: object) -> bool:
        Costly.compared += 1
        return self is other

    __hash__ = None  # type: ignore[assignment]  # compared only

    def __call__(self) -> None: ...


def test_many_waits_are_looked_at_once_each() -> None:
    """9,000 of them, compared with one another, made the event loop stand still for 2 seconds."""
    world = World()
    me, other = world.subscribe(key="me"), world.subscribe(key="you")
    world.commit("a")
    looks: list[int] = []
    for who in (me, other):
        query = who.query
        assert query is not None
        has_shown = type(query).has_shown
    for _ in range(500):
        world.manager.settle(Wait(Costly()), [me, other])
    Costly.compared = 0

    def counted(query: object, position: int, *args: int, **kwargs: bool) -> bool:
        looks.append(position)
        return has_shown(query, position, *args, **kwargs)  # type: ignore[arg-type]  # a group

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(type(query), "has_shown", counted)
        for job in list(world.jobs):
            world.end(job, ok(b"two"))
    assert not me.query.waits and not other.query.waits  # type: ignore[union-attr]  # they have one
    # Once for each where it waits, and twice where it goes on from there.
    assert len(looks) <= 500 * 5 and Costly.compared == 0


def test_settled_waits_for_who_moves_to_a_group_that_is_running() -> None:
    """What others of that group were shown before, it was not."""
    world = World(recheck_seconds=10.0)
    me, other = world.subscribe(b"mine", key="me"), world.subscribe(b"yours", key="you")
    world.clock.advance(10.0)  # both run again for their age
    world.move(me, "you")
    waiter = Waiter(world, me)
    assert not waiter.ended_count
    (job,) = (job for job in world.jobs if job.subscriber is other)
    world.end(job, ok(b"yours"))
    assert waiter.seen == [b"yours"]


def test_settled_waits_for_who_joins_with_an_older_result() -> None:
    """Its first run began before the commit, the last one of its group behind that."""
    world = World()
    one, two = world.subscribe(), world.subscriber()
    run = world.manager.begin()
    world.commit("a")
    world.end(result=ok(b"two"))
    world.manager.join(two, run, ok(), {read("a")})
    waiter = Waiter(world, one, two)
    assert not waiter.ended_count
    world.end(result=ok(b"two"))
    assert waiter.seen == [b"two", b"two"]


def test_a_renewed_wait_is_for_no_later_change() -> None:
    """One who subscribes all the time to what changes all the time would never be settled."""
    world = World()
    me = world.subscribe()
    bodies: list[bytes] = []
    wait = Wait(lambda: wait.renew(lambda: bodies.append(me.body)))
    world.manager.settle(wait, [me])
    world.commit("a")
    world.manager.settle(wait, [me])
    assert bodies == [b"one"]


def test_settled_does_not_wait_for_the_turn_after_a_loss() -> None:
    """The client's own commit may be among those that were lost."""
    world = World()
    me, other = world.subscribe(key="me"), world.subscribe(key="you")
    world.manager.lost()
    waiter = Waiter(world, me)
    assert [job.subscriber for job in world.jobs] == [me] and not waiter.ended_count
    world.end(result=ok(b"two"))
    assert waiter.seen == [b"two"] and other.bodies == [b"one"]


@pytest.mark.parametrize("losses", [1, 10])
def test_settled_waits_for_a_loss_whose_turn_is_later(losses: int) -> None:
    """With many losses, not all live queries run at once."""
    world = World()
    me = world.subscribe()
    for _ in range(losses):
        world.manager.lost()
        for _ in range(40):
            world.clock.advance(0.05)
            for job in world.jobs:
                world.end(job, ok())
    world.clock.advance(1.0)
    world.manager.lost()
    count = len(world.jobs)
    waiter = Waiter(world, me)
    assert len(world.jobs) == count + 1 and not waiter.ended_count
    world.end(result=ok(b"two"))
    assert waiter.seen == [b"two"]


def test_settled_waits_for_a_run_that_a_loss_came_into() -> None:
    world = World()
    me = world.subscribe()
    world.commit("a")
    world.manager.lost()
    waiter = Waiter(world, me)
    world.end(result=ok(b"two"))
    assert len(world.jobs) == 2 and not waiter.ended_count
    world.end(result=ok(b"three"))
    assert waiter.seen == [b"three"]
