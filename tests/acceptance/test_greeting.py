"""What the server says by itself: a greeting and pings to those who asked, else nothing."""

from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.client import Client, connect
from tests.acceptance.servers import Server


def test_hello_names_the_protocol_and_the_limits(client: Client) -> None:
    assert client.socket.subprotocol == "wsrequest.v1"
    assert client.hello == {
        "protocol": "wsrequest.v1",
        "ping_seconds": 25.0,
        "limits": {
            "message_bytes": 1048576,
            "body_bytes": 67108864,
            "in_flight": 64,
            "waiting": 256,
            "part_bytes": 131072,
            "window_bytes": 1048576,
            "subscriptions": 256,
        },
        "patches": ["json", "text"],
        "events": True,
    }
    assert client.settle() == []


def test_hello_tells_the_limits_that_are_set(serve: Callable[..., Server]) -> None:
    server = serve(
        MAX_MESSAGE_BYTES=2000,
        MAX_BODY_BYTES=3000,
        MAX_IN_FLIGHT=4,
        MAX_WAITING=5,
        PART_BYTES=6,
        WINDOW_BYTES=7,
        MAX_SUBSCRIPTIONS=9,
        PING_SECONDS=8.5,
    )
    with connect(server) as client:
        assert client.hello is not None
        assert client.hello["ping_seconds"] == 8.5
        assert client.hello["limits"] == {
            "message_bytes": 2000,
            "body_bytes": 3000,
            "in_flight": 4,
            "waiting": 5,
            "part_bytes": 6,
            "window_bytes": 7,
            "subscriptions": 9,
        }
        answer = client.get("/stream/", credit=100)
        assert answer.bytes == b"piece 0\npiece 1\npiece 2\n"
        assert max(len(frame.body or b"") for frame in answer.frames) == 6


@pytest.mark.parametrize("subprotocol", [None, "wsrequest.v9"], ids=["none", "another"])
def test_client_that_asks_for_nothing_gets_nothing(server: Server, subprotocol: str | None) -> None:
    with connect(server, subprotocol=subprotocol) as client:
        assert client.socket.subprotocol is None
        assert client.hello is None
        assert client.settle() == []
        client.socket.send('{"url":"/echo/"}')
        head = client.receive().head
        assert (head["status"], head["data"]["method"]) == (200, "GET")
        assert client.settle() == []


def test_client_without_subprotocol_gets_whole_answers(server: Server) -> None:
    with connect(server, subprotocol=None) as client:
        for url in ("/stream/", "/stream/async/", "/file/?bytes=500000", "/big-json/"):
            assert len(client.get(url).frames) == 1


def test_client_without_subprotocol_is_not_pinged(serve: Callable[..., Server]) -> None:
    """While a greeted one beside it is pinged three times."""
    server = serve(PING_SECONDS=0.2, PONG_SECONDS=1)
    with connect(server, subprotocol=None) as plain, connect(server) as greeted:
        assert plain.get("/ready/").data == "ready"
        for _ in range(3):
            greeted.send_frame(pong=greeted.receive().head["ping"])
        assert plain.settle() == []


@pytest.mark.parametrize("value", [1, "a", None, [1, {"b": 2.5}], {"t": "ü"}, True])
def test_ping_is_answered_by_its_value(client: Client, value: Any) -> None:
    client.send_frame(ping=value)
    assert client.receive().head == {"pong": value}


def test_ping_is_answered_to_a_client_without_subprotocol(server: Server) -> None:
    with connect(server, subprotocol=None) as client:
        client.send_frame(ping=7)
        assert client.receive().head == {"pong": 7}


def test_pong_that_nobody_asked_for_is_ignored(any_client: Client) -> None:
    any_client.send_frame(pong=1)
    assert any_client.settle() == []


@pytest.mark.documents("docs/bad-input.md", "it is silent")
def test_silent_client_is_pinged_and_then_closed(kind: str, serve: Callable[..., Server]) -> None:
    server = serve(kind, PING_SECONDS=0.2, PONG_SECONDS=0.8)
    with connect(server) as client:
        assert "ping" in client.receive().head
        client.send_frame(pong=1)
        assert "ping" in client.receive().head
        assert client.closed() == 4000


def test_client_that_never_asks_is_closed(serve: Callable[..., Server]) -> None:
    server = serve(FIRST_REQUEST_SECONDS=0.3)
    with connect(server, subprotocol=None) as silent, connect(server, subprotocol=None) as asking:
        assert asking.get("/ready/").data == "ready"
        assert silent.closed() == 4002
        assert asking.get("/ready/").data == "ready"
