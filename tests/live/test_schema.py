"""What is known of the project's tables, and what changes without a statement that names it."""

from typing import Any

import pytest
from django.apps import apps
from django.db import connections, models
from django.test import override_settings

from tests.live.conftest import ALIAS, Database, Published, run_sql, watching
from tests.live.models import Note, Notebook, Room, Tag
from wsrequest.live.tracking.schema import Extras, folded, load_schema
from wsrequest.live.tracking.tracker import ChangeTracker
from wsrequest.types import ReadPredicate, TableChange

only_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


@pytest.mark.skipif(not hasattr(models, "DB_CASCADE"), reason="Django 6.1 has it")
def test_tables_that_the_database_cascades_to_are_told(
    database: Database, published: Published, tracker: ChangeTracker
) -> None:
    run_sql("DELETE FROM live_note")
    assert published.tables() == {"note", "reply", "answer"}
    published.clear()
    Note.objects.update(text="b")
    Note.objects.create(text="c")
    assert published.tables() == {"note"}
    published.clear()
    Tag.objects.all().delete()
    assert published.tables() >= {"tag", "answer"}


@only_postgresql
def test_tables_that_truncate_goes_on_to_are_told(
    database: Database, published: Published, tracker: ChangeTracker
) -> None:
    run_sql("TRUNCATE live_room CASCADE")
    assert published.tables() >= {"room", "note", "note_tags", "article"}
    assert database.content()["live_note"] == []


def test_trigger_writes_what_the_operator_says(database: Database, published: Published) -> None:
    if database.vendor == "sqlite":
        run_sql(
            "CREATE TRIGGER t AFTER INSERT ON live_tag BEGIN UPDATE live_room SET name = 'x'; END"
        )
    else:
        run_sql(
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN UPDATE live_room SET name = 'x'; RETURN NEW; END $$"
        )
        run_sql("CREATE TRIGGER t AFTER INSERT ON live_tag EXECUTE FUNCTION f()")
    with watching(published, written_by={"Live_Tag": ["live_room", "live_tag"]}):
        Tag.objects.create(name="x")
    assert Room.objects.get().name == "x"
    # With Django 6.1 also what would go with a tag, since the trigger might delete some.
    assert published.tables() - {"answer"} == {"tag", "room"}
    assert published.rows("tag") == [None]  # the trigger may have changed the new row


def test_view_changes_with_its_tables(database: Database, published: Published) -> None:
    run_sql("CREATE VIEW texts AS SELECT text FROM live_note")
    with watching(published, written_by={"live_note": ["texts"]}) as tracker:
        with tracker.reading() as reads:
            run_sql("SELECT * FROM texts")
        assert reads.result() == {ReadPredicate(ALIAS, "texts")}
        Note.objects.update(text="b")
    assert published.tables() == {"note", "texts"}


def test_unknown_table_is_any(
    database: Database, published: Published, tracker: ChangeTracker
) -> None:
    run_sql("CREATE TABLE others (id integer)")
    published.clear()
    run_sql("INSERT INTO others VALUES (1)")
    assert published.tables() == {None}


def test_table_of_a_cache_is_known(
    database: Database, published: Published, tracker: ChangeTracker
) -> None:
    backend = "django.core.cache.backends.db.DatabaseCache"
    with override_settings(CACHES={"default": {"BACKEND": backend, "LOCATION": "kept"}}):
        run_sql("CREATE TABLE kept (cache_key varchar(9))")
        run_sql("INSERT INTO kept VALUES ('a')")
        run_sql("DELETE FROM kept")
        store = tracker.stores["kept"]
    # Its rows are read by keys, any of which may be gone.
    assert set(published.changes[-1].changes) == {
        TableChange(ALIAS, "kept"),
        TableChange(store, None),
    }


def test_table_that_the_operator_names_is_known(database: Database, published: Published) -> None:
    run_sql("CREATE TABLE others (id integer)")
    with watching(published, tables=frozenset({"Others"})):
        run_sql("INSERT INTO others VALUES (1)")
    assert published.tables() == {"others"}


def test_ignored_table_is_not_told(database: Database, published: Published) -> None:
    run_sql("CREATE TABLE others (id integer)")
    with watching(published, ignored=frozenset({"others", "live_tag"})):
        run_sql("INSERT INTO others VALUES (1)")
        Tag.objects.create(name="x")
        Room.objects.update(name="x")
    assert published.tables() == {"room"}


@only_postgresql
def test_function_writes_what_the_operator_says(database: Database, published: Published) -> None:
    run_sql(
        "CREATE FUNCTION add_tag() RETURNS void LANGUAGE sql AS "
        "$$ INSERT INTO live_tag (name) VALUES ('x') $$"
    )
    with watching(published, functions={"Add_Tag": ["live_tag"]}):
        run_sql("SELECT add_tag()")
    assert published.tables() == {"tag"}


def test_model_that_is_made_later_is_known(database: Database, tracker: ChangeTracker) -> None:
    assert "live_later" not in tracker.schema.names[""].tables

    class Later(models.Model):
        class Meta:
            app_label = "live"

    try:
        assert "live_later" in tracker.schema.names[""].tables
    finally:
        del apps.all_models["live"]["later"]
        apps.clear_cache()


@pytest.mark.parametrize(
    ("table", "name"),
    [
        pytest.param("Note", "note", id="case"),
        pytest.param('"Schema"."Note"', "note", id="schema"),
        pytest.param('"a note"', "a note", id="quotes"),
    ],
)
def test_name_of_a_table_is_folded(table: str, name: str) -> None:
    assert folded(table) == name


@pytest.mark.parametrize("vendor", ["sqlite", "postgresql"])
def test_columns_that_can_be_compared(vendor: str) -> None:
    kinds = load_schema(Extras()).names[vendor].kinds
    key = "uuid" if vendor == "postgresql" else "text"
    assert kinds["live_note"] == {"id": "key", "text": "text", "key": key, "room_id": "int"}
    assert kinds["live_article"] == {"note_ptr_id": "key", "body": "text"}
    assert kinds["live_legacy"] == {}  # who made it may have chosen another comparison
    assert kinds["auth_user"]["is_active"] == "bool"
    assert "date_joined" not in kinds["auth_user"]
    assert "label" not in kinds["live_account"]  # the database computes it
    assert load_schema(Extras()).names[""].kinds == {}


def test_column_with_a_collation_cannot_be_compared() -> None:
    class Folded(models.Model):
        name: Any = models.CharField(max_length=9, db_collation="nocase", primary_key=True)

        class Meta:
            app_label = "live"

    class Refers(models.Model):
        to: Any = models.ForeignKey(Folded, models.CASCADE)

        class Meta:
            app_label = "live"

    try:
        kinds = load_schema(Extras()).names["sqlite"].kinds
        assert kinds["live_folded"] == {}
        assert kinds["live_refers"] == {"id": "key"}
    finally:
        for name in ("folded", "refers"):
            del apps.all_models["live"][name]
        apps.clear_cache()


def written(published: Published, write: Any, table: str = "note") -> Any:
    published.clear()
    write()
    return published.rows(table)


def test_rows_are_told_where_they_are_known(
    database: Database, published: Published, tracker: ChangeTracker
) -> None:
    (rows,) = written(published, lambda: Note.objects.create(text="b", room_id=1))
    assert [(row["text"], row["room_id"]) for row in rows] == [("b", 1)]
    (rows,) = written(
        published, lambda: Note.objects.bulk_create([Note(text="c"), Note(text="d", room_id=1)])
    )
    assert [(row["text"], row["room_id"]) for row in rows] == [("c", None), ("d", 1)]
    (rows,) = written(published, lambda: Note.objects.filter(pk=1).update(text="e"))
    assert list(rows) == [{"id": 1}, {"id": 1, "text": "e"}]
    (rows,) = written(published, lambda: Note.objects.get(pk=1).save())
    assert {row["id"] for row in rows} == {1}
    assert written(published, lambda: Note.objects.update(text="f")) == [None]
    assert written(published, lambda: Note.objects.filter(text__gt="a").update(text="g")) == [None]


def test_only_columns_that_somebody_wants_are_looked_at(
    database: Database, published: Published
) -> None:
    def wanted(database: str, table: str) -> Any:
        return {("room_id",)} if (database, table) == (ALIAS, "live_note") else ()

    tracker = ChangeTracker(published, wanted=wanted)
    tracker.install()
    try:
        (rows,) = written(published, lambda: Note.objects.create(text="b", room_id=1))
        assert rows == ({"room_id": 1},)
        assert written(published, lambda: Notebook.objects.create(title="x"), "notebook") == [None]
    finally:
        tracker.uninstall()
    assert connections[ALIAS].execute_wrappers == []
