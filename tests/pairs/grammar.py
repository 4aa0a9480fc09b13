"""A grammar of raw SQL over the oracle's tables: reads and writes that any program may send.

Owns texts and their parameters, drawn by chance. What a database refuses is an error to the reader
as to the writer, and counts as the answer.
"""

from collections.abc import Callable, Sequence
from typing import Any

from django.db import connection

from tests.oracle.programs import Dice

__all__ = ["Query", "draw_change", "draw_change_text", "draw_query"]

# Each table with columns of whole numbers, of which the first is its key.
_NUMBERS = {
    "oracle_book": ("id", "kind", "price", "room_id", "author_id"),
    "oracle_person": ("id", "boss_id"),
    "oracle_room": ("id",),
    "oracle_reading": ("id", "person_id", "book_id", "stars"),
    "oracle_notebook": ("id",),
    "oracle_shelf": ("code", "room_id"),
    "oracle_crate": ("id", "room_id"),
}
_TEXTS = {
    "oracle_book": ("title",),
    "oracle_person": ("name",),
    "oracle_room": ("name",),
    "oracle_notebook": ("text",),
    "oracle_shelf": ("label",),
}
_TRUTHS = {"oracle_room": ("is_open",), "oracle_shelf": ("is_full",)}
# On PostgreSQL: columns that are never narrowed by.
_ODD = {
    "oracle_crate": (
        ("labels", ("{a}", "{b,c}", "{}")),
        ("extra", ('"a"=>"1"', '"b"=>NULL', "")),
        ("span", ("[1,5)", "[2,9)", "empty")),
    )
}


def _tables() -> tuple[str, ...]:
    names = tuple(_NUMBERS)
    return names if connection.vendor == "postgresql" else names[:-1]


def quote(name: str) -> str:
    return connection.ops.quote_name(name)


class Query:
    """A text with its parameters, run again and again."""

    def __init__(self, sql: str, params: Sequence[Any]) -> None:
        self.name = f"sql {sql!r} {list(params)!r}"
        self.sql, self._params = sql, list(params)

    def read(self) -> object:
        with connection.cursor() as cursor:
            cursor.execute(self.sql, self._params or None)
            return sorted(map(repr, cursor.fetchall()))


class _Text:
    """A text that is being written."""

    def __init__(self, dice: Dice) -> None:
        self.dice = dice
        self.params: list[object] = []

    def value(self, column: str) -> str:
        """A value of a column, as a placeholder or as a literal."""
        dice = self.dice
        found: object
        if column in ("is_open", "is_full"):
            found = dice.random() < 0.5
            if dice.random() < 0.3:
                return "TRUE" if found else "FALSE"
        elif column in ("title", "text", "name", "label"):
            found = f"{dice.choice('trp')}{dice.randrange(4)}"
            if dice.random() < 0.2:
                return f"'{found}'"
        else:
            found = dice.choice((1, 2, 3, 4, 5, 8, 1, 2, 3, None, True))
            if found is True or (found is None and column in ("id", "code")):
                found = 1
            if dice.random() < 0.2:
                return "NULL" if found is None else str(found)
        self.params.append(found)
        return dice.choice(("%s", "%s", "%s", "%s /* %% */", "(%s)"))

    def columns(self, table: str) -> tuple[str, ...]:
        return (*_NUMBERS[table], *_TEXTS.get(table, ()), *_TRUTHS.get(table, ()))

    def column(self, table: str, alias: str) -> str:
        name = self.dice.choice(self.columns(table))
        return self.qualified(name, alias)

    def qualified(self, name: str, alias: str) -> str:
        if connection.vendor == "sqlite" and name == "id" and self.dice.random() < 0.1:
            name = self.dice.choice(("rowid", "oid", "_ROWID_"))
        quoted = self.dice.choice((name, name, quote(name), name.upper()))
        if name in ("rowid", "oid", "_ROWID_"):
            quoted = name
        return f"{alias}.{quoted}" if alias else quoted

    def condition(self, table: str, alias: str, depth: int = 0) -> str:
        dice, roll = self.dice, self.dice.random()
        if depth < 3 and roll < 0.35:
            word = dice.choice((" AND ", " AND ", " OR ", "\nand\n", " AND /* or */ "))
            parts = [self.condition(table, alias, depth + 1) for _ in range(dice.choice((2, 2, 3)))]
            text = word.join(parts)
            return f"({text})" if dice.random() < 0.7 else text
        if depth < 3 and roll < 0.42:
            return f"NOT ({self.condition(table, alias, depth + 1)})"
        if depth < 2 and roll < 0.47:
            inner = self.condition(table, alias, depth + 1)
            return f"CASE WHEN {inner} THEN 1 ELSE 0 END = {dice.randrange(2)}"
        if depth < 2 and roll < 0.52:
            other = dice.choice(_tables())
            where = self.condition(other, "u0", depth + 1)
            return f"EXISTS (SELECT 1 FROM {other} u0 WHERE {where})"
        truths = _TRUTHS.get(table, ())
        if truths and roll < 0.62:
            name = self.qualified(truths[0], alias)
            way = dice.randrange(3)
            return (name, f"NOT {name}")[way] if way < 2 else f"{name} = {self.value(truths[0])}"
        if roll < 0.68:
            name = dice.choice(_NUMBERS[table])
            low, high = self.value(name), self.value(name)
            return f"{self.qualified(name, alias)} BETWEEN {low} AND {high}"
        name = dice.choice(self.columns(table))
        column = self.qualified(name, alias)
        if roll < 0.8:
            values = ", ".join(self.value(name) for _ in range(dice.choice((1, 2, 3))))
            return f"{column} IN ({values})"
        same = "<=>" if connection.vendor == "mysql" else "IS NOT DISTINCT FROM"
        sign = dice.choice(("=", "=", "=", "=", "=", "<>", "<=", same))
        return f"{column} {sign} {self.value(name)}"


def draw_query(dice: Dice) -> Query:
    """A SELECT."""
    text = _Text(dice)
    table = dice.choice(_tables())
    alias = dice.choice((table, table, "x", "x", quote(table)))
    source = table if alias.strip('"`') == table else dice.choice((f"{table} AS x", f"{table} x"))
    shown = text.column(table, alias)
    if connection.vendor == "postgresql" and dice.random() < 0.1 and alias == "x":
        names = [*text.columns(table)][::-1]
        source, shown = f"{table} AS x({', '.join(names[:2])})", f"x.{names[0]}"
    join = ""
    if dice.random() < 0.3:
        other = dice.choice(_tables())
        kind = dice.choice(("JOIN", "LEFT JOIN", "CROSS JOIN", ","))
        on = f" ON {text.condition(other, 'y', 2)}" if "JOIN" in kind and kind[0] != "C" else ""
        join = f" {kind} {other} y{on}"
    where = text.condition(table, dice.choice((alias, alias, "y" if join else alias)))
    columns = dice.choice((shown, "count(*)", "*", f"max({shown})", f"{shown}, count(*)"))
    group = f" GROUP BY {shown}" if columns.endswith(", count(*)") else ""
    sql = f"SELECT {columns} FROM {source}{join} WHERE {where}{group}"
    roll = dice.random()
    if roll < 0.07:
        sql = f"WITH w AS ({sql}) SELECT * FROM w"
    elif roll < 0.12:
        sql = f"{sql} UNION SELECT {', '.join(['NULL'] * 1)} FROM {dice.choice(_tables())}"
    elif roll < 0.16:
        sql = f"SELECT (SELECT count(*) FROM {dice.choice(_tables())}), q.* FROM ({sql}) q"
    elif roll < 0.2:
        comment = "-- room_id\r" if connection.vendor == "postgresql" else "-- room_id\r\n"
        sql = sql.replace(" WHERE ", f" {comment} WHERE ", 1)
    return Query(sql, text.params)


def draw_change(dice: Dice) -> tuple[str, Callable[[], object]]:
    """What runs an INSERT, UPDATE or DELETE, with its name."""
    kind, sql, params = draw_change_text(dice)

    def run() -> None:
        with connection.cursor() as cursor:
            cursor.execute(sql, params)

    return f"sql {kind}", run


def draw_change_text(dice: Dice) -> tuple[str, str, list[Any]]:
    """The kind of an INSERT, UPDATE or DELETE, its text and its parameters."""
    text = _Text(dice)
    table = dice.choice(_tables())
    kind = dice.choice(("insert", "insert", "update", "update", "update", "delete"))
    sql = _CHANGES[kind](text, table)
    if dice.random() < 0.2:
        sql += " RETURNING *"
    return kind, sql, text.params


def _insert(text: _Text, table: str) -> str:
    dice = text.dice
    key = _NUMBERS[table][0]
    columns = [name for name in text.columns(table) if name != key or dice.random() < 0.8]
    rows = [[text.value(name) for name in columns] for _ in range(dice.choice((1, 1, 2)))]
    if table in _ODD:
        for name, values in _ODD[table]:
            columns.append(name)
            for row in rows:
                row.append(f"'{dice.choice(values)}'")
    if connection.vendor == "sqlite" and len(rows) == 1 and dice.random() < 0.2:
        name = dice.choice(("rowid", columns[-1]))  # a column twice, in a way
        columns.append(name)
        rows[0].append(text.value("id" if name == "rowid" else name))
    shown = ", ".join(f"({', '.join(row)})" for row in rows)
    verb = dice.choice(("INSERT", "INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE"))
    if connection.vendor == "postgresql":
        verb = "INSERT"
    elif connection.vendor == "mysql":
        verb = {"INSERT OR REPLACE": "REPLACE", "INSERT OR IGNORE": "INSERT IGNORE"}.get(verb, verb)
    sql = f"{verb} INTO {table} ({', '.join(columns)}) VALUES {shown}"
    if verb == "INSERT" and dice.random() < 0.3:
        name = dice.choice([name for name in columns if name != key] or [key])
        if connection.vendor == "mysql":
            return f"{sql} ON DUPLICATE KEY UPDATE {name} = VALUES({name})"
        sql += dice.choice(
            (
                " ON CONFLICT DO NOTHING",
                f" ON CONFLICT ({key}) DO UPDATE SET {name} = excluded.{name}",
            )
        )
    return sql


def _update(text: _Text, table: str) -> str:
    dice = text.dice
    names = dice.sample(text.columns(table), dice.choice((1, 1, 2)))
    given = []
    for name in names:
        if name in _NUMBERS[table] and dice.random() < 0.2:
            given.append(f"{name} = {dice.choice(_NUMBERS[table])} + 1")
        elif connection.vendor == "sqlite" and name == "id" and dice.random() < 0.4:
            given.append(f"{dice.choice(('rowid', 'oid'))} = {text.value('id')}")
        else:
            given.append(f"{name} = {text.value(name)}")
    if table in _ODD and dice.random() < 0.5:
        name, values = dice.choice(_ODD[table])
        given.append(f"{name} = '{dice.choice(values)}'")
    if connection.vendor == "mysql" and dice.random() < 0.3:
        return _update_of_two(text, table)
    sql = f"UPDATE {table} SET {', '.join(given)}"
    if dice.random() < 0.05:
        return sql
    return f"{sql} WHERE {text.condition(table, dice.choice(('', '', table)))}"


def _update_of_two(text: _Text, table: str) -> str:
    """On MySQL: a table, and another one that may be the one that is changed."""
    dice = text.dice
    other = dice.choice(_tables())
    sources = dice.choice((f"{table} x, {other} y", f"{table} AS x JOIN {other} AS y"))
    alias, changed = dice.choice((("x", table), ("y", other)))
    name = dice.choice(text.columns(changed)[1:] or text.columns(changed))
    sql = f"UPDATE {sources} SET {alias}.{name} = {text.value(name)}"
    return f"{sql} WHERE {text.condition(table, 'x')} AND {text.condition(other, 'y')}"


def _delete_of_two(text: _Text, table: str) -> str:
    """On MySQL: from one table or two of those that it reads."""
    other = text.dice.choice(_tables())
    where = f"{text.condition(table, 'x')} AND {text.condition(other, 'y')}"
    ways = (
        f"DELETE x FROM {table} x, {other} y",
        f"DELETE x, y FROM {table} AS x INNER JOIN {other} y",
        f"DELETE FROM y USING {table} x JOIN {other} y",
        f"DELETE QUICK {table} FROM {other} AS {table} JOIN {table} AS x JOIN {other} AS y",
    )
    return f"{text.dice.choice(ways)} WHERE {where}"


def _delete(text: _Text, table: str) -> str:
    if connection.vendor == "mysql" and text.dice.random() < 0.3:
        return _delete_of_two(text, table)
    return f"DELETE FROM {table} WHERE {text.condition(table, text.dice.choice(('', table)))}"


_CHANGES: dict[str, Callable[[_Text, str], str]] = {
    "insert": _insert,
    "update": _update,
    "delete": _delete,
}
