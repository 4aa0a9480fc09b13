"""The oracle finds nothing, in a short run, and finds each bug that is planted."""

import pytest

from tests.oracle.bugs import BUGS, overflowing
from tests.oracle.oracle import consult
from tests.oracle.programs import Program, draw
from tests.oracle.running import run
from tests.oracle.shrinking import shrink

on_sqlite = pytest.mark.parametrize("vendor", ["sqlite"], indirect=True)

# Each interpreter and Django has a run in each database; further ones look for what is rare.
RUNS = [
    ("sqlite", "a", 500),
    ("postgresql", "f", 400),
    pytest.param("mariadb", "m", 600, marks=pytest.mark.once),
    *(pytest.param("sqlite", seed, 500, marks=pytest.mark.once) for seed in "bc"),
]


@pytest.mark.parametrize(("vendor", "seed", "commits"), RUNS, indirect=["vendor"])
def test_live_bodies_are_what_a_fresh_get_gives(world: None, seed: str, commits: int) -> None:
    total = consult(commits, seed, commits_of_a_program=300)
    assert total.failure is None, str(total.failure)
    assert total.commits >= commits and total.compared > commits and total.versions > commits


@on_sqlite
def test_live_bodies_are_current_when_commits_are_lost(world: None) -> None:
    with overflowing():
        total = consult(300, "lost", commits_of_a_program=200)
    assert total.failure is None, str(total.failure)


@pytest.mark.parametrize("name", BUGS)
def test_bug_takes_what_it_replaces(name: str) -> None:
    with BUGS[name].plant():
        pass  # a TypeError, where its parameters are not those of the function any more


@on_sqlite
@pytest.mark.once  # what is tried here is the oracle
@pytest.mark.timeout(300)  # of 5,000 commits, most of which are not needed
@pytest.mark.parametrize("name", [name for name, bug in BUGS.items() if not bug.is_rare])
def test_oracle_finds(world: None, name: str) -> None:
    bug = BUGS[name]
    with bug.plant():
        total = consult(5000, name, urls=bug.urls, commits_of_a_program=300, shrinks=False)
    assert total.failure is not None


def test_program_follows_from_its_seed() -> None:
    assert draw("one", 100) == draw("one", 100) != draw("two", 100)


@on_sqlite
@pytest.mark.once
def test_program_that_fails_is_made_short(world: None) -> None:
    bug = BUGS["exists-missed"]
    program = next(p for p in (draw(f"{n}", 60, bug.urls) for n in range(20)) if _fails(p, bug))
    failed = []

    def fails(program: Program) -> bool:
        if found := _fails(program, bug):
            failed.append(program)
        return found

    short = shrink(program, fails, most_runs=100)
    assert sum(map(len, short)) < sum(map(len, program)) / 3
    assert short == failed[-1]  # another time its threads may meet in another way


def _fails(program: Program, bug: object) -> bool:
    with BUGS["exists-missed"].plant():
        return run(program).divergence is not None
