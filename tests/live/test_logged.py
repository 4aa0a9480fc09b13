"""A database whose write-ahead log is the bus: who publishes which write, and who wrote it."""

from collections.abc import Callable, Iterator
from contextlib import nullcontext
from importlib import import_module
from typing import Any

import psycopg
import pytest
from django.db import DatabaseError, connections, transaction

from tests.contract.receiver import LOST, Receiver
from tests.live.conftest import ALIAS, configured, run_sql
from tests.live.models import Note, Room, Tag
from tests.live.tables import empty_tables
from tests.postgres import Params, connecting
from wsrequest.bus.broker import BrokerBus
from wsrequest.bus.codec import CHANGES
from wsrequest.bus.open import open_bus
from wsrequest.live.tracking.logged import with_origin
from wsrequest.live.tracking.tracker import ChangeTracker
from wsrequest.types import Commit, RemoteRerun

pytestmark = pytest.mark.needs("postgresql")

psycopg2: Any = import_module("psycopg2")  # has no types

PARTS = """
    CREATE VIEW seen AS SELECT * FROM live_tag;
    CREATE TABLE part (id integer, day integer, PRIMARY KEY (id, day)) PARTITION BY RANGE (day);
    CREATE TABLE part_1 PARTITION OF part FOR VALUES FROM (0) TO (10);
    CREATE VIEW parts AS SELECT * FROM part;
    ALTER TABLE live_mixed SET UNLOGGED;
""".replace("live_mixed", '"Live_MixedCase"')


class World:
    """A process on the log: its tracker, and what its receivers get.

    Attributes:
        published: what the tracker publishes itself.
    """

    def __init__(self, bus: BrokerBus) -> None:
        self.bus = bus
        self.published: list[Commit] = []
        self.tracker = ChangeTracker(
            self._publish, is_shared=True, logged_databases=[ALIAS], origin_of=bus.origin_of
        )
        bus.adapt = self.tracker.heard
        self._receiver = Receiver(bus, CHANGES)
        self._receiver.take_turns_until(lambda: LOST in self._receiver.came)
        self._receiver.came.clear()

    def _publish(self, commit: Commit) -> None:
        self.published.append(commit)
        self.bus.publish(CHANGES, commit)

    def heard(self, write: Callable[[], object]) -> list[Commit]:
        """Return the commits that arrive by a write, in order."""
        self.published.clear()
        write()
        is_current: list[bool] = []
        if not self.bus.when_current(
            lambda _: self._receiver.posted.put(lambda: is_current.append(True))
        ):
            self._receiver.take_turns_until(lambda: is_current)
        found, self._receiver.came = self._receiver.messages, []
        return found

    def tables(self, write: Callable[[], object]) -> set[str | None]:
        return {change.table for commit in self.heard(write) for change in commit.changes}


@pytest.fixture
def world(postgres_log_params: Params, django_db_blocker: Any) -> Iterator[World]:
    parameters = {"ENGINE": "django.db.backends.postgresql", **postgres_log_params}
    with django_db_blocker.unblock(), configured(ALIAS, parameters) as connection:
        empty_tables(connection)
        with connection.cursor() as cursor:
            cursor.execute(PARTS)
            cursor.execute("SET synchronous_commit = local")
        url, found = f"postgresql+log://{ALIAS}", connections.settings
        bus = open_bus(url, [b"secret"], lambda alias: found[alias])
        assert isinstance(bus, BrokerBus)
        world = World(bus)
        world.tracker.install()
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM live_tag")  # now the catalog is known
            cursor.execute("INSERT INTO live_tag (name) VALUES ('first')")
        world.heard(lambda: None)
        yield world
        world.tracker.uninstall()
        bus.close()


def test_write_of_a_published_table_comes_from_the_log_only(world: World) -> None:
    (commit,) = world.heard(lambda: Room.objects.create(id=7, name="attic"))
    assert world.published == []
    (change,) = commit.changes
    assert (change.database, change.table, commit.run) == (ALIAS, "live_room", None)
    assert change.rows == ({"id": 7, "name": "attic"},)


def test_transaction_is_one_commit_and_a_rollback_is_none(world: World) -> None:
    def write() -> None:
        with transaction.atomic(ALIAS):
            Tag.objects.create(name="a")
            Room.objects.create(name="b")
        with pytest.raises(LookupError), transaction.atomic(ALIAS):
            Note.objects.create(text="undone")
            raise LookupError

    (commit,) = world.heard(write)
    assert [change.table for change in commit.changes] == ["live_tag", "seen", "live_room"]


def test_unlogged_table_is_published_by_its_writer(world: World) -> None:
    sql = """INSERT INTO "Live_MixedCase" (text) VALUES ('a')"""
    assert world.tables(lambda: run_sql(sql)) == {"live_mixedcase"}
    assert len(world.published) == 1


def test_views_come_with_their_tables(world: World) -> None:
    assert world.tables(lambda: run_sql("UPDATE live_tag SET name = 'b'")) == {"live_tag", "seen"}
    assert world.published == []


def test_row_of_a_partition_is_one_of_its_parent(world: World, postgres_log_params: Params) -> None:
    def write() -> None:
        with psycopg.connect(**connecting(postgres_log_params)) as other:
            other.execute("INSERT INTO part VALUES (1, 5)")
            other.execute("SET LOCAL synchronous_commit = local")

    (commit,) = world.heard(write)
    assert {change.table: change.rows for change in commit.changes} == {
        "part": ({"id": 1, "day": 5},),
        "part_1": ({"id": 1, "day": 5},),
        "parts": None,
    }


def test_table_that_was_made_later_is_any_table(world: World, postgres_log_params: Params) -> None:
    def write() -> None:
        with psycopg.connect(**connecting(postgres_log_params)) as other:
            other.execute("CREATE TABLE part_2 PARTITION OF part FOR VALUES FROM (10) TO (20)")
            other.execute("INSERT INTO part VALUES (1, 15)")
            other.execute("SET LOCAL synchronous_commit = local")

    assert world.tables(write) == {None}


def test_changed_definition_is_published_by_its_writer(world: World) -> None:
    change = "ALTER TABLE live_tag ALTER COLUMN name TYPE varchar(60) USING name || '!'"
    run_sql("DROP VIEW seen")
    assert "live_tag" in world.tables(lambda: run_sql(change))
    assert world.published


class Rerun:
    is_rerun, query, feedback_runs = True, None, 2


def write_as(world: World, run: object, write: Callable[[], object]) -> list[Commit]:
    def within() -> None:
        with world.tracker.reading(run):
            write()

    return world.heard(within)


def in_a_block() -> None:
    with transaction.atomic(ALIAS):
        with pytest.raises(LookupError), transaction.atomic(ALIAS):
            Tag.objects.create(name="undone")  # and its origin with it
            raise LookupError
        Tag.objects.create(name="a")


@pytest.mark.parametrize(
    "write",
    [
        lambda: Tag.objects.create(name="a"),
        lambda: Tag.objects.update(name="b"),
        lambda: Tag.objects.all().delete(),
        in_a_block,
    ],
    ids=["create", "update", "delete", "block"],
)
def test_rerun_is_known_by_its_origin(world: World, write: Callable[[], object]) -> None:
    run = Rerun()
    commits = write_as(world, run, write)
    assert commits
    assert {commit.run for commit in commits} == {run}
    assert world.published == []


def test_rerun_is_known_in_another_process(world: World, postgres_log_params: Params) -> None:
    found = connections.settings
    other = open_bus(f"postgresql+log://{ALIAS}", [b"secret"], lambda alias: found[alias])
    try:
        receiver = Receiver(other, CHANGES)
        receiver.take_turns_until(lambda: LOST in receiver.came)
        receiver.came.clear()
        write_as(world, Rerun(), lambda: Tag.objects.create(name="a"))
        receiver.take_until_came(1)
        (commit,) = receiver.messages
        assert isinstance(commit.run, RemoteRerun)
        assert commit.run.feedback_runs == 2
    finally:
        other.close()


def test_first_run_pays_nothing(world: World) -> None:
    class FirstRun:
        is_rerun = False

    (commit,) = write_as(world, FirstRun(), lambda: Tag.objects.create(name="a"))
    assert commit.run is None


def test_failure_in_a_rerun_is_the_view_s_own(world: World) -> None:
    def write() -> None:
        Tag.objects.create(id=50, name="a")
        with pytest.raises(DatabaseError):
            Tag.objects.create(id=50, name="again")
        assert Tag.objects.filter(id=50).count() == 1
        assert connections[ALIAS].get_autocommit()
        Tag.objects.create(id=51, name="after")

    commits = write_as(world, Rerun(), write)
    assert len(commits) == 2


def test_deferred_constraint_fails_as_it_does_without_a_log(world: World) -> None:
    def write() -> None:
        with pytest.raises(DatabaseError):
            Note.objects.create(text="a", room_id=999)
        assert not Note.objects.filter(room_id=999).exists()

    assert write_as(world, Rerun(), write) == []


class Psycopg2:
    """What ``with_origin`` uses of one of Django's connections, with the older driver."""

    def __init__(self, driver: Any) -> None:
        self.connection, self.wrap_database_errors = driver, nullcontext()


def test_origin_is_told_by_psycopg2_too(world: World, postgres_log_params: Params) -> None:
    run = Rerun()
    message = world.bus.origin_of(run)
    assert message is not None

    def write() -> None:
        driver = psycopg2.connect(**connecting(postgres_log_params))
        try:
            driver.autocommit = True
            cursor = driver.cursor()
            cursor.execute("SET synchronous_commit = local")
            with with_origin(Psycopg2(driver), "insert", *message):
                cursor.execute("INSERT INTO live_tag (name) VALUES ('a')")
            driver.autocommit = False
            with with_origin(Psycopg2(driver), "insert", *message):
                cursor.execute("INSERT INTO live_tag (name) VALUES ('b')")
            driver.commit()
            driver.autocommit = True
            with pytest.raises(psycopg2.Error):
                with with_origin(Psycopg2(driver), "insert", *message):
                    cursor.execute("INSERT INTO live_tag (id) VALUES (NULL)")
        finally:
            driver.close()

    assert [commit.run for commit in world.heard(write)] == [run, run]
