"""The composition root: an ASGI application that serves the project's HTTP and its socket.

The only place that wires parts. Reads the settings at each handshake, so that a
connection keeps the terms that it was opened with.
"""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from typing import Any

from django.core.asgi import get_asgi_application as get_django_application
from django.db import close_old_connections

from wsrequest.conf import conf
from wsrequest.connection import sockets
from wsrequest.connection.arrivals import Arrivals
from wsrequest.connection.connection import SUBPROTOCOL, Connection
from wsrequest.connection.journal import Journal
from wsrequest.connection.service import Service, Terms
from wsrequest.connection.shutdown import Drain
from wsrequest.errors import HandshakeRefused
from wsrequest.http.environ import make_base
from wsrequest.http.handler import Handler, finish_thread, prepare_thread
from wsrequest.http.handshake import check_handshake, check_version, place_of
from wsrequest.http.lanes import Lane
from wsrequest.http.tickets import Tickets
from wsrequest.protocol.headers import is_allowed_value

__all__ = ["Application", "get_asgi_application", "get_websocket_application"]

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
ASGI = Callable[[Scope, Receive, Any], Awaitable[None]]

_CLOSE_SECONDS = 0.5  # for the close frames of connections whose answers did not come in time

_UPGRADE = "This is the path of a WebSocket; its messages are those of wsrequest (PROTOCOL.md)."


def get_asgi_application(path: str | None = None) -> "Application":
    """Set Django up and return an application for its HTTP and its socket.

    Replaces ``django.core.asgi.get_asgi_application`` in a project's asgi.py.

    Args:
        path: of the socket; WSREQUEST_PATH when None.
    """
    return Application(get_django_application(), path)


def get_websocket_application(path: str | None = None) -> "Application":
    """Like ``get_asgi_application`` without the project's HTTP, which is served elsewhere."""
    get_django_application()  # sets Django up
    return Application(_not_found, path)


class Application:
    """Serves the socket at one path and leaves the rest to another ASGI application.

    Args:
        http: what answers plain HTTP elsewhere.
        path: of the socket; WSREQUEST_PATH when None.
    """

    def __init__(self, http: ASGI, path: str | None = None) -> None:
        self._http = http
        self._path = path
        self._handler = Handler()
        self._service: Service | None = None
        self._terms: Terms | None = None
        self._by_address: Counter[str] = Counter()
        self._arrivals = Arrivals()
        self._drain = Drain(self.drain)

    @property
    def path(self) -> str:
        """The path of the socket."""
        return conf.PATH if self._path is None else self._path

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection or request (ASGI specification)."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif self._is_socket(scope):
            await self._socket_path(scope, receive, send)
        else:
            await self._http(scope, receive, send)

    async def drain(self) -> None:
        """Answer what is in flight on every socket and close them, for a restart."""
        self._arrivals.release()
        found = [socket for socket in sockets.open_sockets() if isinstance(socket, Connection)]
        if not found:
            return
        drains = [asyncio.ensure_future(socket.drain()) for socket in found]
        await asyncio.wait(drains, timeout=conf.SHUTDOWN_SECONDS)
        for socket in found:
            socket.close_for_restart()
        await asyncio.wait(drains, timeout=_CLOSE_SECONDS)

    def _is_socket(self, scope: Scope) -> bool:
        # Servers and proxies differ in whether they leave the root path in the path.
        return scope["path"] in (self.path, str(scope.get("root_path") or "") + self.path)

    # WebSocket.

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        await receive()  # websocket.connect
        base = make_base(scope)
        address = base.environ.get("REMOTE_ADDR", "")
        place = place_of(address)
        try:
            if not self._is_socket(scope):
                raise HandshakeRefused(404, f"the socket is at {self.path}")
            self._check_room(place)
            check_version(scope.get("headers", ()))
            check_handshake(
                base,
                allowed_origins=conf.ALLOWED_ORIGINS,
                allow_no_origin=conf.ALLOW_NO_ORIGIN,
                needs_tls=conf.needs_tls(self.path),
            )
        except HandshakeRefused as refused:
            await self._refuse(scope, send, address, refused)
            return
        self._drain.seconds = conf.SHUTDOWN_SECONDS + 2 * _CLOSE_SECONDS
        self._drain.install()
        self._by_address[place] += 1
        try:
            await self._arrivals.wait(conf.MAX_HANDSHAKES_PER_SECOND)
            self._check_draining()  # again: it may have waited
        except HandshakeRefused as refused:
            await self._refuse(scope, send, address, refused)
        else:
            subprotocol = SUBPROTOCOL if SUBPROTOCOL in scope.get("subprotocols", ()) else None
            await send({"type": "websocket.accept", "subprotocol": subprotocol})
            terms = self._get_terms()
            await Connection(send, base, subprotocol, self._get_service(), terms).run(receive)
        finally:
            self._by_address[place] -= 1
            if not self._by_address[place]:
                del self._by_address[place]

    async def _refuse(
        self, scope: Scope, send: Send, address: str, refused: HandshakeRefused
    ) -> None:
        Journal.handshake_refused(address, refused)
        await _deny(scope, send, refused)

    def _check_draining(self) -> None:
        if self._drain.is_draining:
            raise HandshakeRefused(503, "the server is about to restart")

    def _check_room(self, place: str) -> None:
        self._check_draining()
        if self._by_address.total() >= conf.MAX_CONNECTIONS:
            raise HandshakeRefused(503, "too many open sockets (WSREQUEST_MAX_CONNECTIONS)")
        # Behind a Unix socket no client has an address.
        if place and self._by_address[place] >= conf.MAX_CONNECTIONS_PER_ADDRESS:
            raise HandshakeRefused(
                429,
                f"too many open sockets from {place} (WSREQUEST_MAX_CONNECTIONS_PER_ADDRESS). "
                "If that is your proxy, have the server take the client's address from it.",
            )

    def _get_terms(self) -> Terms:
        terms = Terms(
            conf.limits(),
            conf.TOKEN_SCHEME,
            conf.vouching_headers,
            conf.session_cookie_name,
            conf.session_engine,
            conf.file_upload_max_memory_bytes,
            conf.file_upload_directory,
        )
        if terms != self._terms:
            self._terms = terms  # one object for all the connections that it holds for
        assert self._terms is not None
        return self._terms

    def _get_service(self) -> Service:
        loop = asyncio.get_running_loop()
        if self._service is None or self._service.lane.loop is not loop:
            if self._service is not None:
                self._service.lane.stop()
            lane = Lane(
                loop,
                threads=conf.THREADS,
                max_threads=conf.MAX_THREADS,
                prepare=prepare_thread,
                finish=finish_thread,
            )
            self._service = Service(self._handler, lane, _tickets)
        return self._service

    # HTTP at the socket's path.

    async def _socket_path(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        ticket = headers.get(b"x-wsrequest-ticket")
        if scope["method"] != "POST" or ticket is None:
            await _respond(
                send, 426, [(b"upgrade", b"websocket"), (b"connection", b"upgrade")], _UPGRADE
            )
            return
        origin = headers.get(b"origin", b"").decode("latin1")
        service = self._get_service()
        redeemed = await service.lane.call(
            _redeem, ticket.decode("latin1"), origin, source=service.chores
        )
        if redeemed is None:
            await _respond(
                send, 403, [], "The ticket is spent, too old, or was made for another origin."
            )
        else:
            await _respond(
                send,
                204,
                # A control character could begin another header (CVE-2026-44546).
                [(b"set-cookie", c.encode("latin1")) for c in redeemed if is_allowed_value(c)],
                "",
            )

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                self._drain.uninstall()
                if self._service is not None:
                    self._service.lane.stop()
                    self._service = None
                await send({"type": "lifespan.shutdown.complete"})
                return


def _tickets() -> Tickets:
    return Tickets(conf.session_engine, conf.TICKET_SECONDS)


def _redeem(ticket: str, origin: str) -> list[str] | None:
    try:
        return _tickets().redeem(ticket, origin)
    finally:
        close_old_connections()


async def _deny(scope: Scope, send: Send, refused: HandshakeRefused) -> None:
    """Refuse a handshake with a text, where the server can (ASGI, Websocket Denial Response)."""
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1008, "reason": refused.detail[:60]})
        return
    body = refused.detail.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    if refused.retry_after_seconds is not None:
        headers.append((b"retry-after", str(refused.retry_after_seconds).encode()))
    await send(
        {"type": "websocket.http.response.start", "status": refused.status, "headers": headers}
    )
    await send({"type": "websocket.http.response.body", "body": body})


async def _respond(send: Send, status: int, headers: list[tuple[bytes, bytes]], text: str) -> None:
    body = text.encode()
    headers = [*headers, (b"cache-control", b"no-store")]
    if body:
        headers += [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
        ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _not_found(scope: Scope, receive: Receive, send: Send) -> None:
    await _respond(
        send,
        404,
        [],
        "This process serves WebSockets only; the project's HTTP is served elsewhere.",
    )
