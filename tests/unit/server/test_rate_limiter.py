"""The handshake rate limiter: how many at once, in which order, and which are refused."""

import asyncio
from typing import Any

import pytest

from tests.unit.fixtures import _project as _project
from wsrequest.errors import HandshakeRefused
from wsrequest.server import rate_limiter
from wsrequest.server.rate_limiter import HandshakeRateLimiter

pytestmark = pytest.mark.asyncio

SECONDS = 5.0
A, B = "203.0.113.7", "198.51.100.9"


async def scheduler(count: int = 3) -> None:
    """Let everything that is ready run."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_few_come_in_at_once() -> None:
    door = HandshakeRateLimiter()
    async with asyncio.timeout(SECONDS):
        for _ in range(3):
            await door.wait(A, 30, 30)


class Crowd:
    """Handshakes at one door, whose slices are ended by hand, so that no clock decides.

    Args:
        share: how many come in per slice.
        share_of_one: how many of them from one address.
    """

    def __init__(self, monkeypatch: pytest.MonkeyPatch, share: int, share_of_one: int) -> None:
        monkeypatch.setattr(rate_limiter, "SLICE_SECONDS", 3600)
        monkeypatch.setattr(rate_limiter, "WAIT_SECONDS", 4 * 3600)  # four slices
        self.door = HandshakeRateLimiter()
        self._rates: Any = (share / 3600, share_of_one / 3600)
        self.order: list[object] = []
        self.refused: list[tuple[object, int]] = []

    async def come(self, *names: object, place: str = A) -> list[asyncio.Task[None]]:
        tasks = [asyncio.create_task(self._come(name, place)) for name in names]
        await scheduler()
        return tasks

    async def _come(self, name: object, place: str) -> None:
        try:
            await self.door.wait(place, *self._rates)
        except HandshakeRefused as refused:
            self.refused.append((name, refused.status))
        else:
            self.order.append(name)

    async def end_slice(self) -> list[object]:
        """Who came in by it."""
        before = len(self.order)
        assert self.door._slice is not None
        self.door._slice.cancel()
        self.door._end_slice()
        await scheduler()
        return self.order[before:]


async def test_no_slice_lets_in_more_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = Crowd(monkeypatch, 3, 3)
    tasks = await crowd.come(*range(8))
    tasks[4].cancel()  # the server has ended its handshake: it takes nobody's place
    assert crowd.order == [0, 1, 2]
    assert await crowd.end_slice() == [3, 5, 6]
    assert await crowd.end_slice() == [7]
    assert await crowd.end_slice() == []
    assert crowd.door._slice is None


async def test_an_address_that_is_too_fast_waits_for_itself(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crowd = Crowd(monkeypatch, 10, 2)
    await crowd.come(*range(12))  # two come in, and eight are four slices' worth
    assert (crowd.order, crowd.refused) == ([0, 1], [(10, 429), (11, 429)])
    await crowd.come("other", "another", place=B)
    assert crowd.order == [0, 1, "other", "another"]
    assert await crowd.end_slice() == [2, 3]


async def test_addresses_take_turns_at_what_they_share(monkeypatch: pytest.MonkeyPatch) -> None:
    crowd = Crowd(monkeypatch, 2, 2)
    for place in "abc":
        await crowd.come(*(f"{place}{n}" for n in range(2)), place=place)
    assert crowd.order == ["a0", "a1"]
    await crowd.come("new", place="d")
    assert [await crowd.end_slice() for _ in range(3)] == [["b0", "c0"], ["new", "b1"], ["c1"]]


async def test_when_all_queues_are_full_the_longest_loses_its_newest(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crowd = Crowd(monkeypatch, 2, 2)
    await crowd.come(*(f"a{n}" for n in range(8)), place="a")  # two come in, six wait
    await crowd.come(*(f"b{n}" for n in range(2)), place="b")
    assert crowd.refused == []
    await crowd.come("new", place="c")
    assert crowd.refused == [("a7", 503)]
    await crowd.come("a8", place="a")
    assert crowd.refused == [("a7", 503), ("a8", 503)]
    assert await crowd.end_slice() == ["a2", "b0"]
    assert await crowd.end_slice() == ["new", "a3"]


async def test_nobody_waits_for_ever_when_turns_become_rare(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crowd = Crowd(monkeypatch, 1, 1)
    await crowd.come("a0", "a1", "a2", place="a")
    monkeypatch.setattr(rate_limiter, "WAIT_SECONDS", -1)  # it is over for whoever waits now
    assert await crowd.end_slice() == ["a1"]
    assert crowd.refused == [("a2", 503)]


async def test_who_is_refused_afterwards_costs_its_own_address_only(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    crowd = Crowd(monkeypatch, 2, 2)
    await crowd.come(0, 1, 2)
    await crowd.come("other", place=B)
    assert crowd.order == [0, 1]
    crowd.door.give_back()
    crowd.door.give_back()
    await scheduler()
    assert crowd.order == [0, 1, "other"]
    assert await crowd.end_slice() == [2]
    for _ in range(9):
        crowd.door.give_back()  # what the slice does not have it cannot give
    await crowd.come(*range(3, 9), place="")
    assert len(crowd.order) == 4 + 2


async def test_clients_without_an_address_have_the_common_rate(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Behind a Unix socket nobody has one."""
    crowd = Crowd(monkeypatch, 4, 1)
    await crowd.come(*range(5), place="")
    assert crowd.order == [0, 1, 2, 3]
    assert await crowd.end_slice() == [4]


async def test_the_door_opens_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rate_limiter, "SLICE_SECONDS", 0.01)
    door = HandshakeRateLimiter()
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*(door.wait(A, 100, 100) for _ in range(5)))


@pytest.mark.parametrize(("place", "status"), [("", 503), (A, 429)])
async def test_nobody_waits_for_longer_than_a_handshake_lasts(place: str, status: int) -> None:
    door = HandshakeRateLimiter()
    tasks = [asyncio.create_task(door.wait(place, 10, 10)) for _ in range(1 + 40)]
    await scheduler()
    with pytest.raises(HandshakeRefused) as refused:
        await door.wait(place, 10, 10)
    assert (refused.value.status, refused.value.retry_after_seconds) == (status, 4)
    door.release()
    await asyncio.wait_for(asyncio.gather(*tasks), SECONDS)


async def test_another_event_loop_finds_an_empty_door() -> None:
    door = HandshakeRateLimiter()

    async def come() -> None:
        for _ in range(50):
            await door.wait(A, 500, 500)
        asyncio.create_task(door.wait(A, 500, 500))  # which its loop leaves waiting
        await scheduler()

    for _ in range(2):
        await asyncio.to_thread(asyncio.run, come())
