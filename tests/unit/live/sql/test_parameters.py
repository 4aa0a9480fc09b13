"""Which rows a statement is about: never fewer than the database would say."""

from typing import Any
from uuid import UUID

import pytest

from wsrequest.live.sql.analyzer import parse
from wsrequest.live.sql.parameters import MAX_ROWS, equals_of, rows_of
from wsrequest.live.sql.predicates import MAX_ROWS_OF_A_TEXT
from wsrequest.live.sql.statement import Names

KINDS = {
    "note": {"id": "key", "room": "int", "slug": "text", "key": "uuid", "flag": "bool"},
    "tag": {"id": "int", "room": "int"},
}
NAMES = Names(frozenset({"note", "tag", "other"}), KINDS)
KEY = UUID(int=5)


def equals(sql: str, *params: Any) -> dict[str, dict[str, set[object]]]:
    found = parse(sql, "postgresql", NAMES)
    assert found.placeholders == len(params)
    return {
        table: {name: set(values) for name, values in equals_of(conditions, KINDS[table], params)}
        for table, conditions in found.narrowed
    }


@pytest.mark.parametrize(
    ("where", "params", "expected"),
    [
        pytest.param("note.id = %s", [1], {"id": {1}}, id="equal"),
        pytest.param('"note"."id" = %s', [1], {"id": {1}}, id="quoted"),
        pytest.param("note.id IN (%s, %s)", [1, 2], {"id": {1, 2}}, id="in"),
        pytest.param("(note.id = %s)", [1], {"id": {1}}, id="parentheses"),
        pytest.param("note.id = %s AND note.room = %s", [1, 2], {"id": {1}, "room": {2}}),
        pytest.param("(note.a AND (note.b AND note.room = %s))", [2], {"room": {2}}, id="nested"),
        pytest.param("note.id = %s AND note.id IN (%s, %s)", [1, 1, 2], {"id": {1}}, id="twice"),
        pytest.param("note.a LIKE %s AND note.room = %s", ["x", 2], {"room": {2}}, id="other-too"),
        pytest.param("note.room = %s AND (note.a OR note.b)", [2], {"room": {2}}, id="or-within"),
        pytest.param("note.id = %s OR note.id IN (%s, 7)", [1, 2], {"id": {1, 2, 7}}, id="either"),
        pytest.param(
            "(note.room = %s AND note.a) OR (note.b AND note.room = %s AND note.id = %s)",
            [1, 2, 3],
            {"room": {1, 2}},
            id="common-factor",
        ),
        pytest.param("note.flag AND note.room = 5", [], {"flag": {True}, "room": {5}}, id="truth"),
        pytest.param("NOT note.flag", [], {"flag": {False}}, id="untruth"),
        pytest.param("note.flag = %s", [1], {"flag": {True}}, id="truth-as-a-number"),
        pytest.param("note.offset AND note.room = %s", [1], {"room": {1}}, id="word-for-a-column"),
        pytest.param(
            "note.a BETWEEN %s AND %s AND note.room = %s", [1, 2, 3], {"room": {3}}, id="between"
        ),
        pytest.param(
            "note.room = %s ORDER BY note.id LIMIT 21", [2], {"room": {2}}, id="what-follows"
        ),
        pytest.param("note.slug = %s AND note.key = %s", ["a", KEY], {"slug": {"a"}, "key": {KEY}}),
        pytest.param(
            "note.room = %s AND EXISTS(SELECT 1 FROM other U0 WHERE U0.id = note.id)",
            [2],
            {"room": {2}},
            id="subquery-of-another-table",
        ),
    ],
)
def test_conjunction_narrows(where: str, params: list[Any], expected: Any) -> None:
    assert equals(f"SELECT note.id FROM note WHERE {where}", *params) == {"note": expected}


@pytest.mark.parametrize(
    ("where", "params"),
    [
        pytest.param("note.id = %s OR note.a", [1], id="or"),
        pytest.param("note.a OR note.b AND note.id = %s", [1], id="or-is-weaker"),
        pytest.param("NOT note.id = %s", [1], id="not"),
        pytest.param("NOT (note.id = %s)", [1], id="not-in-parentheses"),
        pytest.param("NOT (note.id = %s AND note.room = %s)", [1, 2], id="not-of-a-conjunction"),
        pytest.param("note.id <> %s", [1], id="unlike"),
        pytest.param("note.id > %s", [1], id="greater"),
        pytest.param("note.id = %s + 1", [1], id="sum"),
        pytest.param("note.id + note.id = %s", [1], id="sum-of-columns"),
        pytest.param("LOWER(note.slug) = %s", ["a"], id="function"),
        pytest.param("note.slug = UPPER(%s)", ["a"], id="function-of-the-value"),
        pytest.param("note.slug = %s COLLATE nocase", ["a"], id="collation"),
        pytest.param("note.unknown = %s", [1], id="column-of-another-kind"),
        pytest.param("(note.id = %s) IS NOT TRUE", [1], id="is-not-true"),
        pytest.param("note.id IN (SELECT %s)", [1], id="subquery"),
        pytest.param("note.a BETWEEN 1 AND note.id = %s", [1], id="and-of-between"),
        pytest.param("CASE WHEN note.a AND note.id = %s AND b THEN 1 END", [1], id="case"),
        pytest.param("note.id = %s AND EXISTS(SELECT 1 FROM note U0)", [1], id="used-twice"),
        pytest.param("note.id = %s OR note.room = %s", [1, 2], id="or-of-columns"),
        pytest.param("note.id = %s AND note.offset OR note.a", [1], id="or-behind-a-column"),
        pytest.param("note.id = %s AND (note.case = 1) OR note.a", [1], id="or-behind-case"),
        pytest.param("CASE WHEN end AND note.id = %s AND b THEN 1 END", [1], id="end-for-a-name"),
        pytest.param("note.id = %s UNION SELECT 1 FROM tag", [1], id="union"),
        pytest.param("EXISTS(SELECT 1 FROM tag WHERE note.id = %s)", [1], id="within-a-subquery"),
        pytest.param("COALESCE(note.id = %s AND note.a)", [1], id="argument"),
    ],
)
def test_what_is_no_conjunction_of_equalities_does_not_narrow(
    where: str, params: list[Any]
) -> None:
    assert equals(f"SELECT note.id FROM note WHERE {where}", *params) == {}


@pytest.mark.parametrize(
    ("column", "value"),
    [
        pytest.param("id", "1", id="text-for-a-number"),
        pytest.param("id", True, id="truth"),
        pytest.param("id", 1.0, id="float"),
        pytest.param("id", None, id="null"),
        pytest.param("slug", 1, id="number-for-a-text"),
        pytest.param("slug", "a ", id="space-at-the-end"),
        pytest.param("key", str(KEY), id="text-for-a-uuid"),
    ],
)
def test_value_of_another_kind_does_not_narrow(column: str, value: Any) -> None:
    found = equals(f"SELECT 1 FROM note WHERE note.{column} = %s", value)
    assert found == {"note": {}}


def test_each_table_of_a_join_is_narrowed_by_its_own_columns() -> None:
    sql = (
        "SELECT 1 FROM note LEFT OUTER JOIN tag ON (note.id = tag.id) "
        "WHERE (note.room = %s AND tag.room = %s)"
    )
    assert equals(sql, 1, 2) == {"note": {"room": {1}}, "tag": {"room": {2}}}


def test_alias_is_resolved() -> None:
    sql = "SELECT 1 FROM tag note INNER JOIN note AS T3 ON true WHERE note.room = %s AND T3.id = %s"
    assert equals(sql, 1, 2) == {"tag": {"room": {1}}}  # "note" stands for something else too


def test_table_that_is_joined_with_itself_is_not_narrowed() -> None:
    sql = "SELECT 1 FROM note INNER JOIN note T3 ON note.id = T3.id WHERE T3.room = %s"
    assert equals(sql, 1) == {}


def test_list_of_columns_renames_them() -> None:
    assert equals("SELECT 1 FROM note AS x(n, id) WHERE x.id = %s", 1) == {}
    assert equals("SELECT 1 FROM note (n, id) WHERE note.id = %s", 1) == {}


@pytest.mark.parametrize(
    "other", ["(SELECT 1 AS id) AS note", "generate_series(1, 3) note", "unnest(%s) AS note"]
)
def test_name_that_stands_for_something_else_too_does_not_narrow(other: str) -> None:
    sql = f"SELECT 1 FROM note, {other} WHERE note.id = %s"
    assert parse(sql, "postgresql", NAMES).narrowed == ()


def test_placeholder_with_a_name_does_not_narrow() -> None:
    sql = "SELECT 1 FROM note WHERE note.id = %s AND note.room = %(room)s"
    assert parse(sql, "postgresql", NAMES).narrowed == ()


def rows(sql: str, params: Any, many: bool = False) -> Any:
    found = parse(sql, "postgresql", NAMES).written
    return None if found is None else rows_of(found, KINDS["note"], params, many)


@pytest.mark.parametrize(
    ("sql", "params", "expected"),
    [
        pytest.param(
            'INSERT INTO "note" ("room", "text") VALUES (%s, %s) RETURNING "note"."id"',
            [1, "a"],
            ({"room": 1},),
            id="insert",
        ),
        pytest.param(
            "INSERT INTO note (room, id) VALUES (%s, %s), (%s, DEFAULT)",
            [1, 5, 2],
            ({"room": 1, "id": 5}, {"room": 2}),
            id="several-rows",
        ),
        pytest.param("INSERT INTO note (room) VALUES (%s + 1)", [1], ({},), id="sum"),
        pytest.param("INSERT INTO note (room) VALUES (%s)", ["1"], ({},), id="another-kind"),
        pytest.param("INSERT INTO note (room) VALUES (%s)", [None], ({"room": None},), id="null"),
        pytest.param("INSERT INTO note (id) VALUES (%s)", [None], ({},), id="null-makes-a-key"),
        pytest.param(
            "INSERT INTO note (room) VALUES (%s) ON CONFLICT DO NOTHING",
            [1],
            ({"room": 1},),
            id="do-nothing",
        ),
        pytest.param(
            "INSERT INTO note (room, slug) SELECT * FROM "
            "UNNEST((%s)::integer[], (%s)::varchar(9)[]) RETURNING note.id",
            [[1, 2], ["a", "b"]],
            ({"room": 1, "slug": "a"}, {"room": 2, "slug": "b"}),
            id="unnest",
        ),
        pytest.param("UPDATE note SET text = %s WHERE note.id = %s", ["a", 5], ({"id": 5},) * 2),
        pytest.param(
            "UPDATE note SET room = %s, slug = LOWER(%s) WHERE id = %s",
            [2, "a", 5],
            ({"id": 5}, {"id": 5, "room": 2}),
            id="update-of-a-column",
        ),
        pytest.param(
            "UPDATE note SET room = room + %s WHERE room = %s AND id = %s",
            [1, 2, 5],
            ({"id": 5, "room": 2}, {"id": 5}),
            id="new-value-is-not-known",
        ),
        pytest.param(
            "DELETE FROM note WHERE note.id IN (%s, %s)",
            [1, 2],
            ({"id": 1}, {"id": 2}),
            id="delete",
        ),
    ],
)
def test_write_knows_its_rows(sql: str, params: list[Any], expected: Any) -> None:
    def key(row: Any) -> Any:
        return sorted(row.items(), key=str)

    found = rows(sql, params)
    assert found is not None
    assert sorted(map(key, found)) == sorted(map(key, expected))


@pytest.mark.parametrize(
    ("sql", "params"),
    [
        pytest.param("INSERT INTO note VALUES (%s)", [1], id="no-columns"),
        pytest.param("INSERT INTO note (room) SELECT room FROM tag", [], id="select"),
        pytest.param(
            "INSERT INTO note (room) VALUES (%s) ON CONFLICT (id) DO UPDATE SET room = 5",
            [1],
            id="upsert",
        ),
        pytest.param("INSERT OR REPLACE INTO note (room) VALUES (%s)", [1], id="or-replace"),
        pytest.param("UPDATE OR REPLACE note SET slug = 'a' WHERE id = %s", [1], id="update-or"),
        pytest.param("UPDATE note SET room = %s", [1], id="no-where"),
        pytest.param("UPDATE note SET (room, id) = (%s, %s) WHERE id = %s", [1, 2, 3], id="tuple"),
        pytest.param("UPDATE note SET room = %s WHERE id = %s OR a = 1", [1, 2], id="or"),
        pytest.param("UPDATE note SET room = %s FROM tag WHERE note.id = %s", [1, 2], id="from"),
        pytest.param("DELETE FROM note WHERE id > %s", [1], id="greater"),
        pytest.param("INSERT INTO note (room, room) VALUES (%s, %s)", [1, 2], id="column-twice"),
        pytest.param("UPDATE note SET room = %s, room = 5 WHERE id = %s", [1, 2], id="set-twice"),
        pytest.param("DELETE FROM note WHERE id = %s", ["1"], id="another-kind"),
        pytest.param("DELETE FROM note WHERE id IN (SELECT id FROM tag)", [], id="subquery"),
        pytest.param(
            "WITH x AS (SELECT 1) DELETE FROM note WHERE note.id = %s", [1], id="expression-before"
        ),
    ],
)
def test_write_of_unknown_rows_is_of_any(sql: str, params: list[Any]) -> None:
    assert parse(sql, "postgresql", NAMES).writes == {"note"}
    assert rows(sql, params) is None


def test_executemany_gives_the_rows_of_each_run() -> None:
    sql = "INSERT INTO note (room) VALUES (%s)"
    assert rows(sql, [(1,), [2]], many=True) == ({"room": 1}, {"room": 2})
    assert rows(sql, iter([(1,)]), many=True) is None  # looking would use it up
    assert rows(sql, [{"room": 1}], many=True) is None


def test_too_many_rows_are_any() -> None:
    sql = "INSERT INTO note (room) VALUES (%s)"
    assert len(rows(sql, [[n] for n in range(MAX_ROWS)], many=True)) == MAX_ROWS
    assert rows(sql, [[n] for n in range(MAX_ROWS + 1)], many=True) is None
    held = ", ".join(["%s"] * (MAX_ROWS + 1))
    assert rows(f"DELETE FROM note WHERE id IN ({held})", list(range(MAX_ROWS + 1))) is None


@pytest.mark.parametrize("name", ["rowid", "OID", "_rowid_"])
def test_other_name_of_the_key_on_sqlite_is_any_row(name: str) -> None:
    update = f"UPDATE note SET {name} = %s WHERE id = %s"
    insert = f"INSERT INTO note ({name}, id) VALUES (%s, %s)"
    for sql in (update, insert):
        assert parse(sql, "sqlite", NAMES).writes == {"note"}
        assert parse(sql, "sqlite", NAMES).written is None


def test_long_list_of_rows_in_a_text_is_of_any_row() -> None:
    for count, is_known in ((MAX_ROWS_OF_A_TEXT, True), (MAX_ROWS_OF_A_TEXT + 1, False)):
        for value in ("%s", "DEFAULT"):
            sql = f"INSERT INTO note (room, a) VALUES {', '.join([f'(%s, {value})'] * count)}"
            assert (parse(sql, "postgresql", NAMES).written is not None) is is_known


def test_literals_are_values() -> None:
    assert rows("UPDATE note SET room = NULL, flag = true WHERE id = 5", []) == (
        {"id": 5},
        {"id": 5, "room": None, "flag": True},
    )


def test_number_is_no_truth() -> None:
    """SQLite takes each number but 0 for true."""
    assert equals("SELECT 1 FROM note WHERE note.room") == {"note": {}}
