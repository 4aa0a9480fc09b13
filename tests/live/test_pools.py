"""What a request did to a pooled connection, and the next request that gets it."""

from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.db import DatabaseError, connections

from tests.live.conftest import ALIAS, Database, Published, configured
from wsrequest.live.tracking.tracker import ChangeTracker
from wsrequest.types import ReadPredicate

pytestmark = pytest.mark.parametrize("database", ["postgresql"], indirect=True)

POOLED = "pooled"
TAG = ReadPredicate(ALIAS, "live_tag")
ANY = ReadPredicate(ALIAS, None)
HIDE = "CREATE TEMP TABLE live_tag (id integer, name varchar(50))"
FILL = "INSERT INTO live_tag VALUES (9, 'own')"
SELECT = "SELECT name FROM live_tag"
VIEW = "CREATE TEMP VIEW live_tag AS SELECT id, name FROM live_room"


class Site:
    """Requests on a pool of one connection, each by a connection of Django's of its own."""

    def __init__(self, tracker: ChangeTracker, published: Published) -> None:
        self._tracker, self._published = tracker, published

    def request(self, *texts: str) -> list[Any]:
        """Run these texts as a request does, and return the rows of the last."""
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(run, connections[POOLED].copy, texts).result(20)

    def reads(self, sql: str) -> set[ReadPredicate]:
        """Return what a live view of one query reads."""
        with self._tracker.reading() as reads:
            run(lambda: connections[POOLED], (sql,))
        return set(reads.result())

    def writes(self, *texts: str) -> set[str | None]:
        """Return the tables that a request was said to have written."""
        self._published.clear()
        self.request(*texts)
        return self._published.tables()


def run(connect: Callable[[], Any], texts: Iterable[str]) -> list[Any]:
    connection = connect()
    try:
        with connection.cursor() as cursor:
            for sql in texts:
                cursor.execute(sql)
            return list(cursor.fetchall()) if cursor.description else []
    finally:
        connection.close()


Open = Callable[..., Site]


@pytest.fixture
def open_site(database: Database, tracker: ChangeTracker, published: Published) -> Iterator[Open]:
    parameters = {**database.parameters, "OPTIONS": {}}
    with configured(POOLED, parameters) as connection:

        def opened(**options: Any) -> Site:
            parameters["OPTIONS"]["pool"] = {"min_size": 1, "max_size": 1, **options}
            return Site(tracker, published)

        try:
            yield opened
        finally:
            connection.close_pool()


def test_view_of_an_earlier_request_shows_any_table(open_site: Open) -> None:
    site = open_site()
    site.request(VIEW)
    assert site.request(SELECT) == [("kitchen",)]
    assert site.reads(SELECT) == {ANY}
    assert site.writes("UPDATE live_tag SET name = 'hall'") == {None}
    assert site.request(SELECT) == [("hall",)]


def test_view_that_shows_a_table_of_an_earlier_request_shows_any(open_site: Open) -> None:
    site = open_site()
    site.request("CREATE TEMP TABLE mine (id integer)")
    site.request(f"{VIEW.replace('TEMP ', '')} WHERE id NOT IN (SELECT id FROM mine)")
    assert site.request(SELECT) == [("kitchen",)]
    assert site.reads(SELECT) == {ANY}


def test_trigger_of_an_earlier_request_may_write_any_table(open_site: Open) -> None:
    site = open_site()
    site.request(
        HIDE,
        "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN UPDATE live_room SET name = 'by trigger'; RETURN NEW; END $$",
        "CREATE TRIGGER t AFTER INSERT ON live_tag FOR EACH ROW EXECUTE FUNCTION f()",
    )
    assert None in site.writes(FILL)
    assert site.request("SELECT name FROM live_room") == [("by trigger",)]


def test_path_of_an_earlier_request_puts_the_models_table_first(
    open_site: Open, database: Database
) -> None:
    site = open_site()
    site.request("SET search_path = public, pg_temp")
    assert site.writes(HIDE, FILL) == {"tag"}
    assert "'own'" in str(database.content()["live_tag"])


def test_table_of_an_earlier_request_may_be_there_and_may_not(
    open_site: Open, database: Database
) -> None:
    """Nobody can rely on which connection a request gets, so this is only told too often."""
    site = open_site()
    assert site.writes(HIDE, FILL) == set()
    assert site.reads(SELECT) == {TAG}
    assert site.writes("UPDATE live_tag SET name = 'still own'") == {"tag"}
    assert site.request(SELECT) == [("still own",)]
    assert "'first'" in str(database.content()["live_tag"])
    site.request("DROP TABLE live_tag")
    assert site.writes(HIDE.replace("live_tag", "mine"), "INSERT INTO mine VALUES (1)") == set()
    assert site.writes("INSERT INTO mine VALUES (1)") == {None}


def test_what_an_earlier_request_prepared_or_declared_is_any(open_site: Open) -> None:
    site = open_site()
    site.request(
        "PREPARE p AS UPDATE live_tag SET name = 'x'",
        "DECLARE c CURSOR WITH HOLD FOR SELECT name FROM live_tag",
    )
    assert site.writes("EXECUTE p") == {None}
    assert site.reads("FETCH ALL FROM c") == {ANY}


@pytest.mark.parametrize("way", ["seen", "unseen"])
def test_pool_that_resets_its_connections(way: str, open_site: Open, database: Database) -> None:
    def reset(driver: Any) -> None:
        if way == "seen":
            driver.execute("DISCARD ALL")
        else:
            driver.pgconn.exec_(b"DISCARD ALL")

    site = open_site(reset=reset)
    site.request(HIDE, FILL, "SET search_path = public, pg_temp")
    assert site.writes("UPDATE live_tag SET name = 'changed'") == {"tag"}
    assert "'changed'" in str(database.content()["live_tag"])
    site.request(VIEW)
    assert site.request(SELECT) == [("changed",)]
    # An unseen one may not have taken the view away.
    assert site.reads(SELECT) == ({TAG} if way == "seen" else {ANY})
    assert site.writes(HIDE, FILL) == (set() if way == "seen" else {None})


def test_reset_that_makes_something_is_seen(open_site: Open) -> None:
    def reset(driver: Any) -> None:
        driver.execute(VIEW.replace("CREATE", "CREATE OR REPLACE"))

    site = open_site(reset=reset)
    site.request("SELECT 1")
    assert site.request(SELECT) == [("kitchen",)]
    assert site.reads(SELECT) == {ANY}


def test_connection_that_returns_in_a_transaction_loses_what_that_made(
    open_site: Open, database: Database
) -> None:
    site = open_site()
    site.request("BEGIN", HIDE, FILL)
    assert site.writes("UPDATE live_tag SET name = 'changed'") == {"tag"}
    assert "'changed'" in str(database.content()["live_tag"])


def test_connection_of_no_pool_ends_with_what_it_had(
    database: Database, tracker: ChangeTracker, published: Published
) -> None:
    connection = connections[ALIAS]
    for _ in range(2):
        run(lambda: connection, [VIEW])
        with tracker.reading() as reads:
            run(lambda: connection, [SELECT])
        assert set(reads.result()) == {TAG}
        published.clear()
        run(lambda: connection, [HIDE, FILL])
        assert published.tables() == set()


def test_connection_that_persists_is_known_from_request_to_request(
    database: Database, tracker: ChangeTracker, published: Published
) -> None:
    with configured(POOLED, {**database.parameters, "CONN_MAX_AGE": 60}) as connection:
        for texts in ([HIDE], [FILL], ["UPDATE live_tag SET name = 'x'"]):
            connection.close_if_unusable_or_obsolete()
            with connection.cursor() as cursor:
                cursor.execute(texts[0])
    assert published.tables() == set()


def test_connection_that_another_thread_may_not_close_goes_on(
    database: Database, published: Published
) -> None:
    connection = connections[ALIAS]

    def request() -> None:
        with pytest.raises(DatabaseError, match="thread"):
            connection.close()

    with connection.cursor() as cursor:
        cursor.execute(HIDE)
        with ThreadPoolExecutor(1) as pool:
            pool.submit(request).result(20)
        cursor.execute(FILL)
    assert published.tables() == set()
