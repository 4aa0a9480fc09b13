"""Reads PostgreSQL's logical replication stream: bytes of ``pgoutput`` become commits. Pure.

The format is version 1 of the protocol
(PostgreSQL's documentation, "Logical Replication Message Formats"). The server sends each
transaction as a whole, after its commit and in the order of commits. It sends nothing of what was
rolled back.

Values arrive as text. Those of a few types are kept, because their text means one value. Any other
column is left out of its row: an unknown column matches every reader.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from struct import Struct
from struct import error as _StructError
from uuid import UUID

from wsrequest.types import Commit, Row, TableChange

__all__ = ["PUBLICATION", "Decoder", "Message", "Transaction", "Unreadable"]

PUBLICATION = "wsrequest"
"""The name of the publication whose tables the stream reports."""

_MAX_ROWS = 500  # of one table in one transaction. More of them are any row
_MAX_ROW_BYTES = 2**16  # of one transaction. Then all its rows are any row
_MAX_TABLES = 1000  # of one transaction. More of them are anything
_MAX_MESSAGE_BYTES = 2**25  # in one transaction. Those after them are strangers'
_MESSAGE_BYTES = 200  # of memory for one, besides its content
_MAX_TEXT = 512  # readers do not narrow by longer ones

_INT16, _INT32 = Struct(">h"), Struct(">I")
_BEGIN, _MESSAGE, _COLUMN = Struct(">qqI"), Struct(">Bq"), Struct(">Ii")
_NULL, _UNCHANGED, _TEXT = b"n"[0], b"u"[0], b"t"[0]
_NEW, _KEY, _OLD = b"N"[0], b"K"[0], b"O"[0]


class Unreadable(ValueError):
    """The bytes are not the format that was asked for."""


@dataclass(frozen=True, slots=True)
class Message:
    """What ``pg_logical_emit_message`` was given.

    Attributes:
        prefix: its first text.
        content: its bytes. Empty if they are too many to come from this project.
    """

    prefix: str
    content: bytes


@dataclass(frozen=True, slots=True)
class Transaction:
    """One committed transaction.

    Attributes:
        xid: the lower 32 bits of its number.
        position: in the log, of its commit. Higher than those of all transactions before.
        commit: what it wrote. Nobody has said which run did.
        messages: those with the wanted prefixes, in order.
    """

    xid: int
    position: int
    commit: Commit
    messages: tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class _Relation:
    """A table, as the stream has described it.

    Attributes:
        table: its folded name, without its schema.
        columns: for each column its folded name, or "" if its values are not kept, how its text is
            read, and whether it belongs to the key that identifies a row.
    """

    table: str
    columns: tuple[tuple[str, Callable[[bytes], object], bool], ...]


class Decoder:
    """Reads one stream from its beginning. For one thread.

    Args:
        database: the alias by which changes name the database.
        prefixes: those of the messages to keep.
        max_message_bytes: the largest message whose content is kept. Every role of the database can
            emit messages, and under any prefix.
    """

    def __init__(
        self, database: str, prefixes: Iterable[str], max_message_bytes: int = 2**20
    ) -> None:
        self._database, self._max_message_bytes = database, max_message_bytes
        self._prefixes = {prefix.encode(): prefix for prefix in prefixes}
        self._longest = max(map(len, self._prefixes), default=0)
        self._relations: dict[int, _Relation] = {}
        self._begin(0, 0)

    def _begin(self, position: int, xid: int) -> None:
        self._position, self._xid = position, xid
        self._rows: dict[str, list[Row] | None] = {}
        self._row_bytes = self._message_bytes = 0
        self._has_too_many_tables = False
        self._messages: list[Message] = []

    def feed(self, data: bytes, start: int = 0) -> Transaction | Message | None:
        """Read one message of the stream.

        Args:
            data: its bytes.
            start: where they begin. What nobody wants is not copied.

        Returns:
            A transaction with its last message, and what was emitted outside of transactions. None
            for everything else.

        Raises:
            Unreadable: the stream cannot be read any further.
        """
        try:
            if data[start : start + 1] == b"M":
                return self._message(data, start + 1)
            return self._read(data[start:])
        except Unreadable:
            raise
        except (IndexError, ValueError, KeyError, _StructError) as error:
            raise Unreadable(
                f"{data[start : start + 1]!r} of {len(data) - start} bytes: {error!r}"
            ) from error

    def _read(self, data: bytes) -> Transaction | None:
        kind = data[:1]
        if kind == b"I":
            self._insert(data)
        elif kind == b"U":
            self._update(data)
        elif kind == b"D":
            self._delete(data)
        elif kind == b"B":
            position, _, xid = _BEGIN.unpack_from(data, 1)
            self._begin(position, xid)
        elif kind == b"C":
            return self._commit()
        elif kind == b"R":
            self._describe(data)
        elif kind == b"T":
            for index in range(_INT32.unpack_from(data, 1)[0]):
                relation = self._relations[_INT32.unpack_from(data, 6 + 4 * index)[0]]
                self._add(relation.table, None)
        elif kind not in (b"O", b"Y"):  # the origin and types say nothing of rows
            raise Unreadable(f"a message of the kind {kind!r}")
        return None

    def _commit(self) -> Transaction:
        changes: tuple[TableChange, ...] = tuple(
            TableChange(self._database, table, None if rows is None else tuple(rows))
            for table, rows in self._rows.items()
        )
        if self._has_too_many_tables:
            changes = (TableChange(self._database, None),)
        commit = Commit(changes)
        found = Transaction(self._xid, self._position, commit, tuple(self._messages))
        self._begin(0, 0)
        return found

    def _message(self, data: bytes, at: int) -> Message | None:
        is_transactional = _MESSAGE.unpack_from(data, at)[0] & 1
        at += _MESSAGE.size
        end = data.index(0, at)
        begin = end + 1 + _INT32.size
        length = _INT32.unpack_from(data, end + 1)[0]
        if begin + length > len(data):
            raise Unreadable("a message that is cut off")
        prefix = self._prefixes.get(data[at:end]) if end - at <= self._longest else None
        if prefix is None:
            return None
        is_too_long = length > self._max_message_bytes
        message = Message(prefix, b"" if is_too_long else data[begin : begin + length])
        if not is_transactional:
            return message
        had_room = self._message_bytes <= _MAX_MESSAGE_BYTES
        self._message_bytes += _MESSAGE_BYTES + len(message.content)
        if self._message_bytes <= _MAX_MESSAGE_BYTES:
            self._messages.append(message)
        elif had_room:
            self._messages.append(Message(prefix, b""))
        return None

    def _describe(self, data: bytes) -> None:
        relation = _INT32.unpack_from(data, 1)[0]
        _, at = _string(data, 5)
        table, at = _string(data, at)
        count, at = _INT16.unpack_from(data, at + 1)[0], at + 3
        columns = []
        for _ in range(count):
            is_key = bool(data[at] & 1)
            name, at = _string(data, at + 1)
            kind = _COLUMN.unpack_from(data, at)[0]
            at += _COLUMN.size
            columns.append((name.casefold(), _READERS.get(kind), is_key))
        names = [name for name, _, _ in columns]
        self._relations[relation] = _Relation(
            table.casefold(),
            tuple(
                (name if read and names.count(name) == 1 else "", read or _nothing, is_key)
                for name, read, is_key in columns
            ),
        )

    # The rows of a change are all versions of the row that may be in a reader's result.

    def _insert(self, data: bytes) -> None:
        relation = self._relations[_INT32.unpack_from(data, 1)[0]]
        if self._has_room(relation.table):
            self._add(relation.table, _tuple(data, 6, relation)[0])

    def _update(self, data: bytes) -> None:
        relation = self._relations[_INT32.unpack_from(data, 1)[0]]
        if not self._has_room(relation.table):
            return
        kind, at = data[5], 6
        old: Row | None = None
        if kind in (_KEY, _OLD):
            old, at = _tuple(data, 6, relation, only_key=kind == _KEY)
            kind, at = data[at], at + 1
        if kind != _NEW:
            raise Unreadable("an update without a new row")
        if old is None:
            # The key is the same, and nobody knows the other old values. What matches those that
            # are known of the new row matches this.
            self._add(relation.table, _tuple(data, at, relation, only_key=True)[0])
        else:
            self._add(relation.table, old)
            self._add(relation.table, _tuple(data, at, relation)[0])

    def _delete(self, data: bytes) -> None:
        relation = self._relations[_INT32.unpack_from(data, 1)[0]]
        if self._has_room(relation.table):
            row, _ = _tuple(data, 6, relation, only_key=data[5] != _OLD)
            self._add(relation.table, row)

    def _has_room(self, table: str) -> bool:
        """Whether rows of a table are still worth reading."""
        return not self._has_too_many_tables and self._rows.get(table, ()) is not None

    def _add(self, table: str, row: Row | None) -> None:
        rows = self._rows.setdefault(table, [])
        if rows is None:
            return
        if len(self._rows) > _MAX_TABLES:
            self._has_too_many_tables = True
            self._rows.clear()
        elif row is None or len(rows) >= _MAX_ROWS or self._row_bytes > _MAX_ROW_BYTES:
            self._rows[table] = None
        else:
            rows.append(row)
            self._row_bytes += sum(
                16 + (len(value) if isinstance(value, str) else 0) for value in row.values()
            )


def _string(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(0, at)
    return data[at:end].decode(), end + 1


def _tuple(data: bytes, at: int, relation: _Relation, *, only_key: bool = False) -> tuple[Row, int]:
    """Return the known columns of a row, and where its bytes end."""
    row: dict[str, object] = {}
    count, at = _INT16.unpack_from(data, at)[0], at + 2
    if count != len(relation.columns):
        raise Unreadable("a row that does not fit its table")
    for name, read, is_key in relation.columns:
        kind, at = data[at], at + 1
        is_wanted = name and (is_key or not only_key)
        if kind == _TEXT:
            length = _INT32.unpack_from(data, at)[0]
            start, at = at + 4, at + 4 + length
            if at > len(data):
                raise Unreadable("a row that is cut off")
            if is_wanted and (value := read(data[start:at])) is not None:
                row[name] = value
        elif kind == _NULL:
            if is_wanted:
                row[name] = None
        elif kind != _UNCHANGED:  # a long value that was not written again
            raise Unreadable(f"a value of the kind {kind}")
    return row, at


def _nothing(text: bytes) -> None:
    return None


def _read_text(text: bytes) -> str | None:
    try:
        found = text.decode()
    except UnicodeDecodeError:  # of a database in SQL_ASCII
        return None
    return found if len(found) <= _MAX_TEXT else None


_READERS: dict[int, Callable[[bytes], object]] = {
    16: lambda text: text == b"t",  # bool
    **dict.fromkeys((20, 21, 23), int),  # int8, int2, int4
    **dict.fromkeys((25, 1043), _read_text),  # text, varchar
    2950: lambda text: UUID(text.decode()),  # uuid
}
"""How the text of a value is read, by the number of its type in pg_type.

char(n) compares without trailing spaces, and a domain or an extension may compare in its own
way."""
