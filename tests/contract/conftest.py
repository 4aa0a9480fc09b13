"""Each bus in turn. A later one is one more entry of BUSES."""

from collections.abc import Callable, Iterator

import pytest

from wsrequest.bus.base import Bus
from wsrequest.bus.memory import MemoryBus

BUSES: dict[str, Callable[[], Bus]] = {"memory": MemoryBus}


@pytest.fixture(params=BUSES)
def bus(request: pytest.FixtureRequest) -> Iterator[Bus]:
    """An open bus of each kind."""
    bus = BUSES[request.param]()
    yield bus
    bus.close()
