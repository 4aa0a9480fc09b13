"""Commits that the database itself reports, from its write-ahead log.

The log knows tables. Readers also know views, and the partitions and parents of a table. A rerun
tells the log who it is, so that its own writes do not trigger it.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from wsrequest.live.tracking.cursors import is_piped
from wsrequest.live.tracking.schema import Schema
from wsrequest.live.tracking.transaction_status import IDLE
from wsrequest.types import Commit, TableChange

__all__ = ["completed", "with_origin"]

_logger = logging.getLogger("wsrequest.live")

_IN_TRANSACTION = 2  # of libpq's PQTRANS_
_EMIT = "SELECT pg_logical_emit_message(true, %s::text, %s::bytea)"
# In autocommit, these can run in a transaction of their own. Others, such as CALL, may refuse to.
_WRAPPED = frozenset({"insert", "update", "delete", "merge", "with", "select", "truncate"})


def completed(commit: Commit, schema: Schema | None) -> Commit | None:
    """Return a reported commit with everything else that it changes.

    Args:
        commit: names tables without their schemas.
        schema: what is known of the database, or None.

    Returns:
        None if it names a table that was made later, whose partitions and views are not known.
    """
    if schema is None or schema.is_blind:
        return None
    changes = []
    for change in commit.changes:
        table, database = change.table, change.database
        if table is None:
            changes.append(change)
            continue
        if table not in schema.stored:
            return None
        # A row of a partition is one of its parent, and has the same columns there.
        family = {table, *schema.families.get(table, ())}
        changes += [TableChange(database, each, change.rows) for each in sorted(family)]
        views = frozenset().union(*(schema.written_by.get(each, ()) for each in family))
        # Tables that triggers write are reported, too.
        changes += [TableChange(database, view) for view in sorted(views - schema.stored)]
    return Commit(tuple(each for each in changes if each.table not in schema.ignored))


@contextmanager
def with_origin(connection: Any, verb: str, prefix: str, origin: bytes) -> Iterator[None]:
    """Have a statement's transaction say who wrote it.

    In autocommit, the statement gets a transaction for that. Where it cannot have one, nobody
    learns its origin.

    Args:
        connection: one of Django's connections, to PostgreSQL.
        verb: of the statement.
        prefix: of the message in the log.
        origin: its content.
    """
    driver = connection.connection
    status = int(driver.info.transaction_status)
    if is_piped(driver) or status not in (IDLE, _IN_TRANSACTION):
        yield
        return
    is_own = status == IDLE and bool(driver.autocommit)
    if is_own and verb not in _WRAPPED:
        yield
        return
    with connection.wrap_database_errors, driver.cursor() as cursor:
        if not is_own:
            cursor.execute(_EMIT, [prefix, origin])
            yield
            return
        cursor.execute("BEGIN")
        try:
            cursor.execute(_EMIT, [prefix, origin])
            yield
        except BaseException:
            _end(cursor, "ROLLBACK")
            raise
        _end(cursor, "COMMIT")


def _end(cursor: Any, statement: str) -> None:
    # The view may have ended the transaction, or lost the connection.
    if not cursor.connection.closed and cursor.connection.info.transaction_status != IDLE:
        cursor.execute(statement)
