"""The catalogs of the project's databases, as they were when they were last asked.

Owns when a database is asked, and by whom: a thread with a connection of its own, so that neither
the event loop nor a transaction of the project is touched. Until it has answered, nothing is known.
"""

import asyncio
import logging
import threading
import time
from typing import Any

from django.db.backends.base.base import BaseDatabaseWrapper

from wsrequest.live.tracking.catalog import Catalog, read_catalog

__all__ = ["Catalogs", "is_asking"]

_logger = logging.getLogger("wsrequest.live")

REFRESH_SECONDS = 60.0  # another process may have migrated
_WAIT_SECONDS = 1.0
_MAX_RETRY_SECONDS = 60.0
_ASKED = frozenset({"sqlite", "postgresql"})
_MARK = "_wsrequest_is_asking"


def is_asking(connection: Any) -> bool:
    """Whether a connection is one by which a catalog is read."""
    return _MARK in vars(connection)


class _Entry:
    """What is known of one database.

    Attributes:
        catalog: None while it is not known.
        due: monotonic time from which it is to be asked (again).
        version: grows with each change of the schema; an answer to an older one does not count.
        loading: set when the thread that asks has ended; None when nobody asks.
    """

    __slots__ = ("catalog", "due", "failures", "loading", "version")

    def __init__(self) -> None:
        self.catalog: Catalog | None = None
        self.due = 0.0
        self.failures = self.version = 0
        self.loading: threading.Event | None = None


class Catalogs:
    """What the databases say, by Django's aliases. From any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._entries: dict[str, _Entry] = {}

    def of(
        self, connection: BaseDatabaseWrapper, alias: str, *, may_ask: bool, may_wait: bool
    ) -> Catalog | None:
        """Return what is known of a connection's database, None for nothing.

        Args:
            connection: any that is open.
            alias: of its database.
            may_ask: ask the database, if that is due.
            may_wait: wait a moment for its answer when nothing is known, but not on an event loop.
        """
        entry = self._entries.get(alias)
        if entry is not None and entry.catalog is not None:
            if not may_ask or time.monotonic() < entry.due:
                return entry.catalog
        if connection.vendor not in _ASKED:
            return _NOTHING
        if not may_ask:
            return None
        entry, loading = self._ask(connection, alias)
        if entry.catalog is None and loading is not None and may_wait:
            if not _is_on_a_loop():
                loading.wait(_WAIT_SECONDS)
        return entry.catalog

    def forget(self, alias: str | None = None) -> None:
        """Know nothing until a database, or each of them, was asked again: it was migrated."""
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
                except RuntimeError:  # the system has none, or Python is about to end
                    entry.loading = None
            return entry, entry.loading

    def _load(
        self, connection: BaseDatabaseWrapper, entry: _Entry, loading: threading.Event
    ) -> None:
        try:
            while True:
                version = entry.version
                self._keep(entry, version, _answer(connection))
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
                if entry.catalog != catalog:  # else what was made of it stays
                    entry.catalog = catalog

    def _failed(self, entry: _Entry, alias: str, error: Exception) -> None:
        with self._lock:
            entry.failures += 1
            entry.due = time.monotonic() + min(_MAX_RETRY_SECONDS, 2.0**entry.failures)
            is_first = entry.failures == 1
        if is_first:
            _logger.warning(
                "the catalog of the database %r could not be read; until it can, each write may "
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


def _answer(connection: BaseDatabaseWrapper) -> Catalog:
    """Ask by a connection of this thread's own."""
    own: Any = connection.copy()
    vars(own)[_MARK] = True
    # Not one of a pool: the project may hold all of those, and wait for the answer.
    own.settings_dict.get("OPTIONS", {}).pop("pool", None)
    try:
        own.ensure_connection()
        cursor = own.connection.cursor()  # the driver's: it is no query of the project's
        try:
            return read_catalog(own.vendor, cursor)
        finally:
            cursor.close()
    finally:
        driver = own.connection
        own.close()
        if own.connection is not None:  # Django never closes a database in memory
            driver.close()
