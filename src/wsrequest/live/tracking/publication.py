"""The publication that PostgreSQL's write-ahead log is read by: what it has, and what it lacks.

A publication names the tables whose rows the log reports. Its owner must own them. It holds the
project's tables, because those of other programs would only be work for each reader of the log.

A table without a primary key stays outside: once it is published, PostgreSQL refuses UPDATE and
DELETE there. Its writes are published by the processes that make them.
"""

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from django.apps import apps
from django.core.cache import caches
from django.db import DatabaseError, transaction

from wsrequest.bus.pgoutput import PUBLICATION
from wsrequest.live.tracking.schema import folded

__all__ = ["PublicationState", "complete", "read_publication", "statements"]

_logger = logging.getLogger("wsrequest.bus")


@dataclass(frozen=True, slots=True)
class PublicationState:
    """What a database says about its log and its publication.

    Attributes:
        wal_level: of the server.
        can_replicate: whether the role may read the log.
        free_slots: how many more replication slots can be made.
        free_senders: how many more processes can read the log.
        exists: the publication is there.
        is_whole: it reports inserts, updates, deletes and truncates.
        missing: tables of the project that it does not report, and could, quoted for SQL.
        filtered: tables that it reports in part only.
        keyless: tables of the project that cannot be published, because nothing identifies their
            rows.
    """

    wal_level: str
    can_replicate: bool
    free_slots: int
    free_senders: int
    exists: bool
    is_whole: bool
    missing: tuple[str, ...] = ()
    filtered: tuple[str, ...] = ()
    keyless: tuple[str, ...] = ()


_SERVER = """
    SELECT current_setting('wal_level'),
        (SELECT rolsuper OR rolreplication FROM pg_roles WHERE rolname = current_user),
        current_setting('max_replication_slots')::int
            - (SELECT count(*) FROM pg_replication_slots),
        current_setting('max_wal_senders')::int - (SELECT count(*) FROM pg_stat_replication)"""
_PUBLICATION = """
    SELECT pubinsert AND pubupdate AND pubdelete AND pubtruncate
    FROM pg_publication WHERE pubname = %s"""
# Names of other things are left out. A partition is reported if a table above it is.
_TABLES = """
    SELECT c.oid::regclass::text, (
            SELECT bool_or(to_jsonb(t) ->> 'rowfilter' IS NULL)
            FROM pg_publication_tables t JOIN pg_namespace n ON n.nspname = t.schemaname
            JOIN pg_class p ON p.relnamespace = n.oid AND p.relname = t.tablename
            WHERE t.pubname = %s AND (p.oid = c.oid
                OR p.oid IN (SELECT relid FROM pg_partition_tree(c.oid)))),
        c.relreplident IN ('f', 'i') OR c.relreplident = 'd' AND EXISTS (
            SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
    FROM unnest(%s::text[]) AS named JOIN pg_class c ON c.oid = to_regclass(named)
    WHERE c.relkind IN ('r', 'p') AND c.relpersistence = 'p'
    ORDER BY 1"""


def read_publication(connection: Any, ignored: Iterable[str] = ()) -> PublicationState:
    """Query a database.

    Args:
        connection: one of Django's connections, to PostgreSQL.
        ignored: tables that no live request depends on (``WSREQUEST_LIVE_IGNORED_TABLES``).
    """
    skipped = frozenset(map(folded, ignored))
    names = [
        connection.ops.quote_name(name)
        for name in sorted(_project_tables())
        if folded(name) not in skipped
    ]
    with connection.cursor() as cursor:
        cursor.execute(_SERVER)
        wal_level, can_replicate, free_slots, free_senders = cursor.fetchone()
        cursor.execute(_PUBLICATION, [PUBLICATION])
        found = cursor.fetchone()
        cursor.execute(_TABLES, [PUBLICATION, names])
        tables: Mapping[str, tuple[bool | None, bool]] = {
            table: (is_reported, is_keyed) for table, is_reported, is_keyed in cursor.fetchall()
        }
    return PublicationState(
        wal_level,
        can_replicate,
        free_slots,
        free_senders,
        found is not None,
        found is not None and bool(found[0]),
        tuple(t for t, (is_reported, has_key) in tables.items() if is_reported is None and has_key),
        tuple(t for t, (is_reported, _) in tables.items() if is_reported is False),
        tuple(t for t, (is_reported, has_key) in tables.items() if not (is_reported or has_key)),
    )


def _project_tables() -> set[str]:
    models = apps.get_models(include_auto_created=True, include_swapped=True)
    tables = {model._meta.db_table for model in models if not model._meta.proxy}
    for settings in caches.settings.values():
        if settings["BACKEND"].endswith(".DatabaseCache"):
            tables.add(settings.get("LOCATION", ""))
    return tables | {"django_migrations"}


def statements(state: PublicationState) -> list[str]:
    """Return the statements that make the publication, or complete it."""
    tables = ", ".join(state.missing)
    if not state.exists:
        return [f"CREATE PUBLICATION {PUBLICATION}" + (f" FOR TABLE {tables}" if tables else "")]
    found = [f"ALTER PUBLICATION {PUBLICATION} ADD TABLE {tables}"] if tables else []
    if not state.is_whole:
        publish = "insert, update, delete, truncate"
        found.append(f"ALTER PUBLICATION {PUBLICATION} SET (publish = '{publish}')")
    return found


def complete(connection: Any, ignored: Iterable[str]) -> None:
    """Add the tables that migrations have made to the publication, if there is one.

    Args:
        connection: one of Django's connections.
        ignored: see ``read_publication``.
    """
    if connection.vendor != "postgresql":
        return
    try:
        state = read_publication(connection, ignored)
        needed = statements(state) if state.exists else []
        with transaction.atomic(using=connection.alias), connection.cursor() as cursor:
            for statement in needed:
                cursor.execute(statement)
    except DatabaseError as error:  # the migrations are done, and other writes are still noticed
        _logger.warning(
            "the new tables cannot be added to the publication of the database %r: %s. Run "
            '"manage.py wsrequest_publication" with a role that may',
            connection.alias,
            str(error).strip(),
        )
