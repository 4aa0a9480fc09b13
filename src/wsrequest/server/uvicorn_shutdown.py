"""Drain before uvicorn closes its connections when it shuts down without a signal.

With ``--limit-max-requests``, or gunicorn's ``--max-requests``, uvicorn ends on its own. It closes
each WebSocket with 1012, whatever is in flight, and notifies the application only afterwards. Its
first step is to call ``shutdown`` of its protocol objects, so this module intercepts that.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from wsrequest.server.drain import Drain

__all__ = ["UvicornShutdown"]

_WEBSOCKETS, _HTTP = "uvicorn.protocols.websockets.", "uvicorn.protocols.http."


class UvicornShutdown:
    """Intercepts the shutdown of the connections that the application serves.

    Args:
        drain: runs once. Then uvicorn closes what is still open, as usual.
    """

    def __init__(self, drain: Drain) -> None:
        self._drain = drain
        self._connections: set[Any] | None = None  # those of uvicorn's server
        self._begin_once: Callable[[], None] = _nothing

    def watch(self, send: object) -> None:
        """Make one connection wait for the drain. Does nothing with another server.

        Args:
            send: the ASGI callable, as the server passed it.
        """
        protocol: Any = _protocol_of(send)
        connections = getattr(protocol, "connections", None)
        if not isinstance(connections, set) or not hasattr(protocol, "shutdown"):
            return
        if connections is not self._connections:
            self._connections = connections
            self._begin_once = partial(self._begin, connections)
        protocol.shutdown = self._begin_once  # one object for all of them

    def _begin(self, connections: set[Any]) -> None:
        if connections is self._connections:
            self._connections = None
            self._drain.begin(partial(_close, connections, self._begin_once))


def _close(connections: set[Any], hook: Callable[[], None]) -> None:
    for protocol in list(connections):
        if vars(protocol).get("shutdown") is hook:
            protocol.shutdown = _nothing  # uvicorn may still call it
            type(protocol).shutdown(protocol)


def _nothing() -> None:
    pass


def _protocol_of(send: object) -> object:
    owner: Any = getattr(send, "__self__", None)
    module = type(owner).__module__
    if module.startswith(_WEBSOCKETS):
        return owner
    if module.startswith(_HTTP):  # an object for one request
        protocol = getattr(owner, "transport", None) and owner.transport.get_protocol()
        return protocol if type(protocol).__module__.startswith(_HTTP) else None
    return None
