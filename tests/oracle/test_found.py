"""What the oracle found: the programs that diverged, as it printed them, run again.

A program goes here with the change that mends what it showed.
"""

import pytest

from tests.oracle.programs import Program
from tests.oracle.running import run

FOUND: dict[str, Program] = {
    # On SQLite the outermost savepoint is the transaction where none was begun, as Django leaves it
    # after set_autocommit(False): its RELEASE commits, and a rollback comes too late.
    "release-of-a-savepoint-that-commits": [
        [["connect", 0, "u2"], ["subscribe", 0, "/mine/", None, "en"]],
        [["commit", 0, "undone_by_hand", [["atomic", True, [["secret_save", 249, 290, 300]]]]]],
    ],
}


@pytest.mark.parametrize("program", FOUND.values(), ids=FOUND.keys())
def test_program_that_diverged_does_not_any_more(world: None, program: Program) -> None:
    found = run(program).divergence
    assert found is None, str(found)
