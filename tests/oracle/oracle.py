"""The oracle's command: programs from one seed on, until enough was committed or one fails.

Owns the report of a failure. ``scripts/oracle`` comes here; so does the suite, with a short run.
"""

import argparse
import json
import logging
import os
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

import django

__all__ = ["Failure", "Total", "consult", "main"]

_COMMITS_OF_A_PROGRAM = 1000


@dataclass
class Failure:
    """A program that fails.

    Attributes:
        seed: of the program.
        program: the shortest that was found.
        divergence: of that.
    """

    seed: str
    program: "list[list[list[object]]]"
    divergence: object

    def __str__(self) -> str:
        rounds = [[json.dumps(step) for step in steps] + ["-- compare"] for steps in self.program]
        steps = [f"    {line}" for lines in rounds for line in lines]
        return "\n".join([f"seed {self.seed}: {self.divergence}", "  the program:", *steps])


@dataclass
class Total:
    """What was done, and how it ended."""

    commits: int = 0
    versions: int = 0
    compared: int = 0
    ended: int = 0
    failure: Failure | None = None

    def __str__(self) -> str:
        return (
            f"{self.commits} commits, {self.compared} live bodies compared, "
            f"{self.versions} versions sent, {self.ended} live requests ended"
        )


def consult(
    commits: int,
    seed: str,
    *,
    urls: Sequence[str] = (),
    commits_of_a_program: int = _COMMITS_OF_A_PROGRAM,
    shrinks: bool = True,
    told: Callable[[str], None] = lambda line: None,
) -> Total:
    """Run programs in the world at hand.

    Args:
        commits: how many, all together.
        seed: of the first; those after it follow from it.
        urls: that most live requests are to be for.
        commits_of_a_program: after so many all begins anew.
        shrinks: whether the program of a failure is made shorter.
        told: hears how far it is.
    """
    from tests.oracle.programs import draw
    from tests.oracle.running import run

    total, number = Total(), 0
    while total.commits < commits and total.failure is None:
        name = f"{seed}.{number}"
        told(f"seed {name} begins")
        program = draw(name, commits_of_a_program, urls)
        outcome = run(program)
        total.commits += outcome.commits
        total.versions += outcome.versions
        total.compared += outcome.compared
        total.ended += outcome.ended
        number += 1
        told(f"seed {name}: {total}")
        if outcome.divergence is not None:
            total.failure = Failure(name, program, outcome.divergence)
            if shrinks:
                told(str(outcome.divergence))
                total.failure = _shrunk(total.failure)
    return total


def _shrunk(failure: Failure) -> Failure:
    from tests.oracle.running import run
    from tests.oracle.shrinking import shrink

    last = failure.divergence

    def fails(program: "list[list[list[object]]]") -> bool:
        nonlocal last
        for _ in range(3):
            found = run(program).divergence
            if found is not None:
                last = found
                return True
        return False

    program = shrink(failure.program, fails)
    return Failure(failure.seed, program, last)


def main() -> int:
    """Consult the oracle and print what it says; 1 when something diverged."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--commits", type=int, default=100_000)
    parser.add_argument("--seed", default=str(int(time.time())))
    parser.add_argument("--postgres", action="store_true", help="on PostgreSQL, not on SQLite")
    parser.add_argument("--mariadb", action="store_true", help="on MariaDB")
    parser.add_argument("--bug", help="plant one of the bugs, which is to be found")
    parser.add_argument("--program", help="run the program in this file, as a report prints it")
    given = parser.parse_args()
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.project.settings")
    os.environ.setdefault("PROJECT_LOG_LEVEL", "CRITICAL")
    django.setup()
    logging.getLogger("wsrequest").setLevel(logging.CRITICAL)  # live views that fail, say
    print(f"seed {given.seed}", flush=True)
    from tests.oracle.bugs import BUGS

    bug = BUGS[given.bug] if given.bug else None
    with _world(given.postgres, given.mariadb), bug.plant() if bug else nullcontext():
        if given.program:
            return _again(given.program)
        began = time.monotonic()
        urls = bug.urls if bug else ()
        total = consult(given.commits, given.seed, urls=urls, told=_print)
    seconds = time.monotonic() - began
    print(f"{total} in {seconds:.0f} s")
    if total.failure is not None:
        print(f"DIVERGENCE: {total.failure}")
    return 0 if (total.failure is None) == (given.bug is None) else 1


def _again(path: str) -> int:
    from tests.oracle.running import run

    program: list[list[list[object]]] = [[]]
    with open(path) as file:
        for line in filter(None, map(str.strip, file)):
            if line.startswith("["):
                program[-1].append(json.loads(line))
            elif line.startswith("--"):
                program.append([])
    found = run(program).divergence
    print(f"DIVERGENCE: {found}" if found else "no divergence")
    return 1 if found else 0


def _print(line: str) -> None:
    print(line, flush=True)


def _world(is_postgres: bool, is_mariadb: bool) -> AbstractContextManager[None]:
    from tests.oracle.world import on_mariadb, on_postgres, on_sqlite

    if is_mariadb:
        return on_mariadb()
    return on_postgres() if is_postgres else on_sqlite(tempfile.gettempdir())


if __name__ == "__main__":
    from tests.interrupts import ended_by_signals

    with ended_by_signals():
        sys.exit(main())
