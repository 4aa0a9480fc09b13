"""What is known of each of a driver's connections, also while none of Django's has it.

Owns which state belongs to which connection. A pool hands one connection to request after request.
What a request has made there by SQL, and has not taken away, is there for the next one.
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
        """Return the state of a connection that one of Django's connections has got.

        Args:
            driver: a connection of the driver's. Nobody else uses it.
        """
        try:
            state = self._states.setdefault(driver, ConnectionState())
        except TypeError:  # sqlite3's take no weak reference
            return ConnectionState()
        # A pool may have reset it unseen: what is certain of a temporary table is so no longer.
        state.forget()
        return state

    def clear(self) -> None:
        """Nobody watches the connections any more, so nothing is known of them."""
        self._states = WeakKeyDictionary()


def leave(driver: Any, state: ConnectionState) -> None:
    """One of Django's connections is about to close a connection, or to give it to its pool.

    Args:
        driver: a connection of the driver's.
        state: of that. What else is run there is noted in it.
    """
    listen(driver, _Left(state))


class _Left:
    """Listens to a connection that none of Django's has: to a pool's ``reset``, for example."""

    is_running = False

    def __init__(self, state: ConnectionState) -> None:
        self._state = state

    def ran(self, sql: Any, *, is_done: bool = False) -> None:
        """A text was run."""
        try:
            text = sql if isinstance(sql, str) else sql.as_string(None)
            self._state.note(shared_cache.parse(text, "postgresql", _NO_NAMES), is_done)
        except Exception:  # bytes, a text that nests too deep for us
            self._state.forget()

    def ended(self, *, may_be_undone: bool) -> None:
        """A transaction may have ended. The next one to take the connection expects nothing."""
