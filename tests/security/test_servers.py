"""What the ASGI servers hold, not we: seen on each of the five."""

import pytest

from tests.acceptance.servers import Server

UPGRADE = {"Connection": "Upgrade", "Upgrade": "websocket"}
KEY = {"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({**UPGRADE, **KEY, "Sec-WebSocket-Version": "8"}, id="draft-of-2011"),
        pytest.param({**UPGRADE, "Sec-WebSocket-Version": "13"}, id="without-key"),
        pytest.param({**UPGRADE, "Sec-WebSocket-Key1": "4 @1  46546xW%0l 1 5"}, id="hixie-76"),
    ],
)
def test_handshake_of_another_protocol_is_refused(server: Server, headers: dict[str, str]) -> None:
    page = server.http("GET", "/ws/", headers={"Origin": server.origin, **headers})
    assert 400 <= page.status < 500, page
