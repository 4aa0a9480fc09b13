"""Records what the statements of one connection read and write, as tables and rows."""

from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING, Any

from wsrequest.live.sql.functions import SCHEMA
from wsrequest.live.sql.parameters import returned, rows_of
from wsrequest.live.sql.statement import Names, Statement
from wsrequest.live.sql.values import Passes, as_it_is
from wsrequest.live.tracking.cursors import first_row
from wsrequest.live.tracking.databases import Neighbours
from wsrequest.live.tracking.keys import is_own_write
from wsrequest.live.tracking.logged import with_origin
from wsrequest.live.tracking.reads import ReadSet, running
from wsrequest.live.tracking.schema import Schema
from wsrequest.live.tracking.transaction_writes import TransactionWrites
from wsrequest.types import Row

if TYPE_CHECKING:
    from wsrequest.live.tracking.tracker import ChangeTracker

__all__ = ["StatementRecorder"]

_NONE: frozenset[str] = frozenset()
_DEFINING = frozenset({"create", "alter", "drop", "rename"})


class StatementRecorder:
    """Records statements. Its methods raise nothing, because the statements are the project's.

    Args:
        tracker: the change tracker.
        vendor: of the database, as Django calls it.
        database: the alias that the tables are known by.
        schema: the tables of the database.
        is_replica: what is read from it may be older than what was written.

    Attributes:
        schema: see above. Replaced when the tables change.
        pending: what was written and is not published yet.
        passes: how the driver passes on values.
        has_defined: the pending writes define tables.
        neighbours: other databases that a statement may name, or None.
    """

    def __init__(
        self,
        tracker: "ChangeTracker",
        vendor: str,
        database: str,
        schema: Schema,
        is_replica: bool,
    ) -> None:
        self._tracker, self._vendor = tracker, vendor
        self.database, self._is_replica = database, is_replica
        self.schema = schema
        self.pending = TransactionWrites()
        self.passes: Passes = as_it_is
        self.has_defined = False
        self.neighbours: Neighbours | None = None

    def names(self) -> Names:
        """Return the names of the schema for this vendor."""
        names = self.schema.names
        return names.get(self._vendor) or names[""]

    def logged(self) -> frozenset[str]:
        """Return the tables whose writes the database itself reports."""
        logged = self.schema.logged
        return logged if logged and self._tracker.is_logged(self.database) else _NONE

    def origin(self, connection: Any, statement: Statement) -> AbstractContextManager[None]:
        """Return a context in which a rerun's write tells the database's log who wrote it."""
        message = None
        if statement.writes != _NONE and self.logged():
            message = self._tracker.origin_of(running())
        if message is None:
            return nullcontext()
        return with_origin(connection, statement.verb, *message)

    def note_reads(
        self, reads: ReadSet | None, statement: Statement, params: Any, many: bool
    ) -> None:
        """Add what a statement reads to a read set, if there is one."""
        if reads is None or statement.reads == _NONE:
            return
        try:
            reads.lags |= self._is_replica
            ignored, known = self.schema.ignored, None if many else params
            reads.add_statement(self.database, statement, self.names(), ignored, known, self.passes)
            for database in self._beside(statement):
                reads.add(database, None)
        except Exception:
            reads.add(self.database, None)

    def note_writes(
        self, statement: Statement, params: Any, many: bool, done: Any | None = None
    ) -> None:
        """Add what a statement wrote to the pending writes.

        Args:
            statement: the statement.
            params: as the cursor got them.
            many: it ran once for each item of ``params``.
            done: the driver's cursor, if the database has executed the statement.
        """
        if statement.writes == _NONE:
            return
        run = running()
        is_defining = statement.verb in _DEFINING or SCHEMA in (statement.writes or ())
        self.has_defined |= is_defining
        for database in self._beside(statement):
            self.pending.add(database, None, None, run)
        try:
            changed = self.schema.changed_by(statement)
        except Exception:
            changed = None
        if changed is None:
            self.pending.add(self.database, None, None, run)
            self._note_stores(self._tracker.stores, run)
            return
        if done is not None and self._hit_nothing(statement, done):
            return
        # The log reports rows that were written, and no changed definitions.
        logged = _NONE if is_defining else self.logged()
        for table, can_tell in changed:
            if table not in logged:
                rows = self._rows(statement, table, params, many, done) if can_tell else None
                self.pending.add(self.database, table, rows, run)
            if table in self._tracker.stores:
                self._note_stores((table,), run)

    def _beside(self, statement: Statement) -> Iterable[str]:
        """Return the other databases of whose tables a statement may read or write any."""
        if self.neighbours is None or not statement.qualifiers:
            return ()
        try:
            return self.neighbours.named(statement.qualifiers)
        except Exception:  # settings that are being changed
            return ()

    def _hit_nothing(self, statement: Statement, done: Any) -> bool:
        """Whether no row was there to write, as when save() tries UPDATE before INSERT."""
        if not statement.counts or getattr(done, "rowcount", -1) != 0:
            return False
        # A trigger may write for a statement without rows, or in place of it.
        return not self.schema.triggered & (statement.writes or _NONE)

    def _note_stores(self, tables: Iterable[str], run: object | None) -> None:
        """Record writes to tables whose rows are read by keys: any key may be written."""
        for table in tables:
            store = self._tracker.stores[table]
            if not is_own_write(store):
                self.pending.add(store, None, None, run)

    def _rows(
        self, statement: Statement, table: str, params: Any, many: bool, done: Any | None
    ) -> tuple[Row, ...] | None:
        """Return the rows that a statement wrote in its table. None for any row."""
        tracker, written = self._tracker, statement.written
        if written is None or not tracker.is_active:
            return None
        try:
            kinds = tracker.wanted_kinds(self.names(), self.database, table)
            if kinds and (many or len(params or ()) == statement.placeholders):
                rows = rows_of(written, kinds, params or (), many, self.passes)
                if rows is None or many or done is None or len(rows) != 1 or not written.returning:
                    return rows
                return (returned(rows[0], written.returning, kinds, first_row(done)),)
        except Exception:  # a row of executemany() that is too short
            pass
        return None
