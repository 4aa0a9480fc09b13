"""Fixtures of the oracle: its world, in each database that it knows."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.oracle.audience import Audience, watching
from tests.oracle.world import fill, on_mariadb, on_postgres, on_sqlite


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def vendor(request: pytest.FixtureRequest) -> str:
    """Each database but MariaDB; a test of one of them, or of MariaDB too, parametrizes it."""
    name: str = request.param
    return name


@pytest.fixture(scope="module")
def world(
    vendor: str, request: pytest.FixtureRequest, django_db_blocker: Any, tmp_path_factory: Any
) -> Iterator[None]:
    """The oracle's database in the place of the default one, which commits."""
    with django_db_blocker.unblock():
        if vendor == "postgresql":
            with on_postgres(request.getfixturevalue("postgres_params")):
                yield
        elif vendor == "mariadb":
            with on_mariadb(request.getfixturevalue("mariadb_params")):
                yield
        else:
            directory: Path = tmp_path_factory.mktemp("oracle")
            with on_sqlite(directory):
                yield


@pytest.fixture
def viewers(world: None) -> Iterator[Audience]:
    """A client, and all tables as they were."""
    fill()
    with watching() as found:
        yield found
