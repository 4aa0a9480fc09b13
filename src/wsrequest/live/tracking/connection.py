"""Tracks one database connection: what it reads and writes, and when its writes are committed.

It adds an execute wrapper, and wraps the connection's own transaction methods. The wrappers are
attributes of the instance, so that other connections and Django stay unchanged. Later wrappers of
other code around the same methods are kept. The module is long because all wrappers share the state
of one transaction, and only their order tells whether a write was committed.
"""

import logging
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from django.db import connections

from wsrequest.live.sql.statement import ANYTHING, NOTHING, Statement
from wsrequest.live.sql.statement_cache import shared_cache, writes_nothing
from wsrequest.live.sql.values import passes_of
from wsrequest.live.tracking.commit_publisher import CommitPublisher
from wsrequest.live.tracking.connection_state import ConnectionState
from wsrequest.live.tracking.cursors import FetchedCursor, is_piped, listen, listen_to_cursor
from wsrequest.live.tracking.databases import Neighbours
from wsrequest.live.tracking.driver_states import leave
from wsrequest.live.tracking.further_results import FurtherResults
from wsrequest.live.tracking.reads import current, running
from wsrequest.live.tracking.statement_recorder import StatementRecorder
from wsrequest.live.tracking.transaction_status import FAILED, IDLE, TransactionStatus
from wsrequest.live.tracking.wrapping import InstanceWrapping

if TYPE_CHECKING:
    from wsrequest.live.tracking.tracker import ChangeTracker

__all__ = ["ConnectionTracker", "tracker_of"]

_logger = logging.getLogger("wsrequest.live")

ATTRIBUTE = "_wsrequest_tracker"
_MAX_COLLECTED = 10_000  # they may be keys, whose number is unlimited


def tracker_of(connection: Any) -> "ConnectionTracker | None":
    """Return the tracker of one of Django's connections, or None."""
    found: ConnectionTracker | None = vars(connection).get(ATTRIBUTE)
    return found


class ConnectionTracker:
    """Reports to a change tracker what one of Django's connections does.

    Args:
        tracker: the change tracker.
        connection: one of ``django.db.connections``, open.
        database: the alias that its tables are known by. For a replica, that of its primary.
        is_replica: what is read from it may be older than what was written.
    """

    def __init__(
        self, tracker: "ChangeTracker", connection: Any, database: str, is_replica: bool = False
    ) -> None:
        self._tracker = tracker
        self._connection = connection
        self.database = database
        # A copy of a connection may have any alias.
        self._alias = connection.alias if connection.alias in connections else database
        schema = tracker.schema_of(connection, self._alias, may_wait=False)
        self._recorder = StatementRecorder(tracker, connection.vendor, database, schema, is_replica)
        self.pending = self._recorder.pending
        self._publisher = CommitPublisher(tracker, self._recorder, self._alias)
        self._transaction = TransactionStatus(connection)
        self._results: FurtherResults | None = None
        if connection.vendor == "mysql":
            self._recorder.neighbours = Neighbours(connection.settings_dict, tracker.primary)
            self._results = FurtherResults(
                *(connection, self._transaction, self._settle),
                *(lambda: self.ran(None), self._ended_by_driver),
            )
        self.is_running = False  # a statement that the execute wrapper has seen
        self._wrapping = InstanceWrapping(connection)
        self._state = ConnectionState()
        # For the transaction of a TestCase, which goes on: what was already published as committed.
        self._collected: set[tuple[str, str | None]] = set()

    def attach(self) -> None:
        """Start tracking, also after a reconnection, which ends any open transaction."""
        connection = self._connection
        if tracker_of(connection) is not self:
            setattr(connection, ATTRIBUTE, self)
            for name, wrapped in (
                ("commit", self._commit),
                ("rollback", self._rollback),
                ("_savepoint_rollback", self._savepoint_rollback),
                ("close", self._close),
                ("_close", self._leave),
                ("_set_autocommit", self._set_autocommit),
            ):
                self._wrapping.wrap(name, wrapped)
            self._wrap_close_if_obsolete()
            if connection.vendor in ("sqlite", "mysql"):
                self._wrap_create_cursor()
        if self._execute not in connection.execute_wrappers:
            # The first one is the outermost. Django's execute_wrapper() removes the last one.
            connection.execute_wrappers.insert(0, self._execute)
        listen(connection.connection, self)
        if self._results is not None:
            self._results.attach(connection.connection)
        self._recorder.passes = passes_of(connection.vendor, connection.connection)
        self._transaction.reset(is_new=True)
        self._state = self._tracker.states.take(connection.connection)
        self.publish()

    def detach(self) -> None:
        """Stop tracking. Wrappers that other code put around ours stay, and ours pass calls on."""
        connection = self._connection
        while self._execute in connection.execute_wrappers:
            connection.execute_wrappers.remove(self._execute)
        self._wrapping.undo()
        if tracker_of(connection) is self:
            delattr(connection, ATTRIBUTE)
        self.pending.clear()

    def publish(self) -> None:
        """Publish what was written so far."""
        self._transaction.was_open = False
        self._publisher.all()

    def collect(self) -> None:
        """Publish what the transaction of a TestCase has written, as if it were committed."""
        self._collected |= {
            (change.database, change.table) for change in self.pending.look().changes
        }
        if len(self._collected) > _MAX_COLLECTED:
            self._collected = {("*", None)}
        self.publish()

    def add_keys(self, keys: Iterable[str | None], database: str = "") -> None:
        """Publish at the next commit that keys have changed, or at once if none is to come.

        Args:
            keys: their names. None for any key of the database.
            database: stands for the store of the keys.
        """
        self.pending.add_keys(database, keys, running())
        self._settle()

    @property
    def is_open(self) -> bool:
        """Whether a transaction may be open, so that its writes are not committed yet."""
        try:
            return not self._transaction.is_idle()
        except Exception:  # the driver cannot say
            return True

    def _wrap_close_if_obsolete(self) -> None:
        # Django calls this before and after each request. It is the last moment to notice a
        # commit() of sqlite3 or psycopg2 themselves. Requests without writes pay for it, too, so it
        # is one call around the original.
        original, written = self._connection.close_if_unusable_or_obsolete, self.pending.tables

        def close_if_obsolete() -> None:
            if written:
                self._catch_up()
            original()

        self._wrapping.put("close_if_unusable_or_obsolete", close_if_obsolete)

    def _wrap_create_cursor(self) -> None:
        original = self._connection.create_cursor

        def create_cursor(name: str | None = None) -> Any:
            cursor = original(name)
            if self._results is None:
                listen_to_cursor(cursor, self)
            else:
                self._results.listen(cursor)
            return cursor

        self._wrapping.put("create_cursor", create_cursor)

    def ran(self, sql: Any, *, is_done: bool = False) -> None:
        """Record what no execute wrapper has seen. None for an unknown text."""
        if self._tracker.is_active:
            self._look_up_schema()
        statement = ANYTHING if sql is None else self._statement(sql)
        self._recorder.note_reads(current(), statement, None, True)
        self._recorder.note_writes(statement, None, False)
        self._transaction.note(statement, is_done=is_done)
        self._state.record(statement, self._transaction, is_done=False)
        self._settle(statement, sql)

    def ended(self, *, may_be_undone: bool) -> None:
        """Check whether the driver has committed the pending writes."""
        self._catch_up()
        if may_be_undone:
            self._state.forget()
        is_under_way = self.pending and is_piped(self._connection.connection)
        if is_under_way and self._transaction.status() == IDLE:
            self._publisher.so_far()  # a transaction within a pipeline, which may go on

    def _ended_by_driver(self) -> None:
        """Publish what a transaction of MySQL has written, which has ended."""
        self._transaction.reset()
        self.publish()

    def _execute(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        """Run a statement and record it.

        This is the execute wrapper (docs.djangoproject.com/en/stable/topics/db/instrumentation/).
        """
        if self._tracker.is_active:
            self._look_up_schema()
        if self._state.is_unsettled:
            self._state.check(self._transaction)
        reads = current()
        statement = self._statement(sql, is_read=reads is not None)
        if reads is not None:
            self._recorder.note_reads(reads, statement, params, many)
        written = self.pending.tables
        if written:
            self._catch_up()
        was_running, self.is_running = self.is_running, True
        if not written and statement.only_reads:
            try:
                return execute(sql, params, many, context)
            finally:
                self.is_running = was_running
        is_undone = statement.commits and self._rolls_back()
        done = None
        try:
            with self._recorder.origin(self._connection, statement):
                result = execute(sql, params, many, context)
            cursor = context["cursor"]
            if statement.returns_rows and not many and self._must_fetch(statement):
                with self._connection.wrap_database_errors:
                    result = cursor.cursor = FetchedCursor(cursor.cursor)
            done = cursor.cursor
            return result
        finally:
            self.is_running = was_running
            # Also after an error: part of it may have been done, and publishing too much is safe.
            self._recorder.note_writes(statement, params, many, done)
            is_done = done is not None and not is_undone
            if self._results is not None:
                self._results.look(context["cursor"], sql)
            self._transaction.note(statement, is_done=is_done)
            self._state.record(statement, self._transaction, is_done=is_done)
            self._settle(statement, sql)

    def _must_fetch(self, statement: Statement) -> bool:
        if self._connection.vendor != "sqlite":
            return False
        tells_key = statement.written is not None and bool(statement.written.returning)
        return tells_key or self._transaction.is_idle()

    # Recording raises nothing: the statement is the project's, and so is its error.

    def _look_up_schema(self) -> None:
        try:
            # The catalog may be waiting for this thread, if it has written.
            may_wait = not self.pending
            self._recorder.schema = self._tracker.schema_of(
                self._connection, self._alias, may_wait=may_wait
            )
        except Exception:
            _logger.exception("reading the tables of a database failed")

    def _statement(self, sql: Any, is_read: bool = True) -> Statement:
        try:
            if not isinstance(sql, str):
                sql = sql.as_string(self._connection.connection)  # psycopg's sql.Composable
            vendor, names = self._connection.vendor, self._recorder.names()
            if not is_read and writes_nothing(sql, names):
                return NOTHING
            statement = shared_cache.parse(sql, vendor, names)
            state = self._state
            if not state.is_used:
                return statement
            temporary = state.temporary(statement, self._may_hide())
            if temporary:
                statement = shared_cache.parse(sql, vendor, names, temporary)
            return state.meant(statement)
        except Exception:  # bytes, or a text that is nested too deeply for the parser
            return ANYTHING

    def _may_hide(self) -> bool:
        """Whether a temporary table is meant where another table has the same name."""
        # A statement that the driver prepared earlier may still use the other table.
        prepares = getattr(self._connection.connection, "prepare_threshold", None) is not None
        return self._recorder.schema.temporary_is_first and not (
            self._state.is_path_set or prepares
        )

    def _rolls_back(self) -> bool:
        """Whether PostgreSQL turns a commit into a rollback, because the transaction has failed.

        It does not report that.
        """
        try:
            return self._state.is_used and self._transaction.status() == FAILED
        except Exception:  # the driver cannot say
            return True

    def _catch_up(self) -> None:
        """Publish what is no longer in a transaction: the driver has committed by itself."""
        try:
            if self.pending and self._transaction.is_idle():
                self.publish()
        except Exception:  # the driver does not know: the writes count as committed
            self.publish()

    def _settle(self, statement: Statement | None = None, sql: Any = None) -> None:
        """Publish what is committed."""
        try:
            self._look(statement, sql)
        except Exception:  # the driver does not know: the writes count as committed
            self.publish()

    def _look(self, statement: Statement | None, sql: Any) -> None:
        transaction = self._transaction
        if statement is not None and (statement.begins or statement.commits):
            self._publisher.doubtful(is_sure=not transaction.is_obscure)
        if statement is not None and statement.begins:
            is_undone = statement.begins == "rollback" and not statement.commits
            if is_undone and transaction.is_idle() and transaction.can_roll_back_ddl():
                self.pending.clear()
        if not self.pending:
            return
        connection = self._connection
        if transaction.is_idle():
            self.publish()
        elif transaction.may_be_idle():
            self._publisher.in_doubt()
        elif statement is not None and self._may_have_committed(statement, sql):
            # It began again, in the same text.
            self._publisher.so_far(defines=not transaction.can_roll_back_ddl())
        elif statement is not None and transaction.has_more_rows():
            self._publisher.so_far()  # the end of COPY … TO may never be read
        elif connection.in_atomic_block:
            blocks = connection.atomic_blocks
            is_collected = self._tracker.collectors or not self._tracker.is_active
            if blocks and blocks[0]._from_testcase and not is_collected:
                # Django's TestCase never commits, but captureOnCommitCallbacks() runs what was
                # registered within its block. One hook for each write, so that none is missing if a
                # savepoint discards some.
                connection.on_commit(self.publish)

    def _may_have_committed(self, statement: Statement, sql: Any) -> bool:
        """Whether a statement may have committed, although a transaction is open now."""
        if statement.commits or not self._transaction.is_reported:
            is_visible = self._recorder.schema.shows_at_once(statement)
            return statement.commits or statement.obscures or is_visible
        # An unreadable text may contain a COMMIT, with a BEGIN after it.
        return statement is ANYTHING and "commit" in str(sql).casefold()

    def _commit(self, commit: Callable[[], None]) -> None:
        state = self._state
        try:
            is_undone = self._rolls_back()
            commit()
        except BaseException:
            state.forget()
            self._commit_failed()
            raise
        if is_undone:
            state.forget()
        else:
            state.settled()
        self._transaction.reset()
        self.publish()  # Django runs the hooks of on_commit() later

    def _commit_failed(self) -> None:
        """Publish what may be committed: a COMMIT may fail after it was done, or before."""
        try:
            is_open = self._transaction.is_open()
        except Exception:  # the driver does not know
            is_open = False
        if is_open:  # for example because Django refuses it in an atomic block
            self._publisher.so_far()
        else:
            self._transaction.reset()
            self.publish()

    def _rollback(self, rollback: Callable[[], None]) -> None:
        self._catch_up()
        rollback()
        self._transaction.reset()
        self._collected.clear()
        self._state.forget()
        if self._transaction.can_roll_back_ddl():
            self.pending.clear()
        else:
            self.publish()

    def _savepoint_rollback(self, rollback: Callable[[str], None], savepoint: str) -> None:
        rollback(savepoint)
        # Undo what was already published as committed.
        for database, table in self._collected:
            self.pending.add(database, table, None, None)
        self._collected.clear()

    def _close(self, close: Callable[[], None]) -> None:
        try:
            close()
        finally:
            if self._connection.connection is None or self._connection.closed_in_transaction:
                self._transaction.reset()
                self.publish()

    def _leave(self, close: Callable[[], None]) -> None:
        # Before it is closed: as soon as a pool has it, another thread may get it.
        leave(self._connection.connection, self._state)
        self._state = ConnectionState()
        close()

    def _set_autocommit(self, set_autocommit: Callable[[bool], None], autocommit: bool) -> None:
        was_off = not self._transaction.is_reported and not self._transaction.commits_by_itself()
        set_autocommit(autocommit)
        # SQLite's driver and MySQL commit an open transaction when they return to autocommit.
        if autocommit and was_off:
            self._ended_by_driver()
        elif autocommit and self.pending and self._transaction.is_idle():
            self.publish()
