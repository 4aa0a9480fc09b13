"""Who is shown a public result, and what becomes of them when it is public no longer."""

import pytest

from tests.unit.live.fakes import World, failed, ok
from wsrequest.errors import Refused


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
        world.end(job, ok(b"for " + job.subscriber.key.encode()))
    assert [who.body for who in people] == [b"for me", b"for you", b"for they"]
    assert len(world.registry) == 3


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
    assert one.ends == [refused] and one.group is None
    assert not two.ends and two.bodies == [b"one", b"two"]


def test_a_failure_of_a_public_group_shows_its_status_but_not_its_body() -> None:
    """The page of an error may show the session of whoever the view ran for."""
    world = World()
    one = world.subscribe(key="me", shared="page")
    two = world.subscribe(key="you", shared="page")
    world.commit("a")
    world.end(result=failed(500, X_Secret="1"))
    for who in (one, two):
        assert who.shown[-1][1].status == 500 and not who.body
        assert not who.shown[-1][1].headers
    world.until_begun(2)
    world.end(result=ok(b"two", "page"))
    assert one.body == two.body == b"two"


def test_those_whose_results_become_public_share_again() -> None:
    world = World()
    one, two = world.subscribe(key="me"), world.subscribe(key="you")
    world.commit("a")
    for job in list(world.jobs):
        world.end(job, ok(b"two", "page"))
    assert len(world.registry) == 1 and one.body == two.body == b"two"
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
