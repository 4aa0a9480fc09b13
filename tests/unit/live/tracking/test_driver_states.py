"""The state of a driver's connection is kept while Django does not use it."""

import gc
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from wsrequest.live.sql.analyzer import parse
from wsrequest.live.sql.statement import Names
from wsrequest.live.tracking.connection_state import ConnectionState
from wsrequest.live.tracking.cursors import ATTRIBUTE
from wsrequest.live.tracking.driver_states import DriverStates, leave

NAMES = Names(frozenset({"tag"}))
VIEW = "CREATE TEMP VIEW tag AS SELECT * FROM room"


class Cursor:
    def copy(self) -> None: ...


class Driver:
    """As much of psycopg's connection as is looked at."""

    cursor_factory: Any = Cursor

    def transaction(self) -> None: ...

    def pipeline(self) -> None: ...

    def commit(self) -> None: ...


def note(state: ConnectionState, sql: str) -> None:
    state.note(parse(sql, "postgresql", NAMES), True)


def is_any(state: ConnectionState) -> bool:
    return state.meant(parse("SELECT * FROM tag", "postgresql", NAMES)).reads is None


def test_state_goes_with_its_connection() -> None:
    states, driver, other = DriverStates(), Driver(), Driver()
    note(states.take(driver), VIEW)
    assert is_any(states.take(driver))
    assert not is_any(states.take(other))
    states.clear()
    assert not is_any(states.take(driver))


def test_state_ends_with_its_connection() -> None:
    states, driver = DriverStates(), Driver()
    states.take(driver)
    del driver
    gc.collect()
    assert not states._states


def test_connection_that_takes_no_weak_reference_has_a_state_each_time() -> None:
    states = DriverStates()
    with closing(sqlite3.connect(":memory:")) as driver:
        assert states.take(driver) is not states.take(driver)


@pytest.mark.parametrize(
    ("sql", "is_done", "expected"),
    [
        ("DISCARD ALL", True, False),
        ("DISCARD ALL", False, True),
        ("DISCARD TEMP", True, True),
        (b"DISCARD ALL", True, True),
        (None, False, True),
    ],
)
def test_what_is_run_on_a_connection_that_nobody_has(
    sql: Any, is_done: bool, expected: bool
) -> None:
    states, driver = DriverStates(), Driver()
    state = states.take(driver)
    note(state, VIEW)
    leave(driver, state)
    getattr(driver, ATTRIBUTE).ran(sql, is_done=is_done)
    getattr(driver, ATTRIBUTE).ended(may_be_undone=True)
    assert is_any(states.take(driver)) is expected
