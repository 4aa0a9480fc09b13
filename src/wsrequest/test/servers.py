"""Test cases with a server: the project's HTTP and its socket on one port, for a browser.

The server's thread and the database connections of its other threads are ours. The test case, its
host and port, and the choice of shared connections are Django's.
"""

import asyncio
import socket
import threading
from threading import Lock, Thread
from time import monotonic
from typing import Any

import uvicorn
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.core.asgi import get_asgi_application
from django.core.exceptions import SuspiciousFileOperation
from django.db import connections
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.test import LiveServerTestCase
from django.test.testcases import LiveServerThread
from django.utils.functional import classproperty
from django.views.static import serve

from wsrequest.asgi import Application
from wsrequest.conf import conf
from wsrequest.management.applications import look_up
from wsrequest.management.listening import listen_tcp
from wsrequest.management.serving import make_config
from wsrequest.types import ASGI

__all__ = ["StaticWebSocketLiveServerTestCase", "WebSocketLiveServerTestCase"]

_TURN_SECONDS = 10.0  # no request waits longer for another, which may wait for it
_SHUTDOWN_SECONDS = 5  # for what is in flight when the tests are over


class _Server(uvicorn.Server):
    def __init__(self, config: uvicorn.Config, thread: "_ServerThread") -> None:
        super().__init__(config)
        self._thread = thread

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self._thread.is_ready.set()


class _ServerThread(LiveServerThread):
    """Serves by uvicorn what Django's own thread would serve by WSGI.

    Args:
        host: as Django's.
        static_handler: what is put around the application.
        connections_override: as Django's.
        port: as Django's.
    """

    host: str
    port: int
    error: Exception | None  # type: ignore[assignment]  # the stubs know one class only
    static_handler: Any

    def run(self) -> None:
        """Serve until ``terminate`` is called."""
        before = set(threading.enumerate())
        self._connections = _Connections(self.connections_override or {})
        try:
            listener = listen_tcp(self.host, self.port, ipv6=":" in self.host)
            self.port = listener.getsockname()[1]
            config = make_config(
                self.static_handler(_make_application(takes_turns=bool(self.connections_override))),
                loop="asyncio",
                proxy_headers=False,
                access_log=False,
                timeout_graceful_shutdown=_SHUTDOWN_SECONDS,
            )
            self._server = _Server(config, self)
            with listener:
                self._server.run([listener])
            if not self._server.started:
                raise RuntimeError("the server did not start; its log says why")
        except BaseException as error:
            self.error = error if isinstance(error, Exception) else RuntimeError(repr(error))
        finally:
            _join_workers(before)
            self._connections.close()
            self.is_ready.set()

    def terminate(self) -> None:
        """Wait for the server's threads, which end with it and close the shared connections."""
        server: _Server | None = getattr(self, "_server", None)
        if server is not None:
            server.should_exit = True
        Thread.join(self)


def _join_workers(before: set[Thread]) -> None:
    """Wait for the server's threads, which end with it and close what the tests share with them."""
    for thread in set(threading.enumerate()) - before:
        if thread.name == "wsrequest-worker":
            thread.join(_SHUTDOWN_SECONDS)  # a view that never ends keeps its thread


class _Connections:
    """The database connections of the threads in which the server runs views.

    Each thread opens its own, but for those that are shared. All are closed at the end: a database
    that is still connected to cannot be destroyed.

    Args:
        shared: by alias.
    """

    def __init__(self, shared: dict[str, Any]) -> None:
        self._shared = shared
        self._made: list[Any] = []  # also those of threads that have ended
        self._create = connections.create_connection
        vars(connections)["create_connection"] = self._make

    def close(self) -> None:
        if vars(connections).get("create_connection") == self._make:
            del vars(connections)["create_connection"]
        for connection in self._made:
            connection.inc_thread_sharing()
            try:
                connection.close()
            finally:
                connection.dec_thread_sharing()

    def _make(self, alias: str) -> Any:
        shared = self._shared.get(alias)
        if shared is not None:
            return shared
        connection = self._create(alias)
        # A thread may end behind its request, and nobody could close what it keeps.
        connection.settings_dict = {**connection.settings_dict, "CONN_MAX_AGE": 0}
        self._made.append(connection)
        return connection


class _FilesHandler(ASGIStaticFilesHandler):
    """Serves the files of a directory below a URL.

    Args:
        application: serves the rest.
        url: as STATIC_URL.
        root: as STATIC_ROOT.
    """

    def __init__(self, application: ASGI, url: str, root: str) -> None:
        self._url, self._root = url, root
        super().__init__(application)  # type: ignore[arg-type]  # it only calls what it is given

    def get_base_url(self) -> str:
        return self._url

    def serve(self, request: HttpRequest) -> HttpResponse | FileResponse:
        path = self.file_path(request.path).lstrip("/")
        try:
            return serve(request, path, document_root=self._root)
        except SuspiciousFileOperation as error:  # no middleware is there to answer it
            raise Http404(str(error)) from error


def _with_collected_files(application: ASGI) -> ASGI:
    """What Django's LiveServerTestCase serves: the directories of static files and of media."""
    for name in ("MEDIA", "STATIC"):
        url, root = conf.django(f"{name}_URL"), conf.django(f"{name}_ROOT")
        if root and url and url != "/":
            application = _FilesHandler(application, str(url), str(root))
    return application


def _with_static_files(application: ASGI) -> ASGI:
    """What Django's StaticLiveServerTestCase serves: static files where the finders find them."""
    return ASGIStaticFilesHandler(_with_collected_files(application))  # type: ignore[arg-type]


def _path() -> str | None:
    """Return the socket's path in the project's own application. None for WSREQUEST_PATH."""
    named = conf.django("ASGI_APPLICATION")
    application = look_up(named) if named else None
    return None if application is None or application.socket is None else application.socket.path


def _make_application(*, takes_turns: bool) -> Application:
    """A new one, since the settings may be overridden for the test.

    Args:
        takes_turns: whether requests run one after the other. Where threads share a connection,
            the transaction of one would be ended by another.
    """
    http: Any = get_asgi_application()
    application = Application(http, _path())
    if takes_turns:
        turn = Lock()
        socket_handler: Any = application.handler.django
        run, arun = socket_handler._middleware_chain, http._middleware_chain

        def in_turn(request: HttpRequest) -> Any:
            has_turn = turn.acquire(timeout=_TURN_SECONDS)
            try:
                return run(request)
            finally:
                if has_turn:
                    turn.release()

        async def ain_turn(request: HttpRequest) -> Any:
            # Not in a thread: those of the pool may be what the request that has its turn needs.
            end = monotonic() + _TURN_SECONDS
            while not (has_turn := turn.acquire(blocking=False)) and monotonic() < end:  # noqa: ASYNC110  # of threads
                await asyncio.sleep(0.002)
            try:
                return await arun(request)
            finally:
                if has_turn:
                    turn.release()

        socket_handler._middleware_chain, http._middleware_chain = in_turn, ain_turn
    return application


class WebSocketLiveServerTestCase(LiveServerTestCase):
    """``django.test.LiveServerTestCase`` whose server has the socket, too.

    Attributes:
        live_server_url: of the server, "http://localhost:…".
        live_server_socket_url: of its socket, "ws://localhost:…/ws/".
    """

    server_thread_class = _ServerThread
    static_handler = staticmethod(_with_collected_files)

    @classproperty
    def live_server_socket_url(cls) -> str:
        """The address of the socket."""
        url: str = cls.live_server_url
        return url.replace("http", "ws", 1) + (_path() or conf.PATH)


class StaticWebSocketLiveServerTestCase(WebSocketLiveServerTestCase):
    """As ``StaticLiveServerTestCase``: ``collectstatic`` is not needed."""

    static_handler = staticmethod(_with_static_files)
