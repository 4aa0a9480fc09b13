"""The bytes that live requests hold: counted once, per address and in all, until they end."""

import gc
import json
import tracemalloc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.unit.fixtures import _project as _project
from tests.unit.live_views import DATABASE, RUNS, commit, live_service
from tests.unit.peer import Peer, connected, happens, pool_open
from tests.unit.views import STAGES
from wsrequest.errors import Refused
from wsrequest.request.budget import Account, Budget
from wsrequest.server.context import ServerContext
from wsrequest.types import Commit, Limits, TableChange

# Accounts.


class Thing:
    def __init__(self, held_bytes: int) -> None:
        self.held_bytes = held_bytes


def accounts(*names: str) -> tuple[Budget, list[Account]]:
    budget = Budget()
    return budget, [budget.account_of(name) for name in names]


LIMITS = Limits(live_bytes=1000, live_bytes_per_address=600, process_bytes=1500)


def test_an_address_has_one_account_as_long_as_somebody_has_it() -> None:
    budget, (one, same, other) = accounts("x", "x", "y")
    assert one is same and one is not other
    assert budget.account_of("") is not budget.account_of("")  # behind a Unix socket
    del one, same
    gc.collect()
    assert len(budget._accounts) == 1


def test_what_several_hold_counts_once_for_each_address_and_once_for_all() -> None:
    budget, (one, other) = accounts("x", "y")
    page = Thing(100)
    for account in (one, one, other):
        account.exchange((), (page,), LIMITS)
    assert (one.held_bytes, other.held_bytes, budget.live_bytes, budget.held_bytes) == (100,) * 4
    one.exchange((page,), (), LIMITS)
    assert (one.held_bytes, budget.live_bytes) == (100, 100)
    one.exchange((page,), (Thing(7),), LIMITS)
    assert (one.held_bytes, other.held_bytes, budget.live_bytes) == (7, 100, 107)
    other.exchange((page,), (), LIMITS)
    assert (other.held_bytes, budget.live_bytes, len(budget.holdings)) == (0, 7, 1)


def test_an_address_holds_only_so_much() -> None:
    budget, (one, other) = accounts("x", "y")
    one.take(500, LIMITS)
    with pytest.raises(Refused, match="MAX_LIVE_BYTES_PER_ADDRESS") as refused:
        one.take(101, LIMITS)
    assert refused.value.code == "too_many_subscriptions" and refused.value.temporary
    other.take(101, LIMITS)
    one.give(500)
    one.take(600, LIMITS)
    assert budget.live_bytes == 701


def test_unfinished_requests_of_an_address_have_a_quarter() -> None:
    limits = Limits(process_bytes=1000, body_bytes=100, message_bytes=100)
    budget, (one, other) = accounts("x", "y")
    one.begin(250, limits, 1)
    with pytest.raises(Refused, match="your address") as refused:
        one.begin(1, limits, 1)
    assert (refused.value.code, refused.value.id, refused.value.temporary) == (
        "too_many_requests", 1, True,
    )  # fmt: skip
    other.begin(250, limits, 1)
    assert (one.unfinished_bytes, budget.held_bytes) == (250, 500)
    one.end(250)
    one.begin(200, limits, 1)
    assert (one.held_bytes, one.unfinished_bytes, budget.held_bytes) == (0, 200, 450)


def test_an_address_may_always_send_the_largest_body() -> None:
    limits = Limits(process_bytes=1000, body_bytes=400, message_bytes=100)
    budget, (one, other) = accounts("x", "y")
    one.begin(500, limits, 1)
    with pytest.raises(Refused, match="your address"):
        one.begin(1, limits, 1)
    budget.take(100, limits.process_bytes, 1)
    with pytest.raises(Refused, match="the server holds"):
        other.begin(401, limits, 1)  # of an address that has room, and a process that has none
    assert (other.unfinished_bytes, budget.held_bytes) == (0, 600)


def test_all_addresses_hold_only_so_much_together() -> None:
    _, (one, two, other) = accounts("x", "y", "z")
    one.take(500, LIMITS)
    two.take(500, LIMITS)
    with pytest.raises(Refused, match="MAX_LIVE_BYTES"):
        other.take(1, LIMITS)


def test_what_is_live_counts_with_the_unfinished_requests() -> None:
    budget, (one,) = accounts("x")
    one.take(500, LIMITS)
    with pytest.raises(Refused, match="too_many_requests"):
        budget.take(1001, LIMITS.process_bytes, 1)
    budget.take(1000, LIMITS.process_bytes, 1)
    with pytest.raises(Refused, match="too_many_subscriptions"):
        one.take(1, LIMITS)


def test_what_cannot_be_held_leaves_nothing_counted() -> None:
    budget, (one,) = accounts("x")
    before = Thing(300)
    one.exchange((), (before,), LIMITS)
    with pytest.raises(Refused):
        one.exchange((before,), (Thing(400), Thing(400)), LIMITS)
    assert (one.held_bytes, budget.live_bytes, budget.held_bytes) == (0, 0, 0)
    assert not one._holdings and not budget.holdings


def test_what_can_be_done_without_leaves_half_for_the_rest() -> None:
    budget, (one, other) = accounts("x", "y")
    assert one.spare(300, LIMITS) and not one.spare(1, LIMITS)
    assert other.spare(200, LIMITS) and not other.spare(1, LIMITS)  # half of all
    one.take(300, LIMITS)
    one.give(600)
    other.give(200)
    budget.take(1400, LIMITS.process_bytes, 1)
    assert not one.spare(101, LIMITS) and one.spare(100, LIMITS)


# Connections.


@pytest.fixture
def _views(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.unit.live_views"


pytest_live = pytest.mark.usefixtures("_views")


@asynccontextmanager
async def service_open() -> AsyncIterator[ServerContext]:
    async with pool_open(4) as pool, live_service(pool) as server:
        yield server
        await Peer.becomes(Peer(), lambda: not server.budget.held_bytes)
        assert not server.budget.live_bytes and not server.budget.holdings


async def goes_on(peer: Peer, id: Any, url: str, **message: Any) -> None:
    peer.say(id=id, url=url, subscribe=True, **message)
    assert (await peer.first(id)).version


async def nth(peer: Peer, id: Any, count: int) -> Any:
    return (await peer.until(lambda: peer.of(id)[count - 1 :]))[0]


@pytest.mark.asyncio
@pytest_live
async def test_message_and_answer_count_as_long_as_the_request_is_live() -> None:
    async with service_open() as server, connected(server) as peer:
        budget = server.budget
        commit(a="x" * 10_000)
        await goes_on(peer, 1, "/listed/a/", headers={"X-Big": "y" * 1000})
        assert 11_000 < budget.live_bytes < 20_000
        assert budget.held_bytes == budget.live_bytes  # its first run is over
        commit(a="x" * 50_000)
        await nth(peer, 1, 2)
        assert 51_000 < budget.live_bytes < 60_000
        peer.say(id=1, cancel=True)
        await peer.obeyed()
        assert budget.live_bytes == 0
        await goes_on(peer, 2, "/listed/a/")  # and ends with its connection


@pytest.mark.slow
@pytest.mark.asyncio
@pytest_live
@pytest.mark.documents("docs/security.md", "Memory of a process")
async def test_what_a_view_reads_counts_or_is_read_less_exactly() -> None:
    """However many rows and keys a stranger has a view read: 5,000 places took 1.7 MB each."""
    count, most = 20, 200_000
    async with service_open() as server, connected(server, live_bytes_per_address=most) as peer:
        await goes_on(peer, "small", "/table/a/")
        small = server.budget.live_bytes
        gc.collect()
        tracemalloc.start()
        try:
            for number in range(count):
                await goes_on(peer, number, f"/rows/{number}/")
            peer.messages.clear()
            gc.collect()
            taken = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        assert small + 50_000 < server.budget.live_bytes <= most
        assert taken < 1.5 * most  # it was 20 times 290 KB
        DATABASE[0].pool.post(
            lambda: DATABASE[0].manager.receive(
                Commit((TableChange("default", "rows", ({"id": 7_000_001},)),))
            )
        )
        await peer.becomes(lambda: len(RUNS) > 1 + count)  # who reads any row runs again
        for number in range(count):
            peer.say(id=number, cancel=True)
        await peer.obeyed()
        assert server.budget.live_bytes == small


@pytest.mark.asyncio
@pytest_live
async def test_equal_readers_hold_one_answer() -> None:
    async with service_open() as server:
        async with connected(server) as one, connected(server) as two:
            commit(a="x" * 100_000)
            for peer in (one, two):
                for id in range(5):
                    await goes_on(peer, id, "/listed/a/")
            assert server.budget.live_bytes < 200_000
            commit(a="y" * 100_000)
            for peer in (one, two):
                await nth(peer, 4, 2)
            assert server.budget.live_bytes < 200_000
            subscriptions = one.live_requests.subscriptions
            held = {s.held for s in subscriptions._subscriptions.values()}
            assert len(held) == 1


@pytest.mark.asyncio
@pytest_live
async def test_an_address_may_have_only_so_much_live() -> None:
    most: dict[str, Any] = {"live_bytes_per_address": 60_000}
    async with service_open() as server:
        commit(**{name: name * 20_000 for name in "abc"})
        async with (
            connected(server, address="203.0.113.1", **most) as one,
            connected(server, address="203.0.113.1", **most) as same,
            connected(server, address="203.0.113.2", **most) as other,
        ):
            await goes_on(one, 1, "/listed/a/")
            same.say(id=1, url="/listed/b/", subscribe=True)
            assert (await same.first(1)).version
            same.say(id=2, url="/listed/c/", subscribe=True)
            assert await same.code(2) == "too_many_subscriptions"
            await goes_on(other, 1, "/listed/c/")
            one.say(id=1, cancel=True)
            await one.obeyed()
            await goes_on(same, 3, "/listed/c/")


@pytest.mark.asyncio
@pytest_live
async def test_a_process_may_have_only_so_much_live() -> None:
    most: dict[str, Any] = {"live_bytes": 60_000}
    async with service_open() as server:
        commit(**{name: name * 20_000 for name in "abc"})
        async with (
            connected(server, address="203.0.113.1", **most) as one,
            connected(server, address="203.0.113.2", **most) as two,
            connected(server, address="203.0.113.3", **most) as other,
        ):
            await goes_on(one, 1, "/listed/a/")
            await goes_on(two, 1, "/listed/b/")
            other.say(id=1, url="/listed/c/", subscribe=True)
            assert await other.code(1) == "too_many_subscriptions"
            other.say(id=2, url="/listed/c/")
            assert (await other.last(2)).status == 200  # without subscribe


@pytest.mark.asyncio
@pytest_live
async def test_what_grows_past_what_an_address_may_hold_is_ended() -> None:
    async with service_open() as server:
        async with connected(server, live_bytes_per_address=50_000) as peer:
            await goes_on(peer, 1, "/listed/a/")
            commit(a="x" * 60_000)
            assert (await nth(peer, 1, 2)).code == "too_many_subscriptions"
            assert server.budget.live_bytes == 0
            await goes_on(peer, 2, "/table/b/")


@pytest.mark.asyncio
@pytest_live
async def test_what_waits_for_a_slow_reader_counts_besides_what_it_was_sent() -> None:
    async with service_open() as server, connected(server, outbound_bytes=500) as peer:
        commit(b="x" * 1000)
        await goes_on(peer, 1, "/listed/a/")
        peer.reads.clear()
        peer.say(id=3, url="/listed/b/")
        await peer.becomes(lambda: not peer.connection.dispatcher._send_queue.has_room())
        for letter in "xyz":
            commit(a=letter * 30_000)
        await peer.becomes(lambda: server.budget.live_bytes > 30_000)
        assert server.budget.live_bytes < 40_000  # the newest only
        peer.reads.set()
        await nth(peer, 1, 2)


@pytest.mark.asyncio
@pytest_live
async def test_a_message_that_subscribes_has_a_limit_of_its_own() -> None:
    async with service_open() as server, connected(server) as peer:
        peer.say(id=1, url="/table/a/", subscribe=True, data={"q": "x" * 17_000})
        assert await peer.code(1) == "message_too_large"
        peer.say(id=2, url="/table/a/", data={"q": "x" * 17_000})
        assert (await peer.last(2)).status == 200
        await goes_on(peer, 4, "/table/a/", data={"q": "x" * 16_000})


@pytest.mark.slow
@pytest.mark.asyncio
@pytest_live
async def test_an_answer_is_held_once_and_not_as_a_frame_besides() -> None:
    """300 of 500 KB had grown from 41 to 344 MiB with the second version."""
    count, size = 40, 200_000
    async with service_open() as server, connected(server) as peer:
        for number in range(count):
            await goes_on(peer, number, "/listed/a/", headers={"X-N": str(number)})
        peer.messages.clear()
        gc.collect()
        tracemalloc.start()
        try:
            commit(a="x" * size)
            for number in range(count):
                await peer.until(lambda number=number: peer.of(number))  # type: ignore[misc]
            await peer.becomes(
                lambda: all(g.is_current for g in DATABASE[0].manager._queries.values())
            )
            peer.messages.clear()
            gc.collect()
            taken = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        assert count * size <= taken < 1.3 * count * size
        assert server.budget.live_bytes >= count * size


# Answers that wait until what they changed was sent.


async def held(peer: Peer) -> None:
    """A live request whose second run is held, so that answers wait for it."""
    await goes_on(peer, 1, "/held/a/?first=1")
    STAGES["a"].begun.clear()
    commit(a=1)
    await happens(STAGES["a"].begun)


def settling(peer: Peer) -> Any:
    return peer.live_requests._barrier


@pytest.mark.asyncio
@pytest_live
async def test_answers_that_wait_for_live_requests_are_counted() -> None:
    async with service_open() as server, connected(server) as peer:
        await held(peer)
        before = server.budget.live_bytes
        peer.say(id=2, url="/blob/b/?size=30000", settled=True)
        await peer.becomes(lambda: server.budget.live_bytes - before >= 30_000)
        peer.say(id=2, cancel=True)
        await peer.obeyed()
        assert server.budget.live_bytes == before
        STAGES["a"].go.set()


@pytest.mark.asyncio
@pytest_live
async def test_more_than_may_wait_is_answered_at_once_as_not_settled() -> None:
    """300 answers of 1 MB had waited behind one slow live view, beside every limit."""
    async with service_open() as server, connected(server, outbound_bytes=50_000) as peer:
        await held(peer)
        for id in range(2, 12):
            peer.say(id=id, url=f"/blob/b/?size=20000&{id}", settled=True)
        await peer.until(lambda: len([m for m in peer.messages if m.id != 1]) == 8)
        assert all(m.settled is False for m in peer.messages if m.id != 1)
        assert len(settling(peer)._waiting) == 2
        STAGES["a"].go.set()
        await peer.until(lambda: len([m for m in peer.messages if m.id != 1]) == 10)
        assert [m.settled for m in peer.messages if m.id != 1].count(True) == 2


@pytest.mark.asyncio
@pytest_live
async def test_what_an_address_may_hold_bounds_what_waits() -> None:
    async with service_open() as server, connected(server, live_bytes_per_address=9000) as peer:
        await held(peer)
        peer.say(id=2, url="/blob/b/?size=20000", settled=True)
        answer = await peer.last(2)
        assert answer.settled is False and len(answer.body) == 20_000
        assert not json.loads(peer.of(1)[0].body)["value"]
        STAGES["a"].go.set()
