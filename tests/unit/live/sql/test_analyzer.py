"""Which tables a text reads and writes."""

from typing import Any

import pytest

from wsrequest.live.sql.analyzer import parse
from wsrequest.live.sql.functions import SCHEMA
from wsrequest.live.sql.statement import Names, Statement, Tables

NAMES = Names(
    frozenset({"note", "notebook", "tag", "note_tags", "größe".casefold(), "a note"}),
    functions={"count_up": frozenset({"tag"})},
)
ANY: Tables = None


def statement(sql: str, vendor: str = "postgresql") -> Statement:
    return parse(sql, vendor, NAMES)


def tables(*names: str) -> Tables:
    return frozenset(names)


@pytest.mark.parametrize(
    ("sql", "reads"),
    [
        pytest.param('SELECT "note"."id" FROM "note"', tables("note"), id="plain"),
        pytest.param("select * from NOTE", tables("note"), id="case"),
        pytest.param('SELECT 1 FROM "s"."note"', tables("note"), id="schema"),
        pytest.param('SELECT 1 FROM "notebook"', tables("notebook"), id="longer-name"),
        pytest.param('SELECT 1 FROM "Größe"', tables("grösse"), id="not-ascii"),
        pytest.param('SELECT 1 FROM "a note"', tables("a note"), id="space-in-the-name"),
        pytest.param("SELECT 'tag' FROM note", tables("note"), id="text-is-no-name"),
        pytest.param("SELECT 1 /* tag */ FROM note -- tag", tables("note"), id="comments"),
        pytest.param("SELECT 1 FROM note, tag", tables("note", "tag"), id="comma"),
        pytest.param("SELECT 1 FROM note, nowhere", ANY, id="comma-and-unknown"),
        pytest.param(
            'SELECT 1 FROM "note" LEFT OUTER JOIN "tag" T3 ON ("note"."id" = T3."id")',
            tables("note", "tag"),
            id="join",
        ),
        pytest.param("SELECT 1 FROM (note JOIN nowhere ON true)", ANY, id="join-in-parentheses"),
        pytest.param("SELECT 1 FROM (note x, nowhere y)", ANY, id="comma-in-parentheses"),
        pytest.param("SELECT 1 FROM nowhere", ANY, id="unknown"),
        pytest.param("SELECT 1 FROM note JOIN nowhere ON true", ANY, id="unknown-is-joined"),
        pytest.param("SELECT (SELECT 1 FROM nowhere) FROM note", ANY, id="unknown-in-a-subquery"),
        pytest.param(
            "SELECT 1 FROM note WHERE NOT EXISTS(SELECT 1 AS a FROM tag U0 WHERE U0.id = note.id)",
            tables("note", "tag"),
            id="exists",
        ),
        pytest.param(
            "SELECT CASE WHEN id IN (SELECT note_id FROM note_tags) THEN 1 END FROM note",
            tables("note", "note_tags"),
            id="case",
        ),
        pytest.param("(SELECT 1 FROM note) UNION (SELECT 1 FROM tag)", tables("note", "tag")),
        pytest.param("(SELECT 1 FROM note) UNION SELECT 1 FROM nowhere", ANY, id="union-unknown"),
        pytest.param("SELECT 1 FROM note UNION ALL SELECT 1 FROM nowhere", ANY, id="union-bare"),
        pytest.param("WITH x AS (SELECT 1 FROM note) SELECT * FROM x", tables("note"), id="cte"),
        pytest.param(
            "WITH RECURSIVE x (a, b) AS (SELECT 1, 2 FROM note UNION SELECT a, b FROM x), "
            "y AS NOT MATERIALIZED (SELECT * FROM x) SELECT * FROM y JOIN x ON true",
            tables("note"),
            id="cte-recursive",
        ),
        pytest.param("WITH x AS (SELECT 1 FROM x) SELECT * FROM x", ANY, id="cte-shadows"),
        pytest.param(
            "SELECT EXTRACT(YEAR FROM note.made AT TIME ZONE 'UTC') FROM note",
            tables("note"),
            id="from-in-a-function",
        ),
        pytest.param(
            "SELECT 1 FROM note WHERE a IS DISTINCT FROM b AND c IS NOT DISTINCT FROM d",
            tables("note"),
            id="distinct-from",
        ),
        pytest.param("SELECT REPLACE(a, 'b', 'c') FROM note", tables("note"), id="replace"),
        pytest.param("SELECT 1 FROM note WHERE a = (REPLACE(b, 'c', 'd'))", tables("note")),
        pytest.param("SELECT * FROM generate_series(1, 3) n, note", tables("note"), id="series"),
        pytest.param("SELECT * FROM report(1)", ANY, id="function-that-may-read"),
        pytest.param("SELECT 1 FROM note FOR UPDATE OF note", tables("note"), id="for-update"),
        pytest.param("SELECT 1", tables(), id="no-table"),
        pytest.param("VALUES (1)", tables(), id="values"),
        pytest.param("TABLE note", tables("note"), id="table"),
        pytest.param("TABLE nowhere", ANY, id="table-unknown"),
        pytest.param("COPY note TO STDOUT", tables("note"), id="copy-to"),
        pytest.param("COPY (SELECT 1 FROM tag) TO STDOUT", tables("tag"), id="copy-query-to"),
        pytest.param("DECLARE c CURSOR FOR SELECT 1 FROM note", tables("note"), id="declare"),
        pytest.param("EXPLAIN SELECT 1 FROM note", tables(), id="explain"),
        pytest.param("PRAGMA table_info(note)", tables(SCHEMA), id="pragma-of-the-schema"),
        pytest.param("PRAGMA main.index_list('note')", tables(SCHEMA), id="pragma-of-a-database"),
        pytest.param("PRAGMA foreign_keys", tables(), id="pragma-of-the-connection"),
        pytest.param("PRAGMA data_version", ANY, id="pragma-of-all-that-is-stored"),
        pytest.param("SELECT query_to_xml('SELECT 1 FROM tag', true, true, '')", ANY, id="text"),
        pytest.param("SELECT pg_sequence_last_value('s')", tables("* sequences"), id="sequence"),
        pytest.param("FETCH ALL FROM c", ANY, id="fetch-from-what-nobody-declared"),
        pytest.param("MOVE 5 IN c", tables(), id="move"),
        pytest.param("CLOSE c", tables(), id="close"),
        pytest.param("LOCK TABLE note IN SHARE MODE", tables(), id="lock"),
        pytest.param("ANALYZE note", tables(), id="analyze"),
        pytest.param("VACUUM note", tables(), id="vacuum"),
        pytest.param("SET LOCAL statement_timeout = 5", tables(), id="set"),
        pytest.param("ATTACH DATABASE 'a' AS b", tables(), id="attach"),
        pytest.param("PREPARE p AS SELECT 1 FROM note", tables(), id="prepare"),
        pytest.param("CREATE TEMP TABLE x AS SELECT * FROM note", tables("note"), id="temporary"),
        pytest.param("CREATE TEMPORARY TABLE IF NOT EXISTS x (a int)", tables(), id="temporary-2"),
        pytest.param("CREATE OR REPLACE TEMP VIEW x AS SELECT 1 FROM note", tables(), id="view"),
        pytest.param("SELECT * INTO TEMP TABLE x FROM note", tables("note"), id="into-temporary"),
        pytest.param(
            "SELECT 1 FROM (WITH x AS (SELECT 1) SELECT * FROM x) y, x", ANY, id="cte-elsewhere"
        ),
        pytest.param("SELECT 1 FROM s.x, (WITH x AS (SELECT 1) SELECT 2) y", ANY, id="schema-cte"),
        pytest.param(
            "SELECT 1 FROM note JOIN tag ON note.limit = 1, nowhere", ANY, id="word-for-a-column"
        ),
        pytest.param("SELECT 1 FROM note --\rJOIN nowhere ON true", ANY, id="carriage-return"),
        pytest.param("SELECT 1 FROM note\u0301", ANY, id="combining-mark"),
        pytest.param("SELECT 1 FROM note\u00a0x", ANY, id="space-that-is-a-letter"),
        pytest.param('SAVEPOINT "note"', tables(), id="savepoint"),
        pytest.param("SHOW note", tables(), id="show"),
        pytest.param("", tables(), id="nothing"),
        pytest.param(";", tables(), id="nothing-but-its-end"),
    ],
)
def test_read_names_its_tables(sql: str, reads: Tables) -> None:
    found = statement(sql)
    assert found.reads == reads
    assert found.writes == frozenset()


@pytest.mark.parametrize(
    ("sql", "writes"),
    [
        pytest.param('INSERT INTO "note" ("a") VALUES (%s)', tables("note"), id="insert"),
        pytest.param("INSERT INTO note SELECT * FROM tag", tables("note"), id="insert-select"),
        pytest.param("INSERT INTO nowhere SELECT * FROM tag", ANY, id="insert-into-unknown"),
        pytest.param("INSERT OR REPLACE INTO note VALUES (1)", tables("note"), id="insert-or"),
        pytest.param("REPLACE INTO note VALUES (1)", tables("note"), id="replace"),
        pytest.param('UPDATE "note" SET "tag" = %s', tables("note"), id="update"),
        pytest.param("UPDATE ONLY s.note AS n SET a = 1", tables("note"), id="update-only"),
        pytest.param("UPDATE note SET a = 1 FROM tag", tables("note"), id="update-from"),
        pytest.param('DELETE FROM "note" WHERE a = 1', tables("note"), id="delete"),
        pytest.param("DELETE FROM note USING tag", tables("note"), id="delete-using"),
        pytest.param(
            "MERGE INTO note USING tag ON true WHEN MATCHED THEN DELETE", tables("note"), id="merge"
        ),
        pytest.param(
            "INSERT INTO note (a) VALUES (1) ON CONFLICT DO UPDATE SET a = 2",
            tables("note"),
            id="upsert",
        ),
        pytest.param(
            "WITH gone AS (DELETE FROM note RETURNING *) INSERT INTO tag SELECT * FROM gone",
            tables("note", "tag"),
            id="with-two",
        ),
        pytest.param(
            "WITH x AS (SELECT 1 FROM tag) UPDATE note SET a = 1", tables("note"), id="with-update"
        ),
        pytest.param("WITH x AS (DELETE FROM nowhere) SELECT 1", ANY, id="with-unknown"),
        pytest.param('TRUNCATE "note", "tag" RESTART IDENTITY', tables("note", "tag")),
        pytest.param("TRUNCATE TABLE ONLY note, nowhere", ANY, id="truncate-unknown"),
        pytest.param("COPY note (a, b) FROM STDIN", tables("note"), id="copy"),
        pytest.param("COPY nowhere FROM STDIN", ANY, id="copy-unknown"),
        pytest.param("ALTER TABLE note ADD COLUMN b int", tables("note", SCHEMA), id="alter"),
        pytest.param("CREATE INDEX i ON note (a)", tables("note", SCHEMA), id="create"),
        pytest.param("DROP TABLE note CASCADE", tables("note", SCHEMA), id="drop"),
        pytest.param("DROP VIEW nowhere", ANY, id="drop-unknown"),
        pytest.param("REFRESH MATERIALIZED VIEW note", tables("note", SCHEMA), id="refresh"),
        pytest.param("LOAD DATA INFILE 'a' INTO TABLE note", tables("note", SCHEMA), id="load"),
        pytest.param("CREATE TEMP TABLE note (a int)", tables(), id="hides-a-table"),
        pytest.param("SELECT * INTO TEMP note FROM tag", tables(), id="into-hides-a-table"),
        pytest.param("CREATE TEMP TABLE x () INHERITS (note)", tables("note", SCHEMA), id="child"),
        pytest.param("PRAGMA user_version = 5", tables(SCHEMA), id="pragma"),
        pytest.param("SELECT nextval('s')", tables("* sequences"), id="nextval"),
        pytest.param("SELECT setval('s', 5)", tables("* sequences"), id="setval"),
        pytest.param("SELECT 1note", ANY, id="number-runs-into-a-name"),
        pytest.param("SELECT * INTO copied FROM note", ANY, id="select-into"),
        pytest.param("SELECT count_up(1)", tables("tag"), id="function-that-writes"),
        pytest.param("CALL anything()", ANY, id="call"),
        pytest.param("DO $$ BEGIN END $$", ANY, id="do"),
        pytest.param("EXECUTE prepared", ANY, id="execute"),
        pytest.param("COMMIT PREPARED 'a'", ANY, id="commit-prepared"),
        pytest.param("EXPLAIN ANALYZE DELETE FROM note", tables("note"), id="explain-analyze"),
        pytest.param("EXPLAIN (ANALYZE) UPDATE note SET a = 1", tables("note")),
        pytest.param("FROBNICATE note", ANY, id="unknown-verb"),
        pytest.param('UPDATE "note', ANY, id="unparsable"),
        pytest.param("SELECT 1; DELETE FROM note; SELECT 2", tables("note"), id="several"),
        pytest.param("DELETE FROM note; DELETE FROM nowhere", ANY, id="several-one-unknown"),
    ],
)
def test_write_names_its_tables(sql: str, writes: Tables) -> None:
    assert statement(sql).writes == writes


@pytest.mark.parametrize(
    ("sql", "reads"),
    [
        pytest.param("INSERT INTO note SELECT * FROM tag", tables("tag"), id="insert-select"),
        pytest.param("UPDATE note SET a = (SELECT 1 FROM tag)", tables("tag"), id="subquery"),
        pytest.param("UPDATE note SET a = 1 WHERE b = 2", tables(), id="update-is-no-read"),
        pytest.param("UPDATE note SET a = 1 RETURNING a", tables("note"), id="returning"),
        pytest.param("INSERT INTO note (a) VALUES (1) RETURNING id", tables(), id="new-row"),
        pytest.param(
            "INSERT INTO note (a) VALUES (1) ON CONFLICT (a) DO UPDATE SET b = 2 RETURNING old.b",
            tables("note"),
            id="old-row",
        ),
        pytest.param("INSERT OR IGNORE INTO note (a) VALUES (1) RETURNING a", tables("note")),
        pytest.param("DELETE FROM note WHERE a IN (SELECT a FROM note)", tables("note")),
        pytest.param("UPDATE note SET a = (SELECT 1 FROM nowhere)", ANY, id="unknown"),
    ],
)
def test_write_reads_what_it_needs(sql: str, reads: Tables) -> None:
    assert statement(sql).reads == reads


def test_mysql_may_change_each_table_that_it_names() -> None:
    sql = "UPDATE `note` INNER JOIN `tag` ON true SET `note`.`a` = 1, `tag`.`a` = 1"
    assert statement(sql, "mysql").writes == {"note", "tag"}


@pytest.mark.parametrize("vendor", ["mysql", "oracle", "microsoft"])
def test_rows_are_not_told_apart_where_comparisons_are_not_known(vendor: str) -> None:
    names = Names(frozenset({"note"}), {"note": {"id": "int"}})
    assert parse("SELECT 1 FROM note WHERE note.id = %s", vendor, names).narrowed == ()
    assert parse("DELETE FROM note WHERE id = %s", vendor, names).written is None


def test_block_of_oracle_may_do_anything() -> None:
    assert statement("BEGIN note_api.run; END;", "oracle").writes is None
    assert statement("BEGIN", "postgresql").writes == frozenset()


@pytest.mark.parametrize(
    ("sql", "deletes", "cascades", "returns_rows"),
    [
        pytest.param("INSERT INTO note (a) VALUES (1)", False, False, False, id="insert"),
        pytest.param("INSERT INTO note (a) VALUES (1) RETURNING a", False, False, True),
        pytest.param("UPDATE note SET a = 1", False, False, False, id="update"),
        pytest.param("DELETE FROM note", True, False, False, id="delete"),
        pytest.param("INSERT OR REPLACE INTO note VALUES (1)", True, False, False, id="or-replace"),
        pytest.param("WITH x AS (DELETE FROM note) SELECT 1", True, False, False, id="with"),
        pytest.param("TRUNCATE note", True, False, False, id="truncate"),
        pytest.param("TRUNCATE note CASCADE", True, True, False, id="truncate-cascade"),
        pytest.param("SELECT 1; DELETE FROM note RETURNING a", True, False, True, id="several"),
    ],
)
def test_write_says_how_far_it_goes(
    sql: str, deletes: bool, cascades: bool, returns_rows: bool
) -> None:
    found = statement(sql)
    assert (found.deletes, found.cascades, found.returns_rows) == (deletes, cascades, returns_rows)


@pytest.mark.parametrize(
    ("sql", "executes"),
    [
        pytest.param('EXECUTE "P"', "P", id="execute"),
        pytest.param("EXECUTE P", "p", id="execute-folded"),
        pytest.param('FETCH ALL FROM "C"', "C", id="fetch"),
        pytest.param("FETCH ALL FROM C", "c", id="fetch-folded"),
    ],
)
def test_name_of_what_is_executed_is_exact(sql: str, executes: str) -> None:
    assert statement(sql).executes == executes


@pytest.mark.parametrize(
    ("sql", "effects", "writes"),
    [
        pytest.param("PRAGMA main.temp_store = 2", [("forget", "")], tables(), id="word"),
        pytest.param("PRAGMA main.'temp_store' = 2", [("forget", "")], ANY, id="text"),
        pytest.param("PRAGMA 'temp_store'(2)", [("forget", "")], ANY, id="text-first"),
        pytest.param("PRAGMA main.'user_version' = 2", [("forget", "")], ANY, id="any-text"),
        pytest.param("PRAGMA table_info('note')", [], tables(), id="text-as-value"),
        pytest.param("PRAGMA main.journal_mode = 'wal'", [], tables(), id="text-is-set"),
    ],
)
def test_sqlite_takes_a_text_for_the_name_of_a_pragma(
    sql: str, effects: list[Any], writes: Tables
) -> None:
    found = statement(sql, "sqlite")
    assert list(found.effects) == effects
    assert found.writes == writes


@pytest.mark.parametrize(
    ("sql", "unqualified", "writes", "reads"),
    [
        pytest.param("INSERT INTO x SELECT 1 FROM note", {"x", "note"}, tables(), tables("note")),
        pytest.param("SELECT 1 FROM x JOIN note ON true", {"x", "note"}, tables(), tables("note")),
        pytest.param("DELETE FROM pg_temp.x USING note", {"x", "note"}, tables(), tables("note")),
        pytest.param("UPDATE x SET a = 1", {"x"}, tables(), tables()),
        pytest.param("TRUNCATE x", {"x"}, tables(), tables()),
        pytest.param("COPY x FROM STDIN", {"x"}, tables(), tables()),
        pytest.param("DROP TABLE IF EXISTS x", {"x"}, tables(), tables()),
        pytest.param("CREATE UNIQUE INDEX i ON x (a)", {"x"}, tables(), tables()),
        pytest.param("INSERT INTO public.x VALUES (1)", set(), ANY, tables()),
        pytest.param("INSERT INTO temp.x VALUES (1)", set(), ANY, tables()),
        pytest.param('INSERT INTO "X" VALUES (1)', {"X"}, ANY, tables()),
        pytest.param("SELECT 1 FROM public.x", set(), tables(), ANY),
        pytest.param("SELECT 1 FROM x JOIN y ON true", {"x", "y"}, tables(), ANY),
        pytest.param("DROP TABLE x, note", {"note", "x"}, tables("note", SCHEMA), tables("note")),
        pytest.param("PREPARE p AS INSERT INTO x VALUES (1)", set(), tables(), tables()),
    ],
)
def test_temporary_table_concerns_nobody_else(
    sql: str, unqualified: set[str], writes: Tables, reads: Tables
) -> None:
    assert statement(sql).unqualified == unqualified
    found = parse(sql, "postgresql", NAMES, frozenset({"x"}))
    assert found.writes == writes
    assert found.reads == reads


@pytest.mark.parametrize(
    ("sql", "writes", "reads"),
    [
        pytest.param('UPDATE "note" SET "a" = %s WHERE "note"."id" = 1', tables(), tables()),
        pytest.param('SELECT "note"."a" FROM "note"', tables(), tables()),
        pytest.param("SELECT U0.a FROM note U0 JOIN tag ON true", tables(), tables("tag")),
        pytest.param("DELETE FROM note USING note AS n", tables(), tables()),
        pytest.param("TRUNCATE note", tables(), tables()),
        pytest.param("DROP TABLE note", tables(), tables()),
        pytest.param("CREATE INDEX i ON note (a)", tables(), tables()),
        pytest.param("UPDATE public.note SET a = 1", tables("note"), tables()),
        pytest.param("SELECT 1 FROM public.note", tables(), tables("note")),
        pytest.param("INSERT INTO note SELECT * FROM public.note", tables(), tables("note")),
        pytest.param("INSERT INTO public.note SELECT * FROM note", tables("note"), tables()),
        pytest.param("SELECT note FROM note", tables(), tables("note"), id="in-doubt"),
        pytest.param("WITH tag AS (SELECT 1 FROM note) SELECT 1 FROM tag", tables(), tables("tag")),
        pytest.param('UPDATE "Note" SET a = 1', tables("note"), tables(), id="another-name"),
        pytest.param("INSERT INTO note SELECT count_up(1)", tables("tag"), tables()),
        pytest.param("DROP TABLE note; UPDATE note SET a = 1", tables("note"), tables()),
        pytest.param("ROLLBACK; UPDATE note SET a = 1", tables("note"), tables()),
        pytest.param("PREPARE p AS UPDATE note SET a = 1", tables(), tables()),
    ],
)
def test_temporary_table_hides_the_table_of_its_name(
    sql: str, writes: Tables, reads: Tables
) -> None:
    found = parse(sql, "postgresql", NAMES, frozenset({"note"}))
    assert found.writes == writes
    assert found.reads == reads
    assert found.written is None or found.writes == {"note"}
    if found.prepared is not None:
        assert found.prepared.writes == {"note"}
