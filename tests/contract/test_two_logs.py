"""The logs of two databases as one bus: commits, origins and marks of each."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import psycopg
import pytest

from tests.acceptance.servers import wait_until
from tests.contract.conftest import SECRET
from tests.contract.receiver import LOST, Receiver
from tests.postgres import Params, connecting
from wsrequest.bus.broker import BrokerBus
from wsrequest.bus.codec import CHANGES
from wsrequest.bus.open import open_bus
from wsrequest.bus.relay import Relay

pytestmark = pytest.mark.needs("postgresql")

URL = "postgresql+log://one,two"


@pytest.fixture
def databases(postgres_params: Params) -> Iterator[dict[str, Any]]:
    """Connections to two databases with one table, which nothing but the test writes to."""
    found = {}
    with psycopg.connect(**connecting(postgres_params), autocommit=True) as server:
        for alias in ("one", "two"):
            server.execute(f"CREATE DATABASE {alias}")
            params = {**connecting(postgres_params), "dbname": alias}
            found[alias] = psycopg.connect(**params, autocommit=True)
            found[alias].execute("SET synchronous_commit = local")
            found[alias].execute("CREATE TABLE note (id integer PRIMARY KEY)")
            found[alias].execute("CREATE PUBLICATION wsrequest FOR ALL TABLES")
        yield found
        slots = "SELECT count(*) FROM pg_replication_slots WHERE database IN ('one', 'two')"
        wait_until(lambda: server.execute(slots).fetchone() == (0,))
        for alias, connection in found.items():
            connection.close()
            server.execute(f"DROP DATABASE {alias} WITH (FORCE)")


@pytest.fixture
def opening(
    databases: dict[str, Any], postgres_params: Params
) -> Iterator[Callable[..., BrokerBus]]:
    """Makes buses of processes that have both databases in their settings."""
    entries = {
        alias: {"ENGINE": "django.db.backends.postgresql", **postgres_params, "NAME": alias}
        for alias in databases
    }
    with ExitStack() as stack:

        def open_one(url: str, relayed_log: str = "") -> BrokerBus:
            bus = open_bus(url, [SECRET], entries.__getitem__, relayed_log)
            assert isinstance(bus, BrokerBus)
            stack.callback(bus.close)
            return bus

        yield open_one


@pytest.fixture
def bus(opening: Callable[..., BrokerBus]) -> BrokerBus:
    return opening(URL)


@pytest.fixture
def receiver(bus: BrokerBus) -> Receiver:
    found = Receiver(bus, CHANGES)
    found.take_turns_until(lambda: LOST in found.came)
    found.came.clear()
    return found


class Rerun:
    is_rerun, query, feedback_runs = True, None, 3


def until_current(bus: BrokerBus, receiver: Receiver) -> None:
    done = threading.Event()
    assert not bus.when_current(lambda _: receiver.posted.put(done.set))
    receiver.take_turns_until(done.is_set)


def test_commits_of_both_come_with_their_origins(
    databases: dict[str, Any], bus: BrokerBus, receiver: Receiver
) -> None:
    run = Rerun()
    for alias in ("two", "one", "two"):
        number = len(receiver.came)
        with databases[alias].transaction():
            emit = "SELECT pg_logical_emit_message(true, %s::text, %s::bytea)"
            databases[alias].execute(emit, bus.origin_of(run))
            databases[alias].execute("INSERT INTO note VALUES (%s)", [number])
        # The mark passes through both logs, so it comes after the commit, whichever has it.
        until_current(bus, receiver)
        assert len(receiver.came) == number + 1
        commit = receiver.messages[-1]
        assert commit.run is run
        (change,) = commit.changes
        assert (change.database, change.table) == (alias, "note")
        assert change.rows == ({"id": number},)


def test_mark_waits_for_both(databases: dict[str, Any], bus: BrokerBus, receiver: Receiver) -> None:
    """Not only for the first one, which also carries what is no commit."""
    second = bus._publishers[1]
    second.mark = lambda number: None  # type: ignore[method-assign]
    done: list[bool] = []
    assert not bus.when_current(done.append)
    carried = threading.Event()
    heard = bus._echoes.heard_at
    while bus._echoes.heard_at == heard:  # a heartbeat has come back since
        carried.wait(0.05)
    assert not done


@pytest.mark.parametrize("alias", ["one", "two"])
def test_stream_of_either_that_breaks_is_a_loss(
    alias: str, databases: dict[str, Any], bus: BrokerBus, receiver: Receiver
) -> None:
    query = "SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots WHERE database = %s"
    databases[alias].execute(query, [alias])
    receiver.take_turns_until(lambda: LOST in receiver.came)
    receiver.came.clear()
    for each in databases.values():
        each.execute("INSERT INTO note VALUES (1)")
    receiver.take_until_came(2)
    assert {commit.changes[0].database for commit in receiver.messages} == {"one", "two"}
    slots = "SELECT database, active_pid IS NOT NULL FROM pg_replication_slots ORDER BY 1"
    found = [row for row in databases[alias].execute(slots) if row[0] in databases]
    assert found == [("one", True), ("two", True)]


def test_slot_of_one_that_must_wait_keeps_that_of_the_other(
    databases: dict[str, Any], postgres_params: Params, bus: BrokerBus
) -> None:
    """A process that connects goes on with what is ready."""
    databases["two"].execute("DROP PUBLICATION wsrequest")
    receiver = Receiver(bus, CHANGES)
    slots = "SELECT slot_name FROM pg_replication_slots WHERE database = 'one'"
    names: Callable[[], list[Any]] = lambda: databases["one"].execute(slots).fetchall()  # noqa: E731
    waited = threading.Event()
    while not names():
        waited.wait(0.05)
    before = names()
    receiver.take_turns_until(lambda: False in receiver.states)  # after several attempts
    assert names() == before
    databases["two"].execute("CREATE PUBLICATION wsrequest FOR ALL TABLES")
    receiver.take_turns_until(lambda: True in receiver.states)
    assert names() == before


@pytest.mark.needs("redis")
def test_relay_of_both(
    databases: dict[str, Any], opening: Callable[..., BrokerBus], redis_url: str
) -> None:
    relay = Relay(opening(URL), opening(redis_url, URL))
    running = threading.Thread(target=relay.run)
    running.start()
    try:
        bus = opening(redis_url, URL)
        receiver = Receiver(bus, CHANGES)
        followed = threading.Event()
        assert bus._relayed is not None
        while not bus._relayed.reading:
            followed.wait(0.05)
        until_current(bus, receiver)
        receiver.came.clear()
        for alias in ("two", "one", "two"):
            number, run = len(receiver.came), Rerun()
            with databases[alias].transaction():
                emit = "SELECT pg_logical_emit_message(true, %s::text, %s::bytea)"
                databases[alias].execute(emit, bus.origin_of(run))
                databases[alias].execute("INSERT INTO note VALUES (%s)", [number])
            until_current(bus, receiver)
            assert [commit.changes[0].database for commit in receiver.messages[number:]] == [alias]
            assert receiver.messages[-1].run is run
    finally:
        relay.stop()
        running.join()
