"""The Django application."""

from typing import Any

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_out

from wsrequest.conf import conf
from wsrequest.connection.sockets import close_sockets

__all__ = ["WSRequestConfig"]


class WSRequestConfig(AppConfig):
    """``"wsrequest"`` in INSTALLED_APPS."""

    name = "wsrequest"
    verbose_name = "wsrequest"

    def ready(self) -> None:
        """Register the system checks, and let a logout close the session's other sockets."""
        from wsrequest import checks  # noqa: F401  # registers itself; needs the apps to be ready

        user_logged_out.connect(_close_others, dispatch_uid="wsrequest.close_others")


def _close_others(sender: Any, request: Any, **kwargs: Any) -> None:
    session_key = getattr(getattr(request, "session", None), "session_key", None)
    if session_key and conf.CLOSE_ON_LOGOUT:
        websocket = getattr(request, "websocket", None)
        close_sockets(session_key, except_connection_id=websocket and websocket.connection_id)
