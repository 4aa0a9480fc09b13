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
    head = "| | point | how it is held | defences, with the tests of each |\n|---|---|---|---|\n"
    return f"{before}{begin}\n{head}{rows}\n{end}{after}"


def _row(point: Point) -> str:
    held = [
        f"{defence.name} ({_tests(len(defence.tests))})"
        for defence in DEFENCES
        if point.number in defence.points
    ]
    if point.witnesses:
        held.append(f"shown by {_tests(len(point.witnesses))}")
    return f"| {point.number} | {point.title} | {point.answer} | {'<br>'.join(held)} |"


def _tests(count: int) -> str:
    """Whoever wants their names finds them in ``defences``, and by scripts/defences."""
    return f"{count} test{'' if count == 1 else 's'}"
