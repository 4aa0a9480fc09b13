"""Finds out whether a connection has a transaction open, as far as its driver can say."""

from typing import Any

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
        was_open: the transaction of PostgreSQL that Django has begun was seen open.
    """

    def __init__(self, connection: Any) -> None:
        self._connection = connection
        self.has_begun = self.was_open = False

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
        return connection.autocommit and not connection.in_atomic_block and not self.has_begun

    def has_more_rows(self) -> bool:
        """Whether a statement has more rows to come. PostgreSQL may have committed it already."""
        connection = self._connection
        if connection.in_atomic_block or not connection.autocommit:
            return False
        return self.status() == ACTIVE and not is_piped(connection.connection)

    def can_roll_back_ddl(self) -> bool:
        """Whether a rollback undoes DDL. Otherwise DDL commits what was written before it."""
        return bool(self._connection.features.can_rollback_ddl)
