"""Turns: addresses in turn, the connections of each in turn, and the first item of each."""

from collections import deque
from collections.abc import Hashable

from hypothesis import given
from hypothesis import strategies as st

from wsrequest.live.round_robin import RoundRobin, Turn


def filled(*turns: tuple[str, str, int]) -> RoundRobin[str]:
    queue: RoundRobin[str] = RoundRobin()
    for address, connection, count in turns:
        for number in range(count):
            queue.add(f"{connection}{number}", Turn(address, connection))
    return queue


def emptied(queue: RoundRobin[str]) -> list[str]:
    found = []
    while (taken := queue.pop()) is not None:
        found.append(taken[0])
    assert not len(queue) and not queue._addresses and not queue._turns
    return found


def test_addresses_are_served_in_turn() -> None:
    queue = filled(("x", "a", 3), ("y", "b", 2), ("z", "c", 1))
    assert emptied(queue) == ["a0", "b0", "c0", "a1", "b1", "a2"]


def test_connections_of_an_address_are_served_in_turn() -> None:
    queue = filled(("x", "a", 3), ("x", "b", 1), ("y", "c", 2))
    assert emptied(queue) == ["a0", "c0", "b0", "c1", "a1", "a2"]


def test_who_comes_late_waits_for_one_of_each_other_address() -> None:
    queue = filled(("x", "a", 1000), ("y", "b", 1000))
    for _ in range(7):
        queue.pop()
    queue.add("mine", Turn("z", "c"))
    assert "mine" in [queue.pop()[0] for _ in range(3)]  # type: ignore[index]  # there are many


def test_an_address_that_may_have_none_keeps_its_place() -> None:
    queue = filled(("x", "a", 2), ("y", "b", 2))
    assert queue.pop(lambda address: address != "x") == ("b0", Turn("y", "b"))
    assert queue.pop(lambda address: False) is None
    assert emptied(queue) == ["a0", "b1", "a1"]


def test_an_item_stands_once_and_can_be_taken_out() -> None:
    queue = filled(("x", "a", 2))
    queue.add("a0", Turn("y", "b"))
    assert len(queue) == 2 and "a0" in queue and not queue.has("y")
    queue.discard("a0")
    queue.discard("a0")
    assert emptied(queue) == ["a1"] and not queue.has("x")


Steps = st.lists(st.tuples(st.sampled_from("apd"), st.integers(0, 3), st.integers(0, 5)))


@given(Steps)
def test_nothing_is_lost_or_given_twice(steps: list[tuple[str, int, int]]) -> None:
    queue: RoundRobin[tuple[int, int]] = RoundRobin()
    model: dict[Hashable, deque[tuple[int, int]]] = {}
    for step, address, number in steps:
        item, line = (address, number), model.setdefault(address, deque())
        if step == "a":
            queue.add(item, Turn(address, "one"))
            if item not in line:
                line.append(item)
        elif step == "d":
            queue.discard(item)
            if item in line:
                line.remove(item)
        else:
            taken = queue.pop()
            if taken is None:
                assert not any(model.values())
            else:
                assert model[taken[1].address].popleft() == taken[0]
        assert len(queue) == sum(map(len, model.values()))
