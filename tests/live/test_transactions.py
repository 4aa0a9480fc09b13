"""When a write is published, at the edges of transactions and of connections.

Long by its cases: each way in which a driver or Django begins and ends a transaction.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext, suppress
from typing import Any

import pytest
from django.core.signals import request_finished
from django.db import IntegrityError, ProgrammingError, connections, transaction
from django.test import TestCase

from tests.live.conftest import ALIAS, Database, Published, atomic, configured, run_sql, watching
from tests.live.models import Note, Room, Tag
from wsrequest.live.sql.statement_cache import StatementCache
from wsrequest.live.tracking import statement_recorder as recorder_module
from wsrequest.live.tracking.reads import ReadSet
from wsrequest.live.tracking.schema import Schema
from wsrequest.live.tracking.tracker import ChangeTracker, installed
from wsrequest.live.tracking.transaction_status import TransactionStatus
from wsrequest.types import Commit, ReadPredicate

pytestmark = pytest.mark.usefixtures("tracker")


def create_tag() -> None:
    Tag.objects.create(name="x")


def fail() -> None:
    raise ZeroDivisionError


def test_hook_that_fails_loses_nothing(published: Published) -> None:
    with pytest.raises(ZeroDivisionError), atomic():
        transaction.on_commit(fail, using=ALIAS)
        create_tag()
    assert published.tables() == {"tag"}


def test_hook_that_writes_is_told_by_itself(published: Published) -> None:
    with atomic():
        transaction.on_commit(create_tag, using=ALIAS)
        Room.objects.update(name="hall")
    assert [len(changes.changes) for changes in published.changes] == [1, 1]
    assert published.tables() == {"room", "tag"}


def test_savepoint_that_is_rolled_back_takes_nothing_of_others_along(
    published: Published,
) -> None:
    with atomic():
        Room.objects.update(name="hall")
        with suppress(ZeroDivisionError), atomic():
            create_tag()
            fail()
        Note.objects.update(text="b")
    assert published.tables() >= {"room", "note"}
    assert len(published.changes) == 1


def test_statement_that_fails_may_be_told(database: Database, published: Published) -> None:
    Tag.objects.create(pk=5, name="x")
    published.clear()
    with pytest.raises(IntegrityError):
        run_sql("INSERT INTO live_tag (id, name) VALUES (5, 'y')")
    with connections[ALIAS].cursor() as cursor, pytest.raises(IntegrityError):
        cursor.executemany("INSERT INTO live_tag (id, name) VALUES (%s, 'z')", [(6,), (5,)])
    # SQLite committed the first of these two.
    assert published.contents[-1] == database.content()


def test_transaction_that_was_broken_is_not_told(published: Published) -> None:
    with suppress(IntegrityError), atomic():
        create_tag()
        run_sql("INSERT INTO live_tag (id, name) VALUES (1, 'y')")
    assert published.changes == []


def test_commit_that_django_refuses_ends_nothing(database: Database, published: Published) -> None:
    with atomic():
        create_tag()
        with suppress(transaction.TransactionManagementError):
            transaction.commit(using=ALIAS)
    assert published.contents[-1] == database.content()


def test_connection_that_closes_in_a_transaction_is_told(published: Published) -> None:
    connection = connections[ALIAS]
    with suppress(Exception), atomic():
        create_tag()
        connection.close()
    assert published.tables() == {"tag"}  # nobody asked the database how it ended
    published.clear()
    create_tag()
    assert published.tables() == {"tag"}


def test_manual_transaction_that_closes_is_told(published: Published) -> None:
    connection = connections[ALIAS]
    connection.set_autocommit(False)
    create_tag()
    connection.close()
    assert published.tables() == {"tag"}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_autocommit_that_commits_by_itself_is_told(
    database: Database, published: Published
) -> None:
    connection = connections[ALIAS]
    connection.set_autocommit(False)
    create_tag()
    assert published.changes == []
    connection.set_autocommit(True)  # SQLite's driver commits
    assert published.contents == [database.content()]


def test_rollback_by_a_statement_is_not_told(published: Published) -> None:
    run_sql("BEGIN")
    create_tag()
    run_sql("ROLLBACK")
    assert published.changes == []
    run_sql("BEGIN")
    Room.objects.update(name="hall")
    run_sql("SAVEPOINT a")
    create_tag()
    run_sql("ROLLBACK TO SAVEPOINT a")
    run_sql("COMMIT")
    assert published.tables() >= {"room"}


WRITE = "UPDATE live_tag SET name = 'y'"
TEXTS = {
    "behind": f"BEGIN; DELETE FROM live_note; ROLLBACK; {WRITE}",
    "behind, and undone again": f"BEGIN; ROLLBACK; {WRITE}; BEGIN; DELETE FROM live_note; ROLLBACK",
    "before": f"{WRITE}; BEGIN; DELETE FROM live_note; ROLLBACK",
    "behind a commit": f"BEGIN; ROLLBACK; BEGIN; {WRITE}; COMMIT; BEGIN; ROLLBACK",
}


def run_script(database: Database, text: str) -> None:
    with connections[ALIAS].cursor() as cursor:
        if database.vendor == "sqlite":
            cursor.executescript(text)
        else:
            cursor.execute(text)


@pytest.mark.parametrize("name", TEXTS)
def test_rollback_undoes_only_its_own_in_a_text_of_several(
    name: str, database: Database, published: Published
) -> None:
    before = database.content()
    run_script(database, TEXTS[name])
    after = database.content()
    changed = {table.removeprefix("live_") for table in after if after[table] != before[table]}
    assert changed <= published.tables()
    # PostgreSQL puts a BEGIN before what stands before it in one text.
    if database.vendor == "sqlite" or name in ("behind", "behind a commit"):
        assert changed == {"tag"}


def test_text_of_several_that_is_undone_is_not_told(
    database: Database, published: Published
) -> None:
    run_script(database, f"BEGIN; {WRITE}; ROLLBACK")
    assert published.changes == []


def test_commit_by_the_driver_is_told_before_the_next_statement(published: Published) -> None:
    connection = connections[ALIAS]
    connection.set_autocommit(False)
    create_tag()
    connection.connection.commit()
    run_sql("SELECT 1")
    assert published.tables() == {"tag"}
    connection.rollback()
    connection.set_autocommit(True)
    assert len(published.changes) == 1


def test_commit_by_the_driver_is_told_at_the_end_of_the_request(published: Published) -> None:
    connection = connections[ALIAS]
    connection.set_autocommit(False)
    create_tag()
    connection.connection.commit()
    request_finished.send(None)
    assert published.tables() == {"tag"}


def test_connection_is_opened_anew_and_watched_once(published: Published) -> None:
    connection = connections[ALIAS]
    for _ in range(3):
        connection.close()
        connection.connect()
    create_tag()
    assert len(published.changes) == 1
    assert len(connection.execute_wrappers) == 1


def test_wrapper_of_django_takes_its_own_away(published: Published) -> None:
    seen: list[str] = []

    def wrapper(execute: Callable[..., Any], sql: str, *rest: Any) -> Any:
        seen.append(sql)
        return execute(sql, *rest)

    connection = connections[ALIAS]
    connection.close()
    with connection.execute_wrapper(wrapper):
        create_tag()  # connects within
    create_tag()
    assert len([sql for sql in seen if sql.startswith("INSERT")]) == 1
    assert published.tables() == {"tag"}
    assert len(published.changes) == 2


def test_capture_leaves_a_connection_as_it_was(
    tracker: ChangeTracker, published: Published
) -> None:
    connection = connections[ALIAS]
    tracker.uninstall()
    tracker.uninstall()
    assert connection.execute_wrappers == []
    for name in ("commit", "rollback", "close", "_set_autocommit"):
        assert name not in vars(connection)
    with atomic():
        create_tag()
    create_tag()
    assert published.changes == []
    assert installed() is None


def test_one_capture_at_a_time(tracker: ChangeTracker, published: Published) -> None:
    tracker.install()
    with pytest.raises(RuntimeError, match="installed"):
        ChangeTracker(published).install()
    assert installed() is tracker


def test_capture_that_nobody_listens_to_is_silent(
    tracker: ChangeTracker, published: Published
) -> None:
    tracker.is_active = False
    create_tag()
    with atomic():
        create_tag()
        tracker.is_active = True  # somebody came before the commit
    assert len(published.changes) == 1


def test_failure_to_publish_is_logged_and_harms_nobody(
    tracker: ChangeTracker, caplog: pytest.LogCaptureFixture
) -> None:
    tracker.uninstall()

    def publish(changes: Commit) -> None:
        raise ZeroDivisionError

    caplog.set_level(logging.ERROR, "wsrequest.live")
    logging.getLogger("wsrequest").addHandler(caplog.handler)
    try:
        with watching(publish), atomic():
            create_tag()
    finally:
        logging.getLogger("wsrequest").removeHandler(caplog.handler)
    assert Tag.objects.count() == 2
    assert any(
        "publishing what a transaction wrote failed" in record.message for record in caplog.records
    )


def test_run_that_writes_is_named(tracker: ChangeTracker, published: Published) -> None:
    run = object()
    with tracker.reading(run=run):
        create_tag()
    create_tag()
    with atomic():
        create_tag()
        with tracker.reading(run=run):
            create_tag()
    with tracker.reading() as reads:
        create_tag()
    assert [changes.run for changes in published.changes] == [run, None, None, reads]


@contextmanager
def django_test() -> Iterator[TestCase]:
    """A test of Django's, which runs in a transaction that is rolled back."""

    class Suite(TestCase):
        databases = {ALIAS}

        def runTest(self) -> None: ...

    suite: Any = Suite()
    Suite.setUpClass()
    try:
        suite._pre_setup()
        yield suite
        suite._post_teardown()
    finally:
        Suite.tearDownClass()
        Suite.doClassCleanups()


def test_test_case_tells_what_it_captures(published: Published) -> None:
    """W3 f, and b: the first write of the block stands in a savepoint that is rolled back."""
    with django_test() as suite:
        create_tag()
        with suite.captureOnCommitCallbacks(using=ALIAS, execute=True):
            Room.objects.update(name="hall")
            with suppress(ZeroDivisionError), atomic():
                Note.objects.update(text="b")
                fail()
            assert published.changes == []
        assert published.tables() >= {"room"}
        published.clear()
        with suite.captureOnCommitCallbacks(using=ALIAS, execute=True):
            with suppress(ZeroDivisionError), atomic():
                Note.objects.update(text="b")
                fail()
            Note.objects.update(text="c")
        assert published.tables() == {"note"}
    assert Tag.objects.count() == 1


def test_test_case_has_no_hooks_of_ours_while_nobody_listens(tracker: ChangeTracker) -> None:
    tracker.is_active = False
    with django_test() as suite, suite.captureOnCommitCallbacks(using=ALIAS) as callbacks:
        create_tag()
    assert callbacks == []


@pytest.mark.parametrize("database", ["postgresql"], indirect=True)
def test_connections_of_a_pool_are_watched_each_time(
    database: Database, published: Published
) -> None:
    pool = {"pool": {"min_size": 1, "max_size": 1}}
    with configured("pooled", {**database.parameters, "OPTIONS": pool}) as connection:
        try:
            for _ in range(2):
                with connection.cursor() as cursor:
                    cursor.execute("UPDATE live_tag SET name = 'x'")
                    with cursor.copy("COPY live_room (name) FROM STDIN") as copy:
                        copy.write_row(("copied",))
                connection.close()
        finally:
            connection.close_pool()
    assert [changes.changes[0].table for changes in published.changes] == [
        "live_tag",
        "live_room",
    ] * 2


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_driver_that_tells_nothing_is_followed_by_its_statements(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = connections[ALIAS]
    monkeypatch.setattr(connection, "vendor", "another")

    def write() -> Any:
        return run_sql("UPDATE live_tag SET name = 'x'")

    write()
    assert len(published.changes) == 1
    run_sql("BEGIN")
    write()
    assert len(published.changes) == 1
    run_sql("COMMIT")
    assert len(published.changes) == 2
    run_sql("BEGIN")
    write()
    run_sql("ROLLBACK")
    assert len(published.changes) == 2
    with atomic():
        write()
        assert len(published.changes) == 2
    assert len(published.changes) == 3


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_rollback_is_told_where_it_may_not_be_one(
    published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    """MySQL commits what was written when it comes to a CREATE or an ALTER."""
    monkeypatch.setattr(connections[ALIAS].features, "can_rollback_ddl", False)
    with suppress(ZeroDivisionError), atomic():
        create_tag()
        fail()
    assert published.tables() == {"tag"}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_rows_that_sqlite_was_asked_for_are_all_there(published: Published) -> None:
    sql = "INSERT INTO live_tag (name) VALUES ('x'), ('y'), ('z') RETURNING name"
    with connections[ALIAS].cursor() as cursor:
        returned = cursor.execute(sql)
        assert len(published.changes) == 1
        assert returned.fetchone() == ("x",)
        assert cursor.fetchmany(1) == [("y",)]
        assert cursor.description[0][0] == "name"
        assert list(cursor) == [("z",)]
        assert cursor.fetchone() is None
        cursor.execute(sql)
        assert cursor.fetchmany() == [("x",)]
        assert cursor.fetchall() == [("y",), ("z",)]
        cursor.execute(sql)
        cursor.execute("SELECT name FROM live_tag WHERE name = %s", ["first"])
        assert cursor.fetchall() == [("first",)]
        cursor.execute(sql)
        cursor.executemany("DELETE FROM live_tag WHERE name = %s", [("x",), ("y",)])
        assert cursor.fetchall() == []


# Commits that Django knows nothing of.

only_postgresql = pytest.mark.parametrize("database", ["postgresql"], indirect=True)


@pytest.mark.parametrize("by", ["statement", "driver"])
def test_commit_within_an_atomic_block_that_then_fails_is_told(
    by: str, database: Database, published: Published
) -> None:
    with pytest.raises(ZeroDivisionError), atomic():
        create_tag()
        if by == "statement":
            run_sql("COMMIT")
            assert published.contents == [database.content()]
        else:
            connections[ALIAS].connection.commit()
        fail()
    assert published.tables() == {"tag"}
    assert Tag.objects.count() == 2


@only_postgresql
@pytest.mark.parametrize(
    "text", ["COMMIT AND CHAIN", "COMMIT; BEGIN", "/* */ commit; begin; SELECT 1", "END; BEGIN"]
)
def test_commit_that_begins_anew_is_told(
    text: str, database: Database, published: Published
) -> None:
    with pytest.raises(ZeroDivisionError), atomic():
        create_tag()
        run_sql(text)
        assert published.tables() == {"tag"}
        assert published.contents[-1]["live_tag"] == database.content()["live_tag"]
        Room.objects.update(name="hall")
        fail()
    assert published.tables() == {"tag"}
    assert [Tag.objects.count(), Room.objects.get().name] == [2, "kitchen"]


@only_postgresql
def test_text_that_cannot_be_read_may_commit(published: Published) -> None:
    run_sql("BEGIN")
    create_tag()
    run_sql("COMMIT; BEGIN; SELECT U&\"d!0061t\" UESCAPE '!' FROM (SELECT 1 AS dat) x")
    assert published.tables() >= {"tag"}
    published.clear()
    run_sql("ROLLBACK")
    assert published.changes == []


@only_postgresql
def test_what_follows_a_commit_in_the_same_text_is_told_when_it_is_committed(
    published: Published,
) -> None:
    run_sql("BEGIN")
    create_tag()
    run_sql("COMMIT; BEGIN; UPDATE live_room SET name = 'hall'")
    assert published.tables() >= {"tag"}
    published.clear()
    run_sql("COMMIT")
    assert published.tables() >= {"room"}


@only_postgresql
def test_block_of_the_driver_is_told_at_its_end(database: Database, published: Published) -> None:
    connection = connections[ALIAS]
    connection.ensure_connection()
    with connection.connection.transaction():
        create_tag()
        with connection.connection.transaction():
            Room.objects.update(name="hall")
        assert published.changes == []
    assert published.tables() == {"tag", "room"}
    assert published.contents == [database.content()]
    published.clear()
    with suppress(ZeroDivisionError), connection.connection.transaction():
        create_tag()
        fail()
    create_tag()
    assert published.tables() == {"tag"}


@only_postgresql
def test_pipeline_is_told_at_its_end(database: Database, published: Published) -> None:
    connection = connections[ALIAS]
    connection.ensure_connection()
    with connection.connection.pipeline():
        run_sql("UPDATE live_room SET name = 'hall'")
        assert published.changes == []  # it may not be there yet
    assert published.contents == [database.content()]
    published.clear()
    with connection.connection.pipeline():
        with connection.connection.transaction():
            run_sql("UPDATE live_room SET name = 'cellar'")
        assert published.contents[-1] == database.content()
        published.clear()
        run_sql("UPDATE live_tag SET name = 'y'")
    assert published.tables() >= {"tag"}
    assert published.contents[-1] == database.content()


RETURNING = "UPDATE live_tag SET name = 'y' RETURNING name"
COPY = f"COPY ({RETURNING}) TO STDOUT"


@only_postgresql
@pytest.mark.parametrize("by", ["django", "driver"])
def test_copy_that_nobody_reads_is_told(by: str, database: Database, published: Published) -> None:
    """The driver raises, but the database has committed it."""
    connection = connections[ALIAS]
    connection.ensure_connection()
    with pytest.raises(Exception, match="COPY cannot be used"):
        run_sql(COPY) if by == "django" else connection.connection.execute(COPY)
    assert published.tables() == {"tag"}
    assert published.contents[-1] == database.content()
    assert "'y'" in str(database.content()["live_tag"])
    published.clear()
    connection.close()
    assert published.tables() == {"tag"}  # a longer one may be committed only now


@only_postgresql
def test_copy_that_nobody_reads_is_not_told_in_a_transaction(published: Published) -> None:
    with pytest.raises(ProgrammingError), atomic():
        try:
            run_sql(COPY)
        finally:
            assert published.changes == []


@only_postgresql
@pytest.mark.parametrize("is_atomic", [False, True])
@pytest.mark.parametrize("by", ["copy", "stream"])
def test_rows_that_come_one_by_one_are_told_when_they_may_be_committed(
    by: str, is_atomic: bool, database: Database, published: Published
) -> None:
    with atomic() if is_atomic else nullcontext(), connections[ALIAS].cursor() as cursor:
        if by == "copy":
            with cursor.copy(COPY) as copy:
                for _ in copy:
                    before = list(published.changes)
        else:
            for _ in cursor.stream(RETURNING):
                before = list(published.changes)
        assert bool(before) == bool(published.changes) == (not is_atomic)
        published.clear()
        cursor.execute("SELECT 1")
        assert published.changes == []
    assert published.tables() == ({"tag"} if is_atomic else set())


@only_postgresql
def test_connection_of_the_driver_is_seen(
    database: Database, tracker: ChangeTracker, published: Published
) -> None:
    connection = connections[ALIAS]
    connection.ensure_connection()
    driver = connection.connection
    driver.execute("UPDATE live_tag SET name = 'y'")
    with driver.cursor() as cursor:
        cursor.executemany("UPDATE live_room SET name = %s", [("hall",)])
    assert published.tables() == {"tag", "room"}
    assert published.contents[-1] == database.content()
    with tracker.reading() as reads:
        driver.execute("SELECT * FROM live_note").fetchall()
    assert {read.table for read in reads.result()} == {"live_note"}


@pytest.mark.parametrize("database", ["sqlite"], indirect=True)
def test_script_is_told(database: Database, published: Published) -> None:
    with connections[ALIAS].cursor() as cursor:
        cursor.executescript("UPDATE live_tag SET name = 'y'; UPDATE live_room SET name = 'hall';")
    assert published.tables() == {"tag", "room"}
    assert published.contents == [database.content()]
    published.clear()
    with suppress(ZeroDivisionError), atomic():
        create_tag()
        with connections[ALIAS].cursor() as cursor:
            cursor.executescript("SELECT 1")  # commits what is open
        assert published.contents == [database.content()]
        fail()
    assert published.tables() == {"tag"}


# Noting is not the project's affair.


def test_row_that_is_too_short_is_the_drivers_error(
    database: Database, published: Published
) -> None:
    sql = "UPDATE live_tag SET name = %s WHERE id = %s"
    connection = connections[ALIAS]
    with connection.cursor() as cursor, pytest.raises((ProgrammingError, IndexError)) as raised:
        cursor.executemany(sql, [("y", 1), ("z",)])
    assert "wsrequest" not in str(raised.traceback[-1].path)
    connection.close()
    assert published.tables() == {"tag"}  # SQLite has committed the first
    assert published.rows("tag")[-1] is None
    assert published.contents[-1] == database.content()


@pytest.mark.parametrize("name", ["changed_by", "wanted_kinds", "rows_of", "parse", "is_idle"])
def test_noting_that_fails_is_no_error_of_the_project(
    name: str, tracker: ChangeTracker, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*args: Any, **kwargs: Any) -> Any:
        raise RecursionError

    Tag.objects.count()
    owner: Any = {
        "changed_by": Schema,
        "wanted_kinds": ChangeTracker,
        "is_idle": TransactionStatus,
        "parse": StatementCache,
    }.get(name, recorder_module)
    monkeypatch.setattr(owner, name, failing)
    Tag.objects.filter(pk=1).update(name="y")
    with tracker.reading() as reads:
        assert Tag.objects.get().name == "y"
    assert published.tables() == ({None} if name in ("changed_by", "parse") else {"tag"})
    assert reads.result()


def test_read_that_cannot_be_noted_is_of_any_table(
    tracker: ChangeTracker, published: Published, monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*args: Any, **kwargs: Any) -> Any:
        raise RecursionError

    monkeypatch.setattr(ReadSet, "add_statement", failing)
    with tracker.reading() as reads:
        assert Tag.objects.get().name == "first"
    assert reads.result() == {ReadPredicate(ALIAS, None)}
