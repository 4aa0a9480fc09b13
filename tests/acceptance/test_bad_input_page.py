"""docs/bad-input.md has the rows of ``bad_frames``, and names tests that exist."""

import ast
import re
from pathlib import Path

from tests.acceptance.bad_frames import ROWS
from wsrequest.errors import CODES

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs" / "bad-input.md").read_text(encoding="utf-8")


def functions_of(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {f"{path.name}::{node.name}" for node in tree.body if isinstance(node, functions)}


def test_page_has_each_row_of_frames_with_its_answer() -> None:
    section = PAGE.partition("\n## Frames that are refused\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (.+?) \| (\d{3} `\w+`) \|$", section, re.MULTILINE)
    assert rows == [(input, row.answer) for input, row in ROWS.items()]


def test_page_names_a_test_that_exists_in_every_other_row() -> None:
    others = PAGE.partition("\n## Requests that are taken\n")[2]
    rows = re.findall(r"^\| .*(?<! held by) \|$", others, re.MULTILINE)
    named = re.findall(r"`(test_\w+\.py::test_\w+)` \|$", others, re.MULTILINE)
    assert len(named) > 30
    assert len(rows) == len(named) + others.count("| the same |\n")
    there = {name for path in (ROOT / "tests").rglob("test_*.py") for name in functions_of(path)}
    assert set(named) <= there


def test_page_gives_each_code_its_status() -> None:
    found = re.findall(r"(\d{3}) `(\w+)`(, temporary)?", PAGE)
    assert found
    for status, code, temporary in found:
        assert CODES[code] == (int(status), bool(temporary)), code
