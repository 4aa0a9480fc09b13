"""Django's runserver, with the project's HTTP and its socket served by uvicorn.

Options, system checks, autoreload and messages are Django's.
"""

from typing import Any

from django.apps import apps
from django.contrib.staticfiles.handlers import ASGIStaticFilesHandler
from django.contrib.staticfiles.management.commands.runserver import Command as WithStaticFiles
from django.core.management.commands.runserver import Command as WithoutStaticFiles

from wsrequest.asgi import Application, get_asgi_application
from wsrequest.conf import conf
from wsrequest.management.access import log_access
from wsrequest.management.applications import look_up
from wsrequest.management.serving import DevelopmentServer
from wsrequest.types import ASGI

__all__ = ["Command"]

_has_static_files = apps.is_installed("django.contrib.staticfiles")
_Runserver: type[WithoutStaticFiles] = WithStaticFiles if _has_static_files else WithoutStaticFiles


class Command(_Runserver):  # type: ignore[misc,valid-type]  # whichever is installed
    """``manage.py runserver``."""

    help = "Starts a web server for development, with the project's HTTP and its WebSocket."

    server_cls = DevelopmentServer
    _path = ""
    _is_of_project = True

    def get_handler(self, *args: Any, **options: Any) -> ASGI:
        """Return the project's ASGI application, or a new one if that has no socket."""
        parts = _project_application()
        self._is_of_project = parts is not None
        application, socket = parts or _own_application()
        self._path = socket.path
        is_shown = conf.django("DEBUG") or options.get("insecure_serving")
        if options.get("use_static_handler") and is_shown:
            # Declared for Django's handler, but it only calls what it is given.
            application = ASGIStaticFilesHandler(application)  # type: ignore[arg-type]
        return log_access(application)

    def on_bind(self, server_port: int) -> None:
        """Print the address of the server."""
        super().on_bind(server_port)
        addr = "0.0.0.0" if self.addr == "0" else self.addr
        host = f"[{addr}]" if ":" in addr else addr
        self.stdout.write(f"WebSockets are at ws://{host}:{server_port}{self._path}")
        if not self._is_of_project:
            self.stdout.write(
                "This application is runserver's own. For an ASGI server import "
                "get_asgi_application from wsrequest.asgi in asgi.py, and name that in "
                "ASGI_APPLICATION."
            )


def _project_application() -> tuple[ASGI, Application] | None:
    named = conf.django("ASGI_APPLICATION")
    project = look_up(named) if named else None
    if project is not None and project.application is not None and project.socket is not None:
        return project.application, project.socket
    return None  # the system checks report what is wrong with it


def _own_application() -> tuple[ASGI, Application]:
    application = get_asgi_application()
    return application, application
