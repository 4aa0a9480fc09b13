"""What a defence is, and what the tables of them have in common.

Owns the places of source and tests. Which defences there are, the other modules say.
"""

from dataclasses import dataclass

__all__ = ["ACCEPTANCE", "CHECKS", "SECURITY", "SRC", "UNIT", "Defence", "of_check", "of_frame"]


@dataclass(frozen=True)
class Defence:
    """One defence.

    Attributes:
        points: numbers of ``points.POINTS`` that it serves.
        name: what it does.
        file: below the root of the repository.
        edits: pairs of a text and what takes its place, so that this defence is gone.
        tests: ids of pytest, with or without the case in brackets; each fails without it.
    """

    points: tuple[int, ...]
    name: str
    file: str
    edits: tuple[tuple[str, str], ...]
    tests: tuple[str, ...]

    def removed_from(self, source: str) -> str:
        """Return the source without this defence.

        Raises:
            ValueError: an edit does not apply exactly once.
        """
        for old, new in self.edits:
            count = source.count(old)
            if count != 1:
                raise ValueError(f"{self.name}: {old!r} stands {count} times in {self.file}")
            source = source.replace(old, new)
        return source


SRC = "src/wsrequest/"
ACCEPTANCE = "tests/acceptance/"
UNIT = "tests/unit/"
SECURITY = "tests/security/"
CHECKS = UNIT + "test_checks.py::test_check_finds"


def of_frame(case: str) -> str:
    """The test of one frame that no client should send."""
    return f"{ACCEPTANCE}test_bad_input.py::test_frame_is_refused_and_disturbs_nothing[{case}]"


def of_check(
    points: tuple[int, ...], id: str, what: str, file: str, old: str, case: str
) -> Defence:
    """A system check, whose finding is thrown away."""
    name = f"check {id}: {what}"
    return Defence(points, name, f"{SRC}checks/{file}.py", ((old, "False"),), (CHECKS + case,))
