"""The rooms of live requests: who joins, who leaves, and what a client is sent of them."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.unit import live_views
from tests.unit.fixtures import _project as _project
from tests.unit.live_views import DATABASE, RUNS, commit, live_service
from tests.unit.peer import Peer, connected, pool_open
from wsrequest.protocol.messages import Event, Hello, Member, Missed, Refusal, Response, Rooms
from wsrequest.push import events
from wsrequest.server.context import ServerContext

pytestmark = pytest.mark.asyncio

ROOM = ["room"]


@pytest.fixture(autouse=True)
def _views(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.unit.live_views"


@asynccontextmanager
async def service_open(**kwargs: Any) -> AsyncIterator[ServerContext]:
    async with pool_open(4) as pool, live_service(pool, **kwargs) as server:
        yield server


@asynccontextmanager
async def live(history: tuple[int, float] = (100, 300.0), **kwargs: Any) -> AsyncIterator[Peer]:
    async with service_open(history=history) as server, connected(server, **kwargs) as peer:
        yield peer


def send(name: str, event: str, data: object = None, **kwargs: Any) -> None:
    kind = kwargs.pop("kind", "room")
    made = events.Event(kind, name, event, json.dumps(data).encode(), **kwargs)
    DATABASE[0].push.receive(0, made)


def events_of(peer: Peer) -> list[str]:
    """The events that have come, and what was lost, in order."""
    return [
        message.event if isinstance(message, Event) else f"missed {message.missed}"
        for message in peer.messages
        if isinstance(message, Event | Missed)
    ]


def rooms_of(peer: Peer, id: Any = 1) -> list[Any]:
    """What was said of the rooms of a live request, each time."""
    return [
        [(room.room, room.missed) for room in message.rooms]
        for message in peer.of(id)
        if isinstance(message, Rooms)
    ]


async def joins(peer: Peer, id: Any = 1, url: str = "/room/a/", **message: Any) -> Rooms:
    """Subscribe to events, and wait for the first rooms."""
    peer.say(id=id, subscribe=True, url=url, **{"events": ROOM, **message})
    found: Rooms = await peer.until(
        lambda: next((m for m in peer.of(id) if isinstance(m, Rooms)), None)
    )
    return found


async def comes(peer: Peer, *names: str) -> None:
    await peer.until(lambda: len(events_of(peer)) >= len(names))
    assert events_of(peer) == [*names]


# Asking for events.


async def test_hello_announces_events() -> None:
    async with live(greeted=True) as peer:
        hello = await peer.until(lambda: peer.messages[0] if peer.messages else None)
        assert isinstance(hello, Hello) and hello.events
    async with live(greeted=True, rooms=0) as peer:
        hello = await peer.until(lambda: peer.messages[0] if peer.messages else None)
        assert isinstance(hello, Hello) and not hello.events


async def test_rooms_follow_the_first_version() -> None:
    async with live() as peer:
        rooms = await joins(peer)
        assert [type(message) for message in peer.of(1)] == [Response, Rooms]
        assert [(room.room, room.missed, room.members) for room in rooms.rooms] == [
            ("a", None, None)
        ]
        send("a", "typing", {"user": "ada"})
        send("b", "typing")
        await comes(peer, "typing")
        event = peer.messages[-1]
        epoch, number = rooms.rooms[0].position.split(":")
        assert event == Event("typing", event.data, "a", f"{epoch}:{int(number) + 1}")
        assert json.loads(bytes(event.data)) == {"user": "ada"}


@pytest.mark.parametrize("message", [{}, {"events": []}, {"events": ["moods"]}])
async def test_client_that_does_not_ask_is_sent_nothing_and_is_in_no_room(message: Any) -> None:
    async with live() as peer:
        peer.say(id=1, subscribe=True, url="/room/a/", **message)
        await peer.first(1)
        assert len(DATABASE[0].push) == 0
        queries = DATABASE[0].manager._queries.values()
        assert all(query.latest and query.latest.audience is None for query in queries)
        send("a", "typing")
        await peer.obeyed()
        assert not events_of(peer) and not rooms_of(peer)


async def test_server_without_events_ignores_the_question() -> None:
    async with live(rooms=0) as peer:
        peer.say(id=1, subscribe=True, url="/room/a/", events=ROOM)
        await peer.first(1)
        await peer.obeyed()
        assert not rooms_of(peer) and len(DATABASE[0].push) == 0


async def test_view_that_only_joins_is_live() -> None:
    async with live() as peer:
        await joins(peer, url="/only_room/a/")
        send("a", "typing")
        await comes(peer, "typing")


async def test_event_comes_once_for_two_live_requests_in_one_room() -> None:
    async with live() as peer:
        await joins(peer, 1)
        await joins(peer, 2)
        send("a", "typing")
        await comes(peer, "typing")
        peer.say(id=1, cancel=True)
        await peer.obeyed()
        send("a", "again")
        await comes(peer, "typing", "again")
        peer.say(id=2, cancel=True)
        await peer.obeyed()
        send("a", "never")
        await peer.obeyed()
        await comes(peer, "typing", "again")
        assert len(DATABASE[0].push) == 0


async def test_sender_can_be_left_out() -> None:
    async with service_open() as server, connected(server) as one, connected(server) as two:
        await joins(one)
        await joins(two)
        send("a", "typing", exclude=one.connection.connection_id)
        await comes(two, "typing")
        await one.obeyed()
        assert events_of(one) == []


# Each run decides again.


async def test_rerun_decides_again_even_if_its_response_is_the_same() -> None:
    async with live() as peer:
        await joins(peer)
        commit(a=["a", "b"])
        await peer.until(lambda: len(rooms_of(peer)) >= 2)
        commit(a=["b"])
        await peer.until(lambda: len(rooms_of(peer)) >= 3)
        assert rooms_of(peer) == [
            [("a", None)], [("a", None), ("b", None)], [("b", None)],
        ]  # fmt: skip
        assert sum(isinstance(message, Response) for message in peer.of(1)) == 1
        send("a", "left")
        send("b", "joined")
        await comes(peer, "joined")


async def test_rerun_that_joins_the_same_says_nothing() -> None:
    async with live() as peer:
        await joins(peer)
        commit(a=["a"])
        await peer.becomes(lambda: len(live_views.RUNS) == 2)
        await peer.becomes(lambda: all(q.is_current for q in DATABASE[0].manager._queries.values()))
        await peer.obeyed()
        assert len(rooms_of(peer)) == 1


@pytest.mark.documents("docs/bad-input.md", "loses the permission while it is in the room")
async def test_revoked_permission_leaves_the_room() -> None:
    async with live() as peer:
        await joins(peer)
        commit(a=403)
        last = await peer.until(
            lambda: next((m for m in peer.of(1) if isinstance(m, Response) and not m.version), None)
        )
        assert last.status == 403 and len(DATABASE[0].push) == 0
        send("a", "secret")
        await peer.obeyed()
        assert events_of(peer) == []


@pytest.mark.documents("docs/bad-input.md", "asks for a room whose view answers 403")
async def test_nobody_joins_a_room_that_the_view_refuses() -> None:
    async with live() as peer:
        live_views.TABLES["a"] = 403
        peer.say(id=1, subscribe=True, url="/room/a/", events=ROOM)
        first = await peer.first(1)
        assert (first.status, first.version) == (403, None)
        send("a", "secret")
        await peer.obeyed()
        assert not events_of(peer) and not rooms_of(peer) and len(DATABASE[0].push) == 0


@pytest.mark.documents("docs/bad-input.md", "is in a room whose view fails, even for long")
async def test_view_that_fails_keeps_nobody_in() -> None:
    async with live() as peer:
        await joins(peer)
        commit(a=500)
        await peer.until(lambda: [m for m in peer.of(1) if getattr(m, "status", 0) == 500])
        assert len(DATABASE[0].push) == 0
        send("a", "while it fails")
        await peer.obeyed()
        assert events_of(peer) == []
        commit(a=["a"])
        await peer.until(lambda: len(rooms_of(peer)) >= 2)
        assert rooms_of(peer)[-1] == [("a", False)]
        await comes(peer, "while it fails")  # the view has decided that the client may have it


async def test_view_that_fails_and_then_refuses() -> None:
    async with live() as peer:
        await joins(peer)
        commit(a=503)
        await peer.until(lambda: [m for m in peer.of(1) if getattr(m, "status", 0) == 503])
        send("a", "secret")
        commit(a=403)
        await peer.until(lambda: [m for m in peer.of(1) if getattr(m, "status", 0) == 403])
        await peer.obeyed()
        assert events_of(peer) == []


async def test_other_cookies_wait_for_their_own_run() -> None:
    async with live(cookie="who=ada") as peer:
        await joins(peer, url="/room/a/", events=["room", "user"])
        DATABASE[0].push.receive(0, events.Event("user", events.user_name("ada"), "call", b"1"))
        await comes(peer, "call")
        peer.say(id=2, url="/become/eve/")
        await peer.first(2)
        # From here on nothing of ada's comes, and after the next run what is eve's.
        send(events.user_name("ada"), "secret", kind="user")
        await peer.until(lambda: len(rooms_of(peer)) >= 2)
        send(events.user_name("ada"), "secret", kind="user")
        send(events.user_name("eve"), "hers", kind="user")
        await comes(peer, "call", "hers")


async def test_user_of_one_run_is_not_that_of_another() -> None:
    """Two connections with one public view each get what is sent to their own user."""
    async with (
        service_open() as server,
        connected(server, cookie="who=ada") as ada,
        connected(server, cookie="who=eve") as eve,
        connected(server) as nobody,
    ):
        for peer in (ada, eve, nobody):
            await joins(peer, events=["room", "user"])
        for name in ("ada", "eve"):
            send(events.user_name(name), f"for {name}".replace(" ", "-"), kind="user")
        send("a", "for-all")
        await comes(ada, "for-ada", "for-all")
        await comes(eve, "for-eve", "for-all")
        await comes(nobody, "for-all")


async def test_public_view_still_finds_each_user() -> None:
    """Others share one run, which is nobody's. Those who ask for their own events do not."""
    async with (
        service_open() as server,
        connected(server, cookie="who=ada") as ada,
        connected(server, cookie="who=eve") as eve,
    ):
        for peer in (ada, eve):
            await joins(peer, url="/public_room/a/", events=["room", "user"])
        for number in range(3):
            commit(a=["a", f"b{number}"])
            for peer in (ada, eve):
                await peer.until(lambda peer=peer, n=number: len(rooms_of(peer)) >= n + 2)  # type: ignore[misc]
        for name in ("ada", "eve"):
            send(events.user_name(name), f"for-{name}", kind="user")
        await comes(ada, "for-ada")
        await comes(eve, "for-eve")


async def test_public_view_still_decides_for_each_who_is_in_a_room() -> None:
    """A public body is the same for all. Who may be in the room is not."""
    async with (
        service_open() as server,
        connected(server, cookie="who=ada") as ada,
        connected(server, cookie="who=banned") as banned,
    ):
        for peer in (ada, banned):
            await joins(peer, url="/picky_room/a/")
        commit(a=2)
        await ada.becomes(lambda: len(RUNS) >= 4)
        for peer in (ada, banned):
            await peer.obeyed()
        send("a", "secret")
        await comes(ada, "secret")
        await banned.obeyed()
        assert events_of(banned) == [] and rooms_of(banned) == [[]]


async def test_logout_elsewhere_ends_the_events_of_a_user_that_no_view_has_read() -> None:
    """The view reads no user. The question for the user's events does."""
    ada = "a" * 32
    async with live(cookie=f"sessionid={ada}") as peer:
        await joins(peer, url="/lazy_room/a/", events=["room", "user"])
        send(events.user_name(ada), "call", kind="user")
        await comes(peer, "call")
        peer.connection.dispatcher.logged_out()
        await peer.until(lambda: [m for m in peer.of(1) if isinstance(m, Refusal)])
        assert peer.of(1)[-1].code == "session_ended" and len(DATABASE[0].push) == 0


async def test_token_of_one_user_after_that_of_another() -> None:
    """One connection, two live requests: each is whose token it bears, and as long as it lives."""
    async with live() as peer:
        await joins(peer, 1, "/token_room/a/", token="ada", events=["room", "user"])
        await joins(peer, 2, "/token_room/a/", token="eve", events=["room", "user"])
        for name in ("ada", "eve"):
            send(events.user_name(name), f"for-{name}", kind="user")
        await comes(peer, "for-ada", "for-eve")
        peer.say(id=1, cancel=True)
        await peer.obeyed()
        for name in ("ada", "eve"):
            send(events.user_name(name), f"for-{name}", kind="user")
        await comes(peer, "for-ada", "for-eve", "for-eve")


async def test_events_to_a_session() -> None:
    key = "s" * 32
    async with live(cookie=f"sessionid={key}") as peer:
        peer.say(id=1, subscribe=True, url="/room/a/", events=["session"])
        await peer.first(1)
        await peer.becomes(lambda: len(DATABASE[0].push))
        send(events.session_name(key), "notice", kind="session")
        send(events.session_name("other"), "secret", kind="session")
        send("a", "not asked for")
        await comes(peer, "notice")
        assert peer.messages[-1].to == "session" and not rooms_of(peer)
        peer.say(id=2, url="/become_nobody/x/")
        await peer.first(2)
        await peer.obeyed()
        send(events.session_name(key), "secret", kind="session")
        await peer.obeyed()
        await comes(peer, "notice")


# Too many rooms.


@pytest.mark.documents("docs/bad-input.md", "asks for 10,000 rooms")
async def test_too_many_rooms_refuse_the_live_request_and_harm_no_other() -> None:
    async with live(rooms=2) as peer:
        await joins(peer, 1)
        live_views.TABLES["b"] = [f"room {number}" for number in range(10_000)]
        peer.say(id=2, subscribe=True, url="/room/b/", events=ROOM)
        refusal = await peer.first(2)
        assert isinstance(refusal, Refusal)
        assert (refusal.code, refusal.temporary) == ("too_many_rooms", True)
        await joins(peer, 3)  # the same room counts once
        await joins(peer, 4, "/room/c/")
        send("a", "typing")
        await comes(peer, "typing")
        commit(c=["c", "d"])
        await peer.until(lambda: [m for m in peer.of(4) if isinstance(m, Refusal)])
        assert peer.of(4)[-1].code == "too_many_rooms"
        commit(a=["a", "b"])
        await peer.until(lambda: len(rooms_of(peer)) >= 2)


async def test_rooms_move_within_the_limit() -> None:
    async with live(rooms=1) as peer:
        await joins(peer)
        commit(a=["b"])
        await peer.until(lambda: len(rooms_of(peer)) >= 2)
        assert rooms_of(peer)[-1] == [("b", None)]


async def test_rooms_count_in_the_memory_of_live_requests() -> None:
    async with service_open() as server, connected(server) as peer:
        account = peer.connection.dispatcher._account
        await joins(peer, 1)
        before = account.held_bytes
        commit(a=[f"room {number}" for number in range(101)])
        await peer.until(lambda: len(rooms_of(peer)) >= 2)
        assert account.held_bytes - before == 100 * 1024
        commit(a=["a"])
        await peer.until(lambda: len(rooms_of(peer)) >= 3)
        assert account.held_bytes == before
        peer.say(id=1, cancel=True)
        await peer.obeyed()
        assert account.held_bytes == 0
    async with service_open() as server, connected(server, live_bytes_per_address=2**16) as peer:
        await joins(peer, 1)
        commit(a=[f"room {number}" for number in range(101)])
        await peer.until(lambda: [m for m in peer.of(1) if isinstance(m, Refusal)])
        assert peer.of(1)[-1].code == "too_many_subscriptions" and len(DATABASE[0].push) == 0
        await peer.becomes(lambda: not peer.connection.dispatcher._account.held_bytes)


# Coming back.


@pytest.mark.documents("docs/bad-input.md", "names a position of another epoch")
async def test_client_that_comes_back_gets_what_followed() -> None:
    async with service_open() as server:
        async with connected(server) as peer:
            rooms = await joins(peer)
            send("a", "one")
            await comes(peer, "one")
        position = peer.messages[-1].position
        send("a", "two")
        async with connected(server) as again:
            found = await joins(again, since={"a": position, "other": "x:1"})
            assert found.rooms[0].position == position and found.rooms[0].missed is False
            await comes(again, "two")
            assert position.split(":")[0] == rooms.rooms[0].position.split(":")[0]
            later = await joins(again, 2, since={"a": "other:7"})
            assert later.rooms[0].missed is True
            await again.obeyed()
            await comes(again, "two")


@pytest.mark.documents("docs/bad-input.md", "comes back after the history was trimmed")
async def test_client_that_comes_back_too_late_is_told() -> None:
    async with service_open(history=(2, 300.0)) as server:
        async with connected(server) as peer:
            position = (await joins(peer)).rooms[0].position
        for _ in range(3):
            send("a", "one")
        async with connected(server) as again:
            found = await joins(again, since={"a": position})
            assert found.rooms[0].missed is True
            send("a", "next")
            await comes(again, "next")


async def test_without_history_nobody_gets_what_came_since() -> None:
    async with service_open(history=(0, 300.0)) as server:
        async with connected(server) as peer:
            position = (await joins(peer)).rooms[0].position
        async with connected(server) as again:
            assert (await joins(again, since={"a": position})).rooms[0].missed is False
        send("a", "one")
        async with connected(server) as again:
            assert (await joins(again, since={"a": position})).rooms[0].missed is True


# Clients that do not read.


@pytest.mark.documents("docs/bad-input.md", "reads nothing while its room is busy")
async def test_client_that_does_not_read_while_its_room_is_busy() -> None:
    async with live(outbound_bytes=2000) as peer:
        await joins(peer)
        await peer.obeyed()
        peer.reads.clear()
        for number in range(50):
            send("a", f"e{number}", "x" * 100)
        queue = peer.connection.send_queue
        assert 2000 <= queue.waiting_bytes < 2500
        assert DATABASE[0].push.counts.behind == 1
        peer.reads.set()
        await comes(peer, *(f"e{number}" for number in range(50)))


@pytest.mark.documents("docs/bad-input.md", "reads nothing for longer than the history of the room")
async def test_client_that_does_not_read_for_too_long_is_told() -> None:
    async with live(outbound_bytes=2000, history=(5, 300.0)) as peer:
        await joins(peer)
        await peer.obeyed()
        peer.reads.clear()
        for number in range(50):
            send("a", f"e{number}", "x" * 100)
        peer.reads.set()
        await peer.until(lambda: "missed a" in events_of(peer))
        send("a", "last")
        await peer.until(lambda: "last" in events_of(peer))
        found = events_of(peer)
        assert found[-2:] == ["missed a", "last"]
        assert found[:-2] == [f"e{number}" for number in range(len(found) - 2)]


async def test_client_that_does_not_read_leaves_a_room_at_once() -> None:
    async with live(outbound_bytes=2000) as peer:
        await joins(peer)
        await peer.obeyed()
        peer.reads.clear()
        for number in range(30):
            send("a", f"e{number}", "x" * 100)
        commit(a=["b"])
        await peer.becomes(lambda: ("room", "b") in DATABASE[0].push._rooms)
        send("b", "hers")
        peer.reads.set()
        await peer.until(lambda: len(rooms_of(peer)) >= 2)
        await peer.until(lambda: "hers" in events_of(peer))
        assert "e29" not in events_of(peer) and rooms_of(peer)[-1] == [("b", None)]


async def test_client_that_does_not_read_is_told_that_it_has_left_its_last_room() -> None:
    async with live(outbound_bytes=2000) as peer:
        await joins(peer)
        await peer.obeyed()
        peer.reads.clear()
        for number in range(30):
            send("a", f"e{number}", "x" * 100)
        commit(a=204)
        await peer.becomes(lambda: not len(DATABASE[0].push))
        peer.reads.set()
        await peer.until(lambda: rooms_of(peer)[-1] == [])


class Crowd:
    """Members whose list takes all the room that a client has."""

    own_count = refused_count = 0

    def entered(self, listener: Any, join: Any) -> None:
        pass

    def left(self, listener: Any, join: Any) -> None:
        pass

    def members(self, room: str) -> list[Member]:
        return [Member(str(number), {"name": "x" * 100}) for number in range(20)]


async def test_members_that_take_all_the_room_are_sent_once_more_and_stop_no_event() -> None:
    async with live(outbound_bytes=2000) as peer:
        DATABASE[0].push.presence = Crowd()
        await joins(peer)
        await peer.obeyed()
        peer.reads.clear()
        for number in range(30):
            send("a", f"e{number}", "x" * 100)
        DATABASE[0].push.broadcast("a", '{"presence":"a","left":["1"]}')
        peer.reads.set()
        await comes(peer, *(f"e{number}" for number in range(30)))
        assert len(rooms_of(peer)) == 2


async def test_lost_messages_of_the_bus_are_told() -> None:
    async with live() as peer:
        await joins(peer)
        DATABASE[0].push.lost()
        await comes(peer, "missed a")


async def test_end_of_a_connection_leaves_all_rooms() -> None:
    async with service_open() as server:
        async with connected(server) as peer:
            await joins(peer)
            assert len(DATABASE[0].push) == 1
        assert len(DATABASE[0].push) == 0


async def test_join_elsewhere_raises() -> None:
    async with live() as peer:
        peer.say(id=1, url="/only_room/a/")
        with pytest.raises(RuntimeError, match="live GET"):
            peer.connection.dispatcher.info.join("a")
        assert (await peer.first(1)).status == 500
