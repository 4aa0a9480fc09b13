"""Our reader of SQL finds each table that sqlglot finds, in thousands of statements.

The statements come from three places: what other tests of the suite sent (``record.py``), the
grammar of ``tests.pairs``, and the texts in the tests of this folder.
"""

import ast
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple
from unittest import mock

import pytest
import sqlglot
from sqlglot import exp

from tests.oracle.programs import Dice
from tests.pairs import grammar
from tests.unit.live.sql.record import recorded
from wsrequest.live.sql import analyzer
from wsrequest.live.sql.statement import Names, Tables
from wsrequest.live.sql.tables import Walk, walk
from wsrequest.live.sql.tokenizer import Token

DIALECTS = {"sqlite": "sqlite", "postgresql": "postgres"}
DRAWN = 400  # queries of the grammar for each database, and as many changes

_SQL = re.compile(r"[\s(]*(?:select|insert|update|delete|with|merge|table|truncate)\b", re.I)


class Found(NamedTuple):
    """The tables that a text reads, and those that it changes."""

    read: frozenset[str]
    written: frozenset[str]


def written_by_hand() -> Iterator[str]:
    """Yield the texts in the tests of this folder that may be SQL."""
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                if _SQL.match(node.value):
                    yield node.value


def drawn(vendor: str, count: int) -> Iterator[str]:
    """Yield queries of the grammar, and as many changes."""
    dice = Dice("sqlglot")
    operations = SimpleNamespace(quote_name=lambda name: f'"{name}"')  # as both databases have it
    connection = SimpleNamespace(vendor=vendor, ops=operations)
    with mock.patch.object(grammar, "connection", connection):
        for _ in range(count):
            yield grammar.draw_query(dice).sql
            yield grammar.draw_change_text(dice)[1]


def corpus(vendor: str) -> list[str]:
    """Return each statement once."""
    return list(dict.fromkeys([*recorded()[vendor], *drawn(vendor, DRAWN), *written_by_hand()]))


def by_sqlglot(sql: str, vendor: str) -> Found | None:
    """Return what sqlglot finds, without the names of CTEs and of temporary tables.

    Returns:
        None if sqlglot cannot parse the text, or it is neither a query nor a change of rows.
    """
    sql = sql.replace("%s", "1").replace("%%", "%")  # the placeholders of Django's cursors
    try:
        trees = sqlglot.parse(sql, dialect=DIALECTS[vendor])
    except sqlglot.errors.SqlglotError:
        return None
    read: set[str] = set()
    written: set[str] = set()
    for tree in trees:
        if not isinstance(tree, (exp.Query, exp.DML, exp.TruncateTable)):
            return None
        common = {cte.alias for cte in tree.find_all(exp.CTE)}
        targets = _targets(tree)
        for table in tree.find_all(exp.Table):
            is_named = isinstance(table.this, exp.Identifier)  # and not a function
            is_temporary = isinstance(table.parent, exp.Into) and table.parent.args["temporary"]
            if is_named and not is_temporary and (table.db or table.name not in common):
                (written if id(table) in targets else read).add(table.name.casefold())
    return Found(frozenset(read), frozenset(written))


def _targets(tree: exp.Query | exp.DML | exp.TruncateTable) -> set[int]:
    """Return the ids of the nodes that name the tables which a statement changes."""
    found = list(tree.expressions) if isinstance(tree, exp.TruncateTable) else []
    for node in tree.find_all(exp.DML, exp.Into):
        found.append(node.this.this if isinstance(node.this, exp.Schema) else node.this)
    return {id(table) for table in found}


def compared(statements: Iterable[str], vendor: str) -> dict[str, Found]:
    """Return the statements that sqlglot can parse, with what it finds."""
    found = {sql: by_sqlglot(sql, vendor) for sql in statements}
    return {sql: tables for sql, tables in found.items() if tables is not None}


def lost(statements: Mapping[str, Found], vendor: str) -> list[str]:
    """Return the statements of which our reader misses a table that sqlglot finds.

    It must find a table whose name it knows. A name that it does not know may be a view of any
    table, so with such a name the result must be None, which stands for any table.
    """
    known = frozenset().union(*(found.read | found.written for found in statements.values()))
    missed, uncertain = [], 0
    for sql, found in statements.items():
        ours = analyzer.parse(sql, vendor, Names(known))
        uncertain += ours.reads is None or ours.writes is None
        if not (_covers(ours.reads, found.read) and _covers(ours.writes, found.written)):
            missed.append(f"{sql!r} is {found}, not {ours}")
        for table in found.read | found.written:
            ours = analyzer.parse(sql, vendor, Names(known - {table}))
            if table in found.read and ours.reads is not None:
                missed.append(f"{sql!r} reads {table}, which is unknown, not only {ours.reads}")
            if table in found.written and ours.writes is not None:
                missed.append(f"{sql!r} changes {table}, which is unknown, not only {ours.writes}")
    assert uncertain < len(statements) / 50  # otherwise this test shows nothing
    return missed


def _covers(ours: Tables, found: frozenset[str]) -> bool:
    return ours is None or found <= ours


@pytest.mark.once
@pytest.mark.slow
@pytest.mark.parametrize("vendor", DIALECTS)
def test_our_reader_finds_each_table_that_sqlglot_finds(vendor: str) -> None:
    statements = corpus(vendor)
    found = compared(statements, vendor)
    assert len(found) > max(1_000, 0.9 * len(statements))
    assert lost(found, vendor) == []


@pytest.mark.slow
@pytest.mark.parametrize("vendor", DIALECTS)
def test_a_table_that_our_reader_loses_is_found_by_the_comparison(vendor: str) -> None:
    found = compared(drawn(vendor, 100), vendor)
    assert lost(found, vendor) == []

    def forgetful(tokens: Sequence[Token]) -> Walk:
        walked = walk(tokens)
        del walked.relations[1:]
        return walked

    with mock.patch.object(analyzer, "walk", forgetful):
        assert any("oracle_room, which is unknown" in missed for missed in lost(found, vendor))
    with mock.patch.object(analyzer._Reader, "_mentioned", lambda reader, tokens: frozenset()):
        assert len(lost(found, vendor)) > 100
