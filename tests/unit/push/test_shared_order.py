"""Events that the bus has numbered: clients that come from another process, and go to one."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import pytest
import pytest_asyncio

from tests.unit.push.test_registry import A, Client
from wsrequest.push import registry as module
from wsrequest.push.events import EVENTS, Event
from wsrequest.push.history import HistoryStore
from wsrequest.push.registry import Registry

pytestmark = pytest.mark.asyncio


class Site:
    """Processes that hear the same bus. Some may be deaf for a while."""

    def __init__(self) -> None:
        self.registries: list[Registry] = []
        self.number = 1000
        self._deaf: list[Registry] = []

    def process(self) -> Registry:
        registry = Registry(asyncio.get_running_loop(), HistoryStore(5, 60.0, 2**20))
        self.registries.append(registry)
        registry.lost()  # it has connected
        self.beat()
        return registry

    def send(self, event: str, room: str = "a") -> None:
        self._pass_on(Event("room", room, event, b"null"))

    def beat(self) -> None:
        """The heartbeat of a process to itself, here for all of them."""
        self._pass_on(None)

    def _pass_on(self, event: Event | None) -> None:
        self.number += 7
        assert EVENTS.number is not None
        numbered = EVENTS.number(event, "r", self.number)
        for registry in self.registries:
            if registry not in self._deaf:
                registry.receive(0, numbered)

    @contextmanager
    def deaf(self, registry: Registry) -> Iterator[None]:
        self._deaf.append(registry)
        yield
        self._deaf.remove(registry)
        registry.lost()


@pytest_asyncio.fixture
async def site() -> AsyncIterator[Site]:
    made = Site()
    yield made
    for registry in made.registries:
        registry.stop()


def joins(registry: Registry, since: str | None = None) -> tuple[Client, bool, str]:
    client = Client()
    room, is_missed = registry.enter(client.listener, A, since)
    position = (
        registry.last_position(room) if is_missed else registry.held_position(client.listener, room)
    )
    registry.go_on(client.listener)
    return client, is_missed, position


async def test_client_that_comes_to_another_process_gets_what_came_since(site: Site) -> None:
    first, second = site.process(), site.process()
    client, _, _ = joins(first)
    site.send("one")
    since = client.positions[-1]
    site.send("two")
    site.send("other", room="b")
    site.send("three")
    again, is_missed, _ = joins(second, since)
    site.send("four")
    assert not is_missed and again.events == ["two", "three", "four"]
    assert again.positions[:2] == client.positions[1:3]


async def test_room_without_any_event(site: Site) -> None:
    first, second = site.process(), site.process()
    _, _, since = joins(first)
    site.send("other", room="b")
    assert joins(second, since)[1] is False
    assert joins(site.process(), since)[1] is True  # it cannot know


async def test_position_is_that_of_the_bus_and_not_of_the_last_event(site: Site) -> None:
    """So a process that is younger than the last event of a quiet room knows that all is there."""
    first = site.process()
    site.send("one")
    second = site.process()
    _, _, since = joins(first)
    assert joins(second, since)[1] is False


async def test_client_that_is_ahead_of_a_slow_process(site: Site) -> None:
    first, second = site.process(), site.process()
    client, _, _ = joins(first)
    late: list[Event] = []
    second.receive, receive = lambda position, event: late.append(event), second.receive  # type: ignore[method-assign]
    site.send("one")
    site.send("two")
    again, is_missed, position = joins(second, client.positions[-1])
    assert (is_missed, position) == (False, client.positions[-1])
    second.receive = receive  # type: ignore[method-assign]
    for event in late:
        second.receive(0, event)
    site.send("three")
    assert again.events == ["three"]


async def test_process_that_was_deaf_says_so(site: Site) -> None:
    first, second = site.process(), site.process()
    client, _, _ = joins(first)
    there, _, _ = joins(second)
    site.send("one")
    since = client.positions[-1]
    with site.deaf(second):
        site.send("two")
    assert there.events == ["one", "missed"]
    assert joins(second, since)[1] is True
    site.beat()
    assert joins(second, since)[1] is True
    assert joins(second, f"r:{site.number}")[1] is False
    assert joins(first, since)[0].events == ["two"]
    site.send("three")
    assert there.events == ["one", "missed", "three"]


async def test_slow_reader_is_told_of_a_loss_once_it_reads(site: Site) -> None:
    process = site.process()
    sleeper = Client(room=1)
    process.enter(sleeper.listener, A)
    site.send("one")
    site.send("two")
    process.lost()
    site.send("three")
    sleeper.read(process)
    site.send("four")
    assert sleeper.events == ["one", "missed", "four"]  # the notice covers what came before it


async def test_slow_reader_that_lacks_nothing_is_told_of_a_loss(site: Site) -> None:
    process = site.process()
    sleeper = Client(room=1)
    process.enter(sleeper.listener, A)
    site.send("one")
    process.lost()
    sleeper.read(process)
    assert sleeper.events == ["one", "missed"]


async def test_broker_that_went_back(site: Site) -> None:
    process = site.process()
    client, _, _ = joins(process)
    sleeper = Client(room=1)
    process.enter(sleeper.listener, A)
    site.send("one")
    site.send("more")
    since = client.positions[0]
    site.number -= 500
    site.send("two")
    site.send("three")
    sleeper.read(process)
    site.send("four")
    assert sleeper.events == ["one", "missed", "four"]
    assert client.events == ["one", "more", "two", "three", "four"]
    epochs = [str(position).partition(":")[0] for position in client.positions[1:]]
    assert epochs[0] != epochs[1] and len(set(epochs[1:])) == 1
    numbers = [int(str(position).partition(":")[2]) for position in client.positions[2:]]
    assert numbers == sorted(set(numbers))
    assert joins(process, since)[1] is True


async def test_rooms_that_nobody_is_in_are_kept_within_bounds(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_IDLE_ROOMS", 10)
    first, second = site.process(), site.process()
    _, _, since = joins(first)
    for number in range(50):
        site.send("one", room=f"r{number}")
    assert len(second._rooms) == 10 and len(second) == 0
    assert second._store.held_bytes < 20_000
    assert joins(second, since)[1] is True  # "a" may have been among those that were dropped
    assert second.counts.events == 0


async def test_events_of_rooms_that_nobody_is_in_are_dropped_in_time(
    site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_SWEEP_SECONDS", 0.001)
    process = site.process()
    _, _, since = joins(site.process())
    site.send("one", room="b")
    process._store.max_seconds = -1.0
    async with asyncio.timeout(30):
        while process._store.held_bytes:  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.001)
    assert joins(process, since)[1] is False
    assert process.enter(Client().listener, ("room", "b"), since)[1] is True


async def test_events_to_users_are_not_kept(site: Site) -> None:
    process = site.process()
    process.receive(0, Event("user", "u", "one", b"null", epoch="r", number=site.number + 1))
    assert not process._rooms


async def test_client_that_is_there_before_the_bus_says_where_it_is(site: Site) -> None:
    registry = Registry(asyncio.get_running_loop(), HistoryStore(5, 60.0, 2**20))
    registry.lost()  # it has connected
    client, _, since = joins(registry)
    site.registries.append(registry)
    site.beat()
    site.send("one")
    assert client.events == ["one"]
    assert joins(registry, since)[1] is True  # nobody knows that position any more


async def test_client_that_is_slow_while_the_broker_goes_back(site: Site) -> None:
    process = site.process()
    readers = [Client(str(number)) for number in range(150)]
    slow = Client("slow")
    for client in (*readers, slow):
        process.enter(client.listener, A)
    site.send("one")  # sent to the first hundred, and later to the others
    slow.max_bytes = 0
    site.number -= 500
    site.send("two")
    async with asyncio.timeout(30):
        while process._rooms[A].is_busy:  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0)
    slow.max_bytes = 10
    process.go_on(slow.listener)
    assert slow.events == ["missed"]
    assert {tuple(client.events) for client in readers} == {("one", "two")}
