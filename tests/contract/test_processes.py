"""What holds between processes, for every broker: two buses that share nothing but a URL."""

import threading
from collections.abc import Callable

from tests.contract.conftest import make_bus
from tests.contract.receiver import LETTERS, LOST, NUMBERS, Receiver
from wsrequest.bus.base import Bus, Topic

Processes = Callable[[], Bus]


def hears(receiver: Receiver) -> Receiver:
    """Wait until a receiver's process is connected, which its receivers learn by a loss."""
    receiver.take_turns_until(lambda: LOST in receiver.came)
    receiver.came.clear()
    return receiver


def test_messages_of_another_process_come_in_order(processes: Processes) -> None:
    receiver = hears(Receiver(processes()))
    other = processes()
    for number in range(500):
        other.publish(NUMBERS, number)
    receiver.take_until_came(500)
    assert receiver.messages == [*range(500)]
    assert receiver.positions == sorted(set(receiver.positions))


def test_messages_of_its_own_process_come_once(processes: Processes) -> None:
    bus, other = processes(), processes()
    receiver = hears(Receiver(bus))
    bus.publish(NUMBERS, 1)
    assert bus.flush(10)
    other.publish(NUMBERS, 2)
    receiver.take_until_came(2)
    assert receiver.messages == [1, 2]


def test_position_covers_what_came_from_others(processes: Processes) -> None:
    bus, other = processes(), processes()
    receiver = hears(Receiver(bus))
    other.publish(NUMBERS, 1)
    receiver.take_until_came(1)
    before = bus.position(NUMBERS)
    assert before >= receiver.positions[-1]
    other.publish(NUMBERS, 2)
    receiver.take_until_came(2)
    assert receiver.positions[-1] > before


def test_all_processes_and_all_topics(processes: Processes) -> None:
    receivers = [hears(Receiver(processes())) for _ in range(3)]
    letters = hears(Receiver(processes(), LETTERS))
    publisher = processes()
    publisher.publish(NUMBERS, 7)
    publisher.publish(LETTERS, "a")
    for receiver in receivers:
        receiver.take_until_came(1)
        assert receiver.messages == [7]
    letters.take_until_came(1)
    assert letters.messages == ["a"]


def test_threads_of_several_processes(processes: Processes) -> None:
    receiver = hears(Receiver(processes()))

    def publish(bus: Bus, first: int) -> None:
        for number in range(first, first + 200):
            bus.publish(NUMBERS, number)

    buses = [processes() for _ in range(3)]
    threads = [
        threading.Thread(target=publish, args=(bus, 1000 * index))
        for index, bus in enumerate(buses)
    ]
    for thread in threads:
        thread.start()
    receiver.take_until_came(600)
    for thread in threads:
        thread.join()
    assert LOST not in receiver.came
    for index in range(3):
        own = [number for number in receiver.messages if number // 1000 == index]
        assert own == [*range(1000 * index, 1000 * index + 200)]


def test_process_that_published_before_is_heard_without_a_loss(processes: Processes) -> None:
    old = processes()
    number, came = 0, [LOST]
    # A message that takes longer to arrive than the pause before it counts as after a loss.
    while came[0] == LOST and number < 20:
        number += 2
        old.publish(NUMBERS, number - 1)
        assert old.flush(10)
        receiver = hears(Receiver(processes()))
        old.publish(NUMBERS, number)
        receiver.take_until_came(1)
        came = receiver.came
    assert came[0] != LOST
    assert receiver.messages == [number]


def test_large_message_comes_with_less_detail(processes: Processes) -> None:
    lighten: Topic[str] = Topic("light", str.encode, bytes.decode, lighten=lambda text: text[:10])
    receiver = hears(Receiver(processes(), lighten))
    other = processes()
    other.publish(lighten, "x" * 2**21)
    receiver.take_until_came(1)
    assert receiver.messages == ["x" * 10]


def test_message_that_cannot_be_sent_is_lost(processes: Processes) -> None:
    receiver = hears(Receiver(processes(), LETTERS))
    other = processes()
    other.publish(LETTERS, "a")
    receiver.take_until_came(1)  # a loss covers what still waits for the receiver's turn
    other.publish(LETTERS, "x" * 2**21)
    receiver.take_turns_until(lambda: LOST in receiver.came)
    assert receiver.messages == ["a"]


def test_stranger_on_the_channel_decides_nothing(broker_url: str, processes: Processes) -> None:
    receiver = hears(Receiver(processes()))
    stranger = make_bus(broker_url, b"another project")
    try:
        for number in range(100):
            stranger.publish(NUMBERS, number)
        assert stranger.flush(10)
    finally:
        stranger.close()
    processes().publish(NUMBERS, 7)
    receiver.take_until_came(1)
    assert receiver.messages == [7]
    assert LOST not in receiver.came


def test_channels_do_not_meet(broker_url: str, processes: Processes) -> None:
    joined = "&" if "?" in broker_url else "?"
    elsewhere = make_bus(f"{broker_url}{joined}channel=other")
    try:
        receiver = hears(Receiver(processes()))
        elsewhere.publish(NUMBERS, 1)
        assert elsewhere.flush(10)
        processes().publish(NUMBERS, 2)
        receiver.take_until_came(1)
        assert receiver.messages == [2]
    finally:
        elsewhere.close()
