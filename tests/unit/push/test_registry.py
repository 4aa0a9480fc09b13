"""Rooms: who gets which event, in which order, and what those who do not read are sent later."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from wsrequest.protocol.messages import Event as EventMessage
from wsrequest.protocol.messages import Missed
from wsrequest.protocol.server_codec import decode_server
from wsrequest.push import registry as module
from wsrequest.push.events import Event
from wsrequest.push.history import HistoryStore
from wsrequest.push.registry import Registry
from wsrequest.push.room import Listener, Room, RoomKey

pytestmark = pytest.mark.asyncio
A: RoomKey = ("room", "a")


class Client:
    """A connection with room for some frames."""

    def __init__(self, name: str = "c", room: int = 10**6) -> None:
        self.max_bytes, self.waiting_bytes = room, 0
        self.frames: list[Any] = []
        self.listener = Listener(name, self)

    def has_room(self) -> bool:
        return self.waiting_bytes < self.max_bytes

    def put(self, frame: Any) -> None:
        self.waiting_bytes += 1
        self.frames.append(frame)

    def read(self, registry: Registry) -> None:
        """Read all that waits, as often as more comes."""
        while self.waiting_bytes:
            self.waiting_bytes = 0
            registry.go_on(self.listener)

    @property
    def events(self) -> list[str]:
        """The names of the events that came, and "missed"."""
        found = [decode_server(frame) for frame in self.frames]
        return [m.event if isinstance(m, EventMessage) else "missed" for m in found]

    @property
    def positions(self) -> list[str | None]:
        found = [decode_server(frame) for frame in self.frames]
        return [m.position for m in found if isinstance(m, EventMessage | Missed)]


@pytest_asyncio.fixture
async def registry() -> AsyncIterator[Registry]:
    made = Registry(asyncio.get_running_loop(), HistoryStore(5, 60.0, 2**20))
    yield made
    made.stop()


def send(
    registry: Registry, event: str, key: str | None = None, exclude: str | None = None
) -> None:
    registry.receive(0, Event("room", "a", event, b"null", key, exclude))


def enter(registry: Registry, client: Client, since: str | None = None) -> Room:
    room, _ = registry.enter(client.listener, A, since)
    return room


async def settle(room: Room) -> None:
    async with asyncio.timeout(30):
        while room.is_busy:  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0)


async def test_those_in_the_room_get_its_events_once(registry: Registry) -> None:
    client, other = Client(), Client("other")
    enter(registry, client)
    enter(registry, client)  # two live requests of one connection
    registry.enter(other.listener, ("room", "b"))
    send(registry, "one")
    send(registry, "two")
    assert (client.events, other.events) == (["one", "two"], [])
    registry.leave(client.listener, registry._rooms[A])
    send(registry, "three")
    registry.leave(client.listener, registry._rooms[A])
    send(registry, "four")
    assert client.events == ["one", "two", "three"]
    assert registry.counts.deliveries == 3


async def test_kinds_do_not_meet(registry: Registry) -> None:
    client = Client()
    for kind in ("room", "user", "session"):
        registry.enter(client.listener, (kind, kind))
    for kind in ("room", "user", "session"):
        registry.receive(0, Event("session", kind, kind, b"null"))
    assert client.frames == ['{"event":"session","to":"session","data":null}']


async def test_all_clients_get_the_very_same_frame(registry: Registry) -> None:
    clients = [Client(str(number)) for number in range(3)]
    for client in clients:
        enter(registry, client)
    send(registry, "one")
    assert len({id(client.frames[0]) for client in clients}) == 1


async def test_positions_rise(registry: Registry) -> None:
    client = Client()
    enter(registry, client)
    for _ in range(3):
        send(registry, "one")
    assert client.positions == [f"{registry._positions.epoch}:{number}" for number in (1, 2, 3)]


async def test_excluded_connection_gets_nothing(registry: Registry) -> None:
    client, other = Client("c1", room=1), Client("c2")
    enter(registry, client)
    enter(registry, other)
    send(registry, "one", exclude="c2")
    send(registry, "two", exclude="c1")
    client.read(registry)  # it was behind
    assert (client.events, other.events) == (["one"], ["two"])


async def test_crowd_is_sent_events_in_slices_and_in_order(registry: Registry) -> None:
    clients = [Client(str(number)) for number in range(250)]
    for client in clients:
        room = enter(registry, client)
    send(registry, "one")
    assert [len(client.frames) for client in clients] == [1] * 100 + [0] * 150
    send(registry, "two")
    send(registry, "three")
    registry.leave(clients[200].listener, room)
    late = Client("late")
    enter(registry, late)
    await settle(room)
    assert clients.pop(200).events == []
    assert {tuple(client.events) for client in clients} == {("one", "two", "three")}
    assert late.events == []  # they came before it


async def test_client_that_does_not_read_is_queued_nothing(registry: Registry) -> None:
    client, reader = Client("c", room=1), Client("reader")
    room = enter(registry, client)
    enter(registry, reader)
    for number in range(4):
        send(registry, f"e{number}")
    assert client.events == ["e0"] and client.listener.behind == {room: 1}
    assert registry.counts.behind == 1
    client.read(registry)
    assert client.events == reader.events == ["e0", "e1", "e2", "e3"]
    assert client.listener.behind == {}


async def test_only_the_newest_of_a_key_comes_later(registry: Registry) -> None:
    client = Client(room=1)
    enter(registry, client)
    for name, key in [("p1", "p"), ("p2", "p"), ("x", None), ("p3", "p")]:
        send(registry, name, key)
    client.read(registry)
    assert client.events == ["p1", "x", "p3"]


async def test_trimmed_history_is_told(registry: Registry) -> None:
    client = Client(room=1)
    enter(registry, client)
    for number in range(10):
        send(registry, f"e{number}")
    client.read(registry)
    send(registry, "last")
    assert client.events == ["e0", "missed", "last"]
    assert client.positions[1] == f"{registry._positions.epoch}:10"
    assert registry.counts.missed == 1


async def test_coming_back(registry: Registry) -> None:
    client = Client()
    room = enter(registry, client)
    send(registry, "one")
    since = registry.last_position(room)
    registry.leave(client.listener, room)
    send(registry, "two")
    again = Client()
    assert registry.enter(again.listener, A, since) == (room, False)
    assert registry.held_position(again.listener, room) == since
    registry.go_on(again.listener)
    send(registry, "three")
    assert again.events == ["two", "three"]


@pytest.mark.parametrize(
    "since", ["", ":", "other:1", "{epoch}", "{epoch}:", "{epoch}:x", "{epoch}:9", "{epoch}:-1",
              "{epoch}:²", "{epoch}:" + "9" * 5000]
)  # fmt: skip
async def test_position_of_another_epoch_or_of_none(registry: Registry, since: str) -> None:
    keeper, client = Client(), Client("again")
    room = enter(registry, keeper)
    send(registry, "one")
    found = registry.enter(client.listener, A, since.replace("{epoch}", registry._positions.epoch))
    assert found == (room, True)
    registry.go_on(client.listener)
    assert client.events == []


async def test_coming_back_after_too_long(registry: Registry) -> None:
    keeper = Client()
    room = enter(registry, keeper)
    since = registry.last_position(room)
    for _ in range(6):
        send(registry, "one")
    assert registry.enter(Client("again").listener, A, since) == (room, True)


async def test_loss_is_told_to_all_and_begins_an_epoch(registry: Registry) -> None:
    reader, sleeper = Client("r"), Client("s", room=1)
    room = enter(registry, reader)
    enter(registry, sleeper)
    send(registry, "one")
    send(registry, "two")
    before = registry.last_position(room)
    registry.lost()
    send(registry, "three")
    sleeper.read(registry)
    assert reader.events == ["one", "two", "missed", "three"]
    assert sleeper.events == ["one", "missed"]  # the notice covers what came before it was read
    assert reader.positions[-2:] == [
        f"{registry._positions.epoch}:3",
        f"{registry._positions.epoch}:4",
    ]
    assert sleeper.positions[-1] == f"{registry._positions.epoch}:4"
    assert registry.enter(Client("x").listener, A, before) == (room, True)


async def test_events_that_come_faster_than_they_are_sent(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_PENDING", 3)
    clients = [Client(str(number)) for number in range(150)]
    for client in clients:
        room = enter(registry, client)
    for number in range(6):
        send(registry, f"e{number}")
    await settle(room)
    send(registry, "last")
    await settle(room)
    assert {tuple(client.events) for client in clients} == {("e0", "missed", "e5", "last")}


async def test_frames_that_are_no_events_keep_their_place(registry: Registry) -> None:
    reader, sleeper = Client("r"), Client("s", room=1)
    enter(registry, reader)
    enter(registry, sleeper)
    send(registry, "one")
    registry.broadcast("a", '{"presence":"a","left":["7"]}')
    registry.broadcast("nobody", "{}")
    send(registry, "two")
    assert reader.frames[1] == '{"presence":"a","left":["7"]}' and len(reader.frames) == 3
    assert sleeper.events == ["one"] and sleeper.listener.stale == {"a": None}
    sleeper.read(registry)
    assert sleeper.events == ["one", "two"]


async def test_room_that_all_have_left_is_forgotten_in_the_end(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SWEEP_SECONDS", 0.001)
    client = Client()
    room = enter(registry, client)
    since = registry.last_position(room)
    send(registry, "one")
    registry.leave(client.listener, room)
    assert len(registry) == 0 and len(room.history) == 1
    registry._store.max_seconds = -1.0
    async with asyncio.timeout(30):
        while registry._rooms:  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.001)
    assert registry._store.held_bytes == 0 and not registry._idle
    assert registry.enter(client.listener, A, since)[1]  # nobody knows what came after it


async def test_few_rooms_wait_for_their_clients(
    registry: Registry, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_IDLE_ROOMS", 2)
    client = Client()
    for name in "abc":
        room, _ = registry.enter(client.listener, ("room", name))
        registry.leave(client.listener, room)
    assert sorted(registry._rooms) == [("room", "b"), ("room", "c")]


async def test_user_that_has_left_leaves_nothing(registry: Registry) -> None:
    client = Client()
    room, _ = registry.enter(client.listener, ("user", "u"))
    registry.leave(client.listener, room)
    assert not registry._rooms and not registry._idle and client.listener.rooms == {}
