"""Floods: of cancelled requests, messages, bodies, sockets. None takes more than its share."""

import time
import tracemalloc
from typing import Any

import pytest
from msgspec import Raw

from tests.unit.peer import connected, happens, make_server, opened, pool_open
from tests.unit.test_asgi import accepted, handshake, hang_up, running, status
from tests.unit.views import STAGES
from wsrequest.errors import Refused
from wsrequest.protocol.validation import MAX_QUERY_DATA_BYTES, encode_query
from wsrequest.server.admission import place_of

pytestmark = pytest.mark.asyncio


async def test_cancelling_is_no_way_around_the_cap() -> None:
    """A sync view cannot be stopped: what is cancelled runs on, and so must count."""
    async with pool_open(threads=4) as pool:
        server = make_server(pool)
        async with connected(server, in_flight=2) as peer, connected(server) as other:
            for n in (0, 1):
                peer.say(id=n, url=f"/hold/{n}/")
                await happens(STAGES[str(n)].begun)
                peer.say(id=n, cancel=True)
            peer.say(id=2, url="/hold/2/")
            await peer.obeyed()
            other.say(id=1, url="/quick/other/")
            await other.last(1)  # so a thread was there, and would have taken the other one first
            assert not STAGES["2"].count
            STAGES["0"].go.set()
            await happens(STAGES["2"].begun)
            STAGES["2"].go.set()


async def test_unfinished_requests_of_many_connections_have_a_limit_together() -> None:
    async with pool_open() as pool:
        server = make_server(pool)
        async with (
            connected(server, process_bytes=30_000) as first,
            connected(server, process_bytes=30_000) as second,
        ):
            first.say(bytes(20_000), id=1, method="POST", url="/echo/a/", more=True)
            await first.obeyed()
            for body in (bytes(20_000), None):
                second.say(body, id=1, method="POST", url="/echo/b/", headers={"X-A": "a" * 9000})
                refusal = await second.last(1)
                assert (refusal.code, refusal.temporary) == ("too_many_requests", True)
                second.messages.clear()
            first.say(bytes(20_000), id=1, more=True)
            assert await first.code(1) == "too_many_requests"
            second.say(bytes(20_000), id=1, method="POST", url="/echo/b/")
            assert await second.body(1) == bytes(20_000)
            assert server.budget.held_bytes == 0


async def test_one_address_cannot_use_up_what_unfinished_requests_may_hold() -> None:
    """Bodies that are begun and never end: eight connections had all others refused."""
    limits: dict[str, Any] = {
        "process_bytes": 80_000,
        "body_bytes": 10_000,
        "message_bytes": 10_000,
    }
    upload: dict[str, Any] = {"method": "POST", "url": "/echo/a/"}
    async with pool_open() as pool:
        server = make_server(pool)
        async with (
            connected(server, address="203.0.113.1", **limits) as one,
            connected(server, address="203.0.113.1", **limits) as same,
            connected(server, address="203.0.113.2", **limits) as other,
        ):
            one.say(bytes(9000), id=1, more=True, **upload)
            await one.obeyed()
            same.say(bytes(9000), id=1, **upload)
            refused = await same.last(1)
            assert (refused.code, refused.temporary) == ("too_many_requests", True)
            assert "your address" in refused.detail
            other.say(bytes(9000), id=1, **upload)
            assert await other.body(1) == bytes(9000)
            for _ in range(6):
                same.say(bytes(1000), id=2, more=True, **upload)
                same.say(bytes(1000), id=2, more=True)
                await same.obeyed()
                same.say(id=2, cancel=True)
            same.say(bytes(1000), id=3, more=True, **upload)
            same.say(bytes(8000), id=3, more=True)
            assert await same.code(3) == "too_many_requests"
            one.say(b"", id=1)
            assert len(await one.body(1)) == 9000
            same.say(bytes(9000), id=4, **upload)
            assert len(await same.body(4)) == 9000
            assert server.account_of(one.connection.dispatcher.base).unfinished_bytes == 0


async def test_an_unfinished_request_counts_for_more_than_its_bytes() -> None:
    """320 uploads of no byte, on each of 1,000 connections, take 400 MB."""
    async with pool_open() as pool:
        server = make_server(pool)
        async with connected(server) as peer:
            tracemalloc.start()
            try:
                for id in range(300):
                    peer.say(b"", id=id, method="POST", url="/echo/a/", more=True)
                await peer.obeyed()
                taken = tracemalloc.get_traced_memory()[0]
            finally:
                tracemalloc.stop()
            assert taken < server.budget.held_bytes < 3 * taken


@pytest.mark.parametrize(
    "end", ["answered", "cancelled", "waiting", "uploading", "running", "late", "refused"]
)
async def test_what_was_held_is_given_back(end: str) -> None:
    async with pool_open(threads=1) as pool:
        server = make_server(pool)
        seconds = 0.05 if end == "late" else 60
        async with connected(server, in_flight=1, request_seconds=seconds, body_bytes=4000) as peer:
            account = server.account_of(peer.connection.dispatcher.base)
            url = "/quick/a/" if end == "answered" else "/hold/a/"
            peer.say(id=1, url=url)
            if end == "answered":
                await peer.last(1)
            else:
                await happens(STAGES["a"].begun)
            if end in ("waiting", "cancelled"):
                peer.say(id=2, url="/quick/b/")
            if end == "cancelled":
                peer.say(id=2, cancel=True)
                peer.say(id=1, cancel=True)
            if end == "uploading":
                peer.say(b"part", id=3, method="POST", url="/echo/c/", more=True)
            if end in ("late", "refused"):
                running = account.unfinished_bytes
                peer.say(b"part", id=3, method="POST", url="/echo/c/", more=True)
                if end == "refused":
                    peer.say(bytes(4000), id=3, more=True)
                await peer.code(3)
                assert account.unfinished_bytes == running
            await peer.obeyed()
            assert (server.budget.held_bytes == 0) is (end == "answered")
            assert account.unfinished_bytes == server.budget.held_bytes
        for stage in STAGES.values():
            stage.go.set()
        await peer.becomes(lambda: server.budget.held_bytes == 0)
        assert account.unfinished_bytes == 0


async def test_a_flood_of_messages_waits_to_be_read() -> None:
    """And nothing of it is lost."""
    async with opened(messages_per_second=50, in_flight=300) as peer:
        begun = time.monotonic()
        for n in range(80):
            peer.say(ping=n)
        await peer.until(lambda: len(peer.messages) == 80 or None)
        assert time.monotonic() - begun > 0.3


async def test_a_flood_of_messages_leaves_others_their_turn() -> None:
    """A server can hand over thousands of frames without a pause between them."""
    async with pool_open() as pool:
        server = make_server(pool)
        async with connected(server) as flooder, connected(server) as other:
            for _ in range(2000):
                flooder.say(ping=1)
            other.say(ping="mine")
            await other.until(lambda: other.messages)
            assert len(flooder.messages) < 1000
            await flooder.until(lambda: len(flooder.messages) == 2000 or None)


async def test_query_of_a_get_is_limited_before_it_is_encoded() -> None:
    """A list of numbers takes half a second for each MiB, on the event loop."""
    fits = b'{"a":"' + b"x" * (MAX_QUERY_DATA_BYTES - 8) + b'"}'
    assert len(encode_query(Raw(fits))) == MAX_QUERY_DATA_BYTES - 6
    with pytest.raises(Refused, match="bad_message"):
        encode_query(Raw(fits + b" "))


@pytest.mark.parametrize(
    ("address", "place"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:db8:1:2::1", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("fe80::1%eth0", "fe80::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("::1", "::/64"),
        ("", ""),
        ("made up", "made up"),
    ],
)
async def test_sockets_are_counted_by_the_network_of_an_ipv6_client(
    address: str, place: str
) -> None:
    assert place_of(address) == place


async def test_an_ipv6_client_has_only_so_many_sockets_whatever_address_it_takes(
    settings: Any,
) -> None:
    settings.WSREQUEST_MAX_CONNECTIONS_PER_ADDRESS = 2
    async with running() as application:
        wires = [await accepted(handshake(application, address=f"2001:db8::{n}")) for n in range(2)]
        assert status(await handshake(application, address="2001:db8::ff").ends()) == 429
        wires.append(await accepted(handshake(application, address="2001:db8:0:1::1")))
        for wire in wires:
            await hang_up(wire)
        assert not application._wiring.admission._by_place


async def test_a_silent_client_without_pings_is_cut_once_it_is_idle_for_long() -> None:
    async with opened(idle_seconds=0.05, first_request_seconds=0.5) as peer:
        peer.say(id=1, url="/quick/a/")
        assert (await peer.last(1)).status == 200
        assert await peer.is_closed() == (4000, "nothing came")
