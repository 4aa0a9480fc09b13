"""A connection to each server, or to one, for tests that need no more than that."""

from collections.abc import Iterator

import pytest

from tests.acceptance.client import Client, connect
from tests.acceptance.servers import Server


@pytest.fixture
def client(server: Server) -> Iterator[Client]:
    """A greeted connection to each server in turn."""
    with connect(server) as connected:
        yield connected


@pytest.fixture
def any_client(any_server: Server) -> Iterator[Client]:
    """A greeted connection to one server."""
    with connect(any_server) as connected:
        yield connected
