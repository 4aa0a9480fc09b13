"""Sentry: one transaction for each message, and nothing of one message in another's events."""

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.accounts import log_in, sign_up
from tests.acceptance.client import Client, connect
from tests.acceptance.servers import wait_until
from tests.tools.recorded import Tool, watched_by

TOOL = "sentry"
CREDIT = 1_000_000


def query(mark: str) -> Any:
    return lambda event: mark in (event.get("request", {}).get("query_string") or "")


def trace_of(event: dict[str, Any]) -> str:
    found: str = event["contexts"]["trace"]["trace_id"]
    return found


@pytest.mark.parametrize("path", ["/fault/raise/", "/fault/raise/async/", "/stream/broken/"])
def test_the_error_of_one_visitor_has_nothing_of_another(tool: Tool, path: str) -> None:
    server, mark, bobs = tool.server, uuid4().hex, uuid4().hex
    bob = sign_up(server)
    with connect(server, origin=server.origin) as one, connect(server) as two:
        assert log_in(one, bob).status == 200
        assert one.get(f"/who/?{bobs}").data["user"] == bob
        two.get(f"{path}?{mark}", credit=CREDIT)
        one.get(f"/fault/raise/?{bobs}")
    (event,) = tool.wait_for("event", query(mark))
    assert event["user"].keys() == {"ip_address"}
    assert bob not in str(event) and bobs not in str(event)
    assert event["request"]["url"] == server.origin + path
    assert event["exception"]["values"][-1]["type"] == "RuntimeError"
    (of_bob,) = tool.wait_for("event", query(bobs))
    assert of_bob["user"]["username"] == bob
    assert trace_of(of_bob) != trace_of(event)
    transactions = [*tool.wait_for("transaction", query(mark)), *tool.all("transaction")]
    same = [found for found in transactions if trace_of(found) == trace_of(event)]
    assert {found["request"]["query_string"] for found in same} == {mark}


def test_visitors_at_the_same_time_do_not_mix(tool: Tool) -> None:
    """Many requests of two visitors in flight at once, sync and async, on as few threads."""
    server, count = tool.server, 20
    marks = {sign_up(server): uuid4().hex for _ in range(2)}
    clients: list[tuple[str, Client]] = []
    with (
        connect(server, origin=server.origin) as one,
        connect(server, origin=server.origin) as two,
    ):
        for client, name in zip((one, two), marks, strict=True):
            assert log_in(client, name).status == 200
            clients.append((name, client))
        ids = []
        for n in range(count):
            path = "/fault/raise/async/" if n % 2 else "/fault/raise/"
            for name, client in clients:
                headers = {"X-Mark": marks[name]}
                ids.append((client, client.send("GET", f"{path}?{marks[name]}", headers=headers)))
        for client, id in ids:
            assert client.answer(id).status == 500
    for name, mark in marks.items():
        events = tool.wait_for("event", query(mark), count)
        assert len(events) == count == len({trace_of(event) for event in events})
        (other,) = marks.keys() - {name}
        for event in events:
            # In an async view Sentry cannot ask the session, and so tells no user.
            is_sync = event["transaction"] == "/fault/raise/"
            assert event["user"].get("username") in ((name,) if is_sync else (None, name))
            assert event["request"]["headers"]["X-Mark"] == mark
            assert other not in str(event) and marks[other] not in str(event)


def test_each_message_is_one_transaction_and_the_socket_is_none(tool: Tool) -> None:
    server, mark = tool.server, uuid4().hex
    name = sign_up(server)
    paths = ["/who/", "/who/async/", "/stream/", "/stream/async/", "/file/"]
    with connect(server, origin=server.origin) as client:
        assert log_in(client, name).status == 200
        for path in paths:
            assert client.get(f"{path}?{mark}", credit=CREDIT).status == 200
        assert client.request("POST", f"/echo/?{mark}", data={}).status == 200
        assert client.get(f"/fault/missing/?{mark}").status == 404
    found = tool.wait_for("transaction", query(mark), len(paths) + 2)
    seen = [
        (
            each["transaction"],
            each["request"]["method"],
            each["request"]["url"].removeprefix(server.origin),
            each["contexts"]["trace"]["status"],
        )
        for each in found
    ]
    assert sorted(seen) == sorted(
        [
            *((path, "GET", path, "ok") for path in paths),
            ("/echo/", "POST", "/echo/", "ok"),
            ("/fault/missing/", "GET", "/fault/missing/", "not_found"),
        ]
    )
    users = {each["user"].get("username") for each in found if "/who/" in each["transaction"]}
    assert users == {name}
    assert len({trace_of(each) for each in found}) == len(found)
    assert not [each for each in tool.all("transaction") if "/ws/" in str(each["request"]["url"])]


def test_the_trace_of_a_message_goes_on(tool: Tool) -> None:
    trace = uuid4().hex
    with connect(tool.server) as client:
        client.get("/fault/raise/", headers={"sentry-trace": f"{trace}-00f067aa0ba902b7-1"})
    assert tool.wait_for("event", lambda event: trace_of(event) == trace)


@pytest.mark.parametrize("path", ["/events/async/", "/events/"])
def test_an_endless_stream_streams(tool: Tool, path: str) -> None:
    """Sentry wraps the response; iterating that would collect an async body before it is sent."""
    server, mark = tool.server, uuid4().hex
    with connect(server) as client:
        id = client.send("GET", f"{path}?name={mark}", credit=CREDIT)
        assert client.receive_for(id).head["status"] == 200
        pieces = [client.receive_for(id).body for _ in range(3)]
        assert pieces == [b"data: %d\n\n" % n for n in range(3)]
        client.send_frame(id=id, cancel=True)
        progress = f"/stream/progress/?name={mark}"
        wait_until(lambda: client.get(progress).data["closed"] == 1)
    (transaction,) = tool.wait_for(
        "transaction", lambda found: path == found["transaction"] and query(mark)(found)
    )
    assert transaction["contexts"]["trace"]["status"] == "ok"


def test_each_run_of_a_live_request_is_a_transaction(tool: Tool) -> None:
    mark = uuid4().hex
    with connect(tool.server) as client:
        id = client.send("GET", f"/live/public/?{mark}", subscribe=True)
        assert client.receive_for(id).head["status"] == 200
        assert client.request("POST", f"/rows/write/?text={mark}").status == 201
        assert mark in client.receive_for(id).head["data"]["texts"]
    found = tool.wait_for(
        "transaction",
        lambda each: query(mark)(each) and each["transaction"] == "/live/public/",
        2,
    )
    assert len({trace_of(each) for each in found}) == len(found) == 2


@pytest.mark.parametrize("path", ["/stream/broken/async/", "/stream/broken/"])
def test_a_body_that_fails_is_an_error_of_its_request(tool: Tool, path: str) -> None:
    mark, before = uuid4().hex, uuid4().hex
    with connect(tool.server) as client:
        client.get(f"/fault/raise/?{before}")
        answer = client.get(f"{path}?{mark}", credit=CREDIT)
        assert answer.error is not None
    (event,) = tool.wait_for("event", query(mark))
    assert event["request"]["url"].endswith(path) and before not in str(event)


def test_a_request_that_its_client_cancels_is_no_error(tool: Tool) -> None:
    mark = uuid4().hex
    with connect(tool.server) as client:
        id = client.send("GET", f"/sleep/async/?seconds=30&name={mark}")
        wait_until(lambda: client.get(f"/state/?name={mark}").data["started"])
        client.send_frame(id=id, cancel=True)
        (transaction,) = tool.wait_for(
            "transaction", lambda found: query(mark)(found) and "/sleep" in found["transaction"]
        )
        assert transaction["contexts"]["response"]["status_code"] == 499
        client.get(f"/fault/raise/?after-{mark}")
    (event,) = tool.wait_for("event", query(mark))
    assert event["request"]["query_string"] == f"after-{mark}"


@pytest.mark.parametrize("kind", ["uvicorn-wsproto", "hypercorn", "daphne", "granian"])
def test_other_servers_do_not_mix_visitors_either(project_data: Path, kind: str) -> None:
    with watched_by(TOOL, project_data, kind) as tool:
        test_the_error_of_one_visitor_has_nothing_of_another(tool, "/fault/raise/")
