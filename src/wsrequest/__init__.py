"""wsrequest: any Django URL over one WebSocket, through the whole stack.

Re-exports only. Names are imported when they are first used, because this
module is also imported where Django must not be: by ``INSTALLED_APPS`` before
the applications are ready, and by the Python client.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wsrequest.contrib.classic import WebSocketRequest
    from wsrequest.server.connections import close_sockets

__all__ = ["WebSocketRequest", "__version__", "close_sockets"]

__version__ = "1.0.0.dev0"

_HOMES = {
    "WebSocketRequest": "wsrequest.contrib.classic",
    "close_sockets": "wsrequest.server.connections",
}


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
