"""Records what the process reads and writes, while a manager is active."""

import gc
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol
from weakref import WeakSet

from django.core.signals import setting_changed
from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.signals import connection_created
from django.db.models.signals import class_prepared, post_migrate
from django.dispatch import Signal

from wsrequest.live.forks import ForkLock
from wsrequest.live.sql.statement import Names
from wsrequest.live.tracking.caches import Caches
from wsrequest.live.tracking.catalog import Catalog
from wsrequest.live.tracking.catalog_cache import CatalogCache, reads_catalog
from wsrequest.live.tracking.connection import ConnectionTracker, tracker_of
from wsrequest.live.tracking.databases import place_of
from wsrequest.live.tracking.driver_states import DriverStates
from wsrequest.live.tracking.keys import KeyTracker
from wsrequest.live.tracking.logged import completed
from wsrequest.live.tracking.model_caches import ModelCaches
from wsrequest.live.tracking.reads import ReadSet, reading
from wsrequest.live.tracking.schema import Extras, Schema, load_schema
from wsrequest.live.tracking.sessions import Sessions
from wsrequest.types import Commit, TableChange

__all__ = ["ActiveManagers", "ChangeTracker", "ColumnSource", "installed"]


class ColumnSource(Protocol):
    """Knows the columns by which its readers narrow: a live query manager, or a test's feed."""

    def columns(self, database: str, table: str) -> frozenset[tuple[str, ...]]:
        """Return the sets of columns by which it narrows reads of a table. From any thread."""


class ActiveManagers:
    """The live query managers of one process that have subscribers. From any thread."""

    def __init__(self) -> None:
        self._lock = ForkLock()
        self._managers: tuple[ColumnSource, ...] = ()
        self._tracker: ChangeTracker | None = None

    def watch_by(self, tracker: "ChangeTracker") -> None:
        """Activate this tracker while any manager is active."""
        with self._lock:
            self._tracker = tracker
            tracker.is_active = bool(self._managers)

    def add(self, manager: ColumnSource) -> None:
        """Add a manager whose first subscriber is about to read."""
        with self._lock:
            self._set((*self._managers, manager))

    def discard(self, manager: ColumnSource) -> None:
        """Remove a manager whose last subscriber has left. Safe to call twice."""
        with self._lock:
            self._set(tuple(other for other in self._managers if other is not manager))

    def columns(self, database: str, table: str) -> frozenset[tuple[str, ...]]:
        """Return the sets of columns by which any manager narrows reads of a table."""
        found = [manager.columns(database, table) for manager in self._managers]
        return found[0] if len(found) == 1 else frozenset().union(*found)

    def _set(self, managers: tuple[ColumnSource, ...]) -> None:
        self._managers = managers
        if self._tracker is not None:
            self._tracker.is_active = bool(managers)


Wanted = Callable[[str, str], Iterable[tuple[str, ...]]]

_logger = logging.getLogger("wsrequest.live")
_lock = ForkLock()
_installed: list["ChangeTracker"] = []
_NO_EXTRAS = Extras()
OriginOf = Callable[[object], tuple[str, bytes] | None]


def _no_origin(run: object) -> None:
    return None


def installed() -> "ChangeTracker | None":
    """Return the change tracker of this process, or None."""
    return _installed[-1] if _installed else None


class ChangeTracker:
    """Tracks all connections of ``django.db.connections``.

    Args:
        publish: called with what a transaction wrote, after the commit and in its thread. It must
            be quick, and leave the connection alone. What it raises is logged.
        extras: what the models do not say.
        replica_of: aliases of replicas, each with that of its primary. ``TEST["MIRROR"]`` of an
            alias does the same.
        wanted: returns the sets of columns that readers of a table narrow by
            (``ActiveManagers.columns``), so that no other values are examined. If None, all
            comparable columns are. Called from any thread.
        ignored_keys: patterns of cache keys that are not dependencies.
        session_engine: dotted path of the module of the session store. None without sessions.
        is_shared: whether other processes receive commits. Nobody here knows what they read, so
            everything is published.
        logged_databases: aliases of the databases whose write-ahead logs report what is written to
            their published tables. Such writes are not published again.
        origin_of: returns what a run must tell the log about itself: the prefix and the content of
            a message. None if the run need not.

    Attributes:
        is_shared: see above.
        origin_of: see above.
        collectors: how many feeds themselves publish what the transaction of a TestCase holds
            (``wsrequest.test``).
        states: the state of each of the drivers' connections.
    """

    def __init__(
        self,
        publish: Callable[[Commit], None],
        *,
        extras: Extras = _NO_EXTRAS,
        replica_of: Mapping[str, str] | None = None,
        wanted: Wanted | None = None,
        ignored_keys: Iterable[str] = (),
        session_engine: str | None = None,
        is_shared: bool = False,
        logged_databases: Iterable[str] = (),
        origin_of: OriginOf = _no_origin,
    ) -> None:
        self._is_active = True
        self.is_shared = is_shared
        self.collectors = 0
        self._logged_databases = frozenset(logged_databases)
        self._logged_primaries: frozenset[str] | None = None
        self.origin_of = origin_of
        self._publish = publish
        self._extras = extras
        self._replica_of = dict(replica_of or {})
        self._wanted = wanted
        self._schema: Schema | None = None
        self._catalog_cache = CatalogCache()
        self._schemas: dict[str, tuple[Catalog | None, Schema]] = {}
        self._is_installed = False
        self.states = DriverStates()
        self._connection_trackers: WeakSet[ConnectionTracker] = (
            WeakSet()
        )  # each lives as long as its connection
        self._session_engine = session_engine
        self.keys = KeyTracker(self)
        self._caches = Caches(self.keys, ignored_keys)
        self._sessions = Sessions(self.keys)
        self._model_caches = ModelCaches(self.keys, self.primary)
        self._stores: Mapping[str, str] | None = None

    @property
    def is_active(self) -> bool:
        """Whether any manager is active, here or perhaps in another process.

        While it is False, rows are not examined and nothing is published. It must be True before
        the first run begins whose reads count.
        """
        return self._is_active

    @is_active.setter
    def is_active(self, is_active: bool) -> None:
        is_active = is_active or self.is_shared
        self._is_active = self.keys.is_active = is_active
        if not is_active:
            self.keys.forget()

    @property
    def stores(self) -> Mapping[str, str]:
        """The tables of what is read by keys, each with the database of these keys."""
        stores = self._stores
        if stores is None:
            stores = self._stores = {**self._caches.tables(), **self._sessions.tables()}
        return stores

    @property
    def schema(self) -> Schema:
        """The tables of the project as they are now."""
        schema = self._schema
        if schema is None:
            schema = self._schema = load_schema(self._extras)
        return schema

    def install(self, everywhere: bool = False) -> None:
        """Track each connection from its opening on, and the open ones of this thread.

        Args:
            everywhere: also track connections that other threads have already opened. This looks at
                all objects of the process.

        Raises:
            RuntimeError: another change tracker is installed.
        """
        with _lock:
            if self._is_installed:
                return
            if _installed:
                raise RuntimeError("another change tracker is installed")
            _installed.append(self)
            self._is_installed = True
        _connect_first(connection_created, self._connected, self)
        class_prepared.connect(self._models_changed, dispatch_uid=self)
        post_migrate.connect(self._migrated, dispatch_uid=self)
        setting_changed.connect(self._setting_changed, dispatch_uid=self)
        for connection in _all_connections() if everywhere else connections.all(True):
            if connection.connection is not None:
                self._connected(connection=connection)
        self._caches.install()
        self._sessions.install(self._session_engine)
        self._model_caches.install()

    def uninstall(self) -> None:
        """Restore all connections. What is not committed is not published."""
        with _lock:
            if not self._is_installed:
                return
            _installed.remove(self)
            self._is_installed = False
            trackers = list(self._connection_trackers)
        for signal in (connection_created, class_prepared, post_migrate, setting_changed):
            signal.disconnect(dispatch_uid=self)
        for connection_tracker in trackers:
            connection_tracker.detach()
        self.states.clear()
        for watched in (self._caches, self._sessions, self._model_caches):
            watched.uninstall()

    def reading(
        self, run: object | None = None, reads: ReadSet | None = None
    ) -> AbstractContextManager[ReadSet]:
        """Collect what is read in this context.

        Args:
            run: the value of ``Commit.run`` for what is written here. The read set itself if None.
            reads: a read set to continue, while a body is rendered or streams.
        """
        return reading(ReadSet(run) if reads is None else reads)

    def primary(self, alias: str) -> str:
        """Return the alias that a database is known by: that of its primary, or its first."""
        if alias not in connections:
            return alias
        primary = self._primary_of(alias)
        if primary is not None and primary in connections:
            return _first_alias(connections.settings[primary]) or primary
        return primary or _first_alias(connections.settings[alias]) or alias

    def database_of(self, connection: Any) -> tuple[str, bool]:
        """Return the alias that a connection's database is known by, and whether it is a replica.

        A copy of a connection may have any alias, but not any database.
        """
        alias, parameters = connection.alias, connection.settings_dict
        primary = self._primary_of(alias)
        if primary is not None:
            return self.primary(alias), True
        first = _first_alias(parameters)
        return (alias, False) if first is None else (self.primary(first), self._is_replica(first))

    def _primary_of(self, alias: str) -> str | None:
        """Return the alias of which another one is declared to be a copy."""
        mirrored = connections.settings[alias]["TEST"]["MIRROR"] if alias in connections else None
        return self._replica_of.get(alias) or mirrored or None

    def _is_replica(self, alias: str) -> bool:
        return self._primary_of(alias) is not None

    def schema_of(self, connection: Any, alias: str, *, may_wait: bool) -> Schema:
        """Return the tables of one database, including what its own catalog says.

        Args:
            connection: any connection to that database.
            alias: of the database.
            may_wait: wait for the catalog if it is not known yet. Until then, a write is to any
                table.
        """
        catalog = self._catalog_cache.get(
            connection, alias, may_ask=self.is_active, may_wait=may_wait
        )
        known = self._schemas.get(alias)
        if known is None or known[0] is not catalog:
            schema = load_schema(self._extras, catalog, is_blind=catalog is None)
            known = self._schemas[alias] = catalog, schema
        return known[1]

    def is_logged(self, database: str) -> bool:
        """Whether the log of a database reports what is written to its published tables."""
        logged = self._logged_primaries
        if logged is None:
            logged = self._logged_primaries = frozenset(map(self.primary, self._logged_databases))
        return database in logged

    def heard(self, commit: Commit) -> Commit:
        """Return a commit that a log has reported with everything else that it changes."""
        (alias,) = {change.database for change in commit.changes}  # a log is that of one database
        database = self.primary(alias)
        known = self._schemas.get(database) or self._schemas.get(alias)
        found = completed(commit, known and known[1])
        if found is None:
            if known is not None and not known[1].is_blind:  # otherwise a look is due already
                self.migrated(database)
            return Commit((TableChange(database, None),))
        changes = (TableChange(database, each.table, each.rows) for each in found.changes)
        return Commit(tuple(changes))

    def migrated(self, alias: str) -> None:
        """Forget the catalogs of a database whose tables have changed, under all its aliases."""
        primary = self.primary(alias)
        for each in {alias, primary, *connections}:
            if each == alias or self.primary(each) == primary:
                self._catalog_cache.forget(each)
                self._schemas.pop(each, None)

    def wanted_kinds(self, names: Names, database: str, table: str) -> Mapping[str, str]:
        """Return the columns whose values are worth examining, with their kinds."""
        kinds = names.kinds.get(table, {})
        if self._wanted is None:
            return kinds
        columns = {column for columns in self._wanted(database, table) for column in columns}
        return {column: kind for column, kind in kinds.items() if column in columns}

    def publish(self, commit: Commit) -> None:
        """Publish what a connection wrote. Never raises, because the transaction is done."""
        if not (self.is_active and self._is_installed):
            return
        try:
            self._publish(commit)
        except Exception:
            _logger.exception("publishing what a transaction wrote failed")

    def connection_tracker(self, alias: str) -> ConnectionTracker | None:
        """Return the tracker of this thread's connection to a database. None while it is closed."""
        return tracker_of(connections[alias])

    def _connected(self, connection: Any, **kwargs: Any) -> None:
        if reads_catalog(connection):
            return
        connection_tracker = tracker_of(connection)
        if connection_tracker is None:
            connection_tracker = ConnectionTracker(self, connection, *self.database_of(connection))
            with _lock:
                self._connection_trackers.add(connection_tracker)
        connection_tracker.attach()

    def _models_changed(self, **kwargs: Any) -> None:
        self._schema, self._schemas = None, {}
        self._logged_primaries = None

    def _migrated(self, using: str, **kwargs: Any) -> None:
        self.migrated(using)

    def _setting_changed(self, setting: str, value: Any = None, **kwargs: Any) -> None:
        if setting in ("INSTALLED_APPS", "CACHES"):
            self._schema = self._stores = None
            self._schemas = {}
        if setting == "INSTALLED_APPS":
            self._model_caches.install()
        if setting == "SESSION_ENGINE":
            self._sessions.install(value)
            self._stores = None


def _first_alias(parameters: Any) -> str | None:
    """Return the first of the aliases that name the same database as these parameters."""
    place = place_of(parameters)
    if place is None:
        return None
    return next(
        (alias for alias in connections if place_of(connections.settings[alias]) == place), None
    )


def _all_connections() -> Iterator[BaseDatabaseWrapper]:
    """Yield the connections of all threads, which Django keeps apart."""
    for each in gc.get_objects():
        # Not isinstance(), which makes a lazy object of Django's evaluate itself.
        if issubclass(type(each), BaseDatabaseWrapper):
            yield each


def _connect_first(signal: Signal, receiver: Callable[..., None], uid: object) -> None:
    """Connect a receiver before all others, because an error in one of them skips later ones."""
    signal.connect(receiver, dispatch_uid=uid)
    with signal.lock:
        signal.receivers.insert(0, signal.receivers.pop())
        signal.sender_receivers_cache.clear()
