"""The composition root: an ASGI application that serves the project's HTTP and its socket.

The only place that wires parts. Reads the settings at each handshake, so that a
connection keeps the terms that it was opened with.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from functools import partial
from typing import Any

from django.apps import apps
from django.core.asgi import get_asgi_application as get_django_application
from django.db import close_old_connections

from wsrequest.bus.codec import CHANGES
from wsrequest.conf import conf
from wsrequest.connection.connection import SUBPROTOCOL, Connection
from wsrequest.connection.sse import SSEResponse, request_of
from wsrequest.errors import HandshakeRefused, Refused
from wsrequest.faults import demand_sound
from wsrequest.live.manager import LiveQueryManager
from wsrequest.live.normalizing import ignored_of
from wsrequest.live.tracking.sessions import IGNORED_TABLES
from wsrequest.live.tracking.tracker import ActiveManagers
from wsrequest.request.environ import Base, check_excluded, make_base
from wsrequest.request.handler import Handler, finish_thread, prepare_thread
from wsrequest.request.remote_user import follow_http
from wsrequest.server import connections
from wsrequest.server.admission import AdmissionController, check_embedding
from wsrequest.server.browser_binding import accept_headers, recognize
from wsrequest.server.context import ConnectionConfig, Live, ServerContext
from wsrequest.server.drain import Drain
from wsrequest.server.endpoint import (
    answer_health,
    answer_socket_path,
    asks_for_health,
    deny,
    not_found,
    refuse,
    shared_with,
    wants_events,
)
from wsrequest.server.refusals import Refusals
from wsrequest.server.ticket_sweep import TicketSweep
from wsrequest.server.tickets import Tickets, Unfetched
from wsrequest.server.uvicorn import FastPath, UncompressedSender
from wsrequest.server.uvicorn_shutdown import UvicornShutdown
from wsrequest.server.write_buffer import WriteBuffer
from wsrequest.subscriptions.change_feed import ChangeFeed
from wsrequest.subscriptions.subscription import too_large_to_subscribe
from wsrequest.workers.pool import WorkerPool
from wsrequest.workers.queue import QueueKey

__all__ = ["Application", "get_asgi_application", "get_websocket_application"]

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
ASGI = Callable[[Scope, Receive, Any], Awaitable[None]]

_CLOSE_SECONDS = 0.5  # for the close frames of connections whose answers did not come in time


def get_asgi_application(path: str | None = None) -> "Application":
    """Set Django up and return an application for its HTTP and its socket.

    Replaces ``django.core.asgi.get_asgi_application`` in a project's asgi.py.

    Args:
        path: of the socket; WSREQUEST_PATH when None.

    Raises:
        ImproperlyConfigured: a setting of ours, or the path, cannot work.
    """
    return Application(get_django_application(), path)


def get_websocket_application(path: str | None = None) -> "Application":
    """Like ``get_asgi_application`` without the project's HTTP, which is served elsewhere."""
    get_django_application()  # sets Django up
    return Application(not_found, path)


class Application:
    """Serves the socket at one path and leaves the rest to another ASGI application.

    Args:
        http: what answers plain HTTP elsewhere.
        path: of the socket; WSREQUEST_PATH when None.

    Raises:
        ImproperlyConfigured: a setting of ours, or the path, cannot work.
    """

    def __init__(self, http: ASGI, path: str | None = None) -> None:
        demand_sound(path)
        self._http = http
        self._path = path
        self._handler = Handler()
        follow_http(self._handler, http)
        self._server: ServerContext | None = None
        self._hearing: ChangeFeed | None = None
        self._unfetched = Unfetched()
        self._sweep: TicketSweep | None = None
        self._config: ConnectionConfig | None = None
        self._drain = Drain(self.drain)
        self._shutdown = UvicornShutdown(self._drain)
        self._door = AdmissionController(self._drain)
        self._refusals = Refusals()

    @property
    def path(self) -> str:
        """The path of the socket."""
        return conf.PATH if self._path is None else self._path

    @property
    def handler(self) -> Handler:
        """What runs the requests of the socket."""
        return self._handler

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection or request (ASGI specification)."""
        if scope["type"] == "lifespan":
            await self._lifespan(receive, send)
        elif scope["type"] == "websocket":
            await self._websocket(scope, receive, send)
        elif self._is_socket(scope) and wants_events(scope):
            await self._events(scope, receive, send)
        elif self._is_socket(scope) and asks_for_health(scope):
            await answer_health(send, is_draining=self._drain.is_draining)
        elif self._is_socket(scope):
            await answer_socket_path(
                scope,
                send,
                self._redeem,
                self.path,
                conf.ALLOWED_ORIGINS,
                needs_tls=conf.needs_tls(self.path),
                has_events=_has_live(),
            )
        else:
            await self._http(scope, receive, send)

    async def drain(self) -> None:
        """Answer what is in flight on every socket and close them, for a restart."""
        self._door.release()
        for stream in connections.open_sockets():
            if isinstance(stream, SSEResponse):
                stream.close()
        found = [socket for socket in connections.open_sockets() if isinstance(socket, Connection)]
        if not found:
            return
        drains = [asyncio.ensure_future(socket.drain()) for socket in found]
        await asyncio.wait(drains, timeout=conf.SHUTDOWN_SECONDS)
        for socket in found:
            socket.close_for_restart()
        await asyncio.wait(drains, timeout=_CLOSE_SECONDS)

    def _is_socket(self, scope: Scope) -> bool:
        # Servers and proxies differ in whether they leave the root path in the path; the project
        # may force another.
        root_path = str(scope.get("root_path") or "").rstrip("/")
        prefixes = ("", root_path, conf.script_name)
        return any(scope["path"] == prefix + self.path for prefix in prefixes)

    # WebSocket.

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        place: str | None = None
        buffer = WriteBuffer.watch(send, conf.SLOW_READER_SECONDS)
        try:
            await receive()  # websocket.connect
            base = make_base(scope, conf.per_request_headers, conf.scheme_header)
            try:
                if not self._is_socket(scope):
                    raise HandshakeRefused(404, f"the socket is at {conf.script_name}{self.path}")
                admitted = self._check_door(scope, base, allow_no_origin=conf.ALLOW_MISSING_ORIGIN)
                await self._enter(admitted, send)
                place = admitted
            except HandshakeRefused as refused:
                self._refusals.add(base.environ.get("REMOTE_ADDR", ""), refused)
                await deny(scope, send, refused)
                return
            subprotocol = SUBPROTOCOL if SUBPROTOCOL in scope.get("subprotocols", ()) else None
            accept: dict[str, Any] = {"type": "websocket.accept", "subprotocol": subprotocol}
            if headers := accept_headers(base, self.path, scope, send):
                accept["headers"] = headers
            await send(accept)
            config = self._get_config()
            connection = Connection(send, base, subprotocol, self._get_server(), config)
            buffer = _join(connection, receive, send, buffer)
            await connection.run(receive)
        finally:
            leave = _nothing if place is None else partial(self._door.leave, place)
            if buffer is None:
                leave()
            else:
                buffer.end_soon(leave)

    def _check_door(self, scope: Scope, base: Base, *, allow_no_origin: bool) -> str:
        place = self._door.check(
            base,
            scope.get("headers", ()),
            max_connections=conf.MAX_CONNECTIONS,
            max_connections_per_address=conf.MAX_CONNECTIONS_PER_ADDRESS,
            allowed_origins=conf.ALLOWED_ORIGINS,
            allow_no_origin=allow_no_origin,
            needs_tls=conf.needs_tls(self.path),
            secure_header=conf.django("SECURE_PROXY_SSL_HEADER"),
        )
        recognize(base)
        return place

    async def _enter(self, place: str, send: Send) -> None:
        self._drain.seconds = conf.SHUTDOWN_SECONDS + 2 * _CLOSE_SECONDS
        self._drain.install()
        self._shutdown.watch(send)
        await self._door.enter(
            place, conf.MAX_HANDSHAKES_PER_SECOND, conf.MAX_HANDSHAKES_PER_SECOND_PER_ADDRESS
        )

    # Server-sent events.

    async def _events(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Its headers are those of its one request.
        base = make_base(scope, scheme_header=conf.scheme_header)
        try:
            # By HTTP a page of the server's own origin sends none with a GET.
            place = self._check_door(scope, base, allow_no_origin=True)
            check_embedding(base)
            message = request_of(scope["query_string"], base, conf.per_request_headers)
            config, server = self._get_config(), self._get_server()
            check_excluded(message.url, base, config.excluded_paths)
            if not config.limits.subscriptions:
                raise Refused("not_supported", "this server has no live requests")
            if len(scope["query_string"]) > config.limits.subscribe_bytes:
                raise too_large_to_subscribe(config.limits.subscribe_bytes)
            await self._enter(place, send)
        except HandshakeRefused as refused:
            self._refusals.add(base.environ.get("REMOTE_ADDR", ""), refused)
            seconds = refused.retry_after_seconds
            await refuse(send, refused.status, refused.detail, retry_after_seconds=seconds)
            return
        except Refused as refused:
            await refuse(send, refused.status, str(refused), retry_after_seconds=None)
            return
        is_foreign = base.origin is not None and not base.is_same_origin
        shared = shared_with(base.origin) if is_foreign and base.origin else []
        stream = SSEResponse(
            send,
            base,
            server,
            config,
            shared,
            on_gone=partial(self._door.leave, place),
            on_refused=self._door.refused_after_all,
        )
        await stream.run(receive, message)

    def _get_config(self) -> ConnectionConfig:
        limits = conf.limits()
        if self._get_server().live is None:
            limits = replace(limits, subscriptions=0)
        config = ConnectionConfig(
            limits,
            conf.TOKEN_SCHEME,
            conf.vouching_headers,
            conf.per_request_headers,
            conf.excluded_paths,
            conf.session_cookie_name,
            conf.session_engine,
            conf.file_upload_max_memory_bytes,
            conf.file_upload_directory,
            conf.csrf_cookie,
            ignored_of(tuple(conf.LIVE_IGNORED_CONTENT), conf.LIVE_REWRITER),
            conf.hides_csrf_token,
        )
        if config != self._config:
            self._config = config  # one object for all the connections that it holds for
        assert self._config is not None
        return self._config

    def _get_server(self) -> ServerContext:
        loop = asyncio.get_running_loop()
        if self._server is None or self._server.pool.loop is not loop:
            self._stop()
            pool = WorkerPool(
                loop,
                threads=conf.THREADS,
                max_threads=conf.MAX_THREADS,
                prepare=prepare_thread,
                finish=finish_thread,
            )
            live, self._hearing = _make_live(loop, pool)
            chores = QueueKey()
            sweep = TicketSweep(pool, chores, self._tickets, conf.TICKET_SECONDS + 1)
            self._unfetched, self._sweep = Unfetched(sweep.begin), sweep
            self._server = ServerContext(
                self._handler, pool, self._tickets, chores=chores, live=live
            )
        return self._server

    def _tickets(self) -> Tickets:
        return Tickets(conf.session_engine, conf.TICKET_SECONDS, self._unfetched)

    async def _redeem(self, ticket: str, base: Base) -> list[str] | None:
        server = self._get_server()
        asked = server.pool.call(_redeem, server.tickets, ticket, base, queue_key=server.chores)
        return await asked

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                self._drain.end()
                self._refusals.flush()
                self._stop()
                await send({"type": "lifespan.shutdown.complete"})
                return

    def _stop(self) -> None:
        if self._hearing is not None:
            self._hearing.stop()
            self._hearing = None
        if self._server is not None:
            if self._server.live is not None:
                self._server.live.manager.stop()
            if self._sweep is not None:
                self._sweep.stop()
            self._server.pool.stop()
            self._server = None


def _join(
    connection: Connection, receive: Receive, send: Send, buffer: WriteBuffer | None
) -> WriteBuffer | None:
    """Join a connection and what is before the server's transport.

    Args:
        connection: accepted just now.
        receive: the ASGI callable.
        send: the other.
        buffer: what stands before the transport so far.

    Returns:
        What stands there from now on.
    """
    if conf.UVICORN_FAST_PATH:
        seconds = connection.config.limits.slow_reader_seconds
        line = FastPath.attach(receive, send, seconds, connection)
        if line is not None:
            connection.send_queue.send_at_once, connection.abort = line.send, line.abort
            return line
        if (sender := UncompressedSender.attach(send)) is not None:
            connection.send_queue.send_at_once = sender.send
    if buffer is not None:
        buffer.serve(connection)
        connection.abort = buffer.abort
    return buffer


def _nothing() -> None:
    """For a handshake that was refused: it has no place to leave."""


def _has_live() -> bool:
    return apps.is_installed("wsrequest") and conf.MAX_SUBSCRIPTIONS > 0


def _make_live(
    loop: asyncio.AbstractEventLoop, pool: WorkerPool
) -> tuple[Live, ChangeFeed] | tuple[None, None]:
    """What live requests of one event loop share; None where there are none."""
    if not _has_live():
        return None, None
    app: Any = apps.get_app_config("wsrequest")
    managers: ActiveManagers = app.live.managers

    def activate(is_active: bool) -> None:
        (managers.add if is_active else managers.discard)(manager)

    manager = LiveQueryManager(
        loop,
        max_runs=conf.LIVE_MAX_CONCURRENT_RUNS,
        least_seconds=conf.LIVE_INTERVAL_SECONDS,
        run_seconds=conf.REQUEST_SECONDS,
        replica_seconds=conf.LIVE_REPLICA_SECONDS,
        recheck_seconds=conf.LIVE_RECHECK_SECONDS,
        ignored_tables=IGNORED_TABLES,
        activate=activate,
    )
    hearing = ChangeFeed(app.live.bus, CHANGES, manager, pool.post)
    return Live(manager, hearing.when_heard, share_key=conf.live_share_key), hearing


def _redeem(tickets: Callable[[], Tickets], ticket: str, base: Base) -> list[str] | None:
    try:
        return tickets().redeem(ticket, base.origin or "", base.browser, base.cookie)
    finally:
        close_old_connections()
