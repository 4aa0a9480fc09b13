"""Who is sent a public snapshot, and what happens when it is no longer public."""

import pytest

from tests.unit.live.fakes import World, failed, ok, read
from wsrequest.errors import Refused
from wsrequest.live.http_caching import Sharing


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
        world.end(job, ok(b"for " + str(job.subscriber.key).encode()))
    assert [who.body for who in people] == [b"for me", b"for you", b"for they"]
    assert len(world.manager) == 3


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
    assert one.ends == [refused] and one.query is None
    assert not two.ends and two.bodies == [b"one", b"two"]


@pytest.mark.parametrize("status", [500, 503, None])
def test_a_failure_of_a_shared_run_is_told_to_nobody(status: int | None) -> None:
    """The page of an error may show what one may see, and others may have no failure at all."""
    world = World()
    one = world.subscribe(key="me", shared="page")
    two = world.subscribe(key="you", shared="page")
    world.commit("a")
    assert world.jobs[0].is_shared
    world.end(result=failed(status, X_Secret="1") if status else None)
    assert one.bodies == two.bodies == [b"one"]
    mine, yours = world.jobs[1:]
    assert not mine.is_shared and not yours.is_shared
    world.end(mine, failed(500))
    world.end(yours, ok(b"two", "page"))
    assert one.shown[-1][1].status == 500 and two.bodies == [b"one", b"two"]


def test_a_shared_run_that_is_late_leaves_each_to_himself() -> None:
    world = World(run_seconds=5.0)
    two = world.subscribe(key="you", shared="page")
    world.commit("a")
    world.clock.advance(5.0)
    assert len(world.jobs) == 2 and not world.jobs[1].is_shared
    world.end(world.jobs[1], ok(b"two", "page"))
    assert two.bodies == [b"one", b"two"]


def test_readers_who_part_are_run_as_many_at_a_time_as_may() -> None:
    world = World(max_runs=2)
    people = [world.subscribe(key=number, shared="page") for number in range(20)]
    world.commit("a")
    world.end(result=failed(401))
    known = 1
    while known < len(world.jobs):
        assert len(world.jobs) - known <= 2
        world.end(world.jobs[known], ok(b"two", "page"))
        known += 1
    assert known == 21 and all(who.bodies == [b"one", b"two"] for who in people)


def test_what_is_not_public_for_nobody_is_not_shared_again_for_a_while() -> None:
    """A page that says public, but answers nobody without a token."""
    world = World()
    for number in range(5):
        world.subscribe(key=number, shared="page")
    runs = []
    for body in (b"two", b"three", b"four"):
        before = len(world.jobs)
        world.commit("a")
        while begun := [job for job in world.jobs if not job.run.is_over]:
            world.end(begun[0], failed(401) if begun[0].is_shared else ok(body, "page"))
        runs.append(len(world.jobs) - before)
    assert runs == [6, 5, 5]
    late = world.subscribe(key="late", body=b"four", shared="page")
    assert late.query is not None and late.query.key == "late"
    world.clock.advance(600.0)
    world.commit("a")
    while begun := [job for job in world.jobs if not job.run.is_over]:
        world.end(begun[0], ok(b"five", "page"))
    assert len(world.manager) == 1


def test_only_so_many_pages_are_remembered_as_not_shared() -> None:
    now = [0.0]
    sharing = Sharing(lambda: now[0])
    for number in range(1500):
        sharing.stop(number)
    assert not sharing.may_share(1499, "me") and sharing.may_share(0, "me")
    assert len(sharing._until) == 1000
    now[0] = 10_000.0
    sharing.stop("new")
    assert len(sharing._until) == 1 and sharing.may_share(1499, "me")


def test_nobody_is_shown_what_another_was_answered_although_it_was_public() -> None:
    """One sends what Vary does not name, is answered something else, and comes first."""
    world = World()
    attacker = world.subscribe(b"poison", key="attacker", shared="page")
    slow = world.subscriber(key="slow")
    slow.show = lambda version, result: None  # type: ignore[method-assign]  # it has no room
    world.manager.join(slow, world.manager.begin(), ok(b"one", "page"), {read("a")})
    query = slow.query
    assert query is not None and query is attacker.query
    assert query.latest is None  # so there is nothing that it could catch up with
    assert world.jobs[-1].is_shared
    world.end(result=ok(b"one", "page"))
    assert query.latest is not None
    assert query.latest.body == b"one" and attacker.body == b"one"


def test_those_whose_results_become_public_share_again() -> None:
    world = World()
    one, two = world.subscribe(key="me"), world.subscribe(key="you")
    world.commit("a")
    for job in list(world.jobs):
        world.end(job, ok(b"two", "page"))
    assert len(world.manager) == 1 and one.body == two.body == b"two"
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
