"""Every kind of write is published after its commit, and not before."""

from collections.abc import Callable, Collection, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.core.management import call_command
from django.db import connections, models
from psycopg import sql as psycopg_sql

from tests.live.conftest import ALIAS, Database, Published, Story, atomic, marks_of, run_sql
from tests.live.models import Article, Legacy, Mixed, Note, Room, Tag
from wsrequest.live.tracking.tracker import ChangeTracker


def note() -> Note:
    return Note.objects.get(text="a")


def save_again() -> None:
    found = note()
    found.text = "b"
    found.save()


def bulk_update() -> None:
    found = note()
    found.text = "b"
    Note.objects.bulk_update([found], ["text"])


def run_many() -> None:
    with connections[ALIAS].cursor() as cursor:
        cursor.executemany("INSERT INTO live_tag (name) VALUES (%s)", [("x",), ("y",)])


def copy_in() -> None:
    with connections[ALIAS].cursor() as cursor:
        with cursor.copy("COPY live_tag (name) FROM STDIN") as copy:
            copy.write_row(("copied",))


def alter() -> None:
    field: models.Field[int, int] = models.IntegerField(default=0)
    field.set_attributes_from_name("added")
    with connections[ALIAS].schema_editor() as editor:
        editor.add_field(Tag, field)


def flush() -> None:
    call_command("flush", database=ALIAS, interactive=False, inhibit_post_migrate=True, verbosity=0)


Write = Callable[[], Any]
WRITES: dict[str, tuple[Write, set[str | None]]] = {
    "save": (lambda: Note(text="b").save(), {"note"}),
    "save of what is there": (save_again, {"note"}),
    "create": (lambda: Note.objects.create(text="b"), {"note"}),
    "get_or_create": (lambda: Tag.objects.get_or_create(name="x"), {"tag"}),
    "update_or_create of a new row": (
        lambda: Tag.objects.update_or_create(name="x", defaults={"name": "y"}),
        {"tag"},
    ),
    "update_or_create of an old row": (
        lambda: Note.objects.update_or_create(text="a", defaults={"text": "b"}),
        {"note"},
    ),
    "update": (lambda: Note.objects.update(text="b"), {"note"}),
    "update with a subquery": (
        lambda: Note.objects.filter(room__name="kitchen").update(text="b"),
        {"note"},
    ),
    "bulk_create": (
        lambda: Note.objects.bulk_create([Note(text="b"), Note(text="c")]),
        {"note"},
    ),
    "bulk_create that ignores": (
        lambda: Tag.objects.bulk_create([Tag(pk=9, name="b")], ignore_conflicts=True),
        {"tag"},
    ),
    "bulk_update": (bulk_update, {"note"}),
    "delete": (lambda: note().delete(), {"note"}),
    "delete of a set": (lambda: Note.objects.filter(text="a").delete(), {"note"}),
    "cascade": (lambda: Room.objects.get().delete(), {"room", "note"}),
    "many-to-many add": (lambda: note().tags.create(name="x"), {"tag", "note_tags"}),
    "many-to-many set": (
        lambda: note().tags.set([Tag.objects.create(name="x")]),
        {"tag", "note_tags"},
    ),
    "inheritance": (lambda: Article.objects.create(text="b", body="c"), {"note", "article"}),
    "mixed case": (lambda: Mixed.objects.create(text="b"), {"mixedcase"}),
    "unmanaged": (lambda: Legacy.objects.create(pk=1, text="b"), {"legacy"}),
    "raw insert": (
        lambda: run_sql("INSERT INTO live_tag (name) VALUES (%s)", "x"),
        {"tag"},
    ),
    "raw insert that returns": (
        lambda: run_sql("INSERT INTO live_tag (name) VALUES (%s) RETURNING id", "x"),
        {"tag"},
    ),
    "raw update in capitals": (lambda: run_sql("UPDATE LIVE_NOTE SET text = 'b'"), {"note"}),
    "raw delete": (lambda: run_sql("DELETE FROM live_note WHERE text = 'a'"), {"note"}),
    "executemany": (run_many, {"tag"}),
    "migration": (alter, {"tag"}),
}
ON_POSTGRESQL: dict[str, tuple[Write, set[str | None]]] = {
    "truncate": (lambda: run_sql("TRUNCATE live_note_tags, live_tag CASCADE"), {"tag"}),
    "copy": (copy_in, {"tag"}),
    "composed": (
        lambda: run_sql(
            psycopg_sql.SQL("UPDATE {} SET text = 'b'").format(psycopg_sql.Identifier("live_note"))
        ),
        {"note"},
    ),
    "with": (
        lambda: run_sql(
            "WITH x AS (INSERT INTO live_tag (name) VALUES ('x') RETURNING name) "
            "UPDATE live_note SET text = x.name FROM x"
        ),
        {"tag", "note"},
    ),
    "merge": (
        lambda: run_sql(
            "MERGE INTO live_note USING live_room ON true WHEN MATCHED THEN UPDATE SET text = 'b'"
        ),
        {"note"},
    ),
    "do": (lambda: run_sql("DO $$ BEGIN UPDATE live_note SET text = 'b'; END $$"), {None}),
    "flush": (flush, {"note", "tag", "room"}),
}


@contextmanager
def autocommit() -> Iterator[None]:
    yield


@contextmanager
def savepoint() -> Iterator[None]:
    with atomic(), atomic():
        yield


@contextmanager
def manual() -> Iterator[None]:
    connection = connections[ALIAS]
    connection.set_autocommit(False)
    try:
        yield
        connection.commit()
    finally:
        connection.set_autocommit(True)


@contextmanager
def by_statement() -> Iterator[None]:
    run_sql("BEGIN")
    yield
    run_sql("COMMIT")


TRANSACTIONS: dict[str, Any] = {
    "atomic": atomic,
    "savepoint": savepoint,
    "manual": manual,
    "statements": by_statement,
}


ALL = WRITES | ON_POSTGRESQL

# What needs a savepoint of Django's own does not go with a transaction that Django knows not of.
NEEDS_ATOMIC = {
    *("get_or_create", "update_or_create of a new row", "update_or_create of an old row"),
    *(
        "bulk_create",
        "bulk_create that ignores",
        "bulk_update",
        "delete",
        "delete of a set",
        "cascade",
    ),
    *("many-to-many add", "many-to-many set", "inheritance", "migration", "flush"),
}
# SQLite's driver begins by itself, so that neither Django's savepoints nor its PRAGMA work.
NOT_MANUAL_ON_SQLITE = {"delete", "delete of a set", "cascade", "migration"}


def cases(
    without: Collection[tuple[str, str]] = (),
    vendors: Collection[str] = ("sqlite", "postgresql", "mariadb"),
) -> list[Any]:
    """Each write on each database that has it."""
    without = {("mariadb", "raw update in capitals"), *without}  # its names are of one case
    return [
        pytest.param(vendor, name, id=f"{vendor}-{name}", marks=marks_of(vendor))
        for vendor in vendors
        for name in (ALL if vendor == "postgresql" else WRITES)
        if (vendor, name) not in without
    ]


def cases_in_transactions() -> list[Any]:
    found = []
    for kind in TRANSACTIONS:
        for vendor, name in (case.values for case in cases()):
            if vendor == "mariadb" and kind != "atomic":
                continue  # tests/live/test_mariadb.py ends them in each way that it has
            is_migration = vendor != "postgresql" and name == "migration"
            is_manual = vendor == "sqlite" and kind == "manual" and name in NOT_MANUAL_ON_SQLITE
            if is_migration or is_manual or (kind == "statements" and name in NEEDS_ATOMIC):
                continue
            case = f"{vendor}-{kind}-{name}"
            found.append(pytest.param(vendor, name, kind, id=case, marks=marks_of(vendor)))
    return found


@pytest.mark.parametrize(("database", "name"), cases(), indirect=["database"])
def test_write_in_autocommit_is_published_when_others_see_it(
    name: str, database: Database, published: Published, tracker: ChangeTracker
) -> None:
    write, tables = ALL[name]
    before = database.content()
    write()
    after = database.content()
    assert after != before
    assert published.tables() >= tables
    assert published.contents[-1] == after


@pytest.mark.parametrize(
    ("database", "name", "kind"), cases_in_transactions(), indirect=["database"]
)
def test_write_in_a_transaction_is_published_after_its_end(
    name: str, kind: str, database: Database, published: Published, tracker: ChangeTracker
) -> None:
    write, tables = ALL[name]
    before = database.content()
    with TRANSACTIONS[kind]():
        write()
        if published.changes:
            # Django's first savepoint after set_autocommit(False) is the transaction to SQLite, and
            # its RELEASE commits: others see it.
            assert (database.vendor, kind) == ("sqlite", "manual")
            assert before != published.contents[-1] == database.content()
    assert published.tables() >= tables
    assert published.contents[-1] == database.content()


@pytest.mark.parametrize(
    ("database", "name"),
    cases(without={("sqlite", "migration")}, vendors=("sqlite", "postgresql")),
    indirect=["database"],
)
def test_write_that_is_rolled_back_is_not_published(
    name: str, database: Database, published: Published, tracker: ChangeTracker
) -> None:
    write, _ = ALL[name]
    before = database.content()
    with pytest.raises(ZeroDivisionError), atomic():
        write()
        raise ZeroDivisionError
    assert database.content() == before
    assert published.changes == []


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_write_within_a_query_has_no_condition_of_the_query(
    database: Database, story: Story
) -> None:
    first = Tag.objects.get()
    Tag.objects.create(name="y")

    def view() -> Any:
        return list(Tag.objects.filter(pk=first.pk))

    for verb in ("UPDATE live_tag SET name = 'z'", "DELETE FROM live_tag"):
        assert story.wakes(
            view,
            lambda verb=verb: run_sql(  # type: ignore[misc]  # bound for its turn
                f"WITH gone AS ({verb} WHERE id = %s RETURNING *) "
                "SELECT count(*) FROM gone WHERE id = %s",
                first.pk,
                first.pk + 1,
            ),
        )
    assert view() == []
