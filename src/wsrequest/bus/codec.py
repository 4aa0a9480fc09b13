"""Encodes commits for other processes.

The topic of commits and its bytes are defined here. A run means something only in its own process.
Others learn only whether it is a rerun, so that reruns of two processes cannot trigger each other
without end. A value whose type cannot be encoded is left out of its row: an unknown column matches
every reader.
"""

from collections.abc import Iterator
from typing import Any
from uuid import UUID

import msgspec

from wsrequest.bus.base import Topic
from wsrequest.types import Commit, RemoteRerun, Row, TableChange

__all__ = ["CHANGES", "MAX_BYTES", "decode_commit", "encode_commit"]

MAX_BYTES = 2**16  # the rows of a larger commit cost more than they save

_UUID = 1  # our code among the extension types of MessagePack
_Changes = list[tuple[str, str | None, list[dict[str, Any]] | None]]
_Origin = tuple[int, int] | None


def encode_commit(commit: Commit, *, max_bytes: int = MAX_BYTES) -> bytes:
    """Return a commit as bytes.

    Of each row, these values are kept with their types: ``None``, bool, int of up to 64 bits,
    float, str, bytes and UUID.

    Args:
        commit: the changes of one transaction.
        max_bytes: above this length, all rows are replaced by "any row", then all tables by
            "anything".
    """
    origin = _origin(commit.run)
    rows: _Changes = [
        (
            change.database,
            change.table,
            None if change.rows is None else [dict(_encodable(row)) for row in change.rows],
        )
        for change in commit.changes
    ]
    tables: _Changes = [(database, table, None) for database, table, _ in rows]
    for candidate in (rows, tables):
        try:
            encoded = _encode((origin, candidate))
        except UnicodeEncodeError:  # half of a surrogate pair
            continue
        if len(encoded) <= max_bytes:
            return encoded
    return _encode((origin, [("*", None, None)]))


def decode_commit(encoded: bytes) -> Commit:
    """Return the commit that ``encode_commit`` was given, without what it leaves out.

    Raises:
        ValueError: the bytes do not encode a commit.
    """
    origin, changes = _decoder.decode(encoded)
    return Commit(
        tuple(
            TableChange(database, table, None if rows is None else tuple(rows))
            for database, table, rows in changes
        ),
        None if origin is None else RemoteRerun(*origin),
    )


def _origin(run: Any) -> _Origin:
    if not getattr(run, "is_rerun", False):
        return None
    query = id(getattr(run, "query", None)) % 2**63
    return query, min(getattr(run, "feedback_runs", 0), 2**31)


def _encodable(row: Row) -> Iterator[tuple[str, object]]:
    for column, value in row.items():
        if value is None or type(value) in (bool, float, bytes):
            yield column, value
        elif type(value) is UUID:
            yield column, msgspec.msgpack.Ext(_UUID, value.bytes)  # otherwise text would arrive
        elif isinstance(value, int) and -(2**63) <= value < 2**64:
            yield column, int(value)  # also of an enumeration
        elif isinstance(value, str):
            yield column, str.__str__(value)


def _decode_uuid(code: int, data: memoryview) -> UUID:
    if code != _UUID:
        raise ValueError(code)
    return UUID(bytes=bytes(data))


_encode = msgspec.msgpack.Encoder().encode
_decoder = msgspec.msgpack.Decoder(tuple[_Origin, _Changes], ext_hook=_decode_uuid)

CHANGES: Topic[Commit] = Topic(
    "changes",
    encode_commit,
    decode_commit,
    weigh=Commit.weight_bytes,
    lighten=Commit.without_rows,
)
"""The topic of commits. One is published for each transaction that wrote anything."""
