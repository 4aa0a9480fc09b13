"""Connections that appear in another way: a second alias, a copy, or one opened before."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from django.db import connections
from django.db.backends.signals import connection_created

from tests.live.conftest import ALIAS, Database, Published, Story, configured
from tests.live.models import Room, Tag
from wsrequest.live.tracking.api import depends_on
from wsrequest.live.tracking.databases import are_likely_copies, place_of
from wsrequest.live.tracking.tracker import ChangeTracker


def update_by(connection: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute("UPDATE live_tag SET name = 'y'")


def read() -> Any:
    return list(Tag.objects.all())


@contextmanager
def second_alias(database: Database) -> Iterator[Any]:
    parameters = dict(database.parameters)
    if database.vendor == "postgresql":
        parameters["HOST"] = "localhost"
    else:
        link = Path(parameters["NAME"]).with_name("link.sqlite3")
        link.symlink_to(parameters["NAME"])
        parameters["NAME"] = str(link)
    with configured("second", parameters) as connection:
        yield connection


def test_second_alias_is_the_same_database(
    database: Database, story: Story, tracker: ChangeTracker
) -> None:
    with second_alias(database) as second:
        assert story.wakes(read, lambda: update_by(second))
        assert story.wakes(lambda: list(Tag.objects.using("second")), Tag.objects.get().save)
        with tracker.reading() as reads:
            list(Tag.objects.using("second"))
            depends_on(Tag, using="second")
        assert {found.database for found in reads.result()} == {ALIAS}
        assert not reads.lags  # it is no replica


def test_schema_that_another_alias_changes_is_read_anew(
    database: Database, story: Story, tracker: ChangeTracker
) -> None:
    def rooms() -> Any:
        return list(Room.objects.values_list("name"))

    def rename() -> Any:
        return Tag.objects.update(name="x")

    body = "UPDATE live_room SET name = 'by trigger'"
    with second_alias(database) as second:
        assert not story.wakes(rooms, rename)
        with second.cursor() as cursor:
            if database.vendor == "postgresql":
                cursor.execute(
                    "CREATE FUNCTION of_tags() RETURNS trigger LANGUAGE plpgsql AS "
                    f"$$ BEGIN {body}; RETURN NEW; END $$"
                )
                body = "EXECUTE FUNCTION of_tags()"
            else:
                body = f"BEGIN {body}; END"
            cursor.execute(f"CREATE TRIGGER t AFTER UPDATE ON live_tag FOR EACH ROW {body}")
        assert story.wakes(rooms, rename)
        assert rooms() == [("by trigger",)]


def test_replica_that_is_named_is_its_primary_and_may_lag(
    database: Database, published: Published
) -> None:
    with second_alias(database):
        tracker = ChangeTracker(published, replica_of={"second": ALIAS})
        tracker.install()
        try:
            with tracker.reading() as reads:
                list(Tag.objects.using("second"))
            assert {found.database for found in reads.result()} == {ALIAS}
            assert reads.lags
        finally:
            tracker.uninstall()


def test_copy_of_a_connection_is_the_same_database(story: Story) -> None:
    copy = connections[ALIAS].copy(alias="copy")
    try:
        assert story.wakes(read, lambda: update_by(copy))
    finally:
        copy.close()


def test_connection_of_a_thread_that_was_there_before_is_watched(
    database: Database, published: Published
) -> None:
    with ThreadPoolExecutor(1) as pool:
        pool.submit(read).result()
        tracker = ChangeTracker(published)
        tracker.install(everywhere=True)
        try:
            pool.submit(lambda: update_by(connections[ALIAS])).result()
        finally:
            tracker.uninstall()
            pool.submit(connections.close_all).result()
    assert published.tables() == {"tag"}


def test_receiver_that_raises_keeps_no_connection_from_us(
    database: Database, published: Published
) -> None:
    mine = connections[ALIAS]

    def failing(connection: Any, **kwargs: Any) -> None:
        if connection is mine:
            raise ZeroDivisionError

    connections[ALIAS].close()
    connection_created.connect(failing)
    tracker = ChangeTracker(published)
    tracker.install()
    try:
        with pytest.raises(ZeroDivisionError):
            connections[ALIAS].connect()
        update_by(connections[ALIAS])  # Django takes it for connected
        assert published.tables() == {"tag"}
    finally:
        connection_created.disconnect(failing)
        tracker.uninstall()


def server(engine: str = "django.db.backends.postgresql", **given: Any) -> dict[str, Any]:
    return {"ENGINE": engine, "NAME": "app", "HOST": "db", **given}


SQLITE = "django.db.backends.sqlite3"


@pytest.mark.parametrize(
    ("one", "other", "are_one"),
    [
        pytest.param(server(), server(), True, id="equal"),
        pytest.param(server(), server(USER="reader", CONN_MAX_AGE=5), True, id="another-user"),
        pytest.param(server(), server(PORT="5432"), True, id="default-port"),
        pytest.param(server(), server("django.contrib.gis.db.backends.postgis"), True, id="gis"),
        pytest.param(server(HOST=""), server(HOST="127.0.0.1"), True, id="this-host"),
        pytest.param(server(), server(PORT=6432), False, id="another-port"),
        pytest.param(server(), server(NAME="other"), False, id="another-name"),
        pytest.param(server(), server("django.db.backends.mysql"), False, id="another-kind"),
        pytest.param(
            server(NAME="", OPTIONS={"service": "a"}),
            server(NAME="", OPTIONS={"service": "b"}),
            False,
            id="another-service",
        ),
        pytest.param(server(NAME=""), server(NAME=""), False, id="nothing-known"),
        pytest.param(server(SQLITE, NAME="/a/b"), server(SQLITE, NAME="/a/./b"), True, id="file"),
        pytest.param(
            server(SQLITE, NAME="/a/b"), server(SQLITE, NAME="file:/a/b?mode=ro"), True, id="uri"
        ),
        pytest.param(
            server(SQLITE, NAME=":memory:"), server(SQLITE, NAME=":memory:"), False, id="memory"
        ),
        pytest.param(
            server(SQLITE, NAME="file:a?mode=memory&cache=shared"),
            server(SQLITE, NAME="file:a?mode=memory&cache=shared"),
            True,
            id="shared-memory",
        ),
    ],
)
def test_aliases_are_one_database(one: Any, other: Any, are_one: bool) -> None:
    found = place_of(one)
    assert (found is not None and found == place_of(other)) == are_one
    assert not (are_one and are_likely_copies(one, other))


def test_one_name_on_two_servers_is_likely_a_copy() -> None:
    assert are_likely_copies(server(), server(HOST="replica"))
    assert not are_likely_copies(server(), server(HOST="replica", NAME="other"))
    assert not are_likely_copies(server(SQLITE, NAME="a"), server(SQLITE, NAME="b"))
