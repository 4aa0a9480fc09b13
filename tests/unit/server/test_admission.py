"""The admission of many at once, on a clock that goes from one timer to the next without a wait.

Nothing here depends on how fast the machine is. ``tests/operations/test_stampede.py`` does the same
with a real server. There a busy machine may be too late for some clients, which come again.
"""

import asyncio
import selectors
from collections import Counter

import pytest

from wsrequest.conf import Conf
from wsrequest.errors import HandshakeRefused
from wsrequest.server.admission import AdmissionController
from wsrequest.server.drain import Drain
from wsrequest.server.rate_limiter import SLICE_SECONDS, WAIT_SECONDS

PER_SECOND = Conf.MAX_HANDSHAKES_PER_SECOND.default
PER_SECOND_OF_ONE = Conf.MAX_HANDSHAKES_PER_SECOND_PER_ADDRESS.default


class ClockedSelector(selectors.SelectSelector):
    """Advances the clock instead of waiting."""

    now = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        assert timeout is not None, "all wait, and no timer is due"
        self.now += timeout
        return super().select(0)


class ClockedLoop(asyncio.SelectorEventLoop):
    """An event loop in which an hour takes no time."""

    def __init__(self) -> None:
        self.clock = ClockedSelector()
        super().__init__(self.clock)

    def time(self) -> float:
        return self.clock.now


class Arrivals:
    """Handshakes that all come at the same moment, with the default limits.

    Attributes:
        seconds: after how long each was let in.
        refused: the status of each that was not.
    """

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.refused: list[int] = []

    def come(self, places: list[str]) -> "Arrivals":
        with asyncio.Runner(debug=False, loop_factory=ClockedLoop) as runner:
            runner.run(self._come(places))
        return self

    async def _come(self, places: list[str]) -> None:
        async def drain() -> None: ...

        controller = AdmissionController(Drain(drain))
        await asyncio.gather(*(self._enter(controller, place) for place in places))

    async def _enter(self, controller: AdmissionController, place: str) -> None:
        try:
            await controller.enter(place, PER_SECOND, PER_SECOND_OF_ONE)
        except HandshakeRefused as refused:
            self.refused.append(refused.status)
        else:
            self.seconds.append(asyncio.get_running_loop().time())


@pytest.mark.documents("docs/settings.md", "WSREQUEST_MAX_HANDSHAKES_PER_SECOND")
@pytest.mark.parametrize("addresses", [1000, 100, 20])
def test_a_thousand_who_come_back_at_once_are_in_within_two_seconds(addresses: int) -> None:
    found = Arrivals().come([f"203.0.113.{n % addresses}" for n in range(1000)])
    assert found.refused == []
    assert len(found.seconds) == 1000
    assert max(found.seconds) <= 2.0
    slices = Counter(round(seconds / SLICE_SECONDS) for seconds in found.seconds)
    assert set(slices.values()) == {int(PER_SECOND * SLICE_SECONDS)}  # full, and not one more


def test_only_who_would_wait_for_too_long_is_refused() -> None:
    at_once, in_time = int(PER_SECOND * SLICE_SECONDS), int(PER_SECOND * WAIT_SECONDS)
    found = Arrivals().come([f"address {n}" for n in range(at_once + in_time + 7)])
    assert found.refused == [503] * 7
    assert len(found.seconds) == at_once + in_time
    assert max(found.seconds) <= WAIT_SECONDS + SLICE_SECONDS


def test_one_address_has_its_own_pace() -> None:
    at_once = int(PER_SECOND_OF_ONE * SLICE_SECONDS)
    in_time = int(PER_SECOND_OF_ONE * WAIT_SECONDS)
    others = [f"address {n}" for n in range(int(PER_SECOND * SLICE_SECONDS) - at_once)]
    found = Arrivals().come(["203.0.113.7"] * (at_once + in_time + 1) + others)
    assert found.refused == [429]
    assert found.seconds[: at_once + len(others)] == [0.0] * (at_once + len(others))
