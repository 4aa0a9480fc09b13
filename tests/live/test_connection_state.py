"""Temporary tables, cursors and prepared statements concern only their connection.

Long by its cases: each statement that changes a connection, before each that depends on it.
"""

from itertools import product
from typing import Any

import pytest
from django.db import DatabaseError, connections
from django.db.backends.postgresql.base import ServerBindingCursor

from tests.live.conftest import ALIAS, Database, Published, atomic, run_sql
from tests.live.models import Note, Room, Tag
from wsrequest.live.tracking.tracker import ChangeTracker
from wsrequest.live.tracking.transaction_status import TransactionStatus
from wsrequest.types import ReadPredicate

NOTE = ReadPredicate(ALIAS, "live_note")
ANY = ReadPredicate(ALIAS, None)
MAKE = "CREATE TEMP TABLE mine AS SELECT id, text FROM live_note"
FILL = "INSERT INTO mine SELECT id, text FROM live_note"
DROP = "DROP TABLE mine"

on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


def fetched(sql: str, *params: Any) -> list[Any]:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(sql, params or None)
        return list(cursor.fetchall())


def test_temporary_table_is_written_for_nobody(
    tracker: ChangeTracker, published: Published
) -> None:
    with tracker.reading() as reads:
        for sql in (MAKE, FILL, "UPDATE mine SET text = 'x'", "DELETE FROM mine WHERE id = 7"):
            run_sql(sql)
        assert len(fetched("SELECT * FROM mine")) == 2
        run_sql(DROP)
    assert reads.result() == {NOTE}
    assert published.tables() == set()


def test_temporary_table_that_is_filled_anew_tells_what_fills_it(
    tracker: ChangeTracker, published: Published
) -> None:
    run_sql("CREATE TEMPORARY TABLE IF NOT EXISTS mine (id integer, text varchar(50))")
    with tracker.reading() as reads:
        run_sql("DELETE FROM mine")
        run_sql(FILL)
        fetched("SELECT count(*) FROM mine")
    assert reads.result() == {NOTE}
    assert published.tables() == set()
    run_sql(DROP)


def test_table_of_the_same_name_in_another_schema_is_any(
    database: Database, tracker: ChangeTracker, published: Published
) -> None:
    schema = "main" if database.vendor == "sqlite" else "public"
    run_sql(f"CREATE TABLE {schema}.mine (id integer, text varchar(50))")
    run_sql(MAKE)
    published.clear()
    run_sql(f"INSERT INTO {schema}.mine VALUES (1, 'a')")
    assert published.tables() == {None}
    with tracker.reading() as reads:
        fetched(f"SELECT * FROM {schema}.mine")
    assert reads.result() == {ANY}


def test_table_that_only_was_temporary_is_any(tracker: ChangeTracker, published: Published) -> None:
    run_sql(MAKE)
    run_sql(DROP)
    run_sql("CREATE TABLE mine (id integer, text varchar(50))")
    published.clear()
    run_sql(FILL)
    assert published.tables() == {None}


def test_table_of_a_transaction_that_was_undone_is_any(
    tracker: ChangeTracker, published: Published
) -> None:
    run_sql("CREATE TABLE mine (id integer, text varchar(50))")
    published.clear()
    with pytest.raises(ZeroDivisionError), atomic():
        run_sql("CREATE TEMP TABLE mine (id integer, text varchar(50))")
        raise ZeroDivisionError
    run_sql(FILL)
    assert published.tables() == {None}
    published.clear()
    with atomic():
        with pytest.raises(ZeroDivisionError), atomic():
            run_sql("CREATE TEMP TABLE mine (id integer, text varchar(50))")
            raise ZeroDivisionError
        run_sql(FILL)
    assert published.tables() == {None}


def test_table_that_failed_to_be_made_is_any(tracker: ChangeTracker, published: Published) -> None:
    run_sql("CREATE TABLE mine (id integer, text varchar(50))")
    published.clear()
    with pytest.raises(DatabaseError):
        run_sql("CREATE TEMP TABLE mine AS SELECT missing FROM live_note")
    run_sql(FILL)
    assert published.tables() == {None}


def test_table_of_another_connection_is_any(tracker: ChangeTracker, published: Published) -> None:
    run_sql("CREATE TABLE mine (id integer, text varchar(50))")
    run_sql("CREATE TEMP TABLE IF NOT EXISTS mine (id integer, text varchar(50))")
    published.clear()
    connections[ALIAS].close()
    run_sql(FILL)
    assert published.tables() == {None}


def test_temporary_view_shows_what_it_shows(tracker: ChangeTracker, published: Published) -> None:
    with tracker.reading() as reads:
        run_sql("CREATE TEMP VIEW mine AS SELECT * FROM live_note")
        fetched("SELECT * FROM mine")
        run_sql("DROP VIEW mine")
    assert ANY in reads.result()
    assert published.tables() == set()


@on_postgresql
def test_temporary_table_ends_with_the_transaction(
    tracker: ChangeTracker, published: Published
) -> None:
    run_sql("CREATE TABLE mine (id integer, text varchar(50))")
    published.clear()
    with atomic():
        run_sql("CREATE TEMP TABLE mine (id integer, text varchar(50)) ON COMMIT DROP")
        run_sql(FILL)
    assert published.tables() == set()
    run_sql(FILL)
    assert published.tables() == {None}


@on_postgresql
def test_cursor_is_read_and_not_written(tracker: ChangeTracker, published: Published) -> None:
    with tracker.reading() as reads, atomic():
        run_sql("DECLARE c CURSOR FOR SELECT text FROM live_note")
        run_sql("MOVE 0 IN c")
        assert fetched("FETCH ALL FROM c") == [("a",)]
        run_sql("CLOSE c")
    assert reads.result() == {NOTE}
    assert published.tables() == set()


@on_postgresql
def test_cursor_that_nobody_declared_is_of_any_table(
    tracker: ChangeTracker, published: Published
) -> None:
    with tracker.reading() as reads, atomic():
        fetched("SELECT query_to_xml('SELECT 1', true, true, '')")
    assert reads.result() == {ANY}
    with tracker.reading() as reads, pytest.raises(DatabaseError), atomic():
        fetched("FETCH ALL FROM c")
    assert reads.result() == {ANY}
    assert published.tables() == set()


@on_postgresql
def test_prepared_statement_does_what_it_was_prepared_for(
    tracker: ChangeTracker, published: Published
) -> None:
    with tracker.reading() as reads:
        run_sql("PREPARE p AS SELECT text FROM live_note")
        assert fetched("EXECUTE p") == [("a",)]
    assert reads.result() == {NOTE}
    run_sql("PREPARE q AS UPDATE live_note SET text = 'b'")
    assert published.tables() == set()
    run_sql("EXECUTE q")
    assert published.tables() == {"note"}
    published.clear()
    run_sql("DEALLOCATE q")
    with pytest.raises(DatabaseError):
        run_sql("EXECUTE q")
    assert published.tables() == {None}  # whoever prepared it


@on_postgresql
@pytest.mark.parametrize("name", ["p", '"P"'])
@pytest.mark.parametrize("is_last", [False, True])
def test_name_in_other_letters_is_of_another_prepared_statement(
    name: str, is_last: bool, tracker: ChangeTracker, published: Published
) -> None:
    other = '"P"' if name == "p" else "p"
    texts = [f"PREPARE {name} AS UPDATE live_note SET text = 'b'", f"PREPARE {other} AS SELECT 1"]
    for sql in reversed(texts) if is_last else texts:
        run_sql(sql)
    run_sql(f"EXECUTE {other}")
    assert published.tables() == set()
    run_sql(f"DEALLOCATE {other}")
    run_sql(f"EXECUTE {name}")
    assert published.tables() == {"note"}


@on_postgresql
def test_name_in_other_letters_is_of_another_cursor(tracker: ChangeTracker) -> None:
    with atomic():
        run_sql("DECLARE c CURSOR FOR SELECT text FROM live_note")
        run_sql('DECLARE "C" CURSOR FOR SELECT name FROM live_room')
        for name, text, read in (
            ("C", "a", NOTE),
            ('"C"', "kitchen", ReadPredicate(ALIAS, "live_room")),
        ):
            with tracker.reading() as reads:
                assert fetched(f"FETCH ALL FROM {name}") == [(text,)]
            assert reads.result() == {read}


DECLARE = "DECLARE c CURSOR FOR SELECT text FROM live_note"
HOLD = DECLARE.replace(" FOR", " WITH HOLD FOR")
ENDS = {
    "close": ("BEGIN", DECLARE, "CLOSE c"),
    "close in capitals": ("BEGIN", DECLARE, "CLOSE C"),
    "close all": ("BEGIN", DECLARE, "CLOSE ALL"),
    "close within a text": ("BEGIN", DECLARE, "SELECT 1; CLOSE c"),
    "commit": ("BEGIN", DECLARE, "COMMIT", "BEGIN"),
    "commit and chain": ("BEGIN", DECLARE, "COMMIT AND CHAIN"),
    "rollback": ("BEGIN", DECLARE, "ROLLBACK", "BEGIN"),
    "savepoint": ("BEGIN", "SAVEPOINT s", DECLARE, "ROLLBACK TO s"),
    "held and closed": (HOLD, "CLOSE c", "BEGIN"),
    "held and all closed": (HOLD, "CLOSE ALL", "BEGIN"),
    "held and discarded": (HOLD, "DISCARD ALL", "BEGIN"),
}


@on_postgresql
@pytest.mark.parametrize("end", [*ENDS, "driver"])
def test_name_of_a_cursor_that_has_ended_is_free_for_another(
    end: str, tracker: ChangeTracker
) -> None:
    run_sql(
        "CREATE FUNCTION open_c() RETURNS refcursor LANGUAGE plpgsql AS $$ "
        "DECLARE c refcursor := 'c'; BEGIN OPEN c FOR SELECT name FROM live_room; RETURN c; END $$"
    )
    for sql in ENDS.get(end, ("BEGIN", DECLARE)):
        run_sql(sql)
    if end == "driver":
        connections[ALIAS].connection.commit()
        run_sql("BEGIN")
    run_sql("SELECT open_c()")
    with tracker.reading() as reads:
        assert fetched("FETCH ALL FROM c") == [("kitchen",)]
    assert reads.result() == {ANY}
    run_sql("ROLLBACK")


@on_postgresql
def test_cursor_goes_on_when_another_is_closed(tracker: ChangeTracker) -> None:
    with atomic():
        for name in ("c", '"C"', '"all"'):
            run_sql(f"DECLARE {name} CURSOR WITH HOLD FOR SELECT text FROM live_note")
        for name in ('"C"', '"all"'):
            run_sql(f"CLOSE {name}")
    with tracker.reading() as reads:
        assert fetched("FETCH ALL FROM c") == [("a",)]
    assert reads.result() == {NOTE}


@on_postgresql
@pytest.mark.parametrize("why", ["session", "role", "driver"])
def test_table_that_may_be_behind_another_is_any(
    why: str, tracker: ChangeTracker, published: Published
) -> None:
    path = "search_path = public, pg_temp"
    run_sql("CREATE TABLE public.mine (id integer, text varchar(50))")
    run_sql("CREATE TEMP TABLE first (id integer)")  # now the driver's statements stay as they are
    if why == "session":
        run_sql(f"SET {path}")
    elif why == "role":
        run_sql(f"ALTER ROLE CURRENT_USER SET {path}")
        connections[ALIAS].close()
        tracker.migrated(ALIAS)
    else:
        connections[ALIAS].connection.prepare_threshold = 0
        connections[ALIAS].connection.cursor_factory = ServerBindingCursor
    try:
        fetched("SELECT count(*) FROM mine")
        run_sql(FILL)
        run_sql("CREATE TEMP TABLE mine (id integer, text varchar(50))")
        published.clear()
        run_sql(FILL)
        assert fetched("SELECT count(*) FROM public.mine") == [(2,)]
        assert published.tables() == {None}
        with tracker.reading() as reads:
            assert fetched("SELECT count(*) FROM mine") == [(2,)]
        assert reads.result() == {ANY}
    finally:
        run_sql("ALTER ROLE CURRENT_USER RESET search_path")


def test_row_that_is_not_there_is_not_written(tracker: ChangeTracker, published: Published) -> None:
    Note.objects.filter(pk=77).update(text="b")
    Note.objects.filter(pk=77).delete()
    assert published.tables() == set()
    Note(pk=77, text="c").save()  # UPDATE first, then INSERT
    assert published.rows("note") == [({"id": 77, "text": "c"} | published.rows("note")[0][0],)]


@pytest.mark.parametrize("is_atomic", [False, True])
def test_key_that_the_database_makes_is_known(
    is_atomic: bool, tracker: ChangeTracker, published: Published
) -> None:
    if is_atomic:
        with atomic():
            note = Note.objects.create(text="b")
    else:
        note = Note.objects.create(text="b")
    ((row,),) = published.rows("note")
    assert row["id"] == note.pk and row["text"] == "b"
    assert Note.objects.get(pk=note.pk).text == "b"


# A temporary table by the name of a model's.

HIDE = "CREATE TEMP TABLE live_tag (id integer, name varchar(50))"
FILL_HIDDEN = "INSERT INTO live_tag VALUES (9, 'own')"
TAG = ReadPredicate(ALIAS, "live_tag")


def real(database: Database) -> str:
    return "main.live_tag" if database.vendor == "sqlite" else "public.live_tag"


def own(database: Database) -> str:
    return "temp.live_tag" if database.vendor == "sqlite" else "pg_temp.live_tag"


def assert_hidden(tracker: ChangeTracker, published: Published) -> None:
    published.clear()
    with tracker.reading() as reads:
        Tag.objects.create(pk=70, name="own")
        Tag.objects.filter(pk=70).update(name="mine")
        assert [tag.name for tag in Tag.objects.filter(pk=70)] == ["mine"]
        Tag.objects.filter(pk=70).delete()
    assert reads.result() == set()
    assert published.tables() == set()


def assert_real(tracker: ChangeTracker, published: Published) -> None:
    published.clear()
    with tracker.reading() as reads:
        run_sql("UPDATE live_tag SET name = 'b'")
        fetched("SELECT * FROM live_tag")
    assert TAG in reads.result() or ANY in reads.result()
    assert {"tag", None} & published.tables()


def test_temporary_table_hides_the_models(
    database: Database, tracker: ChangeTracker, published: Published
) -> None:
    run_sql(HIDE)
    run_sql("CREATE INDEX by_name ON live_tag (name)")
    assert published.tables() == set()
    assert_hidden(tracker, published)
    run_sql(f"INSERT INTO {own(database)} VALUES (1, 'a')")
    assert published.tables() == set()
    with tracker.reading() as reads:
        assert fetched(f"SELECT name FROM {own(database)}") == [("a",)]
        assert reads.result() == set()
        assert fetched(f"SELECT name FROM {real(database)}") == [("first",)]
        assert reads.result() == {TAG}
    run_sql(f"UPDATE {real(database)} SET name = 'c'")
    assert published.tables() == {"tag"}
    published.clear()
    run_sql("DROP TABLE live_tag")
    assert published.tables() == set()
    assert_real(tracker, published)


@pytest.mark.parametrize("end", ["close", "transaction", "savepoint", "raw", "unseen"])
def test_hidden_table_is_there_again(
    end: str, database: Database, tracker: ChangeTracker, published: Published
) -> None:
    connection = connections[ALIAS]
    if end == "close":
        run_sql(HIDE)
        connection.close()
    elif end == "raw":
        for sql in ("BEGIN", HIDE, "ROLLBACK"):
            run_sql(sql)
    elif end == "unseen":
        connection.set_autocommit(False)
        run_sql("BEGIN" if database.vendor == "sqlite" else "SELECT 1")
        run_sql(HIDE)
        connection.connection.rollback()
        connection.set_autocommit(True)
    else:
        with atomic():
            with pytest.raises(ZeroDivisionError), atomic(savepoint=end == "savepoint"):
                run_sql(HIDE)
                assert_hidden(tracker, published)
                raise ZeroDivisionError
            if end == "transaction":
                connection.needs_rollback = True
    assert_real(tracker, published)
    assert "'b'" in str(database.content()["live_tag"])


def test_hidden_table_stays_hidden_after_a_commit(
    tracker: ChangeTracker, published: Published
) -> None:
    with atomic():
        run_sql(HIDE)
    assert_hidden(tracker, published)
    with atomic():
        run_sql("DROP TABLE live_tag")
    assert_real(tracker, published)


@on_postgresql
@pytest.mark.parametrize("end", ["commit drops", "discard", "failed"])
def test_hidden_table_of_postgresql_is_there_again(
    end: str, tracker: ChangeTracker, published: Published
) -> None:
    connection = connections[ALIAS]
    if end == "commit drops":
        with atomic():
            run_sql(f"{HIDE} ON COMMIT DROP")
            assert_hidden(tracker, published)
    elif end == "discard":
        run_sql(HIDE)
        run_sql("DISCARD TEMP")
    else:  # what has failed is rolled back by COMMIT
        connection.set_autocommit(False)
        run_sql(HIDE)
        with pytest.raises(DatabaseError):
            run_sql("SELECT missing")
        connection.commit()
        connection.set_autocommit(True)
    assert_real(tracker, published)


@on_postgresql
@pytest.mark.parametrize("where", ["session", "role", "driver"])
def test_table_that_may_be_behind_the_models_is_both(
    where: str, database: Database, tracker: ChangeTracker, published: Published
) -> None:
    path = "search_path = public, pg_temp"
    if where == "session":
        run_sql(f"SET {path}")
    elif where == "role":
        run_sql(f"ALTER ROLE CURRENT_USER SET {path}")
        connections[ALIAS].close()
        tracker.migrated(ALIAS)
    else:
        connections[ALIAS].ensure_connection()
        connections[ALIAS].connection.prepare_threshold = 2
    try:
        run_sql(HIDE)
        run_sql(FILL_HIDDEN)
        assert_real(tracker, published)
    finally:
        run_sql("ALTER ROLE CURRENT_USER RESET search_path")


@on_postgresql
def test_what_was_prepared_may_mean_either(tracker: ChangeTracker, published: Published) -> None:
    run_sql("PREPARE before AS UPDATE live_tag SET name = 'before'")
    run_sql(HIDE)
    run_sql(FILL_HIDDEN)
    run_sql("PREPARE after AS UPDATE live_tag SET name = 'after'")
    for name in ("before", "after"):
        run_sql(f"EXECUTE {name}")
        assert published.tables() == {"tag"}
        published.clear()
    run_sql("DROP TABLE live_tag")
    run_sql("EXECUTE after")
    assert published.tables() == {"tag"}
    assert Tag.objects.get().name == "after"


def test_temporary_view_by_the_name_of_a_models_shows_any_table(
    database: Database, tracker: ChangeTracker, published: Published
) -> None:
    def view() -> set[ReadPredicate]:
        with tracker.reading() as reads:
            fetched("SELECT name FROM live_tag")
        return set(reads.result())

    make = "CREATE TEMP VIEW live_tag AS SELECT id, name FROM live_room"
    run_sql(make)
    assert fetched("SELECT name FROM live_tag") == [("kitchen",)]
    assert view() == {ANY}
    with pytest.raises(ZeroDivisionError), atomic():
        run_sql("DROP VIEW live_tag")
        assert published.tables() == set()
        raise ZeroDivisionError
    assert fetched("SELECT name FROM live_tag") == [("kitchen",)]
    assert view() == {ANY}
    run_sql("DROP VIEW temp.live_tag" if database.vendor == "sqlite" else "DROP VIEW live_tag")
    published.clear()
    with atomic():
        run_sql(make)
        run_sql("DROP VIEW live_tag")
    assert view() == {TAG}


@on_postgresql
@pytest.mark.parametrize("commit", ["COMMIT", "END", "COMMIT AND CHAIN", "driver"])
def test_commit_of_what_has_failed_is_a_rollback(
    commit: str, tracker: ChangeTracker, published: Published
) -> None:
    def fail(*texts: str) -> None:
        for sql in ("BEGIN", *texts):
            run_sql(sql)
        with pytest.raises(DatabaseError):
            run_sql("SELECT missing")
        if commit == "driver":
            connections[ALIAS].connection.commit()
        else:
            run_sql(commit)
        if commit == "COMMIT AND CHAIN":
            run_sql("COMMIT")

    fail(HIDE)
    assert_real(tracker, published)
    run_sql("CREATE TEMP VIEW live_tag AS SELECT id, name FROM live_room")
    fail("DROP VIEW live_tag")
    with tracker.reading() as reads:
        assert fetched("SELECT name FROM live_tag") == [("kitchen",)]
    assert reads.result() == {ANY}


@on_postgresql
def test_driver_that_cannot_say_whether_a_commit_fails_breaks_nothing(
    tracker: ChangeTracker, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    def status(self: TransactionStatus) -> int:
        raise DatabaseError("the driver cannot say")

    run_sql("BEGIN")
    run_sql(HIDE)
    with monkeypatch.context() as patched:
        patched.setattr(TransactionStatus, "status", status)
        run_sql("COMMIT")
    published.clear()
    with tracker.reading() as reads:
        fetched("SELECT * FROM live_tag")
    assert reads.result() == {TAG}  # in doubt


@pytest.mark.parametrize("is_forgotten", [False, True])
@on_postgresql
def test_view_of_what_is_temporary_is_temporary(
    is_forgotten: bool, database: Database, tracker: ChangeTracker, published: Published
) -> None:
    run_sql("CREATE TEMP TABLE mine (id integer)")
    if is_forgotten:
        run_sql("DO $$ BEGIN END $$")
    run_sql(
        "CREATE VIEW live_tag AS SELECT id, name FROM live_room "
        "WHERE id NOT IN (SELECT id FROM mine)"
    )
    with tracker.reading() as reads:
        assert fetched("SELECT name FROM live_tag") == [("kitchen",)]
    assert reads.result() == {ANY}
    published.clear()
    run_sql("UPDATE live_tag SET name = 'by the view'")
    assert "by the view" in str(database.content()["live_room"])
    assert published.tables() == {None}


def test_temporary_table_does_not_take_the_place_of_a_view(
    database: Database, tracker: ChangeTracker
) -> None:
    run_sql("CREATE TEMP VIEW mine AS SELECT * FROM live_note")
    run_sql("CREATE TEMP TABLE IF NOT EXISTS mine (id integer)")
    with tracker.reading() as reads:
        assert len(fetched("SELECT * FROM mine")) == 1
    assert reads.result() == {ANY}


@pytest.mark.parametrize(
    ("database", "table"),
    [
        ("sqlite", "live_tag"),  # on PostgreSQL everybody sees a trigger on that
        *product(["sqlite", "postgresql"], ["mine", "hidden"]),
    ],
    indirect=["database"],
)
def test_trigger_that_only_its_connection_has_may_write_any_table(
    table: str, database: Database, tracker: ChangeTracker, published: Published
) -> None:
    if table == "hidden":
        run_sql(HIDE)
        table = "live_tag"
    elif table == "mine":
        run_sql("CREATE TEMP TABLE mine (id integer, name varchar(50))")
    body = "UPDATE live_room SET name = 'by trigger'"
    if database.vendor == "sqlite":
        run_sql(f"CREATE TEMP TRIGGER t AFTER INSERT ON {table} BEGIN {body}; END")
    else:
        run_sql(
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
            f"$$ BEGIN {body}; RETURN NEW; END $$"
        )
        run_sql(f"CREATE TRIGGER t AFTER INSERT ON {table} FOR EACH ROW EXECUTE FUNCTION f()")
    published.clear()
    run_sql(f"INSERT INTO {table} (id, name) VALUES (5, 'x')")
    assert Room.objects.get().name == "by trigger"
    assert None in published.tables()


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "sql",
    [
        "PRAGMA temp_store = 2",
        'PRAGMA main."temp_store" = 2',
        "PRAGMA main.'temp_store' = 2",
        "PRAGMA 'temp_store'(2)",
    ],
)
def test_moving_what_is_temporary_deletes_it(
    sql: str, database: Database, tracker: ChangeTracker, published: Published
) -> None:
    run_sql(HIDE)
    run_sql(sql)
    assert_real(tracker, published)
    assert "'b'" in str(database.content()["live_tag"])


def test_name_in_other_letters_may_be_another_table(
    database: Database, tracker: ChangeTracker, published: Published
) -> None:
    run_sql('CREATE TEMP TABLE "LIVE_TAG" (id integer, name varchar(50))')
    if database.vendor == "postgresql":
        assert_real(tracker, published)
    else:
        assert_hidden(tracker, published)
