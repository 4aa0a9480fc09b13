"""Find the open sockets of this process by session.

It holds nothing but references. A connection adds itself when it opens and removes itself when it
ends.
"""

from threading import Lock
from typing import Protocol
from weakref import WeakSet

__all__ = ["Socket", "add", "close_sockets", "discard", "open_sockets"]

SESSION_ENDED = 4003


class Socket(Protocol):
    """An open connection, as other parts may use it."""

    connection_id: str

    @property
    def session_key(self) -> str | None:
        """The session that its cookies name."""

    def close_soon(self, code: int, reason: str) -> None:
        """Close it. Any thread may call this."""

    def logged_out_soon(self) -> None:
        """End the live requests of its session's user. Any thread may call this."""


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
    """Return the sockets that are open in this process now."""
    with _lock:
        return list(_sockets)


def close_sockets(session_key: str, *, except_connection_id: str | None = None) -> int:
    """Close the sockets of a session in this process, with code 4003 (PROTOCOL.md 7).

    The connection that stays open loses its live requests, because they belonged to the session's
    user.

    Args:
        session_key: as in ``request.session.session_key``.
        except_connection_id: a connection to leave open, as in
            ``request.websocket.connection_id``.

    Returns:
        The number of sockets that are being closed.
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
