"""Records the state that only one connection has: temporary tables, cursors, prepared statements.

It says what statements with such names mean on this connection. A temporary table concerns no other
connection, and hides a table of the project with the same name. What the connection may have lost,
for example by a rollback, is forgotten. Such a name then means the project's table or any table,
which only causes more work. For a temporary view or trigger the safe side is the opposite: it may
show or write any table, so its name is odd for as long as it may exist. Pure.
"""

from dataclasses import replace

from wsrequest.live.sql.statement import Statement, Tables
from wsrequest.live.tracking.transaction_status import FAILED, TransactionStatus

__all__ = ["ConnectionState"]

_MOST = 100  # of each kind
_NONE: frozenset[str] = frozenset()
# After these, something temporary may exist, whether they succeeded or not. "forget" also stands
# for what cannot be parsed.
_MAKING = frozenset({"table", "table until commit", "view", "odd", "trigger", "forget"})


class ConnectionState:
    """The state of one connection of the driver, from its opening on.

    Attributes:
        is_used: something is recorded that can change the meaning of a name.
        is_unsettled: something was made or dropped in a transaction that is not known to be
            committed.
        is_path_set: the connection may have put temporary tables behind others.
    """

    __slots__ = (
        "_cursors",
        "_has_made",
        "_has_views",
        "_is_all_odd",
        "_leaving",
        "_odd",
        "_prepared",
        "_tables",
        "_views",
        "is_path_set",
        "is_unsettled",
        "is_used",
    )

    def __init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._tables: dict[str, bool] = {}  # by exact name: whether the commit drops it
        self._views: set[str] = set()
        self._cursors: dict[str, tuple[Tables, bool]] = {}  # what is read, and whether it is held
        self._prepared: dict[str, Statement] = {}
        # By folded name: whether it ends when the name is dropped.
        self._odd: dict[str, bool] = {}
        self._leaving: set[str] = set()  # odd names, until their drop is committed
        self._is_all_odd = self._has_made = self._has_views = False
        self.is_used = self.is_unsettled = self.is_path_set = False

    def temporary(self, statement: Statement, may_hide: bool) -> frozenset[str]:
        """Return the names in a statement that mean temporary tables here.

        Args:
            statement: as it is without temporary tables.
            may_hide: whether a temporary table is meant where another has the same name. That other
                table need not belong to a model: then the name means any table.
        """
        if not may_hide or not statement.unqualified or not (self._tables or self._views):
            return _NONE
        known = self._tables.keys() & statement.unqualified
        if statement.verb == "drop":
            known |= self._views & statement.unqualified
        return frozenset(
            name for name in known if statement.verb == "drop" or not self._is_odd(name)
        )

    def meant(self, statement: Statement) -> Statement:
        """Return what a statement does here: its names may be odd, or not be those of tables."""
        statement = self._resolved(statement)
        if not self._odd and not self._is_all_odd:
            return statement
        odd = self._odd.keys()
        if statement.reads and (self._is_all_odd or not odd.isdisjoint(statement.reads)):
            statement = replace(statement, reads=None, narrowed=())
        if statement.writes and (self._is_all_odd or not odd.isdisjoint(statement.writes)):
            statement = replace(statement, writes=None, written=None, counts=False)
        return statement

    def _resolved(self, statement: Statement) -> Statement:
        """Return what a FETCH from a cursor or an EXECUTE of a prepared statement does."""
        name = statement.executes
        if statement.verb == "fetch" and name in self._cursors:
            return replace(statement, reads=self._cursors[name][0])
        if statement.verb == "execute" and name in self._prepared:
            return self._prepared[name]
        return statement

    def note(self, statement: Statement, is_done: bool) -> None:
        """Record a statement that was run.

        Args:
            statement: with effects.
            is_done: whether the database executed it. A failed statement has made nothing, but may
                have dropped something.
        """
        for kind, name in statement.effects:
            self.is_unsettled = True
            self._has_made = self._has_made or kind in _MAKING
            if kind == "forget":
                self.forget()
            elif kind == "discard":
                self.forget()
                if is_done:
                    self._begin()
            elif kind == "commit":
                self.committed()
            elif kind == "drop":
                self._drop(name, is_done)
            elif kind == "deallocate":
                self._prepared.pop(name, None)
                if name == "all":
                    self._prepared.clear()
            elif kind == "close":
                self._cursors.pop(name, None)
            elif kind == "close all":
                self._cursors.clear()
            elif kind == "path":
                self.is_path_set = True
            elif kind in ("view", "odd", "trigger"):
                self._has_views = True
                self._be_odd(name.casefold(), ends=kind != "trigger")
                if is_done and kind == "view":
                    self._views.add(name)
            elif kind == "shown":
                # PostgreSQL makes a view temporary by itself if it shows something temporary.
                if self._has_made:
                    self._has_views = True
                    self._be_odd(name.casefold(), ends=True)
            elif kind == "renamed":
                if self._has_views:
                    self._be_odd(name, ends=False)
            elif is_done:
                self._make(kind, name, statement)
        self._look()

    def committed(self) -> None:
        """Record the end of a transaction, and with it of its cursors and some tables."""
        if self._cursors:
            self._cursors = {name: held for name, held in self._cursors.items() if held[1]}
        if self._tables:
            self._tables = {name: goes for name, goes in self._tables.items() if not goes}

    def check(self, transaction: TransactionStatus) -> None:
        """Forget what was made in a transaction that has ended unobserved. Raises nothing."""
        try:
            if not transaction.is_open():
                self.forget()
        except Exception:  # the driver cannot say
            self.forget()

    def record(
        self, statement: Statement, transaction: TransactionStatus, *, is_done: bool
    ) -> None:
        """Record what a statement did, and what that means in its transaction. Raises nothing.

        Args:
            statement: what was run.
            transaction: that of the connection.
            is_done: whether the database has run it, as far as the caller knows.
        """
        try:
            effects = statement.effects
            if effects:
                # In a pipeline, it is not known yet what was done.
                is_done = is_done and not transaction.is_piped()
                self.note(statement, is_done)
                if is_done and self.is_unsettled and not transaction.is_open():
                    self.settled()
            if not is_done and self.is_used and (effects or transaction.status() == FAILED):
                self.forget()  # the transaction can no longer be committed
        except Exception:  # the driver cannot say
            self.forget()

    def settled(self) -> None:
        """Record that no transaction is open, and that the last one was committed."""
        self.committed()
        for name in self._leaving:
            self._odd.pop(name, None)
        self._leaving.clear()
        self.is_unsettled = False

    def forget(self) -> None:
        """Record that any of it may be gone, except odd names. What was dropped may be back."""
        for each in (self._tables, self._views, self._cursors, self._prepared, self._leaving):
            each.clear()
        self.is_unsettled = False
        self._look()

    def _look(self) -> None:
        own = self._tables or self._views or self._cursors or self._prepared
        self.is_used = bool(own or self._odd or self._is_all_odd)

    def _is_odd(self, name: str) -> bool:
        return self._is_all_odd or name.casefold() in self._odd

    def _drop(self, name: str, is_done: bool) -> None:
        self._tables.pop(name, None)
        self._views.discard(name)
        if is_done and self._odd.get(name.casefold()):
            self._leaving.add(name.casefold())

    def _be_odd(self, name: str, *, ends: bool) -> None:
        self._odd[name] = ends and self._odd.get(name, True)
        self._leaving.discard(name)
        if len(self._odd) > _MOST:
            self._is_all_odd = True
            self._odd.clear()

    def _make(self, kind: str, name: str, statement: Statement) -> None:
        if max(map(len, (self._tables, self._views, self._cursors, self._prepared))) >= _MOST:
            self.forget()
        if kind in ("table", "table until commit"):
            self._tables[name] = kind != "table"
        elif kind in ("declare", "declare hold"):
            self._cursors[name] = statement.reads, kind == "declare hold"
        elif kind == "prepare" and statement.prepared is not None:
            self._prepared[name] = statement.prepared
