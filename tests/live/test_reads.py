"""What a run reads is recorded, wherever the statement is and whatever runs it."""

import asyncio
import contextvars
import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from fractions import Fraction
from threading import Thread
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.core.paginator import Paginator
from django.db import connections, models
from django.db.models import Case, Exists, OuterRef, Q, Subquery, Value, When
from psycopg import sql as psycopg_sql

from tests.live.conftest import (
    ALIAS,
    Database,
    Published,
    atomic,
    configured,
    marks_of,
    watching,
)
from tests.live.models import Article, Legacy, Mixed, Note, Notebook, Room, Tag
from wsrequest.live.tracking.api import depends_on, invalidate
from wsrequest.live.tracking.tracker import ChangeTracker
from wsrequest.types import ReadPredicate, TableChange


def tables_of(reads: Any) -> set[str | None]:
    assert {read.database for read in reads} <= {ALIAS}
    return {None if read.table is None else read.table.removeprefix("live_") for read in reads}


def read_by(tracker: ChangeTracker, run: Callable[[], Any]) -> frozenset[ReadPredicate]:
    with tracker.reading() as reads:
        run()
    return reads.result()


def rows(sql: Any, *params: Any) -> Any:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(sql, params or None)
        return cursor.fetchall()


def copy_out() -> None:
    with connections[ALIAS].cursor() as cursor, cursor.copy("COPY live_tag TO STDOUT") as copy:
        list(copy.rows())


def stream() -> None:
    with connections[ALIAS].cursor() as cursor:
        list(cursor.stream("SELECT * FROM live_tag"))


def a_room() -> Any:
    return Room.objects.get()


tag_in_use = Note.tags.through.objects.filter(tag=OuterRef("pk"))
READS: dict[str, tuple[Callable[[], Any], set[str | None]]] = {
    "list": (lambda: list(Note.objects.all()), {"note"}),
    "count": (lambda: Note.objects.count(), {"note"}),
    "exists": (lambda: Note.objects.exists(), {"note"}),
    "aggregate": (lambda: Note.objects.aggregate(models.Max("pk")), {"note"}),
    "iterator": (lambda: list(Note.objects.iterator(chunk_size=1)), {"note"}),
    "values": (lambda: list(Note.objects.values("room__name")), {"note", "room"}),
    "select_related": (lambda: list(Note.objects.select_related("room")), {"note", "room"}),
    "prefetch_related": (
        lambda: list(Note.objects.prefetch_related("tags")),
        {"note", "note_tags", "tag"},
    ),
    "attribute": (lambda: Note.objects.get().room.name, {"note", "room"}),
    "reverse": (lambda: list(a_room().note_set.all()), {"room", "note"}),
    "page": (lambda: list(Paginator(Note.objects.order_by("pk"), 1).page(1)), {"note"}),
    "subquery": (
        lambda: list(
            Room.objects.annotate(
                last=Subquery(Note.objects.filter(room=OuterRef("pk")).values("text")[:1])
            )
        ),
        {"room", "note"},
    ),
    "not exists": (lambda: list(Tag.objects.filter(~Exists(tag_in_use))), {"tag", "note_tags"}),
    "case": (
        lambda: list(
            Note.objects.annotate(kind=Case(When(Q(tags__name="x"), then=Value(1)), default=0))
        ),
        {"note", "note_tags", "tag"},
    ),
    "order": (lambda: list(Note.objects.order_by("room__name")), {"note", "room"}),
    "union": (
        lambda: list(Note.objects.values("text").union(Tag.objects.values("name"))),
        {"note", "tag"},
    ),
    "inheritance": (lambda: list(Article.objects.all()), {"note", "article"}),
    "mixed case": (lambda: list(Mixed.objects.all()), {"mixedcase"}),
    "unmanaged": (lambda: list(Legacy.objects.all()), {"legacy"}),
    "longer name": (lambda: list(Notebook.objects.all()), {"notebook"}),
    "raw": (lambda: list(Note.objects.raw("SELECT * FROM live_note")), {"note"}),
    "cursor": (lambda: rows("select text from LIVE_NOTE"), {"note"}),
    "unknown": (lambda: rows("SELECT 1 FROM (SELECT 1) x, unknown_table LIMIT 0"), {None}),
    "extra": (
        lambda: list(Note.objects.extra(where=["EXISTS (SELECT 1 FROM live_tag)"])),
        {"note", "tag"},
    ),
    "none": (lambda: rows("SELECT 1"), set()),
}
ON_POSTGRESQL: dict[str, tuple[Callable[[], Any], set[str | None]]] = {
    "composed": (
        lambda: rows(
            psycopg_sql.SQL("SELECT * FROM {}").format(psycopg_sql.Identifier("live_tag"))
        ),
        {"tag"},
    ),
    "copy": (copy_out, {"tag"}),
    "stream": (stream, {"tag"}),
}
CASES = [
    pytest.param(vendor, name, id=f"{vendor}-{name}", marks=marks_of(vendor))
    for vendor in ("sqlite", "postgresql", "mariadb")
    for name in (READS | ON_POSTGRESQL if vendor == "postgresql" else READS)
    if (vendor, name) != ("mariadb", "cursor")  # with names of another case
]


@pytest.mark.parametrize(("database", "name"), CASES, indirect=["database"])
def test_run_reads_these_tables(name: str, database: Database, tracker: ChangeTracker) -> None:
    if name == "unknown":
        rows("SELECT 1")  # opens the connection
        with connections[ALIAS].cursor() as cursor:
            cursor.execute("CREATE TABLE unknown_table (id integer)")
    run, tables = (READS | ON_POSTGRESQL)[name]
    assert tables_of(read_by(tracker, run)) == tables


def test_nothing_is_noted_outside_of_a_run(database: Database, tracker: ChangeTracker) -> None:
    with tracker.reading() as reads:
        list(Tag.objects.all())
    list(Note.objects.all())
    assert tables_of(reads.result()) == {"tag"}


def test_run_goes_on_while_its_body_streams(database: Database, tracker: ChangeTracker) -> None:
    with tracker.reading() as reads:
        body = (note.text for note in Note.objects.iterator())
    with tracker.reading(reads=reads):
        assert list(body) == ["a"]
    assert tables_of(reads.result()) == {"note"}


def test_run_within_a_run_is_apart(database: Database, tracker: ChangeTracker) -> None:
    with tracker.reading() as outer:
        with tracker.reading() as inner:
            list(Tag.objects.all())
        list(Note.objects.all())
    assert tables_of(inner.result()) == {"tag"}
    assert tables_of(outer.result()) == {"note"}


def test_reads_of_other_threads_belong_to_the_run_that_started_them(
    database: Database, tracker: ChangeTracker
) -> None:
    async def view() -> None:
        await sync_to_async(lambda: list(Note.objects.all()))()
        async for _ in Tag.objects.all():
            pass
        await sync_to_async(forget_connection)()  # asgiref's thread stays

    with tracker.reading() as reads:
        asyncio.run(view())
        thread = Thread(target=contextvars.copy_context().run, args=(lambda: read_and_close(Room),))
        thread.start()
        thread.join()
    assert tables_of(reads.result()) == {"note", "tag", "room"}


def forget_connection() -> None:
    connections[ALIAS].close()
    del connections[ALIAS]


def read_and_close(model: type[models.Model]) -> None:
    list(model._default_manager.all())
    forget_connection()


def test_thread_that_outlives_its_run_reads_for_nobody(
    database: Database, tracker: ChangeTracker
) -> None:
    with tracker.reading() as reads:
        context = contextvars.copy_context()
    context.run(lambda: list(Note.objects.all()))
    assert reads.result() == frozenset()


def equals_of(reads: frozenset[ReadPredicate], table: str) -> list[dict[str, set[object]]]:
    return [
        {column: set(values) for column, values in read.equals}
        for read in reads
        if read.table == f"live_{table}"
    ]


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        pytest.param(lambda: list(Note.objects.filter(room=1)), [{"room_id": {1}}], id="key"),
        pytest.param(lambda: Note.objects.get(pk=1), [{"id": {1}}], id="get"),
        pytest.param(
            lambda: list(Note.objects.filter(room__in=[1, 2], text="a")),
            [{"room_id": {1, 2}, "text": {"a"}}],
            id="in",
        ),
        pytest.param(
            lambda: Note.objects.filter(room=1).exclude(text="b").count(),
            [{"room_id": {1}}],
            id="exclude",
        ),
        pytest.param(
            lambda: [Note.objects.filter(pk=pk).first() for pk in (1, 2, 3)],
            [{"id": {1, 2, 3}}],
            id="one-by-one",
        ),
        pytest.param(lambda: list(Note.objects.filter(Q(room=1) | Q(text="b"))), [{}], id="or"),
        pytest.param(lambda: list(Note.objects.filter(room=None)), [{}], id="null"),
        pytest.param(lambda: list(Note.objects.filter(text__iexact="a")), [{}], id="iexact"),
        pytest.param(
            lambda: (list(Note.objects.filter(room=1)), list(Note.objects.all())),
            [{}],
            id="all-too",
        ),
        pytest.param(
            lambda: [Note.objects.filter(pk=pk).first() for pk in range(200)], [{}], id="too-many"
        ),
        pytest.param(
            lambda: list(Note.objects.filter(room__note__text="a", text="b")), [{}], id="self-join"
        ),
    ],
)
def test_run_reads_these_rows(
    run: Callable[[], Any], expected: Any, database: Database, tracker: ChangeTracker
) -> None:
    assert equals_of(read_by(tracker, run), "note") == expected


def test_key_that_is_a_uuid_narrows(database: Database, tracker: ChangeTracker) -> None:
    key = Note.objects.get().key
    found = read_by(tracker, lambda: Note.objects.get(key=key))
    value = key if database.vendor == "postgresql" else key.hex
    assert equals_of(found, "note") == [{"key": {value}}]


def test_joined_table_is_narrowed_by_its_own_columns(
    database: Database, tracker: ChangeTracker
) -> None:
    found = read_by(tracker, lambda: list(Note.objects.filter(room__name="kitchen", text="a")))
    assert equals_of(found, "note") == [{"text": {"a"}}]
    assert equals_of(found, "room") == [{"name": {"kitchen"}}]


def test_reads_of_ignored_tables_are_not_noted(database: Database, published: Published) -> None:
    with watching(published, ignored=frozenset({"live_tag"})) as tracker:
        found = read_by(tracker, lambda: (list(Tag.objects.all()), list(Room.objects.all())))
    assert tables_of(found) == {"room"}


def test_replica_reads_from_its_primary(database: Database, published: Published) -> None:
    mirror = {**database.parameters, "TEST": {"MIRROR": ALIAS}}
    tracker = ChangeTracker(published, replica_of={"second": ALIAS})
    with configured("first", mirror), configured("second", database.parameters):
        tracker.install()
        try:
            for alias in ("first", "second"):
                with tracker.reading() as reads:
                    list(Note.objects.using(alias))
                assert reads.result() == {ReadPredicate(ALIAS, "live_note")}
                assert reads.lags
            with tracker.reading() as reads:
                list(Note.objects.all())
            assert not reads.lags
        finally:
            tracker.uninstall()


def test_view_says_what_else_it_depends_on(database: Database, tracker: ChangeTracker) -> None:
    def run() -> None:
        depends_on(Note, "Live_MixedCase", key="weather")
        depends_on("live_tag", using=ALIAS)

    assert read_by(tracker, run) == {
        ReadPredicate(ALIAS, "live_note"),
        ReadPredicate("default", "live_mixedcase"),
        ReadPredicate("", "weather"),
        ReadPredicate(ALIAS, "live_tag"),
    }


def test_shortest_time_counts(database: Database, tracker: ChangeTracker) -> None:
    with tracker.reading() as reads:
        assert reads.seconds is None
        for seconds in (60, 5, 30):
            depends_on(seconds=seconds)
    assert reads.seconds == 5


@pytest.mark.parametrize("seconds", [2, 2.0, Decimal("2"), Fraction(4, 2)], ids=repr)
def test_seconds_may_be_any_real_number(seconds: Any, tracker: ChangeTracker) -> None:
    with tracker.reading() as reads:
        depends_on(seconds=60)
        depends_on(seconds=seconds)
    assert (reads.seconds, type(reads.seconds)) == (2.0, float)


@pytest.mark.parametrize("seconds", ["5", True, 1j, timedelta(seconds=5)], ids=repr)
def test_seconds_that_are_no_real_number_are_named(seconds: Any) -> None:
    with pytest.raises(TypeError, match="must be a number, not " + re.escape(repr(seconds))):
        depends_on(seconds=seconds)


@pytest.mark.parametrize("seconds", [0, -1, float("nan"), Decimal("nan")], ids=repr)
def test_seconds_are_above_zero(seconds: Any) -> None:
    with pytest.raises(ValueError, match="above zero"):
        depends_on(seconds=seconds)


def test_depends_on_outside_of_a_run_does_nothing(
    database: Database, tracker: ChangeTracker
) -> None:
    depends_on(Note, key="weather", seconds=1)
    tracker.uninstall()
    with tracker.reading() as reads:
        depends_on(Note, key="weather")
    assert reads.result() == frozenset()


def test_changed_is_told_at_once_or_after_the_commit(
    database: Database, published: Published, tracker: ChangeTracker
) -> None:
    def keys() -> Any:
        return [change for told in published.changes for change in told.changes]

    invalidate("a", "b", using=ALIAS)
    assert keys() == [TableChange("", "a"), TableChange("", "b")]
    published.clear()
    with atomic():
        invalidate("c", using=ALIAS)
        assert keys() == []
    assert keys() == [TableChange("", "c")]
    published.clear()
    with pytest.raises(ZeroDivisionError), atomic():
        invalidate("d", using=ALIAS)
        raise ZeroDivisionError
    connections[ALIAS].close()
    invalidate("e", using=ALIAS)
    assert keys() == [TableChange("", "e")]
    tracker.uninstall()
    invalidate("f", using=ALIAS)
    assert len(keys()) == 1
