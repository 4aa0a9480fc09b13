"""Responses that wait until the live requests that they changed were sent."""

import asyncio
import gc
import json
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from weakref import ref

import pytest

from tests.unit.fixtures import _project as _project
from tests.unit.live_views import DATABASE, commit, live_service
from tests.unit.peer import SECONDS, Peer, connected, happens, opened, pool_open
from tests.unit.views import STAGES
from wsrequest.connection.dispatcher import Dispatcher
from wsrequest.protocol.messages import Refusal, Request, Response
from wsrequest.protocol.server_codec import decode_server, encode_server
from wsrequest.request.task import RequestTask
from wsrequest.subscriptions import barrier
from wsrequest.subscriptions.barrier import with_settled

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def _views(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.unit.live_views"


def waiting(dispatcher: Dispatcher) -> Any:
    """The responses that the barrier of a connection holds back."""
    barrier = None if dispatcher._live is None else dispatcher._live._barrier
    return {} if barrier is None else barrier._waiting


@asynccontextmanager
async def live(**kwargs: Any) -> AsyncIterator[Peer]:
    async with pool_open(4) as pool, live_service(pool) as server:
        async with connected(server, **kwargs) as peer:
            yield peer
        dispatcher = peer.connection.dispatcher
        assert not dispatcher._tasks and not dispatcher._session
        assert not waiting(dispatcher)


async def goes_on(peer: Peer, id: Any, url: str) -> None:
    peer.say(id=id, url=url, subscribe=True)
    assert (await peer.first(id)).version


def write(peer: Peer, name: str, id: Any = 9, **message: Any) -> None:
    peer.say(id=id, method="POST", url=f"/write/{name}/", settled=True, **message)


async def is_held(peer: Peer) -> None:
    """Wait until an answer waits."""
    dispatcher = peer.connection.dispatcher
    await peer.becomes(lambda: waiting(dispatcher))


async def goes_on_and_is_held(peer: Peer) -> None:
    """A live request whose second run is held, and an answer that waits for it."""
    await goes_on(peer, 1, "/held/a/?first=1")
    STAGES["a"].begun.clear()
    write(peer, "a")
    await happens(STAGES["a"].begun)
    await is_held(peer)
    assert not peer.of(9)


def value_of(message: Any) -> Any:
    return json.loads(message.body)["value"]


# Settled.


async def test_the_answer_comes_behind_what_it_changed() -> None:
    async with live() as peer:
        await goes_on(peer, 1, "/table/a/")
        await goes_on(peer, 2, "/table/a/?other=1")
        write(peer, "a")
        answer = await peer.last(9)
        assert answer.settled is True and answer.status == 200
        assert json.loads(answer.body) == {"written": "a"}
        assert peer.messages[-1] is answer
        assert [value_of(message) for message in peer.messages[2:4]] == [1, 1]


async def test_it_waits_as_long_as_the_view_runs() -> None:
    async with live() as peer:
        await goes_on_and_is_held(peer)
        STAGES["a"].go.set()
        assert (await peer.last(9)).settled is True
        assert [message.id for message in peer.messages] == [1, 1, 9]


async def test_it_waits_for_no_later_change() -> None:
    async with live() as peer:
        await goes_on_and_is_held(peer)
        commit(a=100)
        STAGES["a"].go.set()
        assert (await peer.last(9)).settled is True


async def test_it_does_not_wait_for_what_it_did_not_change() -> None:
    async with live() as peer:
        await goes_on(peer, 1, "/table/a/")
        write(peer, "b")
        assert (await peer.last(9)).settled is True
        assert len(peer.of(1)) == 1


async def test_it_does_not_wait_for_live_requests_of_others() -> None:
    async with pool_open(4) as pool, live_service(pool) as server:
        async with connected(server) as other, connected(server) as peer:
            await goes_on(other, 1, "/held/a/?first=1")
            await goes_on(peer, 1, "/table/b/")
            write(peer, "a")
            assert (await peer.last(9)).settled is True
            STAGES["a"].go.set()


@pytest.mark.parametrize("has_had", [False, True])
async def test_it_does_not_wait_without_live_requests(has_had: bool) -> None:
    async with live() as peer:
        if has_had:
            await goes_on(peer, 1, "/table/a/")
            peer.say(id=1, cancel=True)
        write(peer, "a")
        assert (await peer.last(9)).settled is True


async def test_a_server_without_live_requests_says_settled() -> None:
    async with opened() as peer:
        peer.say(id=1, url="/quick/a/", settled=True)
        assert (await peer.last(1)).settled is True


async def test_an_answer_that_did_not_ask_says_nothing_of_it() -> None:
    async with live() as peer:
        await goes_on(peer, 1, "/table/a/")
        peer.say(id=9, method="POST", url="/write/a/")
        assert (await peer.last(9)).settled is None


async def test_it_waits_for_the_end_of_what_it_ended() -> None:
    async with live() as peer:
        commit(a=200)
        await goes_on(peer, 1, "/status/a/")
        commit(a=403)
        write(peer, "b")
        assert (await peer.last(9)).settled is True
        assert [message.id for message in peer.messages] == [1, 1, 9]
        assert peer.of(1)[-1].version is None


async def test_it_waits_for_those_who_are_another_by_it() -> None:
    async with live() as peer:
        await goes_on(peer, 1, "/table/a/")
        peer.say(id=9, method="POST", url="/become/ann/", settled=True)
        assert (await peer.last(9)).settled is True
        assert [message.id for message in peer.messages] == [1, 1, 9]
        assert json.loads(peer.of(1)[-1].body)["who"] == "ann"


async def first_run_is_held(peer: Peer, **message: Any) -> None:
    """A live request whose first run has read, and is held."""
    peer.say(id=1, url="/held/a/", subscribe=True, **message)
    await happens(STAGES["a"].begun)


async def test_it_waits_for_a_first_run_that_may_have_read_what_it_changed() -> None:
    async with live() as peer:
        await first_run_is_held(peer)
        write(peer, "a")
        await is_held(peer)
        STAGES["a"].go.set()
        assert (await peer.last(9)).settled is True
        assert [message.id for message in peer.messages] == [1, 1, 9]
        assert [value_of(message) for message in peer.of(1)] == [0, 1]


async def test_it_waits_for_a_first_run_of_who_is_another_by_it() -> None:
    async with live() as peer:
        await first_run_is_held(peer)
        peer.say(id=9, method="POST", url="/become/ann/", settled=True)
        await is_held(peer)
        STAGES["a"].go.set()
        assert (await peer.last(9)).settled is True
        assert peer.messages[-1].id == 9 and peer.of(1)


async def test_it_does_not_wait_for_a_first_run_that_begins_later() -> None:
    """It reads what was changed, and one who subscribes all the time would never be settled."""
    async with live() as peer:
        await goes_on_and_is_held(peer)
        peer.say(id=2, url="/held/b/", subscribe=True)
        await happens(STAGES["b"].begun)
        STAGES["a"].go.set()
        assert (await peer.last(9)).settled is True and not peer.of(2)
        STAGES["b"].go.set()
        await peer.first(2)


async def test_it_waits_for_each_first_run() -> None:
    async with live() as peer:
        await first_run_is_held(peer)
        peer.say(id=2, url="/held/b/", subscribe=True)
        await happens(STAGES["b"].begun)
        write(peer, "a")
        await is_held(peer)
        STAGES["a"].go.set()
        await peer.until(lambda: len(peer.of(1)) == 2)
        await peer.obeyed()
        assert not peer.of(9)
        STAGES["b"].go.set()
        assert (await peer.last(9)).settled is True


async def test_cancelling_a_first_run_lets_it_go() -> None:
    async with live() as peer:
        await first_run_is_held(peer)
        write(peer, "a")
        await is_held(peer)
        peer.say(id=1, cancel=True)
        assert (await peer.last(9)).settled is True
        STAGES["a"].go.set()


async def test_a_first_run_that_is_late_lets_it_go() -> None:
    async with live(request_seconds=0.3) as peer:
        await first_run_is_held(peer)
        write(peer, "a")
        await is_held(peer)
        assert (await peer.last(9)).settled is True
        assert await peer.code(1) == "deadline_exceeded"
        STAGES["a"].go.set()


@pytest.mark.parametrize("why", ["fails", "reads nothing"])
async def test_a_first_run_that_does_not_go_on_lets_it_go(why: str) -> None:
    async with live() as peer:
        url = "/hold/a/" if why == "reads nothing" else "/held/a/"
        peer.say(id=1, url=url, subscribe=True)
        await happens(STAGES["a"].begun)
        write(peer, "b")
        await is_held(peer)
        if why == "fails":
            del STAGES["a"].ended
        STAGES["a"].go.set()
        assert (await peer.last(9)).settled is True
        assert [message.id for message in peer.messages] == [1, 9]
        assert getattr(peer.of(1)[0], "version", None) is None


async def test_the_end_of_what_was_cancelled_does_not_end_the_wait_for_its_id() -> None:
    async with live() as peer:
        await first_run_is_held(peer)
        dispatcher = peer.connection.dispatcher
        cancelled = dispatcher._tasks[1]
        peer.say(id=1, cancel=True)
        peer.say(id=1, url="/held/b/", subscribe=True)
        await happens(STAGES["b"].begun)
        write(peer, "b")
        await is_held(peer)
        dispatcher.task_expired(cancelled)  # a thread had it still
        await peer.obeyed()
        assert not peer.of(9)
        STAGES["a"].go.set()
        STAGES["b"].go.set()
        assert (await peer.last(9)).settled is True
        assert [value_of(message) for message in peer.of(1)] == [0, 1]


async def test_a_connection_that_is_lost_waits_for_no_first_run() -> None:
    async with live() as peer:
        await first_run_is_held(peer)
        write(peer, "a")
        await is_held(peer)
        peer.vanish()
        await asyncio.wait([peer.task])
        assert not waiting(peer.connection.dispatcher)
        STAGES["a"].go.set()


async def test_a_live_request_does_not_wait_for_itself() -> None:
    async with live() as peer:
        await first_run_is_held(peer, settled=True)
        STAGES["a"].go.set()
        assert (await peer.first(1)).version


async def test_it_says_so_where_what_changed_had_no_room() -> None:
    async with live(outbound_bytes=600) as peer:
        await goes_on(peer, 1, "/table/a/")
        STAGES["b"].go.clear()
        peer.say(id=2, url="/blob/b/?size=1000")
        await peer.last(2)
        peer.reads.clear()
        peer.say(id=8, url="/hold/b/", settled=True)
        await happens(STAGES["b"].begun)
        peer.say(id=3, url="/blob/c/?size=1000")
        await peer.becomes(lambda: not peer.connection.dispatcher._send_queue.has_room())
        commit(a=1)
        live_requests = peer.live_requests.subscriptions
        assert live_requests is not None
        (changed,) = live_requests._subscriptions.values()
        await peer.becomes(lambda: changed.is_behind)  # the view has run again, for no room
        STAGES["b"].go.set()
        await peer.becomes(lambda: 8 not in peer.connection.dispatcher._tasks)
        peer.reads.set()
        assert (await peer.last(8)).settled is False
        assert value_of((await peer.until(lambda: peer.of(1)[1:]))[0]) == 1


# Not settled.


async def test_it_waits_no_longer_than_it_may(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(barrier, "SETTLE_SECONDS", 0.05)
    async with live() as peer:
        await goes_on_and_is_held(peer)
        answer = await peer.last(9)
        assert answer.settled is False and json.loads(answer.body) == {"written": "a"}
        STAGES["a"].go.set()
        await peer.until(lambda: len(peer.of(1)) == 2)
        await peer.obeyed()
        assert len(peer.of(9)) == 1


async def test_change_that_the_server_cannot_know_of_is_not_waited_for() -> None:
    async with live() as peer:
        await goes_on(peer, 1, "/held/a/?first=1")
        STAGES["a"].begun.clear()
        DATABASE[0].hears = False
        write(peer, "a")
        await happens(STAGES["a"].begun)
        assert (await peer.last(9)).settled is False and not waits()
        STAGES["a"].go.set()


async def test_an_answer_that_waits_is_not_late(monkeypatch: pytest.MonkeyPatch) -> None:
    """The view has answered; a refusal would tell the client that it may not have."""
    monkeypatch.setattr(barrier, "SETTLE_SECONDS", 0.6)
    async with live(request_seconds=0.2) as peer:
        await goes_on_and_is_held(peer)
        answer = await peer.last(9)
        assert isinstance(answer, Response) and answer.settled is False
        STAGES["a"].go.set()


async def test_a_cancelled_answer_is_not_sent() -> None:
    async with live() as peer:
        await goes_on_and_is_held(peer)
        peer.say(id=9, cancel=True)
        await peer.obeyed()
        assert not waiting(peer.connection.dispatcher)
        STAGES["a"].go.set()
        await peer.until(lambda: len(peer.of(1)) == 2)
        await peer.obeyed()
        assert not peer.of(9)
        write(peer, "b")
        assert (await peer.last(9)).settled is True


async def test_cancelling_what_it_waits_for_lets_it_go() -> None:
    async with live() as peer:
        await goes_on_and_is_held(peer)
        peer.say(id=1, cancel=True)
        assert (await peer.last(9)).settled is True
        STAGES["a"].go.set()


async def test_a_connection_that_is_lost_waits_for_nothing() -> None:
    async with live() as peer:
        await goes_on_and_is_held(peer)
        peer.vanish()
        await asyncio.wait([peer.task])
        assert not waiting(peer.connection.dispatcher)
        STAGES["a"].go.set()


def waits() -> int:
    """How many waits the live requests of all connections know of."""
    return sum(len(group.waits) for group in DATABASE[0].manager._queries.values())


async def test_answers_that_wait_no_longer_leave_nothing_behind() -> None:
    """With 1,000 bodies of 200 KB they had held 240 MiB, beside a view that is slow."""
    async with live() as peer:
        await goes_on_and_is_held(peer)
        assert waits() == 1
        tracemalloc.start()
        try:
            for _ in range(30):
                write(peer, "b", 10, data="x" * 200_000)
                await peer.becomes(lambda: waits() == 2)
                peer.say(id=10, cancel=True)
                await peer.obeyed()
                assert waits() == 1
            peer.messages.clear()
            gc.collect()
            assert tracemalloc.get_traced_memory()[0] < 1_000_000
        finally:
            tracemalloc.stop()
        assert len([thing for thing in gc.get_objects() if type(thing) is RequestTask]) <= 1
        STAGES["a"].go.set()


async def test_an_answer_that_waits_does_not_hold_its_request() -> None:
    async with live(cookie="c=1") as peer:
        await goes_on_and_is_held(peer)
        write(peer, "b", 10, data="x" * 1000, headers={"X-Long": "y" * 1000})
        await peer.becomes(lambda: waits() == 2)
        held = waiting(peer.connection.dispatcher)
        assert [call.message for call in held] == [Request("POST", "", 9), Request("POST", "", 10)]
        assert [call.cookie for call in held] == ["", ""]
        STAGES["a"].go.set()


async def test_an_answer_that_has_waited_long_enough_leaves_nothing_behind(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(barrier, "SETTLE_SECONDS", 0.05)
    async with live() as peer:
        await goes_on_and_is_held(peer)
        assert (await peer.last(9)).settled is False and not waits()
        STAGES["a"].go.set()


async def test_a_connection_that_is_gone_is_not_kept_by_what_it_waited_for() -> None:
    async with pool_open(4) as pool, live_service(pool) as server, connected(server) as other:
        await goes_on(other, 1, "/held/a/?first=1")
        async with connected(server) as peer:
            await goes_on_and_is_held(peer)  # the same view, which one run is made of
            gone = ref(peer.connection)
            peer.vanish()
            await asyncio.wait([peer.task])
        assert not waits()
        del peer
        gc.collect()
        assert gone() is None
        STAGES["a"].go.set()


async def test_a_restart_waits_for_no_settling(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(barrier, "SETTLE_SECONDS", 1000.0)
    async with live() as peer:
        await goes_on_and_is_held(peer)
        await asyncio.wait_for(peer.connection.drain(), SECONDS)
        assert (await peer.is_closed())[0] == 4004
        answer = peer.of(9)[0]
        assert isinstance(answer, Response) and answer.settled is False
        STAGES["a"].go.set()


async def test_an_answer_during_a_restart_does_not_wait() -> None:
    async with live() as peer:
        await goes_on(peer, 1, "/held/a/?first=1")
        peer.say(id=9, url="/hold/b/", settled=True)
        await happens(STAGES["b"].begun)
        STAGES["a"].begun.clear()
        commit(a=1)
        await happens(STAGES["a"].begun)
        draining = asyncio.create_task(peer.connection.drain())
        await peer.obeyed()
        STAGES["b"].go.set()
        answer = await peer.last(9)
        assert answer.settled is False and len(peer.of(1)) == 1
        await draining
        STAGES["a"].go.set()


async def test_a_refusal_waits_for_nothing() -> None:
    async with live() as peer:
        await goes_on(peer, 1, "/table/a/")
        peer.say(id=9, url="/events/b/", settled=True)
        assert await peer.code(9) == "needs_credit"


async def test_an_answer_in_parts_does_not_wait() -> None:
    async with live() as peer:
        await goes_on(peer, 1, "/table/a/")
        peer.say(id=9, url="/blob/b/?size=100000", settled=True, credit=2**20)
        assert len(await peer.body(9)) == 100_000


@pytest.mark.parametrize(
    "message",
    [
        Response(200, {"Content-Type": "application/json"}, 1, b"[1]"),
        Response(200, {"Content-Type": "image/png"}, "a", b"\x89\n{"),
        Response(204, {}, 5),
    ],
)
@pytest.mark.parametrize("is_settled", [True, False])
async def test_any_response_can_say_it(message: Response, is_settled: bool) -> None:
    found = decode_server(with_settled(encode_server(message), is_settled=is_settled))
    assert isinstance(found, Response) and not isinstance(found, Refusal)
    assert found.settled is is_settled
    assert (found.id, found.status, found.headers, found.body) == (
        message.id, message.status, message.headers, message.body,
    )  # fmt: skip
