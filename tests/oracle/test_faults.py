"""The run under faults finds nothing, in a short run, and finds each bug that is planted."""

import subprocess
import sys

import pytest

from tests.acceptance.servers import ROOT
from tests.contract.conftest import BROKERS
from tests.oracle.faults.bugs import BUGS

pytestmark = [pytest.mark.once, pytest.mark.timeout(400)]


def run(*arguments: str) -> str:
    """Run it in a process of its own, which has settings of its own. Returns what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.oracle.faults.chaos", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=350,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


@pytest.mark.parametrize("broker", BROKERS)
def test_live_bodies_are_right_after_each_fault(broker: str) -> None:
    # Far longer than it takes on a free machine, and far less than for ever: rechecks are off.
    printed = run("--bus", broker, "--seconds", "25", "--within", "40", "--seed", broker)
    assert "live bodies compared" in printed


@pytest.mark.needs("redis")
@pytest.mark.parametrize("bug", BUGS)
def test_bug_is_found(bug: str) -> None:
    faults = "nothing" if bug == "no-messages" else "nothing,bus_kill"
    printed = run("--bug", bug, "--seconds", "120", "--within", "10", "--only", faults)
    assert "DIVERGENCE" in printed
