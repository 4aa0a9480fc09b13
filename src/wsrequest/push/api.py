"""The functions that send events, from any process of the project.

They never wait for a broker. What can never be sent raises at once.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

from asgiref.sync import sync_to_async
from django.db import DEFAULT_DB_ALIAS, connections, transaction
from django.http import HttpRequest

from wsrequest.push.events import (
    Event,
    Kind,
    check_event,
    check_key,
    check_room,
    data_of,
    overhead_bytes,
    session_name,
    user_name,
)

__all__ = [
    "asend",
    "asend_to_session",
    "asend_to_user",
    "publish_by",
    "send",
    "send_committed",
    "send_to_session",
    "send_to_user",
]


class _Publisher(NamedTuple):
    publish: Callable[[Event], None]
    max_bytes: Callable[[], int]
    max_bus_bytes: Callable[[], int | None]


_publisher: _Publisher | None = None


def publish_by(
    publish: Callable[[Event], None],
    *,
    max_bytes: Callable[[], int],
    max_bus_bytes: Callable[[], int | None],
) -> None:
    """Have events published.

    Args:
        publish: can be called from any thread. Raises nothing.
        max_bytes: returns how much data an event may have.
        max_bus_bytes: returns how long an event may be on the bus, or None for any length.
    """
    global _publisher
    _publisher = _Publisher(publish, max_bytes, max_bus_bytes)


def send(
    room: str,
    event: str,
    data: object = None,
    *,
    key: str | None = None,
    exclude: HttpRequest | str | None = None,
    on_commit: bool = True,
    using: str | None = None,
) -> None:
    """Send an event to all who are in a room, in any process.

    In a transaction, the event is sent when that commits, and never if it is rolled back. From then
    on, sending waits for nothing. If the broker is down, the event waits for it. Other processes
    that are connected again later than this one miss it, and their clients get the notice.

    Args:
        room: the name of the room, of 1 to 255 characters.
        event: the name of the event: 1 to 64 ASCII letters, digits and ``_ . : / -``.
        data: what Django's JSON encoder knows, of at most ``WSREQUEST_PUSH_EVENT_BYTES``.
        key: of the events of a room with one key, a client that could not read gets only the
            newest. At most 255 characters.
        exclude: a request whose connection does not get the event, or the id of a connection.
        on_commit: whether to wait for the transaction.
        using: the alias of the database whose transaction counts.

    Raises:
        TypeError: an argument has the wrong type, or the data has no JSON.
        ValueError: a name is not valid, or the data is too large.
        RuntimeError: ``"wsrequest"`` is not in INSTALLED_APPS.
    """
    sending = _sending("room", check_room(room), event, data, key, exclude)
    _begin(sending, on_commit, using)


def send_to_user(
    user: object,
    event: str,
    data: object = None,
    *,
    key: str | None = None,
    exclude: HttpRequest | str | None = None,
    on_commit: bool = True,
    using: str | None = None,
) -> None:
    """Send an event to all connections on which a user has asked for it.

    For a user without such a connection, nothing is sent, and nothing raises.

    Args:
        user: a user, or its primary key.
        event: as for ``send``, like all other arguments.
        data: likewise.
        key: likewise.
        exclude: likewise.
        on_commit: likewise.
        using: likewise.

    Raises:
        TypeError: as for ``send``.
        ValueError: as for ``send``, or the user has no primary key.
        RuntimeError: as for ``send``.
    """
    _begin(_sending("user", user_name(user), event, data, key, exclude), on_commit, using)


def send_to_session(
    session_key: str,
    event: str,
    data: object = None,
    *,
    key: str | None = None,
    exclude: HttpRequest | str | None = None,
    on_commit: bool = True,
    using: str | None = None,
) -> None:
    """Send an event to all connections of a session that have asked for it.

    Args:
        session_key: as in ``request.session.session_key``.
        event: as for ``send``, like all other arguments.
        data: likewise.
        key: likewise.
        exclude: likewise.
        on_commit: likewise.
        using: likewise.

    Raises:
        TypeError: as for ``send``.
        ValueError: as for ``send``, or the session key is empty.
        RuntimeError: as for ``send``.
    """
    name = session_name(session_key)
    _begin(_sending("session", name, event, data, key, exclude), on_commit, using)


async def asend(
    room: str,
    event: str,
    data: object = None,
    *,
    key: str | None = None,
    exclude: HttpRequest | str | None = None,
    on_commit: bool = True,
    using: str | None = None,
) -> None:
    """See ``send``. The transaction is that of the thread in which Django runs its queries."""
    sending = _sending("room", check_room(room), event, data, key, exclude)
    await _abegin(sending, on_commit, using)


async def asend_to_user(
    user: object,
    event: str,
    data: object = None,
    *,
    key: str | None = None,
    exclude: HttpRequest | str | None = None,
    on_commit: bool = True,
    using: str | None = None,
) -> None:
    """See ``send_to_user`` and ``asend``."""
    sending = _sending("user", user_name(user), event, data, key, exclude)
    await _abegin(sending, on_commit, using)


async def asend_to_session(
    session_key: str,
    event: str,
    data: object = None,
    *,
    key: str | None = None,
    exclude: HttpRequest | str | None = None,
    on_commit: bool = True,
    using: str | None = None,
) -> None:
    """See ``send_to_session`` and ``asend``."""
    sending = _sending("session", session_name(session_key), event, data, key, exclude)
    await _abegin(sending, on_commit, using)


class _Sending:
    """An event that is sent once, when its transaction commits."""

    def __init__(self, event: Event, publish: Callable[[Event], None]) -> None:
        self._event: Event | None = event
        self._publish = publish

    def __call__(self) -> None:
        event, self._event = self._event, None
        if event is not None:
            self._publish(event)


def send_committed(connection: Any) -> None:
    """Send what the transaction of a TestCase holds, which never commits.

    Args:
        connection: of a database. All its open ``atomic()`` blocks are the TestCase's own.
    """
    for _, function, *_ in list(connection.run_on_commit):
        if isinstance(function, _Sending):
            function()


def _sending(
    kind: Kind, name: str, event: str, data: object, key: str | None,
    exclude: HttpRequest | str | None,
) -> _Sending:  # fmt: skip
    publisher = _publisher
    if publisher is None:
        raise RuntimeError('Events need "wsrequest" in INSTALLED_APPS.')
    check_event(event)
    encoded = data_of(data, publisher.max_bytes())
    made = Event(kind, name, event, encoded, check_key(key), _connection_id(exclude))
    most = publisher.max_bus_bytes()
    if most is not None and (length := overhead_bytes(made) + len(encoded)) > most:
        raise ValueError(f"the bus takes events of {most} bytes, and this one has {length}")
    return _Sending(made, publisher.publish)


def _connection_id(exclude: HttpRequest | str | None) -> str | None:
    if exclude is None or isinstance(exclude, str):
        return exclude
    if not isinstance(exclude, HttpRequest):
        # The request of REST framework wraps Django's.
        exclude = getattr(exclude, "_request", None)
        if not isinstance(exclude, HttpRequest):
            raise TypeError("exclude is a request or the id of a connection")
    websocket: Any = getattr(exclude, "websocket", None)
    return None if websocket is None else str(websocket.connection_id)


def _begin(sending: _Sending, on_commit: bool, using: str | None) -> None:
    if on_commit:
        connection: Any = connections[using or DEFAULT_DB_ALIAS]
        blocks = connection.atomic_blocks
        # A TestCase is one transaction that never commits.
        if blocks and not all(getattr(block, "_from_testcase", False) for block in blocks):
            transaction.on_commit(sending, using=using, robust=True)
            return
    sending()


async def _abegin(sending: _Sending, on_commit: bool, using: str | None) -> None:
    if on_commit:
        await sync_to_async(_begin)(sending, on_commit, using)
    else:
        sending()
