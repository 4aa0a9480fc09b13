"""Type aliases and frozen values that several layers share. Standard library only."""

from collections.abc import Awaitable, Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any

__all__ = [
    "ASGI",
    "Commit",
    "Frame",
    "Headers",
    "Id",
    "Limits",
    "ReadPredicate",
    "Receive",
    "RemoteRerun",
    "Row",
    "Scope",
    "Send",
    "Start",
    "TableChange",
]

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
ASGI = Callable[[Scope, Receive, Any], Awaitable[None]]
"""An application (ASGI specification)."""

Start = Callable[[ASGI], None]
"""Starts an application for a request that the server already has, in a task of the server's."""


Id = int | str
"""The id by which a client refers to a request (PROTOCOL.md 2.3)."""

Headers = dict[str, str | list[str]]
"""Header names to values. A name that occurs more than once has a list."""

Frame = str | bytes
"""One WebSocket message: a text frame as str, a binary frame as bytes."""

Row = Mapping[str, object]
"""The known columns of a row: folded name to value, as the database received it."""


@dataclass(frozen=True, slots=True)
class ReadPredicate:
    """What a run read in one table.

    Attributes:
        database: its alias, or "" if ``table`` is a key that a view named.
        table: its folded name, or None for any table of the database.
        equals: narrows to the rows for which every named column has one of these values, sorted
            by column. Empty for all rows of the table.
    """

    database: str
    table: str | None
    equals: tuple[tuple[str, frozenset[object]], ...] = ()


@dataclass(frozen=True, slots=True)
class TableChange:
    """What one commit wrote in one table.

    Attributes:
        database: its alias, "" if ``table`` is a key that a view named, or "*" for any database
            if it is unknown what was written.
        table: its folded name, or None for any table of the database.
        rows: every written row, before and after the write, or None for any row.
    """

    database: str
    table: str | None
    rows: tuple[Row, ...] | None = None


@dataclass(frozen=True, slots=True)
class RemoteRerun:
    """A rerun of another process, as the writer of a commit.

    Attributes:
        query: names its live query in that process.
        feedback_runs: how many reruns had triggered each other in a row when it began.
    """

    query: int
    feedback_runs: int


@dataclass(frozen=True, slots=True)
class Commit:
    """The table changes of one committed transaction.

    Attributes:
        changes: one or more for each table.
        run: the live run that wrote it, or None for any other code. Other processes learn of a
            rerun as a ``RemoteRerun``, and of any other run nothing.
    """

    changes: tuple[TableChange, ...]
    run: object | None = None

    def weight_bytes(self) -> int:
        """Return roughly how much memory it takes."""
        return sum(
            _CHANGE_BYTES + 4 * len(change.table or "") + sum(map(_row_bytes, change.rows or ()))
            for change in self.changes
        )

    def without(self, names: Container[str]) -> "Commit":
        """Return the same commit without some tables and databases."""
        changes = tuple(c for c in self.changes if c.table not in names and c.database not in names)
        return Commit(changes, self.run)

    def without_rows(self) -> "Commit":
        """Return the same commit for any rows, which takes less memory."""
        changes = tuple(TableChange(change.database, change.table) for change in self.changes)
        return Commit(changes, self.run)


_CHANGE_BYTES, _ROW_BYTES, _VALUE_BYTES = 200, 250, 60  # in CPython


def _row_bytes(row: Row) -> int:
    return _ROW_BYTES + sum(
        _VALUE_BYTES + (4 * len(value) if isinstance(value, str | bytes) else 0)
        for value in row.values()
    )


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits of one connection. Each field is a setting of docs/settings.md.

    Sizes are in bytes, times in seconds, and the rest are counts.
    """

    message_bytes: int = 2**20
    body_bytes: int = 2**26
    in_flight: int = 64
    waiting: int = 256
    part_bytes: int = 2**17
    window_bytes: int = 2**20
    answer_bytes: int = 2**24
    outbound_bytes: int = 2**19
    request_seconds: float = 60.0
    ping_seconds: float = 25.0
    pong_seconds: float = 10.0
    first_request_seconds: float = 60.0
    slow_reader_seconds: float = 30.0
    idle_seconds: float = 3600.0
    session_check_seconds: float = 1800.0
    process_bytes: int = 2**29
    messages_per_second: int = 10_000
    subscriptions: int = 256
    subscribe_bytes: int = 2**14
    live_bytes: int = 2**28
    live_bytes_per_address: int = 2**26
    rooms: int = 256
