"""Reports what Django's execute wrappers do not see, by wrapping cursors of the drivers.

That is: rows that SQLite returns before it commits, what a connection of psycopg 3 runs and commits
by its own methods, and SQLite's ``executescript``. ``further_results`` does the same for MySQL. Not
seen are ``callproc`` of other drivers, the copy methods of psycopg2, and cursors that are made
directly from another driver's connection.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Protocol

__all__ = ["FetchedCursor", "Listener", "first_row", "is_piped", "listen", "listen_to_cursor"]

ATTRIBUTE = "_wsrequest_listener"
_COPY_OUT = 3  # of libpq's PGRES_


class Listener(Protocol):
    """Receives the reports. Its methods raise nothing."""

    is_running: bool
    """Whether the statement that runs now is already being recorded."""

    def ran(self, sql: Any, *, is_done: bool = False) -> None:
        """Record a text that was run. None if the text is unknown.

        It is called twice where rows arrive one by one. With the first row, the database may have
        committed what the text writes. The second call comes after the last row.

        Args:
            sql: the text.
            is_done: the database has confirmed that it executed the text.
        """

    def ended(self, *, may_be_undone: bool) -> None:
        """Record that a transaction may have ended, with or without its writes."""


class FetchedCursor:
    """A cursor of SQLite whose rows are already fetched.

    In autocommit, INSERT … RETURNING is committed when its last row is fetched. That is after every
    execute wrapper has returned.
    """

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        rows = cursor.fetchall()
        self.first: Any = rows[0] if len(rows) == 1 else None
        self._rows: Iterator[Any] | None = iter(rows)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def __iter__(self) -> "FetchedCursor":
        return self

    def __next__(self) -> Any:
        return next(self._cursor if self._rows is None else self._rows)

    def execute(self, *args: Any) -> "FetchedCursor":
        """Run another statement, whose rows come from the driver again."""
        self._rows = None
        self._cursor.execute(*args)
        return self

    def executemany(self, *args: Any) -> "FetchedCursor":
        """Run another statement with several parameters."""
        self._rows = None
        self._cursor.executemany(*args)
        return self

    def fetchone(self) -> Any:
        """Return the next row, or None after the last."""
        return next(self, None)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return the next rows."""
        count = self._cursor.arraysize if size is None else size
        return [row for _, row in zip(range(count), self, strict=False)]

    def fetchall(self) -> list[Any]:
        """Return all remaining rows."""
        return list(self)


def first_row(cursor: Any) -> Any:
    """Return the only row of a driver's cursor without consuming it, or None."""
    if isinstance(cursor, FetchedCursor):
        return cursor.first
    # The rows of psycopg's cursors are already here, and the cursor can be moved back.
    if cursor.rowcount != 1 or not hasattr(cursor, "scroll"):
        return None
    row = cursor.fetchone()
    cursor.scroll(0, mode="absolute")
    return row


def listen(connection: Any, listener: Listener) -> None:
    """Make a psycopg 3 connection report what runs without Django, and what its own methods end.

    Args:
        connection: of the driver. Any other kind is left alone.
        listener: receives the reports, in place of the previous one.
    """
    factory = getattr(connection, "cursor_factory", None)
    if not (isinstance(factory, type) and hasattr(factory, "copy")):
        return
    connection.cursor_factory = _reporting(factory)
    is_new = not hasattr(connection, ATTRIBUTE)
    setattr(connection, ATTRIBUTE, listener)
    if is_new:  # it may come from a pool
        for name in ("transaction", "pipeline"):
            setattr(connection, name, _reporting_block(connection, getattr(connection, name)))
        connection.commit = _reporting_commit(connection, connection.commit)


def is_piped(connection: Any) -> bool:
    """Whether a connection of psycopg 3 is in a pipeline, where it is unknown what is done."""
    return bool(getattr(getattr(connection, "pgconn", None), "pipeline_status", 0))


def listen_to_cursor(cursor: Any, listener: Listener) -> None:
    """Make a cursor of SQLite report what its ``executescript`` ran."""
    cls: Any = type(cursor)
    if hasattr(cls, "executescript"):
        cursor.__class__ = _reporting_script(cls)
        setattr(cursor, ATTRIBUTE, listener)


def _reporting_block(connection: Any, block: Any) -> Any:
    @contextmanager
    def reporting(*args: Any, **options: Any) -> Iterator[Any]:
        try:
            with block(*args, **options) as entered:
                yield entered
        finally:
            getattr(connection, ATTRIBUTE).ended(may_be_undone=True)

    return reporting


def _reporting_commit(connection: Any, commit: Any) -> Any:
    def reporting() -> None:
        try:
            commit()
        finally:
            getattr(connection, ATTRIBUTE).ended(may_be_undone=False)

    return reporting


@lru_cache
def _reporting(factory: Any) -> Any:
    if getattr(factory, ATTRIBUTE, False):
        return factory

    class ReportingCursor(factory):  # type: ignore[misc]  # a class of the driver
        def execute(self, query: Any, *args: Any, **options: Any) -> Any:
            listener = getattr(self.connection, ATTRIBUTE)
            if listener.is_running:  # by Django's cursor, and so by the execute wrapper
                return super().execute(query, *args, **options)
            is_done = False
            try:
                result = super().execute(query, *args, **options)
                is_done = not is_piped(self.connection)
                return result
            finally:
                listener.ran(query, is_done=is_done)

        def executemany(self, query: Any, *args: Any, **options: Any) -> Any:
            listener = getattr(self.connection, ATTRIBUTE)
            if listener.is_running:
                return super().executemany(query, *args, **options)
            try:
                return super().executemany(query, *args, **options)
            finally:
                listener.ran(query)

        @contextmanager
        def copy(self, statement: Any, *args: Any, **options: Any) -> Iterator[Any]:
            listener = getattr(self.connection, ATTRIBUTE)
            try:
                with super().copy(statement, *args, **options) as copy:
                    if self.pgresult.status == _COPY_OUT:
                        listener.ran(statement)
                    yield copy
            finally:
                listener.ran(statement)

        def stream(self, query: Any, *args: Any, **options: Any) -> Iterator[Any]:
            listener, is_first = getattr(self.connection, ATTRIBUTE), True
            try:
                for row in super().stream(query, *args, **options):
                    if is_first:
                        is_first = False
                        listener.ran(query)
                    yield row
            finally:
                listener.ran(query)

        def callproc(self, *args: Any) -> Any:
            try:
                return super().callproc(*args)
            finally:
                getattr(self.connection, ATTRIBUTE).ran(None)

    setattr(ReportingCursor, ATTRIBUTE, True)
    return ReportingCursor


@lru_cache
def _reporting_script(cls: Any) -> Any:
    class ReportingCursor(cls):  # type: ignore[misc]  # a class of the driver
        def executescript(self, script: Any) -> Any:
            try:
                return super().executescript(script)
            finally:
                getattr(self, ATTRIBUTE).ran(script)

    return ReportingCursor
