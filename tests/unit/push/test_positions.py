"""Positions: which of them an event loop can continue, and when it cannot know."""

from wsrequest.push.positions import Positions


def shared(number: int = 10, epoch: str = "r") -> Positions:
    positions = Positions()
    positions.lose()  # as when the bus has connected
    assert positions.advance_to(epoch, number)
    return positions


def test_numbers_of_its_own_rise_by_one_and_are_nobody_else_s() -> None:
    positions, other = Positions(), Positions()
    first = positions.text(0)
    positions.advance()
    assert (positions.number_at(first), positions.number) == (0, 1)
    assert positions.has_all_after(0)
    assert positions.number_at(positions.text(2)) is None  # it has given no such position
    assert other.number_at(first) is None


def test_loss_of_its_own_numbers_begins_an_epoch() -> None:
    positions = Positions()
    first = positions.text(0)
    positions.lose()
    assert positions.number_at(first) is None
    assert positions.has_all_after(positions.number)


def test_position_of_another_process() -> None:
    positions = shared(10)
    assert positions.is_shared
    assert positions.number_at("r:9") == 9 and positions.has_all_after(9)
    assert positions.number_at("r:8") == 8 and not positions.has_all_after(8)
    assert positions.number_at("r:12") == 12  # the other process was faster
    for wrong in ("", "r", "r:", "r:x", "r:-1", "r:²", "x:10", "r:" + "9" * 5000):
        assert positions.number_at(wrong) is None


def test_nothing_is_known_after_a_loss_until_the_bus_says_where_it_is() -> None:
    positions = shared(10)
    positions.lose()
    assert not positions.has_all_after(10) and not positions.has_all_after(10**15)
    assert not positions.advance_to("r", 20)
    assert not positions.has_all_after(18) and positions.has_all_after(19)
    assert positions.text(positions.number) == "r:20"


def test_another_epoch_begins_anew() -> None:
    positions = shared(10)
    assert positions.advance_to("other", 3)
    assert positions.text(3) == "other:3"
    assert positions.number_at("r:10") is None and positions.has_all_after(2)
    assert not positions.advance_to("other", 4)


def test_number_that_falls_makes_all_positions_those_of_another_epoch() -> None:
    """Clients would ignore the events up to the number that they hold."""
    positions = shared(10)
    assert positions.advance_to("r", 10)
    epoch = positions.epoch
    assert epoch.startswith("r.") and positions.number_at("r:10") is None
    assert not positions.advance_to("r", 11)
    assert positions.epoch == epoch
