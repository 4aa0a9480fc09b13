"""What commits wrote, outside of the process that made them.

Owns the topic of changes and its bytes. ``Changes.run`` is known in its process only and stays
there. A value whose type is not kept is left out of its row: a column that is not known matches
every reader.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec

from wsrequest.bus.base import Topic
from wsrequest.types import Commit, Row, TableChange

__all__ = ["CHANGES", "MAX_BYTES", "decode_changes", "encode_changes"]

MAX_BYTES = 2**16  # rows of a larger commit cost more than they spare

_UUID = 1  # its code among the extensions of MessagePack
_Sent = list[tuple[str, str | None, list[dict[str, Any]] | None]]


def encode_changes(changes: Commit, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Return changes as bytes.

    Of a row those values are kept that are None, bool, int of up to 64 bits, float, str, bytes or
    UUID, as that type.

    Args:
        changes: of one commit.
        max_bytes: in longer ones all rows give way to "any row", then all tables to "anything".
    """
    sent: _Sent = [
        (
            change.database,
            change.table,
            None if change.rows is None else [dict(_kept(row)) for row in change.rows],
        )
        for change in changes.changes
    ]
    tables: _Sent = [(database, table, None) for database, table, _ in sent]
    for less in (sent, tables):
        try:
            encoded = _encode(less)
        except UnicodeEncodeError:  # half a surrogate pair
            continue
        if len(encoded) <= max_bytes:
            return encoded
    return _encode([("*", None, None)])


def decode_changes(encoded: bytes) -> Commit:
    """Return what ``encode_changes`` was given, but for what it says that it leaves out.

    Raises:
        ValueError: these are other bytes.
    """
    return Commit(
        tuple(
            TableChange(database, table, None if rows is None else tuple(rows))
            for database, table, rows in _decoder.decode(encoded)
        )
    )


def _kept(row: Row) -> Iterator[tuple[str, object]]:
    for column, value in row.items():
        if value is None or type(value) in (bool, float, bytes):
            yield column, value
        elif type(value) is UUID:
            yield column, msgspec.msgpack.Ext(_UUID, value.bytes)  # else it would come as text
        elif isinstance(value, int) and -(2**63) <= value < 2**64:
            yield column, int(value)  # an enumeration's too
        elif isinstance(value, str):
            yield column, str.__str__(value)


def _extended(code: int, data: memoryview) -> UUID:
    if code != _UUID:
        raise ValueError(code)
    return UUID(bytes=bytes(data))


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(_Sent, ext_hook=_extended)

CHANGES: Topic[Commit] = Topic(
    "changes",
    encode_changes,
    decode_changes,
    weigh=Commit.weight_bytes,
    lighten=Commit.without_rows,
)
"""What commits wrote. Published after each commit that wrote anything."""
