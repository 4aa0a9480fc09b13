"""The queue of one receiver: waking it, notifying it of losses, and closing it."""

import logging
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest

from wsrequest.bus import delivery as delivery_module
from wsrequest.bus.codec import CHANGES
from wsrequest.bus.delivery import Delivery
from wsrequest.types import Commit, TableChange


class Loop:
    """What is posted, and what came of it."""

    def __init__(self, queue_length: int = 1000) -> None:
        self.came: list[Any] = []
        self.posted: list[Callable[[], None]] = []
        self.closed: list[object] = []
        self.is_gone = False
        self.delivery: Delivery[str] = Delivery(
            lambda position, message: self.came.append(message),
            lambda: self.came.append("lost"),
            post=self._post,
            queue_length=queue_length,
            closed=self.closed.append,
            connected=lambda is_connected: self.came.append(is_connected),
        )

    def _post(self, call: Callable[[], None]) -> None:
        if self.is_gone:
            raise RuntimeError("the event loop is closed")
        self.posted.append(call)

    def turn(self) -> None:
        posted, self.posted = self.posted, []
        for call in posted:
            call()


@pytest.fixture(autouse=True)
def _no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "_TURN_SECONDS", 60.0)


def test_messages_that_come_together_wake_the_receiver_once() -> None:
    loop = Loop()
    for letter in "abc":
        loop.delivery.put(1, letter)
    assert len(loop.posted) == 1
    loop.turn()
    assert loop.came == ["a", "b", "c"]
    assert loop.posted == []
    loop.delivery.put(4, "d")
    assert len(loop.posted) == 1


def test_exactly_a_turn_s_messages_need_no_other_turn() -> None:
    loop = Loop()
    for number in range(100):
        loop.delivery.put(number, "a")
    loop.turn()
    assert (len(loop.came), loop.posted) == (100, [])


def test_connection_is_reported_once_for_each_change_and_after_a_loss() -> None:
    loop = Loop()
    loop.delivery.connect(True)
    assert loop.posted == []  # as it was
    loop.delivery.put(1, "a")
    loop.delivery.connect(False)
    loop.delivery.connect(False)
    loop.turn()
    assert loop.came == [False, "a"]
    loop.delivery.connect(True)
    loop.delivery.lose()
    loop.delivery.put(2, "b")
    loop.turn()
    assert loop.came == [False, "a", "lost", True, "b"]


def test_connection_that_was_back_before_the_receiver_knew_is_not_reported() -> None:
    loop = Loop()
    loop.delivery.connect(False)
    loop.delivery.connect(True)
    loop.turn()
    assert (loop.came, loop.posted) == ([], [])


def test_loss_is_told_once_until_the_receiver_knows() -> None:
    loop = Loop()
    loop.delivery.put(1, "a")
    loop.delivery.lose()
    loop.delivery.put(3, "b")
    loop.delivery.lose()
    assert len(loop.posted) == 1
    loop.turn()
    assert loop.came == ["lost"]
    loop.delivery.put(5, "c")
    loop.delivery.lose()
    loop.turn()
    assert loop.came == ["lost", "lost"]
    assert loop.delivery.lost_count == 2


def test_loss_wakes_a_receiver_that_has_nothing() -> None:
    loop = Loop()
    loop.delivery.lose()
    loop.turn()
    assert loop.came == ["lost"]


def test_receiver_that_was_out_of_reach_is_reached_by_the_next_message(
    caplog: pytest.LogCaptureFixture,
) -> None:
    loop = Loop()
    loop.is_gone = True
    with caplog.at_level(logging.ERROR, "wsrequest.bus"):
        loop.delivery.put(1, "a")
        loop.delivery.put(2, "b")
        loop.delivery.lose()
    assert [record.message for record in caplog.records] == ["cannot reach a receiver"]
    loop.is_gone = False
    loop.delivery.put(4, "c")
    loop.turn()
    assert loop.came == ["lost", "c"]


def test_queue_of_an_unreachable_receiver_does_not_grow() -> None:
    loop = Loop(queue_length=3)
    loop.is_gone = True
    for number in range(100):
        loop.delivery.put(number, "a")
        assert len(loop.delivery._queue) <= 3


def test_closed_delivery_says_so_once_and_takes_nothing() -> None:
    loop = Loop()
    loop.delivery.lose()
    loop.delivery.close()
    loop.delivery.close()
    assert loop.closed == [loop.delivery]
    loop.turn()
    loop.delivery.put(2, "b")
    loop.delivery.lose()
    assert (loop.came, loop.posted) == ([], [])


def test_closing_while_receiving_ends_it() -> None:
    loop = Loop()
    loop.delivery._receive = lambda *_: loop.delivery.close()
    loop.delivery.put(1, "a")
    loop.delivery.put(2, "b")
    loop.turn()
    assert len(loop.closed) == 1
    assert len(loop.delivery._queue) == 0


def test_a_turn_ends_when_it_has_taken_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery_module, "_TURN_SECONDS", -1.0)  # over with the first
    loop = Loop()
    for letter in "abc":
        loop.delivery.put(1, letter)
    loop.turn()
    assert len(loop.came) == 1
    while loop.posted:
        loop.turn()
    assert loop.came == ["a", "b", "c"]


def commit(rows: int, tables: int = 1) -> Commit:
    return Commit(
        tuple(
            TableChange(
                "default", f"table{at}", tuple({"id": n, "text": f"{n} {at}"} for n in range(rows))
            )
            for at in range(tables)
        )
    )


def heavy(queue_length: int) -> tuple[Delivery[Commit], list[Commit], list[str]]:
    came: list[Commit] = []
    lost: list[str] = []
    return (
        Delivery(
            lambda position, message: came.append(message),
            lambda: lost.append("lost"),
            post=lambda call: None,
            queue_length=queue_length,
            closed=lambda delivery: None,
            topic=CHANGES,
        ),
        came,
        lost,
    )


def test_rows_of_many_commits_do_not_pile_up_before_a_receiver() -> None:
    """680 commits of 500 rows took 84 MB."""
    delivery, came, lost = heavy(10_000)
    tracemalloc.start()
    try:
        for number in range(100):
            delivery.put(number, commit(500))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < delivery_module._MAX_BYTES
    for _ in range(10):
        delivery._deliver()
    assert (len(came), lost) == (100, [])
    assert len(came[0].changes[0].rows or ()) == 500
    assert came[-1] == Commit((TableChange("default", "table0"),))
    assert delivery._bytes == 0
    delivery.put(101, commit(500))
    delivery._deliver()
    assert len(came[-1].changes[0].rows or ()) == 500  # there is room again


def test_commits_that_are_heavy_without_their_rows_are_lost() -> None:
    delivery, came, lost = heavy(10_000)
    found = commit(1, tables=1000)
    for number in range(100):
        delivery.put(number, found)
        assert delivery._bytes <= delivery_module._MAX_BYTES
    assert delivery.lost_count == 1
    delivery._deliver()
    assert (came, lost) == ([], ["lost"])


def test_long_keys_weigh_what_they_take() -> None:
    key = "k" * 60_000
    assert Commit((TableChange("", key),)).weight_bytes() >= len(key)
