"""Commits that the log reports while the catalog is unknown, or older than their tables."""

from collections.abc import Callable
from typing import Any

import pytest

from wsrequest.live.tracking import catalog_cache
from wsrequest.live.tracking.catalog import Catalog
from wsrequest.live.tracking.tracker import ChangeTracker
from wsrequest.types import Commit, TableChange

MANY = 20  # commits during one query


class Connection:
    vendor, alias = "sqlite", "default"


class World:
    """A process whose queries for the catalog the test answers.

    Attributes:
        tables: what the catalog contains.
        meanwhile: called during each query.
        queries: how many there were.
    """

    def __init__(self) -> None:
        self.tracker = ChangeTracker(lambda commit: None, logged_databases=["default"])
        self.tables: set[str] = {"note"}
        self.meanwhile: Callable[[], object] = lambda: None
        self.queries = 0

    def query(self, connection: object) -> Catalog:
        self.queries += 1
        found = Catalog(kinds={table: {"id": "int"} for table in self.tables})
        if self.queries < 10:  # otherwise it may never end
            self.meanwhile()
        return found

    def is_blind(self) -> bool:
        """What a statement finds, after it has waited for the catalog."""
        connection: Any = Connection
        return self.tracker.schema_of(connection, "default", may_wait=True).is_blind

    def heard(self, table: str, count: int = 1) -> set[str | None]:
        commit = Commit((TableChange("default", table, ({"id": 1},)),))
        commits = [self.tracker.heard(commit) for _ in range(count)]
        return {change.table for each in commits for change in each.changes}


@pytest.fixture
def world(monkeypatch: pytest.MonkeyPatch) -> World:
    world = World()
    monkeypatch.setattr(catalog_cache, "_query", world.query)
    monkeypatch.setattr(catalog_cache, "_WAIT_SECONDS", 60.0)
    return world


def test_commits_during_the_first_query_do_not_repeat_it(world: World) -> None:
    world.meanwhile = lambda: world.heard("note", MANY)
    assert not world.is_blind()
    assert world.queries == 1
    assert world.heard("note") == {"note"}


def test_commits_of_a_table_that_was_made_later_repeat_the_query_once(world: World) -> None:
    assert not world.is_blind()
    world.tables.add("later")
    assert world.heard("later", MANY) == {None}
    world.meanwhile = lambda: world.heard("later", MANY)
    assert not world.is_blind()
    assert world.queries == 2
    assert world.heard("later") == {"later"}


def test_table_that_was_made_during_the_query_is_found_by_the_next(world: World) -> None:
    def make() -> None:
        world.tables.add("later")
        assert world.heard("later") == {None}

    world.meanwhile = make
    assert not world.is_blind()
    assert world.heard("later") == {None}
    assert not world.is_blind()
    assert world.heard("later") == {"later"}


def test_each_of_several_databases_reports_its_own_tables() -> None:
    tracker = ChangeTracker(lambda commit: None, logged_databases=["one", "two"])
    assert [tracker.is_logged(each) for each in ("one", "two", "three")] == [True, True, False]
    for alias in ("one", "two"):
        (change,) = tracker.heard(Commit((TableChange(alias, "note"),))).changes
        assert change.database == alias
