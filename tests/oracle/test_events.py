"""Each event of a room comes once and in order, on each bus, or its loss is known: a short run.

``python -m tests.oracle.events`` runs it with 1,000 clients and 1,000 messages.
"""

import subprocess
import sys

import pytest

from tests.acceptance.servers import ROOT
from tests.contract.conftest import BROKERS
from tests.oracle.events.listeners import Account
from tests.oracle.test_faults import RELAY

pytestmark = [pytest.mark.once, pytest.mark.timeout(400)]

KINDS = [*BROKERS, pytest.param("relay", marks=RELAY)]
FEW = ("--clients", "10", "--messages", "100")


def run(*arguments: str) -> tuple[int, str]:
    """Run it in a process of its own; return its exit code, and what it printed."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.oracle.events", *arguments],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=350,
    )
    return done.returncode, done.stdout


@pytest.mark.parametrize("broker", KINDS)
def test_each_client_gets_each_event_once_and_in_order(broker: str) -> None:
    code, printed = run("--bus", broker, "--clients", "50", "--messages", "200", "--rate", "100")
    assert code == 0, printed
    assert "10,000 of 10,000 deliveries" in printed


@pytest.mark.parametrize("broker", KINDS)
def test_clients_that_go_from_server_to_server_get_all_in_the_order_of_all_others(
    broker: str,
) -> None:
    arguments = ("--clients", "50", "--messages", "200", "--rate", "40", "--move")
    code, printed = run("--bus", broker, *arguments)
    assert code == 0, printed
    if broker == "nats":  # each process has its own positions there
        assert " 0 of them silently" in printed
    else:
        assert "10,000 of 10,000 deliveries" in printed
        assert "0 clients were told of a loss" in printed
        assert "Orders in which all came: 1" in printed


@pytest.mark.parametrize("broker", KINDS)
def test_no_loss_is_silent_when_the_bus_is_killed(broker: str) -> None:
    arguments = ("--clients", "50", "--messages", "200", "--rate", "20")
    code, printed = run("--bus", broker, *arguments, "--fault")
    assert code == 0, printed
    assert "50 clients were told of a loss" in printed


KEEPING = [broker for broker in BROKERS if broker.values != ("nats",)]


@pytest.mark.parametrize("broker", KEEPING)
def test_restart_of_all_servers_costs_no_event_that_the_bus_keeps(broker: str) -> None:
    arguments = ("--bus", broker, "--clients", "50", "--messages", "200", "--rate", "20")
    code, printed = run(*arguments, "--restart", "--kept")
    assert code == 0, printed
    assert "10,000 of 10,000 deliveries" in printed
    assert "0 clients were told of a loss" in printed
    code, printed = run(*arguments, "--restart")
    assert code == 0, printed
    assert "50 clients were told of a loss" in printed


@pytest.mark.parametrize("broker", KEEPING)
def test_no_loss_is_silent_when_a_bus_that_keeps_events_is_killed(broker: str) -> None:
    arguments = ("--clients", "50", "--messages", "200", "--rate", "20", "--fault", "--move")
    code, printed = run("--bus", broker, *arguments, "--kept")
    assert code == 0, printed


@pytest.mark.needs("redis")
@pytest.mark.parametrize(
    ("bug", "found"),
    [
        ("drops", "silent"),
        ("repeats", "doubled"),
        ("swaps", "disordered"),
        ("no-loss", "silent"),
        ("no-replay", "silent"),
    ],
)
def test_bug_is_found(bug: str, found: str) -> None:
    more = {"no-loss": ("--fault", "--rate", "12"), "no-replay": ("--move", "--rate", "12")}
    code, printed = run("--bus", "redis", *FEW, "--bug", bug, *more.get(bug, ()))
    assert code == 1, printed
    failures = printed.partition("FAILED ")[2]
    assert f"'{found}': " in failures and f"'{found}': 0" not in failures, printed


def test_client_keeps_a_position_that_is_higher_than_that_of_the_room() -> None:
    """After a failure of the view, events may be sent again that were sent just before."""
    account = Account()
    account.take_room(("a", 0), is_missed=False)
    for number in (1, 2):
        account.take_event(("a", number), "one", number)
    account.take_room(("a", 1), is_missed=False)
    account.take_event(("a", 2), "one", 2)
    assert (account.received, account.ignored, account.doubled) == (2, 1, 0)
    account.take_room(("b", 7), is_missed=True)
    account.take_event(("b", 8), "one", 4)
    account.end({"one": 4})
    assert (account.told, account.silent) == (1, [])
