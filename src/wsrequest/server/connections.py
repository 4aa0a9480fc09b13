"""The open sockets of this process, found by session.

Owns nothing but references: a connection adds itself when it opens, and leaves when it ends.
"""

from threading import Lock
from typing import Protocol
from weakref import WeakSet

__all__ = ["Socket", "add", "close_sockets", "discard", "open_sockets"]

SESSION_ENDED = 4003


class Socket(Protocol):
    """An open connection, as far as others may deal with it."""

    connection_id: str

    @property
    def session_key(self) -> str | None:
        """The session that its cookies name."""

    def close_soon(self, code: int, reason: str) -> None:
        """Close it; from any thread."""

    def logged_out_soon(self) -> None:
        """End what is live for the user of its session; from any thread."""


_lock = Lock()  # views close sockets from their threads
_sockets: WeakSet[Socket] = WeakSet()


def add(socket: Socket) -> None:
    """Make a socket findable. Called on the event loop."""
    with _lock:
        _sockets.add(socket)


def discard(socket: Socket) -> None:
    """Forget a socket. Safe to call twice."""
    with _lock:
        _sockets.discard(socket)


def open_sockets() -> list[Socket]:
    """The sockets that are open in this process now."""
    with _lock:
        return list(_sockets)


def close_sockets(session_key: str, *, except_connection_id: str | None = None) -> int:
    """Close the sockets of a session in this process, with code 4003 (PROTOCOL.md 7).

    The one that is left open by name loses its live requests, for they were this user's.

    Args:
        session_key: as ``request.session.session_key``.
        except_connection_id: a connection to leave open, as
            ``request.websocket.connection_id``.

    Returns:
        How many are being closed.
    """
    count = 0
    for socket in open_sockets():
        if socket.session_key != session_key:
            continue
        if socket.connection_id == except_connection_id:
            socket.logged_out_soon()
        else:
            socket.close_soon(SESSION_ENDED, "the session ended")
            count += 1
    return count
