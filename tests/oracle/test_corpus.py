"""What failed in cachalot and cacheops, from subscription to live body: none of it fails here.

A test for each number of docs/live-corpus.md, which says what went wrong there. Each writes, and
what a subscriber is shown must be what a fresh GET gives.
"""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.db.models import F
from psycopg import sql

from tests.oracle.audience import Audience
from tests.oracle.client import SECONDS
from tests.oracle.project import views
from tests.oracle.project.models import (
    Book,
    Legacy,
    Mixed,
    Note,
    Notebook,
    Person,
    Place,
    Reading,
    Restaurant,
    Room,
    Tag,
)

on_postgresql = pytest.mark.parametrize("vendor", ["postgresql"], indirect=True)
on_sqlite = pytest.mark.parametrize("vendor", ["sqlite"], indirect=True)


def execute(text: Any, parameters: Any = None) -> None:
    with connection.cursor() as cursor:
        cursor.execute(text, parameters)


# cachalot.


@pytest.mark.documents(
    "docs/live-corpus.md", "tables in a Subquery annotation were missed (cachalot#137)"
)
def test_ca01a_subquery_annotation(viewers: Audience) -> None:
    live = viewers.watch("/subquery/")
    with viewers.sees(live):
        Book.objects.filter(pk=3).update(title="another")


@pytest.mark.documents("docs/live-corpus.md", "in Case and When (#194)")
def test_ca01b_case_when(viewers: Audience) -> None:
    live = viewers.watch("/cases/")
    with viewers.sees(live):
        Person.objects.filter(pk=1).update(name="somebody")


@pytest.mark.documents("docs/live-corpus.md", "in an expression of `order_by` (#199)")
def test_ca01c_order_by_expression(viewers: Audience) -> None:
    live = viewers.watch("/subquery/")
    with viewers.sees(live):
        Room.objects.filter(pk=1).update(name="z")


@pytest.mark.documents("docs/live-corpus.md", "many-to-many tables in a Case (#255, #259)")
def test_ca01d_many_to_many_within_case(viewers: Audience) -> None:
    live = viewers.watch("/cases/")
    with viewers.sees(live):
        Book.objects.get(pk=1).tags.add(1)
    with viewers.sees(live):
        Tag.objects.filter(pk=1).update(name="none")
    with viewers.sees(live):
        Reading.objects.filter(book=2).update(person=1)


@pytest.mark.documents("docs/live-corpus.md", "in `~Exists` and nested queries (#296)")
@pytest.mark.parametrize("url", ["/exists/", "/exists/?not=1"])
def test_ca01e_exists_and_not_exists(viewers: Audience, url: str) -> None:
    live = viewers.watch(url)
    with viewers.sees(live):
        Book.objects.filter(author=4).update(kind=3)
    with viewers.sees(live):
        Reading.objects.update(stars=3 * F("stars") + 2)


@pytest.mark.documents("docs/live-corpus.md", "`app_note` matched `app_notebook` (#295)")
def test_ca02_name_that_begins_like_another(viewers: Audience) -> None:
    viewers.watch("/notes/")
    with viewers.runs(most=0):
        Notebook.objects.filter(pk=1).update(text="another")
    books = viewers.watch("/notebooks/")
    with viewers.sees(books):
        Notebook.objects.filter(pk=1).update(text="a third")
    with viewers.runs(most=1):
        Note.objects.filter(text="n1").update(text="another")


def after(look: Callable[[], None]) -> Callable[..., object]:
    """An execute wrapper that does something between a statement's being known and its run."""

    def wrapper(run: Callable[..., object], *args: object) -> object:
        look()
        return run(*args)

    return wrapper


@pytest.mark.documents("docs/live-corpus.md", "the cache was emptied before")
def test_ca03_run_between_statement_and_its_effect(viewers: Audience) -> None:
    live = viewers.watch("/notebooks/")
    with viewers.sees(live), connection.execute_wrapper(after(viewers.rerun)):
        Notebook.objects.filter(pk=1).update(text="another")
    with viewers.sees(live), connection.execute_wrapper(after(viewers.rerun)):
        Notebook(pk=1, text="a third").save()


@pytest.mark.documents("docs/live-corpus.md", "names of both cases in raw SQL")
def test_ca04a_mixed_case_in_raw_sql(viewers: Audience) -> None:
    lives = [viewers.watch("/odd/"), viewers.watch("/cursor/mixed/")]
    with viewers.sees(lives[0]):
        execute("update \"OracleMixedCase\" set text = 'x' where id = 1")
    with viewers.sees(*lives):
        execute('INSERT INTO "OracleMixedCase" (id, text) VALUES (99, %s)', ["y"])
    with viewers.sees(*lives):
        Mixed.objects.get(pk=99).delete()


@pytest.mark.documents("docs/live-corpus.md", "verbs that are not INSERT, UPDATE or DELETE")
@on_postgresql
def test_ca04b_truncate(viewers: Audience) -> None:
    live = viewers.watch("/notebooks/")
    with viewers.sees(live):
        execute("TRUNCATE oracle_notebook")


@pytest.mark.documents("docs/live-corpus.md", "verbs that are not INSERT, UPDATE or DELETE")
@on_postgresql
def test_ca04b_copy(viewers: Audience) -> None:
    live = viewers.watch("/notebooks/")
    with viewers.sees(live), connection.cursor() as cursor:
        with cursor.copy("COPY oracle_notebook (id, text) FROM STDIN") as copy:
            copy.write_row((99, "copied"))


@pytest.mark.documents("docs/live-corpus.md", "verbs that are not INSERT, UPDATE or DELETE")
@on_sqlite
def test_ca04b_replace(viewers: Audience) -> None:
    live = viewers.watch("/odd/")
    with viewers.sees(live):
        execute("REPLACE INTO oracle_legacy (id, name) VALUES (1, 'x')")


@pytest.mark.documents("docs/live-corpus.md", "verbs that are not INSERT, UPDATE or DELETE")
@on_postgresql
def test_ca04b_call(viewers: Audience) -> None:
    live = viewers.watch("/notebooks/")
    execute(
        "CREATE OR REPLACE PROCEDURE oracle_change(t text) LANGUAGE sql "
        "AS 'UPDATE oracle_notebook SET text = t'"
    )
    with viewers.sees(live):
        execute("CALL oracle_change('called')")


@pytest.mark.documents("docs/live-corpus.md", "verbs that are not INSERT, UPDATE or DELETE")
@on_postgresql
def test_ca04b_callproc(viewers: Audience) -> None:
    live = viewers.watch("/notebooks/")
    execute(
        "CREATE OR REPLACE FUNCTION oracle_changed(t text) RETURNS void LANGUAGE sql "
        "AS 'UPDATE oracle_notebook SET text = t'"
    )
    with viewers.sees(live), connection.cursor() as cursor:
        cursor.callproc("oracle_changed", ["by a function"])


@pytest.mark.documents("docs/live-corpus.md", "verbs that are not INSERT, UPDATE or DELETE")
@on_postgresql
def test_ca04b_merge(viewers: Audience) -> None:
    live = viewers.watch("/odd/")
    with viewers.sees(live):
        execute(
            "MERGE INTO oracle_legacy l USING oracle_notebook n ON l.id = n.id "
            "WHEN MATCHED THEN UPDATE SET name = n.text"
        )


@pytest.mark.documents("docs/live-corpus.md", "psycopg's composed SQL")
@on_postgresql
def test_ca04c_composed_sql(viewers: Audience) -> None:
    live = viewers.watch("/notebooks/")
    with viewers.sees(live):
        execute(
            sql.SQL("UPDATE {} SET {} = %s").format(
                sql.Identifier("oracle_notebook"), sql.Identifier("text")
            ),
            ["composed"],
        )


def book_without_a_room() -> None:
    """What the database refuses only when it commits."""
    with transaction.atomic():
        Notebook.objects.filter(pk=1).update(text="never")
        Book(pk=50, title="nowhere", room_id=4000).save()


@pytest.mark.documents("docs/live-corpus.md", "a COMMIT that raised counted as not committed")
def test_ca05_commit_that_raises(viewers: Audience) -> None:
    lives = [viewers.watch("/notebooks/"), viewers.watch("/rest/books/")]
    with pytest.raises(IntegrityError):
        book_without_a_room()
    assert viewers.is_current(*lives)
    with viewers.sees(lives[0]):
        Notebook.objects.filter(pk=1).update(text="another")


@pytest.mark.documents(
    "docs/live-corpus.md", "`set_autocommit(False)` and `commit()` were not seen"
)
def test_ca06a_transaction_by_hand(viewers: Audience) -> None:
    live = viewers.watch("/notebooks/")
    with viewers.sees(live):
        transaction.set_autocommit(False)
        try:
            Notebook.objects.filter(pk=1).update(text="another")
            viewers.rerun()
            transaction.commit()
        finally:
            transaction.set_autocommit(True)


@pytest.mark.documents(
    "docs/live-corpus.md", "the stack of transactions was popped when empty (#81)"
)
def test_ca06b_ends_of_blocks_that_were_not_begun(viewers: Audience) -> None:
    live = viewers.watch("/notebooks/")
    connection.commit()
    connection.rollback()
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        Notebook.objects.filter(pk=1).update(text="never")
        connection.close()
        raise ZeroDivisionError
    with viewers.sees(live), transaction.atomic(), transaction.atomic():
        Notebook.objects.filter(pk=1).update(text="another")


@pytest.mark.documents("docs/live-corpus.md", "tables of unmanaged models (#183)")
def test_ca07_unmanaged_table(viewers: Audience) -> None:
    live = viewers.watch("/odd/")
    with viewers.sees(live):
        Legacy.objects.filter(pk=1).update(name="another")


@pytest.mark.documents("docs/live-corpus.md", "clocks that differ (#27)")
def test_ca08_clock_that_goes_back(viewers: Audience) -> None:
    live = viewers.watch("/notebooks/")
    with mock.patch.object(time, "time", lambda: 0.0), viewers.sees(live):
        Notebook.objects.filter(pk=1).update(text="another")
    with viewers.sees(live):
        Notebook.objects.filter(pk=1).update(text="a third")


@pytest.mark.documents("docs/live-corpus.md", "stale after the database was restarted (#269)")
@on_postgresql
def test_ca09_connections_that_were_cut(viewers: Audience) -> None:
    live = viewers.watch("/notebooks/")
    with viewers.sees(live):
        execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
        Notebook.objects.filter(pk=1).update(text="another")
    connections.close_all()
    with viewers.sees(live):
        Notebook.objects.filter(pk=1).update(text="a third")


@pytest.mark.documents("docs/live-corpus.md", "`Now()` and `random()` (#193)")
def test_ca10_answer_that_is_never_the_same(viewers: Audience) -> None:
    live = viewers.watch("/chance/")
    first = live.versions
    with viewers.runs(most=0):
        Note.objects.filter(text="n1").update(text="another")
    with viewers.runs(most=1):
        Book.objects.filter(pk=1).update(title="another")
    assert live.versions == first + 1


@pytest.mark.documents("docs/live-corpus.md", "not meant for tables that change often")
def test_ca11_hot_table(viewers: Audience) -> None:
    live = viewers.watch("/notebooks/")
    with viewers.sees(live), viewers.runs(most=20), viewers.deaf():
        for number in range(500):
            Notebook.objects.filter(pk=1).update(text=f"{number}")


# cacheops.


@pytest.mark.documents("docs/live-corpus.md", "cached again before the commit (cacheops#22)")
def test_co01_run_before_the_commit(viewers: Audience) -> None:
    live = viewers.watch("/notebooks/")
    with viewers.sees(live), transaction.atomic():
        Notebook.objects.filter(pk=1).update(text="another")
        viewers.rerun()


@pytest.mark.documents(
    "docs/live-corpus.md", "announced after the user's `on_commit` hooks (#228, #230)"
)
def test_co02_hook_that_looks_at_what_is_shown(viewers: Audience) -> None:
    live = viewers.watch("/notebooks/")
    seen: list[bool] = []
    with viewers.sees(live), transaction.atomic():
        transaction.on_commit(lambda: seen.append(viewers.is_current(live)))
        Notebook.objects.filter(pk=1).update(text="another")
    assert seen == [True]


@pytest.mark.documents(
    "docs/live-corpus.md", "announced after the user's `on_commit` hooks (#228, #230)"
)
def test_co02_hook_that_raises(viewers: Audience) -> None:
    live = viewers.watch("/notebooks/")
    with viewers.sees(live), pytest.raises(ZeroDivisionError), transaction.atomic():
        transaction.on_commit(lambda: 1 // 0)
        Notebook.objects.filter(pk=1).update(text="another")


@pytest.mark.documents("docs/live-corpus.md", "an IntegrityError left the state dirty (#399)")
def test_co03_integrity_error_leaves_nothing_behind(viewers: Audience) -> None:
    live = viewers.watch("/notebooks/")
    with pytest.raises(IntegrityError), transaction.atomic():
        Notebook.objects.filter(pk=1).update(text="never")
        Notebook(pk=2, text="taken").save(force_insert=True)
    assert viewers.is_current(live)
    with viewers.sees(live), transaction.atomic():
        Notebook.objects.filter(pk=1).update(text="another")


@pytest.mark.documents("docs/live-corpus.md", "the error of a commit was swallowed (#427)")
def test_co04_error_of_a_commit_is_raised(viewers: Audience) -> None:
    viewers.watch("/notebooks/")
    with pytest.raises(IntegrityError):
        book_without_a_room()


@pytest.mark.documents("docs/live-corpus.md", "`set_autocommit(False)` raised IndexError (#264)")
def test_co05_blocks_within_a_transaction_by_hand(viewers: Audience) -> None:
    live = viewers.watch("/notebooks/")
    with viewers.sees(live):
        transaction.set_autocommit(False)
        try:
            with transaction.atomic():
                Notebook.objects.filter(pk=1).update(text="another")
            with pytest.raises(ZeroDivisionError), transaction.atomic():
                Notebook.objects.filter(pk=2).update(text="never")
                raise ZeroDivisionError
            transaction.commit()
        finally:
            transaction.set_autocommit(True)


@pytest.mark.documents(
    "docs/live-corpus.md", "many-to-many rows that went with their instance (#407)"
)
def test_co06_relations_of_what_is_deleted(viewers: Audience) -> None:
    lives = [viewers.watch("/tagged/t1/"), viewers.watch("/prefetched/?kind=0")]
    with viewers.sees(lives[0]):
        Book.objects.filter(tags__name="t1")[0].delete()
    with viewers.sees(*lives):
        Tag.objects.get(name="t1").delete()


@pytest.mark.documents("docs/live-corpus.md", "rows that came by `select_related` (#295)")
def test_co07_row_that_was_joined(viewers: Audience) -> None:
    live = viewers.watch("/detail/5/")
    with viewers.sees(live):
        Person.objects.filter(pk=2).update(name="boss")
    with viewers.sees(live):
        Person.objects.filter(pk=5).update(boss=3)


@pytest.mark.documents("docs/live-corpus.md", "multi-table inheritance")
def test_co08_inheritance(viewers: Audience) -> None:
    parents, children = viewers.watch("/places/"), viewers.watch("/restaurants/")
    with viewers.sees(parents, children):
        Restaurant(pk=1, name="pa", stars=9).save()
    with viewers.sees(parents, children):
        Place.objects.filter(pk=1).update(name="pb")
    with viewers.sees(parents, children):
        Restaurant.objects.filter(pk=2).update(name="pc", stars=8)
    with viewers.sees(parents, children):
        Restaurant.objects.get(pk=3).delete(keep_parents=True)
    with viewers.sees(parents, children):
        Place.objects.get(pk=4).delete()


@pytest.mark.documents("docs/live-corpus.md", "raw SQL was not seen")
def test_co09_raw_sql(viewers: Audience) -> None:
    lives = [viewers.watch("/raw/"), viewers.watch("/cursor/")]
    with viewers.sees(*lives):
        execute("UPDATE oracle_book SET price = price + 20")
    with viewers.sees(lives[0]):
        Room.objects.filter(pk=1).update(is_open=False)
    with viewers.sees(lives[1]), connection.cursor() as cursor:
        cursor.executemany("UPDATE oracle_book SET price = 0 WHERE id = %s", [(7,), (8,)])


@pytest.mark.documents("docs/live-corpus.md", "conditions that are queries")
def test_co10_condition_that_is_a_query(viewers: Audience) -> None:
    live = viewers.watch("/authors/?kind=1")
    with viewers.sees(live):
        Book.objects.filter(pk=2).update(kind=1)


@pytest.mark.documents("docs/live-corpus.md", "a new Django version changed")
def test_co11_query_as_a_value(viewers: Audience) -> None:
    live, condition = viewers.watch("/subquery/"), viewers.watch("/authors/?kind=1")
    with viewers.sees(live):
        Reading.objects.filter(book=1).update(person=4)
    with viewers.sees(condition):
        Tag.objects.update(name="p1")


@pytest.mark.documents(
    "docs/live-corpus.md", "a commit while the value was computed (#302, #424, #478)"
)
def test_co12_commit_while_a_view_runs(viewers: Audience) -> None:
    with closed_gate():
        beginning = viewers.begin("/gated/")
        assert views.GATE.is_reached.wait(SECONDS)
        Book.objects.filter(pk=1).update(title="while it runs first")
    live = beginning.result(SECONDS)
    assert viewers.is_current(live)
    assert b"while it runs first" in (live.body or b"")
    with closed_gate():
        Book.objects.filter(pk=1).update(title="why it runs again")
        assert views.GATE.is_reached.wait(SECONDS)
        Book.objects.filter(pk=1).update(title="while it runs again")
    assert viewers.is_current(live)
    assert b"while it runs again" in (live.body or b"")


@contextmanager
def closed_gate() -> Iterator[None]:
    """The view ``gated`` stops behind what it has read, for the length of the block."""
    views.GATE.is_reached.clear()
    views.GATE.is_open.clear()
    try:
        yield
    finally:
        views.GATE.is_open.set()


@pytest.mark.documents("docs/live-corpus.md", "slow with many filters of one model")
def test_co13_many_conditions_of_one_table(viewers: Audience) -> None:
    lives = [viewers.watch(f"/equal/?author={n}&kind={n % 4}&room=1") for n in range(1, 100)]
    with viewers.runs(most=2):
        Book(pk=50, title="another", kind=1, room_id=1, author_id=5).save(force_insert=True)
    assert viewers.is_current(*lives[:8])
    assert b"another" in (lives[4].body or b"")


@pytest.mark.documents("docs/live-corpus.md", "`bulk_update` was not seen (#472)")
def test_co14_bulk_update(viewers: Audience) -> None:
    live = viewers.watch("/equal/?kind=1")
    books = list(Book.objects.all())
    for book in books:
        book.kind += 1
    with viewers.sees(live):
        Book.objects.bulk_update(books, ["kind"])


@pytest.mark.documents("docs/live-corpus.md", "`QuerySet.update` was not seen (#141)")
def test_co15_update_of_a_queryset(viewers: Audience) -> None:
    lives = [viewers.watch("/equal/?kind=1"), viewers.watch("/equal/?kind=2")]
    with viewers.sees(*lives):
        Book.objects.filter(kind=1).update(kind=2)


# The whole.


def test_corpus_is_whole() -> None:
    """tests/test_documents.py compares it with its page."""
    tests = {name for name in globals() if re.match(r"test_c[ao]\d\d", name)}
    numbers = {name[5:9] for name in tests}
    wanted = {f"ca{n:02}" for n in range(1, 12)} | {f"co{n:02}" for n in range(1, 16)}
    assert numbers == wanted
