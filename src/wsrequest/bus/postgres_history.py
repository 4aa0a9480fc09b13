"""The newest messages of a channel in PostgreSQL, in an unlogged table.

The row of a message has its number, and that of the message before it, also when that is gone. So a
reader sees from which number on nothing is missing.

PostgreSQL empties an unlogged table after a crash, and does not copy its rows to a standby. Then
the next row says that everything before it may be missing.
"""

import base64
from collections.abc import Sequence
from time import monotonic

from wsrequest.bus.engine import CALL_SECONDS, Keeping, Kept, Sequenced, Unavailable
from wsrequest.bus.libpq import LibpqConnection

__all__ = ["TABLE", "PostgresHistory", "has_history"]

TABLE = """
CREATE UNLOGGED TABLE IF NOT EXISTS wsrequest_history (
    channel text, epoch text, number bigint, previous bigint NOT NULL, total bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp(), content bytea NOT NULL,
    PRIMARY KEY (channel, epoch, number)
)"""
"""Makes the table. ``total`` is the sum of the lengths of all messages up to this one."""
_MAKE_LOCK = "2003006065, 1"  # while the table is made

_TRIM_SECONDS = 1.0  # between two times that one sender deletes the oldest rows

# A process that is frozen must not keep the lock.
_BEGIN = """
    BEGIN; SET LOCAL idle_in_transaction_session_timeout = 1000;
    SELECT pg_advisory_xact_lock({lock})"""
# $1 is the name that the messages are sent to, $2 the messages in base64, $3 the epoch, $4 which of
# them are kept, $5 the channel.
_SEND = """
    WITH last AS MATERIALIZED (
        SELECT number, total FROM wsrequest_history
        WHERE channel = $5 AND epoch = $3 ORDER BY number DESC LIMIT 1
    ), clock AS MATERIALIZED (
        SELECT greatest(
            (extract(epoch FROM clock_timestamp()) * 1000000)::bigint, (SELECT number FROM last)
        ) AS now
    ), message AS MATERIALIZED (
        SELECT now + place AS number, payload, is_kept
        FROM clock,
            unnest($2::text[], $4::boolean[]) WITH ORDINALITY AS given(payload, is_kept, place)
    ), kept AS (
        INSERT INTO wsrequest_history (channel, epoch, number, previous, total, content)
        SELECT $5, $3, number,
            coalesce(lag(number) OVER byte_order, (SELECT number FROM last), number - 1),
            coalesce((SELECT total FROM last), 0) + sum(octet_length(content)) OVER byte_order,
            content
        FROM (
            SELECT number, decode(payload, 'base64') AS content FROM message WHERE is_kept
        ) AS chosen
        WINDOW byte_order AS (ORDER BY number)
    )
    SELECT {publish} FROM (SELECT number, payload FROM message ORDER BY number) AS numbered"""
# Nothing before this row counts.
_START = """
    INSERT INTO wsrequest_history (channel, epoch, number, previous, total, content)
    SELECT $1, $2, now, now, 0, ''
    FROM (SELECT (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AS now) AS clock
    WHERE NOT EXISTS (SELECT FROM wsrequest_history WHERE channel = $1 AND epoch = $2)"""
_CLEAR = "DELETE FROM wsrequest_history WHERE channel = $1"
# The last row stays: it says from which number on nothing is missing.
_TRIM = """
    DELETE FROM wsrequest_history AS old
    USING (
        SELECT number, total FROM wsrequest_history
        WHERE channel = $1 AND epoch = $2 ORDER BY number DESC LIMIT 1
    ) AS last
    WHERE channel = $1 AND (epoch <> $2 OR old.number < last.number AND (
        last.total - old.total + octet_length(content) > $3::bigint
        OR at < clock_timestamp() - make_interval(secs => $4::float8)
        OR old.number <= (
            SELECT number FROM wsrequest_history WHERE channel = $1 AND epoch = $2
            ORDER BY number DESC LIMIT 1 OFFSET $5::bigint
        )
    ))"""
_READ = """
    SELECT number, previous, encode(content, 'base64'),
        at < clock_timestamp() - make_interval(secs => $4::float8)
    FROM wsrequest_history
    WHERE channel = $1 AND epoch = $2 AND number > $3::bigint
    ORDER BY number DESC LIMIT $5::bigint"""
_EXISTS = "SELECT 1 FROM wsrequest_history WHERE channel = $1 AND epoch = $2 LIMIT 1"


def has_history(connection: LibpqConnection) -> bool:
    """Whether the database has the table."""
    ((name,),) = connection.query(
        "SELECT to_regclass('wsrequest_history')", seconds=CALL_SECONDS / 2
    )
    return bool(name)


class PostgresHistory:
    """Sends messages that are kept, and reads them, on one connection.

    Args:
        connection: to the database. The table is made if it is missing.
        epoch: of the numbers.
        keeping: how much is kept.

    Raises:
        Unavailable: there is no table, and this role may not make it.
    """

    def __init__(self, connection: LibpqConnection, epoch: bytes, keeping: Keeping) -> None:
        self._connection, self._epoch, self._keeping = connection, epoch, keeping
        self._trimmed_at = 0.0
        if not has_history(connection):
            try:
                self._begin(_MAKE_LOCK, monotonic() + CALL_SECONDS / 2)
                connection.query(f"{TABLE}; COMMIT", seconds=CALL_SECONDS / 2)
            except Unavailable as error:
                raise Unavailable(
                    f'it has no table "wsrequest_history", and this role cannot make it: {error}. '
                    "docs/push.md says how to make it"
                ) from error

    def send(
        self,
        channel: str,
        lock: str,
        publish: str,
        name: bytes,
        messages: bytes,
        are_kept: Sequence[bool],
        *,
        is_gap: bool,
        deadline: float,
    ) -> None:
        """Send messages in one transaction, and keep some of them.

        If it fails, the connection must be closed.

        Args:
            channel: of the messages.
            lock: of the channel.
            publish: the SQL that sends one.
            name: to which it sends them.
            messages: an array of texts in base64.
            are_kept: whether to keep each of them.
            is_gap: see ``KeepingSender.send_and_keep``.
            deadline: monotonic time.
        """
        key = (channel.encode(), self._epoch)
        self._begin(lock, deadline)
        if is_gap:
            self._run(_CLEAR, key[:1], deadline)
            self._run(_START, key, deadline)
        flags = b"{" + b",".join(b"ft"[kept : kept + 1] for kept in are_kept) + b"}"
        values = (name, messages, self._epoch, flags, key[0])
        self._run(_SEND.format(publish=publish), values, deadline)
        if monotonic() - self._trimmed_at > _TRIM_SECONDS:
            keeping = self._keeping
            limits = (keeping.max_bytes, keeping.max_seconds, keeping.max_messages)
            self._run(_TRIM, (*key, *(str(limit).encode() for limit in limits)), deadline)
            self._trimmed_at = monotonic()
        self._connection.query("COMMIT", seconds=max(0.1, deadline - monotonic()))

    def read(self, channel: str, lock: str, since: tuple[str, int] | None) -> Kept:
        """See ``KeepingReceiver.kept``."""
        deadline, keeping = monotonic() + CALL_SECONDS, self._keeping
        key, epoch = (channel.encode(), self._epoch), self._epoch.decode()
        last = since[1] if since and since[0] == epoch else -1
        limits = (last, keeping.max_seconds, keeping.max_messages)
        values = (*key, *(str(limit).encode() for limit in limits))
        rows = self._run(_READ, values, deadline)
        if not rows and not self._run(_EXISTS, key, deadline):
            self._begin(lock, deadline)
            self._run(_START, key, deadline)
            self._connection.query("COMMIT", seconds=max(0.1, deadline - monotonic()))
            rows = self._run(_READ, values, deadline)
        start, held, messages = last, 0, list[Sequenced]()
        for number, previous, content, is_old in rows:
            decoded = base64.b64decode(content or b"")
            held += len(decoded)
            if is_old == b"t" or held > keeping.max_bytes:
                start = int(number or 0)
                break
            start = int(previous or 0)
            if decoded:
                messages.append(Sequenced(epoch, int(number or 0), decoded))
        return Kept(epoch, start, messages[::-1])

    def _begin(self, lock: str, deadline: float) -> None:
        sql = _BEGIN.format(lock=lock)
        self._connection.query(sql, seconds=max(0.1, deadline - monotonic()))

    def _run(
        self, sql: str, values: Sequence[bytes], deadline: float
    ) -> Sequence[tuple[bytes | None, ...]]:
        return self._connection.query(sql, values, seconds=max(0.1, deadline - monotonic()))
