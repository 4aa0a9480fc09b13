"""Where a handshake comes from: a proxy that tells the scheme, a script name, many cookies."""

import json
from collections.abc import Callable
from html import unescape
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus

from tests.acceptance.client import connect
from tests.acceptance.commands import running
from tests.acceptance.servers import START_SECONDS, Server
from tests.ports import free_port

SECURE = json.dumps({"SECURE_PROXY_SSL_HEADER": ["HTTP_X_FORWARDED_PROTO", "https"]})


def client_url(page: str) -> str:
    """Where the page's client opens its socket."""
    options = unescape(page).partition('data-wsrequest="')[2].partition('}"')[0] + "}"
    return str(json.loads(options)["url"])


@pytest.mark.parametrize("value", ["wss", "https", "wss, ws"])
def test_proxy_may_tell_the_scheme_of_the_socket(serve: Callable[..., Server], value: str) -> None:
    """Traefik tells wss of a handshake."""
    server = serve("uvicorn-sansio", PROJECT_DJANGO=SECURE)
    sent = {"X-Forwarded-Proto": value}
    with connect(server, origin=f"https://{server.host}", headers=sent) as client:
        told = client.get("/echo/").data
        assert told["secure"] is True
        assert told["meta"]["HTTP_X_FORWARDED_PROTO"] == value.replace("wss", "https").replace(
            ", ws", ",http"
        )
    for wrong in ("ws", "http"):
        with pytest.raises(InvalidStatus) as caught:
            with connect(
                server, origin=f"https://{server.host}", headers={"X-Forwarded-Proto": wrong}
            ):
                pass
        assert caught.value.response.status_code == 403
        assert b"SECURE_PROXY_SSL_HEADER wants X-Forwarded-Proto: https" in (
            caught.value.response.body or b""
        )


@pytest.mark.parametrize(
    ("kind", "forced", "prefix"),
    [
        ("uvicorn-sansio", "/app", "/app"),
        ("uvicorn-sansio", "/app", ""),
        ("granian", "/app", "/app"),
        ("hypercorn-mounted", None, "/app"),
        ("hypercorn-mounted", None, ""),
        # uvicorn puts its root path in front of the path, so HTTP wants the prefix taken off.
        ("uvicorn-mounted", None, ""),
    ],
)
def test_page_opens_its_socket_below_the_script_name(
    serve: Callable[..., Server], kind: str, forced: str | None, prefix: str
) -> None:
    """Whether a proxy keeps the prefix or takes it off, HTTP and the socket are found."""
    server = serve(kind, PROJECT_DJANGO=json.dumps({"FORCE_SCRIPT_NAME": forced}))
    page = server.http("GET", f"{prefix}/client-page/")
    assert (page.status, client_url(page.body.decode())) == (200, "/app/ws/")
    with connect(server, path=f"{prefix}/ws/") as client:
        told = client.get("/app/echo/").data
        assert told["meta"]["SCRIPT_NAME"] == "/app"
        assert told["meta"]["PATH_INFO"] == "/echo/"
        assert client_url(client.get("/app/client-page/").data) == "/app/ws/"
    assert server.http("GET", f"{prefix}/ws/").status == 426  # where tickets are taken


@pytest.mark.parametrize(
    "command",
    [("runwebsockets",), ("runwebsockets", "--workers", "2"), ("runserver", "--noreload")],
    ids=" ".join,
)
def test_handshake_with_large_cookies_is_answered(
    project_data: Path, command: tuple[str, ...]
) -> None:
    """websockets ends a line at 8,190 bytes, and uvicorn then never answers."""
    port = free_port()
    name, *options = command
    with running(project_data, name, f"127.0.0.1:{port}", *options, port=port) as server:
        cookies = {"large": "x" * 60_000, "after": "1"}
        with connect(server, cookies=cookies, open_timeout=START_SECONDS) as client:
            assert client.get("/echo/").data["cookies"] == cookies
