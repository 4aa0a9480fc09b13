"""What a client is sent while the server may miss changes: on a socket, and as events."""

import asyncio
from typing import Any

import pytest

from tests.unit.connection.test_sse import Client, becomes
from tests.unit.live_views import DATABASE, commit, live_service
from tests.unit.peer import Peer, connected, pool_open
from tests.unit.subscriptions.test_subscription import goes_on, live, nth, quiet, value_of
from wsrequest.bus.codec import CHANGES
from wsrequest.bus.memory import MemoryBus
from wsrequest.protocol.messages import Hello, Response, Uncertain
from wsrequest.subscriptions.change_feed import ChangeFeed
from wsrequest.types import Commit, TableChange

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def _views(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.unit.live_views"


def cut_off() -> None:
    DATABASE[0].manager.connected(False)


def reconnected() -> None:
    DATABASE[0].manager.lost()
    DATABASE[0].manager.connected(True)


def reported(peer: Peer) -> list[bool]:
    return [m.uncertain for m in peer.messages if isinstance(m, Uncertain)]


async def test_a_client_is_told_once_and_again_when_all_is_sure() -> None:
    async with live(greeted=True) as peer:
        await goes_on(peer, 1, url="/table/a/")
        await goes_on(peer, 2, url="/table/b/")
        cut_off()
        cut_off()
        await peer.until(lambda: reported(peer) == [True])
        commit(a=1)  # those of its own process still arrive
        assert value_of(await nth(peer, 1, 2)) == 1
        reconnected()
        await peer.until(lambda: reported(peer) == [True, False])
        assert len(peer.of(1)) == 2 and len(peer.of(2)) == 1  # nothing has changed


async def test_it_comes_before_the_first_version() -> None:
    """A page is never live for a moment."""
    async with live(greeted=True) as peer:
        cut_off()
        await goes_on(peer, 1, url="/table/a/")
        await goes_on(peer, 2, url="/table/b/")
        kinds = [type(m) for m in peer.messages]
        assert kinds == [Hello, Uncertain, Response, Response]


async def test_who_has_no_live_request_is_told_nothing() -> None:
    async with live(greeted=True) as peer:
        peer.say(id=1, url="/table/a/")
        await peer.last(1)
        await goes_on(peer, 2, url="/table/a/")
        peer.say(id=2, cancel=True)
        await peer.obeyed()
        cut_off()
        peer.say(id=3, url="/table/a/")
        await peer.last(3)
        assert reported(peer) == []


async def test_one_that_subscribes_later_is_told_what_holds_then() -> None:
    async with live(greeted=True) as peer:
        await goes_on(peer, 1, url="/table/a/")
        cut_off()
        await peer.until(lambda: reported(peer) == [True])
        peer.say(id=1, cancel=True)
        await peer.obeyed()
        reconnected()
        await goes_on(peer, 2, url="/table/a/")
        assert reported(peer) == [True, False]


async def test_a_client_without_the_subprotocol_is_sent_nothing_new() -> None:
    async with live() as peer:
        await goes_on(peer, 1, url="/table/a/")
        cut_off()
        reconnected()
        commit(a=1)
        await nth(peer, 1, 2)
        assert all(isinstance(m, Response) for m in peer.messages)


async def test_a_slow_reader_is_sure_only_with_the_newest_version() -> None:
    async with live(greeted=True, outbound_bytes=500) as peer:
        await goes_on(peer, 1, url="/table/a/")
        cut_off()
        await peer.until(lambda: reported(peer) == [True])
        commit(b="x" * 1000)
        peer.reads.clear()
        peer.say(id=2, url="/listed/b/")
        await peer.becomes(lambda: not peer.connection.send_queue.has_room())
        commit(a=8)
        await quiet(peer)
        reconnected()
        await peer.becomes(lambda: not DATABASE[0].manager.certainty._uncertain)
        subscriptions = peer.live_requests.subscriptions
        assert [each.is_behind for each in subscriptions.subscribers()] == [True]
        peer.reads.set()
        await peer.until(lambda: reported(peer) == [True, False])
        assert value_of(peer.of(1)[-1]) == 8
        assert isinstance(peer.messages[-1], Uncertain)


async def test_a_stream_has_an_event_with_a_name() -> None:
    async with pool_open(2) as pool, live_service(pool) as server:
        cut_off()
        client = Client(server, "/table/a/")
        await becomes(lambda: len(client.events) == 3)
        assert client.events[1]["body"] == b'event: uncertain\ndata: {"uncertain":true}\n\n'
        assert client.events[2]["body"].startswith(b"id: ")
        reconnected()
        await becomes(lambda: len(client.events) == 4)
        assert client.events[3]["body"] == b'event: uncertain\ndata: {"uncertain":false}\n\n'
        await client.leave()


async def test_the_change_feed_passes_on_what_the_bus_says() -> None:
    loop = asyncio.get_running_loop()
    async with pool_open(2) as pool, live_service(pool) as server:
        bus, manager = MemoryBus(), DATABASE[0].manager
        feed = ChangeFeed(bus, CHANGES, manager, loop.call_soon_threadsafe)  # type: ignore[arg-type]  # takes a context, too
        async with connected(server, greeted=True) as peer:
            await goes_on(peer, 1, url="/table/a/")
            bus.connect(False)
            await peer.until(lambda: reported(peer) == [True])
            bus.publish(CHANGES, Commit((TableChange("default", "a"),)))
            bus.lose()
            bus.connect(True)
            await peer.until(lambda: reported(peer) == [True, False])
            assert manager.rechecks.lost_count == 1
        feed.stop()
