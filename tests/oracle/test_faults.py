"""The run under faults finds nothing, in a short run, and finds each bug that is planted."""

import subprocess
import sys

import pytest

from tests.acceptance.servers import ROOT
from tests.contract.conftest import BROKERS
from tests.oracle.faults.bugs import BUGS

pytestmark = [pytest.mark.once, pytest.mark.timeout(400)]

RELAY = [pytest.mark.needs("redis"), pytest.mark.needs("postgresql")]
FOUND_BY = {
    "no-gaps": "nothing,bus_kill",
    "no-loss": "nothing,bus_kill",
    "no-messages": "nothing",
}


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


@pytest.mark.parametrize("broker", [*BROKERS, pytest.param("relay", marks=RELAY)])
def test_live_bodies_are_right_after_each_fault(broker: str) -> None:
    # Far longer than it takes on a free machine, and far less than for ever: rechecks are off.
    printed = run("--bus", broker, "--seconds", "25", "--within", "40", "--seed", broker)
    assert "live bodies compared" in printed


@pytest.mark.needs("redis")
@pytest.mark.parametrize(("bug", "faults"), FOUND_BY.items())
def test_bug_is_found(bug: str, faults: str) -> None:
    printed = run("--bug", bug, "--seconds", "120", "--within", "10", "--only", faults)
    assert "DIVERGENCE" in printed


@pytest.mark.needs("redis")
@pytest.mark.needs("postgresql")
def test_bug_of_following_a_relay_is_found() -> None:
    faults = ("--seconds", "120", "--within", "10", "--only", "relay_kill")
    assert "DIVERGENCE" in run("--bus", "relay", "--bug", "no-readings", *faults)


def test_each_bug_is_tried() -> None:
    assert {*FOUND_BY, "no-readings"} == BUGS.keys()
