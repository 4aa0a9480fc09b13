"""Who is there, asked in a process that serves nothing, and in a thread of one that does."""

import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from typing import Any

import pytest

from wsrequest.bus.base import Topic
from wsrequest.bus.memory import MemoryBus
from wsrequest.protocol.messages import Member
from wsrequest.push import presence_api, presence_reader
from wsrequest.push.presence_api import amembers, forget_source, members, read_by, use_source
from wsrequest.push.presence_messages import PRESENCE, Message, RoomPart
from wsrequest.push.presence_reader import PresenceReader

ADA, BOB = Member("7", {"name": "Ada"}), Member("8", {})


def joined(epoch: str, number: int = 1) -> Message:
    room = RoomPart("a", [("7", 1, b'{"name":"Ada"}'), ("8", 1, b"{}")], [])
    return Message(epoch, number, [room])


@pytest.fixture
def bus() -> MemoryBus:
    return MemoryBus()


def test_reader_hears_all_before_it_answers(bus: MemoryBus) -> None:
    asked: list[Message] = []
    posted: SimpleQueue[Callable[[], None]] = SimpleQueue()
    bus.subscribe(PRESENCE, lambda _, message: asked.append(message), lambda: None, post=posted.put)
    reader = PresenceReader(bus, 2**20)
    bus.publish(PRESENCE, joined("other"))
    assert reader.of("a") == [ADA, BOB]
    assert reader.of("b") == []
    while not posted.empty():
        posted.get()()
    assert "*" in [message.asks for message in asked]


def test_reader_that_cannot_hear_all_says_so(
    bus: MemoryBus, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence_reader, "READ_SECONDS", 0.5)
    reader = PresenceReader(bus, 2**20)
    bus.publish(PRESENCE, joined("other", number=5))  # what it said before is missing
    with caplog.at_level(logging.WARNING, "wsrequest.push"):
        assert reader.of("a") == []
    assert "not all processes were heard" in caplog.text


class SilentBus(MemoryBus):
    """A broker that cannot be reached. It knows that only after a while."""

    def flush(self, seconds: float) -> bool:
        return False


@pytest.mark.parametrize("knows", [True, False])
def test_reader_that_hears_nobody_since_the_bus_is_down_says_so(
    knows: bool, caplog: pytest.LogCaptureFixture
) -> None:
    bus = SilentBus()
    if knows:
        bus.connect(False)
    reader = PresenceReader(bus, 2**20)
    with caplog.at_level(logging.WARNING, "wsrequest.push"):
        assert reader.of("a") == []
    assert "not all processes were heard" in caplog.text


def test_reader_that_failed_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    failures: list[BaseException | None] = []
    monkeypatch.setattr(threading, "excepthook", lambda args: failures.append(args.exc_value))
    bus = FailingBus()
    reader = PresenceReader(bus, 2**20)
    bus.publish(PRESENCE, joined("other"))
    assert reader.of("a") == [ADA, BOB]
    bus.is_failing = True
    bus.publish(PRESENCE, joined("other", number=3))  # one is missing, so the reader asks
    deadline = time.monotonic() + 30.0
    while not reader.is_over:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert reader.of("a") is None
    while not failures:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert isinstance(failures[0], RuntimeError)


class FailingBus(MemoryBus):
    is_failing = False

    def publish(self, topic: Topic[Any], message: Any) -> None:
        if self.is_failing and message.asks:
            raise RuntimeError("no memory")
        super().publish(topic, message)


def test_reader_ends_when_nobody_asks(bus: MemoryBus, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence_reader, "_IDLE_SECONDS", 0.0)
    reader = PresenceReader(bus, 2**20)
    deadline = time.monotonic() + 30.0
    while not reader.is_over:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    assert reader.of("a") is None


class Source:
    pid = os.getpid()

    def of(self, room: str) -> list[Member]:
        return [BOB, ADA] if room == "a" else []


@pytest.fixture
def sources() -> Iterator[None]:
    used = [Source(), Source()]
    for source in used:
        use_source(source)
    yield
    for source in used:
        forget_source(source)
        forget_source(source)


@pytest.mark.usefixtures("sources")
def test_process_that_serves_answers_by_itself() -> None:
    assert members("a") == [ADA, BOB]
    assert members("b") == []


@pytest.mark.asyncio
@pytest.mark.usefixtures("sources")
async def test_async_twin() -> None:
    assert await amembers("a") == [ADA, BOB]


@pytest.mark.usefixtures("sources")
def test_forked_process_does_not_answer_for_its_parent(
    bus: MemoryBus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(presence_api, "_read", None)
    monkeypatch.setattr(presence_api, "_reader", None)
    read_by(bus, lambda: 2**20)
    pid = os.getpid()
    monkeypatch.setattr(os, "getpid", lambda: pid + 1)
    assert members("a") == []  # on this bus, no other process can be heard


@pytest.mark.parametrize(("room", "error"), [(7, TypeError), ("", ValueError), ("\n", ValueError)])
def test_what_is_no_room(room: Any, error: type[Exception]) -> None:
    with pytest.raises(error):
        members(room)


def test_process_without_the_application(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(presence_api, "_read", None)
    monkeypatch.setattr(presence_api, "_sources", [])
    with pytest.raises(RuntimeError, match="INSTALLED_APPS"):
        members("a")
