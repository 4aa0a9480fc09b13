"""A database of each kind with the tables of tests/live/models.py, and the commits it published."""

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
from django.conf import settings
from django.db import connections, transaction
from django.test import override_settings

from tests.live.models import MODELS, Note, Room, Tag
from tests.live.tables import empty_tables, make_tables
from tests.mariadb import connecting
from wsrequest.live.index import touches
from wsrequest.live.tracking.schema import Extras
from wsrequest.live.tracking.tracker import ChangeTracker, installed
from wsrequest.types import Commit

ALIAS = "live"
_TABLES = [
    *(model._meta.db_table for model in MODELS),
    Note.tags.through._meta.db_table,
    "live_legacy",
]


@pytest.fixture(scope="session")
def _application() -> Iterator[None]:
    with override_settings(
        INSTALLED_APPS=[*settings.INSTALLED_APPS, "tests.live.apps.LiveConfig"],
        DATABASE_ROUTERS=["tests.live.models.Router", *settings.DATABASE_ROUTERS],
    ):
        yield


@pytest.fixture(autouse=True)
def _no_capture(_application: None) -> Iterator[None]:
    """Each test installs its own; that of the project gives way."""
    tracker = installed()
    if tracker is None:
        yield
        return
    tracker.uninstall()
    yield
    tracker.install()


class Database:
    """The database under test: Django's alias ``live``, and a look at it from outside.

    Attributes:
        vendor: "sqlite", "postgresql" or "mariadb".
        parameters: those of Django's DATABASES.
    """

    def __init__(self, vendor: str, parameters: dict[str, Any]) -> None:
        self.vendor, self.parameters = vendor, parameters

    def content(self) -> dict[str, list[Any]]:
        """Return what another thread finds in each table, by a connection of its own."""
        with ThreadPoolExecutor(1) as pool:
            return pool.submit(self._content).result()

    def _content(self) -> dict[str, list[Any]]:
        with closing(self.connect()) as connection:
            cursor = connection.cursor()
            found = {}
            for table in _TABLES:
                cursor.execute("SELECT * FROM " + connections[ALIAS].ops.quote_name(table))
                found[table] = sorted(map(str, cursor.fetchall()))
            return found

    def connect(self) -> Any:
        """A connection of the driver, in autocommit."""
        if self.vendor == "sqlite":
            return sqlite3.connect(self.parameters["NAME"], timeout=5, isolation_level=None)
        if self.vendor == "mariadb":
            return connect_to_mariadb(self.parameters)
        names = {"NAME": "dbname", "USER": "user", "PASSWORD": "password"}
        names |= {"HOST": "host", "PORT": "port"}
        given = {names[name]: self.parameters[name] for name in names}
        return psycopg.connect(**given, autocommit=True)


def connect_to_mariadb(parameters: dict[str, Any]) -> Any:
    import MySQLdb

    connection = MySQLdb.connect(**connecting(parameters))  # type: ignore[arg-type]  # has more
    connection.autocommit(True)
    return connection


@contextmanager
def configured(alias: str, parameters: dict[str, Any]) -> Iterator[Any]:
    """An alias of ``django.db.connections`` for the length of the block; its connection."""
    default = {"default": {"ENGINE": "django.db.backends.dummy"}}
    databases = connections.configure_settings({**default, alias: parameters})
    connections.settings[alias] = databases[alias]
    try:
        yield connections[alias]
    finally:
        driver = connections[alias].connection
        connections[alias].close()
        if connections[alias].connection is not None:
            driver.close()  # Django never closes a database in memory
        del connections[alias]
        del connections.settings[alias]


@pytest.fixture(scope="session")
def _sqlite_file(
    tmp_path_factory: pytest.TempPathFactory, _application: None, django_db_blocker: Any
) -> Path:
    """A file with the tables and the first rows."""
    path = tmp_path_factory.mktemp("live") / "live.sqlite3"
    with django_db_blocker.unblock(), configured(ALIAS, sqlite(path)) as connection:
        make_tables(connection)
        add_rows()
    return path


def sqlite(path: Path) -> dict[str, Any]:
    return {"ENGINE": "django.db.backends.sqlite3", "NAME": str(path)}


def add_rows() -> None:
    room = Room.objects.create(name="kitchen")
    Note.objects.create(text="a", room=room)
    Tag.objects.create(name="first")


def marks_of(vendor: str) -> tuple[pytest.MarkDecorator, ...]:
    """MariaDB's driver is there for the Python at hand only."""
    return (pytest.mark.once,) if vendor == "mariadb" else ()


ON_MARIADB = pytest.param("mariadb", marks=marks_of("mariadb"))
only_mariadb = pytest.mark.parametrize("database", [ON_MARIADB], indirect=True)
everywhere = pytest.mark.parametrize(
    "database", ["sqlite", "postgresql", ON_MARIADB], indirect=True
)


@pytest.fixture(params=["sqlite", "postgresql"])
def database(
    request: pytest.FixtureRequest, tmp_path: Path, django_db_blocker: Any
) -> Iterator[Database]:
    """Each kind in turn, with one room that holds one note, and one tag.

    MariaDB is for tests that ask for it: ``only_mariadb`` and ``everywhere``.
    """
    if request.param == "sqlite":
        made = request.getfixturevalue("_sqlite_file")
        parameters = sqlite(Path(shutil.copy(made, tmp_path / "live.sqlite3")))
    elif request.param == "mariadb":
        parameters = {"ENGINE": "django.db.backends.mysql"}
        parameters |= request.getfixturevalue("mariadb_params")
    else:
        parameters = {"ENGINE": "django.db.backends.postgresql"}
        parameters |= request.getfixturevalue("postgres_params")
    with django_db_blocker.unblock(), configured(ALIAS, parameters) as connection:
        if request.param != "sqlite":
            empty_tables(connection)
            add_rows()
        connection.ensure_connection()
        yield Database(request.param, parameters)


class Published:
    """What a capture published, and what the database held at each time."""

    def __init__(self, look: Callable[[], Any]) -> None:
        self._look = look
        self.changes: list[Commit] = []
        self.contents: list[Any] = []

    def __call__(self, changes: Commit) -> None:
        self.changes.append(changes)
        self.contents.append(self._look())

    def tables(self) -> set[str | None]:
        """Return the tables, without the name of the application, and what else is no table."""
        return {
            None if change.table is None else change.table.removeprefix("live_")
            for changes in self.changes
            for change in changes.changes
            if change.table is None or not change.table.startswith("* ")
        }

    def rows(self, table: str) -> list[Any]:
        """Return the rows that were published of one table, None for any."""
        return [
            change.rows
            for changes in self.changes
            for change in changes.changes
            if change.table == f"live_{table}"
        ]

    def clear(self) -> None:
        self.changes.clear()
        self.contents.clear()


@pytest.fixture
def published(database: Database) -> Published:
    """Filled by ``tracker``."""
    return Published(database.content)


@pytest.fixture
def tracker(database: Database, published: Published) -> Iterator[ChangeTracker]:
    """A capture that watches."""
    with watching(published) as made:
        yield made


@contextmanager
def watching(publish: Callable[[Commit], None], **arguments: Any) -> Iterator[ChangeTracker]:
    """A capture that watches for the length of the block; arguments are those of ``Extras``."""
    tracker = ChangeTracker(publish, extras=Extras(**arguments))
    tracker.install()
    try:
        yield tracker
    finally:
        tracker.uninstall()


class Story:
    """A view's reads, and whether writes concern them."""

    def __init__(self, tracker: ChangeTracker, published: Published) -> None:
        self._tracker, self._published = tracker, published

    def wakes(self, view: Callable[[], Any], write: Callable[[], Any]) -> bool:
        with self._tracker.reading() as reads:
            view()
        self._published.clear()
        write()
        return any(touches(reads.result(), changes) for changes in self._published.changes)


@pytest.fixture
def story(tracker: ChangeTracker, published: Published) -> Story:
    return Story(tracker, published)


def atomic(**arguments: Any) -> Any:
    return transaction.atomic(using=ALIAS, **arguments)


def run_sql(sql: Any, *params: Any) -> None:
    with connections[ALIAS].cursor() as cursor:
        cursor.execute(sql, params or None)
