"""The oracle's database with the tables of ``models``, on each kind of database and driver."""

import importlib
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from django.db import connection
from django.db.backends.signals import connection_created

from tests.oracle.world import fill, on_mariadb, on_postgres, on_sqlite

__all__ = ["empty", "world"]


@contextmanager
def world(
    vendor: str, parameters: Any = None, options: dict[str, Any] | None = None
) -> Iterator[None]:
    """A database, empty of what the tests need not.

    Args:
        vendor: "sqlite", "postgresql" or "mariadb".
        parameters: of a server that runs; one of its own when None.
        options: of Django's DATABASES.
    """
    if vendor == "sqlite":
        with on_sqlite(tempfile.gettempdir()):
            _make()
            yield
        return
    if vendor == "mariadb":
        with on_mariadb(parameters):
            _make()
            yield
        return
    # What django.contrib.postgres does, which is not installed.
    signals = importlib.import_module("django.contrib.postgres.signals")
    connection_created.connect(signals.register_type_handlers)
    try:
        with on_postgres(parameters, options):
            _make()
            yield
    finally:
        connection_created.disconnect(signals.register_type_handlers)


def _make() -> None:
    from tests.pairs.models import Crate, Shelf

    there = connection.introspection.table_names()
    with connection.schema_editor() as editor:
        for model in (Shelf, Crate):
            if model._meta.db_table not in there and model._meta.can_migrate(connection):
                editor.create_model(model)


def empty() -> None:
    """Make all tables as they are to begin with."""
    from tests.pairs.models import Crate, Shelf

    Shelf.objects.all().delete()
    if connection.vendor == "postgresql":
        Crate.objects.all().delete()
    fill()
    for n in range(1, 5):
        Shelf.objects.create(pk=n, label="abc"[n % 3], is_full=bool(n % 2), room_id=n)
        if connection.vendor == "postgresql":
            Crate.objects.create(
                pk=n, labels=["abc"[n % 3]], extra={"a": "1"}, span=(n, n + 3), room_id=n
            )
    if connection.vendor == "postgresql":
        # Behind the keys that were given, or each row that it makes a key for would be refused.
        with connection.cursor() as cursor:
            for table, key in (("oracle_shelf", "code"), ("oracle_crate", "id")):
                cursor.execute("SELECT setval(pg_get_serial_sequence(%s, %s), 60)", [table, key])
