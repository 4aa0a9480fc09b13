"""Discard what a run writes to sessions, so that only the run itself sees it.

While ``discarding`` is in force, session stores keep writes to themselves. This works for every
engine that stores sessions by key, whether the project uses ``request.session`` or calls
``SessionStore(key)``. An engine that keeps the data in the cookie has nothing to discard. A login
in such a run also leaves ``last_login`` alone. Because its session is discarded, each run would log
in again.

A run can start a task that continues after it, for other users. Such a task inherits the context.
So its stores, and those that it took from the run, write as usual once the run has ended.
"""

import copy
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache, wraps
from threading import Lock
from typing import Any, ParamSpec, TypeVar, cast

from django.apps import apps
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import CreateError, SessionBase
from django.contrib.sessions.backends.signed_cookies import SessionStore as CookieStore
from django.utils.timezone import now

__all__ = ["Discarded", "discarding"]

_P = ParamSpec("_P")
_R = TypeVar("_R")


class Discarded:
    """What one run has written to sessions, for itself to read.

    Attributes:
        stored: the data of each session that the run wrote, by key. None for a deleted session.
        loaded: the first data that the run loaded for each session from its real store, by key.
        is_open: whether the run has not ended.
    """

    __slots__ = ("is_open", "loaded", "stored")

    def __init__(self) -> None:
        self.is_open = False
        self.stored: dict[str, dict[str, Any] | None] = {}
        self.loaded: dict[str, dict[str, Any]] = {}


_CURRENT: ContextVar[Discarded | None] = ContextVar("wsrequest.request.discarding", default=None)
_lock = Lock()
_LAST_LOGIN = "update_last_login"  # Django's id of its receiver
_REPLACING = f"wsrequest.{_LAST_LOGIN}"


@contextmanager
def discarding(discarded: Discarded) -> Iterator[Discarded]:
    """Discard what this context writes to sessions. May be entered again while a body streams.

    Args:
        discarded: collects the writes.
    """
    _install()
    token = _CURRENT.set(discarded)
    discarded.is_open = True
    try:
        yield discarded
    finally:
        # A task that the run started and did not wait for is not part of the run any more.
        discarded.is_open = False
        _CURRENT.reset(token)


def _while_open(method: Callable[_P, _R]) -> Callable[_P, _R]:
    """Make a method of ``_DiscardingStore``, sync or async, call the real store after the run.

    Args:
        method: has the same name as that of the store.
    """
    name = method.__name__

    @wraps(method)
    def choose(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        store = cast("_DiscardingStore", args[0])
        if store._discarded.is_open:
            return method(*args, **kwargs)
        own = getattr(super(_DiscardingStore, store), name)
        return cast("_R", own(*args[1:], **kwargs))

    return choose


class _DiscardingStore(SessionBase):
    """Wraps the store of an engine: reads reach it, writes do not."""

    _discarded = Discarded()  # closed, so that everything reaches the store
    # Of SessionBase, but missing in the stubs.
    _get_session: Callable[..., dict[str, Any]]
    _aget_session: Callable[..., Awaitable[dict[str, Any]]]
    _get_new_session_key: Callable[[], str]
    _aget_new_session_key: Callable[[], Awaitable[str]]

    @_while_open
    def exists(self, session_key: str) -> bool:
        data = self._discarded.stored.get(session_key, self)
        return super().exists(session_key) if data is self else data is not None

    @_while_open
    async def aexists(self, session_key: str) -> bool:
        data = self._discarded.stored.get(session_key, self)
        return await super().aexists(session_key) if data is self else data is not None

    @_while_open
    def load(self) -> dict[str, Any]:
        key = self.session_key
        if key in self._discarded.stored:
            return self._own_data(key)
        return self._note(key, super().load())

    @_while_open
    async def aload(self) -> dict[str, Any]:
        key = self.session_key
        if key in self._discarded.stored:
            return self._own_data(key)
        return self._note(key, await super().aload())

    @_while_open
    def create(self) -> None:
        self._create(self._get_new_session_key())

    @_while_open
    async def acreate(self) -> None:
        self._create(await self._aget_new_session_key())

    @_while_open
    def save(self, must_create: bool = False) -> None:
        key = self.session_key
        if key is None:
            self.create()
        elif must_create and self.exists(key):
            raise CreateError
        else:
            self._store(key, self._get_session(no_load=must_create))

    @_while_open
    async def asave(self, must_create: bool = False) -> None:
        key = self.session_key
        if key is None:
            await self.acreate()
        elif must_create and await self.aexists(key):
            raise CreateError
        else:
            self._store(key, await self._aget_session(no_load=must_create))

    @_while_open
    def delete(self, session_key: str | None = None) -> None:
        key = session_key or self.session_key
        if key:
            self._discarded.stored[key] = None

    @_while_open
    async def adelete(self, session_key: str | None = None) -> None:
        self.delete(session_key)

    def _create(self, key: str) -> None:
        self._session_key = key
        self.modified = True
        self._store(key, self._get_session(no_load=True))

    def _store(self, key: str, data: dict[str, Any]) -> None:
        self._discarded.stored[key] = copy.deepcopy(data)

    def _own_data(self, key: str) -> dict[str, Any]:
        data = self._discarded.stored[key]
        if data is None:
            self._session_key = None
            return {}
        return copy.deepcopy(data)

    def _note(self, key: str | None, data: dict[str, Any]) -> dict[str, Any]:
        if key is not None:
            self._discarded.loaded.setdefault(key, dict(data))
        return data


@cache
def _discarding_class(store: type[SessionBase]) -> type[SessionBase]:
    # With the store's own names, because Django derives the salt of a signature from __qualname__.
    names = {"__module__": store.__module__, "__qualname__": store.__qualname__}
    return type(store.__name__, (_DiscardingStore, store), names)


def _install() -> None:
    """Make session stores check whether they are made in such a run. Safe to call twice.

    One hook in the base class reaches all engines, their subclasses in the project, and all ways to
    make a store. Replacing ``request.session`` would miss those that a view makes itself.
    """
    with _lock:
        before = SessionBase.__new__
        if hasattr(before, "_wsrequest"):
            return
        SessionBase.__new__ = staticmethod(_hooked(before))  # type: ignore[method-assign]  # see above
        if apps.is_installed("django.contrib.auth"):
            _replace_last_login()


def _hooked(before: Callable[..., Any]) -> Callable[..., Any]:
    @wraps(before)
    def make(cls: type[SessionBase], /, *args: Any, **kwargs: Any) -> Any:
        discarded = _CURRENT.get()
        if discarded is None or not discarded.is_open or issubclass(cls, CookieStore):
            return _make(before, cls, args, kwargs)
        is_ours = issubclass(cls, _DiscardingStore)  # the type of another store, used again
        store = _make(before, cls if is_ours else _discarding_class(cls), args, kwargs)
        store._discarded = discarded
        return store  # its __init__ follows

    make._wsrequest = True  # type: ignore[attr-defined]
    return make


def _replace_last_login() -> None:
    """Replace Django's receiver under its own id, so that a project can still find it."""
    from django.contrib.auth.models import update_last_login  # needs the applications

    def update(sender: Any, user: Any, **kwargs: Any) -> None:
        discarded = _CURRENT.get()
        if discarded is None or not discarded.is_open:
            update_last_login(sender, user, **kwargs)
        else:
            user.last_login = now()

    # For a moment both are connected, never neither: another thread may log a user in.
    if any(key[0] == _LAST_LOGIN for key, *_ in user_logged_in.receivers):
        user_logged_in.connect(update, weak=False, dispatch_uid=_REPLACING)
        user_logged_in.disconnect(dispatch_uid=_LAST_LOGIN)
        user_logged_in.connect(update, weak=False, dispatch_uid=_LAST_LOGIN)
        user_logged_in.disconnect(dispatch_uid=_REPLACING)


def _make(before: Callable[..., Any], cls: Any, args: Any, kwargs: Any) -> Any:
    # object.__new__ accepts no arguments from a class that overrides it.
    return before(cls) if before is object.__new__ else before(cls, *args, **kwargs)
