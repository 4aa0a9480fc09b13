"""Tracks Django's caches: the keys that a run reads, all keys that are written, and their expiry.

It wraps the methods of the backend classes where they are defined, so that backends of other
packages are tracked, too. Methods that ``BaseCache`` builds from others are left alone. A cache
write is published at once. Only the rows of Django's DatabaseCache are published with their
transaction.
"""

import re
from collections.abc import Callable, Collection, Iterable, Mapping
from fnmatch import translate
from functools import partial
from hashlib import blake2b
from inspect import iscoroutinefunction
from os.path import abspath
from typing import Any

from django.core.cache import caches
from django.core.cache.backends.base import BaseCache
from django.core.cache.backends.db import BaseDatabaseCache
from django.core.cache.backends.dummy import DummyCache
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.memcached import BaseMemcachedCache
from django.db import router
from django.utils.module_loading import import_string

from wsrequest.live.tracking.cache_calls import OPERATIONS, REPORTS_CHANGE, SETS_EXPIRY, Call
from wsrequest.live.tracking.counters import COUNTERS, CounterCache, are_counters
from wsrequest.live.tracking.keys import (
    CACHES,
    LOCAL_CACHES,
    SESSIONS,
    KeyTracker,
    inside,
    is_inside,
    name_in,
)
from wsrequest.live.tracking.reads import ReadSet, current, reading
from wsrequest.live.tracking.schema import folded
from wsrequest.live.tracking.wrapping import Wrapping

__all__ = ["THROTTLES", "Caches", "session_places", "store_of"]

THROTTLES = (*COUNTERS, "axes-*")
"""Keys that are not dependencies: counters of throttles, and of django-axes."""

_COUNTING = ("get_or_set", "incr")

_ATTRIBUTE = "_wsrequest_store"
_FAILED = object()  # what expired then is gone in any store
_LONG_AGO_SECONDS = -3600.0  # what expired then is gone in any store

_Places = list[tuple[str, str | None]]


def store_of(settings: Mapping[str, Any], backend: type) -> str:
    """Return the name of the store behind an entry of CACHES. Several aliases may share a store.

    Args:
        settings: of the alias.
        backend: its class.
    """
    places = settings.get("LOCATION", "")
    if isinstance(places, str) and not issubclass(backend, FileBasedCache):
        places = re.split("[;,]", places)  # as Django's Redis and memcached backends do
    elif not isinstance(places, list | tuple):
        places = (places,)
    locations = [str(place) for place in places]
    if issubclass(backend, FileBasedCache):
        locations = [abspath(place) for place in locations]
    digest = blake2b(repr(locations).encode(), digest_size=6).hexdigest()
    return (LOCAL_CACHES if issubclass(backend, LocMemCache) else CACHES) + digest


def session_places(cache: Any, key: str) -> list[str]:
    """Return what stands for the key under which a cache keeps a session, for ``keys.inside``.

    Args:
        cache: of the session store.
        key: as the store passes it to the cache.
    """
    name = name_in(_alias(cache), str(cache.make_key(key))) or ""
    return [_session_place(store, name) for store in _stores(cache)]


def _session_place(store: str, key: str) -> str:
    return f"{SESSIONS}{store}:{key}"


class Caches:
    """Tracks what goes through ``django.core.cache``.

    Args:
        keys: records the keys.
        ignored: patterns of keys that are not dependencies, as the project names them: without
            prefix and version. ``*`` stands for anything.
    """

    def __init__(self, keys: KeyTracker, ignored: Iterable[str] = ()) -> None:
        self._keys = keys
        patterns = "|".join(translate(pattern) for pattern in (*THROTTLES, *ignored))
        self._is_ignored = re.compile(patterns).match
        self._wrapping = Wrapping()
        self._created: Callable[[str], Any] | None = None

    def install(self) -> None:
        """Track each cache from its creation, and the existing caches of this context."""
        create = caches.create_connection

        def created(alias: str) -> Any:
            cache = create(alias)
            if self._created is created:
                self._watch(alias, cache)
            return cache

        self._created = created
        vars(caches)["create_connection"] = created
        made = vars(caches)["_connections"]  # ``all`` does not say which alias is which
        for alias in caches:
            if hasattr(made, alias):
                self._watch(alias, caches[alias])

    def uninstall(self) -> None:
        """Restore all classes."""
        if vars(caches).get("create_connection") is self._created:
            del vars(caches)["create_connection"]
        self._created = None
        self._wrapping.undo()

    def tables(self) -> dict[str, str]:
        """Return the tables of Django's DatabaseCache, each with its store."""
        return {
            folded(settings.get("LOCATION", "")): store_of(settings, BaseDatabaseCache)
            for settings in caches.settings.values()
            if settings["BACKEND"].endswith(".DatabaseCache")
        }

    def _watch(self, alias: str, cache: Any) -> None:
        if isinstance(cache, DummyCache):
            return  # it keeps nothing
        try:
            setattr(cache, _ATTRIBUTE, store_of(caches.settings[alias], type(cache)))
        except AttributeError:
            pass  # the attribute cannot be set, so its calls count for all stores
        for name, operation in OPERATIONS.items():
            if name == "_cull" and isinstance(cache, FileBasedCache):
                continue  # it only checks whether there is anything to discard
            around = partial(self._around, name)
            late = partial(self._late, name) if operation.writes else None
            for method in (name, f"a{name}"):
                self._wrapping.wrap(
                    type(cache), method, around, late, of=self._keys, below=BaseCache
                )
        for name in _COUNTING:
            for method in (name, f"a{name}"):
                self._wrapping.wrap(BaseCache, method, partial(_counted, name), of=self._keys)

    # One call.

    def _around(self, name: str, original: Any, cache: Any, args: Any, kwargs: Any) -> Any:
        operation, reads = OPERATIONS[name], current()
        if reads is None and not operation.writes:
            return original(cache, *args, **kwargs)
        call = Call(name, cache, args, kwargs)
        if reads is not None and reads.is_rerun and (counters := _counter_cache(call, reads)):
            return _instead(counters, call, original)
        places = self._places(call)
        if reads is not None and operation.reads:
            reads.lags |= _may_lag(cache)
            for store, key in places:
                self._keys.note(store, key, ends=True)
        if iscoroutinefunction(original):
            return self._awaited(original, call, places)
        run = original
        if isinstance(cache, BaseDatabaseCache):
            run = partial(self._in_database, original, reads)
        result: object = _FAILED
        try:
            result = run(cache, *call.args, **call.kwargs)
            return result
        finally:
            if operation.writes:
                self._wrote(call, places, result)

    async def _awaited(self, original: Any, call: Call, places: _Places) -> Any:
        result: object = _FAILED
        try:
            result = await original(call.cache, *call.args, **call.kwargs)
            return result
        finally:
            if call.operation.writes:
                self._wrote(call, places, result)

    def _in_database(
        self, original: Any, reads: ReadSet | None, cache: Any, *args: Any, **kwargs: Any
    ) -> Any:
        """Run an operation of a database cache, whose table is read and written by keys."""
        stores = _stores(cache)
        if reads is None:
            with inside(*stores):
                return original(cache, *args, **kwargs)
        inner = reads.part()
        try:
            with inside(*stores), reading(inner):
                return original(cache, *args, **kwargs)
        finally:
            reads.merge(inner, without=frozenset({folded(cache._table)}))

    def _late(self, name: str, cache: Any, args: Any, kwargs: Any) -> None:
        """Record a write during which the first subscriber arrived."""
        call = Call(name, cache, args, kwargs)
        self._wrote(call, self._places(call), _FAILED)

    def _wrote(self, call: Call, places: _Places, result: object) -> None:
        if result is False and call.name in REPORTS_CHANGE:
            return
        seconds = call.seconds if call.name in SETS_EXPIRY else _LONG_AGO_SECONDS
        is_kept = call.name in SETS_EXPIRY or call.name == "delete"
        written: dict[str, list[str | None]] = {}
        for store, key in places:
            is_sooner = is_kept and key is not None and self._keys.set_end(store, key, seconds)
            # For its readers, a value that is only kept longer is the same.
            if call.name != "touch" or is_sooner or result is _FAILED:
                written.setdefault(store, []).append(key)
        is_session = is_inside(SESSIONS)
        for store, keys in written.items():
            if is_session:
                keys = [k for k in keys if k is None or not is_inside(_session_place(store, k))]
            self._keys.wrote(store, keys, _alias(call.cache))

    def _places(self, call: Call) -> _Places:
        """Return the stores and keys that a call is for."""
        keys = call.keys()
        hashes: list[str | None] = [None]
        if keys is not None:
            alias = _alias(call.cache)
            hashes = [name_in(alias, made) for given, made in keys if not self._is_ignored(given)]
        return [(store, key) for store in _stores(call.cache) for key in hashes]


def _counted(name: str, original: Any, cache: Any, args: Any, kwargs: Any) -> Any:
    """Run a method that ``BaseCache`` builds from others. A rerun counts only for itself."""
    reads = current()
    if reads is not None and reads.is_rerun and not isinstance(cache, DummyCache):
        call = Call(name, cache, args, kwargs)
        if counters := _counter_cache(call, reads):
            return _instead(counters, call, original)
    return original(cache, *args, **kwargs)


def _instead(counters: CounterCache, call: Call, original: Any) -> Any:
    method = f"a{call.name}" if iscoroutinefunction(original) else call.name
    return getattr(counters, method)(*call.args, **call.kwargs)


def _counter_cache(call: Call, reads: ReadSet) -> CounterCache | None:
    """Return the stand-in for the cache where a rerun counts. None if the call is for the cache."""
    keys = call.keys()
    if keys is None or not are_counters(given for given, _ in keys):
        return None
    if not hasattr(CounterCache, call.name):
        return None  # an operation of another package
    counters = reads.counter_caches.get(id(call.cache))
    if counters is None:
        counters = reads.counter_caches[id(call.cache)] = CounterCache(partial(_read, call.cache))
    return counters


def _read(cache: Any, key: Any, version: int | None, default: Any) -> Any:
    """Return what a cache holds. The read does not count for the current run."""
    with reading(ReadSet()):
        return cache.get(key, default, version)


def _alias(cache: Any) -> str | None:
    """Return the database whose transactions include a cache's writes."""
    if isinstance(cache, BaseDatabaseCache):
        return router.db_for_write(cache.cache_model_class)
    return None


def _may_lag(cache: Any) -> bool:
    """Whether it reads from replicas: Django's Redis backend with several servers."""
    servers = getattr(cache, "_servers", ())
    return len(servers) > 1 and not isinstance(cache, BaseMemcachedCache)


def _stores(cache: Any) -> Collection[str]:
    store: str | None = getattr(cache, _ATTRIBUTE, None)
    return _all_stores() if store is None else (store,)


def _all_stores() -> set[str]:
    """Return all stores, for a cache that Django did not create: it may be any of them."""
    stores = set()
    for settings in caches.settings.values():
        try:
            stores.add(store_of(settings, import_string(settings["BACKEND"])))
        except ImportError:
            continue  # Django reports it when the cache is used
    return stores
