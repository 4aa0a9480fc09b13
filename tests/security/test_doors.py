"""The doors beside the messages: the handshake's terms, and the ticket by HTTP."""

from typing import Any

import pytest

from tests.acceptance.client import connect
from tests.acceptance.servers import Server
from tests.unit.test_asgi import (
    BROWSER,
    ORIGIN,
    Wire,
    accepted,
    call,
    handshake,
    hang_up,
    headers_of,
    running,
    status,
    ticket_of,
)
from wsrequest import wiring
from wsrequest.asgi import get_websocket_application


@pytest.mark.asyncio
async def test_socket_without_tls_is_refused_where_http_is_redirected(settings: Any) -> None:
    settings.SECURE_SSL_REDIRECT = True
    async with running() as application:
        start, body = await handshake(application).ends()
        assert start["status"] == 403
        assert b"wss" in body["body"]
        await hang_up(await accepted(handshake(application, scheme="wss")))
        settings.SECURE_REDIRECT_EXEMPT = [r"^ws/$"]
        await hang_up(await accepted(handshake(application)))


@pytest.mark.asyncio
async def test_ticket_in_the_query_is_none() -> None:
    """A link, an image or a form of a foreign page can have a query, and no such header."""
    async with running() as application:
        ticket = await ticket_of(application)
        scope = {
            "type": "http",
            "method": "POST",
            "path": "/ws/",
            "headers": headers_of({"origin": ORIGIN}),
            "query_string": ticket.encode(),
        }
        wire = Wire(application, scope)
        assert status(await wire.ends()) == 426
        asked: dict[str, Any] = {"x_wsrequest_ticket": ticket, "origin": ORIGIN, "cookie": BROWSER}
        redeemed = await call(application, "POST", **asked).ends()
        assert status(redeemed) == 204


@pytest.mark.asyncio
async def test_cookie_that_could_split_a_response_is_left_out() -> None:
    """A view may build an attribute of what a client sent; Django does not look at it."""
    lines = ["a=1; Path=/x\r\nX-Evil: 1", "b=1; Path=/\x85", "c=1; Path=/€", "d=1; Path=/fine"]
    async with running() as application:
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(wiring, "_redeem", lambda *asked: lines)
            wire = call(application, "POST", x_wsrequest_ticket="t", origin=ORIGIN)
            events = await wire.ends()
    set_cookies = [value for name, value in events[0]["headers"] if name == b"set-cookie"]
    assert set_cookies == [b"d=1; Path=/fine"]


def test_socket_is_no_url_of_the_project(any_server: Server) -> None:
    """No message can go round in circles."""
    with connect(any_server) as client:
        for url in ("/ws/", "/ws", "/%77s/", "/ws/?a=1"):
            assert client.get(url).status == 404


@pytest.mark.asyncio
async def test_origin_check_knows_nothing_of_csrf_settings(settings: Any) -> None:
    settings.CSRF_TRUSTED_ORIGINS = ["https://evil.example", "https://*.example"]
    settings.CSRF_COOKIE_DOMAIN = ".example"
    async with running() as application:
        headers = {"origin": "https://evil.example"}
        assert status(await handshake(application, headers=headers).ends()) == 403


@pytest.mark.asyncio
async def test_origin_is_checked_without_any_middleware(settings: Any) -> None:
    settings.MIDDLEWARE = []
    application = get_websocket_application()
    headers = {"origin": "https://evil.example"}
    assert status(await handshake(application, headers=headers).ends()) == 403
