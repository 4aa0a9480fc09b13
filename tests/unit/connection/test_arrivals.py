"""Handshakes at the door: how many at once, in which order, and who is sent away."""

import asyncio

import pytest

from wsrequest.connection import arrivals
from wsrequest.connection.arrivals import Arrivals
from wsrequest.errors import HandshakeRefused

pytestmark = pytest.mark.asyncio

SECONDS = 5.0


async def turns(count: int = 3) -> None:
    """Let everything that is ready run."""
    for _ in range(count):
        await asyncio.sleep(0)


async def test_a_few_come_in_at_once() -> None:
    door = Arrivals()
    async with asyncio.timeout(SECONDS):
        for _ in range(3):
            await door.wait(30)


async def test_no_slice_lets_in_more_than_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    """The slices are ended by hand, so that no clock decides."""
    monkeypatch.setattr(arrivals, "SLICE_SECONDS", 3600)
    monkeypatch.setattr(arrivals, "WAIT_SECONDS", 4 * 3600)
    door = Arrivals()
    order: list[int] = []

    async def come(n: int) -> None:
        await door.wait(3 / 3600)  # type: ignore[arg-type]  # three in each slice
        order.append(n)

    tasks = [asyncio.create_task(come(n)) for n in range(8)]
    await turns()
    tasks[4].cancel()  # the server has ended its handshake: it takes nobody's place
    counts = [len(order)]
    while door._slice is not None:
        door._slice.cancel()
        door._end_slice()
        await turns()
        counts.append(len(order))
    assert counts == [3, 6, 7, 7]
    assert order == [0, 1, 2, 3, 5, 6, 7]


async def test_the_door_opens_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(arrivals, "SLICE_SECONDS", 0.01)
    door = Arrivals()
    async with asyncio.timeout(SECONDS):
        await asyncio.gather(*(door.wait(100) for _ in range(5)))


async def test_nobody_waits_for_longer_than_a_handshake_lasts() -> None:
    door = Arrivals()
    tasks = [asyncio.create_task(door.wait(10)) for _ in range(1 + 40)]
    await turns()
    with pytest.raises(HandshakeRefused) as refused:
        await door.wait(10)
    assert (refused.value.status, refused.value.retry_after_seconds) == (503, 4)
    door.release()
    await asyncio.wait_for(asyncio.gather(*tasks), SECONDS)


async def test_another_event_loop_finds_an_empty_door() -> None:
    door = Arrivals()

    async def come() -> None:
        for _ in range(50):
            await door.wait(500)
        asyncio.create_task(door.wait(500))  # which its loop leaves waiting
        await turns()

    for _ in range(2):
        await asyncio.to_thread(asyncio.run, come())
