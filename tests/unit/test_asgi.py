"""The application: paths, refusals, tickets by HTTP, lifespan, and the count of connections.

Long by its cases: one application, with a section for each kind of scope that it answers.
"""

import asyncio
import json
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from django.contrib.sessions.backends import cache as cache_sessions
from django.core.exceptions import ImproperlyConfigured

from tests.unit.peer import SECONDS
from tests.unit.views import STAGES
from wsrequest.asgi import Application, get_asgi_application, get_websocket_application
from wsrequest.connection.connection import Connection
from wsrequest.server import connections, rate_limiter

pytestmark = pytest.mark.asyncio
ORIGIN = "http://testserver"
BROWSER = "wsrequest_browser_0badcafe=" + "b" * 32


@pytest.fixture(autouse=True)
def _project(settings: Any) -> Iterator[None]:
    settings.ROOT_URLCONF = "tests.unit.views"
    settings.MIDDLEWARE = []
    settings.SESSION_ENGINE = "django.contrib.sessions.backends.cache"
    settings.CACHES = {"default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"}}
    STAGES.clear()
    yield
    STAGES.clear()


async def http(scope: Any, receive: Any, send: Any) -> None:
    """The project's HTTP: it says where it was asked for."""
    await send({"type": "http.response.start", "status": 299, "headers": []})
    await send({"type": "http.response.body", "body": scope["path"].encode()})


class Wire:
    """One call of the application: what it is told, and what it says."""

    def __init__(self, application: Application, scope: dict[str, Any]) -> None:
        self.inbox: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        self.events: list[dict[str, Any]] = []
        self._changed = asyncio.Event()
        self.task = asyncio.create_task(application(scope, self.inbox.get, self.send))

    async def send(self, event: dict[str, Any]) -> None:
        self.events.append(event)
        self._changed.set()

    async def until(self, kind: str) -> dict[str, Any]:
        async with asyncio.timeout(SECONDS):
            while True:
                found = [event for event in self.events if event["type"] == kind]
                if found:
                    return found[-1]
                self._changed.clear()
                await self._changed.wait()

    async def ends(self) -> list[dict[str, Any]]:
        await asyncio.wait_for(asyncio.shield(self.task), SECONDS)
        return self.events


def headers_of(named: dict[str, str]) -> list[tuple[bytes, bytes]]:
    return [(b"host", b"testserver")] + [(n.encode(), v.encode()) for n, v in named.items()]


def handshake(
    application: Application,
    path: str = "/ws/",
    *,
    address: str | None = "203.0.113.7",
    can_deny: bool = True,
    headers: dict[str, str] | None = None,
    **members: Any,
) -> Wire:
    scope = {
        "type": "websocket",
        "path": path,
        "headers": headers_of(headers or {}),
        "client": address and (address, 4711),
        "subprotocols": [],
        "extensions": {"websocket.http.response": {}} if can_deny else {},
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        **members,
    }
    wire = Wire(application, scope)
    wire.inbox.put_nowait({"type": "websocket.connect"})
    return wire


def call(
    application: Application,
    method: str,
    path: str = "/ws/",
    root_path: str = "",
    query: bytes = b"",
    **headers: str,
) -> Wire:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    scope = {
        "type": "http",
        "method": method,
        "path": path,
        "root_path": root_path,
        "headers": headers_of(named),
        "query_string": query,
    }
    wire = Wire(application, scope)
    wire.inbox.put_nowait({"type": "http.request", "body": b"", "more_body": False})
    return wire


async def accepted(wire: Wire) -> Wire:
    await wire.until("websocket.accept")
    return wire


async def hang_up(wire: Wire) -> None:
    wire.inbox.put_nowait({"type": "websocket.disconnect", "code": 1001})
    await wire.ends()


def say(wire: Wire, **frame: Any) -> None:
    wire.inbox.put_nowait({"type": "websocket.receive", "text": json.dumps(frame)})


def status(events: list[dict[str, Any]]) -> int:
    return int(events[0]["status"])


@asynccontextmanager
async def running(path: str | None = None) -> AsyncIterator[Application]:
    """An application between the startup and the shutdown of its server."""
    application = Application(http, path)
    before = set(threading.enumerate())
    lifespan = Wire(application, {"type": "lifespan"})
    lifespan.inbox.put_nowait({"type": "lifespan.startup"})
    await lifespan.until("lifespan.startup.complete")
    try:
        yield application
    finally:
        for stage in STAGES.values():
            stage.go.set()
        lifespan.inbox.put_nowait({"type": "lifespan.shutdown"})
        await lifespan.until("lifespan.shutdown.complete")
        await lifespan.ends()
        for thread in set(threading.enumerate()) - before:
            if thread.name == "wsrequest-worker":
                await asyncio.to_thread(thread.join, SECONDS)
                assert not thread.is_alive()


# Paths.


@pytest.mark.parametrize(
    ("configured", "argument", "path"),
    [("/ws/", None, "/ws/"), ("/live", None, "/live"), ("/ws/", "/other/", "/other/")],
)
async def test_the_socket_is_at_its_path(
    settings: Any, configured: str, argument: str | None, path: str
) -> None:
    settings.WSREQUEST_PATH = configured
    async with running(argument) as application:
        await hang_up(await accepted(handshake(application, path)))
        assert status(await handshake(application, path + "x").ends()) == 404
        assert status(await call(application, "GET", path).ends()) == 426
        assert status(await call(application, "GET", "/elsewhere/").ends()) == 299


@pytest.mark.parametrize("path", ["/app/ws/", "/ws/"], ids=["kept", "cut-by-the-server"])
async def test_the_socket_is_found_below_a_root_path(path: str) -> None:
    """Django takes both, since servers and proxies differ in what they leave of the path."""
    async with running() as application:
        wire = await accepted(handshake(application, path, root_path="/app"))
        say(wire, id=1, url="/app/quick/a/")
        answer = await wire.until("websocket.send")
        assert json.loads(answer["text"])["data"] == {"quick": "a"}
        await hang_up(wire)
        assert status(await call(application, "GET", path, root_path="/app").ends()) == 426


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        pytest.param("THREADS", "8", "(wsrequest.E001) WSREQUEST_THREADS is '8'", id="type"),
        pytest.param("PING_SECONDS", 0, "(wsrequest.E002) WSREQUEST_PING_SECONDS", id="minimum"),
        pytest.param("PATH", "ws/", "does not begin with a slash", id="path"),
        pytest.param("ALLOWED_ORIGINS", ["https://*.a.example"], "is a wildcard", id="wildcard"),
        pytest.param("FORBIDDEN_HEADERS", ["X_User"], "is not the name of a header", id="header"),
        pytest.param("TOKEN_SCHEME", "Bearer ", "which is not one word", id="scheme"),
    ],
)
@pytest.mark.parametrize("make", [get_asgi_application, get_websocket_application])
async def test_no_application_is_made_with_settings_that_cannot_work(
    settings: Any, make: Callable[[], Application], name: str, value: object, told: str
) -> None:
    """ASGI servers run no checks; the first handshake would be the first to fail."""
    setattr(settings, f"WSREQUEST_{name}", value)
    with pytest.raises(ImproperlyConfigured) as raised:
        make()
    assert told in str(raised.value)


async def test_all_that_is_wrong_is_told_at_once_but_for_what_is_silenced(settings: Any) -> None:
    settings.WSREQUEST_THREADS, settings.WSREQUEST_PATH = 0, "ws"
    settings.WSREQUEST_ALLOWED_ORIGINS = ["null"]
    settings.SILENCED_SYSTEM_CHECKS = ["wsrequest.E004"]
    with pytest.raises(ImproperlyConfigured) as raised:
        get_asgi_application("live/")
    lines = str(raised.value).splitlines()
    assert [line[:16] for line in lines[:2]] == ["(wsrequest.E002)", "(wsrequest.E003)"]
    assert lines[2:] == ["The path of the socket is 'live/', which does not begin with a slash."]


async def test_settings_are_read_live_once_an_application_is_made(settings: Any) -> None:
    async with running() as application:
        settings.WSREQUEST_PATH = "/moved/"
        await hang_up(await accepted(handshake(application, "/moved/")))
        settings.WSREQUEST_MAX_CONNECTIONS = 0  # which cannot work, and is heeded all the same
        assert status(await handshake(application, "/moved/").ends()) == 503


async def test_get_asgi_application_serves_both() -> None:
    application = get_asgi_application("/both/")
    wire = await accepted(handshake(application, "/both/"))
    await hang_up(wire)
    lifespan = Wire(application, {"type": "lifespan"})
    lifespan.inbox.put_nowait({"type": "lifespan.shutdown"})
    await lifespan.ends()
    assert application.path == "/both/"


async def test_get_websocket_application_serves_no_http() -> None:
    events = await call(get_websocket_application(), "GET", "/elsewhere/").ends()
    assert status(events) == 404
    assert b"WebSockets only" in events[1]["body"]


# Refusals.


async def test_a_refused_handshake_says_why_where_the_server_can() -> None:
    async with running() as application:
        start, body = await handshake(application, "/wrong/").ends()
        assert (start["type"], start["status"]) == ("websocket.http.response.start", 404)
        headers = dict(start["headers"])
        assert headers[b"content-type"] == b"text/plain; charset=utf-8"
        assert int(headers[b"content-length"]) == len(body["body"])
        assert b"the socket is at /ws/" in body["body"]


@pytest.mark.parametrize("extensions", [{}, None])
async def test_a_refused_handshake_is_closed_where_the_server_cannot(extensions: Any) -> None:
    async with running() as application:
        events = await handshake(application, "/wrong/", extensions=extensions).ends()
        assert [event["type"] for event in events] == ["websocket.close"]
        assert len(events[0]["reason"].encode()) <= 123  # RFC 6455 5.5


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"origin": "https://evil.example"}, 403),
        ({"origin": "null"}, 403),
        ({"host": "evil.example"}, 400),
    ],
)
async def test_a_foreign_page_is_refused(headers: dict[str, str], expected: int) -> None:
    async with running() as application:
        named = {"host": "testserver", **headers}
        wire = Wire(
            application,
            {
                "type": "websocket",
                "path": "/ws/",
                "headers": [(name.encode(), value.encode()) for name, value in named.items()],
                "extensions": {"websocket.http.response": {}},
            },
        )
        wire.inbox.put_nowait({"type": "websocket.connect"})
        assert status(await wire.ends()) == expected


@pytest.mark.parametrize("origin", [ORIGIN, "https://app.example", None])
async def test_a_page_of_ours_is_accepted(origin: str | None, settings: Any) -> None:
    settings.WSREQUEST_ALLOWED_ORIGINS = ["https://app.example"]
    async with running() as application:
        headers = {} if origin is None else {"origin": origin}
        await hang_up(await accepted(handshake(application, headers=headers)))


async def test_a_handshake_without_origin_is_refused_where_the_setting_says_so(
    settings: Any,
) -> None:
    settings.WSREQUEST_ALLOW_MISSING_ORIGIN = False
    async with running() as application:
        assert status(await handshake(application).ends()) == 403


# Counting.


async def test_one_address_has_only_so_many_sockets(settings: Any) -> None:
    settings.WSREQUEST_MAX_CONNECTIONS_PER_ADDRESS = 2
    async with running() as application:
        wires = [await accepted(handshake(application)) for _ in range(2)]
        assert status(await handshake(application).ends()) == 429
        other = await accepted(handshake(application, address="203.0.113.8"))
        await hang_up(wires.pop())
        wires.append(await accepted(handshake(application)))
        for wire in (*wires, other):
            await hang_up(wire)
        assert not application._wiring.admission._by_place


async def test_sockets_of_unknown_addresses_are_not_counted_as_one_s(settings: Any) -> None:
    """Behind a Unix socket no client has an address."""
    settings.WSREQUEST_MAX_CONNECTIONS_PER_ADDRESS = 1
    async with running() as application:
        wires = [await accepted(handshake(application, address=None)) for _ in range(2)]
        for wire in wires:
            await hang_up(wire)


async def test_a_process_has_only_so_many_sockets(settings: Any) -> None:
    settings.WSREQUEST_MAX_CONNECTIONS = 1
    async with running() as application:
        first = await accepted(handshake(application))
        assert status(await handshake(application, address="203.0.113.8").ends()) == 503
        await hang_up(first)
        await hang_up(await accepted(handshake(application)))
        assert not application._wiring.admission._by_place


@pytest.mark.parametrize("end", ["refused", "disconnected", "closed", "cancelled", "accept fails"])
async def test_the_count_falls_back_to_zero(end: str) -> None:
    async with running() as application:
        if end == "refused":
            await handshake(application, "/wrong/").ends()
        elif end == "accept fails":
            wire = handshake(application)

            async def fail(event: Any) -> None:
                raise OSError("the client has gone")

            wire.task.cancel()
            gone = asyncio.create_task(
                application(
                    {"type": "websocket", "path": "/ws/", "headers": headers_of({})},
                    handshake_only().get,
                    fail,
                )
            )
            with pytest.raises(OSError, match="gone"):
                await asyncio.wait_for(gone, SECONDS)
        else:
            wire = await accepted(handshake(application))
            say(wire, id=1, url="/ahold/a/")
            assert await asyncio.to_thread(STAGES["a"].begun.wait, SECONDS)
            assert application._wiring.admission._by_place.total() == 1
            if end == "disconnected":
                await hang_up(wire)
            elif end == "closed":
                for socket in connections.open_sockets():
                    socket.close_soon(4500, "enough")
                await wire.ends()
            else:
                wire.task.cancel()
                with pytest.raises(asyncio.CancelledError):
                    await wire.task
        assert not application._wiring.admission._by_place


def handshake_only() -> "asyncio.Queue[dict[str, Any]]":
    queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    queue.put_nowait({"type": "websocket.connect"})
    return queue


# Subprotocol.


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        ([], None),
        (["wsrequest.v1"], "wsrequest.v1"),
        (["other", "wsrequest.v1"], "wsrequest.v1"),
        (["other"], None),
        (["wsrequest.v2"], None),
    ],
)
async def test_the_subprotocol_is_ours_or_none(offered: list[str], chosen: str | None) -> None:
    async with running() as application:
        wire = await accepted(handshake(application, subprotocols=offered))
        assert wire.events[0]["subprotocol"] == chosen
        if chosen:
            greeting = await wire.until("websocket.send")
            assert "hello" in json.loads(greeting["text"])
        await hang_up(wire)


async def test_a_handshake_without_a_list_of_subprotocols_is_accepted() -> None:
    async with running() as application:
        scope = {"type": "websocket", "path": "/ws/", "headers": headers_of({})}
        wire = Wire(application, scope)
        wire.inbox.put_nowait({"type": "websocket.connect"})
        await hang_up(await accepted(wire))


# Settings.


async def test_a_connection_keeps_the_terms_that_it_was_opened_with(settings: Any) -> None:
    async with running() as application:
        first = await accepted(handshake(application))
        second = await accepted(handshake(application))
        settings.WSREQUEST_MAX_IN_FLIGHT = 3
        third = await accepted(handshake(application))
        # A frame and its pong: the connection is there.
        for wire in (first, second, third):
            say(wire, ping=1)
            await wire.until("websocket.send")
        config = [s.config for s in connections.open_sockets() if isinstance(s, Connection)]
        assert len({id(one) for one in config}) == 2
        assert sorted(one.limits.in_flight for one in config) == [3, 64, 64]
        for wire in (first, second, third):
            await hang_up(wire)


# Tickets by HTTP.


async def ticket_of(application: Application, origin: str = ORIGIN) -> str:
    headers = {"origin": origin, "cookie": BROWSER}
    wire = await accepted(handshake(application, headers=headers))
    say(wire, id=1, url="/cookies/a/?a=1&b=2")
    answer = json.loads((await wire.until("websocket.send"))["text"])
    await hang_up(wire)
    return str(answer["cookies"])


async def redeem(application: Application, ticket: str, **headers: str) -> list[dict[str, Any]]:
    given: dict[str, Any] = {"origin": ORIGIN, "cookie": BROWSER, **headers}
    return await call(application, "POST", x_wsrequest_ticket=ticket, **given).ends()


def cookies_of(event: dict[str, Any]) -> list[str]:
    return [v.decode() for name, v in event.get("headers", ()) if name == b"set-cookie"]


async def test_a_browser_gets_the_cookie_that_binds_its_tickets_with_its_first_socket() -> None:
    async with running() as application:
        first = handshake(application, headers={"origin": ORIGIN})
        (line,) = cookies_of(await first.until("websocket.accept"))
        assert line.endswith("; Path=/ws/; HttpOnly; SameSite=Strict")
        cookie = line.partition(";")[0]
        say(first, id=1, url="/cookies/a/?a=1")
        ticket = json.loads((await first.until("websocket.send"))["text"])["cookies"]
        assert status(await redeem(application, ticket, cookie=cookie)) == 204
        # The next tab has it, and is given none.
        second = handshake(application, headers={"origin": ORIGIN, "cookie": f"a=1; {cookie}"})
        assert "headers" not in await second.until("websocket.accept")
        say(second, id=1, url="/cookies/a/?b=1")
        answer = json.loads((await second.until("websocket.send"))["text"])
        assert answer["data"] == {"a": "1"}  # no view sees it, as by HTTP
        # Two that open at once in a new browser get one each, and both work.
        other = "wsrequest_browser_00000000=" + "o" * 32
        both = f"{other}; {cookie}"
        assert status(await redeem(application, answer["cookies"], cookie=both)) == 204
        for wire in (first, second):
            await hang_up(wire)


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        "wsrequest_browser_0badcafe=" + "c" * 32,
        "wsrequest_browser_0badcafe=short",
        "wsrequest_browser_1badcafe=" + "b" * 32,
        "__Http-wsrequest_0badcafe=" + "b" * 32,
    ],
)
async def test_a_ticket_of_another_browser_is_refused(cookie: str) -> None:
    """Whatever a script carries away is worth nothing without a cookie that no script sees."""
    async with running() as application:
        ticket = await ticket_of(application)
        events = await redeem(application, ticket, cookie=cookie)
        assert status(events) == 403
        assert not cookies_of(events[0])


async def test_cookies_that_a_script_has_planted_by_the_hundred_are_none() -> None:
    async with running() as application:
        cookie = "; ".join(f"wsrequest_browser_{n:08x}={'c' * 32}" for n in range(9))
        wire = handshake(application, headers={"origin": ORIGIN, "cookie": cookie})
        assert cookies_of(await wire.until("websocket.accept"))
        await hang_up(wire)


async def test_by_tls_the_cookie_is_one_that_no_script_can_plant() -> None:
    async with running() as application:
        headers = {"origin": "https://testserver"}
        wire = handshake(application, headers=headers, scheme="wss")
        (line,) = cookies_of(await wire.until("websocket.accept"))
        assert line.startswith("__Http-wsrequest_")
        assert line.endswith("; HttpOnly; SameSite=Strict; Secure")
        await hang_up(wire)


async def test_the_cookie_is_for_the_path_that_the_browser_knows(settings: Any) -> None:
    async with running() as application:
        wire = handshake(application, "/app/ws/", root_path="/app", headers={"origin": ORIGIN})
        assert "; Path=/app/ws/;" in cookies_of(await wire.until("websocket.accept"))[0]
        await hang_up(wire)


async def hello_of(wire: Wire) -> Any:
    return json.loads((await wire.until("websocket.send"))["text"])["hello"]


async def test_where_the_handshake_cannot_set_it_the_browser_fetches_its_cookie_by_http() -> None:
    """daphne knows no headers of an accepted handshake; granian leaves them out."""
    v1: dict[str, Any] = {"subprotocols": ["wsrequest.v1"], "asgi": {"version": "3.0"}}
    async with running() as application:
        wire = handshake(application, headers={"origin": ORIGIN}, **v1)
        assert "headers" not in await wire.until("websocket.accept")
        assert (await hello_of(wire))["tickets"] == "bind"
        await hang_up(wire)
        asked: dict[str, Any] = {"x_wsrequest_ticket": "", "origin": ORIGIN}
        events = await call(application, "POST", **asked).ends()
        assert status(events) == 204
        (line,) = cookies_of(events[0])
        cookie = line.partition(";")[0]
        again = await call(application, "POST", **asked, cookie=cookie).ends()
        assert (status(again), cookies_of(again[0])) == (204, [])
        wire = handshake(application, headers={"origin": ORIGIN, "cookie": cookie}, **v1)
        assert "tickets" not in await hello_of(wire)
        await hang_up(wire)


async def test_a_page_of_another_site_is_told_that_it_gets_no_ticket(settings: Any) -> None:
    """A browser sends the cookie from no such page, so the ticket could not be redeemed."""
    settings.WSREQUEST_ALLOWED_ORIGINS = [foreign := "http://elsewhere.example"]
    v1: dict[str, Any] = {"subprotocols": ["wsrequest.v1"]}
    async with running() as application:
        wire = handshake(application, headers={"origin": foreign}, **v1)
        assert (await hello_of(wire))["tickets"] == "no"
        wire.events.clear()
        say(wire, id=1, url="/cookies/a/?a=1")
        assert json.loads((await wire.until("websocket.send"))["text"])["cookies"] == ""
        await hang_up(wire)
        # Should it have come back all the same, there are tickets.
        wire = handshake(application, headers={"origin": foreign, "cookie": BROWSER}, **v1)
        assert "tickets" not in await hello_of(wire)
        await hang_up(wire)


@pytest.mark.parametrize(
    ("held", "is_set"),
    [("a=0", True), ("a=bobs", False), ("", False)],
    ids=["as-it-was", "login-by-http", "logout-by-http"],
)
async def test_a_ticket_overrules_no_cookie_that_the_browser_has_got_by_http(
    held: str, is_set: bool
) -> None:
    async with running() as application:
        headers = {"origin": ORIGIN, "cookie": f"a=0; {BROWSER}"}
        wire = await accepted(handshake(application, headers=headers))
        say(wire, id=1, url="/cookies/a/?a=1")
        ticket = json.loads((await wire.until("websocket.send"))["text"])["cookies"]
        await hang_up(wire)
        events = await redeem(application, ticket, cookie=f"{held}; {BROWSER}")
        assert status(events) == 204
        assert cookies_of(events[0]) == (["a=1; Path=/"] if is_set else [])


async def test_tls_is_demanded_for_a_ticket_as_for_a_handshake(settings: Any) -> None:
    async with running() as application:
        ticket = await ticket_of(application)
        settings.SECURE_SSL_REDIRECT = True
        assert status(await redeem(application, ticket)) == 403
        settings.SECURE_REDIRECT_EXEMPT = [r"^ws/$"]
        assert status(await redeem(application, ticket)) == 204


async def test_a_foreign_host_is_refused_for_a_ticket_as_for_a_handshake(settings: Any) -> None:
    async with running() as application:
        ticket = await ticket_of(application)
        settings.ALLOWED_HOSTS = ["elsewhere.example"]
        assert status(await redeem(application, ticket)) == 400
        settings.ALLOWED_HOSTS = ["testserver"]
        assert status(await redeem(application, ticket)) == 204


async def test_cookies_that_nobody_fetches_are_deleted(settings: Any) -> None:
    settings.WSREQUEST_TICKET_SECONDS = 1
    async with running() as application:
        await ticket_of(application)
        sweep, unfetched = application._wiring._sweep, application._wiring._unfetched
        assert sweep is not None and len(unfetched) == 1
        async with asyncio.timeout(SECONDS):
            while len(unfetched):  # noqa: ASYNC110  # nothing tells of it
                await asyncio.sleep(0.05)
        await asyncio.sleep(0)
        assert sweep._timer is None


async def test_a_ticket_sets_the_cookies_of_the_browser_once() -> None:
    async with running() as application:
        ticket = await ticket_of(application)
        events = await call(
            application, "POST", x_wsrequest_ticket=ticket, origin=ORIGIN, cookie=BROWSER
        ).ends()
        assert status(events) == 204
        cookies = [value for name, value in events[0]["headers"] if name == b"set-cookie"]
        assert cookies == [b"a=1; Path=/", b"b=2; Path=/"]
        assert (b"cache-control", b"no-store") in events[0]["headers"]
        again = await call(
            application, "POST", x_wsrequest_ticket=ticket, origin=ORIGIN, cookie=BROWSER
        ).ends()
        assert status(again) == 403


@pytest.mark.parametrize("headers", [{"origin": "https://evil.example"}, {}])
async def test_a_ticket_of_another_origin_is_refused(headers: dict[str, Any]) -> None:
    async with running() as application:
        ticket = await ticket_of(application)
        events = await call(application, "POST", x_wsrequest_ticket=ticket, **headers).ends()
        assert status(events) == 403
        assert not [name for name, _ in events[0]["headers"] if name == b"set-cookie"]


async def test_a_session_is_no_ticket() -> None:
    session = cache_sessions.SessionStore()
    session["user"] = 1
    session.create()
    key = str(session.session_key)
    async with running() as application:
        events = await call(application, "POST", x_wsrequest_ticket=key, origin=ORIGIN).ends()
        assert status(events) == 403
    assert cache_sessions.SessionStore(key)["user"] == 1


@pytest.mark.parametrize(
    ("method", "headers"),
    [("GET", {}), ("POST", {}), ("GET", {"x_wsrequest_ticket": "x"}), ("OPTIONS", {})],
)
async def test_http_at_the_path_of_the_socket_is_told_to_upgrade(
    method: str, headers: dict[str, Any]
) -> None:
    async with running() as application:
        events = await call(application, method, **headers).ends()
        assert status(events) == 426
        assert (b"upgrade", b"websocket") in events[0]["headers"]


@pytest.mark.parametrize(("subscriptions", "is_named"), [(1, True), (0, False)])
async def test_whoever_looks_at_the_path_of_the_socket_is_told_of_events_where_there_are_any(
    settings: Any, subscriptions: int, is_named: bool
) -> None:
    settings.WSREQUEST_MAX_SUBSCRIPTIONS = subscriptions
    async with running() as application:
        events = await call(application, "GET").ends()
    assert (b"Accept: text/event-stream" in events[1]["body"]) == is_named
    assert b"WebSocket" in events[1]["body"]


# Beginning and end.


async def test_drain_answers_what_is_in_flight_and_closes_every_socket() -> None:
    async with running() as application:
        busy, idle = [await accepted(handshake(application)) for _ in range(2)]
        say(busy, id=1, url="/hold/a/")
        assert await asyncio.to_thread(STAGES["a"].begun.wait, SECONDS)
        draining = asyncio.create_task(application.drain())
        assert (await idle.until("websocket.close"))["code"] == 4004
        assert not draining.done()
        STAGES["a"].go.set()
        await asyncio.wait_for(draining, SECONDS)
        assert json.loads((await busy.until("websocket.send"))["text"])["status"] == 200
        assert (await busy.until("websocket.close"))["code"] == 4004
        for wire in (busy, idle):
            await wire.ends()


@pytest.mark.parametrize("method", ["GET", "HEAD"])
@pytest.mark.parametrize("query", [b"health", b"health=1", b"a=b&health"])
async def test_a_probe_learns_whether_the_process_is_ready(method: str, query: bytes) -> None:
    async with running() as application:
        events = await call(application, method, host="10.0.0.7", query=query).ends()
        assert (status(events), events[1]["body"]) == (200, b"ready\n")
        application._wiring.drain._since = 1.0  # as when SIGTERM has come
        events = await call(application, method, query=query).ends()
        assert (status(events), events[1]["body"]) == (503, b"draining\n")
        assert (b"cache-control", b"no-store") in events[0]["headers"]
        application._wiring.drain._since = None


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("POST", "/ws/", b"health", 426),
        ("GET", "/ws/", b"healthy", 426),
        ("GET", "/ws/", b"url=health", 426),
        ("GET", "/elsewhere/", b"health", 299),
    ],
)
async def test_only_a_probe_is_told_of_health(
    method: str, path: str, query: bytes, expected: int
) -> None:
    async with running() as application:
        assert status(await call(application, method, path, query=query).ends()) == expected


async def test_a_handshake_too_many_is_told_when_to_come_again(settings: Any) -> None:
    """One comes in, forty wait for four seconds at most, and the next would wait for longer."""
    settings.WSREQUEST_MAX_HANDSHAKES_PER_SECOND = 10
    async with running() as application:
        wires = [await accepted(handshake(application))]
        wires += [handshake(application) for _ in range(40)]
        events = await handshake(application).ends()
        assert status(events) == 429  # they are of one address
        assert (b"retry-after", b"4") in events[0]["headers"]
        application._wiring.admission.release()
        for wire in wires:
            await hang_up(await accepted(wire))


async def test_an_address_in_a_hurry_leaves_the_door_to_others(settings: Any) -> None:
    settings.WSREQUEST_MAX_HANDSHAKES_PER_SECOND_PER_ADDRESS = 10
    async with running() as application:
        wires = [handshake(application) for _ in range(41)]
        assert status(await handshake(application).ends()) == 429
        other = handshake(application, address="198.51.100.9")
        for _ in range(10):  # turns of the event loop, and no wait
            await asyncio.sleep(0)
        assert [event["type"] for event in other.events] == ["websocket.accept"]
        application._wiring.admission.release()
        for wire in [*wires, other]:
            await hang_up(await accepted(wire))


async def test_streams_of_events_that_are_refused_cost_others_nothing(
    settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One comes in per hour: 61 such streams a second gave everybody 503."""
    monkeypatch.setattr(rate_limiter, "SLICE_SECONDS", 3600)
    monkeypatch.setattr(rate_limiter, "WAIT_SECONDS", 4 * 3600)
    async with running() as application:
        settings.WSREQUEST_MAX_HANDSHAKES_PER_SECOND = 1 / 3600
        for url in ["/nowhere/", "/nowhere/", "/quick/a/%", "https://other.example/"] * 3:
            events = await call(
                application, "GET", accept="text/event-stream", query=f"url={url}".encode()
            ).ends()
            assert status(events) in (200, 400)
        await hang_up(await accepted(handshake(application)))
        waits = handshake(application)  # that one has taken the hour's place
        for _ in range(10):
            await asyncio.sleep(0)
        assert waits.events == []
        application._wiring.admission.release()
        await hang_up(await accepted(waits))


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"sec_fetch_site": "cross-site"}, 403),
        ({"sec_fetch_site": "same-site"}, 403),
        ({"sec_fetch_site": "cross-site", "origin": "https://evil.example"}, 403),
        ({"sec_fetch_site": "cross-site", "origin": "https://listed.example"}, 200),
        ({"sec_fetch_site": "same-origin"}, 200),
        ({}, 200),  # a program, or a browser of before 2023
    ],
)
async def test_a_stream_of_events_is_none_for_a_page_elsewhere_that_embeds_it(
    settings: Any, headers: dict[str, str], expected: int
) -> None:
    """<script src=…> and <img> send cookies to another origin, and no Origin."""
    settings.WSREQUEST_ALLOWED_ORIGINS = ["https://listed.example"]
    async with running() as application:
        asked: dict[str, Any] = {"accept": "text/event-stream", **headers}
        wire = call(application, "GET", query=b"url=/nowhere/", **asked)
        start = (await wire.ends())[0]
        assert start["status"] == expected
        assert (b"x-content-type-options", b"nosniff") in start["headers"]
        assert (b"cross-origin-resource-policy", b"same-origin") in start["headers"]


async def test_a_flood_of_refused_handshakes_is_one_line_and_a_sum(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async with running() as application:
        for _ in range(20):
            foreign = handshake(application, headers={"origin": "https://evil.example"})
            assert status(await foreign.ends()) == 403
            await call(
                application, "GET", accept="text/event-stream", origin="https://evil.example"
            ).ends()
    told = [m.partition(":")[0] for m in caplog.messages if m.startswith("refused ")]
    assert told == [
        "refused a WebSocket of 203.0.113.7",
        "refused a WebSocket of a client without address",
        "refused 19 more WebSockets of 203.0.113.7 within 60 s (403",
        "refused 19 more WebSockets of a client without address within 60 s (403",
    ]


async def test_a_handshake_that_waits_when_the_server_is_to_end_is_refused(settings: Any) -> None:
    settings.WSREQUEST_MAX_HANDSHAKES_PER_SECOND = 10
    async with running() as application:
        wires = [await accepted(handshake(application)), handshake(application)]
        await asyncio.sleep(0)
        application._wiring.drain._since = 0.0  # the signal has come
        await asyncio.wait_for(application.drain(), SECONDS)
        assert (await wires[0].until("websocket.close"))["code"] == 4004
        events = await wires[1].ends()
        assert (status(events), b"about to restart" in events[1]["body"]) == (503, True)
        await wires[0].ends()


async def test_an_application_that_was_shut_down_can_be_served_again() -> None:
    """Servers that reload, and tests, run the lifespan of one application more than once."""
    async with running() as application:
        await hang_up(await accepted(handshake(application)))
    wire = await accepted(handshake(application))
    say(wire, id=1, url="/quick/a/")
    try:
        answer = await wire.until("websocket.send")
        assert json.loads(answer["text"])["status"] == 200
    finally:
        await hang_up(wire)
        lifespan = Wire(application, {"type": "lifespan"})
        lifespan.inbox.put_nowait({"type": "lifespan.shutdown"})
        await lifespan.ends()


async def test_a_page_of_a_listed_origin_may_redeem_its_ticket(settings: Any) -> None:
    """CORS: a preflight first, since the ticket is a header of its own."""
    settings.WSREQUEST_ALLOWED_ORIGINS = [ORIGIN.upper()]
    async with running() as application:
        asked: dict[str, Any] = {"origin": ORIGIN, "access_control_request_method": "POST"}
        (start, _) = await call(application, "OPTIONS", **asked).ends()
        headers = dict(start["headers"])
        assert start["status"] == 204
        assert b"X-WSRequest-Ticket" in headers[b"access-control-allow-headers"].split(b", ")
        for ticket, expected in [(await ticket_of(application), 204), ("spent", 403)]:
            asked = {"origin": ORIGIN, "cookie": BROWSER}
            events = await call(application, "POST", x_wsrequest_ticket=ticket, **asked).ends()
            headers = dict(events[0]["headers"])
            assert status(events) == expected
            assert headers[b"access-control-allow-origin"] == ORIGIN.encode()
            assert headers[b"access-control-allow-credentials"] == b"true"
            assert headers[b"vary"] == b"Origin"


async def test_a_page_of_another_origin_gets_no_leave_to_redeem() -> None:
    async with running() as application:
        for method, name in [
            ("OPTIONS", "access_control_request_method"),
            ("POST", "x_wsrequest_ticket"),
        ]:
            asked: dict[str, Any] = {"origin": ORIGIN, name: "POST"}
            events = await call(application, method, **asked).ends()
            assert status(events) in (426, 403)
            assert not [n for n, _ in events[0]["headers"] if n.startswith(b"access-control")]


async def test_a_ticket_can_be_redeemed_before_any_socket_is_open() -> None:
    """After a restart the first request may be the browser's."""
    async with running() as first:
        ticket = await ticket_of(first)
    async with running() as second:
        events = await call(
            second, "POST", x_wsrequest_ticket=ticket, origin=ORIGIN, cookie=BROWSER
        ).ends()
        assert status(events) == 204
