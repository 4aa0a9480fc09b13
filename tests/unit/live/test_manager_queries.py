"""Who belongs to a query and shares its runs: subscribers that join, leave, or change their key."""

from tests.unit.live.fakes import World, failed, ok, read

# Joining and leaving.


def test_equal_subscribers_share_one_run() -> None:
    world = World()
    one, two = world.subscribe(), world.subscribe()
    world.commit("a")
    assert len(world.jobs) == 1
    world.end(result=ok(b"two"))
    assert one.body == two.body == b"two"


def test_subscribers_who_are_shown_the_same_joining_run_nothing() -> None:
    world = World()
    world.subscribe()
    world.subscribe()
    assert not world.jobs and len(world.manager) == 1


def test_a_join_with_another_result_shows_all_what_a_run_gives_now() -> None:
    world = World()
    one, two = world.subscribe(b"one"), world.subscribe(b"two")
    assert len(world.jobs) == 1
    world.end(result=ok(b"two"))
    assert one.bodies == [b"one", b"two"] and two.bodies == [b"two"]


def test_a_join_while_the_group_runs_is_shown_its_result() -> None:
    world = World()
    one = world.subscribe()
    world.commit("a")
    two = world.subscribe()
    world.end(result=ok(b"two"))
    assert one.body == two.body == b"two" and len(world.jobs) == 1


def test_reads_of_all_who_joined_count() -> None:
    world = World()
    world.subscribe(reads=(read("a"),))
    world.subscribe(reads=(read("b"),))
    world.commit("a")
    world.end(result=ok(), reads=(read("a"), read("b")))
    world.commit("b")
    assert len(world.jobs) == 2


def test_different_identities_never_share() -> None:
    world = World()
    one, two = world.subscribe(b"mine", key="me"), world.subscribe(b"yours", key="you")
    world.commit("a")
    assert len(world.jobs) == 2
    for job in list(world.jobs):
        world.end(job, ok(b"new " + str(job.subscriber.key).encode()))
    assert one.bodies == [b"mine", b"new me"] and two.bodies == [b"yours", b"new you"]


def test_versions_grow_for_each_subscriber() -> None:
    world = World()
    one = world.subscribe()
    for number in range(3):
        two = world.subscribe(str(number).encode())
        world.end(result=ok(b"new" + str(number).encode()))
        world.manager.leave(two)
    versions = [version for version, _ in one.shown]
    assert versions == sorted(set(versions)) and one.body == b"new2"


def test_who_left_while_the_view_runs_is_shown_nothing() -> None:
    world = World()
    one, two = world.subscribe(), world.subscribe()
    world.commit("a")
    world.manager.leave(one)
    world.manager.leave(one)
    world.end(result=ok(b"two"))
    assert one.bodies == [b"one"] and two.body == b"two"


def test_the_run_for_whom_all_have_left_is_given_up() -> None:
    world = World()
    world.manager.leave(world.subscribe())
    me = world.subscribe()
    world.commit("a")
    world.manager.leave(me)
    assert world.jobs[0].is_given_up
    world.end(result=ok(b"two"))
    assert me.bodies == [b"one"] and len(world.jobs) == 1
    assert world.is_empty()


def test_who_has_left_can_come_back() -> None:
    world = World()
    me = world.subscribe()
    world.commit("a")
    world.manager.leave(me)
    world.manager.join(me, world.manager.begin(), ok(b"two"), {read("a")})
    world.end(world.jobs[0], ok(b"older"))
    assert me.body == b"two"
    world.commit("a")
    world.end(result=ok(b"three"))
    assert me.body == b"three"


# Another identity.


def test_who_becomes_another_is_shown_what_that_one_is_shown() -> None:
    world = World()
    yours = world.subscribe(b"yours", key="you")
    me = world.subscribe(b"mine", key="me")  # whose version is the greater one
    world.move(me, "you")
    assert me.bodies == [b"mine", b"yours"] and not world.jobs
    world.commit("a")
    world.end(result=ok(b"two"))
    assert me.body == yours.body == b"two"


def test_who_becomes_somebody_new_has_the_view_run() -> None:
    world = World()
    me = world.subscribe(b"mine", key="me")
    world.move(me, "you")
    assert me.bodies == [b"mine"] and world.jobs[0].subscriber is me
    world.end(result=ok(b"yours"))
    assert me.bodies == [b"mine", b"yours"]


def test_who_becomes_another_while_the_view_runs_is_not_shown_its_result() -> None:
    world = World()
    me, still = world.subscribe(b"mine", key="me"), world.subscribe(b"mine", key="me")
    world.commit("a")
    world.move(me, "you")
    world.end(world.jobs[0], ok(b"mine two"))
    world.end(world.jobs[1], ok(b"yours two"))
    assert me.bodies == [b"mine", b"yours two"] and still.bodies == [b"mine", b"mine two"]


def test_who_becomes_another_whose_view_fails_is_told_at_once() -> None:
    """Until it succeeds they would go on to see what another may see."""
    world = World()
    world.subscribe(key="you")
    world.commit("a")
    world.end(result=failed(503, Retry_After="30"))
    me = world.subscribe(b"mine", key="me")
    world.move(me, "you")
    assert me.shown[-1][1].status == 503


def test_who_moves_alone_is_still_heard_of() -> None:
    world = World()
    me = world.subscribe(key="me")
    world.move(me, "you")
    world.end(result=ok(b"two"))
    assert world.is_active == [True]
