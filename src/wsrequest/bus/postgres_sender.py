"""Sends messages through PostgreSQL, by NOTIFY or by the write-ahead log, and numbers them.

All messages of a channel have one order. Their transactions take turns by a lock, and each takes
its numbers while it holds that, so they have the order of the commits. A number is the server's
time in microseconds. Numbers of transactions would not do: after a crash, PostgreSQL gives those
again that only NOTIFY has used. If the time is set back, numbers fall, and every process notices.
"""

import base64
import zlib
from collections.abc import Iterator, Sequence
from time import monotonic

from wsrequest.bus.engine import CALL_SECONDS, Keeping, Sequenced
from wsrequest.bus.libpq import LibpqConnection
from wsrequest.bus.postgres_history import PostgresHistory, has_history

__all__ = ["HEAD_BYTES", "PostgresSender", "epoch_of", "lock_of", "sequenced"]

_EPOCH_BYTES, _NUMBER_BYTES = 28, 16
HEAD_BYTES = _EPOCH_BYTES + _NUMBER_BYTES + 2
"""Of the epoch and the number before a message, with a colon behind each."""

_TRANSACTION_BYTES, _TRANSACTION_MESSAGES = 2**22, 100  # of messages that are sent together

# The epoch: another server, and a standby that has become the primary, may use a number again.
_EPOCH = """
    SELECT concat(system_identifier, '.', left(pg_walfile_name(pg_current_wal_lsn()), 8))
    FROM pg_control_system()"""
_LOCK = 0x77737271  # the first half of the lock, "wsrq". The second is the channel's

# $1 is the name of the channel, $2 the messages in base64, $3 the epoch.
_HEAD = "concat($3::text, ':', lpad(number::text, 16, '0'), ':')"
_SEND = """
    WITH locked AS MATERIALIZED (SELECT pg_advisory_xact_lock({lock})), turn AS MATERIALIZED (
        SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now FROM locked
    ){hide}
    SELECT {publish} FROM (
        SELECT now + place AS number, payload
        FROM turn, unnest($2::text[]) WITH ORDINALITY AS message(payload, place)
    ) AS numbered"""
# A process that is not to keep messages. What others have kept by mistake lacks its own.
_HIDE = ", hidden AS (DELETE FROM wsrequest_history WHERE channel = $1)"


class PostgresSender:
    """A ``KeepingSender`` on one connection, which it owns.

    Args:
        connection: to the database.
        publish: the SQL that sends one message, of ``head`` and ``payload``, to $1.
        keeping: how many messages the database keeps, or None.
    """

    def __init__(
        self, connection: LibpqConnection, publish: str, keeping: Keeping | None = None
    ) -> None:
        self._connection = connection
        self._publish = publish.format(head=_HEAD)
        self._epoch = epoch_of(connection)
        self._history = PostgresHistory(connection, self._epoch, keeping) if keeping else None
        self._hide = _HIDE if not keeping and has_history(connection) else ""

    def send(self, channel: str, messages: Sequence[bytes], name: str | None = None) -> None:
        """See ``Sender.send``. Each call is one transaction, or a few if they are long."""
        for batch in _batches(messages):
            sql = _SEND.format(lock=lock_of(channel), publish=self._publish, hide=self._hide)
            values = ((name or channel).encode(), _array(batch), self._epoch)
            self._connection.query(sql, values, seconds=CALL_SECONDS)

    def send_and_keep(
        self,
        channel: str,
        messages: Sequence[bytes],
        are_kept: Sequence[bool],
        *,
        is_gap: bool,
        name: str | None = None,
    ) -> None:
        """See ``KeepingSender.send_and_keep``."""
        if not (any(are_kept) or is_gap):
            self.send(channel, messages, name)
            return
        assert self._history is not None
        start = 0
        for batch in _batches(messages) if messages else [()]:
            deadline = monotonic() + CALL_SECONDS
            self._history.send(
                channel,
                lock_of(channel),
                self._publish,
                (name or channel).encode(),
                _array(batch),
                are_kept[start : start + len(batch)],
                is_gap=is_gap and not start,
                deadline=deadline,
            )
            start += len(batch)

    def close(self) -> None:
        """See ``Sender.close``."""
        self._connection.close()


def epoch_of(connection: LibpqConnection) -> bytes:
    """Return what names the numbering of the server."""
    ((epoch,),) = connection.query(_EPOCH, seconds=CALL_SECONDS / 2)
    return (epoch or b"").rjust(_EPOCH_BYTES, b"0")


def lock_of(channel: str) -> str:
    """Return the numbers of a channel's lock. Its other channels have the same order."""
    name = channel.partition(":")[0]
    return f"{_LOCK}, {zlib.crc32(name.encode()) - 2**31}"


def sequenced(message: bytes, *, is_base64: bool = False) -> bytes | Sequenced:
    """Return a message that has arrived, with its place. The bytes as they are from a stranger."""
    try:
        epoch, number, content = message.split(b":", 2)
        if (len(epoch), len(number), number.isdigit()) != (_EPOCH_BYTES, _NUMBER_BYTES, True):
            return message
        content = base64.b64decode(content, validate=True) if is_base64 else content
        return Sequenced(epoch.decode(), int(number), content)
    except ValueError:
        return message


def _batches(messages: Sequence[bytes]) -> Iterator[Sequence[bytes]]:
    batch: list[bytes] = []
    for message in messages:
        is_long = sum(map(len, batch)) + len(message) > _TRANSACTION_BYTES
        if batch and (is_long or len(batch) == _TRANSACTION_MESSAGES):
            yield batch
            batch = []
        batch.append(message)
    yield batch


def _array(messages: Sequence[bytes]) -> bytes:
    return b"{" + b",".join(map(base64.b64encode, messages)) + b"}"
