"""The fuzz's database, of each kind."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.pairs.world import world

SERVERS = {"postgresql": "postgres_params", "mariadb": "mariadb_params"}


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def vendor(request: pytest.FixtureRequest, django_db_blocker: Any) -> Iterator[str]:
    """Each database in the place of the default one, which commits.

    MariaDB is for tests that ask for it.
    """
    name: str = request.param
    parameters = request.getfixturevalue(SERVERS[name]) if name in SERVERS else None
    with django_db_blocker.unblock(), world(name, parameters):
        yield name
