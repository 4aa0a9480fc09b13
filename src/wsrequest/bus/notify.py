"""PostgreSQL as a broker, by LISTEN and NOTIFY.

A message is sent in a transaction of its own, after the commit that it describes. So the lock that
NOTIFY takes at its commit is never held by a transaction of the project.
"""

from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from time import monotonic
from typing import Any

from wsrequest.bus.engine import CALL_SECONDS, Keeping, Kept, Sequenced, Unavailable
from wsrequest.bus.libpq import LibpqConnection, connect, parameters_of
from wsrequest.bus.postgres_history import PostgresHistory
from wsrequest.bus.postgres_sender import (
    HEAD_BYTES,
    PostgresSender,
    epoch_of,
    lock_of,
    sequenced,
)

__all__ = ["NotifyEngine", "channel_name"]

# Shorter than the longest call, which connects and makes one query.
_CONNECT_SECONDS, _QUERY_SECONDS = CALL_SECONDS * 0.6, CALL_SECONDS * 0.4

_MAX_CHANNEL_BYTES = 63
_MAX_PAYLOAD_BYTES = 7999  # of text

# Heartbeats arrive each second. BrokerBus is cut off after three.
_POOLER_SECONDS = 2.5

# PostgreSQL drops a notification that a transaction repeats, and no two messages are the same.
_PUBLISH = "pg_notify($1, concat({head}, payload))"

_POOLED = (
    "nothing arrives, and the connection goes through a pooler. LISTEN needs a session of its own. "
    "Name the server itself in WSREQUEST_BUS, as in "
    "postgresql+notify://default?host=127.0.0.1&port=5432, or let the pooler pool sessions"
)


class NotifyEngine:
    """An ``Engine`` for PostgreSQL.

    Args:
        address: names the database in logs.
        settings: returns its entry of DATABASES. It is called for each connection, because a test
            run changes the entry.
        overrides: parameters of libpq that go before it.

    Attributes:
        is_sequencing: all messages arrive with their numbers.
        keeping: how many messages the database keeps, or None.
    """

    is_sequencing = True
    keeping: Keeping | None = None
    max_message_bytes = (_MAX_PAYLOAD_BYTES - HEAD_BYTES) // 4 * 3  # in base64

    def __init__(
        self,
        address: str,
        settings: Callable[[], Mapping[str, Any]],
        overrides: Mapping[str, str],
    ) -> None:
        self.address, self._settings, self._overrides = address, settings, overrides

    def connect_sender(self) -> "_Sender":
        """See ``Engine.connect_sender``."""
        connection = self._connect()
        try:
            return _Sender(connection, self.keeping)
        except BaseException:
            connection.close()
            raise

    def connect_receiver(self, channels: Sequence[str]) -> "_Receiver":
        """See ``Engine.connect_receiver``."""
        connection = self._connect()
        try:
            return _Receiver(connection, channels, self.keeping)
        except BaseException:
            connection.close()
            raise

    def _connect(self) -> LibpqConnection:
        parameters = {**parameters_of(self._settings()), **self._overrides}
        return connect(parameters, _CONNECT_SECONDS)


class _Sender:
    def __init__(self, connection: LibpqConnection, keeping: Keeping | None) -> None:
        self._sender = PostgresSender(connection, _PUBLISH, keeping)

    def send(self, channel: str, messages: Sequence[bytes]) -> None:
        """See ``Sender.send``."""
        self._sender.send(channel, messages, channel_name(channel))

    def send_and_keep(
        self, channel: str, messages: Sequence[bytes], are_kept: Sequence[bool], *, is_gap: bool
    ) -> None:
        """See ``KeepingSender.send_and_keep``."""
        name = channel_name(channel)
        self._sender.send_and_keep(channel, messages, are_kept, is_gap=is_gap, name=name)

    def close(self) -> None:
        """See ``Sender.close``."""
        self._sender.close()


class _Receiver:
    def __init__(
        self, connection: LibpqConnection, channels: Sequence[str], keeping: Keeping | None
    ) -> None:
        self._connection = connection
        self._history = (
            PostgresHistory(connection, epoch_of(connection), keeping) if keeping else None
        )
        listen = [f"LISTEN {connection.quoted(channel_name(channel))}" for channel in channels]
        rows = connection.query(
            "; ".join([*listen, "SELECT pg_backend_pid()"]), seconds=_QUERY_SECONDS
        )
        # A pooler makes up the number that it gives to its client.
        self._is_pooled = rows[0][0] != str(connection.pid).encode()
        self._began_at = monotonic()

    def receive(self, seconds: float) -> Sequence[bytes | Sequenced]:
        """See ``Receiver.receive``."""
        found = self._connection.notified(seconds)
        if found:
            self._is_pooled = False  # or it does no harm
        elif self._is_pooled and monotonic() - self._began_at >= _POOLER_SECONDS:
            raise Unavailable(_POOLED)
        return [sequenced(payload, is_base64=True) for payload in found]

    def kept(self, channel: str, since: tuple[str, int] | None) -> Kept:
        """See ``KeepingReceiver.kept``."""
        assert self._history is not None
        return self._history.read(channel, lock_of(channel), since)

    def close(self) -> None:
        """See ``Receiver.close``."""
        self._connection.close()


def channel_name(channel: str) -> str:
    """Return the channel's name in PostgreSQL, which takes 63 bytes in the database's encoding."""
    encoded = channel.encode()
    if channel.isascii() and channel.isprintable() and 0 < len(encoded) <= _MAX_CHANNEL_BYTES:
        return channel
    return f"wsrequest:{blake2b(encoded, digest_size=16).hexdigest()}"
