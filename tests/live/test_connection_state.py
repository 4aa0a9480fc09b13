"""Temporary tables, cursors and prepared statements concern nobody but their connection."""

from typing import Any

import pytest
from django.db import DatabaseError, connections

from tests.live.conftest import ALIAS, Database, Published, atomic, run_sql
from tests.live.models import Note
from wsrequest.live.capture import Capture
from wsrequest.types import Read

NOTE = Read(ALIAS, "live_note")
ANY = Read(ALIAS, None)
MAKE = "CREATE TEMP TABLE mine AS SELECT id, text FROM live_note"
FILL = "INSERT INTO mine SELECT id, text FROM live_note"
DROP = "DROP TABLE mine"

on_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


def fetched(sql: str, *params: Any) -> list[Any]:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(sql, params or None)
        return list(cursor.fetchall())


def test_temporary_table_is_written_for_nobody(capture: Capture, published: Published) -> None:
    with capture.reading() as reads:
        for sql in (MAKE, FILL, "UPDATE mine SET text = 'x'", "DELETE FROM mine WHERE id = 7"):
            run_sql(sql)
        assert len(fetched("SELECT * FROM mine")) == 2
        run_sql(DROP)
    assert reads.result() == {NOTE}
    assert published.tables() == set()


def test_temporary_table_that_is_filled_anew_tells_what_fills_it(
    capture: Capture, published: Published
) -> None:
    run_sql("CREATE TEMPORARY TABLE IF NOT EXISTS mine (id integer, text varchar(50))")
    with capture.reading() as reads:
        run_sql("DELETE FROM mine")
        run_sql(FILL)
        fetched("SELECT count(*) FROM mine")
    assert reads.result() == {NOTE}
    assert published.tables() == set()
    run_sql(DROP)


def test_table_of_the_same_name_in_another_schema_is_any(
    database: Database, capture: Capture, published: Published
) -> None:
    schema = "main" if database.vendor == "sqlite" else "public"
    run_sql(f"CREATE TABLE {schema}.mine (id integer, text varchar(50))")
    run_sql(MAKE)
    published.clear()
    run_sql(f"INSERT INTO {schema}.mine VALUES (1, 'a')")
    assert published.tables() == {None}
    with capture.reading() as reads:
        fetched(f"SELECT * FROM {schema}.mine")
    assert reads.result() == {ANY}


def test_table_that_only_was_temporary_is_any(capture: Capture, published: Published) -> None:
    run_sql(MAKE)
    run_sql(DROP)
    run_sql("CREATE TABLE mine (id integer, text varchar(50))")
    published.clear()
    run_sql(FILL)
    assert published.tables() == {None}


def test_table_of_a_transaction_that_was_undone_is_any(
    capture: Capture, published: Published
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


def test_table_that_failed_to_be_made_is_any(capture: Capture, published: Published) -> None:
    run_sql("CREATE TABLE mine (id integer, text varchar(50))")
    published.clear()
    with pytest.raises(DatabaseError):
        run_sql("CREATE TEMP TABLE mine AS SELECT missing FROM live_note")
    run_sql(FILL)
    assert published.tables() == {None}


def test_table_of_another_connection_is_any(capture: Capture, published: Published) -> None:
    run_sql("CREATE TABLE mine (id integer, text varchar(50))")
    run_sql("CREATE TEMP TABLE IF NOT EXISTS mine (id integer, text varchar(50))")
    published.clear()
    connections[ALIAS].close()
    run_sql(FILL)
    assert published.tables() == {None}


def test_temporary_view_shows_what_it_shows(capture: Capture, published: Published) -> None:
    with capture.reading() as reads:
        run_sql("CREATE TEMP VIEW mine AS SELECT * FROM live_note")
        fetched("SELECT * FROM mine")
        run_sql("DROP VIEW mine")
    assert ANY in reads.result()
    assert published.tables() == set()


@on_postgresql
def test_temporary_table_ends_with_the_transaction(capture: Capture, published: Published) -> None:
    run_sql("CREATE TABLE mine (id integer, text varchar(50))")
    published.clear()
    with atomic():
        run_sql("CREATE TEMP TABLE mine (id integer, text varchar(50)) ON COMMIT DROP")
        run_sql(FILL)
    assert published.tables() == set()
    run_sql(FILL)
    assert published.tables() == {None}


@on_postgresql
def test_cursor_is_read_and_not_written(capture: Capture, published: Published) -> None:
    with capture.reading() as reads, atomic():
        run_sql("DECLARE c CURSOR FOR SELECT text FROM live_note")
        run_sql("MOVE 0 IN c")
        assert fetched("FETCH ALL FROM c") == [("a",)]
        run_sql("CLOSE c")
    assert reads.result() == {NOTE}
    assert published.tables() == set()


@on_postgresql
def test_cursor_that_nobody_declared_is_of_any_table(
    capture: Capture, published: Published
) -> None:
    with capture.reading() as reads, atomic():
        fetched("SELECT query_to_xml('SELECT 1', true, true, '')")
    assert reads.result() == {ANY}
    with capture.reading() as reads, pytest.raises(DatabaseError), atomic():
        fetched("FETCH ALL FROM c")
    assert reads.result() == {ANY}
    assert published.tables() == set()


@on_postgresql
def test_prepared_statement_does_what_it_was_prepared_for(
    capture: Capture, published: Published
) -> None:
    with capture.reading() as reads:
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


def test_row_that_is_not_there_is_not_written(capture: Capture, published: Published) -> None:
    Note.objects.filter(pk=77).update(text="b")
    Note.objects.filter(pk=77).delete()
    assert published.tables() == set()
    Note(pk=77, text="c").save()  # UPDATE first, then INSERT
    assert published.rows("note") == [({"id": 77, "text": "c"} | published.rows("note")[0][0],)]


@pytest.mark.parametrize("is_atomic", [False, True])
def test_key_that_the_database_makes_is_known(
    is_atomic: bool, capture: Capture, published: Published
) -> None:
    if is_atomic:
        with atomic():
            note = Note.objects.create(text="b")
    else:
        note = Note.objects.create(text="b")
    ((row,),) = published.rows("note")
    assert row["id"] == note.pk and row["text"] == "b"
    assert Note.objects.get(pk=note.pk).text == "b"
