"""The samples of docs/testing.md, run as a reader would run them."""

import re
import unittest
from pathlib import Path
from typing import Any

import pytest

PAGE = Path(__file__).resolve().parents[3] / "docs" / "testing.md"
SAMPLES = re.findall(r"^```python\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.M | re.S)


def test_page_begins_with_three_lines_that_are_enough() -> None:
    assert len([line for line in SAMPLES[0].splitlines() if line]) == 3


@pytest.mark.parametrize("sample", SAMPLES)
@pytest.mark.django_db
def test_sample_runs(sample: str) -> None:
    names: dict[str, Any] = {"__name__": __name__}
    exec(compile(sample, str(PAGE), "exec"), names)
    suite = unittest.TestSuite(
        unittest.defaultTestLoader.loadTestsFromTestCase(case)
        for case in names.values()
        if isinstance(case, type) and case.__module__ == __name__
    )
    result = unittest.TestResult()
    suite.run(result)
    assert (result.errors, result.failures) == ([], [])
    assert result.testsRun >= sample.count("def test_")
