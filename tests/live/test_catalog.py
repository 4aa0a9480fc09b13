"""What the database does by itself, and the models do not say."""

import asyncio
import logging
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from typing import Any

import pytest
from django.db import connections
from django.db.models.signals import post_migrate
from django.test.utils import CaptureQueriesContext

from tests.live.conftest import (
    ALIAS,
    Database,
    Published,
    Story,
    atomic,
    configured,
    run_sql,
    watching,
)
from tests.live.models import Branch, Leaf, Note, Notebook, Room, Tag
from wsrequest.live.tracking import catalog_cache as module
from wsrequest.live.tracking.catalog import Catalog, read_catalog
from wsrequest.live.tracking.catalog_cache import CatalogCache
from wsrequest.live.tracking.tracker import ChangeTracker
from wsrequest.types import ReadPredicate

only_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)
only_sqlite = pytest.mark.parametrize("database", ["sqlite"], indirect=True)
MEMORY = {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}


def leaves() -> Any:
    return list(Leaf.objects.values_list("pk", "branch_id", "text"))


def names() -> Any:
    return list(Room.objects.values_list("name"))


def rename(name: str) -> Callable[[], Any]:
    return lambda: Tag.objects.update(name=name)


# Foreign keys.


def test_rows_that_the_database_deletes_are_told(story: Story) -> None:
    branch = Branch.objects.create(name="attic")
    Leaf.objects.create(pk=1, branch=branch, text="a")
    assert story.wakes(leaves, branch.delete)
    assert leaves() == []


def test_keys_that_the_database_updates_are_told(story: Story) -> None:
    branch = Branch.objects.create(name="attic")
    Leaf.objects.create(pk=1, branch=branch, text="a")

    def moved() -> Any:
        return list(Leaf.objects.filter(branch_id=77))

    assert not story.wakes(moved, lambda: Branch.objects.filter(pk=branch.pk).update(name="loft"))
    assert story.wakes(
        moved, lambda: run_sql("UPDATE live_branch SET id = 77 WHERE id = %s", branch.pk)
    )
    assert len(moved()) == 1


@only_postgresql
def test_truncate_goes_on_to_tables_that_no_model_refers_from(story: Story) -> None:
    run_sql("ALTER TABLE live_notebook ADD COLUMN tag bigint REFERENCES live_tag (id)")

    def read() -> Any:
        return list(Notebook.objects.values_list("title"))

    assert story.wakes(read, lambda: run_sql("TRUNCATE live_tag CASCADE"))


# Columns.


def test_column_that_folds_case_does_not_narrow(story: Story) -> None:
    def view() -> Any:
        return list(Leaf.objects.filter(text="A").values_list("pk"))

    assert story.wakes(view, lambda: Leaf.objects.create(pk=1, text="a"))
    assert view() == [(1,)]

    def by_key() -> Any:
        return list(Leaf.objects.filter(pk=1))

    assert not story.wakes(by_key, lambda: Leaf.objects.filter(pk=2).update(text="a"))


def columns(database: Database, sql: str) -> Any:
    """What the catalog says of the table ``t`` that a text makes."""
    run_sql(sql)
    cursor = connections[ALIAS].connection.cursor()
    return read_catalog(database.vendor, cursor).kinds["t"]


@only_sqlite
@pytest.mark.parametrize(
    ("definition", "kinds"),
    [
        ("a integer, b bigint, c smallint unsigned", {"a": "int", "b": "int", "c": "int"}),
        ("a varchar(9), b text, c char(32)", {"a": "text", "b": "text", "c": "text"}),
        ("a real, b decimal, c bool, d, e blob", {"c": "bool"}),
        ("a text COLLATE nocase, b text, c varchar(9) NOT NULL COLLATE RTRIM", {"b": "text"}),
        ("a text, b text GENERATED ALWAYS AS (lower(a)) STORED", {"a": "text"}),
        ("a text DEFAULT 'x, b COLLATE c', b text", {"a": "text", "b": "text"}),
        ("a text, CHECK (a <> 'b' COLLATE nocase)", {"a": "text"}),
    ],
)
def test_columns_of_sqlite(database: Database, definition: str, kinds: Any) -> None:
    assert columns(database, f"CREATE TABLE T ({definition})") == kinds


@only_postgresql
@pytest.mark.parametrize(
    ("definition", "kinds"),
    [
        ("a integer, b bigserial, c smallint", {"a": "int", "b": "int", "c": "int"}),
        ("a varchar(9), b text, c uuid", {"a": "text", "b": "text", "c": "uuid"}),
        ("a real, b numeric, c boolean, d date, e bytea, f char(9), g name", {"c": "bool"}),
        ("a text COLLATE nocase, b text, c citext, d yes", {"b": "text"}),
        ("a text, b text GENERATED ALWAYS AS (lower(a)) STORED", {"a": "text"}),
    ],
)
def test_columns_of_postgresql(database: Database, definition: str, kinds: Any) -> None:
    run_sql(
        "CREATE COLLATION nocase "
        "(provider = icu, locale = 'und-u-ks-level2', deterministic = false)"
    )
    run_sql("CREATE DOMAIN yes AS text CHECK (VALUE <> '')")
    assert columns(database, f"CREATE TABLE t ({definition})") == kinds


@only_postgresql
def test_columns_of_two_schemas_must_agree(database: Database) -> None:
    run_sql("DROP SCHEMA IF EXISTS other CASCADE")
    run_sql("CREATE SCHEMA other")
    run_sql("CREATE TABLE other.t (a text, b citext)")
    try:
        assert columns(database, "CREATE TABLE t (a text, b text)") == {"a": "text"}
    finally:
        run_sql("DROP SCHEMA other CASCADE")


# Triggers and views.


def make_trigger(vendor: str, table: str, body: str, when: str = "AFTER UPDATE") -> None:
    if vendor == "sqlite":
        run_sql(f"CREATE TRIGGER on_{table} {when} ON {table} BEGIN {body}; END")
        return
    run_sql(
        f"CREATE OR REPLACE FUNCTION of_{table}() RETURNS trigger LANGUAGE plpgsql AS "
        f"$$ BEGIN {body}; RETURN NEW; END $$"
    )
    run_sql(
        f"CREATE TRIGGER on_{table} {when} ON {table} FOR EACH ROW EXECUTE FUNCTION of_{table}()"
    )


def test_trigger_is_read(database: Database, story: Story) -> None:
    make_trigger(database.vendor, "live_tag", "UPDATE live_room SET name = 'by trigger'")
    assert story.wakes(names, rename("x"))
    assert names() == [("by trigger",)]
    assert not story.wakes(lambda: list(Notebook.objects.all()), rename("y"))


def test_trigger_of_a_trigger_is_read(database: Database, story: Story) -> None:
    make_trigger(database.vendor, "live_tag", "UPDATE live_notebook SET title = 'x'")
    make_trigger(database.vendor, "live_notebook", "UPDATE live_room SET name = 'by trigger'")
    Notebook.objects.create(title="a")
    assert story.wakes(names, rename("x"))
    assert names() == [("by trigger",)]


@only_postgresql
def test_function_that_a_trigger_calls_is_read(database: Database, story: Story) -> None:
    run_sql(
        "CREATE FUNCTION inner_one() RETURNS void LANGUAGE sql AS "
        "$$ UPDATE live_room SET name = 'by trigger' $$"
    )
    make_trigger(database.vendor, "live_tag", "PERFORM inner_one()")
    assert story.wakes(names, rename("x"))
    assert not story.wakes(lambda: list(Notebook.objects.all()), rename("y"))


@only_postgresql
def test_trigger_that_cannot_be_read_writes_any_table(
    database: Database, published: Published
) -> None:
    make_trigger(database.vendor, "live_tag", "EXECUTE 'UPDATE live_' || 'room SET name = 1'")
    with watching(published):
        rename("x")()
        assert published.tables() == {None}
        published.clear()
        Room.objects.update(name="y")
        assert published.tables() == {"room"}
    published.clear()
    with watching(published, written_by={"live_tag": ["live_room"]}):  # somebody knows
        rename("y")()
        # With Django 6.1 also what would go with a tag, since the trigger might delete some.
        assert published.tables() - {"answer"} == {"tag", "room"}


@only_postgresql
def test_trigger_that_changes_its_row_leaves_it_unknown(database: Database, story: Story) -> None:
    make_trigger(database.vendor, "live_note", "NEW.text = 'changed'", "BEFORE INSERT OR UPDATE")

    def view() -> Any:
        return list(Note.objects.filter(text="changed").values_list("pk"))

    assert story.wakes(view, lambda: Note.objects.create(text="b"))
    assert len(view()) == 1


def soft_delete(vendor: str, table: str, column: str) -> None:
    body = f"UPDATE {table} SET {column} = 'gone' WHERE id = OLD.id"
    if vendor == "sqlite":
        make_trigger(vendor, table, f"{body}; SELECT RAISE(IGNORE)", "BEFORE DELETE")
    else:
        make_trigger(vendor, table, f"{body}; RETURN NULL", "BEFORE DELETE")


def test_trigger_that_keeps_rows_from_being_deleted_is_told(
    database: Database, story: Story
) -> None:
    soft_delete(database.vendor, "live_room", "name")
    room = Room.objects.create(name="attic")
    assert story.wakes(names, lambda: run_sql("DELETE FROM live_room WHERE id = %s", room.pk))
    assert ("gone",) in names()


def test_trigger_that_writes_elsewhere_in_place_of_a_row_is_told(
    database: Database, story: Story
) -> None:
    body = "INSERT INTO live_notebook (title) VALUES (NEW.name)"
    body += "; SELECT RAISE(IGNORE)" if database.vendor == "sqlite" else "; RETURN NULL"
    make_trigger(database.vendor, "live_tag", body, "BEFORE INSERT")

    def titles() -> Any:
        return list(Notebook.objects.values_list("title"))

    assert story.wakes(titles, lambda: run_sql("INSERT INTO live_tag (name) VALUES ('moved')"))
    assert titles() == [("moved",)]


@only_postgresql
@pytest.mark.parametrize("written", ["live_tag", "whole", "through"])
def test_trigger_of_a_statement_is_told_though_no_row_was_there(
    written: str, database: Database, published: Published
) -> None:
    run_sql("CREATE TABLE whole (id bigint NOT NULL, name varchar(50) NOT NULL)")
    run_sql("CREATE VIEW through AS SELECT * FROM live_tag")
    run_sql("ALTER TABLE live_tag INHERIT whole")
    run_sql(
        "CREATE FUNCTION of_tags() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN UPDATE live_room SET name = 'by trigger'; RETURN NULL; END $$"
    )
    on = "whole" if written == "whole" else "live_tag"
    run_sql(
        f"CREATE TRIGGER on_tags AFTER UPDATE ON {on} FOR EACH STATEMENT EXECUTE FUNCTION of_tags()"
    )
    with watching(published, tables=frozenset({"whole", "through"})):
        run_sql(f"UPDATE {written} SET name = 'x' WHERE id = -1")
    assert "room" in published.tables()
    assert names() == [("by trigger",)]


def test_trigger_goes_on_by_a_table_that_no_model_has(database: Database, story: Story) -> None:
    run_sql("CREATE TABLE middle (id integer PRIMARY KEY)")
    run_sql("INSERT INTO middle VALUES (1)")
    run_sql("DROP TABLE live_leaf")
    run_sql(
        "CREATE TABLE live_leaf (id integer PRIMARY KEY, branch_id bigint, text varchar(50), "
        "middle_id integer REFERENCES middle (id) ON DELETE CASCADE)"
    )
    run_sql("INSERT INTO live_leaf VALUES (1, NULL, 'a', 1)")
    make_trigger(database.vendor, "live_tag", "DELETE FROM middle")
    assert story.wakes(leaves, rename("x"))
    assert leaves() == []


def test_cascade_goes_on_by_the_trigger_of_a_table_that_no_model_has(
    database: Database, story: Story
) -> None:
    run_sql("CREATE TABLE middle (branch_id bigint REFERENCES live_branch (id) ON DELETE CASCADE)")
    body = "UPDATE live_room SET name = 'by trigger'"
    make_trigger(database.vendor, "middle", body, "AFTER DELETE")
    branch = Branch.objects.create(name="attic")
    run_sql("INSERT INTO middle VALUES (%s)", branch.pk)
    assert story.wakes(names, lambda: run_sql("DELETE FROM live_branch WHERE id = %s", branch.pk))
    assert names() == [("by trigger",)]


@only_postgresql
def test_trigger_writes_through_a_view(database: Database, story: Story) -> None:
    run_sql("CREATE VIEW inner_rooms AS SELECT id, name FROM live_room")
    run_sql("CREATE VIEW rooms AS SELECT name FROM inner_rooms")
    make_trigger(database.vendor, "live_tag", "UPDATE rooms SET name = 'by trigger'")
    assert story.wakes(names, rename("x"))
    assert names() == [("by trigger",)]


@only_postgresql
def test_trigger_writes_the_parts_of_a_table(database: Database, story: Story) -> None:
    run_sql("CREATE TABLE whole (id bigint NOT NULL, name varchar(50) NOT NULL)")
    run_sql("ALTER TABLE live_room INHERIT whole")
    make_trigger(database.vendor, "live_tag", "UPDATE whole SET name = 'by trigger'")
    assert story.wakes(names, rename("x"))
    assert names() == [("by trigger",)]


@only_postgresql
def test_rows_that_go_from_a_part_take_others_along(
    database: Database, published: Published
) -> None:
    run_sql("CREATE TABLE whole (id bigint NOT NULL)")
    run_sql("ALTER TABLE live_branch INHERIT whole")
    branch = Branch.objects.create(name="attic")
    Leaf.objects.create(pk=1, branch=branch, text="a")
    with watching(published, tables=frozenset({"whole"})):
        run_sql("DELETE FROM whole")
    assert "leaf" in published.tables()
    assert leaves() == []


def test_view_of_two_tables_does_not_make_them_one(
    database: Database, published: Published
) -> None:
    run_sql("CREATE VIEW both_of_them AS SELECT r.name, t.id FROM live_room r, live_tag t")
    with watching(published):
        rename("x")()
    assert published.tables() == {"tag"}


@only_postgresql
def test_rule_may_write_anything(published: Published, database: Database) -> None:
    run_sql("CREATE RULE r AS ON UPDATE TO live_tag DO ALSO UPDATE live_room SET name = 'x'")
    with watching(published):
        rename("x")()
    assert published.tables() == {None}


def test_view_is_written_with_its_tables(database: Database, published: Published) -> None:
    run_sql("CREATE VIEW inner_texts AS SELECT id, text FROM live_note")
    run_sql("CREATE VIEW texts AS SELECT text FROM inner_texts WHERE id > 0")
    with watching(published, tables=frozenset({"texts"})) as tracker:
        with tracker.reading() as reads:
            run_sql("SELECT * FROM texts")
        assert reads.result() == {ReadPredicate(ALIAS, "texts")}
        Note.objects.update(text="b")
        assert published.tables() == {"note", "texts"}
        published.clear()
        Tag.objects.update(name="b")
        assert published.tables() == {"tag"}
        published.clear()
        if database.vendor == "postgresql":
            run_sql("UPDATE texts SET text = 'c'")
            # With Django 6.1 also what the database updates with a note's key: which columns a
            # view's are is not known.
            assert published.tables() - {"answer", "reply"} == {"note", "texts"}


# Tables that are one.


@only_postgresql
@pytest.mark.parametrize("kind", ["partition", "inherits"])
def test_parts_of_a_table_are_one(kind: str, database: Database, published: Published) -> None:
    if kind == "partition":
        run_sql("CREATE TABLE measure (room integer, n integer) PARTITION BY LIST (room)")
        run_sql("CREATE TABLE measure_a PARTITION OF measure FOR VALUES IN (1)")
        run_sql("CREATE TABLE measure_b PARTITION OF measure FOR VALUES IN (2)")
    else:
        run_sql("CREATE TABLE measure (room integer, n integer)")
        run_sql("CREATE TABLE measure_a (also integer) INHERITS (measure)")
        run_sql("CREATE TABLE measure_b (also integer) INHERITS (measure)")
    tables = {"measure", "measure_a", "measure_b"}
    with watching(published, tables=frozenset(tables)):
        run_sql("INSERT INTO measure_a (room, n) VALUES (1, 1)")
        assert "measure" in published.tables()
        published.clear()
        run_sql("UPDATE measure SET n = 2")
        assert published.tables() == tables
        published.clear()
        rename("x")()
        assert published.tables() == {"tag"}


# When it is asked.


def test_asking_is_no_query_of_the_project(database: Database, tracker: ChangeTracker) -> None:
    Tag.objects.count()
    tracker.migrated(ALIAS)
    with CaptureQueriesContext(connections[ALIAS]) as queries, tracker.reading() as reads:
        assert Tag.objects.filter(pk=1).exists()
    assert len(queries) == 1
    (read,) = reads.result()
    assert read.equals  # it was known in time


@only_postgresql
def test_asking_leaves_a_transaction_alone(database: Database, tracker: ChangeTracker) -> None:
    tracker.migrated(ALIAS)
    with atomic():
        run_sql("SET TRANSACTION ISOLATION LEVEL SERIALIZABLE")  # must come first
        assert Tag.objects.count() == 1


def test_nobody_waits_whose_writes_the_answer_may_wait_for(
    database: Database,
    tracker: ChangeTracker,
    published: Published,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Tag.objects.count()
    with atomic():
        rename("x")()
        tracker.migrated(ALIAS)
        monkeypatch.setattr(module, "_WAIT_SECONDS", 60.0)
        answer = threading.Event()
        monkeypatch.setattr(module, "read_catalog", lambda *args: answer.wait(60) and Catalog())
        Room.objects.update(name="y")  # blind
        answer.set()
    assert published.tables() == {"tag", None}


class Named:
    """As much of a connection as is needed."""

    vendor, alias = "sqlite", "named"


def test_event_loop_does_not_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    answer, asked = threading.Event(), threading.Event()

    def slow(connection: Any) -> Catalog:
        asked.set()
        answer.wait(30)
        return Catalog()

    monkeypatch.setattr(module, "_query", slow)
    monkeypatch.setattr(module, "_WAIT_SECONDS", 60.0)
    cache, connection = CatalogCache(), Named()

    async def on_the_loop() -> Any:
        return cache.get(connection, "named", may_ask=True, may_wait=True)  # type: ignore[arg-type]

    assert asyncio.run(on_the_loop()) is None
    assert asked.wait(10)  # by another thread
    answer.set()
    assert cache.get(connection, "named", may_ask=True, may_wait=True) == Catalog()  # type: ignore[arg-type]


def test_nothing_is_asked_for_nobody(database: Database, published: Published) -> None:
    tracker = ChangeTracker(published)
    tracker.is_active = False
    tracker.install()
    try:
        Tag.objects.update(name="x")
        assert tracker._catalog_cache._entries == {}
    finally:
        tracker.uninstall()


def test_migration_is_noticed(
    database: Database, story: Story, tracker: ChangeTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert not story.wakes(names, rename("x"))
    make_trigger(database.vendor, "live_tag", "UPDATE live_room SET name = 'by trigger'")
    assert story.wakes(names, rename("y"))
    with closing(database.connect()) as other:  # which nobody watches
        other.cursor().execute(
            "DROP TRIGGER on_live_tag" + (" ON live_tag" if database.vendor != "sqlite" else "")
        )
    assert story.wakes(names, rename("z"))
    ours = [each for each in post_migrate.receivers if each[0][0] is tracker]
    monkeypatch.setattr(post_migrate, "receivers", ours)  # others ask for more
    post_migrate.send(sender=None, using=ALIAS)
    assert not story.wakes(names, rename("x"))


def test_catalog_is_asked_again_after_a_while(
    database: Database, tracker: ChangeTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "REFRESH_SECONDS", 0.0)
    connection = connections[ALIAS]
    before = tracker.schema_of(connection, ALIAS, may_wait=True)
    for _ in range(3):
        entry = tracker._catalog_cache._entries[ALIAS]
        assert tracker.schema_of(connection, ALIAS, may_wait=True) is before  # nothing changed
        if entry.loading is not None:
            entry.loading.wait(10)


def test_catalog_that_cannot_be_read_is_warned_of_once(
    database: Database,
    published: Published,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    def failing(*args: Any) -> Catalog:
        raise ZeroDivisionError

    def ask(alias: str, write: Callable[[], Any]) -> None:
        tracker.migrated(alias)  # as if its time had come
        write()
        loading = tracker._catalog_cache._entries[alias].loading
        assert loading is None or loading.wait(30)

    monkeypatch.setattr(module, "read_catalog", failing)
    logger = logging.getLogger("wsrequest")
    logger.addHandler(caplog.handler)
    try:
        # Another database may be open in this thread, and is asked, too.
        with configured("also", MEMORY) as also, also.cursor() as cursor:
            with watching(published) as tracker:
                for _ in range(3):
                    ask(ALIAS, rename("x"))
                    ask("also", lambda: cursor.execute("SELECT 1"))
                assert published.tables() == {None}
                monkeypatch.undo()
                published.clear()
                ask(ALIAS, rename("y"))
                assert published.tables() == {"tag"}
    finally:
        logger.removeHandler(caplog.handler)
    about = [
        record.args for record in caplog.records if "cannot read the catalog" in record.message
    ]
    warned = Counter(args[0] for args in about if isinstance(args, tuple))
    assert warned.keys() >= {ALIAS, "also"}
    assert set(warned.values()) == {1}
