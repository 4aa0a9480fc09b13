"""Store cookies until the browser fetches them with a ticket.

They are kept in the project's session store, because all processes of a deployment share it, or in
a cache if there is no such store. A record is taken once: each store has a deletion that succeeds
for only one of several callers, and only that caller gets the record.
"""

import os
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from django.contrib.sessions.backends import cache as cache_sessions
from django.contrib.sessions.backends import db as db_sessions
from django.contrib.sessions.backends import file as file_sessions
from django.core.cache import caches
from django.db import router

__all__ = ["Store", "cache_of", "store_of"]

Record = dict[str, Any]

_RECORD = "_wsrequest_ticket"


class Store(Protocol):
    """Keeps records by key for a limited time. Use it in a worker thread, as any database."""

    def put(self, key: str, record: Record, seconds: int) -> None:
        """Keep a record under a new key."""

    def take(self, key: str) -> Record | None:
        """Return a record, once. None if it does not exist or another caller was faster."""

    def has(self, key: str) -> bool:
        """Whether a record can be taken."""

    def drop(self, keys: Iterable[str]) -> None:
        """Delete records that nobody has fetched in time."""


class _DatabaseStore:
    """Rows of the session table, without the cache in front of it (cached_db)."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def put(self, key: str, record: Record, seconds: int) -> None:
        db_sessions.SessionStore.save(_filled(self._session, key, record, seconds), True)

    def take(self, key: str) -> Record | None:
        rows = self._rows([key])
        row = rows.first()
        if row is None:
            return None
        # One statement, and the database reports how many rows it deleted. The session's own
        # delete() checks first and then deletes, so four threads could all get the record.
        _, counts = rows.delete()
        if not counts.get(rows.model._meta.label):
            return None
        record = self._session().decode(row.session_data).get(_RECORD)
        return record if isinstance(record, dict) else None

    def has(self, key: str) -> bool:
        return bool(self._rows([key]).exists())

    def drop(self, keys: Iterable[str]) -> None:
        self._rows(keys).delete()

    def _rows(self, keys: Iterable[str]) -> Any:
        model = self._session.get_model_class()
        manager = model._default_manager.using(router.db_for_write(model))
        return manager.filter(session_key__in=list(keys))


class _FileStore:
    """Files beside those of the sessions. The system lets only one caller unlink a file."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def put(self, key: str, record: Record, seconds: int) -> None:
        _filled(self._session, key, record, seconds).save(must_create=True)

    def take(self, key: str) -> Record | None:
        path = self._path(key)
        try:
            text = path.read_text("ascii")
            os.unlink(path)
        except (FileNotFoundError, UnicodeDecodeError):
            return None
        record = self._session().decode(text).get(_RECORD)
        return record if isinstance(record, dict) else None

    def has(self, key: str) -> bool:
        return self._path(key).exists()

    def drop(self, keys: Iterable[str]) -> None:
        for key in keys:
            self._path(key).unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return Path(self._session(key)._key_to_file(key))


class _CacheStore:
    """Entries of a cache. ``delete()`` of Django's caches returns whether this call deleted one."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache

    def put(self, key: str, record: Record, seconds: int) -> None:
        self._cache.set(_RECORD + key, record, seconds)

    def take(self, key: str) -> Record | None:
        record = self._cache.get(_RECORD + key)
        # The value may be read at another time than it is deleted, but has the same ticket.
        return record if self._cache.delete(_RECORD + key) and isinstance(record, dict) else None

    def has(self, key: str) -> bool:
        return bool(self._cache.has_key(_RECORD + key))

    def drop(self, keys: Iterable[str]) -> None:
        """Do nothing, because entries expire on their own."""


def store_of(session_engine: str | None) -> Store:
    """Return the store for the project's session engine.

    Args:
        session_engine: its dotted path, or None. The default cache is used for an engine that is
            neither Django's own nor derived from it, because its deletion may not report success,
            and for sessions in signed cookies, which have no store.
    """
    session = None if session_engine is None else import_module(session_engine).SessionStore
    if session is not None and issubclass(session, db_sessions.SessionStore):
        return _DatabaseStore(session)
    if session is not None and issubclass(session, file_sessions.SessionStore):
        return _FileStore(session)
    if session is not None and issubclass(session, cache_sessions.SessionStore):
        return _CacheStore(session()._cache)
    return _CacheStore(caches["default"])


def cache_of(session_engine: str | None, session_cache: str) -> str | None:
    """Return the alias of the cache that ``store_of`` uses, or None if it uses no cache.

    Args:
        session_engine: as for ``store_of``.
        session_cache: alias of the cache for sessions.

    Raises:
        ImportError: the engine does not exist.
        AttributeError: the engine has no store.
    """
    if session_engine is None:
        return "default"
    session = import_module(session_engine).SessionStore
    if issubclass(session, (db_sessions.SessionStore, file_sessions.SessionStore)):
        return None
    return session_cache if issubclass(session, cache_sessions.SessionStore) else "default"


def _filled(session: Any, key: str, record: Record, seconds: int) -> Any:
    store = session(key)
    store._session_cache = {}  # otherwise it is loaded, and a missing session loses its key
    store[_RECORD] = record
    store.set_expiry(seconds)
    return store
