"""The oracle's own database and its settings, in whatever process it runs.

Owns what makes a process its: another default database, its URLs, and rows to begin with.
"""

import secrets
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

import psycopg
import psycopg.sql
from django.conf import settings
from django.contrib.auth import get_user_model, login
from django.contrib.auth.models import User
from django.core.cache import caches
from django.core.management import call_command
from django.core.management.color import no_style
from django.db import connection, connections, transaction
from django.db.models.signals import post_delete, post_save
from django.test import RequestFactory, override_settings

from tests.mariadb import made_mariadb, new_database
from tests.oracle.project import cached, models
from tests.oracle.settings import SETTINGS, sqlite
from tests.oracle.writes import KEYS, USERS
from tests.postgres import Params, made_cluster

__all__ = [
    "cookie_of",
    "fill",
    "forgetting",
    "make_tables",
    "on_mariadb",
    "on_postgres",
    "on_sqlite",
]


# A column whose texts are compared in any case.
_FOLDING = {"sqlite": "varchar(40) COLLATE NOCASE", "postgresql": "citext", "mysql": "varchar(40)"}


@contextmanager
def forgetting() -> Iterator[None]:
    """Rows that are saved or deleted take their keys out of the cache."""
    for signal in (post_save, post_delete):
        signal.connect(cached.forget)
    try:
        yield
    finally:
        for signal in (post_save, post_delete):
            signal.disconnect(cached.forget)


def make_tables() -> None:
    """Make the oracle's tables in the default database, which is empty."""
    call_command("migrate", verbosity=0)
    call_command("migrate", verbosity=0, run_syncdb=True)  # refers to the tables of those
    call_command("createcachetable", verbosity=0)
    with connection.cursor() as cursor:
        cursor.execute(models.LEGACY)
        if connection.vendor == "postgresql":
            cursor.execute("CREATE EXTENSION citext")
        # MySQL wants the very type of what it refers to.
        key = models.Room._meta.pk.rel_db_type(connection)
        cursor.execute(models.LEAF.format(folding=_FOLDING[connection.vendor], key=key))


@contextmanager
def database(parameters: dict[str, Any]) -> Iterator[None]:
    """Make the default database another one, with the oracle's tables, for the length of a block.

    Args:
        parameters: one of Django's DATABASES, which is empty.
    """
    # Django's pool and persistent connections do not go together.
    age = 0 if "pool" in parameters.get("OPTIONS", {}) else 600
    parameters = {**parameters, "CONN_MAX_AGE": age}
    before, opened = connections.settings["default"], connections["default"]
    connections.settings["default"] = connections.configure_settings({"default": parameters})[
        "default"
    ]
    connections["default"] = connections.create_connection("default")
    try:
        # A store of each kind: rows alone, and rows behind a cache.
        engine = "cached_db" if parameters["ENGINE"].endswith("sqlite3") else "db"
        engine = f"django.contrib.sessions.backends.{engine}"
        with override_settings(**SETTINGS, SESSION_ENGINE=engine), forgetting():
            make_tables()
            yield
    finally:
        connections["default"].close()
        connections.settings["default"], connections["default"] = before, opened


TABLES = (models.Reading, models.Book, models.Person, models.Room, models.Note, models.Tag)
OTHERS = (
    models.Leaf,
    models.Account,
    models.Restaurant,
    models.Place,
    models.Notebook,
    models.Mixed,
    models.Legacy,
)


def fill() -> None:
    """Make all tables as they are at the begin of each program."""
    names = [
        model._meta.db_table
        for model in (*TABLES, *OTHERS, models.Secret, models.Book.tags.through)
    ]
    names += [models.Note.about.through._meta.db_table, "django_session"]
    names += [User._meta.db_table, User.groups.through._meta.db_table]
    names += [User.user_permissions.through._meta.db_table]
    sql = connection.ops.sql_flush(no_style(), names, reset_sequences=True, allow_cascade=False)
    connection.ops.execute_sql_flush(sql)
    for alias in ("default", "table"):
        if alias in caches:
            caches[alias].clear()
    with transaction.atomic():
        for number, name in enumerate(USERS, 1):
            User.objects.create(pk=number, username=name)
        _fill_tables()


def _fill_tables() -> None:
    for n in range(1, 5):
        models.Tag.objects.create(pk=n, name=f"t{n % 4}")
        models.Room.objects.create(pk=n, name=f"r{n % 4}")
    for n in range(1, KEYS + 1):
        models.Person.objects.create(pk=n, name=f"p{n % 4}", boss_id=n // 2 or None)
        book = models.Book.objects.create(
            pk=n, title=f"t{n % 7}", kind=n % 4, price=7 * n, room_id=n % 4 + 1, author_id=n
        )
        book.tags.add(n % 4 + 1)
        models.Reading.objects.create(person_id=n, book=book, stars=n % 4)
        models.Restaurant.objects.create(pk=n, name=f"p{n % 4}", stars=n % 4)
        models.Notebook.objects.create(pk=n, text=f"t{n}")
        models.Note.objects.create(text=f"n{n}").about.add(n % 4 + 1)
        models.Mixed.objects.create(pk=n, text=f"m{n}")
        models.Legacy.objects.create(pk=n, name=f"l{n}")
        models.Leaf.objects.create(pk=n, text=f"a{n % 4}", room_id=n % 4 + 1)
        models.Account.objects.create(pk=n, kind=list(models.Kind)[n % 2], user=n % 4)
        models.Secret.objects.create(pk=n, text=f"s{n}", owner_id=n % len(USERS) + 1)


def cookie_of(name: str) -> str:
    """The Cookie header of somebody who has logged in as a user."""
    request = RequestFactory().get("/")
    request.session = import_module(settings.SESSION_ENGINE).SessionStore()
    user = get_user_model().objects.get(username=name)
    login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    request.session.save()
    return f"sessionid={request.session.session_key}"


@contextmanager
def on_sqlite(directory: str | Path) -> Iterator[None]:
    """A world in a file of its own below a directory."""
    with tempfile.TemporaryDirectory(prefix="oracle-", dir=directory) as inner:
        with database(sqlite(inner)):
            yield


def _named(parameters: Params, name: str) -> dict[str, Any]:
    """What a driver connects by."""
    names = {"user": "USER", "password": "PASSWORD", "host": "HOST", "port": "PORT"}
    return {**{given: parameters[key] for given, key in names.items()}, "dbname": name}  # type: ignore[literal-required]  # keys of Params


@contextmanager
def on_postgres(
    parameters: Params | None = None, options: dict[str, Any] | None = None
) -> Iterator[None]:
    """A world in a new database of a server; without parameters on one of its own."""
    if parameters is None:
        with made_cluster() as cluster, cluster.serve() as served, on_postgres(served, options):
            yield
        return
    name = f"oracle_{secrets.token_hex(4)}"
    with psycopg.connect(**_named(parameters, parameters["NAME"]), autocommit=True) as server:
        server.execute(psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name)))
    with psycopg.connect(**_named(parameters, name), autocommit=True) as made:
        made.execute("CREATE EXTENSION hstore")
    given = {"ENGINE": "django.db.backends.postgresql", "NAME": name, "OPTIONS": options or {}}
    with database({**parameters, **given}):
        yield


@contextmanager
def on_mariadb(
    parameters: Params | None = None, isolation_level: str | None = None
) -> Iterator[None]:
    """A world in a new database of a server; without parameters on one of its own.

    Args:
        parameters: of the server.
        isolation_level: as Django's OPTIONS name it. None for the server's own, which is
            "repeatable read".
    """
    if parameters is None:
        with made_mariadb() as served, on_mariadb(served, isolation_level):
            yield
        return
    made = new_database(parameters, f"oracle_{secrets.token_hex(4)}")
    options = {"isolation_level": isolation_level}
    with database({**made, "ENGINE": "django.db.backends.mysql", "OPTIONS": options}):
        yield
