"""Links in the documentation lead somewhere, and the README is what PyPI can render."""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [
    *ROOT.glob("*.md"),
    *(ROOT / "docs").rglob("*.md"),
    *(ROOT / "benchmarks").rglob("*.md"),
]
BLOCK = re.compile(r"^\s*```.*?^\s*```", re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    return BLOCK.sub("", page.read_text(encoding="utf-8"))


def anchor(heading: str) -> str:
    """Return the anchor that GitHub gives a heading."""
    text = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
    return re.sub(r"[^\w\- ]", "", text.strip().lower()).replace(" ", "-")


def anchors(page: Path) -> set[str]:
    return {anchor(heading) for heading in re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)}


def is_broken(page: Path, link: str) -> bool:
    path, _, fragment = link.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return True
    return bool(fragment) and target.suffix == ".md" and fragment not in anchors(target)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_to_a_file_and_a_heading(page: Path) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    local = [link for link in links if not link.startswith(("http:", "https:"))]
    assert [link for link in local if is_broken(page, link)] == []


def test_readme_has_no_html_which_pypi_strips_and_fits_a_landing_page() -> None:
    text = prose(ROOT / "README.md")
    assert re.findall(r"<(?:picture|source|img|details)\b", text) == []
    assert len((ROOT / "README.md").read_text(encoding="utf-8").splitlines()) <= 150
