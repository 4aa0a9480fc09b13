"""New Relic's agent, in its developer mode: one web transaction for each message."""

from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.client import connect
from tests.acceptance.servers import wait_until
from tests.tools.recorded import Tool

TOOL = "newrelic"
CREDIT = 1_000_000


@pytest.mark.parametrize(
    ("path", "view"),
    [
        ("/who/", "accounts:who"),
        ("/who/async/", "accounts:async_who"),
        ("/stream/", "streams:stream"),
        ("/stream/async/", "streams:async_stream"),
        ("/fault/raise/", "faults:fail"),
        ("/fault/raise/async/", "faults:async_fail"),
    ],
)
def test_a_message_is_one_web_transaction(tool: Tool, path: str, view: str) -> None:
    name = f"WebTransaction/Function/tests.project.views.{view}"
    with connect(tool.server) as client:
        answer = client.get(path, credit=CREDIT)
    (found,) = tool.wait_for("transaction", lambda each: each["name"] == name)
    assert found["errors"] == (["builtins:RuntimeError"] if answer.status == 500 else [])


def test_a_stream_that_goes_on_has_nothing_of_later_messages(tool: Tool) -> None:
    """The agent keeps its transaction by thread, and the thread serves others meanwhile."""
    mark, count = uuid4().hex, 8

    def holds(each: dict[str, Any]) -> bool:
        return str(each["name"]).endswith("plain:language")

    before = len(tool.all("transaction"))
    with connect(tool.server) as client:
        ids = [
            client.send("GET", f"/events/async/?name={mark}", credit=CREDIT) for _ in range(count)
        ]
        for id in ids:
            assert client.receive_for(id).head["status"] == 200
        for _ in range(count):
            assert client.get("/language/").status == 200
        tool.wait_for("transaction", holds, count)
        names = [each["name"].rpartition(":")[2] for each in tool.all("transaction")[before:]]
        assert sorted(names) == ["async_events"] * count + ["language"] * count


@pytest.mark.parametrize("path", ["/events/async/", "/events/"])
def test_an_endless_stream_streams(tool: Tool, path: str) -> None:
    mark = uuid4().hex
    with connect(tool.server) as client:
        id = client.send("GET", f"{path}?name={mark}", credit=CREDIT)
        assert client.receive_for(id).head["status"] == 200
        pieces = [client.receive_for(id).body for _ in range(3)]
        assert pieces == [b"data: %d\n\n" % n for n in range(3)]
        client.send_frame(id=id, cancel=True)
        progress = f"/stream/progress/?name={mark}"
        wait_until(lambda: client.get(progress).data["closed"] == 1)
    view = "async_events" if "async" in path else "events"
    tool.wait_for("transaction", lambda each: each["name"].endswith(f"streams:{view}"))


def test_nothing_of_the_agent_fails(tool: Tool) -> None:
    assert "newrelic" not in tool.server.log() or "ERROR - " not in tool.server.log()
