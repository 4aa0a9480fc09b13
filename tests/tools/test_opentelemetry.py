"""OpenTelemetry: each message is a server span, and what is done for it stands below."""

from functools import partial
from http.client import HTTPConnection
from typing import Any
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.acceptance.accounts import log_in, redeem, sign_up
from tests.acceptance.client import connect
from tests.tools.recorded import Tool

TOOL = "opentelemetry"
CREDIT = 1_000_000


def target(mark: str) -> Any:
    return lambda span: mark in str(span["attributes"].get("http.target"))


def trace_of(span: dict[str, Any]) -> str:
    found: str = span["context"]["trace_id"]
    return found


def is_select_of(span: dict[str, Any], found: dict[str, Any]) -> bool:
    is_below: bool = found["parent_id"] == span["context"]["span_id"]
    return is_below and found["name"] == "SELECT"


def of_message(tool: Tool, mark: str) -> dict[str, Any]:
    """The one span of the message whose query has a mark."""
    (span,) = tool.wait_for("span", target(mark))
    return span


def sends_of(tool: Tool, message: dict[str, Any], count: int) -> list[dict[str, Any]]:
    """What was sent in the trace of a message."""

    def holds(span: dict[str, Any]) -> bool:
        is_send = span["attributes"].get("asgi.event.type") == "websocket.send"
        return is_send and trace_of(span) == trace_of(message)

    return tool.wait_for("span", holds, count)


@pytest.mark.parametrize("path", ["/rows/", "/rows/async/", "/stream/", "/stream/async/", "/file/"])
def test_a_message_is_a_server_span_and_its_frames_are_sent_below(tool: Tool, path: str) -> None:
    mark = uuid4().hex
    with connect(tool.server) as client:
        answer = client.get(f"{path}?text={mark}", credit=CREDIT)
    span = of_message(tool, mark)
    assert span["kind"] == "SpanKind.SERVER" and span["parent_id"] is None
    assert span["attributes"]["http.target"] == f"{path}?text={mark}"
    assert span["attributes"]["http.method"] == "GET"
    assert span["attributes"]["http.status_code"] == answer.status
    sends = sends_of(tool, span, len(answer.frames))
    assert len(sends) == len(answer.frames)
    assert {send["parent_id"] for send in sends} == {span["context"]["span_id"]}


@pytest.mark.parametrize("path", ["/who/", "/who/async/", "/fault/missing/", "/no/such/page/"])
def test_a_span_names_the_protocol_and_the_connection(tool: Tool, path: str) -> None:
    marks = [uuid4().hex for _ in range(2)]
    with connect(tool.server) as one, connect(tool.server) as two:
        for client, mark in zip((one, two), marks, strict=True):
            client.get(f"{path}?{mark}")
    attributes = [of_message(tool, mark)["attributes"] for mark in marks]
    assert {a["network.protocol.name"] for a in attributes} == {"websocket"}
    ids = [a["wsrequest.connection.id"] for a in attributes]
    assert ids[0] != ids[1]
    for id in ids:
        assert f"connection {id} opened" in tool.server.log()
    assert not [a for a in attributes if "wsrequest.rerun" in a]


def test_a_rerun_says_that_it_is_one_and_no_client_s(tool: Tool) -> None:
    mark = uuid4().hex
    with connect(tool.server) as client:
        id = client.send("GET", f"/api/notes/?{mark}", subscribe=True)
        client.receive_for(id)
        client.request("POST", "/api/notes/", data={"text": mark})
        while mark not in str(client.receive_for(id).head):
            pass
    spans = tool.wait_for("span", target(mark), 2)
    first, *reruns = [span["attributes"] for span in spans if span["kind"] == "SpanKind.SERVER"]
    assert first["network.protocol.name"] == "websocket" and "wsrequest.rerun" not in first
    assert reruns
    for rerun in reruns:
        assert rerun["wsrequest.rerun"] is True and "network.protocol.name" not in rerun


def test_a_stream_of_events_is_http(tool: Tool) -> None:
    mark = uuid4().hex
    stream = HTTPConnection("127.0.0.1", tool.server.port, timeout=20)
    try:
        url = quote(f"/api/notes/?{mark}")
        stream.request("GET", f"/ws/?url={url}", headers={"Accept": "text/event-stream"})
        assert stream.getresponse().status == 200
        found = tool.wait_for("span", target(mark))
        described = [a for a in (s["attributes"] for s in found) if "wsrequest.connection.id" in a]
        assert [a["network.protocol.name"] for a in described] == ["http"]
    finally:
        stream.close()


def test_the_trace_of_a_message_goes_on(tool: Tool) -> None:
    trace, parent = uuid4().hex, "00f067aa0ba902b7"
    with connect(tool.server) as client:
        client.get(f"/who/?{trace}", headers={"traceparent": f"00-{trace}-{parent}-01"})
    span = of_message(tool, trace)
    assert (trace_of(span), span["parent_id"]) == (f"0x{trace}", f"0x{parent}")


def test_messages_of_sockets_and_threads_are_nobody_s_children(tool: Tool) -> None:
    """A thread that was begun for one message gives its context to no later one."""
    server, marks = tool.server, [uuid4().hex for _ in range(12)]
    with connect(server) as one, connect(server) as two:
        ids = []
        for n, mark in enumerate(marks):
            client = (one, two)[n % 2]
            path = "/sleep/async/" if n % 3 == 0 else "/sleep/"
            ids.append((client, client.send("GET", f"{path}?seconds=0.05&name={mark}")))
        for client, id in ids:
            assert client.answer(id).status == 200
    spans = [of_message(tool, mark) for mark in marks]
    assert {span["parent_id"] for span in spans} == {None}
    assert len({trace_of(span) for span in spans}) == len(marks)


def test_no_frame_is_sent_by_nobody(tool: Tool) -> None:
    """The greeting and pongs belong to the socket, whose span the ASGI middleware has made."""
    server = tool.server
    with connect(server) as client:
        client.settle()
        client.get("/who/")
    tool.wait_for("span", lambda span: span["name"].endswith("websocket receive"), 2)
    sends = [
        span
        for span in tool.all("span")
        if str(span["attributes"].get("asgi.event.type")) == "websocket.send"
    ]
    assert sends and None not in {send["parent_id"] for send in sends}


def test_a_ticket_is_made_in_its_request_and_redeemed_in_its_own(tool: Tool) -> None:
    server = tool.server
    name, mark = sign_up(server), uuid4().hex
    with connect(server, origin=server.origin) as client:
        answer = log_in(client, name)
        ticket = answer.first.head["cookies"]
        assert client.get(f"/who/?{mark}").data["user"] == name
        browser = client.browser
    of_message(tool, mark)
    login = [span for span in tool.all("span") if span["name"] == "POST log-in/"][-1]
    # The ticket is a session of its own: two are written, the last by nobody but this request.
    inserts = [
        span
        for span in tool.all("span")
        if span["name"] == "INSERT" and "django_session" in span["attributes"]["db.statement"]
    ]
    assert {trace_of(span) for span in inserts[-2:]} == {trace_of(login)}
    assert {span["parent_id"] for span in inserts[-2:]} == {login["context"]["span_id"]}
    assert redeem(server, ticket, server.origin, browser).status == 204
    (deleted,) = tool.wait_for(
        "span",
        lambda span: (
            span["name"] == "DELETE"
            and "django_session" in span["attributes"]["db.statement"]
            and span["parent_id"] is not None
        ),
    )
    (post,) = tool.wait_for("span", lambda span: span["name"] == "POST /ws/")
    assert deleted["parent_id"] == post["context"]["span_id"]


def test_all_sql_of_messages_stands_below_them(tool: Tool) -> None:
    with connect(tool.server) as client:
        mark = uuid4().hex
        client.get(f"/rows/?text={mark}")
        client.get(f"/rows/async/?text={mark}-async")
    for which in (mark + "-async", mark):
        span = tool.wait_for("span", target(which))[0]
        selects = tool.wait_for("span", partial(is_select_of, span))
        assert {trace_of(found) for found in selects} == {trace_of(span)}
