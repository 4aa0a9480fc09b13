"""Keeps the state of each of a driver's connections, also while Django does not use it.

A pool hands one connection to request after request. What a request has made there by SQL, and has
not removed, is there for the next one.
"""

from typing import Any
from weakref import WeakKeyDictionary

from wsrequest.live.sql.statement import Names
from wsrequest.live.sql.statement_cache import shared_cache
from wsrequest.live.tracking.connection_state import ConnectionState
from wsrequest.live.tracking.cursors import listen

__all__ = ["DriverStates", "leave"]

_NO_NAMES = Names(frozenset())


class DriverStates:
    """The states of all connections that a driver has opened in this process. From any thread."""

    def __init__(self) -> None:
        self._states: WeakKeyDictionary[Any, ConnectionState] = WeakKeyDictionary()

    def take(self, driver: Any) -> ConnectionState:
        """Return the state of a driver's connection that one of Django's connections has got.

        Args:
            driver: a connection of the driver. No other code uses it at this time.
        """
        try:
            state = self._states.setdefault(driver, ConnectionState())
        except TypeError:  # the connections of sqlite3 cannot be weakly referenced
            return ConnectionState()
        # A pool may have reset it unseen: what was certain about temporary tables no longer is.
        state.forget()
        return state

    def clear(self) -> None:
        """Forget all states, because nobody tracks the connections any more."""
        self._states = WeakKeyDictionary()


def leave(driver: Any, state: ConnectionState) -> None:
    """Prepare for the moment when Django closes a connection, or gives it to its pool.

    Args:
        driver: a connection of the driver.
        state: of that connection. What else runs there is recorded in it.
    """
    listen(driver, _Left(state))


class _Left:
    """Listens to a connection that Django does not use, for example to a pool's ``reset``."""

    is_running = False

    def __init__(self, state: ConnectionState) -> None:
        self._state = state

    def ran(self, sql: Any, *, is_done: bool = False) -> None:
        """Record a text that was run."""
        try:
            text = sql if isinstance(sql, str) else sql.as_string(None)
            self._state.note(shared_cache.parse(text, "postgresql", _NO_NAMES), is_done)
        except Exception:  # bytes, or a text that is nested too deeply for the parser
            self._state.forget()

    def ended(self, *, may_be_undone: bool) -> None:
        """Ignore the end of a transaction: the next user of the connection expects nothing."""
