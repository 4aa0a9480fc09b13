"""What statements of MySQL do to a transaction, and what they run or make."""

import pytest

from wsrequest.live.sql.analyzer import parse
from wsrequest.live.sql.statement import ANYTHING, Names, Statement

NAMES = Names(frozenset({"note", "tag"}))


def statement(sql: str) -> Statement:
    return parse(sql, "mysql", NAMES)


@pytest.mark.parametrize(
    ("sql", "begins", "commits", "obscures"),
    [
        ("SELECT 1", "", False, False),
        ("UPDATE note SET a = 1", "", False, False),
        ("START TRANSACTION READ ONLY", "begin", True, False),
        ("BEGIN WORK", "begin", True, False),
        ("START SLAVE", "commit", True, False),
        ("COMMIT WORK AND NO CHAIN", "commit", True, False),
        ("COMMIT AND CHAIN", "begin", True, False),
        ("ROLLBACK", "rollback", False, False),
        ("ROLLBACK AND CHAIN", "begin", False, False),
        ("ROLLBACK TO SAVEPOINT a", "", False, False),
        ("SAVEPOINT a", "", False, False),
        ("CREATE TABLE x (a int)", "commit", True, False),
        ("CREATE TEMPORARY TABLE x (a int)", "", False, False),
        ("DROP TEMPORARY TABLE x", "", False, False),
        ("LOAD DATA INFILE 'x' INTO TABLE note", "", False, False),
        ("LOAD INDEX INTO CACHE note", "commit", True, False),
        ("LOCK TABLES note WRITE", "commit", True, False),
        ("UNLOCK TABLES", "", True, True),
        ("SET @x = 1", "", False, False),
        ("SET autocommit = 0", "", True, True),
        ("SET @x = 1, @@SESSION.`autocommit` = %s", "", True, True),
        ("SET completion_type = 1", "", True, True),
        ("BEGIN; CREATE TABLE x (a int)", "commit", True, False),
        ("CREATE TABLE x (a int); BEGIN", "begin", True, False),
        ("BEGIN; UNLOCK TABLES", "begin", True, True),
        ("CALL x()", "", False, True),
        ("BEGIN NOT ATOMIC COMMIT; END", "", False, True),
    ],
)
def test_transaction(sql: str, begins: str, commits: bool, obscures: bool) -> None:
    found = statement(sql)
    assert (found.begins, found.commits, found.obscures) == (begins, commits, obscures)


@pytest.mark.parametrize(
    ("sql", "writes"),
    [
        ("SET STATEMENT a = 1, b = 2 FOR DELETE FROM note", {"note"}),
        ("SET STATEMENT a = 1", None),
        ("ANALYZE FORMAT=JSON UPDATE note SET a = 1", {"note"}),
        ("ANALYZE TABLE note", set()),
        ("ANALYZE LOCAL TABLE note PERSISTENT FOR COLUMNS (a) INDEXES ()", set()),
        ("INSERT INTO note SELECT * FROM tag", {"note"}),
        ("REPLACE INTO note SELECT * FROM tag", {"note"}),
        ("UPDATE note, tag SET tag.a = 1", {"note", "tag"}),
        ("UPDATE note, unknown SET unknown.a = 1", None),
        ("UPDATE note SET a = (SELECT 1 FROM unknown)", None),
        ("DELETE note FROM note JOIN unknown", None),
        ("DELETE FROM note", {"note"}),
        ("SELECT a INTO @x FROM note", set()),
        ("SELECT a INTO OUTFILE 'x' FROM note", set()),
        ("SELECT NEXT VALUE FOR x", {"* sequences"}),
        ("CREATE TEMPORARY TABLE other.note (a int)", {"note", "* schema"}),
        ("ABORT", None),
    ],
)
def test_writes(sql: str, writes: set[str] | None) -> None:
    assert statement(sql).writes == writes


@pytest.mark.parametrize(
    ("sql", "reads"),
    [
        ("CREATE TEMPORARY TABLE x SELECT * FROM note", {"note"}),
        ("CREATE TEMPORARY TABLE x (a int AS (1)) (SELECT * FROM note)", {"note"}),
        ("CREATE TEMPORARY TABLE x AS WITH y AS (SELECT * FROM note) SELECT * FROM y", {"note"}),
        ("CREATE TEMPORARY TABLE x LIKE note", set()),
        ("SET @x = (SELECT a FROM note)", {"note"}),
        ("SHOW CREATE TABLE note", None),
        ("SHOW TABLES", {"* schema"}),
    ],
)
def test_reads(sql: str, reads: set[str] | None) -> None:
    assert statement(sql).reads == reads


def test_names_before_a_dot_may_be_databases() -> None:
    found = statement("UPDATE other.note AS n, `more`.tag SET n.a = 1; DELETE FROM third . note")
    assert found.qualifiers == {"other", "more", "n", "third"}


@pytest.mark.parametrize("sql", ["USE other", "ROLLBACK"])
def test_what_is_temporary_may_be_another(sql: str) -> None:
    assert statement(sql).effects == (("forget", ""),)


def test_comment_that_some_servers_run_is_anything() -> None:
    assert statement("UPDATE /*!99999 note -- */ tag SET a = 1") is ANYTHING
