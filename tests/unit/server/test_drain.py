"""The drain of a uvicorn that ends without a signal, and a signal that comes meanwhile."""

import asyncio
import signal

import pytest

from wsrequest.server.drain import Drain

pytestmark = pytest.mark.asyncio


class Work:
    """What is in flight. It ends when a test says so."""

    def __init__(self) -> None:
        self.begun, self.may_end = 0, asyncio.Event()

    async def drain(self) -> None:
        self.begun += 1
        await self.may_end.wait()


async def turns() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


async def test_each_connection_is_closed_after_the_one_drain() -> None:
    work, closed = Work(), list[str]()
    drain = Drain(work.drain)
    for name in "abc":
        drain.begin(lambda name=name: closed.append(name))  # type: ignore[misc]
    await turns()
    assert drain.is_draining and (work.begun, closed) == (1, [])
    work.may_end.set()
    await turns()
    assert closed == ["a", "b", "c"]
    drain.begin(lambda: closed.append("late"))
    assert closed[-1] == "late"
    drain.end()
    assert not drain.is_draining


async def test_after_a_signal_and_its_drain_connections_are_closed_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raised: list[int] = []
    monkeypatch.setattr(signal, "raise_signal", raised.append)
    work, closed = Work(), list[bool]()
    drain = Drain(work.drain)
    assert drain.install()
    try:
        drain._on_signal(signal.SIGTERM, None)
        work.may_end.set()
        await turns()
        assert raised == [signal.SIGTERM]
        drain.begin(lambda: closed.append(True))
        assert closed and work.begun == 1
    finally:
        drain.end()


async def test_a_signal_during_the_drain_is_passed_on_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """gunicorn sends one to a worker that has served its number of requests."""
    raised: list[int] = []
    monkeypatch.setattr(signal, "raise_signal", raised.append)
    work, closed = Work(), list[bool]()
    drain = Drain(work.drain)
    assert drain.install()
    try:
        drain.begin(lambda: closed.append(True))
        await turns()
        drain._on_signal(signal.SIGTERM, None)
        await turns()
        assert (raised, closed) == ([], [])
        work.may_end.set()
        await turns()
        assert (raised, closed, work.begun) == ([signal.SIGTERM], [True], 1)
    finally:
        drain.end()


async def test_a_drain_that_fails_or_lasts_too_long_holds_nothing_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    for drain in (Drain(fail), Drain(asyncio.Event().wait, seconds=0.01)):
        closed = asyncio.Event()
        drain.begin(closed.set)
        await asyncio.wait_for(closed.wait(), 5)
    assert [record.message.partition(" ")[0] for record in caplog.records] == ["Draining", "Not"]
