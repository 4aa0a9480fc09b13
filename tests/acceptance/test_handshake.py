"""Who may open a socket, what the path answers to plain HTTP, and HTTP beside it."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import Any

import pytest
from websockets.exceptions import InvalidStatus
from websockets.http11 import Response

from tests.acceptance.client import connect
from tests.acceptance.servers import REFUSES_BY_STATUS_ONLY, Server


def refused(server: Server, **options: Any) -> Response:
    """Try to connect and return the response that refused it."""
    with pytest.raises(InvalidStatus) as caught, connect(server, **options):
        pass
    return caught.value.response


@pytest.mark.parametrize("own", [True, False], ids=["the server's own", "listed"])
def test_origin_that_may_connect(server: Server, own: bool) -> None:
    with connect(server, origin=server.origin if own else "https://app.example") as client:
        assert client.get("/ready/").data == "ready"


FOREIGN = [
    "https://evil.example",
    "null",
    "{origin}.evil.example",
    "https://app.example.evil.example",
    "https://evil-app.example",
    "http://app.example",
    "https://app.example:444",
    "http://127.0.0.1",
    "http://127.0.0.1:1",
    "https://{host}",
    "http://localhost:{port}",
    "{origin}/",
    "{origin}@evil.example",
    "file://",
]


@pytest.mark.parametrize("origin", FOREIGN)
def test_origin_that_is_foreign_is_refused_with_403(any_server: Server, origin: str) -> None:
    origin = origin.format(origin=any_server.origin, host=any_server.host, port=any_server.port)
    response = refused(any_server, origin=origin)
    assert response.status_code == 403
    assert origin.encode() in response.body


def test_origin_refusal_says_why(server: Server) -> None:
    response = refused(server, origin="https://evil.example")
    assert response.status_code == 403
    if server.kind not in REFUSES_BY_STATUS_ONLY:
        assert b"WSREQUEST_ALLOWED_ORIGINS" in response.body
    assert "https://evil.example" in server.log()


def test_origin_is_needed_where_the_setting_says_so(serve: Callable[..., Server]) -> None:
    server = serve(ALLOW_MISSING_ORIGIN=False)
    assert refused(server).status_code == 403
    with connect(server, origin=server.origin) as client:
        assert client.get("/ready/").data == "ready"


def test_host_that_is_not_allowed_is_refused(any_server: Server) -> None:
    """Though its origin is the same: a name that was made to point here (DNS rebinding)."""
    headers = {
        "Host": "evil.example",
        "Origin": "http://evil.example",
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    }
    page = any_server.http("GET", "/ws/", headers=headers)
    assert page.status == 400
    assert b"ALLOWED_HOSTS" in page.body


def test_path_other_than_the_sockets_is_refused(server: Server) -> None:
    response = refused(server, path="/echo/")
    assert response.status_code in ({403} if server.kind in REFUSES_BY_STATUS_ONLY else {404})


def test_path_is_a_setting(serve: Callable[..., Server]) -> None:
    server = serve(PATH="/live/socket")
    with connect(server, path="/live/socket") as client:
        assert client.get("/ready/").data == "ready"
    assert server.http("GET", "/live/socket").status == 426
    assert server.http("GET", "/ws/").status == 404


def test_query_of_the_handshake_is_not_that_of_requests(any_server: Server) -> None:
    with connect(any_server, path="/ws/?a=1") as client:
        assert client.get("/echo/").data["query"] == {}


def test_get_by_http_is_answered_426_with_a_text_that_helps(server: Server) -> None:
    page = server.http("GET", "/ws/")
    assert page.status == 426
    assert page.headers["Upgrade"].lower() == "websocket"
    assert page.headers["Content-Type"].startswith("text/plain")
    assert b"WebSocket" in page.body


def test_http_is_served_beside_the_socket(server: Server) -> None:
    with connect(server) as client:
        assert client.get("/ready/").data == "ready"
        page = server.http("POST", "/echo/?a=1", b"body", {"X-A": "1"})
        told = page.json()
        assert (told["method"], told["length"], told["headers"]["X-A"]) == ("POST", 4, "1")
        assert told["websocket"] is None
        assert server.http("GET", "/stream/async/").body.startswith(b"piece 0")
        assert server.http("GET", "/no/such/page/").status == 404


def test_connections_are_limited_in_all(serve: Callable[..., Server]) -> None:
    server = serve(MAX_CONNECTIONS=3)
    with ExitStack() as stack:
        clients = [stack.enter_context(connect(server)) for _ in range(3)]
        response = refused(server)
        assert response.status_code == 503
        assert b"WSREQUEST_MAX_CONNECTIONS" in response.body
        assert clients[0].get("/ready/").data == "ready"


def test_connections_are_limited_by_address_and_free_again(serve: Callable[..., Server]) -> None:
    server = serve(MAX_CONNECTIONS_PER_ADDRESS=2)
    with connect(server):
        for _ in range(5):
            with connect(server) as second:
                assert second.get("/ready/").data == "ready"
                assert refused(server).status_code == 429
