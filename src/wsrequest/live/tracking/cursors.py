"""Cursors that tell of what Django's execute wrappers do not see.

Owns the rows that SQLite has to give before it commits, what a connection of psycopg 3 runs and
commits by its own methods, and SQLite's ``executescript``. Other drivers' ``callproc``, psycopg2's
copy methods and a cursor that was made from another driver's connection itself go unseen.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any, Protocol

__all__ = ["Fetched", "Listener", "first_row", "is_piped", "listen", "listen_to_cursor"]

ATTRIBUTE = "_wsrequest_listener"
_COPY_OUT = 3  # of libpq's PGRES_


class Listener(Protocol):
    """Who is told. Its methods raise nothing."""

    is_running: bool
    """Whether what runs now is known already."""

    def ran(self, sql: Any, *, is_done: bool = False) -> None:
        """A text was run; None when the text is not known.

        It is told twice where rows come one by one: with the first, by which the database may have
        committed what the text writes, and after the last.

        Args:
            is_done: the database has said that it did it.
        """

    def ended(self, *, may_be_undone: bool) -> None:
        """A transaction may have ended, with or without what was done in it."""


class Fetched:
    """A cursor of SQLite whose rows are fetched already.

    In autocommit INSERT … RETURNING is committed when its last row is fetched, which is after
    every execute wrapper has come back.
    """

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        rows = cursor.fetchall()
        self.first: Any = rows[0] if len(rows) == 1 else None
        self._rows: Iterator[Any] | None = iter(rows)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._cursor, name)

    def __iter__(self) -> "Fetched":
        return self

    def __next__(self) -> Any:
        return next(self._cursor if self._rows is None else self._rows)

    def execute(self, *args: Any) -> "Fetched":
        """Run another statement, whose rows are the driver's affair again."""
        self._rows = None
        self._cursor.execute(*args)
        return self

    def executemany(self, *args: Any) -> "Fetched":
        """Run another statement with several parameters."""
        self._rows = None
        self._cursor.executemany(*args)
        return self

    def fetchone(self) -> Any:
        """Return the next row, None after the last."""
        return next(self, None)

    def fetchmany(self, size: int | None = None) -> list[Any]:
        """Return the next rows."""
        count = self._cursor.arraysize if size is None else size
        return [row for _, row in zip(range(count), self, strict=False)]

    def fetchall(self) -> list[Any]:
        """Return all rows that are left."""
        return list(self)


def first_row(cursor: Any) -> Any:
    """Return the only row that a driver's cursor has to give, and leave it there; else None."""
    if isinstance(cursor, Fetched):
        return cursor.first
    # The rows of psycopg's cursors are here already, and can be gone back to.
    if cursor.rowcount != 1 or not hasattr(cursor, "scroll"):
        return None
    row = cursor.fetchone()
    cursor.scroll(0, mode="absolute")
    return row


def listen(connection: Any, listener: Listener) -> None:
    """Let a psycopg 3 connection tell what is run without Django, and what ends by its own means.

    Args:
        connection: the driver's; any other is left as it is.
        listener: is told, instead of whoever was told before.
    """
    factory = getattr(connection, "cursor_factory", None)
    if not (isinstance(factory, type) and hasattr(factory, "copy")):
        return
    connection.cursor_factory = _telling(factory)
    is_new = not hasattr(connection, ATTRIBUTE)
    setattr(connection, ATTRIBUTE, listener)
    if is_new:  # it may come from a pool
        for name in ("transaction", "pipeline"):
            setattr(connection, name, _telling_block(connection, getattr(connection, name)))
        connection.commit = _telling_commit(connection, connection.commit)


def is_piped(connection: Any) -> bool:
    """Whether a connection of psycopg 3 is in a pipeline, so that nobody knows yet what is done."""
    return bool(getattr(getattr(connection, "pgconn", None), "pipeline_status", 0))


def listen_to_cursor(cursor: Any, listener: Listener) -> None:
    """Let a cursor of SQLite tell what its ``executescript`` ran."""
    cls: Any = type(cursor)
    if hasattr(cls, "executescript"):
        cursor.__class__ = _telling_script(cls)
        setattr(cursor, ATTRIBUTE, listener)


def _telling_block(connection: Any, block: Any) -> Any:
    @contextmanager
    def telling(*args: Any, **options: Any) -> Iterator[Any]:
        try:
            with block(*args, **options) as entered:
                yield entered
        finally:
            getattr(connection, ATTRIBUTE).ended(may_be_undone=True)

    return telling


def _telling_commit(connection: Any, commit: Any) -> Any:
    def telling() -> None:
        try:
            commit()
        finally:
            getattr(connection, ATTRIBUTE).ended(may_be_undone=False)

    return telling


@lru_cache
def _telling(factory: Any) -> Any:
    if getattr(factory, ATTRIBUTE, False):
        return factory

    class TellingCursor(factory):  # type: ignore[misc]  # a class of the driver's
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

    setattr(TellingCursor, ATTRIBUTE, True)
    return TellingCursor


@lru_cache
def _telling_script(cls: Any) -> Any:
    class TellingCursor(cls):  # type: ignore[misc]  # a class of the driver's
        def executescript(self, script: Any) -> Any:
            try:
                return super().executescript(script)
            finally:
                getattr(self, ATTRIBUTE).ran(script)

    return TellingCursor
