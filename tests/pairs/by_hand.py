"""Pairs of a read and a write that were missed once, and how each fault is planted again.

Owns the list: what chance seldom draws stands here by itself.
"""

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from typing import Any
from unittest import mock

from wsrequest.live.sql import analyzer, functions, predicates, tokenizer
from wsrequest.live.sql.statement_cache import StatementCache
from wsrequest.live.sql.tables import Walk, walk
from wsrequest.live.tracking import connection as connection_module

__all__ = ["PAIRS", "Pair"]

Sql = tuple[str, Sequence[Any]]


@dataclass(frozen=True)
class Pair:
    """Reads, one of which at least a write changes.

    Attributes:
        name: of the fault.
        vendors: where it can be.
        reads: texts with parameters.
        write: one text.
        plant: brings the fault back for the length of a block.
        before: run before the reads.
        after: run at the end, so that the tables are as they were.
    """

    name: str
    vendors: tuple[str, ...]
    reads: tuple[Sql, ...]
    write: Sql
    plant: Callable[[], AbstractContextManager[Any]]
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()

    @contextmanager
    def planted(self) -> Iterator[None]:
        """The fault is there, and no text is remembered from before."""
        with self.plant(), mock.patch.object(connection_module, "shared_cache", StatementCache()):
            yield


def _walk_without_renames(found: Sequence[tokenizer.Token]) -> Walk:
    walked = walk(found)
    walked.relations = [replace(relation, renames=False) for relation in walked.relations]
    return walked


@contextmanager
def _pattern(old: str, new: str) -> Iterator[None]:
    changed = {}
    for vendor, pattern in tokenizer._PATTERNS.items():
        changed[vendor] = re.compile(pattern.pattern.replace(old, new), re.DOTALL)
    assert changed != tokenizer._PATTERNS
    with mock.patch.dict(tokenizer._PATTERNS, changed):
        yield


_ADD = ("INSERT INTO oracle_notebook (id, text) VALUES (%s, %s)", [77, "new"])
_MARKED = "oracle_notebook\u0301"

PAIRS = (
    Pair(
        "list-of-columns-behind-an-alias",
        ("postgresql",),
        (("SELECT count(*) FROM oracle_person AS x(n, name, id) WHERE x.id = %s", [1]),),
        ("UPDATE oracle_person SET boss_id = %s WHERE id = %s", [1, 7]),
        lambda: mock.patch.object(analyzer, "walk", _walk_without_renames),
    ),
    Pair(
        "other-name-of-the-key",
        ("sqlite",),
        (("SELECT text FROM oracle_notebook WHERE oracle_notebook.id = %s", [77]),),
        ("UPDATE oracle_notebook SET rowid = %s WHERE id = %s", [77, 3]),
        lambda: mock.patch.object(predicates, "_are_plain", lambda columns, vendor: True),
    ),
    Pair(
        "column-twice",
        ("sqlite",),
        tuple(("SELECT id FROM oracle_book WHERE oracle_book.price = %s", [n]) for n in (901, 902)),
        (
            "INSERT INTO oracle_book (id, title, kind, price, price) VALUES (%s, %s, %s, %s, %s)",
            [77, "t", 1, 901, 902],
        ),
        lambda: mock.patch.object(predicates, "_are_plain", lambda columns, vendor: True),
    ),
    Pair(
        "comment-that-a-carriage-return-ends",
        ("postgresql",),
        (("SELECT count(*) FROM oracle_room --\rJOIN oracle_notebook ON true", []),),
        _ADD,
        lambda: _pattern(r"--[^\n\r]*", r"--[^\n]*"),
    ),
    Pair(
        "mark-in-a-name",
        ("sqlite", "postgresql"),
        ((f"SELECT count(*) FROM {_MARKED}", []),),
        ("DELETE FROM oracle_reading WHERE id > %s", [0]),
        lambda: _pattern(r"[A-Za-z0-9_$\u0080-\U0010ffff]*", r"[\w$]*"),
        before=(f"CREATE VIEW {_MARKED} AS SELECT * FROM oracle_reading",),
        after=(f"DROP VIEW {_MARKED}",),
    ),
    Pair(
        "old-row-of-an-upsert",
        ("sqlite", "postgresql"),
        (
            (
                "INSERT INTO oracle_legacy (id, name) VALUES (1, 'x') "
                "ON CONFLICT (id) DO UPDATE SET name = oracle_legacy.name RETURNING name",
                [],
            ),
        ),
        ("UPDATE oracle_legacy SET name = %s WHERE id = %s", ["new", 1]),
        lambda: mock.patch.object(analyzer, "_shows_old", lambda verb, words: verb != "insert"),
    ),
    Pair(
        "write-within-a-query",
        ("postgresql",),
        (("SELECT text FROM oracle_notebook WHERE oracle_notebook.id = %s", [1]),),
        (
            "WITH gone AS (DELETE FROM oracle_notebook WHERE id = %s RETURNING *) "
            "SELECT count(*) FROM gone WHERE id = %s",
            [1, 2],
        ),
        lambda: mock.patch.object(predicates, "_begins_with", lambda tokenizer, verb: True),
    ),
    Pair(
        "schema",
        ("sqlite",),
        (("PRAGMA table_info(oracle_notebook)", []),),
        ("ALTER TABLE oracle_notebook ADD COLUMN more integer", []),
        lambda: mock.patch.object(
            analyzer, "pragma", lambda name, is_set: (frozenset(), frozenset())
        ),
        after=("ALTER TABLE oracle_notebook DROP COLUMN more",),
    ),
    Pair(
        "sequence",
        ("postgresql",),
        (("SELECT last_value, is_called FROM oracle_notebook_id_seq", []),),
        ("SELECT nextval('oracle_notebook_id_seq')", []),
        lambda: mock.patch.dict(functions.WRITTEN_BY, clear=True),
    ),
    Pair(
        "query-in-a-text",
        ("postgresql",),
        (
            (
                "SELECT query_to_xml('SELECT count(*) FROM oracle_notebook', true, true, '')::text",
                [],
            ),
        ),
        _ADD,
        lambda: mock.patch.object(analyzer, "READING", frozenset()),
    ),
)
