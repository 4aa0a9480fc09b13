"""What is different on MariaDB: when it commits by itself, and what its statements mean.

Each of these was, or could be, a write that no live view hears of. Where a statement cannot be
read, any table counts. Long by its cases.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from django.db import connections, transaction

from tests.live.conftest import (
    ALIAS,
    Database,
    Published,
    Story,
    atomic,
    configured,
    only_mariadb,
    run_sql,
)
from tests.live.models import Branch, Leaf, Note, Room, Tag

pytestmark = [only_mariadb, pytest.mark.usefixtures("tracker")]

TAG = "UPDATE live_tag SET name = CONCAT(name, 'y')"
ROOM = "UPDATE live_room SET name = CONCAT(name, 'y')"


@pytest.fixture
def procedures(database: Database) -> Iterator[Callable[[str, str], None]]:
    """Make a procedure: a name and its body."""
    made: list[str] = []

    def make(name: str, body: str) -> None:
        made.append(name)
        with outside(database) as cursor:
            cursor.execute(f"CREATE PROCEDURE {name}() BEGIN {body}; END")

    yield make
    with outside(database) as cursor:
        for name in made:
            cursor.execute(f"DROP PROCEDURE {name}")


@contextmanager
def outside(database: Database) -> Iterator[Any]:
    """A cursor that nobody watches."""
    connection = database.connect()
    try:
        yield connection.cursor()
    finally:
        connection.close()


@pytest.fixture
def is_told(database: Database, published: Published) -> Callable[[], bool]:
    """Whether the last commit that was published holds what the database holds now."""
    return lambda: bool(published.contents) and published.contents[-1] == database.content()


IsTold = Callable[[], bool]


# Commits that no COMMIT announces.

IMPLICIT = {
    "create": "CREATE TABLE live_extra (id integer)",
    "create and select": "CREATE TABLE live_extra AS SELECT 1 AS id",
    "drop": "DROP TABLE IF EXISTS live_extra",
    "alter": "ALTER TABLE live_legacy COMMENT 'x'",
    "rename": "RENAME TABLE live_legacy TO live_extra, live_extra TO live_legacy",
    "truncate": "TRUNCATE live_legacy",
    "index": "CREATE OR REPLACE INDEX live_index ON live_legacy (text)",
    "view": "CREATE OR REPLACE VIEW live_extra_view AS SELECT 1 AS id",
    "analyze": "ANALYZE TABLE live_legacy",
    "optimize": "OPTIMIZE TABLE live_legacy",
    "check": "CHECK TABLE live_legacy",
    "flush": "FLUSH TABLES",
    "lock": "LOCK TABLES live_leaf WRITE",
    "grant": "GRANT SELECT ON *.* TO CURRENT_USER",
    "user": "CREATE USER IF NOT EXISTS nobody",
    "begin": "BEGIN",
    "start": "START TRANSACTION",
    "chain": "COMMIT AND CHAIN",
    "autocommit": "SET autocommit = 1",
    "one of several settings": "SET @x = 1, SESSION autocommit = ON",
    "text": "EXECUTE IMMEDIATE 'CREATE TABLE live_extra (id integer)'",
    "procedure": "CALL live_commit()",
    "block": "BEGIN NOT ATOMIC COMMIT; END",
}


@pytest.fixture
def no_extras(database: Database) -> Iterator[None]:
    yield
    connections[ALIAS].close()
    with outside(database) as cursor:
        cursor.execute("DROP TABLE IF EXISTS live_extra")
        cursor.execute("DROP VIEW IF EXISTS live_extra_view")
        cursor.execute("DROP USER IF EXISTS nobody")


@pytest.mark.parametrize("name", IMPLICIT)
@pytest.mark.parametrize("kind", ["atomic", "raw"])
def test_commit_by_another_statement_is_told(
    kind: str,
    name: str,
    procedures: Callable[[str, str], None],
    no_extras: None,
    is_told: IsTold,
) -> None:
    procedures("live_commit", "COMMIT")
    if kind == "raw":
        run_sql("BEGIN")
        run_sql(TAG)
        run_sql(IMPLICIT[name])
        assert is_told()
        run_sql("UNLOCK TABLES")
        run_sql(ROOM)  # committed at once, or not
        run_sql("COMMIT")
        assert is_told()
        return
    with suppress(ZeroDivisionError), atomic():
        run_sql(TAG)
        run_sql(IMPLICIT[name])
        assert is_told()
        run_sql("UNLOCK TABLES")
        run_sql(ROOM)
        if name in ("autocommit", "one of several settings"):
            assert is_told()
        raise ZeroDivisionError
    assert is_told()


@pytest.mark.parametrize(
    "name", [name for name in IMPLICIT if name not in ("begin", "start", "chain")]
)
def test_write_behind_a_commit_by_another_statement_is_told(
    name: str, procedures: Callable[[str, str], None], no_extras: None, is_told: IsTold
) -> None:
    """The transaction has ended, so each write is committed at once."""
    procedures("live_commit", "COMMIT")
    run_sql("BEGIN")
    run_sql(IMPLICIT[name])
    run_sql("UNLOCK TABLES")
    run_sql(ROOM)
    assert is_told()


OFF = {
    "autocommit": "SET autocommit = 0",
    "session": "SET @x = 1, @@session.autocommit = OFF",
    "text": "EXECUTE IMMEDIATE 'SET autocommit = 0'",
    "begin": "BEGIN WORK",
    "start": "START TRANSACTION READ WRITE",
    "comment": "/* x */ BEGIN -- x",
    "procedure": "CALL live_begin()",
    "xa": "XA START 'live'",
    "completion": "SET completion_type = 'CHAIN'",
}


@pytest.mark.parametrize("name", OFF)
def test_write_in_a_transaction_is_told_behind_its_end(
    name: str, procedures: Callable[[str, str], None], is_told: IsTold
) -> None:
    procedures("live_begin", "START TRANSACTION")
    run_sql(OFF[name])
    if name == "completion":
        run_sql("COMMIT")  # begins the next one
    run_sql(TAG)
    run_sql("SELECT 1")
    run_sql(ROOM)
    if name == "xa":
        run_sql("XA END 'live'")
        run_sql("XA PREPARE 'live'")
        run_sql("XA COMMIT 'live'")
    else:
        run_sql("COMMIT")
    assert is_told()
    connections[ALIAS].close()


def test_unlocking_nothing_ends_no_transaction(is_told: IsTold) -> None:
    run_sql("BEGIN")
    run_sql("UNLOCK TABLES")
    run_sql(TAG)
    run_sql("COMMIT")
    assert is_told()


def test_commit_of_the_driver_is_told_with_the_next_statement(is_told: IsTold) -> None:
    connection = connections[ALIAS]
    connection.set_autocommit(False)
    run_sql(TAG)
    connection.connection.commit()
    connection.rollback()
    assert is_told()
    connection.set_autocommit(True)


def test_rollback_of_what_cannot_be_undone_is_told(database: Database, is_told: IsTold) -> None:
    with outside(database) as cursor:
        cursor.execute("ALTER TABLE live_legacy ENGINE = MyISAM")
    with suppress(ZeroDivisionError), atomic():
        run_sql("INSERT INTO live_legacy VALUES (1, 'x')")
        raise ZeroDivisionError
    assert is_told()


@pytest.mark.parametrize("engine", ["MyISAM", "Aria", "MEMORY"])
def test_table_that_no_transaction_covers_is_told_at_once(engine: str, is_told: IsTold) -> None:
    run_sql(f"ALTER TABLE live_legacy ENGINE = {engine}")
    run_sql("SELECT 1")  # the catalog was read
    with atomic():
        run_sql("INSERT INTO live_legacy VALUES (1, 'x')")
        assert is_told()


# Statements that go on when the driver has the first answer.

SLOW = "DO SLEEP(0.3)"


@pytest.mark.parametrize("by", ["close", "nextset", "statement"])
def test_text_of_several_is_told_at_its_end(by: str, is_told: IsTold) -> None:
    cursor = connections[ALIAS].cursor()
    cursor.execute(f"{TAG}; {SLOW}; {ROOM}")
    if by == "nextset":
        while cursor.nextset():
            pass
    elif by == "statement":
        cursor.execute("SELECT 1")
    else:
        cursor.close()
    assert is_told()
    cursor.close()


@pytest.mark.parametrize("by", ["execute", "callproc"])
def test_procedure_is_told_at_its_end(
    by: str, procedures: Callable[[str, str], None], is_told: IsTold
) -> None:
    procedures("live_slow", f"SELECT 1; {SLOW}; {ROOM}")
    with connections[ALIAS].cursor() as cursor:
        if by == "execute":
            cursor.execute("CALL live_slow()")
        else:
            cursor.callproc("live_slow")
        assert cursor.fetchall() == ((1,),)
    assert is_told()


def test_rows_that_come_one_by_one_are_told_at_their_end(
    database: Database, is_told: IsTold
) -> None:
    from MySQLdb.cursors import SSCursor

    parameters = {**database.parameters, "OPTIONS": {"cursorclass": SSCursor}}
    with configured("unbuffered", parameters) as connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO live_tag (name) SELECT 'x' FROM seq_1_to_20000 RETURNING id")
        assert len(cursor.fetchall()) == 20000
        cursor.execute("SELECT 1")
        cursor.fetchall()
    assert is_told()


# What its statements write and read.


@pytest.fixture
def shown(database: Database) -> Iterator[None]:
    """A view of tags, and another database."""
    with outside(database) as cursor:
        cursor.execute("CREATE VIEW live_shown AS SELECT id, name FROM live_tag")
        cursor.execute("CREATE DATABASE beside")
    yield
    connections[ALIAS].close()
    with outside(database) as cursor:
        cursor.execute("DROP VIEW live_shown")
        cursor.execute("DROP DATABASE beside")


WRITES = {
    "backticks": "update `live_tag` set `name` = 'z'",
    "comment with a number sign": "# live_room\nUPDATE live_tag SET name = 'z'",
    "comment that is run": "UPDATE /*! live_tag */ SET name = 'z'",
    "comment that only MariaDB runs": "UPDATE /*M! live_room, */ live_tag SET live_tag.name = 'z'",
    "comment that hides": "UPDATE /*M!999999 live_room -- */ live_tag SET name = 'z'",
    "with a setting": "SET STATEMENT lock_wait_timeout = 9 FOR UPDATE live_tag SET name = 'z'",
    "analyze": "ANALYZE UPDATE live_tag SET name = 'z'",
    "analyze with a format": "ANALYZE FORMAT=JSON DELETE FROM live_tag",
    "block": "BEGIN NOT ATOMIC UPDATE live_tag SET name = 'z'; END",
    "condition": "IF 1 THEN UPDATE live_tag SET name = 'z'; END IF",
    "prepared": "PREPARE live FROM 'UPDATE live_tag SET name = ''z'''; EXECUTE live",
    "immediate": "EXECUTE IMMEDIATE 'UPDATE live_tag SET name = ''z'''",
    "two tables": "UPDATE live_note n, live_tag t SET n.text = 'z', t.name = 'z'",
    "joined": "UPDATE live_note n JOIN live_tag t ON n.id = t.id SET t.name = 'z'",
    "view": "UPDATE live_shown SET name = 'z'",
    "view beside": "UPDATE live_note n, live_shown s SET s.name = 'z'",
    "view joined": "UPDATE live_note n INNER JOIN live_shown s ON n.id = s.id SET s.name = 'z'",
    "view first": "UPDATE live_shown s, live_note n SET s.name = 'z'",
    "delete": "DELETE FROM live_tag",
    "delete of two": "DELETE live_note, live_tag FROM live_note JOIN live_tag",
    "delete of an alias": "DELETE t FROM live_note n JOIN live_tag t",
    "delete using": "DELETE FROM t USING live_note n JOIN live_tag t",
    "delete of a name that another bears": "DELETE live_note FROM live_tag AS live_note",
    "replace": "REPLACE INTO live_tag (id, name) VALUES (1, 'z')",
    "replace set": "REPLACE live_tag SET id = 1, name = 'z'",
    "insert set": "INSERT INTO live_tag SET name = 'z'",
    "on duplicate": "INSERT live_tag (id, name) VALUES (1, 'a') ON DUPLICATE KEY UPDATE name = 'z'",
    "into a variable": "SELECT name INTO @live FROM live_tag; UPDATE live_tag SET name = 'z'",
    "with the database": "UPDATE first.live_tag SET name = 'z'",
    "with spaces": "UPDATE first . live_tag SET name = 'z'",
}


@pytest.mark.parametrize("name", WRITES)
def test_write_wakes_who_reads_it(name: str, shown: None, story: Story) -> None:
    def write() -> None:
        with connections[ALIAS].cursor() as cursor:
            cursor.execute(WRITES[name])

    before = list(Tag.objects.values_list())
    assert story.wakes(lambda: list(Tag.objects.values_list()), write)
    assert list(Tag.objects.values_list()) != before


def test_file_that_is_loaded_is_told(tmp_path: Path, database: Database, story: Story) -> None:
    path = tmp_path / "tags"
    path.write_text("7\tloaded\n")
    options = {"local_infile": True}
    with configured("loading", {**database.parameters, "OPTIONS": options}) as connection:

        def write() -> None:
            with connection.cursor() as cursor:
                cursor.execute(f"LOAD DATA LOCAL INFILE '{path}' INTO TABLE live_tag (id, name)")

        assert story.wakes(Tag.objects.count, write)
    assert Tag.objects.get(pk=7).name == "loaded"


READS = {
    "temporary table": (
        "CREATE TEMPORARY TABLE live_made SELECT * FROM live_tag",
        "SELECT * FROM live_made",
        "DROP TEMPORARY TABLE live_made",
    ),
    "temporary table in parentheses": (
        "CREATE TEMPORARY TABLE live_made (name varchar(50)) (SELECT name FROM live_tag)",
        "SELECT * FROM live_made",
        "DROP TEMPORARY TABLE live_made",
    ),
    "temporary table with a computed column": (
        "CREATE TEMPORARY TABLE live_made (n int AS (1)) IGNORE SELECT name FROM live_tag",
        "SELECT * FROM live_made",
        "DROP TEMPORARY TABLE live_made",
    ),
    "variable": ("SET @live = (SELECT name FROM live_tag)", "SELECT @live"),
    "variable of a query": ("SELECT name INTO @live FROM live_tag", "SELECT @live"),
    "setting": ("SET STATEMENT max_statement_time = 9 FOR SELECT * FROM live_tag",),
    "handler": ("HANDLER live_tag OPEN", "HANDLER live_tag READ FIRST", "HANDLER live_tag CLOSE"),
    "view": ("SELECT * FROM live_shown",),
    "text with quotes": ('SELECT * FROM live_tag WHERE name <> "it\'s"',),
    "text with a backslash": (r"SELECT 'it\'s', name FROM live_tag WHERE name <> '\''",),
    "definition": ("SHOW CREATE TABLE live_tag",),
    "sizes": (
        "SELECT auto_increment FROM information_schema.tables WHERE table_name = 'live_tag'",
    ),
}


@pytest.mark.parametrize("name", READS)
def test_read_is_recorded(name: str, shown: None, story: Story) -> None:
    def view() -> None:
        with connections[ALIAS].cursor() as cursor:
            for sql in READS[name]:
                cursor.execute(sql)

    assert story.wakes(view, lambda: Tag.objects.create(name="x"))


# Temporary tables, of which another database may have one by the same name.

HIDES_NOTHING = {
    "of another database": ["CREATE TEMPORARY TABLE beside.live_tag (id int, name varchar(50))"],
    "of another database in use": [
        "USE beside",
        "CREATE TEMPORARY TABLE live_tag (id int, name varchar(50))",
        "USE first",
    ],
    "that is gone": [
        "CREATE TEMPORARY TABLE live_tag (id int, name varchar(50))",
        "DROP TEMPORARY TABLE live_tag",
    ],
}


@pytest.mark.parametrize("name", HIDES_NOTHING)
def test_temporary_table_hides_nothing(name: str, shown: None, story: Story) -> None:
    for sql in HIDES_NOTHING[name]:
        run_sql(sql)
    assert story.wakes(Tag.objects.count, lambda: run_sql(TAG))
    connections[ALIAS].close()


def test_temporary_table_is_its_connections(published: Published) -> None:
    Tag.objects.count()
    published.clear()
    run_sql("CREATE TEMPORARY TABLE live_tag (id int, name varchar(50))")
    run_sql("INSERT INTO live_tag VALUES (1, 'x')")
    run_sql("DROP TEMPORARY TABLE live_tag")
    assert published.tables() == set()


# What the database does by itself.


@pytest.fixture
def leaves() -> None:
    Branch.objects.create(pk=1, name="a")
    Leaf.objects.create(pk=1, branch_id=1, text="a")


CASCADES = {
    "delete": "DELETE FROM live_branch",
    "replace": "REPLACE INTO live_branch (id, name) VALUES (1, 'b')",
    "update": "UPDATE live_branch SET id = 2",
    "on duplicate": "INSERT live_branch (id, name) VALUES (1, 'b') ON DUPLICATE KEY UPDATE id = 2",
    "joined delete": "DELETE b FROM live_branch b JOIN live_tag t",
}


@pytest.mark.parametrize("name", CASCADES)
def test_rows_that_the_database_changes_are_told(name: str, leaves: None, story: Story) -> None:
    before = list(Leaf.objects.values_list())
    assert story.wakes(lambda: list(Leaf.objects.values_list()), lambda: run_sql(CASCADES[name]))
    assert list(Leaf.objects.values_list()) != before


@pytest.mark.parametrize("name", ["update", "truncate"])
def test_catalog_says_what_wakes_nobody(name: str, leaves: None, story: Story) -> None:
    sql = {"update": "UPDATE live_room SET name = 'z'", "truncate": "TRUNCATE live_legacy"}[name]
    Leaf.objects.count()
    assert not story.wakes(Leaf.objects.count, lambda: run_sql(sql))


TRIGGERS = {
    "statement": "INSERT INTO live_tag (name) VALUES ('x')",
    "several": "BEGIN DECLARE n int; SET n = 1; UPDATE `live_tag` SET name = n; END",
    "procedure": "CALL live_called()",
}


@pytest.mark.parametrize("name", TRIGGERS)
@pytest.mark.parametrize("verb", ["INSERT INTO", "REPLACE INTO"])
def test_trigger_is_told(
    verb: str,
    name: str,
    procedures: Callable[[str, str], None],
    story: Story,
) -> None:
    procedures("live_deeper", "UPDATE live_tag SET name = 'x'")
    procedures("live_called", "CALL live_deeper()")
    run_sql(
        f"CREATE TRIGGER live_trigger AFTER INSERT ON live_legacy FOR EACH ROW {TRIGGERS[name]}"
    )
    before = list(Tag.objects.values_list())
    assert story.wakes(
        lambda: list(Tag.objects.values_list()),
        lambda: run_sql(f"{verb} live_legacy VALUES (1, 'x')"),
    )
    assert list(Tag.objects.values_list()) != before


# Aliases of one server.


def test_table_of_another_alias_on_the_server_is_told(
    database: Database, shown: None, story: Story
) -> None:
    with outside(database) as cursor:
        cursor.execute("CREATE TABLE beside.live_tag AS SELECT * FROM first.live_tag")
    with configured("beside", {**database.parameters, "NAME": "beside"}):
        assert story.wakes(
            lambda: list(Tag.objects.using("beside").values_list()),
            lambda: run_sql("UPDATE beside.live_tag SET name = 'z'"),
        )
        assert story.wakes(
            lambda: run_sql("SELECT * FROM beside.live_tag"),
            lambda: Tag.objects.using("beside").update(name="y"),
        )


# A view reads in a snapshot that is not older than the run.


@pytest.mark.parametrize("level", ["repeatable read", "read committed", "serializable", None])
def test_snapshot_is_taken_in_the_run(level: str | None, database: Database, story: Story) -> None:
    parameters = {**database.parameters, "OPTIONS": {"isolation_level": level}}
    with configured("level", parameters):

        def view() -> list[Any]:
            with transaction.atomic(using="level"):
                return list(Note.objects.using("level").values_list())

        before = view()
        assert story.wakes(view, lambda: Note.objects.update(text="z"))
        assert view() != before
        Room.objects.count()
