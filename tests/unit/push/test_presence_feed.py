"""Presence of one event loop: real timers, a bus, and the frames for its clients."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import pytest
import pytest_asyncio

from wsrequest.bus.memory import MemoryBus
from wsrequest.protocol.messages import JoinedRoom, Member, Rooms
from wsrequest.protocol.server_codec import decode_server, encode_server
from wsrequest.push import own_members, presence
from wsrequest.push.events import Join
from wsrequest.push.own_members import PresenceLimits
from wsrequest.push.presence_feed import PresenceFeed
from wsrequest.types import Frame

pytestmark = pytest.mark.asyncio
ADA = Join("a", "7", b'{"name":"Ada"}')
WAIT_SECONDS = 30.0


class Watchers:
    """The clients of one event loop, all in all rooms."""

    def __init__(self) -> None:
        self.frames: list[Any] = []

    def is_watched(self, name: str) -> bool:
        return True

    def broadcast(self, name: str, frame: Frame) -> int:
        self.frames.append(decode_server(frame))
        return 1


Make = Callable[..., PresenceFeed]


@pytest_asyncio.fixture
async def make(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Make]:
    """Makes feeds that share a bus, as those of several processes do."""
    monkeypatch.setattr(own_members, "GRACE_SECONDS", 0.1)
    monkeypatch.setattr(presence, "GRACE_SECONDS", 0.1)
    loop, bus, made = asyncio.get_running_loop(), MemoryBus(), list[PresenceFeed]()

    def make(watchers: Watchers | None = None, room_members: int = 100) -> PresenceFeed:
        limits = PresenceLimits(2**20, room_members)

        def post(call: Callable[[], None]) -> None:
            loop.call_soon_threadsafe(call)

        made.append(PresenceFeed(loop, bus, watchers or Watchers(), post, limits))
        return made[-1]

    yield make
    for feed in made:
        feed.stop()


async def until(condition: Callable[[], object]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS
    while not condition():
        assert time.monotonic() < deadline
        await asyncio.sleep(0.01)


async def test_member_is_told_to_the_clients_of_all_processes(make: Make) -> None:
    watchers = Watchers()
    one, other = make(), make(watchers)
    one.entered("connection", ADA)
    await until(lambda: other.of("a"))
    assert other.of("a") == [Member("7", {"name": "Ada"})]
    await until(lambda: watchers.frames)
    [frame] = watchers.frames
    assert (frame.presence, frame.joined, frame.left) == ("a", other.of("a"), [])
    one.left("connection", ADA)
    await until(lambda: len(watchers.frames) == 2)
    assert (watchers.frames[1].joined, watchers.frames[1].left) == ([], ["7"])
    assert one.of("a") == other.of("a") == []
    assert not one._memberships


async def test_members_are_in_the_frame_of_rooms(make: Make) -> None:
    feed = make()
    assert feed.members("a") is None
    feed.entered("connection", ADA)
    feed.entered("connection", Join("a", "8"))
    frame = encode_server(Rooms([JoinedRoom("a", "e:1", None, feed.members("a"))], 9))
    listed = [Member("7", {"name": "Ada"}), Member("8", {})]
    assert decode_server(frame) == Rooms([JoinedRoom("a", "e:1", None, listed)], 9)
    assert feed.own_count == 2


async def test_members_of_a_process_that_stops_leave(make: Make) -> None:
    one, other = make(), make()
    one.entered("connection", ADA)
    await until(lambda: other.of("a"))
    one.stop()
    one.stop()
    await until(lambda: not other.of("a"))


async def test_member_without_room_is_logged_once(
    make: Make, caplog: pytest.LogCaptureFixture
) -> None:
    feed = make(room_members=2)
    with caplog.at_level(logging.WARNING, "wsrequest.push"):
        for number in range(20):
            feed.entered("connection", Join("a", str(number)))
    assert len(feed.of("a")) == 4  # the connection had few before
    assert feed.refused_count == 16
    assert [record.message.count("WSREQUEST_PRESENCE") for record in caplog.records] == [2]


async def test_loop_whose_timers_in_the_past_are_no_timers(make: Make) -> None:
    """As those of uvloop are."""
    loop = asyncio.get_running_loop()

    def call_at(when: float, call: Callable[[], None]) -> asyncio.Handle:
        return loop.call_soon(call) if when <= loop.time() else loop.call_later(0.01, call)

    one, other = make(), make()
    for feed in (one, other):
        feed._loop = SimpleNamespace(time=loop.time, call_at=call_at)  # type: ignore[assignment]
    for number in range(100):
        one.entered("connection", Join("a", str(number)))
        await asyncio.sleep(0)
    await until(lambda: len(other.of("a")) == 100)
