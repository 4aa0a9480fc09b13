"""Find the open sockets of this process by session.

It holds nothing but references. A connection adds itself when it opens and removes itself when it
ends.
"""

from collections.abc import Callable
from threading import Lock
from typing import Protocol
from weakref import WeakSet

from wsrequest.bus.logouts import Logout, session_digest

__all__ = [
    "Socket",
    "add",
    "announce_by",
    "close_sockets",
    "discard",
    "open_sockets",
    "session_ended_elsewhere",
]

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
_announce: Callable[[Logout], None] | None = None


def announce_by(announce: Callable[[Logout], None]) -> None:
    """Have other processes learn of each session that ``close_sockets`` ends here.

    Args:
        announce: called in the thread of ``close_sockets``.
    """
    global _announce
    _announce = announce


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
    """Close the sockets of a session, with code 4003 (PROTOCOL.md 7).

    Those of this process are closed at once. Other processes close theirs as soon as they receive
    the message, if they share a bus with this one (``WSREQUEST_BUS``). Call it from any thread of
    any process of the project, such as a management command.

    The connection that stays open loses its live requests, because they belonged to the session's
    user.

    Args:
        session_key: as in ``request.session.session_key``.
        except_connection_id: a connection to leave open, as in
            ``request.websocket.connection_id``.

    Returns:
        The number of sockets of this process that are being closed.
    """
    if _announce is not None:
        _announce(Logout.of(session_key, except_connection_id))
    return _close(lambda key: key == session_key, except_connection_id)


def session_ended_elsewhere(logout: Logout) -> None:
    """Close the sockets of a session that has ended in another process."""
    if not logout.is_own():
        _close(lambda key: session_digest(key) == logout.session, logout.except_connection_id)


def _close(matches: Callable[[str], bool], except_connection_id: str | None) -> int:
    count = 0
    for socket in open_sockets():
        if socket.session_key is None or not matches(socket.session_key):
            continue
        if socket.connection_id == except_connection_id:
            socket.logged_out_soon()
        else:
            socket.close_soon(SESSION_ENDED, "the session ended")
            count += 1
    return count
