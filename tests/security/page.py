"""docs/security.md: its table is made of ``points`` and ``defences``, its words are its own."""

from pathlib import Path

from tests.security.defences import DEFENCES
from tests.security.points import POINTS, Point

PAGE = Path(__file__).resolve().parents[2] / "docs" / "security.md"
BEGIN, END = "<!-- made by scripts/defences --write -->", "<!-- end -->"


def page_now() -> str:
    """The page as it is."""
    return PAGE.read_text(encoding="utf-8")


def page_wanted(page: str) -> str:
    """The page with its table made anew.

    Raises:
        ValueError: it has no place for a table.
    """
    before, begin, rest = page.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not (begin and end):
        raise ValueError(f"{PAGE.name} has no {BEGIN} … {END}")
    rows = "\n".join(_row(point) for point in POINTS)
    head = "| | point | how it is held | defence: test that fails without it |\n|---|---|---|---|\n"
    return f"{before}{begin}\n{head}{rows}\n{end}{after}"


def _row(point: Point) -> str:
    held = [
        f"{defence.name}: {', '.join(_short(test) for test in defence.tests)}"
        for defence in DEFENCES
        if point.number in defence.points
    ]
    held += [f"({_short(test)})" for test in point.witnesses]
    return f"| {point.number} | {point.title} | {point.answer} | {'<br>'.join(held)} |"


def _short(test: str) -> str:
    """A test's name without its path; what stands in brackets may hold a bar."""
    return "`" + test.rpartition("::")[2].replace("|", "\\|") + "`"
