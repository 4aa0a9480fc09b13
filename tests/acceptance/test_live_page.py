"""Each refusal that docs/live.md promises is held by a test that exists."""

import re

from tests.acceptance.test_bad_input_page import ROOT, functions_of

PAGE = (ROOT / "docs" / "live.md").read_text(encoding="utf-8")


def test_page_names_a_test_that_exists_for_each_refusal() -> None:
    section = PAGE.partition("\n## What is refused\n")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| (?!\|).+ \|$", section, re.MULTILINE)
    named = re.findall(r".+ \| `(test_\w+\.py::test_\w+)` \|$", section, re.MULTILINE)
    assert len(rows) == len(named) > 5
    there = {name for path in (ROOT / "tests").rglob("test_*.py") for name in functions_of(path)}
    assert set(named) <= there
