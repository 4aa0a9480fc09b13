"""Reads from a database what the models need not know about its tables.

It queries the catalogs of SQLite and PostgreSQL, and by ``catalog_mysql`` that of MySQL: types and
collations of columns, actions of foreign keys, partitions and inheritance, and the names in
triggers and views. It uses a cursor of the driver, and knows neither Django nor the project's
tables.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from wsrequest.bus.pgoutput import PUBLICATION
from wsrequest.live.sql.tokenizer import NAME, SIGN, WORD, Token, Unparsable, tokenize
from wsrequest.live.tracking import catalog_mysql

__all__ = ["Catalog", "Draft", "read_catalog"]

Graph = Mapping[str, frozenset[str]]
"""Folded names of tables, each with other tables."""


@dataclass(frozen=True, slots=True)
class Catalog:
    """The tables of one database at one time. All names are folded, and without schemas.

    Attributes:
        kinds: for each table, the columns that compare as in Python, each with its kind: "int",
            "text", "uuid" or "bool". No generated columns.
        referring: each table with those that have a foreign key to it.
        deleted_with: each table with those whose rows the database changes when rows of it are
            deleted.
        updated_with: each table with pairs of a column and a table: the database changes rows of
            that table when the column changes.
        families: each table with those that hold rows of it, or whose rows it holds: partitions,
            children by inheritance, parents, and other children of the same parents.
        triggers: tables with triggers, with all words of their texts. None if the words cannot be
            known, because the trigger runs what is not written in it.
        views: views, with the words of their texts.
        logged: tables and views whose every change is reported by the publication of the
            write-ahead log. Empty without one.
        at_once: tables whose writes are visible before their transaction ends.
        temporary_is_first: a temporary table is meant where another has the same name, unless a
            connection chooses another order of schemas.
    """

    kinds: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    referring: Graph = field(default_factory=dict)
    deleted_with: Graph = field(default_factory=dict)
    updated_with: Mapping[str, frozenset[tuple[str | None, str]]] = field(default_factory=dict)
    families: Graph = field(default_factory=dict)
    triggers: Mapping[str, frozenset[str] | None] = field(default_factory=dict)
    views: Graph = field(default_factory=dict)
    logged: frozenset[str] = frozenset()
    at_once: frozenset[str] = frozenset()
    temporary_is_first: bool = True


def read_catalog(vendor: str, cursor: Any) -> Catalog:
    """Query a database.

    Args:
        vendor: as Django calls it: "sqlite", "postgresql" or "mysql". Any other is not queried.
        cursor: of the driver, outside of a transaction.
    """
    if vendor == "sqlite":
        return _read_sqlite(cursor)
    if vendor == "mysql":
        draft = Draft()
        catalog_mysql.fill(draft, partial(_rows, cursor))
        return draft.done()
    return _read_postgresql(cursor) if vendor == "postgresql" else Catalog()


def _rows(cursor: Any, sql: str) -> list[Any]:
    cursor.execute(sql)
    return list(cursor.fetchall())


class Draft:
    """Collects the parts of a catalog, by the names as the database gives them."""

    def __init__(self) -> None:
        self._kinds: dict[str, dict[str, str]] = {}
        self._unlike: set[tuple[str, str]] = set()
        self._referring: dict[str, set[str]] = {}
        self._deleted: dict[str, set[str]] = {}
        self._updated: dict[str, set[tuple[str | None, str]]] = {}
        self._parts: dict[str, set[str]] = {}
        self._triggers: dict[str, set[str] | None] = {}
        self._views: dict[str, set[str]] = {}
        self._logged: dict[str, bool] = {}
        self._at_once: set[str] = set()

    def column(self, table: str, column: str, kind: str) -> None:
        """Add a column, with "" if it cannot be compared. Schemas may have tables of one name."""
        place = table.casefold(), column.casefold()
        before = self._kinds.setdefault(place[0], {}).setdefault(place[1], kind)
        if before != kind:
            self._unlike.add(place)

    def reference(
        self, parent: str, child: str, deletes: bool, updates: bool, column: str | None
    ) -> None:
        parent, child = parent.casefold(), child.casefold()
        self._referring.setdefault(parent, set()).add(child)
        if deletes:
            self._deleted.setdefault(parent, set()).add(child)
        if updates:
            held = column if column is None else column.casefold()
            self._updated.setdefault(parent, set()).add((held, child))

    def part(self, parent: str, child: str) -> None:
        parent, child = parent.casefold(), child.casefold()
        together = {parent, child}
        together |= self._parts.get(parent, set()) | self._parts.get(child, set())
        for table in together:
            self._parts[table] = together

    def trigger(self, table: str, words: Iterable[str] | None) -> None:
        table = table.casefold()
        before = self._triggers.setdefault(table, set())
        self._triggers[table] = None if before is None or words is None else before | {*words}

    def view(self, view: str, words: Iterable[str]) -> None:
        self._views.setdefault(view.casefold(), set()).update(words)

    def log(self, table: str, is_logged: bool) -> None:
        """Add whether the write-ahead log reports a table."""
        table = table.casefold()
        self._logged[table] = is_logged and self._logged.get(table, True)

    def writes_at_once(self, table: str) -> None:
        self._at_once.add(table.casefold())

    def _all_logged(self) -> frozenset[str]:
        """Return the tables that are logged, and the views that show only such tables."""
        logged = {table for table, is_logged in self._logged.items() if is_logged}
        views = {
            view: set(words) for view, words in self._views.items() if view not in self._logged
        }
        while found := {view for view, words in views.items() if words <= logged}:
            logged |= found
            for view in found:
                del views[view]
        return frozenset(logged)

    def done(self) -> Catalog:
        return Catalog(
            {
                table: {
                    column: kind
                    for column, kind in columns.items()
                    if kind and (table, column) not in self._unlike
                }
                for table, columns in self._kinds.items()
            },
            _frozen(self._referring),
            _frozen(self._deleted),
            {table: frozenset(found) for table, found in self._updated.items()},
            {table: frozenset(found - {table}) for table, found in self._parts.items()},
            {
                table: None if found is None else frozenset(found)
                for table, found in self._triggers.items()
            },
            _frozen(self._views),
            self._all_logged(),
            frozenset(self._at_once),
        )


def _frozen(graph: Mapping[str, set[str]]) -> Graph:
    return {table: frozenset(found) for table, found in graph.items()}


def _words(text: str, vendor: str) -> set[str] | None:
    """Return the words and names of a text. None if they cannot be determined."""
    try:
        return {token.text for token in tokenize(text, vendor) if token.kind in (WORD, NAME)}
    except Unparsable:
        return None


# SQLite.

_ACTIONS = frozenset({"CASCADE", "SET NULL", "SET DEFAULT"})


def _read_sqlite(cursor: Any) -> Catalog:
    draft = Draft()
    texts = {}
    for kind, name, table, sql in _rows(
        cursor, "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL"
    ):
        if kind == "table":
            texts[name] = sql
        elif kind == "trigger":
            draft.trigger(table, _words(sql, "sqlite"))
        elif kind == "view":
            draft.view(name, _words(sql, "sqlite") or ())
    collated = {name: _collated(sql) for name, sql in texts.items()}
    for table, column, declared, hidden in _rows(
        cursor,
        "SELECT m.name, c.name, c.type, c.hidden FROM sqlite_master m, "
        "pragma_table_xinfo(m.name) c WHERE m.type = 'table'",
    ):
        odd = collated.get(table)
        is_odd = hidden or odd is None or column.casefold() in odd
        draft.column(table, column, "" if is_odd else _affinity(declared.upper()))
    for child, parent, column, on_update, on_delete in _rows(
        cursor,
        'SELECT m.name, f."table", f."to", f.on_update, f.on_delete FROM sqlite_master m, '
        "pragma_foreign_key_list(m.name) f WHERE m.type = 'table'",
    ):
        draft.reference(parent, child, on_delete in _ACTIONS, on_update in _ACTIONS, column)
    return draft.done()


def _affinity(declared: str) -> str:
    """Return the kind of a declared type, by sqlite.org/datatype3.html, 3.1."""
    if "INT" in declared:
        return "int"
    if any(word in declared for word in ("CHAR", "CLOB", "TEXT")):
        return "text"
    return "bool" if "BOOL" in declared else ""  # a number, where 0 and 1 are distinct


def _collated(sql: str) -> set[str] | None:
    """Return the columns for which CREATE TABLE names a collation. None if that is uncertain."""
    try:
        tokens = tokenize(sql, "sqlite")
    except Unparsable:
        return None
    found: set[str] = set()
    depth, column = 0, ""
    for before, token in zip([Token(SIGN, ""), *tokens], tokens, strict=False):
        if token.kind == SIGN:
            depth += (token.text == "(") - (token.text == ")")
        elif depth == 1 and before.kind == SIGN and before.text in "(,":
            column = token.text
        if token.kind == WORD and token.text == "collate":
            found.add(column)
        if depth == 0 and token.kind == WORD and token.text == "virtual":
            return None  # its own module compares the values
    return found


# PostgreSQL.

_KINDS = {"int2": "int", "int4": "int", "int8": "int", "text": "text", "varchar": "text"}
_KINDS |= {"uuid": "uuid", "bool": "bool"}
_OURS = "n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'"
_COLUMNS = f"""
    SELECT DISTINCT c.relname, a.attname,
        CASE WHEN a.attgenerated = '' AND tn.nspname = 'pg_catalog'
            AND coalesce(l.collisdeterministic, true) THEN t.typname ELSE '' END
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
    JOIN pg_type t ON t.oid = a.atttypid JOIN pg_namespace tn ON tn.oid = t.typnamespace
    LEFT JOIN pg_collation l ON l.oid = a.attcollation
    WHERE c.relkind IN ('r', 'p') AND {_OURS}"""
_REFERENCES = """
    SELECT DISTINCT p.relname, c.relname, f.confdeltype IN ('c', 'n', 'd'),
        f.confupdtype IN ('c', 'n', 'd'), a.attname
    FROM pg_constraint f
    JOIN pg_class p ON p.oid = f.confrelid JOIN pg_class c ON c.oid = f.conrelid
    JOIN pg_attribute a ON a.attrelid = f.confrelid AND a.attnum = ANY (f.confkey)
    WHERE f.contype = 'f'"""
_PARTS = """
    SELECT DISTINCT p.relname, c.relname FROM pg_inherits i
    JOIN pg_class p ON p.oid = i.inhparent JOIN pg_class c ON c.oid = i.inhrelid
    WHERE p.relkind IN ('r', 'p', 'f')"""
_TRIGGERS = """
    SELECT DISTINCT c.relname, t.tgfoid::bigint, l.lanname
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid JOIN pg_proc f ON f.oid = t.tgfoid
    JOIN pg_language l ON l.oid = f.prolang WHERE NOT t.tgisinternal"""
_RULES = f"""
    SELECT DISTINCT c.relname FROM pg_rewrite r JOIN pg_class c ON c.oid = r.ev_class
    JOIN pg_namespace n ON n.oid = c.relnamespace WHERE r.rulename <> '_RETURN' AND {_OURS}"""
_VIEWS = f"""
    SELECT DISTINCT v.relname, b.relname FROM pg_rewrite r JOIN pg_class v ON v.oid = r.ev_class
    JOIN pg_namespace n ON n.oid = v.relnamespace
    JOIN pg_depend d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
        AND d.refclassid = 'pg_class'::regclass AND d.refobjid <> v.oid
    JOIN pg_class b ON b.oid = d.refobjid WHERE v.relkind = 'v' AND {_OURS}"""
# Older servers know no row filters, so the column is looked up by its name. A partition is reported
# under its own name or under that of a table above it.
_LOGGED = f"""
    WITH published AS (
        SELECT c.oid FROM pg_publication p JOIN pg_publication_tables t ON t.pubname = p.pubname
        JOIN pg_namespace n ON n.nspname = t.schemaname
        JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = t.tablename
        WHERE p.pubname = '{PUBLICATION}' AND to_jsonb(t) ->> 'rowfilter' IS NULL
            AND p.pubinsert AND p.pubupdate AND p.pubdelete AND p.pubtruncate),
    reported AS (
        SELECT oid FROM published UNION
        SELECT (pg_partition_tree(oid)).relid::oid FROM published)
    SELECT c.relname, bool_and(c.relpersistence = 'p' AND CASE c.relkind
        WHEN 'p' THEN NOT EXISTS (SELECT FROM pg_partition_tree(c.oid) l
            WHERE l.isleaf AND l.relid <> c.oid AND l.relid::oid NOT IN (SELECT oid FROM reported))
        ELSE c.oid IN (SELECT oid FROM reported) END)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind IN ('r', 'p', 'f', 'm') AND {_OURS}
        AND EXISTS (SELECT FROM pg_publication WHERE pubname = '{PUBLICATION}')
    GROUP BY c.relname"""
_FUNCTIONS = f"""
    SELECT f.oid::bigint, f.proname, l.lanname, f.prosrc FROM pg_proc f
    JOIN pg_namespace n ON n.oid = f.pronamespace JOIN pg_language l ON l.oid = f.prolang
    WHERE l.lanname NOT IN ('c', 'internal') AND {_OURS}"""


def _read_postgresql(cursor: Any) -> Catalog:
    draft = Draft()
    for table, column, kind in _rows(cursor, _COLUMNS):
        draft.column(table, column, _KINDS.get(kind, ""))
    for parent, child, deletes, updates, column in _rows(cursor, _REFERENCES):
        draft.reference(parent, child, deletes, updates, column)
    for parent, child in _rows(cursor, _PARTS):
        draft.part(parent, child)
    for view, base in _rows(cursor, _VIEWS):
        draft.view(view, [base.casefold()])
    for (table,) in _rows(cursor, _RULES):
        draft.trigger(table, None)
    triggers = _rows(cursor, _TRIGGERS)
    functions = _Functions(_rows(cursor, _FUNCTIONS) if triggers else ())
    for table, function, language in triggers:
        # A trigger function in C, usually of an extension, changes the row itself.
        draft.trigger(table, () if language in ("c", "internal") else functions.words(function))
    for table, is_logged in _rows(cursor, _LOGGED):
        draft.log(table, is_logged)
    # A role, a database and connection options may put temporary tables behind others.
    ((path,),) = _rows(cursor, "SELECT current_setting('search_path')")
    return replace(draft.done(), temporary_is_first="pg_temp" not in path.casefold())


class _Functions:
    """The project's own functions, with the names in their texts."""

    def __init__(self, found: Iterable[Any]) -> None:
        self._words: dict[int, set[str] | None] = {}
        self._by_name: dict[str, list[int]] = {}
        for oid, name, language, source in found:
            words = _words(source, "postgresql") if language in ("plpgsql", "sql") else None
            # A body in standard SQL is stored as a tree, and has no source.
            self._words[oid] = words if words and "execute" not in words else None
            self._by_name.setdefault(name.casefold(), []).append(oid)

    def words(self, function: int) -> set[str] | None:
        """Return all words of a function and of those it may call. None if one is not known."""
        result: set[str] = set()
        waiting, seen = [function], {function}
        while waiting:
            found = self._words.get(waiting.pop())
            if found is None:
                return None
            result |= found
            for word in found & self._by_name.keys():
                waiting += [oid for oid in self._by_name[word] if oid not in seen]
                seen.update(self._by_name[word])
        return result
