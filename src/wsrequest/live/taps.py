"""What one database connection reads and writes, and when its writes are committed.

Owns the execute wrapper and what is put around the connection's own transaction methods, as
attributes of the instance, so that other connections and Django stay as they are. Whoever puts
something around the same methods later keeps it.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from wsrequest.live.cursors import Fetched, telling
from wsrequest.live.pending import Pending
from wsrequest.live.reads import current, running
from wsrequest.live.rows import rows_of
from wsrequest.live.statements import ANYTHING, Statement, parse
from wsrequest.live.values import Passes, as_it_is, passes_of

if TYPE_CHECKING:
    from wsrequest.live.capture import Capture

__all__ = ["Tap", "tap_of"]

ATTRIBUTE = "_wsrequest_tap"
_NONE: frozenset[str] = frozenset()


def tap_of(connection: Any) -> "Tap | None":
    """Return the tap of one of Django's connections."""
    found: Tap | None = vars(connection).get(ATTRIBUTE)
    return found


class Tap:
    """Tells a capture what one of Django's connections does.

    Args:
        capture: whom.
        connection: one of ``django.db.connections``, open.
        database: the alias that its tables are known by, that of the primary for a replica.
    """

    def __init__(self, capture: "Capture", connection: Any, database: str) -> None:
        self._capture = capture
        self._connection = connection
        self.database = database
        self.pending = Pending()
        self._has_begun = False  # by a statement, on a driver that does not tell
        self._wrapped: dict[str, Any] = {}
        self._passes: Passes = as_it_is

    def attach(self) -> None:
        """Begin; again after the connection was opened anew, which ends what was under way."""
        connection = self._connection
        if tap_of(connection) is not self:
            setattr(connection, ATTRIBUTE, self)
            for name, wrapped in (
                ("commit", self._commit),
                ("rollback", self._rollback),
                ("close", self._close),
                ("_set_autocommit", self._set_autocommit),
            ):
                self._wrap(name, wrapped)
        if self._execute not in connection.execute_wrappers:
            # First is outermost. Django's execute_wrapper() takes the last away again.
            connection.execute_wrappers.insert(0, self._execute)
        telling(connection.connection, self._tell)
        self._passes = passes_of(connection.vendor, connection.connection)
        self._has_begun = False
        self.publish()

    def detach(self) -> None:
        """End. What was put around ours meanwhile stays, and ours passes on."""
        connection = self._connection
        while self._execute in connection.execute_wrappers:
            connection.execute_wrappers.remove(self._execute)
        for name, wrapped in self._wrapped.items():
            if vars(connection).get(name) is wrapped:
                delattr(connection, name)
        if tap_of(connection) is self:
            delattr(connection, ATTRIBUTE)
        self.pending.clear()

    def publish(self) -> None:
        """Tell what was written so far."""
        if self.pending:
            if self._capture.is_active:
                self._capture.tell(self.pending.take())
            else:
                self.pending.clear()

    def add_keys(self, keys: Iterable[str]) -> None:
        """Tell at the next commit that keys have changed; at once when there is none to come."""
        for key in keys:
            self.pending.add("", key, None, running())
        self._settle()

    def _wrap(self, name: str, wrapper: Callable[..., Any]) -> None:
        original = getattr(self._connection, name)

        def wrapped(*args: Any, **kwargs: Any) -> Any:
            return wrapper(original, *args, **kwargs)

        self._wrapped[name] = wrapped
        setattr(self._connection, name, wrapped)

    def _execute(
        self, execute: Callable[..., Any], sql: Any, params: Any, many: bool, context: Any
    ) -> Any:
        """The execute wrapper (docs.djangoproject.com/en/stable/topics/db/instrumentation/)."""
        statement = self._statement(sql)
        reads = current()
        if reads is not None and statement.reads != _NONE:
            reads.lags |= self._connection.alias != self.database
            schema = self._capture.schema
            names = schema.names.get(self._connection.vendor) or schema.names[""]
            reads.add_statement(
                self.database,
                statement,
                names,
                schema.ignored,
                None if many else params,
                self._passes,
            )
        if statement.writes == _NONE and not self.pending and not statement.begins:
            return execute(sql, params, many, context)
        try:
            result = execute(sql, params, many, context)
            if statement.returns_rows and not many and self._must_fetch():
                cursor = context["cursor"]
                with self._connection.wrap_database_errors:
                    result = cursor.cursor = Fetched(cursor.cursor)
            return result
        finally:
            # Also after an error: part of it may have been done, and telling too much is safe.
            self._note(statement, params, many)
            self._settle(statement)

    def _must_fetch(self) -> bool:
        return self._connection.vendor == "sqlite" and self._is_idle()

    def _statement(self, sql: Any) -> Statement:
        if not isinstance(sql, str):
            as_string = getattr(sql, "as_string", None)  # psycopg's sql.Composable
            if as_string is None:
                return ANYTHING
            sql = as_string(self._connection.connection)
        names = self._capture.schema.names
        vendor = self._connection.vendor
        return parse(sql, vendor, names.get(vendor) or names[""])

    def _note(self, statement: Statement, params: Any, many: bool) -> None:
        """Add what a statement wrote to what is pending."""
        if statement.writes == _NONE:
            return
        capture, run = self._capture, running()
        changed = capture.schema.changed_by(statement)
        if changed is None:
            self.pending.add(self.database, None, None, run)
            return
        for table, can_tell in changed:
            rows = None
            if can_tell and capture.is_active and statement.written is not None:
                kinds = capture.wanted_kinds(self.database, table, self._connection.vendor)
                if kinds and (many or len(params or ()) == statement.placeholders):
                    rows = rows_of(statement.written, kinds, params or (), many, self._passes)
            self.pending.add(self.database, table, rows, run)

    def _tell(self, sql: Any) -> None:
        """Something was run that no execute wrapper has seen."""
        statement = ANYTHING if sql is None else self._statement(sql)
        reads = current()
        if reads is not None and statement.reads != _NONE:
            for table in (None,) if statement.reads is None else statement.reads:
                reads.add(self.database, table)
        self._note(statement, None, False)
        self._settle()

    def _settle(self, statement: Statement | None = None) -> None:
        """Publish what is committed."""
        if statement is not None and statement.begins:
            self._has_begun = statement.begins == "begin"
            if statement.begins == "rollback" and self._is_idle() and self._can_roll_back():
                self.pending.clear()
        if not self.pending:
            return
        connection = self._connection
        if self._is_idle():
            self.publish()
        elif connection.in_atomic_block:
            blocks = connection.atomic_blocks
            if blocks and blocks[0]._from_testcase and self._capture.is_active:
                # Django's TestCase never commits, but captureOnCommitCallbacks() runs what was
                # registered within its block. One for each write, so that none is missing where
                # a savepoint takes some away.
                connection.on_commit(self.publish)

    def _is_idle(self) -> bool:
        """Whether the database has no transaction open, as far as the driver can tell."""
        connection = self._connection
        driver = connection.connection
        if driver is None:
            return True
        if connection.vendor == "sqlite":
            # Also in an atomic block: where set_autocommit(False) began no transaction, its
            # savepoint is one, and RELEASE commits.
            return not driver.in_transaction
        if connection.in_atomic_block:
            return False
        if connection.vendor == "postgresql":
            # ACTIVE, INTRANS and INERROR of libpq; what is unknown counts as ended.
            return driver.info.transaction_status not in (1, 2, 3)
        return connection.autocommit and not self._has_begun

    def _can_roll_back(self) -> bool:
        # Where it cannot roll back DDL, a DDL statement commits what was written before it.
        return bool(self._connection.features.can_rollback_ddl)

    def _commit(self, commit: Callable[[], None]) -> None:
        try:
            commit()
        finally:
            # Django runs the hooks of on_commit() later. COMMIT may have failed after it was done.
            self.publish()

    def _rollback(self, rollback: Callable[[], None]) -> None:
        rollback()
        self._has_begun = False
        if self._can_roll_back():
            self.pending.clear()
        else:
            self.publish()

    def _close(self, close: Callable[[], None]) -> None:
        try:
            close()
        finally:
            if self._connection.connection is None or self._connection.closed_in_transaction:
                self._has_begun = False
                self.publish()

    def _set_autocommit(self, set_autocommit: Callable[[bool], None], autocommit: bool) -> None:
        set_autocommit(autocommit)
        # SQLite's driver commits what is open when it goes back to autocommit.
        if autocommit and self.pending and self._is_idle():
            self.publish()
