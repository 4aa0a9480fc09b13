"""The flow controller: how many bytes of a response may be sent, in a thread and a coroutine."""

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from tests.unit.fixtures import _project as _project
from wsrequest.errors import AnswerDropped
from wsrequest.request.flow import FlowController

SECONDS = 5.0


class Gate:
    """Whether the connection as a whole takes more; tells when it was asked."""

    def __init__(self, is_shut: bool = False) -> None:
        self.is_shut, self.asked = is_shut, threading.Event()

    def __call__(self) -> bool:
        self.asked.set()
        return not self.is_shut


def flow(credit: int, window: int = 1000, gate: Gate | None = None) -> FlowController:
    return FlowController(credit, window, gate or Gate())


def test_try_take_gives_no_more_than_the_credit() -> None:
    metered = flow(10)
    assert metered.try_take(6) == 6
    assert metered.try_take(6) == 4
    assert metered.try_take(6) == 0
    assert metered.is_starved


def test_granting_adds_to_the_credit() -> None:
    metered = flow(0)
    assert metered.try_take(5) == 0
    metered.grant(3)
    assert metered.try_take(5) == 3


def test_try_take_gives_no_more_than_the_window_has_room_for() -> None:
    metered = flow(100, window=8)
    assert metered.try_take(100) == 8
    assert metered.try_take(100) == 0
    assert not metered.is_starved
    metered.sent(5)
    assert metered.try_take(100) == 5


def test_try_take_gives_nothing_while_the_connection_is_blocked() -> None:
    gate = Gate(is_shut=True)
    metered = flow(100, gate=gate)
    assert metered.try_take(5) == 0
    assert not metered.is_starved
    gate.is_shut = False
    assert metered.try_take(5) == 5


def test_a_flow_is_not_starved_any_more_once_it_was_granted() -> None:
    metered = flow(0)
    metered.try_take(1)
    assert metered.is_starved
    metered.grant(1)
    metered.try_take(1)
    assert not metered.is_starved


def test_a_dropped_flow_raises() -> None:
    metered = flow(100)
    metered.drop()
    metered.drop()
    with pytest.raises(AnswerDropped):
        metered.try_take(1)


def opening(gate: Gate) -> Callable[[FlowController], None]:
    def act(metered: FlowController) -> None:
        gate.is_shut = False
        metered.wake()

    return act


@pytest.mark.parametrize("act", ["grant", "sent", "open"])
def test_take_waits_in_its_thread_until_something_may_go(act: str) -> None:
    gate = Gate(is_shut=act == "open")
    metered = flow(0 if act == "grant" else 100, window=10, gate=gate)
    if act == "sent":
        assert metered.try_take(10) == 10
    gate.asked.clear()
    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(metered.take, 4)
        assert gate.asked.wait(SECONDS)
        assert not taking.done()
        actions = {"grant": lambda: metered.grant(4), "sent": lambda: metered.sent(10)}
        actions.get(act, lambda: opening(gate)(metered))()
        assert taking.result(SECONDS) == 4


def test_drop_wakes_a_thread_that_waits() -> None:
    gate = Gate()
    metered = flow(0, gate=gate)
    with ThreadPoolExecutor(1) as pool:
        taking = pool.submit(metered.take, 4)
        assert gate.asked.wait(SECONDS)
        metered.drop()
        with pytest.raises(AnswerDropped):
            taking.result(SECONDS)


@pytest.mark.parametrize("act", ["grant", "sent", "open"])
def test_atake_waits_on_the_loop_until_something_may_go(act: str) -> None:
    async def main() -> int:
        gate = Gate(is_shut=act == "open")
        metered = flow(0 if act == "grant" else 100, window=10, gate=gate)
        if act == "sent":
            metered.try_take(10)
        taking = asyncio.create_task(metered.atake(4))
        await asyncio.sleep(0)
        metered.wake()  # for nothing
        await asyncio.sleep(0)
        assert not taking.done()
        actions = {"grant": lambda: metered.grant(4), "sent": lambda: metered.sent(10)}
        actions.get(act, lambda: opening(gate)(metered))()
        return await asyncio.wait_for(taking, SECONDS)

    assert asyncio.run(main()) == 4


def test_drop_wakes_a_coroutine_that_waits() -> None:
    async def main() -> None:
        metered = flow(0)
        taking = asyncio.create_task(metered.atake(4))
        await asyncio.sleep(0)
        metered.drop()
        with pytest.raises(AnswerDropped):
            await asyncio.wait_for(taking, SECONDS)

    asyncio.run(main())
