"""A view that shows what is in the session is current, whatever keeps the sessions."""

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.sessions.backends.file import SessionStore as FileStore
from django.contrib.sessions.models import Session
from django.core.cache import cache
from django.db import transaction
from django.db.models.signals import post_save, pre_delete, pre_save
from django.dispatch import Signal
from django.test import Client, override_settings

from tests.oracle.audience import Audience, watching
from tests.oracle.world import fill
from wsrequest.live.tracking.reads import ReadSet, reading

pytestmark = pytest.mark.parametrize("vendor", ["sqlite"], indirect=True)

ENGINES = ("db", "cached_db", "cache", "file")
MEMORY = {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "sessions"}


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path, world: None) -> Iterator[str]:
    """Each store in turn."""
    path = f"django.contrib.sessions.backends.{request.param}"
    with override_settings(
        SESSION_ENGINE=path, SESSION_FILE_PATH=str(tmp_path), CACHES={"default": MEMORY}
    ):
        vars(FileStore).get("_storage_path") and delattr(FileStore, "_storage_path")
        cache.clear()
        fill()
        yield request.param


class Visitor:
    """Somebody with a session, who watches and sends requests by HTTP."""

    def __init__(self) -> None:
        self.store = import_module(settings.SESSION_ENGINE).SessionStore()
        self.store["basket"] = 1
        self.store.create()
        self.http = Client()
        self.http.cookies[settings.SESSION_COOKIE_NAME] = self.store.session_key

    @property
    def cookie(self) -> str:
        return f"{settings.SESSION_COOKIE_NAME}={self.store.session_key}"

    def again(self) -> Any:
        """The same session, as another request finds it."""
        return type(self.store)(self.store.session_key)


@pytest.fixture
def visitor(engine: str) -> Visitor:
    return Visitor()


@pytest.fixture
def viewers(visitor: Visitor) -> Iterator[Audience]:
    with watching(visitor.cookie) as found:
        yield found


def put(visitor: Visitor, count: int) -> None:
    url, body = "/cached/basket/put/", {"count": count}
    assert visitor.http.post(url, body, content_type="application/json").status_code == 200


def test_session_that_is_saved_elsewhere_is_shown(viewers: Audience, visitor: Visitor) -> None:
    live = viewers.watch("/cached/basket/")
    viewers.rerun()  # answered by a warm store from now on
    for count in (5, 6):
        with viewers.sees(live), viewers.runs(most=1):
            put(visitor, count)
    with viewers.sees(live):
        session = visitor.again()

        async def save() -> None:
            await session.aset("basket", 9)
            await session.asave()

        asyncio.run(save())


ENDS: dict[str, Callable[[Any], Any]] = {
    "flushed": lambda session: session.flush(),
    "deleted": lambda session: session.delete(),
    "cycled": lambda session: session.cycle_key(),
}


@pytest.mark.parametrize("name", ENDS)
def test_session_that_ends_is_shown(viewers: Audience, visitor: Visitor, name: str) -> None:
    live = viewers.watch("/cached/basket/")
    with viewers.sees(live):
        ENDS[name](visitor.again())


def test_another_session_wakes_nobody(viewers: Audience, visitor: Visitor) -> None:
    viewers.watch("/cached/basket/")
    with viewers.runs(most=0):
        put(Visitor(), 5)


def test_request_that_changes_nothing_wakes_nobody(viewers: Audience, visitor: Visitor) -> None:
    with override_settings(SESSION_SAVE_EVERY_REQUEST=True):
        live = viewers.watch("/cached/basket/")
        visitor.http.get("/cached/basket/look/")
        with viewers.runs(most=0):
            for _ in range(3):
                assert visitor.http.get("/cached/basket/look/").json() == {"basket": 1}
        late = visitor.again()
        late.load()
        with viewers.sees(live):
            put(visitor, 7)
        with viewers.sees(live):  # it goes back to what it was
            late["basket"] = 1
            late.save()


def test_row_of_a_session_that_is_deleted_by_itself(
    viewers: Audience, visitor: Visitor, engine: str
) -> None:
    if "db" not in engine:
        return
    live = viewers.watch("/cached/basket/")
    before = live.version
    Session.objects.filter(pk=visitor.store.session_key).delete()
    assert viewers.is_current(live)
    assert live.version >= before


@pytest.mark.parametrize("looks", [False, True])
def test_save_that_is_undone_and_tried_again(
    viewers: Audience, visitor: Visitor, engine: str, looks: bool
) -> None:
    """The second was taken for one that changes nothing."""
    if "db" not in engine:
        return
    live = viewers.watch("/cached/basket/")
    session = visitor.again()
    session["basket"] = 5
    with transaction.atomic():
        session.save()
        if looks:
            visitor.again().load()
        transaction.set_rollback(True)
    cache.clear()  # where cached_db holds what was undone
    viewers.settle()
    session.save()
    assert viewers.is_current(live) and b"5" in (live.body or b"")
    with viewers.runs(most=0):  # it is known what it holds
        session.save()


@pytest.mark.parametrize("seconds", [1, timedelta(seconds=1)])
def test_session_ends_by_itself(
    world: None, visitor: Visitor, engine: str, seconds: int | timedelta
) -> None:
    """A body of the visitor who is gone was shown until the recheck."""
    if engine == "file" and seconds == 1:
        return  # Django keeps it for ever
    session = visitor.again()
    session.set_expiry(3 * seconds)
    session.save()
    with watching(visitor.cookie) as late:  # nobody has watched when it was saved
        live = late.watch("/cached/basket/")
        assert b"1" in (live.body or b"")
        time.sleep(3.5)
        assert late.is_current(live) and b"1" not in (live.body or b"1")


@pytest.mark.parametrize("is_async", [False, True])
def test_run_is_told_when_a_session_ends(
    viewers: Audience, visitor: Visitor, is_async: bool
) -> None:
    viewers.watch("/cached/basket/")
    session = visitor.again()
    session.set_expiry(timedelta(seconds=40))
    session.save()
    with reading(ReadSet()) as reads:
        if is_async:
            asyncio.run(visitor.again().aload())
        else:
            visitor.again().load()
    assert reads.expires_seconds is not None and 30 < reads.expires_seconds <= 40.1


def test_cache_that_a_receiver_writes_when_a_session_is_saved(
    viewers: Audience, visitor: Visitor, engine: str
) -> None:
    """It was taken for a part of the session."""
    if "db" not in engine:
        return

    def receive(**kwargs: Any) -> None:
        cache.set("number", 77)

    live = viewers.watch("/cached/number/")
    post_save.connect(receive, sender=Session)
    try:
        with viewers.sees(live):
            visitor.again().save()
    finally:
        post_save.disconnect(receive, sender=Session)


RECEIVED: dict[str, tuple[Signal, Callable[[Any], Any]]] = {
    "before a save": (pre_save, lambda session: session.save()),
    "after a save": (post_save, lambda session: session.save()),
    "before a deletion": (pre_delete, lambda session: session.flush()),
    "when one begins": (post_save, lambda session: session.cycle_key()),
}


@pytest.mark.parametrize("engine", ["db"], indirect=True)  # no other looks at the row
@pytest.mark.parametrize("name", RECEIVED)
def test_session_that_a_receiver_writes_when_another_is_saved(
    name: str, viewers: Audience, visitor: Visitor, engine: str
) -> None:
    """Its row was taken for a part of the other."""
    signal, write = RECEIVED[name]
    session, other = visitor.again(), Visitor().again()
    rows = Session.objects.filter(pk=session.session_key)
    data = session.encode({"basket": 77})

    def receive(**kwargs: Any) -> None:
        rows.update(session_data=data)

    live = viewers.watch("/cached/basket/")
    other["basket"] = 2
    signal.connect(receive, sender=Session)
    try:
        with viewers.sees(live):
            write(other)
    finally:
        signal.disconnect(receive, sender=Session)
