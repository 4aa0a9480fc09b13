"""Makes a program that fails shorter, as long as it still fails.

Owns delta debugging (Zeller and Hildebrandt 2002, "Simplifying and isolating failure-inducing
input") over the steps of a program, then over the operations of its transactions. What depends on
the order of threads does not fail each time, so a candidate may be tried more than once.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from tests.oracle.programs import Program

__all__ = ["shrink"]

T = TypeVar("T")

_END = ["end"]  # of a round, among the steps of a program


def shrink(program: Program, fails: Callable[[Program], bool], *, most_runs: int = 300) -> Program:
    """Return the shortest program found that fails.

    Args:
        program: one that fails.
        fails: runs a program.
        most_runs: of programs.
    """
    left = most_runs

    def still_fails(steps: Sequence[Any]) -> bool:
        nonlocal left
        left -= 1
        return left >= 0 and fails(_rounds(steps))

    steps = _fewer([step for steps in program for step in [*steps, _END]], still_fails)
    for at, step in enumerate(steps):
        if step[0] == "commit":
            steps = _fewer_operations(steps, at, still_fails)
    return _rounds(steps)


def _fewer_operations(
    steps: list[Any], at: int, fails: Callable[[Sequence[Any]], bool]
) -> list[Any]:
    *head, operations = steps[at]

    def having(some: Sequence[Any]) -> list[Any]:
        return [*steps[:at], [*head, list(some)], *steps[at + 1 :]]

    return having(_fewer(operations, lambda some: fails(having(some))))


def _rounds(steps: Sequence[Any]) -> Program:
    program: Program = [[]]
    for step in steps:
        if step == _END:
            program.append([])
        else:
            program[-1].append(step)
    return [steps for steps in program if steps]


def _fewer(items: list[T], fails: Callable[[Sequence[T]], bool]) -> list[T]:
    """The items without which it does not fail, or few others."""
    size = max(1, len(items) // 2)
    while True:
        at = 0
        while at < len(items):
            without = [*items[:at], *items[at + size :]]
            if without and fails(without):
                items = without
            else:
                at += size
        if size == 1:
            return items
        size = max(1, size // 2)
