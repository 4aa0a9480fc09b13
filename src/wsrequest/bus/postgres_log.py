"""PostgreSQL as a broker that also reports each commit by itself, from its write-ahead log.

Each process that receives reads the database's logical replication stream through a temporary slot,
which the server drops with the connection. Commits of all programs arrive in it, in their order.
Other messages are written to the same log by ``pg_logical_emit_message``.

The server may send a commit a moment before others can see it, and much earlier where it waits for
a synchronous standby. A view that ran again too early would read the old rows and not run again. So
a commit is kept until a new snapshot shows it.
"""

import os
from collections.abc import Callable, Mapping, Sequence
from struct import Struct
from time import monotonic, time
from typing import Any

from wsrequest.bus.engine import (
    CALL_SECONDS,
    Keeping,
    Kept,
    LoggedCommit,
    Sequenced,
    Unavailable,
)
from wsrequest.bus.libpq import LibpqConnection, connect, parameters_of
from wsrequest.bus.origins import PREFIX_END
from wsrequest.bus.pgoutput import PUBLICATION, Decoder, Message, Transaction, Unreadable
from wsrequest.bus.postgres_history import PostgresHistory
from wsrequest.bus.postgres_sender import (
    HEAD_BYTES,
    PostgresSender,
    epoch_of,
    lock_of,
    sequenced,
)

__all__ = ["LogReceiver", "LogSender", "PostgresLogEngine"]

_SECONDS = CALL_SECONDS / 4  # of one step. connect_receiver takes three of them and waits once
_BATCH, _BATCH_SECONDS, _BATCH_BYTES = 1000, 0.1, 2**22  # that one call takes
_STATUS_SECONDS = 1.0
_VISIBLE_SECONDS = (0.001, 0.05)  # between two looks whether a commit is visible
_DATA, _KEEPALIVE, _STATUS = Struct(">cqqq"), Struct(">cqqB"), Struct(">cqqqqB")
_EPOCH = 946_684_800  # 2000-01-01, in the server's time

_STATE = """
    SELECT current_setting('wal_level'),
        (SELECT count(*) FROM pg_publication WHERE pubname = $1),
        pg_is_in_recovery()"""
_HOLDERS = """
    SELECT coalesce(string_agg(pid::text, ', '), '?') FROM pg_stat_activity
    WHERE backend_xid IS NOT NULL AND pid <> pg_backend_pid()"""
_NO_PUBLICATION = (
    f'it has no publication "{PUBLICATION}". Make it with "manage.py wsrequest_publication"'
)
# Of messages that are written with a commit. It is flushed at once, but waits for no standby.
_SETUP = "SET synchronous_commit = local"
_PUBLISH = """
    pg_logical_emit_message(true, $1, convert_to({head}, 'UTF8') || decode(payload, 'base64'))"""


class PostgresLogEngine:
    """An ``Engine`` for PostgreSQL with ``wal_level = logical``.

    Args:
        address: names the server in logs.
        database: the alias by which commits name the database.
        settings: returns the entry of DATABASES. Called for each connection.
        overrides: parameters of libpq that go before those of the entry.

    Attributes:
        databases: the aliases of the databases that report their commits: this one.
        is_sequencing: all messages arrive with their numbers.
        keeping: how many messages the database keeps, or None.
    """

    is_sequencing = True
    keeping: Keeping | None = None
    max_message_bytes = 2**20  # larger messages hold others up

    def __init__(
        self,
        address: str,
        database: str,
        settings: Callable[[], Mapping[str, Any]],
        overrides: Mapping[str, str],
    ) -> None:
        self.address, self.databases = address, (database,)
        self._settings, self._overrides = settings, overrides
        self._opening: _Opening | None = None

    def connect_sender(self) -> "LogSender":
        """See ``Engine.connect_sender``."""
        return LogSender(self._connect(_SECONDS * 2), self.keeping)

    def connect_receiver(self, channels: Sequence[str]) -> "LogReceiver":
        """See ``Engine.connect_receiver``.

        The server makes a slot only when the transactions have ended that were open before. If that
        takes long, the next call goes on with the same slot, so that it is made at last.
        """
        opening, self._opening = self._opening, None
        if opening is None or opening.process != os.getpid():
            opening = _Opening(
                self._connect(_SECONDS), lambda: self._connect(_SECONDS, is_replication=True)
            )
        if opening.is_done(_SECONDS):
            return LogReceiver(
                opening.plain,
                opening.start(),
                Decoder(
                    self.databases[0], _prefixes(channels), self.max_message_bytes + HEAD_BYTES
                ),
                channels[0],
                self.keeping,
            )
        holders = opening.holders()
        self._opening = opening
        raise Unavailable(
            "it waits for transactions that have written and are still open, before it lets this "
            "process read the log. They belong to its processes "
            f"{holders} (pid in pg_stat_activity)"
        )

    def _connect(self, seconds: float, *, is_replication: bool = False) -> LibpqConnection:
        parameters = {**parameters_of(self._settings()), **self._overrides}
        parameters["client_encoding"] = "UTF8"
        if is_replication:
            parameters["replication"] = "database"
        return connect(parameters, seconds)


def _prefixes(channels: Sequence[str]) -> frozenset[str]:
    return frozenset((*channels, channels[0] + PREFIX_END))


class LogSender(PostgresSender):
    """A ``KeepingSender`` that writes messages to the log."""

    def __init__(self, connection: LibpqConnection, keeping: Keeping | None = None) -> None:
        try:
            connection.query(_SETUP, seconds=_SECONDS)
            super().__init__(connection, _PUBLISH, keeping)
        except BaseException:
            connection.close()
            raise


class _Opening:
    """Connections that are about to receive, while the server makes the slot.

    Args:
        plain: a connection, which is closed if the other cannot be opened.
        replicate: opens a replication connection.

    Attributes:
        process: to which they belong.
        plain: sees which commits are visible.
    """

    def __init__(self, plain: LibpqConnection, replicate: Callable[[], LibpqConnection]) -> None:
        self.process, self.plain = os.getpid(), plain
        self._slot = f"wsrequest_{os.getpid()}_{os.urandom(6).hex()}"
        self._stream: LibpqConnection | None = None
        try:
            self._check()
            self._stream = stream = replicate()
            stream.begin(
                f'CREATE_REPLICATION_SLOT "{self._slot}" TEMPORARY LOGICAL pgoutput '
                "NOEXPORT_SNAPSHOT"
            )
        except BaseException:
            self.close()
            raise

    def _check(self) -> None:
        ((level, publications, is_standby),) = self.plain.query(
            _STATE, [PUBLICATION.encode()], seconds=_SECONDS
        )
        if is_standby == b"t":
            raise Unavailable("it is a standby. Name the primary")
        if level != b"logical":
            found = (level or b"").decode()
            raise Unavailable(
                f"its wal_level is {found!r}. Set it to 'logical' and restart the server"
            )
        if publications == b"0":
            raise Unavailable(_NO_PUBLICATION)

    def is_done(self, seconds: float) -> bool:
        """Wait until the slot is made."""
        assert self._stream is not None  # unless __init__ raised
        try:
            return self._stream.is_done(seconds)
        except BaseException:
            self.close()
            raise

    def start(self) -> LibpqConnection:
        """Start the stream, and return its connection."""
        assert self._stream is not None
        try:
            self._stream.query(
                f'START_REPLICATION SLOT "{self._slot}" LOGICAL 0/0 '
                f"(proto_version '1', publication_names '{PUBLICATION}', messages 'true')",
                seconds=_SECONDS,
            )
        except BaseException:
            self.close()
            raise
        return self._stream

    def holders(self) -> str:
        """Return which server processes hold the slot up."""
        try:
            ((pids,),) = self.plain.query(_HOLDERS, seconds=_SECONDS)
        except BaseException:
            self.close()
            raise
        return (pids or b"").decode()

    def close(self) -> None:
        """Close both connections."""
        self.plain.close()
        if self._stream is not None:
            self._stream.close()


class LogReceiver:
    """A ``Receiver`` of one database."""

    def __init__(
        self, plain: LibpqConnection, stream: LibpqConnection, decoder: Decoder, channel: str,
        keeping: Keeping | None = None,
    ) -> None:  # fmt: skip
        self._plain, self._stream, self._decoder = plain, stream, decoder
        self._history = PostgresHistory(plain, epoch_of(plain), keeping) if keeping else None
        self._origin = channel + PREFIX_END
        self._position = 0  # in the log, up to which everything was received
        self._reported_at = monotonic()
        self._hidden: list[tuple[int, LoggedCommit]] = []  # commits that nobody can see yet
        self._looks = 0  # in a row that showed none of them
        self._is_behind = False  # more has arrived than the last call took

    @property
    def socket(self) -> int:
        """Has something to read when something has arrived, unless that was read already."""
        return self._stream.socket

    def patience(self, seconds: float) -> float:
        """Return how long to wait for the socket, at most ``seconds``."""
        if self._is_behind:
            return 0.0
        if self._hidden:
            first, longest = _VISIBLE_SECONDS
            return min(seconds, longest, first * 2.0 ** min(self._looks, 10))
        return seconds

    def receive(self, seconds: float) -> Sequence[bytes | Sequenced | LoggedCommit]:
        """See ``Receiver.receive``."""
        found: list[bytes | Sequenced] = []
        data = self._next(self.patience(seconds))
        deadline, count = monotonic() + _BATCH_SECONDS, 0
        for _ in range(_BATCH):
            if data is None or count > _BATCH_BYTES or monotonic() > deadline:
                break
            count += len(data)
            self._take(data, found)
            data = self._next(0)
        # What was read is taken now, because nobody else has it.
        if data is not None:
            self._take(data, found)
        self._is_behind = data is not None
        if monotonic() - self._reported_at > _STATUS_SECONDS:
            self._report()
        # Before the messages: one that was sent after a commit must come after it.
        return [*self._visible(), *found] if self._hidden else found

    def _next(self, seconds: float) -> bytes | None:
        try:
            return self._stream.copied(seconds)
        except Unavailable as error:
            if f'publication "{PUBLICATION}" does not exist' in str(error):
                raise Unavailable(_NO_PUBLICATION) from error
            raise

    def _take(self, data: bytes, found: list[bytes | Sequenced]) -> None:
        if data[:1] == b"k":
            _, position, _, is_asked = _KEEPALIVE.unpack_from(data)
            self._position = max(self._position, position)
            if is_asked:
                self._report()
            return
        _, position, _, _ = _DATA.unpack_from(data)
        self._position = max(self._position, position)
        try:
            decoded = self._decoder.feed(data, _DATA.size)
        except Unreadable as error:
            raise Unavailable(f"its stream cannot be read: {error}") from error
        if isinstance(decoded, Message):
            found.append(decoded.content)
        elif decoded is not None:
            self._take_transaction(decoded, found)

    def _take_transaction(self, transaction: Transaction, found: list[bytes | Sequenced]) -> None:
        origin = None
        for message in transaction.messages:
            if message.prefix == self._origin:
                origin = message.content
            else:
                found.append(sequenced(message.content))
        if transaction.commit.changes:
            self._hidden.append((transaction.xid, LoggedCommit(transaction.commit, origin)))
            self._looks = 0

    def kept(self, channel: str, since: tuple[str, int] | None) -> Kept:
        """See ``KeepingReceiver.kept``."""
        assert self._history is not None
        return self._history.read(channel, lock_of(channel), since)

    def _visible(self) -> list[LoggedCommit]:
        """Take the commits that are visible by now."""
        ((snapshot,),) = self._plain.query("SELECT pg_current_snapshot()", seconds=CALL_SECONDS)
        _, end, running = (snapshot or b"").split(b":")
        still = {int(xid) % 2**32 for xid in running.split(b",") if xid}
        first = int(end) % 2**32  # of the transactions that had not begun
        hidden, self._hidden = self._hidden, []
        found = []
        for xid, commit in hidden:
            # Transaction numbers wrap around.
            if xid in still or (xid - first) % 2**32 < 2**31:
                self._hidden.append((xid, commit))
            else:
                found.append(commit)
        self._looks += 1
        return found

    def _report(self) -> None:
        """Tell the server what it need not keep."""
        now = int((time() - _EPOCH) * 1e6)
        self._stream.copy(
            _STATUS.pack(b"r", self._position, self._position, self._position, now, 0)
        )
        self._reported_at = monotonic()

    def close(self) -> None:
        """See ``Receiver.close``. The server drops the slot."""
        self._stream.close()
        self._plain.close()
