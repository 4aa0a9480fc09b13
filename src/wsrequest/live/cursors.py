"""Cursors that tell of what Django's execute wrappers do not see.

Owns the rows that SQLite has to give before it commits, and psycopg's ``copy``, ``stream`` and
``callproc``. Other drivers' ``callproc``, psycopg2's copy methods and SQLite's ``executescript`` go
unseen, as does a cursor that was made from the driver's connection itself.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

__all__ = ["Fetched", "telling"]

ATTRIBUTE = "_wsrequest_tell"


class Fetched:
    """A cursor of SQLite whose rows are fetched already.

    In autocommit INSERT … RETURNING is committed when its last row is fetched, which is after
    every execute wrapper has come back.
    """

    def __init__(self, cursor: Any) -> None:
        self._cursor = cursor
        self._rows: Iterator[Any] | None = iter(cursor.fetchall())

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


def telling(connection: Any, tell: Callable[[Any], None]) -> None:
    """Let the cursors of a psycopg 3 connection tell what was run without ``execute``.

    Args:
        connection: the driver's; any other is left as it is.
        tell: is called with the text when it was run, with None when that is not known.
    """
    factory = getattr(connection, "cursor_factory", None)
    if isinstance(factory, type) and hasattr(factory, "copy"):
        setattr(connection, ATTRIBUTE, tell)
        connection.cursor_factory = _telling(factory)


@lru_cache
def _telling(factory: Any) -> Any:
    if getattr(factory, ATTRIBUTE, False):
        return factory

    class TellingCursor(factory):  # type: ignore[misc]  # a class of the driver's
        @contextmanager
        def copy(self, statement: Any, *args: Any, **options: Any) -> Iterator[Any]:
            try:
                with super().copy(statement, *args, **options) as copy:
                    yield copy
            finally:
                getattr(self.connection, ATTRIBUTE)(statement)

        def stream(self, query: Any, *args: Any, **options: Any) -> Iterator[Any]:
            try:
                yield from super().stream(query, *args, **options)
            finally:
                getattr(self.connection, ATTRIBUTE)(query)

        def callproc(self, *args: Any) -> Any:
            try:
                return super().callproc(*args)
            finally:
                getattr(self.connection, ATTRIBUTE)(None)

    setattr(TellingCursor, ATTRIBUTE, True)
    return TellingCursor
