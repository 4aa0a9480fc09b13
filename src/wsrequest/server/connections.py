"""Find the open sockets of this process, and those of a session.

It holds references, and the digests of session keys. A connection adds itself when it opens,
reports when its session may be another one, and removes itself when it ends.
"""

from collections.abc import Callable, Collection
from threading import Lock
from typing import Protocol
from weakref import ReferenceType, WeakKeyDictionary, ref

from wsrequest.bus.logouts import Logout, session_digest

__all__ = [
    "Socket",
    "add",
    "announce_by",
    "close_sockets",
    "discard",
    "open_sockets",
    "session_changed",
    "session_ended_elsewhere",
]

SESSION_ENDED = 4003


class Socket(Protocol):
    """An open connection, as other parts may use it."""

    connection_id: str

    @property
    def session_key(self) -> str | None:
        """The session that its cookies name."""

    @property
    def session_keys(self) -> Collection[str]:
        """The sessions that its cookies may name until they change. Some cookies hide others."""

    def close_soon(self, code: int, reason: str) -> None:
        """Close it. Any thread may call this."""

    def logged_out_soon(self) -> None:
        """End the live requests of its session's user. Any thread may call this."""


_lock = Lock()  # views close sockets from their threads
# Each with the digests of its session keys, and the other way round.
_sockets: WeakKeyDictionary[Socket, frozenset[str]] = WeakKeyDictionary()
_by_session: dict[str, tuple[ReferenceType[Socket], ...]] = {}
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
        _enter(socket, _digests_of(socket))


def session_changed(socket: Socket) -> None:
    """Find a socket by other sessions from now on, if it is still open. Called on the event loop.

    Call it whenever its cookies have changed.
    """
    digests = _digests_of(socket)
    with _lock:
        if _sockets.get(socket, digests) != digests:
            _leave(socket)
            _enter(socket, digests)


def discard(socket: Socket) -> None:
    """Forget a socket. Safe to call twice."""
    with _lock:
        _leave(socket)


def _digests_of(socket: Socket) -> frozenset[str]:
    return frozenset(map(session_digest, socket.session_keys))


def _enter(socket: Socket, digests: frozenset[str]) -> None:
    _sockets[socket] = digests
    for digest in digests:
        _by_session[digest] = (*_by_session.get(digest, ()), ref(socket))


def _leave(socket: Socket) -> None:
    for digest in _sockets.pop(socket, ()):
        left = tuple(each for each in _by_session[digest] if each() not in (socket, None))
        if left:
            _by_session[digest] = left
        else:
            del _by_session[digest]


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
    return _close(session_digest(session_key), except_connection_id)


def session_ended_elsewhere(logout: Logout) -> None:
    """Close the sockets of a session that has ended in another process."""
    if not logout.is_own():
        _close(logout.session, logout.except_connection_id)


def _close(session: str, except_connection_id: str | None) -> int:
    """Close the sockets of a session, by the digest of its key."""
    with _lock:
        found = [each() for each in _by_session.get(session, ())]
    count = 0
    for socket in found:
        key = None if socket is None else socket.session_key
        if socket is None or key is None or session_digest(key) != session:
            continue
        if socket.connection_id == except_connection_id:
            socket.logged_out_soon()
        else:
            socket.close_soon(SESSION_ENDED, "the session ended")
            count += 1
    return count
