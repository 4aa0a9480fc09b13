"""PostgreSQL as a broker, by LISTEN and NOTIFY.

A message is sent in a transaction of its own, after the commit that it describes. So the lock that
NOTIFY takes at its commit is never held by a transaction of the project.

All messages of a channel have one order. Their transactions take turns by a lock, and each takes
its number while it holds that, so the numbers have the order of the commits.
"""

import base64
import zlib
from collections.abc import Callable, Mapping, Sequence
from hashlib import blake2b
from time import monotonic
from typing import Any

from wsrequest.bus.engine import CALL_SECONDS, Sequenced, Unavailable
from wsrequest.bus.libpq import LibpqConnection, connect, parameters_of

__all__ = ["NotifyEngine", "channel_name"]

# Shorter than the longest call, which connects and makes one query.
_CONNECT_SECONDS, _QUERY_SECONDS = CALL_SECONDS * 0.6, CALL_SECONDS * 0.4

_MAX_CHANNEL_BYTES = 63
_MAX_PAYLOAD_BYTES = 7999  # of text
_EPOCH_BYTES, _NUMBER_BYTES = 28, 16  # before the payload, and a colon behind each

# Heartbeats arrive each second. BrokerBus is cut off after three.
_POOLER_SECONDS = 2.5

# The messages of one call are one transaction. PostgreSQL drops a notification that a transaction
# repeats, and no two messages are the same.
#
# The number is that of the transaction, with room for 128 messages in each.
_SEND = """
    WITH turn AS (SELECT pg_advisory_xact_lock($3::int, $4::int))
    SELECT pg_notify($1, concat(
        $5::text, ':', lpad((txid_current() * 128 + place)::text, 16, '0'), ':', payload
    ))
    FROM turn, unnest($2::text[]) WITH ORDINALITY AS message(payload, place)"""
# The epoch: another server, and a standby that has become the primary, may use a number again.
_EPOCH = """
    SELECT concat(system_identifier, '.', left(pg_walfile_name(pg_current_wal_lsn()), 8))
    FROM pg_control_system()"""
_LOCK = 0x77737271  # the first half of the lock, "wsrq". The second is the channel's

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
    """

    is_sequencing = True
    max_message_bytes = (
        (_MAX_PAYLOAD_BYTES - _EPOCH_BYTES - _NUMBER_BYTES - 2) // 4 * 3
    )  # in base64

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
            return _Sender(connection)
        except BaseException:
            connection.close()
            raise

    def connect_receiver(self, channels: Sequence[str]) -> "_Receiver":
        """See ``Engine.connect_receiver``."""
        connection = self._connect()
        try:
            return _Receiver(connection, channels)
        except BaseException:
            connection.close()
            raise

    def _connect(self) -> LibpqConnection:
        parameters = {**parameters_of(self._settings()), **self._overrides}
        return connect(parameters, _CONNECT_SECONDS)


class _Sender:
    def __init__(self, connection: LibpqConnection) -> None:
        self._connection = connection
        ((epoch,),) = connection.query(_EPOCH, seconds=_QUERY_SECONDS)
        self._epoch = (epoch or b"").rjust(_EPOCH_BYTES, b"0")

    def send(self, channel: str, messages: Sequence[bytes]) -> None:
        """See ``Sender.send``."""
        payloads = b"{" + b",".join(map(base64.b64encode, messages)) + b"}"
        lock = (b"%d" % _LOCK, _lock_of(channel))
        values = (channel_name(channel).encode(), payloads, *lock, self._epoch)
        self._connection.query(_SEND, values, seconds=_QUERY_SECONDS)

    def close(self) -> None:
        """See ``Sender.close``."""
        self._connection.close()


class _Receiver:
    def __init__(self, connection: LibpqConnection, channels: Sequence[str]) -> None:
        self._connection = connection
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
        return [_decoded(payload) for payload in found]

    def close(self) -> None:
        """See ``Receiver.close``."""
        self._connection.close()


def channel_name(channel: str) -> str:
    """Return the channel's name in PostgreSQL, which takes 63 bytes in the database's encoding."""
    encoded = channel.encode()
    if channel.isascii() and channel.isprintable() and 0 < len(encoded) <= _MAX_CHANNEL_BYTES:
        return channel
    return f"wsrequest:{blake2b(encoded, digest_size=16).hexdigest()}"


def _lock_of(channel: str) -> bytes:
    """Return the number of a channel's lock. Its other channels have the same order."""
    name = channel.partition(":")[0]
    return b"%d" % (zlib.crc32(name.encode()) - 2**31)


def _decoded(payload: bytes) -> bytes | Sequenced:
    try:
        epoch, number, content = payload.split(b":")
        if (len(epoch), len(number), number.isdigit()) != (_EPOCH_BYTES, _NUMBER_BYTES, True):
            return payload
        return Sequenced(epoch.decode(), int(number), base64.b64decode(content, validate=True))
    except ValueError:
        return payload  # a stranger's. Nobody has signed it
