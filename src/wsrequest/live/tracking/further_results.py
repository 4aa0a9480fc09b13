"""Follows what MySQL's driver does beside Django: results that come later, and its own commits.

The server runs a text of several statements, or a procedure, one statement after the other, and
sends each result. A driver returns with the first. So what comes later is committed only when the
other results are fetched: by ``nextset``, by the next statement, or when the cursor is closed.
``callproc`` of a cursor, and ``commit`` of a connection, are seen by no wrapper of Django.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

from wsrequest.live.tracking.transaction_status import TransactionStatus

__all__ = ["FurtherResults"]

_MARK = "_wsrequest_followed"


class FurtherResults:
    """Keeps up to date whether a statement of a connection has ended. Its methods raise nothing.

    Args:
        connection: one of Django's connections, to MySQL.
        transaction: gets to know it.
        settle: called when more has ended.
        called: called behind each ``callproc``.
        ended: called behind each ``commit`` and ``rollback`` of the driver.
    """

    def __init__(
        self,
        connection: Any,
        transaction: TransactionStatus,
        settle: Callable[[], None],
        called: Callable[[], None],
        ended: Callable[[], None],
    ) -> None:
        self._connection, self._transaction = connection, transaction
        self._settle, self._called, self._ended = settle, called, ended

    def attach(self, driver: Any) -> None:
        """Follow the transactions that a new connection of the driver ends by its own methods."""
        try:
            if _MARK not in vars(driver):
                setattr(driver, _MARK, True)
                for name in ("commit", "rollback"):
                    setattr(driver, name, _followed(getattr(driver, name), self._ended))
        except Exception:  # a driver of another kind
            pass

    def look(self, cursor: Any, sql: Any) -> None:
        """Look whether a text goes on, and follow its further results.

        Args:
            cursor: that ran it: the driver's, or Django's around it.
            sql: the text, or None for a procedure.
        """
        try:
            cursor = _innermost(cursor)
            self._transaction.is_unfinished = self._has_more(cursor, sql)
            if self._transaction.is_unfinished and _MARK not in vars(cursor):
                setattr(cursor, _MARK, True)
                fetched = partial(self._fetched, cursor)
                for name in ("nextset", "close"):
                    setattr(cursor, name, _followed(getattr(cursor, name), fetched))
        except Exception:  # a cursor of another kind
            self._transaction.is_obscure = True

    def listen(self, cursor: Any) -> None:
        """Follow the calls of ``callproc``, which no execute wrapper sees."""
        try:
            inner = _innermost(cursor)
            inner.callproc = _followed(inner.callproc, partial(self._has_called, inner))
        except Exception:  # a cursor of another kind
            pass

    def _has_more(self, cursor: Any, sql: Any) -> bool:
        ask = getattr(self._connection.connection, "more_results", None)
        if ask() if ask is not None else sql is None or _may_go_on(str(sql)):
            return True
        is_unbuffered = any(base.__name__.startswith("SS") for base in type(cursor).__mro__)
        return is_unbuffered and cursor.description is not None

    def _has_called(self, cursor: Any) -> None:
        self.look(cursor, None)
        self._called()

    def _fetched(self, cursor: Any) -> None:
        if self._transaction.is_unfinished:
            self.look(cursor, "")
            self._settle()


def _may_go_on(sql: str) -> bool:
    return ";" in sql or "call" in sql.casefold() or "execute" in sql.casefold()


def _innermost(cursor: Any) -> Any:
    while (inner := vars(cursor).get("cursor")) is not None:
        cursor = inner
    return cursor


def _followed(original: Callable[..., Any], report: Callable[[], None]) -> Callable[..., Any]:
    def reporting(*args: Any, **options: Any) -> Any:
        try:
            return original(*args, **options)
        finally:
            report()

    return reporting
