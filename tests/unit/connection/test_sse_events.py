"""Events over server-sent events: in the query, and as events with a name (PROTOCOL.md 4.11)."""

import asyncio
import json
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.unit.live_views import DATABASE, commit, live_service
from tests.unit.peer import SECONDS, base, pool_open
from wsrequest.connection.sse import SSEResponse
from wsrequest.connection.sse_codec import request_of
from wsrequest.errors import Refused
from wsrequest.push.events import Event
from wsrequest.server.context import ConnectionConfig, ServerContext
from wsrequest.types import Limits


@pytest.fixture(autouse=True)
def _views(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.unit.live_views"


def ask(**query: Any) -> Any:
    query = {"url": "/room/a/", **query}
    return request_of(urlencode(query, doseq=True).encode(), base(), ())


def test_query_asks_for_events() -> None:
    request = ask(events=["room", "user", "moods"], since='{"a":"k:1"}')
    assert request.events == ("room", "user") and request.since == {"a": "k:1"}
    assert ask(events="room").since == {}
    assert ask(since='{"a":"k:1"}').events == ()


@pytest.mark.parametrize(
    ("code", "since"),
    [
        ("bad_json", ""), ("bad_json", "{"), ("bad_json", "{}x"), ("bad_json", "[" * 1000),
        ("bad_json", "\ud800"), ("bad_message", "[]"), ("bad_message", '{"a":1}'),
        ("bad_message", json.dumps({str(number): "" for number in range(257)})),
    ],
)  # fmt: skip
def test_positions_that_are_none(code: str, since: str) -> None:
    query = f"url=/room/a/&events=room&{urlencode({'since': since}, errors='surrogatepass')}"
    with pytest.raises(Refused) as refused:
        request_of(query.encode(), base(), ())
    assert refused.value.code == code


class Client:
    """One that reads a stream."""

    def __init__(self, server: ServerContext, **query: Any) -> None:
        self.text = ""
        self._leaves = asyncio.Event()
        config = ConnectionConfig(Limits(ping_seconds=SECONDS))
        stream = SSEResponse(self._send, base(), server, config, [])
        self.task = asyncio.create_task(stream.run(self._receive, ask(**query)))

    async def _send(self, event: dict[str, Any]) -> None:
        self.text += event.get("body", b"").decode()

    async def _receive(self) -> dict[str, Any]:
        await self._leaves.wait()
        return {"type": "http.disconnect"}

    async def comes(self, count: int) -> list[list[str]]:
        async with asyncio.timeout(SECONDS):
            while self.text.count("\n\n") < count:  # noqa: ASYNC110  # nothing tells of it
                await asyncio.sleep(0)
        return [event.split("\n") for event in self.text.split("\n\n")[:-1]]

    async def leave(self) -> None:
        self._leaves.set()
        await asyncio.wait_for(self.task, SECONDS)


@pytest.mark.asyncio
async def test_events_have_a_name_that_a_handler_of_messages_does_not_get() -> None:
    async with pool_open(2) as pool, live_service(pool) as server:
        client = Client(server, events="room")
        _, rooms = await client.comes(2)
        room = json.loads(rooms[1].removeprefix("data: "))["rooms"][0]
        assert rooms[0] == "event: push" and room["room"] == "a"
        DATABASE[0].push.receive(0, Event("room", "a", "typing", b'{"text":"a\\nb"}'))
        event = (await client.comes(3))[2]
        assert event[0] == "event: push" and len(event) == 2
        found = json.loads(event[1].removeprefix("data: "))
        assert found["event"] == "typing" and found["data"] == {"text": "a\nb"}
        commit(a=["b"])
        assert '"room":"b"' in (await client.comes(4))[3][1]
        await client.leave()
        again = Client(server, events="room", since=json.dumps({"b": "other:1"}))
        assert '"missed":true' in (await again.comes(2))[1][1]
        await again.leave()
        assert len(DATABASE[0].push) == 0
