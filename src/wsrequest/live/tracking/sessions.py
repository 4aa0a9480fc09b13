"""Tracks sessions, whatever stores them: which session a run reads, and when it changes.

It wraps the class of the session store. ``load``, ``save`` and ``delete`` count as operations on
one key, in place of the rows and cache keys that they touch. A save that changes nothing is not
published. Otherwise ``SESSION_SAVE_EVERY_REQUEST`` would rerun a visitor's lists with each of their
requests. If other processes save sessions too, each save is published: one that changes nothing as
far as this process knows may still overwrite what another process has saved.
"""

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from hashlib import blake2b
from importlib import import_module
from inspect import iscoroutinefunction
from time import monotonic
from typing import Any

from django.contrib.sessions.backends.base import SessionBase
from django.db import router
from django.utils.timezone import now

from wsrequest.live.forks import ForkLock
from wsrequest.live.tracking.caches import session_places
from wsrequest.live.tracking.keys import SESSIONS, KeyTracker, inside, name_in
from wsrequest.live.tracking.reads import ReadSet, current, reading
from wsrequest.live.tracking.schema import folded
from wsrequest.live.tracking.wrapping import Wrapping

__all__ = ["IGNORED_TABLES", "Sessions"]

IGNORED_TABLES = frozenset({"django_session", SESSIONS})
"""What a rerun writes there triggers no other query."""

_MAX_CONTENTS = 10_000  # sessions whose content is known, in each of two generations
_GONE = b""
_UNKNOWN = None
_UNSURE = b"?"  # a save may have been undone. Stays until a later one is known to be done

logger = logging.getLogger("wsrequest.live")


class Sessions:
    """Tracks a project's session store.

    Args:
        keys: records the keys.
    """

    def __init__(self, keys: KeyTracker) -> None:
        self._keys = keys
        self._wrapping = Wrapping()
        self._contents = _Contents()
        self._store: Any = None

    def install(self, engine: str | None) -> None:
        """Wrap the stores of an engine: a dotted path as in SESSION_ENGINE, or None."""
        try:
            store = None if engine is None else import_module(engine).SessionStore
        except Exception:
            logger.debug("the session engine cannot be loaded", exc_info=True)
            return  # Django reports it when the engine is used
        self._store = store
        if store is None or store.__module__ == "django.contrib.sessions.backends.signed_cookies":
            return  # the cookie is the session
        for name, around, late in (
            ("load", self._load, None),
            ("save", self._save, self._late),
            ("delete", self._delete, self._late_delete),
        ):
            for method in (name, f"a{name}"):
                self._wrapping.wrap(store, method, around, late, of=self._keys, below=SessionBase)
        for method in ("_get_session_from_db", "_aget_session_from_db"):
            self._wrapping.wrap(store, method, _row, of=self._keys, below=SessionBase)

    def uninstall(self) -> None:
        """Restore the classes."""
        self._store = None
        self._wrapping.undo()

    def tables(self) -> dict[str, str]:
        """Return the table of a store that keeps sessions in the database."""
        model = _model(self._store)
        return {} if model is None else {folded(model._meta.db_table): SESSIONS}

    # One call each.

    def _load(self, original: Any, store: Any, args: Any, kwargs: Any) -> Any:
        key, reads = store.session_key, current()
        if key is None:
            return original(store, *args, **kwargs)
        name = name_in(_alias(store), key)
        self._keys.note(SESSIONS, name)
        watched = self._contents.reading(name)
        inner, own = None if reads is None else reads.part(), _own(store, key)
        if iscoroutinefunction(original):
            return self._aload(original, store, own, watched, inner, reads)
        try:
            with _within(inner, own):
                data = original(store, *args, **kwargs)
        finally:
            self._merge(store, inner, reads)
        watched(_digest(store, data))
        _end(store, data, reads)
        return data

    async def _aload(
        self, original: Any, store: Any, own: Any, watched: Any, inner: Any, reads: Any
    ) -> Any:
        try:
            with _within(inner, own):
                data = await original(store)
        finally:
            self._merge(store, inner, reads)
        watched(_digest(store, data))
        _end(store, data, reads)
        return data

    def _merge(self, store: Any, inner: ReadSet | None, reads: ReadSet | None) -> None:
        if inner is not None and reads is not None:
            model = _model(type(store))
            table = frozenset() if model is None else frozenset({folded(model._meta.db_table)})
            reads.merge(inner, without=table)

    def _save(self, original: Any, store: Any, args: Any, kwargs: Any) -> Any:
        if iscoroutinefunction(original):
            return self._asave(original, store, args, kwargs)
        is_done = False
        try:
            with inside(*_own(store, store.session_key), writes=1):
                result = original(store, *args, **kwargs)
            is_done = True
            return result
        finally:
            self._saved(store, is_done=is_done)

    async def _asave(self, original: Any, store: Any, args: Any, kwargs: Any) -> Any:
        is_done = False
        try:
            with inside(*_own(store, store.session_key), writes=1):
                result = await original(store, *args, **kwargs)
            is_done = True
            return result
        finally:
            self._saved(store, is_done=is_done)

    def _saved(self, store: Any, *, is_done: bool = True) -> None:
        key = store.session_key
        if key is None:
            return
        name = name_in(_alias(store), key)
        content: bytes | None = _UNSURE
        if is_done and not self._keys.is_open(_alias(store)):
            content = _digest(store, getattr(store, "_session_cache", None))
        if self._contents.wrote(name, content) or self._keys.is_shared(SESSIONS):
            self._publish(store, name)

    def _delete(self, original: Any, store: Any, args: Any, kwargs: Any) -> Any:
        key = _deleted(store, args, kwargs)
        if iscoroutinefunction(original):
            return self._adelete(original, store, key, args, kwargs)
        try:
            with inside(*_own(store, key), writes=1):
                return original(store, *args, **kwargs)
        finally:
            self._gone(store, key)

    async def _adelete(self, original: Any, store: Any, key: Any, args: Any, kwargs: Any) -> Any:
        try:
            with inside(*_own(store, key), writes=1):
                return await original(store, *args, **kwargs)
        finally:
            self._gone(store, key)

    def _gone(self, store: Any, key: str | None) -> None:
        if key is not None:
            name = name_in(_alias(store), key)
            self._contents.wrote(name, _GONE)
            self._publish(store, name)

    def _late(self, store: Any, args: Any, kwargs: Any) -> None:
        """Record a save during which the first subscriber arrived."""
        self._saved(store)

    def _late_delete(self, store: Any, args: Any, kwargs: Any) -> None:
        self._gone(store, _deleted(store, args, kwargs))

    def _publish(self, store: Any, name: str | None) -> None:
        alias = _alias(store)
        if alias is not None and getattr(store, "_cache", None) is not None:
            self._keys.wrote(SESSIONS, [name])  # its cache holds it at once
            if not self._keys.is_open(alias):
                return
        self._keys.wrote(SESSIONS, [name], alias)


class _Contents:
    """The contents of sessions as far as this process has seen them, as digests.

    A save with the same digest changes nothing. If a save was made while the session was read, it
    is unknown which of the two came first. The content is then unknown, and the next save counts.
    The same is true for a save that failed or that is part of a transaction, because it may be
    undone.
    """

    def __init__(self) -> None:
        self._lock = ForkLock()
        self._found: dict[str, tuple[bytes | None, object]] = {}
        self._older: dict[str, tuple[bytes | None, object]] = {}

    def reading(self, name: str | None) -> Callable[[bytes | None], None]:
        """Prepare to read a session. Call what this returns with its content."""
        if name is None:  # any of them
            return lambda content: None
        before = self._get(name)[1]

        def read(content: bytes | None) -> None:
            with self._lock:
                known, token = self._get(name)
                # Also one of its own transaction, which may be undone.
                if known != _UNSURE:
                    self._put(name, content if token is before else _UNKNOWN)

        return read

    def wrote(self, name: str | None, content: bytes | None) -> bool:
        """Record a write of a session, and return whether it may have changed."""
        if name is None:
            return True
        with self._lock:
            before = self._get(name)[0]
            self._put(name, content)
        return content in (_UNKNOWN, _UNSURE) or content != before

    def _get(self, name: str) -> tuple[bytes | None, object]:
        return self._found.get(name) or self._older.get(name) or (_UNKNOWN, None)

    def _put(self, name: str, content: bytes | None) -> None:
        if len(self._found) >= _MAX_CONTENTS:
            self._older, self._found = self._found, {}
        self._found[name] = content, object()


def _row(original: Any, store: Any, args: Any, kwargs: Any) -> Any:
    """Read the row of a session, which says when it expires."""
    reads = current()
    if iscoroutinefunction(original):
        return _arow(original, store, args, kwargs, reads)
    row = original(store, *args, **kwargs)
    if row is not None:
        _end_at(store, row.expire_date, reads)
    return row


async def _arow(original: Any, store: Any, args: Any, kwargs: Any, reads: ReadSet | None) -> Any:
    row = await original(store, *args, **kwargs)
    if row is not None:
        _end_at(store, row.expire_date, reads)
    return row


def _end(store: Any, data: Any, reads: ReadSet | None) -> None:
    """Make a run that has read a session run again when it expires, which is not a write.

    Its row, or its key in a cache, may have an earlier time, which then counts.
    """
    if reads is None or not data:
        return
    try:
        find = getattr(store, "_expiry_date", None)  # of Django's file-based store
        expiry = data.get("_session_expiry") if find is None else find(data)
    except Exception:  # the file is gone, or the content is not a dict
        return
    _end_at(store, expiry, reads)


def _end_at(store: Any, expiry: Any, reads: ReadSet | None) -> None:
    if reads is None:
        return
    try:
        left = (store.get_expiry_date(expiry=expiry) - now()).total_seconds()
    except Exception:  # a store of another package has its own way
        return
    if left > 0:
        reads.end_at(monotonic() + left + 0.05)


@contextmanager
def _within(inner: ReadSet | None, own: Sequence[str]) -> Iterator[None]:
    with inside(*own):
        if inner is None:
            yield
        else:
            with reading(inner):
                yield


def _own(store: Any, key: str | None) -> Sequence[str]:
    """Return what an operation on a session publishes itself: no other key written during it."""
    try:
        if key is not None and getattr(store, "_cache", None) is not None:
            return [SESSIONS, *session_places(store._cache, store.cache_key_prefix + key)]
    except Exception:  # a store of another package names its keys differently
        pass
    return [SESSIONS]


def _deleted(store: Any, args: Any, kwargs: Any) -> str | None:
    given: str | None = args[0] if args else kwargs.get("session_key")
    own: str | None = store.session_key
    return own if given is None else given


def _digest(store: Any, data: Any) -> bytes | None:
    try:
        content: bytes = store.serializer().dumps(data)
    except Exception:  # its own save fails on it, or works differently
        return _UNKNOWN
    return blake2b(content, digest_size=16).digest()


def _alias(store: Any) -> str | None:
    """Return the database whose transactions include the saves of a store."""
    model = _model(type(store))
    return None if model is None else router.db_for_write(model)


def _model(store: Any) -> Any:
    get = getattr(store, "get_model_class", None)
    return None if get is None else get()
