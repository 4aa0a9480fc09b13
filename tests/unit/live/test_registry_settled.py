"""When a subscriber has been shown what had changed by then."""

from tests.unit.live.fakes import Waiter, World, failed, ok


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
    world.move(me, "you")
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
