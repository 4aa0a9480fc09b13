"""What a view answers from a cache is as current as what it reads from the database.

Each writes as a project does, and what a subscriber is shown must be what a fresh GET gives.
"""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.core.cache import cache, caches
from django.core.management import call_command
from django.db import connection, transaction
from django.db.models.signals import post_delete, post_save
from django.test import override_settings

from tests.oracle.audience import Audience, watching
from tests.oracle.project import cached
from tests.oracle.project.models import Note, Notebook, Room, Tag
from tests.oracle.world import fill

on_sqlite = pytest.mark.parametrize("vendor", ["sqlite"], indirect=True)
pytestmark = on_sqlite

BACKENDS = {
    "memory": ("django.core.cache.backends.locmem.LocMemCache", "tests"),
    "file": ("django.core.cache.backends.filebased.FileBasedCache", "{directory}"),
    "database": ("django.core.cache.backends.db.DatabaseCache", "oracle_cache"),
    "redis": ("django.core.cache.backends.redis.RedisCache", "{redis}"),
}


@pytest.fixture(params=BACKENDS)
def backend(request: pytest.FixtureRequest, tmp_path: Path, world: None) -> Iterator[str]:
    """Each kind of cache in turn, empty; what is saved is forgotten by its keys."""
    name: str = request.param
    path, location = BACKENDS[name]
    if name == "redis":
        location = location.format(redis=request.getfixturevalue("redis_url"))
    location = location.replace("{directory}", str(tmp_path))
    with override_settings(CACHES={"default": {"BACKEND": path, "LOCATION": location}}):
        if name == "database":
            call_command("createcachetable", verbosity=0)
        cache.clear()
        cached.rooms_of_module.cache_clear()
        for signal in (post_save, post_delete):
            signal.connect(cached.forget)
        try:
            yield name
        finally:
            for signal in (post_save, post_delete):
                signal.disconnect(cached.forget)
            cache.clear()


@pytest.fixture
def viewers(backend: str) -> Iterator[Audience]:
    """A client, all tables as they were, and a cache of each kind."""
    fill()
    with watching() as found:
        yield found


def rename(name: str) -> None:
    tag = Tag.objects.get(pk=1)
    tag.name = name
    tag.save()


@pytest.mark.parametrize("name", ["tags", "others", "async"])
def test_key_that_is_deleted_when_its_row_is_saved(viewers: Audience, name: str) -> None:
    live = viewers.watch(f"/cached/{name}/")
    viewers.rerun()  # answered by the cache from now on
    for n in range(3):
        with viewers.sees(live):
            rename(f"another {n}")


def test_configuration_that_is_kept_for_ever(viewers: Audience) -> None:
    viewers.watch("/cached/config/")
    with watching() as later:  # its first run finds all in the cache
        live = later.watch("/cached/config/")
        with later.sees(live):
            notebook = Notebook.objects.get(pk=1)
            notebook.text = "new"
            notebook.save()
        with later.sees(live):
            cache.set("config", {"activated": 1}, None)


WRITES: dict[str, tuple[str, Callable[[], Any]]] = {
    "set": ("/cached/number/", lambda: cache.set("number", 5)),
    "set, by name": ("/cached/number/", lambda: cache.set(key="number", value=6)),
    "add": ("/cached/number/", lambda: cache.add("flag", 1)),
    "incr": ("/cached/number/", lambda: cache.set("number", 1) or cache.incr("number", 6)),
    "decr": ("/cached/number/", lambda: cache.set("number", 9) or cache.decr("number")),
    "delete": ("/cached/many/", lambda: cache.delete("room-1")),
    "touch": ("/cached/many/", lambda: cache.touch("room-1", 0)),
    "set_many": ("/cached/many/", lambda: cache.set_many({"room-0": 7, "room-9": 8})),
    "delete_many": ("/cached/many/", lambda: cache.delete_many(iter(["room-1", "room-2"]))),
    "clear": ("/cached/many/", lambda: cache.clear()),
    "get_or_set": ("/cached/number/", lambda: cache.get_or_set("number", 9)),
    "version": ("/cached/number/", lambda: cache.set("number", 3, version=1)),
    "incr_version": ("/cached/many/", lambda: cache.incr_version("room-1")),
}


@pytest.mark.parametrize("name", WRITES)
def test_operation_is_seen(viewers: Audience, name: str) -> None:
    cache.set_many({"room-1": 1, "room-2": 2})
    url, write = WRITES[name]
    live = viewers.watch(url)
    with viewers.sees(live):
        write()


def test_other_keys_wake_nobody(viewers: Audience) -> None:
    cache.set("room-1", 1)
    viewers.watch("/cached/many/")
    with viewers.runs(most=0):
        cache.set("another", 1)
        cache.set("room-1", 2, version=2)
        cache.delete("nowhere")
        cache.touch("room-1", 600)
        cache.add("room-1", 3)
        for key in ("throttle_user_1", "rl:1", "axes-1"):
            cache.add(key, 0)
            cache.incr(key)


@pytest.mark.parametrize("url", ["/cached/page/", "/cached/fragment/"])
def test_page_that_django_keeps(viewers: Audience, url: str) -> None:
    live = viewers.watch(url)
    rename("is not shown before the page is thrown away")
    assert viewers.is_current(live)
    with viewers.sees(live):
        cache.clear()


def test_value_that_ends_by_itself(viewers: Audience) -> None:
    live = viewers.watch("/cached/short/?seconds=2")
    body = live.body
    Notebook.objects.filter(pk=1).update(text="another")
    deadline = time.monotonic() + 20
    while live.body == body and time.monotonic() < deadline:
        time.sleep(0.05)
    assert live.body is not None and b"another" in live.body


def test_views_that_fill_each_other_come_to_rest(viewers: Audience) -> None:
    lives = [viewers.watch(f"/cached/{name}/") for name in ("tags", "others", "async")]
    with viewers.sees(*lives), viewers.runs(most=12):
        rename("another")


def test_what_a_module_remembers_counts_until_it_was_written(viewers: Audience) -> None:
    live = viewers.watch("/cached/remembered/")
    rename("another")  # runs again, and reads no room
    for n in range(3):
        with viewers.sees(live):
            room = Room.objects.get(pk=1)
            room.name = f"another {n}"
            room.save()
    viewers.settle()
    with viewers.runs(most=0):
        Note.objects.create(text="of nothing")


def test_write_that_is_rolled_back_is_undone_where_the_cache_is_a_table(
    viewers: Audience, backend: str
) -> None:
    cache.set("number", 1)
    live = viewers.watch("/cached/number/")
    with transaction.atomic():
        cache.set("number", 2)
        transaction.set_rollback(True)
    assert viewers.is_current(live)
    with viewers.sees(live), transaction.atomic():
        cache.set("number", 3)
        cache.set("room-1", 3)


def test_alias_of_the_same_store_and_an_own_object(viewers: Audience, backend: str) -> None:
    live = viewers.watch("/cached/number/")
    with viewers.sees(live):
        made = caches.create_connection("default")
        made.set("number", 7)
    cls: Any = type(made)
    parameters = {**caches.settings["default"]}
    parameters.pop("BACKEND")
    with viewers.sees(live):
        cls(parameters.pop("LOCATION"), parameters).set("number", 8)


def test_table_of_a_cache_that_is_written_by_sql(viewers: Audience, backend: str) -> None:
    if backend != "database":
        return
    cache.set("number", 1)
    live = viewers.watch("/cached/number/")
    with viewers.sees(live), connection.cursor() as cursor:
        cursor.execute("DELETE FROM oracle_cache")
