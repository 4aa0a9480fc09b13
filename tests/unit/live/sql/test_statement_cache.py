"""The statement cache: each text is parsed once, within bounds of bytes and work."""

import gc
import itertools
import sys
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest

from wsrequest.live.sql import statement_cache, tokenizer
from wsrequest.live.sql.analyzer import parse
from wsrequest.live.sql.statement import Names
from wsrequest.live.sql.statement_cache import MAX_BYTES, StatementCache, writes_nothing

NAMES = Names(
    frozenset({"note"}),
    {"note": {f"c{n}": "int" for n in range(20)}},
    {"count_up": frozenset({"note"})},
)


BYTES = 2**18


def inserts(characters: int, rows: int) -> Iterator[str]:
    """Texts that are all different."""
    row = f"({', '.join(['%s'] * 9)}, DEFAULT)"
    columns = ", ".join(f"c{n}" for n in range(10))
    for number in itertools.count():
        text = f"INSERT INTO note ({columns}) VALUES {', '.join([row] * rows)}"
        yield f"{text} /* {number} {'x' * (characters - len(text))} */"


@pytest.mark.once
@pytest.mark.parametrize(
    ("characters", "rows", "texts"), [(8000, 1, 600), (400, 3, 600), (100, 48, 50)]
)
def test_what_is_remembered_is_bounded_in_bytes(characters: int, rows: int, texts: int) -> None:
    found = StatementCache(BYTES)
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        for text in itertools.islice(inserts(characters, rows), texts):
            found.parse(text, "sqlite", NAMES)
        gc.collect()  # reading leaves cycles behind, which are nothing that is remembered
        assert tracemalloc.get_traced_memory()[0] - before < 1.3 * BYTES
    finally:
        tracemalloc.stop()
    assert found.parse_count == texts
    assert MAX_BYTES <= 2**23


def test_text_is_read_once_however_long() -> None:
    found = StatementCache()
    for number in (1, 200, 5000, 20000):
        text = f"SELECT 1 FROM note WHERE note.c1 IN ({', '.join(['%s'] * number)})"
        first = found.parse(text, "sqlite", NAMES)
        assert found.parse("".join([text, ""]), "sqlite", NAMES) is first
        assert first.placeholders == number
    assert found.parse_count == 4


def test_what_is_used_is_not_forgotten_for_what_is_not() -> None:
    found, text = StatementCache(100_000), "DELETE FROM note WHERE c1 = %s"
    for number in range(1000):
        found.parse(text, "sqlite", NAMES)
        found.parse(f"DELETE FROM note WHERE c1 = {number}", "sqlite", NAMES)
    assert found.parse_count == 1001


def test_texts_of_two_databases_and_connections_are_two() -> None:
    found, text = StatementCache(), "INSERT INTO x SELECT * FROM note"
    assert found.parse(text, "sqlite", NAMES).writes is None
    assert found.parse(text, "sqlite", NAMES, frozenset({"x"})).writes == frozenset()
    assert found.parse('DELETE FROM note WHERE "a"', "mysql", NAMES).written is None


@pytest.mark.parametrize(
    ("sql", "is_sure"),
    [
        ("SELECT 1 FROM note", True),
        ('select "note"."pinto" FROM "note" FOR UPDATE', True),
        ("SELECT 1 INTO x", False),
        ("SELECT 1; DELETE FROM note", False),
        ("SELECT count_up(1)", False),
        ("SELECT nextval('a')", False),
        ("SELECT lo_unlink(5)", False),
        ("WITH x AS (DELETE FROM note) SELECT 1", False),
        ("(SELECT 1)", False),
        ("DELETE FROM note", False),
    ],
)
def test_look_tells_what_only_reads(sql: str, is_sure: bool) -> None:
    assert writes_nothing(sql, NAMES) is is_sure
    if is_sure:
        assert parse(sql, "postgresql", NAMES).writes == frozenset()


def test_every_function_that_writes_is_seen_at_a_look() -> None:
    from wsrequest.live.sql.functions import WRITTEN_BY

    for name in WRITTEN_BY:
        assert not writes_nothing(f"SELECT {name.upper()}(1)", NAMES)


def lines_run(work: Callable[[], Any]) -> int:
    """How many lines of Python a call runs: work, whatever the machine."""
    count = 0

    def trace(frame: Any, event: str, argument: Any) -> Any:
        nonlocal count
        if event == "line":
            count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


SHAPES: dict[str, Callable[[int], str]] = {
    "parentheses": lambda n: f"SELECT 1 FROM note WHERE {'(' * n}note.c1 = %s{')' * n}",
    "conjunctions": lambda n: f"SELECT 1 FROM note WHERE {'(' * n}c1{' AND c1)' * n}",
    "either": lambda n: f"SELECT 1 FROM note WHERE {'(' * n}c1{' OR c1)' * n}",
    "subqueries": lambda n: f"{'SELECT 1 FROM (' * n}SELECT 1{')' * n}",
    "expressions": lambda n: f"{'WITH a AS (' * n}SELECT 1{') SELECT 1 FROM a' * n}",
    "joins": lambda n: f"SELECT 1 FROM note {'JOIN note n ON a ' * n} WHERE note.c1 = %s",
    "tables": lambda n: f"SELECT 1 FROM {', '.join(f'note a{m}' for m in range(n))} WHERE a1.c1=1",
    "cases": lambda n: f"UPDATE note SET c1 = {'CASE WHEN a THEN 1 ELSE ' * n}1{' END' * n}",
    "rows": lambda n: f"INSERT INTO note (c1) VALUES {', '.join(['(DEFAULT)'] * n)}",
    "statements": lambda n: "DELETE FROM note WHERE note.c1 = 1;" * n,
}


@pytest.mark.parametrize("shape", SHAPES)
def test_work_grows_with_the_text_and_no_faster(shape: str) -> None:
    few, many = (
        lines_run(partial(parse, SHAPES[shape](count), "postgresql", NAMES)) for count in (50, 200)
    )
    assert many < 6 * few


OPENED: dict[str, tuple[str, str]] = {
    "comments": ("/*", "postgresql"),
    "comments-of-sqlite": ("/*", "sqlite"),
    "dollars": ("$a1$ $b", "postgresql"),
    "brackets": ("[", "sqlite"),
    "quotes": ("'", "postgresql"),
    "names": ('""', "sqlite"),
    "lists": ("%s, ", "sqlite"),
    "rows": ("(%s, %s), ", "sqlite"),
    "empty-comments": ("/**/", "postgresql"),
    "line-comments": ("--\n", "sqlite"),
    "spaces": (" \t", "sqlite"),
    "numbers": ("1 ", "sqlite"),
    "signs": ("(", "sqlite"),
}


@pytest.mark.parametrize("shape", OPENED)
def test_no_text_is_looked_at_for_long(shape: str) -> None:
    piece, vendor = OPENED[shape]
    text = "SELECT " + piece * (tokenizer.MAX_CHARACTERS // len(piece) - 10)
    assert lines_run(lambda: parse(text, vendor, NAMES)) < 40 * tokenizer.MAX_TOKENS


def test_text_that_is_too_long_is_any_table() -> None:
    text = "DELETE FROM note WHERE c1 = 1"
    assert parse(f"{text} /* {'x' * tokenizer.MAX_CHARACTERS} */", "sqlite", NAMES).writes is None
    assert parse(f"{text}{' OR a' * tokenizer.MAX_TOKENS}", "sqlite", NAMES).writes is None


def test_the_cache_of_the_process_is_shared() -> None:
    assert statement_cache.shared_cache.parse("SELECT 5", "sqlite", NAMES).reads == frozenset()
