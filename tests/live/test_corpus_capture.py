"""Failures of django-cachalot (CA) and django-cacheops (CO), by their numbers.

These are the failures of tracking: what a write published must concern what a request read. The
name of each test describes its failure.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from typing import Any

import pytest
from django.db import IntegrityError, connections, transaction
from django.db.models import Case, Count, Exists, F, OuterRef, Q, Subquery, Value, When
from django.db.models.functions import Now, Random
from psycopg import sql as psycopg_sql

from tests.live.conftest import ALIAS, Database, Published, Story, atomic, run_sql
from tests.live.models import Article, Legacy, Mixed, Note, Notebook, Room, Tag
from wsrequest.live.index import touches
from wsrequest.live.sql.parameters import MAX_ROWS
from wsrequest.live.sql.statement_cache import shared_cache
from wsrequest.live.tracking.api import depends_on
from wsrequest.live.tracking.reads import ReadSet, reading
from wsrequest.live.tracking.tracker import ChangeTracker

Run = Callable[[], Any]


def create_tag() -> None:
    Tag.objects.create(name="x")


def tag_note() -> None:
    Note.objects.get().tags.add(Tag.objects.get())


def rename_room() -> None:
    Room.objects.update(name="hall")


last_text = Subquery(Note.objects.filter(room=OuterRef("pk")).values("text")[:1])
tag_in_use = Note.tags.through.objects.filter(tag=OuterRef("pk"))


def test_ca01a_annotated_subquery_is_read(story: Story) -> None:
    assert story.wakes(
        lambda: list(Room.objects.annotate(last=last_text)), lambda: Note.objects.update(text="b")
    )


def test_ca01b_condition_of_a_case_is_read(story: Story) -> None:
    kind = Case(When(room__name="kitchen", then=Value(1)), default=Value(0))
    assert story.wakes(lambda: list(Note.objects.annotate(kind=kind)), rename_room)


def test_ca01c_expression_of_an_order_is_read(story: Story) -> None:
    assert story.wakes(lambda: list(Note.objects.order_by(F("room__name").desc())), rename_room)


def test_ca01d_many_to_many_inside_a_case_is_read(story: Story) -> None:
    kind = Case(When(tags__name="first", then=Value(1)), default=Value(0))

    def view() -> Any:
        return list(Note.objects.annotate(kind=kind))

    assert story.wakes(view, tag_note)
    assert story.wakes(view, lambda: Tag.objects.update(name="x"))


def test_ca01e_nested_exists_is_read(story: Story) -> None:
    used = Q(~Exists(tag_in_use)) | Q(pk__in=Subquery(tag_in_use.values("tag")))
    assert story.wakes(lambda: list(Tag.objects.filter(used)), tag_note)
    assert story.wakes(
        lambda: list(Room.objects.filter(Case(When(~Exists(Tag.objects.all()), then=True)))),
        create_tag,
    )


def test_ca02_note_does_not_wake_notebooks(story: Story) -> None:
    def write() -> Any:
        return Note.objects.create(text="b")

    assert not story.wakes(lambda: list(Notebook.objects.all()), write)
    assert not story.wakes(lambda: list(Tag.objects.prefetch_related("note_set")), rename_room)

    def notes() -> Any:
        return list(Note.objects.prefetch_related("tags"))

    assert not story.wakes(notes, lambda: Notebook.objects.create(title="x"))


def test_ca03_update_in_autocommit_is_told_when_it_is_done(
    database: Database, tracker: ChangeTracker, published: Published
) -> None:
    Note.objects.update(text="b")
    assert published.contents == [database.content()]
    assert "'b'" in published.contents[0]["live_note"][0]


def test_ca04a_case_of_raw_sql_does_not_matter(story: Story) -> None:
    def view() -> Any:
        return list(Mixed.objects.all())

    table = '"Live_MixedCase"'
    assert story.wakes(view, lambda: run_sql(f"Insert Into {table} (text) Values ('b')"))


VERBS = {
    "truncate": "TRUNCATE live_tag CASCADE",
    "with": "WITH x AS (DELETE FROM live_tag RETURNING 1) SELECT * FROM x",
    "do": "DO $$ BEGIN DELETE FROM live_tag; END $$",
    "call": "CALL empty_tags()",
    "merge": "MERGE INTO live_tag USING live_room ON true WHEN MATCHED THEN DELETE",
}


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
@pytest.mark.parametrize("verb", VERBS)
def test_ca04b_verb_is_seen(verb: str, story: Story) -> None:
    body = "LANGUAGE sql AS 'DELETE FROM live_tag'"
    run_sql(f"CREATE OR REPLACE PROCEDURE empty_tags() {body}")
    assert story.wakes(lambda: list(Tag.objects.all()), lambda: run_sql(VERBS[verb]))


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_ca04b_replace_is_seen(story: Story) -> None:
    def write() -> Any:
        return run_sql("REPLACE INTO live_tag (id, name) VALUES (1, 'x')")

    assert story.wakes(lambda: list(Tag.objects.all()), write)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_ca04b_copy_and_procedures_are_seen(story: Story) -> None:
    run_sql(
        "CREATE OR REPLACE FUNCTION empty_tags() RETURNS integer "
        "LANGUAGE sql AS 'DELETE FROM live_tag RETURNING 1'"
    )

    def copy() -> None:
        with connections[ALIAS].cursor() as cursor, cursor.copy("COPY live_tag FROM STDIN") as made:
            made.write_row((7, "x"))

    def call() -> None:
        with connections[ALIAS].cursor() as cursor:
            cursor.callproc("empty_tags")

    for write in (copy, call):
        assert story.wakes(lambda: list(Tag.objects.all()), write)


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_ca04c_composed_sql_is_read(story: Story) -> None:
    table = psycopg_sql.Identifier("live_tag")
    query = psycopg_sql.SQL("SELECT * FROM {}").format(table)
    write = psycopg_sql.SQL("DELETE FROM {}").format(table)
    assert story.wakes(lambda: run_sql(query), lambda: run_sql(write))


@contextmanager
def failing_commit() -> Any:
    """A foreign key that leads nowhere, which is looked at in COMMIT."""
    with pytest.raises(IntegrityError), atomic():
        yield
        Note.objects.create(text="b", room_id=999)


def test_ca05_failing_commit_leaves_nothing_behind(
    database: Database, tracker: ChangeTracker, published: Published
) -> None:
    with failing_commit():
        create_tag()
    assert len(published.changes) <= 1  # too much is safe
    published.clear()
    rename_room()
    assert published.tables() == {"room"}


def test_ca06a_manual_transaction_is_told(
    database: Database, tracker: ChangeTracker, published: Published
) -> None:
    transaction.set_autocommit(False, using=ALIAS)
    try:
        create_tag()
        assert published.changes == []
        transaction.commit(using=ALIAS)
        assert published.contents == [database.content()]
        rename_room()
        transaction.rollback(using=ALIAS)
    finally:
        transaction.set_autocommit(True, using=ALIAS)
    assert published.tables() == {"tag"}


def test_ca06b_end_without_a_beginning_does_no_harm(
    database: Database, tracker: ChangeTracker, published: Published
) -> None:
    transaction.rollback(using=ALIAS)
    transaction.commit(using=ALIAS)
    create_tag()
    assert published.tables() == {"tag"}


def test_ca07_unmanaged_table_is_known(story: Story) -> None:
    assert story.wakes(
        lambda: list(Legacy.objects.all()), lambda: Legacy.objects.create(pk=1, text="b")
    )
    assert not story.wakes(lambda: list(Legacy.objects.all()), create_tag)


def test_ca08_order_is_that_of_the_commits_and_not_of_a_clock(
    database: Database,
    tracker: ChangeTracker,
    published: Published,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    clock = iter(range(10_000, 0, -1))
    for name in ("time", "monotonic"):
        monkeypatch.setattr(f"time.{name}", lambda: next(clock))
    for write in (create_tag, rename_room, create_tag):
        write()
    monkeypatch.undo()
    tables = [changes.changes[0].table for changes in published.changes]
    assert tables == ["live_tag", "live_room", "live_tag"]


def test_ca09_write_after_a_lost_connection_is_told(
    database: Database, tracker: ChangeTracker, published: Published
) -> None:
    connection = connections[ALIAS]
    create_tag()  # and the catalog is known: what reads it is no client that is ended below
    if database.vendor == "postgresql":
        with closing(database.connect()) as other:
            other.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
            )
        with pytest.raises(Exception, match="terminat|closed|lost"):
            create_tag()
    connection.close()
    published.clear()
    create_tag()
    assert published.tables() == {"tag"}
    assert published.contents == [database.content()]


def test_ca10_time_and_chance_are_for_the_view_to_name(
    story: Story, tracker: ChangeTracker
) -> None:
    def view() -> Any:
        return list(Tag.objects.annotate(at=Now()).order_by(Random()))

    assert story.wakes(view, create_tag)
    with tracker.reading() as reads:
        run_sql("SELECT CURRENT_TIMESTAMP")
        depends_on(seconds=60)
    assert (reads.result(), reads.seconds) == (frozenset(), 60)


def test_ca11_hot_table_costs_a_bounded_amount(
    database: Database, tracker: ChangeTracker, published: Published
) -> None:
    with atomic():
        for _ in range(3):
            Tag.objects.bulk_create([Tag(name="x") for _ in range(MAX_ROWS // 2)])
    assert published.rows("tag") == [None]  # the table, whatever its rows


def test_co01_nothing_is_told_before_the_commit(
    database: Database, tracker: ChangeTracker, published: Published
) -> None:
    with atomic():
        create_tag()
        list(Tag.objects.all())
        assert published.changes == []
    assert published.contents == [database.content()]


def test_co02_hooks_run_after_it_was_told(
    database: Database, tracker: ChangeTracker, published: Published
) -> None:
    told: list[int] = []
    with atomic():
        transaction.on_commit(lambda: told.append(len(published.changes)), using=ALIAS)
        create_tag()
    assert told == [1]


def test_co03_failing_commit_leaves_the_next_transaction_alone(
    database: Database, tracker: ChangeTracker, published: Published
) -> None:
    with failing_commit():
        rename_room()
    published.clear()
    with atomic():
        create_tag()
        assert published.changes == []
    assert published.tables() == {"tag"}


def test_co04_failing_commit_is_raised(database: Database, tracker: ChangeTracker) -> None:
    with pytest.raises(IntegrityError), atomic():
        Note.objects.create(text="b", room_id=999)


def test_co05_manual_commit_raises_nothing(
    database: Database, tracker: ChangeTracker, published: Published
) -> None:
    connection = connections[ALIAS]
    connection.set_autocommit(False)
    try:
        create_tag()
        connection.commit()
    finally:
        connection.set_autocommit(True)
    assert published.contents == [database.content()]


def test_co06_deleted_instance_takes_its_many_to_many_rows_along(story: Story) -> None:
    tag_note()
    rows = Note.tags.through.objects
    assert story.wakes(lambda: list(rows.all()), lambda: Tag.objects.get().delete())


def test_co07_row_of_select_related_is_read(story: Story) -> None:
    assert story.wakes(lambda: Note.objects.select_related("room").get(), rename_room)


def test_co08_table_of_the_parent_is_read_and_written(story: Story) -> None:
    article = Article.objects.create(text="b", body="c")

    def view() -> Any:
        return Article.objects.get(pk=article.pk)

    assert story.wakes(view, lambda: Note.objects.filter(pk=article.pk).update(text="d"))
    assert story.wakes(lambda: list(Note.objects.all()), article.save)


def test_co09_raw_sql_is_seen(story: Story) -> None:
    def view() -> Any:
        return list(Tag.objects.raw("SELECT * FROM live_tag"))

    assert story.wakes(view, lambda: run_sql("DELETE FROM live_tag"))


def test_co10_condition_in_a_subquery_is_read(story: Story) -> None:
    rooms = Room.objects.filter(name="kitchen")
    assert story.wakes(lambda: list(Note.objects.filter(room__in=rooms)), rename_room)


def test_co11_annotated_query_is_read(story: Story) -> None:
    count = Note.objects.filter(room=OuterRef("pk")).values("room").annotate(n=Count("pk"))

    def view() -> Any:
        return list(Room.objects.alias(n=count.values("n")).filter(n__gt=0))

    assert story.wakes(view, lambda: Note.objects.create(text="b", room_id=1))


def test_co12_write_during_a_run_is_told(
    database: Database, tracker: ChangeTracker, published: Published
) -> None:
    def write() -> None:
        try:
            create_tag()
        finally:
            connections[ALIAS].close()

    with tracker.reading() as reads:
        assert Tag.objects.count() == 1
        with ThreadPoolExecutor(1) as pool:
            pool.submit(write).result()
    (changes,) = published.changes
    assert touches(reads.result(), changes)
    assert changes.run is None


def test_co13_query_of_many_filters_is_parsed_once(story: Story) -> None:
    def view() -> None:
        for room in range(20):
            list(Note.objects.filter(room=room, text="a", key__isnull=False, tags=1))

    before = shared_cache.parse_count
    view()
    assert shared_cache.parse_count == before  # nobody's run reads it
    for count in (1, 0):
        with reading(ReadSet()):
            view()
        assert shared_cache.parse_count == before + count
        before = shared_cache.parse_count


def test_co14_bulk_update_is_seen(story: Story) -> None:
    note = Note.objects.get()
    note.text = "b"

    def write() -> Any:
        return Note.objects.bulk_update([note], ["text"])

    assert story.wakes(lambda: list(Note.objects.all()), write)


def test_co15_update_of_a_set_is_seen(story: Story) -> None:
    def write() -> Any:
        return Note.objects.filter(text="a").update(text="b")

    assert story.wakes(lambda: list(Note.objects.filter(text="b")), write)
