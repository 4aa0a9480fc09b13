"""An ASGI application that serves the project's HTTP and its socket: routes a scope to its part."""

import asyncio
from functools import partial
from typing import Any

from django.core.asgi import get_asgi_application as get_django_application

from wsrequest.conf import Remembered, conf
from wsrequest.connection.connection import SUBPROTOCOL, Connection
from wsrequest.connection.sse import SSEResponse
from wsrequest.connection.sse_codec import request_of
from wsrequest.errors import HandshakeRefused, Refused
from wsrequest.faults import demand_sound
from wsrequest.pages.recording import begin_recording, complete_and_learn
from wsrequest.request.environ import Base, make_base
from wsrequest.request.exclusions import check_excluded
from wsrequest.request.handler import Handler
from wsrequest.server import connections
from wsrequest.server.admission import check_embedding
from wsrequest.server.browser_binding import accept_headers, recognize
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
from wsrequest.server.http.application import HTTPApplication
from wsrequest.server.write_buffer import ResponseBuffer, WriteBuffer
from wsrequest.subscriptions.subscription import too_large_to_subscribe
from wsrequest.types import ASGI, Receive, Scope, Send, Start
from wsrequest.wiring import Wiring, has_live

__all__ = ["Application", "get_asgi_application", "get_websocket_application"]


_CLOSE_SECONDS = 0.5  # for the close frames of connections whose answers did not come in time


def get_asgi_application(path: str | None = None) -> "Application":
    """Set Django up and return an application for its HTTP and its socket.

    Replaces ``django.core.asgi.get_asgi_application`` in a project's asgi.py.

    Args:
        path: of the socket. The setting WSREQUEST_PATH if None.

    Raises:
        ImproperlyConfigured: a setting of ours, or the path, cannot work.
    """
    return Application(get_django_application(), path, uses_workers=True)


def get_websocket_application(path: str | None = None) -> "Application":
    """Like ``get_asgi_application`` without the project's HTTP, which is served elsewhere."""
    get_django_application()  # sets Django up
    return Application(not_found, path)


class Application:
    """Serves the socket at one path and leaves the rest to another ASGI application.

    Args:
        http: answers all plain HTTP that is not for the socket's path.
        path: of the socket. The setting WSREQUEST_PATH if None.
        uses_workers: whether ``http`` is Django's own handler, whose requests the worker threads
            may answer in its place (WSREQUEST_HTTP).

    Raises:
        ImproperlyConfigured: a setting of ours, or the path, cannot work.
    """

    def __init__(self, http: ASGI, path: str | None = None, *, uses_workers: bool = False) -> None:
        demand_sound(path)
        self._path = path
        self._socket_paths = Remembered(self._find_socket_paths)
        self._takes_requests = Remembered(lambda: conf.UVICORN_FAST_PATH)
        self._wiring = wiring = Wiring(http, self.drain)
        self._http_workers = (
            HTTPApplication(
                http,
                wiring.get_server,
                wiring.get_http_config,
                self._prepare_drain,
                complete_and_learn if has_live() else None,
                begin_recording if has_live() else None,
            )
            if uses_workers
            else None
        )
        self._http = self._http_workers or http

    @property
    def path(self) -> str:
        """The path of the socket."""
        return conf.PATH if self._path is None else self._path

    @property
    def handler(self) -> Handler:
        """What runs the requests of the socket."""
        return self._wiring.handler

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

    def take_request(
        self, scope: Scope, receive: Receive, send: Send, body: bytes, start: Start
    ) -> bool:
        """Serve an HTTP request whose body is complete, without a coroutine (``server.uvicorn``).

        Args:
            scope: of the request (ASGI specification).
            receive: as for ``__call__``.
            send: as for ``__call__``.
            body: all of it, which ``receive`` then does not return.
            start: starts an application for the rest of the request, if that needs a coroutine.

        Returns:
            False if nothing was done, because the request must be passed to ``__call__``.
        """
        workers = self._http_workers
        if workers is None or not self._takes_requests() or self._is_socket(scope):
            return False
        return workers.take_request(scope, receive, send, body, start)

    async def drain(self) -> None:
        """Answer what is in flight on every socket and close them, for a restart."""
        self._wiring.admission.release()
        for stream in connections.open_sockets():
            if isinstance(stream, SSEResponse):
                stream.close()
        found = [socket for socket in connections.open_sockets() if isinstance(socket, Connection)]
        drains = [asyncio.ensure_future(socket.drain()) for socket in found]
        if self._http_workers is not None:
            drains.append(asyncio.ensure_future(self._http_workers.drain()))
        if not drains:
            return
        await asyncio.wait(drains, timeout=conf.SHUTDOWN_SECONDS)
        for socket in found:
            socket.close_for_restart()
        await asyncio.wait(drains, timeout=_CLOSE_SECONDS)

    def _prepare_drain(self) -> None:
        self._wiring.drain.seconds = conf.SHUTDOWN_SECONDS + 2 * _CLOSE_SECONDS
        self._wiring.drain.install()

    def _is_socket(self, scope: Scope) -> bool:
        # Servers and proxies differ in whether they leave the root path in the path. The project
        # may force another.
        path, socket_paths = scope["path"], self._socket_paths()
        if path in socket_paths:
            return True
        root_path = str(scope.get("root_path") or "")
        return bool(root_path) and path == root_path.rstrip("/") + socket_paths[0]

    def _find_socket_paths(self) -> tuple[str, str]:
        return (self.path, conf.script_name + self.path)

    async def _socket_path(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer an HTTP request for the path of the socket."""
        if wants_events(scope):
            await self._events(scope, receive, send)
        elif asks_for_health(scope):
            await answer_health(send, is_draining=self._wiring.drain.is_draining)
        else:
            await answer_socket_path(
                scope,
                send,
                self._wiring.redeem,
                self.path,
                conf.ALLOWED_ORIGINS,
                needs_tls=conf.needs_tls(self.path),
                has_events=has_live(),
            )

    # WebSocket.

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        place: str | None = None
        buffer = WriteBuffer.find(scope, send)
        if buffer is not None:
            buffer.watch(conf.SLOW_READER_SECONDS, self._wiring.drain)
        try:
            await receive()  # websocket.connect
            base = make_base(scope, conf.per_request_headers, conf.scheme_header)
            try:
                if not self._is_socket(scope):
                    raise HandshakeRefused(404, f"the socket is at {conf.script_name}{self.path}")
                admitted = self._admit(scope, base, allow_missing_origin=conf.ALLOW_MISSING_ORIGIN)
                await self._enter(admitted)
                place = admitted
            except HandshakeRefused as refused:
                self._wiring.refusals.add(base.environ.get("REMOTE_ADDR", ""), refused)
                await deny(scope, send, refused)
                return
            subprotocol = SUBPROTOCOL if SUBPROTOCOL in scope.get("subprotocols", ()) else None
            accept: dict[str, Any] = {"type": "websocket.accept", "subprotocol": subprotocol}
            if headers := accept_headers(base, self.path, scope, send):
                accept["headers"] = headers
            await send(accept)
            config = self._wiring.get_config()
            connection = Connection(send, base, subprotocol, self._wiring.get_server(), config)
            if buffer is not None:
                buffer.serve(connection)
                connection.abort = buffer.abort
                if conf.UVICORN_FAST_PATH:
                    write = buffer.bypass_asgi(receive, send, connection.take)
                    connection.send_queue.send_at_once = write
            await connection.run(receive)
        finally:
            leave = _nothing if place is None else partial(self._wiring.admission.leave, place)
            if buffer is None:
                leave()
            else:
                buffer.end_soon(leave)

    def _admit(self, scope: Scope, base: Base, *, allow_missing_origin: bool) -> str:
        place = self._wiring.admission.check(
            base,
            scope.get("headers", ()),
            max_connections=conf.MAX_CONNECTIONS,
            max_connections_per_address=conf.MAX_CONNECTIONS_PER_ADDRESS,
            allowed_origins=conf.ALLOWED_ORIGINS,
            allow_missing_origin=allow_missing_origin,
            needs_tls=conf.needs_tls(self.path),
            secure_header=conf.django("SECURE_PROXY_SSL_HEADER"),
        )
        recognize(base)
        return place

    async def _enter(self, place: str) -> None:
        self._prepare_drain()
        await self._wiring.until_ready()
        await self._wiring.admission.enter(
            place, conf.MAX_HANDSHAKES_PER_SECOND, conf.MAX_HANDSHAKES_PER_SECOND_PER_ADDRESS
        )

    # Server-sent events.

    async def _events(self, scope: Scope, receive: Receive, send: Send) -> None:
        # Its headers are those of its one request.
        base = make_base(scope, scheme_header=conf.scheme_header)
        try:
            # By HTTP a page of the server's own origin sends none with a GET.
            place = self._admit(scope, base, allow_missing_origin=True)
            check_embedding(base)
            message = request_of(scope["query_string"], base, conf.per_request_headers)
            config, server = self._wiring.get_config(), self._wiring.get_server()
            check_excluded(message.url, base, config.excluded_paths)
            if not config.limits.subscriptions:
                raise Refused("not_supported", "this server has no live requests")
            if len(scope["query_string"]) > config.limits.subscribe_bytes:
                raise too_large_to_subscribe(config.limits.subscribe_bytes)
            await self._enter(place)
        except HandshakeRefused as refused:
            self._wiring.refusals.add(base.environ.get("REMOTE_ADDR", ""), refused)
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
            ResponseBuffer.find(scope, send, self._wiring.drain),
            on_gone=partial(self._wiring.admission.leave, place),
            on_refused=self._wiring.admission.refused_after_all,
        )
        await stream.run(receive, message)

    async def _lifespan(self, receive: Receive, send: Send) -> None:
        while True:
            event = await receive()
            if event["type"] == "lifespan.startup":
                await send({"type": "lifespan.startup.complete"})
            else:
                self._wiring.drain.end()
                self._wiring.refusals.flush()
                self._wiring.stop()
                await send({"type": "lifespan.shutdown.complete"})
                return


def _nothing() -> None:
    """A refused handshake took no place, so it leaves none."""
