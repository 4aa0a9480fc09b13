"""uvicorn's configuration for both commands, and the server that runserver uses."""

import logging
import os
import sys
import threading
from collections.abc import Callable
from typing import Any

import uvicorn

from wsrequest.conf import conf
from wsrequest.management.listening import listen_tcp
from wsrequest.types import ASGI

__all__ = ["DevelopmentServer", "make_config"]

_uvicorn = logging.getLogger("uvicorn.error")

# Of one header of a handshake, such as that of cookies. websockets takes 8,190 bytes, and then
# uvicorn never answers, although HTTP allows those cookies. uvicorn's h11 has this for all headers.
_HEADER_LINE_BYTES = 65_536
_LINE_VARIABLE = "WEBSOCKETS_MAX_LINE_LENGTH"  # read when websockets is imported


def _is_true(record: logging.LogRecord) -> bool:
    """uvicorn takes a handshake that was refused with a text for one that was left open."""
    return record.msg != "ASGI callable returned without completing handshake."


def make_config(application: ASGI | Callable[[], ASGI], **options: Any) -> uvicorn.Config:
    """Return uvicorn's configuration for a socket.

    Args:
        application: the application. With ``factory=True`` it makes one, and can be pickled.
        options: further arguments of ``uvicorn.Config``.
    """
    _uvicorn.addFilter(_is_true)
    _take_long_headers()
    return uvicorn.Config(
        application,
        interface="asgi3",
        ws="wsrequest.server.uvicorn:WebSocketProtocol",
        http="wsrequest.server.uvicorn:HTTPProtocol",
        # A frame that is too large is refused by name. One of twice the limit ends the connection.
        ws_max_size=2 * conf.MAX_MESSAGE_BYTES,
        ws_per_message_deflate=False,  # 34 KiB per connection, and CRIME (docs/deployment.md)
        log_config=None,  # the project's LOGGING
        **options,
    )


def _take_long_headers() -> None:
    """Let websockets take as long a header as HTTP does, unless its limit was set by hand."""
    if _LINE_VARIABLE in os.environ:
        return
    os.environ[_LINE_VARIABLE] = str(_HEADER_LINE_BYTES)  # for workers, too
    http11 = sys.modules.get("websockets.http11")
    if http11 is not None:
        http11.MAX_LINE_LENGTH = _HEADER_LINE_BYTES  # type: ignore[attr-defined]  # a constant


class DevelopmentServer:
    """Serves an ASGI application, with the interface that runserver asks of its ``server_cls``.

    Args:
        address: host and port.
        handler_class: not used, HTTP is uvicorn's.
        ipv6: whether ``address`` is of that family.

    Raises:
        OSError: it cannot listen there.

    Source: django.core.servers.basehttp, ``run`` and ``WSGIServer``.
    """

    def __init__(
        self, address: tuple[str, int], handler_class: object, *, ipv6: bool = False
    ) -> None:
        self._listener = listen_tcp(*address, ipv6=ipv6)
        self.server_port: int = self._listener.getsockname()[1]
        self._application: ASGI | None = None

    def set_app(self, application: ASGI) -> None:
        """Set the application to serve."""
        self._application = application

    def serve_forever(self) -> None:
        """Serve until the process ends.

        Never on the main thread, where uvicorn and the socket's own shutdown would wait for what is
        in flight. On another thread they take no signals, so Ctrl-C goes to Django and ends at
        once.
        """
        assert self._application is not None  # runserver sets it first
        config = make_config(
            self._application,
            loop="asyncio",  # as good for one developer, and debuggable
            proxy_headers=False,  # as Django's
            access_log=False,
        )
        server = uvicorn.Server(config)
        if threading.current_thread() is not threading.main_thread():
            server.run([self._listener])
            return
        thread = threading.Thread(
            target=server.run, args=([self._listener],), name="runserver", daemon=True
        )
        thread.start()
        while thread.is_alive():
            thread.join(1.0)  # on Windows, a join without a timeout cannot be interrupted
        if not server.started:
            raise SystemExit(1)  # uvicorn has logged why
