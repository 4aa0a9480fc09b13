"""Only a run itself sees what it saves to sessions, with every session engine."""

from collections.abc import Callable
from contextvars import copy_context
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import CreateError
from django.contrib.sessions.backends.file import SessionStore as FileStore
from django.contrib.sessions.backends.signed_cookies import SessionStore as CookieStore

from wsrequest.request.discarding import Discarded, discarding

DB, FILE, CACHE, CACHED_DB = "db", "file", "cache", "cached_db"
ENGINES = [
    pytest.param(DB, marks=pytest.mark.django_db),
    pytest.param(CACHED_DB, marks=pytest.mark.django_db),
    CACHE,
    FILE,
]


@pytest.fixture(params=ENGINES)
def store(request: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Any:
    """The class of an engine."""
    monkeypatch.setattr(FileStore, "_storage_path", str(tmp_path), raising=False)
    return import_module(f"django.contrib.sessions.backends.{request.param}").SessionStore


def begun(store: Any, **data: Any) -> str:
    """Begin a session; return its key."""
    session = store()
    session.update(data)
    session.save()
    return str(session.session_key)


def held(store: Any, key: str) -> dict[str, Any] | None:
    """What the engine holds of a session."""
    session = store(key)
    return dict(session.load()) if session.exists(key) else None


def test_what_a_run_saves_is_seen_by_it_and_by_nobody_else(store: Any) -> None:
    key = begun(store, token="once")
    with discarding(Discarded()):
        session = store(key)
        assert session.pop("token") == "once"
        session["seen"] = [1]
        session.save()
        session["seen"].append(2)  # not saved
        assert held(store, key) == {"seen": [1]}
    assert held(store, key) == {"token": "once"}


def test_two_runs_do_not_see_each_other(store: Any) -> None:
    key = begun(store, count=0)
    for _ in range(2):
        with discarding(Discarded()):
            session = store(key)
            session["count"] += 1
            session.save()
            assert held(store, key) == {"count": 1}


def test_a_login_or_logout_in_a_run_leaves_the_session_as_it_was(store: Any) -> None:
    key = begun(store, user=1)
    with discarding(Discarded()):
        session = store(key)
        session.cycle_key()
        new = session.session_key
        assert new != key and session["user"] == 1
        session.save()
        assert held(store, key) is None and held(store, new) == {"user": 1}
        session.flush()
        assert held(store, new) is None and not session.session_key
    assert held(store, key) == {"user": 1} and held(store, new) is None


def test_a_session_that_a_run_begins_is_gone_with_it(store: Any) -> None:
    with discarding(Discarded()):
        key = begun(store, a=1)
        made = store()
        made.create()
        assert held(store, key) == {"a": 1} and held(store, made.session_key) == {}
        with pytest.raises(CreateError):
            made.save(must_create=True)
    assert held(store, key) is None and held(store, made.session_key) is None


def test_a_store_of_the_projects_own_is_no_exception(store: Any) -> None:
    class Own(store):
        def save(self, must_create: bool = False) -> None:
            self["stamped"] = True
            super().save(must_create)

    key = begun(Own)
    with discarding(Discarded()):
        session = Own(key)
        session["a"] = 1
        session.save()
        assert isinstance(session, Own) and type(session).__name__ == "Own"
    assert held(Own, key) == {"stamped": True}


def test_the_async_methods_discard_too(store: Any) -> None:
    key = begun(store, a=1)

    async def run() -> None:
        session = store(key)
        assert await session.apop("a") == 1
        await session.asave()
        assert not await store(key).aload() and await session.aexists(key)
        await session.acycle_key()
        assert session.session_key != key and not await session.aexists(key)
        await session.aflush()
        new = store()
        await new.asave()
        begun_key = new.session_key
        await new.adelete()
        assert not await new.aexists(begun_key)

    with discarding(Discarded()):
        async_to_sync(run)()
    assert held(store, key) == {"a": 1}


def test_what_a_run_leaves_behind_writes_as_usual(store: Any) -> None:
    """A worker that the run started serves others after it, in the run's context."""
    key, other = begun(store, a=1), begun(store, a=1)
    with discarding(Discarded()):
        kept, seen = store(key), store(other)
        seen["a"] = 2
        seen.save()
        context = copy_context()

    def work() -> None:
        for session in (kept, store(other)):
            session["a"] += 2
            session.save()
        assert not isinstance(store(), type(kept))
        made = type(kept)()
        made.save()
        assert kept.exists(made.session_key)
        kept.delete(made.session_key)
        assert not store().exists(made.session_key)

    context.run(work)
    assert held(store, key) == held(store, other) == {"a": 3}


def test_what_a_run_leaves_behind_writes_as_usual_by_the_async_methods(store: Any) -> None:
    key = begun(store, a=1)
    with discarding(Discarded()):
        kept = store(key)
        context = copy_context()

    async def work() -> None:
        for session, count in ((kept, 2), (store(key), 3)):
            await session.aset("a", count)
            await session.asave()
            assert await store(key).aload() == {"a": count}
        await kept.acycle_key()
        assert not await kept.aexists(key)
        await kept.adelete()

    context.run(async_to_sync(work))
    assert held(store, key) is None and held(store, kept.session_key) is None


def test_the_type_of_a_store_discards_too(store: Any) -> None:
    key = begun(store, a=1)
    with discarding(Discarded()):
        session = type(store(key))(key)
        session["a"] = 2
        session.save()
        assert held(store, key) == {"a": 2}
    assert held(store, key) == {"a": 1}


def test_a_run_notes_what_the_sessions_held_before_it(store: Any) -> None:
    key = begun(store, a=1)
    discarded = Discarded()
    with discarding(discarded):
        session = store(key)
        session["a"] = 2
        session.save()
        store(key).load()
    assert discarded.loaded == {key: {"a": 1}} and discarded.stored == {key: {"a": 2}}


def test_sessions_in_cookies_have_nothing_to_discard() -> None:
    with discarding(Discarded()):
        session = CookieStore()
        session["a"] = 1
        session.save()
        assert CookieStore(session.session_key).load() == {"a": 1}


# A login.


class Visitor:
    """As much of a user as Django's receiver needs."""

    last_login: Any = None

    def __init__(self) -> None:
        self.saved: list[Any] = []

    def save(self, update_fields: Any) -> None:
        self.saved.append(update_fields)


def test_login_of_such_a_run_leaves_the_user_alone() -> None:
    with discarding(Discarded()):
        user = Visitor()
        user_logged_in.send(Visitor, user=user, request=None)
        assert user.last_login is not None and not user.saved
        context = copy_context()
    ways: tuple[Callable[[], Any], ...] = (
        lambda: user_logged_in.send(Visitor, user=user, request=None),
        # What the run has started and left behind.
        lambda: context.run(user_logged_in.send, Visitor, user=user, request=None),
    )
    for log_in in ways:
        user.saved.clear()
        log_in()
        assert user.saved == [["last_login"]]


def test_receiver_of_a_login_is_found_under_its_name() -> None:
    with discarding(Discarded()):
        pass
    receivers = list(user_logged_in.receivers)
    try:
        assert user_logged_in.disconnect(dispatch_uid="update_last_login")
        user = Visitor()
        user_logged_in.send(Visitor, user=user, request=None)
        assert user.last_login is None
    finally:
        user_logged_in.receivers = receivers
        user_logged_in.sender_receivers_cache.clear()
