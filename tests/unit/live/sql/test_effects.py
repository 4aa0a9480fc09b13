"""How a statement changes the state of its connection."""

from typing import Any

import pytest

from wsrequest.live.sql.analyzer import parse
from wsrequest.live.sql.effects import Effect, Effects, made_by_into
from wsrequest.live.sql.statement import Names
from wsrequest.live.sql.tokenizer import tokenize

NAMES = Names(frozenset({"note", "tag"}))


def effects_of(sql: str, vendor: str = "postgresql") -> tuple[Effect, ...]:
    return parse(sql, vendor, NAMES).effects


@pytest.mark.parametrize(
    ("sql", "effects"),
    [
        pytest.param("CREATE TEMP TABLE x (a int)", [("table", "x")], id="table"),
        pytest.param("CREATE LOCAL TEMP TABLE temp.x (a int)", [("table", "x")], id="schema"),
        pytest.param(
            "CREATE TEMP TABLE x (a int) ON COMMIT DROP", [("table until commit", "x")], id="drops"
        ),
        pytest.param("SELECT 1 INTO TEMP x", [("table", "x")], id="into"),
        pytest.param("CREATE TEMP VIEW x AS SELECT 1", [("view", "x")], id="view"),
        pytest.param("DECLARE c CURSOR FOR SELECT 1", [("declare", "c")], id="cursor"),
        pytest.param("DECLARE c CURSOR WITH HOLD FOR SELECT 1", [("declare hold", "c")], id="hold"),
        pytest.param("PREPARE p AS SELECT 1", [("prepare", "p")], id="prepare"),
        pytest.param("DEALLOCATE PREPARE p", [("deallocate", "p")], id="deallocate"),
        pytest.param('DECLARE "C" CURSOR FOR SELECT 1', [("declare", "C")], id="cursor-exact"),
        pytest.param('PREPARE "P" AS SELECT 1', [("prepare", "P")], id="prepare-exact"),
        pytest.param("PREPARE P AS SELECT 1", [("prepare", "p")], id="prepare-folded"),
        pytest.param("CLOSE C", [("close", "c")], id="close"),
        pytest.param("CLOSE ALL", [("close all", "")], id="close-all"),
        pytest.param('CLOSE "all"', [("close", "all")], id="close-exact"),
        pytest.param("DISCARD ALL", [("discard", "")], id="discard-all"),
        pytest.param('DEALLOCATE "P"', [("deallocate", "P")], id="deallocate-exact"),
        pytest.param("ROLLBACK TO SAVEPOINT x", [("forget", "")], id="savepoint"),
        pytest.param("DISCARD TEMP", [("forget", "")], id="discard"),
        pytest.param("ALTER TABLE x RENAME TO y", [("forget", ""), ("renamed", "y")], id="rename"),
        pytest.param("CREATE TEMP TABLE note (a int)", [("table", "note")], id="hides"),
        pytest.param("CREATE TABLE pg_temp.note (a int)", [("table", "note")], id="by-schema"),
        pytest.param('CREATE TEMP TABLE "Note" (a int)', [("table", "Note")], id="exact"),
        pytest.param("CREATE TEMP TABLE NOTE (a int)", [("table", "note")], id="folded"),
        pytest.param("CREATE TABLE temp.note (a int)", [], id="schema-of-another-database"),
        pytest.param("CREATE TEMP VIEW note AS SELECT 1 FROM tag", [("view", "note")], id="odd"),
        pytest.param("CREATE VIEW note AS SELECT 1 FROM x", [("shown", "note")], id="shown"),
        pytest.param(
            "CREATE OR REPLACE RECURSIVE VIEW note (a) AS SELECT 1", [("shown", "note")], id="again"
        ),
        pytest.param("CREATE VIEW public.note AS SELECT 1 FROM tag", [], id="view-of-all"),
        pytest.param("CREATE MATERIALIZED VIEW note AS SELECT 1 FROM tag", [], id="view-is-kept"),
        pytest.param("CREATE TEMP TABLE note () INHERITS (tag)", [("odd", "note")], id="child"),
        pytest.param("CREATE TEMP SEQUENCE note", [("odd", "note")], id="sequence"),
        pytest.param("CREATE TRIGGER t AFTER INSERT ON note EXECUTE FUNCTION f()", [], id="real"),
        pytest.param(
            "CREATE TEMP TRIGGER t AFTER UPDATE OF a ON note EXECUTE FUNCTION f()",
            [("trigger", "note")],
            id="trigger",
        ),
        pytest.param("SET search_path TO tenant, public", [], id="path"),
        pytest.param("SET LOCAL search_path = 'tenant', 'public'", [], id="path-of-texts"),
        pytest.param("SET search_path TO public, pg_temp", [("path", "")], id="path-names-it"),
        pytest.param("SET search_path = 'public', 'PG_TEMP'", [("path", "")], id="path-in-text"),
        pytest.param("SET search_path TO %s", [("path", "")], id="path-by-parameter"),
        pytest.param("SELECT set_config('app.user', %s, true)", [], id="another-setting"),
        pytest.param("SELECT set_config(%s, 'a', true)", [("path", "")], id="any-setting"),
        pytest.param("SELECT set_config('search_path', %s, true)", [("path", "")], id="config"),
        pytest.param("DO $$ BEGIN END $$", [("forget", "")], id="anything"),
        pytest.param("COMMIT; CREATE TEMP TABLE x (a int)", [("commit", ""), ("table", "x")]),
    ],
)
def test_statement_says_what_it_does_to_its_connection(sql: str, effects: list[Any]) -> None:
    assert list(effects_of(sql)) == effects


@pytest.mark.parametrize("vendor", ["sqlite", "mysql", "oracle", "microsoft"])
def test_only_postgresql_makes_a_view_temporary_by_itself(vendor: str) -> None:
    assert effects_of("CREATE VIEW note AS SELECT 1 FROM x", vendor) == ()


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        pytest.param("DROP TABLE x, y", ([("drop", "x"), ("drop", "y")], ""), id="drop"),
        pytest.param("DROP TABLE x, note", None, id="drop-of-another-too"),
        pytest.param("DROP TABLE public.x", None, id="drop-by-schema"),
        pytest.param("CREATE INDEX i ON x (a)", ([], ""), id="index"),
        pytest.param("CREATE TRIGGER t AFTER INSERT ON x", ([("trigger", "x")], ""), id="trigger"),
        pytest.param("CREATE RULE r AS ON INSERT TO x DO NOTHING", ([("trigger", "x")], "")),
        pytest.param("CREATE INDEX i ON note (a)", None, id="index-of-another"),
        pytest.param("CREATE TEMP TABLE z AS SELECT 1", ([("table", "z")], "select"), id="filled"),
        pytest.param("CREATE TEMP TABLE z (a int)", ([("table", "z")], ""), id="empty"),
        pytest.param("CREATE TABLE z AS SELECT 1", None, id="of-everybody"),
        pytest.param("CREATE TEMP TABLE z () INHERITS (note)", None, id="child"),
        pytest.param("ALTER TABLE x ADD COLUMN a int", None, id="alter"),
    ],
)
def test_ddl_may_concern_its_connection_only(
    sql: str, expected: tuple[list[Effect], str] | None
) -> None:
    tokens = tokenize(sql, "postgresql")
    words = {token.text for token in tokens}
    found = Effects(sql, "postgresql").private(tokens, tokens[0].text, words, frozenset({"x", "y"}))
    if expected is None:
        assert found is None
    else:
        assert found is not None
        effects, begin = found
        assert (list(effects), tokens[begin].text if begin else "") == expected


@pytest.mark.parametrize(
    ("sql", "expected"),
    [
        ("SELECT 1", None),
        ("SELECT 1 INTO x", ""),
        ("SELECT 1 INTO TEMP x", "x"),
        ("SELECT 1 INTO LOCAL TEMPORARY TABLE x FROM y", "x"),
        ("SELECT 1 INTO TEMP", ""),
    ],
)
def test_select_into_makes_a_table(sql: str, expected: str | None) -> None:
    assert made_by_into(tokenize(sql, "postgresql")) == expected
