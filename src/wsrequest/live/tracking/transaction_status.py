"""Finds out whether a connection has a transaction open, as far as its driver can say."""

from typing import Any

from wsrequest.live.sql.statement import Statement
from wsrequest.live.tracking.cursors import is_piped

__all__ = ["FAILED", "IDLE", "TransactionStatus"]

IDLE, ACTIVE, FAILED = 0, 1, 3  # of libpq's PQTRANS_: IDLE, ACTIVE and INERROR
_OPEN = (ACTIVE, 2, FAILED)  # 2 is INTRANS


class TransactionStatus:
    """The transaction of one of Django's connections. What the driver raises is passed on.

    Args:
        connection: one of Django's connections.

    Attributes:
        has_begun: a statement has begun a transaction, on a driver that does not report it.
        is_obscure: a statement may have begun or ended one, on such a driver.
        is_unfinished: a statement of MySQL goes on, because not all of its results were fetched.
        was_open: the transaction of PostgreSQL that Django has begun was seen open.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.reset(is_new=True)

    def reset(self, *, is_new: bool = False) -> None:
        """Record that no transaction is open.

        Args:
            is_new: so is the connection of the driver, with its settings.
        """
        if is_new:
            self._may_chain = False
        self.has_begun = self.was_open = self.is_obscure = self.is_unfinished = False

    @property
    def is_reported(self) -> bool:
        """Whether the driver reports if a transaction is open. Otherwise statements tell it."""
        return self._connection.vendor in ("sqlite", "postgresql")

    def note(self, statement: Statement, *, is_done: bool) -> None:
        """Record a statement on a driver that does not report transactions.

        Args:
            statement: what was run.
            is_done: the database has executed it. Otherwise it may have begun or ended nothing.
        """
        if statement.begins:
            self.has_begun = statement.begins == "begin"
            self.is_obscure = not is_done
        if statement.obscures and not self.is_reported:
            self.is_obscure = True
            # A setting makes each COMMIT begin a transaction, or each statement.
            self._may_chain |= statement.verb == "set"

    def may_be_idle(self) -> bool:
        """Whether it is unknown if a transaction is open: each write may be committed at once."""
        if self.is_reported or not self.commits_by_itself():
            return False
        return (self.is_obscure or self._may_chain) and not self.is_unfinished

    def commits_by_itself(self) -> bool:
        """Whether the database commits each statement, if no transaction was begun."""
        connection = self._connection
        ask = getattr(connection.connection, "get_autocommit", None)  # of drivers of MySQL
        if ask is not None:
            return bool(ask())
        return bool(connection.autocommit and not connection.in_atomic_block)

    def is_piped(self) -> bool:
        """Whether the connection is in a pipeline, which reports results later."""
        return is_piped(self._connection.connection)

    def is_open(self) -> bool:
        """Whether the driver has a transaction open. Unlike ``is_idle``, it records nothing."""
        connection = self._connection
        driver = connection.connection
        if connection.vendor == "sqlite":
            return driver is not None and bool(driver.in_transaction)
        if connection.vendor == "postgresql":
            return self.status() in _OPEN or is_piped(driver)
        return self.has_begun or connection.in_atomic_block or not connection.autocommit

    def status(self) -> int:
        """Return the transaction status of libpq, or -1 without one."""
        driver = self._connection.connection
        if driver is None or self._connection.vendor != "postgresql":
            return -1
        return int(driver.info.transaction_status)

    def is_idle(self) -> bool:
        """Whether the database has no transaction open, as far as the driver can say."""
        connection = self._connection
        driver = connection.connection
        if driver is None:
            return True
        if connection.vendor == "sqlite":
            # Also in an atomic block: after set_autocommit(False) no transaction was begun, so its
            # savepoint is one, and RELEASE commits.
            return not driver.in_transaction
        if connection.vendor == "postgresql":
            # An unknown status counts as ended, but within a pipeline it is not known yet.
            if self.status() in _OPEN or is_piped(driver):
                self.was_open = True
                return False
            # The driver begins a transaction of Django's only with its first statement. One that
            # was open before was ended by a COMMIT that Django does not know of.
            is_begun = connection.in_atomic_block or not connection.autocommit
            return self.was_open or not is_begun
        is_begun = self.has_begun or self.is_obscure or self._may_chain or self.is_unfinished
        return not is_begun and self.commits_by_itself()

    def has_more_rows(self) -> bool:
        """Whether a statement has more rows to come. It may be committed already."""
        connection = self._connection
        if self.is_unfinished:
            return self.commits_by_itself()
        if connection.in_atomic_block or not connection.autocommit:
            return False
        return self.status() == ACTIVE and not is_piped(connection.connection)

    def can_roll_back_ddl(self) -> bool:
        """Whether a rollback undoes DDL. Otherwise DDL commits what was written before it."""
        return bool(self._connection.features.can_rollback_ddl)
