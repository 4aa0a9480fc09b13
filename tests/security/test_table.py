"""The table of defences does not rot: its edits apply, its tests exist, docs/security.md has it."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.security.defences import DEFENCES, Defence
from tests.security.page import page_now, page_wanted
from tests.security.points import POINTS
from tests.security.removal import failed_tests

ROOT = Path(__file__).resolve().parents[2]
TESTS = {test for defence in DEFENCES for test in defence.tests}
WITNESSES = {test for point in POINTS for test in point.witnesses}
LINK = re.compile(r"\]\(([\w./-]+)(?:#([\w-]+))?\)")


@pytest.mark.parametrize("defence", DEFENCES, ids=lambda defence: defence.name)
def test_edit_applies_to_the_source_and_leaves_python(defence: Defence) -> None:
    source = (ROOT / defence.file).read_text(encoding="utf-8")
    removed = defence.removed_from(source)
    assert removed != source
    ast.parse(removed)


@pytest.mark.once
def test_every_named_test_exists() -> None:
    """With the case in brackets, so pytest itself is asked."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", *sorted(TESTS | WITNESSES)],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert not done.returncode, [line for line in done.stderr.splitlines() if "not found" in line]


def test_every_defence_has_a_name_of_its_own_and_a_test() -> None:
    names = [defence.name for defence in DEFENCES]
    assert len(set(names)) == len(names)
    assert all(defence.tests for defence in DEFENCES)


def test_every_point_is_answered() -> None:
    """By a defence with its test; else by the operator or the server, and then it says so."""
    assert [point.number for point in POINTS] == list(range(1, 38))
    defended = {number for defence in DEFENCES for number in defence.points}
    assert defended <= {point.number for point in POINTS}
    for point in POINTS:
        assert len(point.answer) > 20
        is_elsewhere = "Operator" in point.answer or bool(point.witnesses)
        assert point.number in defended or is_elsewhere, point.title


def test_page_has_the_table() -> None:
    """scripts/defences --write makes it anew."""
    assert page_now() == page_wanted(page_now())


def test_links_of_the_answers_lead_somewhere() -> None:
    found = [link for point in POINTS for link in LINK.findall(point.answer)]
    assert found
    for name, anchor in found:
        text = (ROOT / "docs" / name).read_text(encoding="utf-8")
        headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
        assert not anchor or anchor in {h.lower().replace(" ", "-") for h in headings}


def test_only_a_failure_of_the_named_test_counts_as_noticed() -> None:
    said = (
        "FAILED tests/a.py::test_x[one - two] - AssertionError: 1\n"
        "FAILED tests/a.py::test_longer_name\n"
        "ERROR tests/a.py::test_y - ImportError\n"
    )
    asked = ["tests/a.py::test_x", "tests/a.py::test_y", "tests/a.py::test_longer"]
    assert failed_tests(said, asked) == {"tests/a.py::test_x"}


def test_edit_that_does_not_apply_exactly_once_is_an_error() -> None:
    defence = Defence((1,), "one", "file", (("a", "b"),), ("tests/a.py::test_x",))
    assert defence.removed_from("a") == "b"
    for source in ("aa", ""):
        with pytest.raises(ValueError, match="stands"):
            defence.removed_from(source)
