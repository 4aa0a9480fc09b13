"""Tests name the documentation that they prove, and the documentation names no test.

``@pytest.mark.documents("docs/bad-input.md", "it is silent")`` names a page, and a row of its
tables, by a whole cell or by the beginning of a long one, or a heading. A table below comes before
the others of its page. `scripts/test -m documents` runs these tests.
"""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md")]
# Each row of these tables is proved by a test.
PROVED = [
    ("docs/bad-input.md", "Requests that are taken"),
    ("docs/bad-input.md", "Too much"),
    ("docs/bad-input.md", "Clients that go, or do not read"),
    ("docs/bad-input.md", "Views that misbehave"),
    ("docs/bad-input.md", "Events"),
    ("docs/bad-input.md", "Compressed bombs"),
    ("docs/live.md", "What is refused"),
    ("docs/live-corpus.md", "What failed elsewhere"),
]
TREES = {path: ast.parse(path.read_text("utf-8")) for path in (ROOT / "tests").rglob("test_*.py")}


def marks_in(tree: ast.AST) -> Iterator[tuple[str, str]]:
    """Return the page and the text of each mark in a module."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(
                func=ast.Attribute(attr="documents"),
                args=[ast.Constant(value=str(page)), ast.Constant(value=str(text))],
            ):
                yield page, text
            case ast.Call(func=ast.Attribute(attr="documents")):
                raise AssertionError(f"line {node.lineno}: write both arguments as they are")


def rows_of(text: str) -> Iterator[tuple[str, list[str]]]:
    """Return the heading and the cells of each row of the tables of a page."""
    heading, is_table = "", False
    for line in text.splitlines():
        if line.startswith("#"):
            heading = line.lstrip("# ")
        if re.fullmatch(r"\|(-+\|)+", line):
            is_table = True
        elif not line.startswith("|"):
            is_table = False
        elif is_table:
            yield heading, [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]


def named_by(text: str, rows: list[list[str]]) -> list[int]:
    """Return which rows a mark names: those with such a cell, else with one that begins so."""
    exact = [n for n, cells in enumerate(rows) if text in cells]
    return exact or [n for n, cells in enumerate(rows) if any(c.startswith(text) for c in cells)]


def proved_rows(page: str, source: str, is_proved: bool = True) -> list[list[str]]:
    """Return the rows of the tables of a page whose rows are all proved, or of the others."""
    return [cells for heading, cells in rows_of(source) if ((page, heading) in PROVED) is is_proved]


MARKS = [mark for tree in TREES.values() for mark in marks_in(tree)]
FUNCTIONS = {
    node.name
    for tree in TREES.values()
    for node in tree.body
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name.startswith("test_")
}


@pytest.mark.parametrize("mark", sorted(set(MARKS)), ids=lambda mark: f"{mark[0]} {mark[1]}")
def test_each_mark_names_one_row_or_heading(mark: tuple[str, str]) -> None:
    page, text = mark
    source = (ROOT / page).read_text("utf-8")
    headings = re.findall(r"^#+ (.+)$", source, re.MULTILINE)
    rows = [named_by(text, proved_rows(page, source, is_proved)) for is_proved in (True, False)]
    assert text in headings or len(rows[0] or rows[1]) == 1


@pytest.mark.parametrize("page", sorted({page for page, _ in PROVED}))
def test_each_row_of_a_proved_table_has_a_test(page: str) -> None:
    source = (ROOT / page).read_text("utf-8")
    assert {(page, heading) for heading, _ in rows_of(source)} >= {
        table for table in PROVED if table[0] == page
    }
    rows = proved_rows(page, source)
    proved = {n for at, text in MARKS if at == page for n in named_by(text, rows)}
    assert [cells[:2] for n, cells in enumerate(rows) if n not in proved] == []


def test_rows_are_found_by_a_whole_cell_before_the_beginning_of_one() -> None:
    page = (
        "# One\n| a | b |\n|---|---|\n| it reads | x |\n| it reads slowly | y \\| z |\n\n| no |\n"
    )
    assert list(rows_of(page)) == [
        ("One", ["it reads", "x"]),
        ("One", ["it reads slowly", "y \\| z"]),
    ]
    rows = [cells for _, cells in rows_of(page)]
    assert [named_by(text, rows) for text in ("it reads", "it reads s", "it", "no")] == [
        [0], [1], [0, 1], [],
    ]  # fmt: skip


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_documentation_names_no_test(page: Path) -> None:
    """Readers need what holds, not what proves it, and names of tests change."""
    assert set(re.findall(r"\btest_\w+", page.read_text("utf-8"))) & FUNCTIONS == set()
