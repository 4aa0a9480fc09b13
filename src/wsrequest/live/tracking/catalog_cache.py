"""Caches the catalogs of the project's databases, and refreshes them.

A database is queried in a thread with a connection of its own, so that neither the event loop nor a
transaction of the project is affected. Until the answer arrives, nothing is known.
"""

import asyncio
import logging
import threading
import time
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from wsrequest.live.forks import ForkLock, renew_in_children
from wsrequest.live.tracking.catalog import Catalog, read_catalog

__all__ = ["CatalogCache", "reads_catalog"]

_logger = logging.getLogger("wsrequest.live")

REFRESH_SECONDS = 60.0  # another process may have migrated
_WAIT_SECONDS = 1.0
_MAX_RETRY_SECONDS = 60.0
_SUPPORTED_VENDORS = frozenset({"sqlite", "postgresql", "mysql"})
_MARK = "_wsrequest_reads_catalog"


def reads_catalog(connection: Any) -> bool:
    """Whether a connection is one that reads a catalog."""
    return _MARK in vars(connection)


class _Entry:
    """What is known of one database.

    Attributes:
        catalog: None while it is not known.
        due: monotonic time of the next query.
        failures: how many in a row.
        version: grows with each change of the schema. An answer for an older one does not count.
        loading: set when the querying thread has ended. None while there is no such thread.
    """

    __slots__ = ("catalog", "due", "failures", "loading", "version")

    def __init__(self) -> None:
        self.catalog: Catalog | None = None
        self.due = 0.0
        self.failures = self.version = 0
        self.loading: threading.Event | None = None


class CatalogCache:
    """The catalogs of the databases, by Django's aliases. From any thread."""

    def __init__(self) -> None:
        self._lock = ForkLock()
        self._entries: dict[str, _Entry] = {}
        renew_in_children(self)

    def after_fork(self) -> None:
        """Query each database again, because the thread that did so is the parent's."""
        for entry in self._entries.values():
            entry.loading, entry.due = None, 0.0

    def get(
        self, connection: BaseDatabaseWrapper, alias: str, *, may_ask: bool, may_wait: bool
    ) -> Catalog | None:
        """Return what is known of a connection's database, or None.

        Args:
            connection: any open connection to it.
            alias: of its database.
            may_ask: query the database if that is due.
            may_wait: wait a moment for the answer if nothing is known, but not on an event loop.
        """
        entry = self._entries.get(alias)
        if entry is not None and entry.catalog is not None:
            if not may_ask or time.monotonic() < entry.due:
                return entry.catalog
        if connection.vendor not in _SUPPORTED_VENDORS:
            return _NOTHING
        if not may_ask:
            return None
        entry, loading = self._ask(connection, alias)
        if entry.catalog is None and loading is not None and may_wait:
            if not _is_on_a_loop():
                loading.wait(_WAIT_SECONDS)
        return entry.catalog

    def forget(self, alias: str | None = None) -> None:
        """Forget one catalog or all of them, because the tables have changed."""
        with self._lock:
            for name, entry in self._entries.items():
                if alias in (None, name):
                    entry.catalog, entry.due = None, 0.0
                    entry.version += 1

    def _ask(
        self, connection: BaseDatabaseWrapper, alias: str
    ) -> tuple[_Entry, threading.Event | None]:
        with self._lock:
            entry = self._entries.setdefault(alias, _Entry())
            if entry.loading is None and time.monotonic() >= entry.due:
                entry.loading = threading.Event()
                thread = threading.Thread(
                    target=self._load,
                    args=(connection, entry, entry.loading),
                    name="wsrequest-catalog",
                    daemon=True,
                )
                try:
                    thread.start()
                except RuntimeError:  # the system has no more threads, or Python is about to end
                    entry.loading = None
            return entry, entry.loading

    def _load(
        self, connection: BaseDatabaseWrapper, entry: _Entry, loading: threading.Event
    ) -> None:
        try:
            while True:
                version = entry.version
                self._keep(entry, version, _query(connection))
                if entry.version == version:
                    return
        except Exception as error:
            self._failed(entry, connection.alias, error)
        finally:
            with self._lock:
                entry.loading = None
            loading.set()

    def _keep(self, entry: _Entry, version: int, catalog: Catalog) -> None:
        with self._lock:
            if entry.version == version:
                entry.failures = 0
                entry.due = time.monotonic() + REFRESH_SECONDS
                if entry.catalog != catalog:  # otherwise what was derived from it stays valid
                    entry.catalog = catalog

    def _failed(self, entry: _Entry, alias: str, error: Exception) -> None:
        with self._lock:
            entry.failures += 1
            entry.due = time.monotonic() + min(_MAX_RETRY_SECONDS, 2.0**entry.failures)
            is_first = entry.failures == 1
        if is_first:
            _logger.warning(
                "cannot read the catalog of the database %r. Until it can be read, each write may "
                "concern every live view that reads from it: %s",
                alias,
                error,
            )


_NOTHING = Catalog()


def _is_on_a_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True


def _query(connection: BaseDatabaseWrapper) -> Catalog:
    """Query the database, with a connection of this thread's own."""
    own: Any = connection.copy()
    vars(own)[_MARK] = True
    # Not one from a pool: the project may hold all of those and wait for the answer.
    own.settings_dict.get("OPTIONS", {}).pop("pool", None)
    try:
        own.ensure_connection()
        # the driver's cursor, so that it does not count as a query of the project
        cursor = own.connection.cursor()
        try:
            return read_catalog(own.vendor, cursor)
        finally:
            cursor.close()
    finally:
        driver = own.connection
        own.close()
        if own.connection is not None:  # Django never closes a database in memory
            driver.close()
