"""The fuzz's database, of each kind."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.pairs.world import world


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def vendor(request: pytest.FixtureRequest, django_db_blocker: Any) -> Iterator[str]:
    """Each database in the place of the default one, which commits."""
    name: str = request.param
    parameters = request.getfixturevalue("postgres_params") if name == "postgresql" else None
    with django_db_blocker.unblock(), world(name, parameters):
        yield name
