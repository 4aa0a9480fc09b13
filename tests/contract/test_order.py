"""Messages that need an order: all processes get the same one, with the same places."""

import threading
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import pytest

from tests.contract.receiver import LOST, Receiver
from wsrequest.bus.base import Bus, Topic


class Placed(NamedTuple):
    """A message, and its place. Without a text it only says how far the broker is."""

    text: str | None
    epoch: str = ""
    number: int = 0


ORDERED: Topic[Placed] = Topic(
    "ordered",
    lambda message: str(message.text).encode(),
    lambda data: Placed(data.decode()),
    number=lambda message, epoch, number: Placed(message and message.text, epoch, number),
)
Processes = Callable[[], Bus]

pytestmark = pytest.mark.needs("redis", "postgresql", "nats")


def connected(bus: Bus) -> Receiver:
    receiver = Receiver(bus, ORDERED)
    receiver.take_turns_until(lambda: LOST in receiver.came)
    receiver.came.clear()
    return receiver


def texts(receiver: Receiver) -> list[str]:
    return [message.text for message in receiver.messages if message.text is not None]


def has_texts(receiver: Receiver, count: int) -> bool:
    return len(texts(receiver)) >= count


def is_ordering(broker_url: str) -> bool:
    return not broker_url.startswith("nats:")


def test_all_processes_get_one_order_with_the_same_places(
    processes: Processes, broker_url: str
) -> None:
    buses = [processes() for _ in range(3)]
    receivers = [connected(bus) for bus in buses]
    each = 300

    def publish(sender: int) -> None:
        for number in range(each):
            buses[sender].publish(ORDERED, Placed(f"{sender}.{number}"))

    threads = [threading.Thread(target=publish, args=(sender,)) for sender in range(3)]
    for thread in threads:
        thread.start()
    for receiver in receivers:
        receiver.take_turns_until(partial(has_texts, receiver, 3 * each))
    for thread in threads:
        thread.join()
    for receiver in receivers:
        for sender in range(3):
            own = [text for text in texts(receiver) if text.startswith(f"{sender}.")]
            assert own == [f"{sender}.{number}" for number in range(each)]
    if not is_ordering(broker_url):
        assert {message.epoch for receiver in receivers for message in receiver.messages} == {""}
        return
    found: list[list[Any]] = [
        [message for message in receiver.messages if message.text] for receiver in receivers
    ]
    assert found[0] == found[1] == found[2]
    for receiver in receivers:  # with what only says how far the broker is
        numbers = [message.number for message in receiver.messages]
        assert numbers == sorted(set(numbers)) and numbers[-1] < 2**53
    assert len({message.epoch for message in found[0]}) == 1
    assert 0 < len(found[0][0].epoch) <= 40 and ":" not in found[0][0].epoch


def test_process_learns_how_far_the_broker_is_without_a_message(
    processes: Processes, broker_url: str
) -> None:
    if not is_ordering(broker_url):
        return  # as the test above shows
    first, second = connected(processes()), connected(processes())
    for receiver in (first, second):
        receiver.take_until_came(2)
        assert texts(receiver) == []
    assert first.messages[0].epoch == second.messages[0].epoch != ""


def test_messages_of_the_own_process_wait_for_the_broker(
    processes: Processes, broker_url: str
) -> None:
    bus = processes()
    receiver = connected(bus)
    bus.publish(ORDERED, Placed("one"))
    receiver.take_turns_until(lambda: texts(receiver) == ["one"])
    place = next(message for message in receiver.messages if message.text == "one")
    assert bool(place.epoch) is is_ordering(broker_url)


def test_what_was_published_before_the_process_hears_costs_no_loss_later(
    processes: Processes, broker_url: str
) -> None:
    """Its own first messages, such as those of presence, are sent while it connects."""
    bus = processes()
    for number in range(3):
        bus.publish(ORDERED, Placed(f"early {number}"))
    receiver = connected(bus)
    for number in range(3):
        bus.publish(ORDERED, Placed(f"{number}"))
        receiver.take_turns_until(lambda: str(number) in texts(receiver))  # noqa: B023
    assert LOST not in receiver.came
