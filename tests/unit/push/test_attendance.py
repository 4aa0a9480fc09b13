"""What a live request is told of its rooms, and of losses, across the runs that fail."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from tests.unit.push.test_registry import Client
from wsrequest.protocol.messages import Event as EventMessage
from wsrequest.protocol.messages import Missed, Rooms
from wsrequest.protocol.server_codec import decode_server
from wsrequest.push.attendance import Attendance
from wsrequest.push.events import Audience, Event, Join
from wsrequest.push.history import HistoryStore
from wsrequest.push.registry import Registry

pytestmark = pytest.mark.asyncio
AUDIENCE = Audience((Join("a"),), "ada")


@pytest_asyncio.fixture
async def registry() -> AsyncIterator[Registry]:
    made = Registry(asyncio.get_running_loop(), HistoryStore(5, 60.0, 2**20))
    yield made
    made.stop()


def attend(registry: Registry, client: Client, since: Any = None) -> Attendance:
    return Attendance(registry, client.listener, 9, ("room", "user", "session"), since, 256)


def told(client: Client) -> list[object]:
    """Whether events of a room were missed, the kinds of others that were, and events, in order."""
    found: list[object] = []
    for message in map(decode_server, client.frames):
        if isinstance(message, Rooms):
            found += [room.missed for room in message.rooms]
        elif isinstance(message, Missed):
            found.append(message.to)
        elif isinstance(message, EventMessage):
            found.append(message.event)
    client.frames.clear()
    return found


async def test_loss_that_could_not_be_told_is_told_after_a_failure(registry: Registry) -> None:
    client = Client()
    attendance = attend(registry, client, {"a": "other:12"})
    client.waiting_bytes = client.max_bytes
    attendance.update(AUDIENCE, None)
    assert attendance.positions() == {"a": ""}
    attendance.suspend()
    client.waiting_bytes = 0
    attendance.update(AUDIENCE, None)
    assert told(client)[-1] is True


async def test_events_to_the_user_during_a_failure_are_not_lost_silently(
    registry: Registry,
) -> None:
    client = Client()
    attendance = attend(registry, client)
    attendance.update(AUDIENCE, "session")
    assert told(client) == [None]
    attendance.suspend()
    registry.receive(0, Event("user", "ada", "call", b"1"))
    attendance.update(AUDIENCE, "session")
    assert told(client) == ["user", "session", False]
    attendance.update(AUDIENCE, "session")
    registry.receive(0, Event("user", "ada", "again", b"1"))
    assert told(client) == ["again"]


async def test_another_user_is_not_told_of_losses(registry: Registry) -> None:
    client = Client()
    attendance = attend(registry, client)
    attendance.update(AUDIENCE, None)
    attendance.suspend()
    told(client)
    attendance.update(Audience((), "eve"), None)
    assert told(client) == []
