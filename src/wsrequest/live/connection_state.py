"""What only one database connection has: its temporary tables, cursors and prepared statements.

Owns what statements that name those mean on this connection. A temporary table concerns nobody
else. What the connection may have lost, by a rollback say, is forgotten: then such a name is any
table again, which is only more work. Pure.
"""

from dataclasses import replace

from wsrequest.live.statements import Statement, Tables

__all__ = ["ConnectionState"]

_MOST = 100  # of each kind
_NONE: frozenset[str] = frozenset()


class ConnectionState:
    """Of one connection, from its opening on."""

    __slots__ = ("_cursors", "_prepared", "_tables", "_views")

    def __init__(self) -> None:
        self._tables: dict[str, bool] = {}  # by name: whether the commit drops it
        self._views: set[str] = set()
        self._cursors: dict[str, tuple[Tables, bool]] = {}  # what is read, whether it is held
        self._prepared: dict[str, Statement] = {}

    def temporary(self, statement: Statement) -> frozenset[str]:
        """Return the unknown names of a statement if all are temporary here, else none."""
        if not statement.unknown or not (self._tables or self._views):
            return _NONE
        known = set(self._tables)
        if statement.verb == "drop":
            known |= self._views
        return statement.unknown if statement.unknown <= known else _NONE

    def resolve(self, statement: Statement) -> Statement:
        """Return what a statement does that fetches from a cursor or executes what is prepared."""
        name = statement.executes
        if statement.verb == "fetch" and name in self._cursors:
            return replace(statement, reads=self._cursors[name][0])
        if statement.verb == "execute" and name in self._prepared:
            return self._prepared[name]
        return statement

    def note(self, statement: Statement, is_done: bool) -> None:
        """A statement was run.

        Args:
            statement: with effects.
            is_done: the database did it. What failed has made nothing, but may have dropped.
        """
        for kind, name in statement.effects:
            if kind == "forget":
                self.forget()
            elif kind == "commit":
                self.committed()
            elif kind == "drop":
                self._tables.pop(name, None)
                self._views.discard(name)
            elif kind == "deallocate":
                self._prepared.pop(name, None)
                if name == "all":
                    self._prepared.clear()
            elif is_done:
                self._make(kind, name, statement)

    def committed(self) -> None:
        """The transaction is over, and with it its cursors and some tables."""
        if self._cursors:
            self._cursors = {name: held for name, held in self._cursors.items() if held[1]}
        if self._tables:
            self._tables = {name: goes for name, goes in self._tables.items() if not goes}

    def forget(self) -> None:
        """Any of it may be gone."""
        for each in (self._tables, self._views, self._cursors, self._prepared):
            each.clear()

    def _make(self, kind: str, name: str, statement: Statement) -> None:
        if max(map(len, (self._tables, self._views, self._cursors, self._prepared))) >= _MOST:
            self.forget()
        if kind in ("table", "table until commit"):
            self._tables[name] = kind != "table"
        elif kind == "view":
            self._views.add(name)
        elif kind in ("declare", "declare hold"):
            self._cursors[name] = statement.reads, kind == "declare hold"
        elif kind == "prepare" and statement.prepared is not None:
            self._prepared[name] = statement.prepared
