"""docs/parity.md and the table of differences name the same, and README.md no others."""

import re

import pytest

from tests.acceptance.servers import ROOT
from tests.parity.differences import ASGI, HTTP, WORKERS
from tests.parity.differences import Table as Differences

PAGE = (ROOT / "docs" / "parity.md").read_text(encoding="utf-8")


def rows(section: str) -> dict[str, set[str]]:
    """The fields of each difference in the table of one section of the page."""
    text = PAGE.partition(f"\n## {section}\n")[2].partition("\n## ")[0]
    found = re.findall(r"^\| `([\w-]+)` \| (.*?) \| \S.*\|$", text, re.MULTILINE)
    return {name: set(re.findall(r"`([^`]+)`", fields)) for name, fields in found}


@pytest.mark.parametrize(
    ("section", "differences"),
    [
        ("What differs from HTTP", HTTP),
        ("Where Django's two handlers differ", ASGI),
        ("Plain HTTP by the workers", WORKERS),
    ],
)
def test_page_lists_the_differences_of_the_table(section: str, differences: Differences) -> None:
    assert rows(section) == {name: set(fields) for name, fields in differences.items()}


def test_readme_points_to_the_page() -> None:
    paragraph = (
        (ROOT / "README.md").read_text(encoding="utf-8").partition("What differs from HTTP")[2]
    )
    assert "docs/parity.md" in paragraph.partition("\n\n")[0]
