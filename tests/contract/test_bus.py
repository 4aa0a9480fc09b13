"""What holds for every bus: messages arrive in order, or receivers are notified of a loss."""

import gc
import logging
import threading
import weakref

import pytest

from tests.contract.receiver import LETTERS, LOST, NUMBERS, Receiver
from wsrequest.bus.base import Bus


def test_messages_come_in_order_with_rising_positions(bus: Bus) -> None:
    receiver = Receiver(bus)
    for number in range(500):
        bus.publish(NUMBERS, number)
    receiver.take_turns_until(lambda: len(receiver.came) >= 500)
    assert receiver.messages == [*range(500)]
    assert receiver.positions == sorted(set(receiver.positions))
    assert receiver.subscription.lost_count == 0


def test_nothing_is_called_on_the_publisher_s_thread(bus: Bus) -> None:
    receiver = Receiver(bus)
    bus.publish(NUMBERS, 1)
    assert receiver.came == []
    receiver.take_turns_until(lambda: receiver.came)


def test_messages_of_many_threads_all_come_to_all(bus: Bus) -> None:
    receivers = [Receiver(bus), Receiver(bus)]
    threads, each = 8, 200

    def publish(thread: int) -> None:
        for number in range(each):
            bus.publish(NUMBERS, thread * each + number)

    publishers = [threading.Thread(target=publish, args=(thread,)) for thread in range(threads)]
    for publisher in publishers:
        publisher.start()
    for receiver in receivers:
        receiver.take_until_came(threads * each)
    for publisher in publishers:
        publisher.join()
    first, second = receivers
    assert first.came == second.came
    assert sorted(first.messages) == [*range(threads * each)]
    assert first.positions == sorted(set(first.positions))
    for thread in range(threads):
        own = [number for number in first.messages if number // each == thread]
        assert own == sorted(own)


def test_topics_do_not_meet(bus: Bus) -> None:
    numbers, letters = Receiver(bus), Receiver(bus, LETTERS)
    bus.publish(NUMBERS, 1)
    bus.publish(LETTERS, "a")
    bus.publish(NUMBERS, 2)
    numbers.take_turns_until(lambda: len(numbers.came) == 2)
    letters.take_turns_until(lambda: letters.came)
    assert (numbers.messages, letters.messages) == ([1, 2], ["a"])


def test_what_was_published_before_does_not_come(bus: Bus) -> None:
    bus.publish(NUMBERS, 1)
    receiver = Receiver(bus)
    bus.publish(NUMBERS, 2)
    receiver.take_turns_until(lambda: receiver.came)
    assert receiver.messages == [2]


def test_what_is_published_after_a_position_has_a_higher_one(bus: Bus) -> None:
    receiver = Receiver(bus)
    before = [bus.position(NUMBERS)]
    for number in range(50):
        bus.publish(NUMBERS, number)
        before.append(bus.position(NUMBERS))
    receiver.take_turns_until(lambda: len(receiver.came) == 50)
    for taken, (position, _) in zip(before, receiver.came, strict=False):
        assert taken < position
    assert before == sorted(before)
    assert bus.position(NUMBERS) >= receiver.positions[-1]
    assert bus.position(LETTERS) == 0


def test_position_never_falls_while_threads_publish(bus: Bus) -> None:
    receiver = Receiver(bus)
    publisher = threading.Thread(
        target=lambda: [bus.publish(NUMBERS, number) for number in range(2000)]
    )
    publisher.start()
    seen = [bus.position(NUMBERS)]
    while publisher.is_alive():
        seen.append(bus.position(NUMBERS))
    receiver.take_turns_until(lambda: len(receiver.came) == 2000)
    assert seen == sorted(seen)
    assert bus.position(NUMBERS) >= receiver.positions[-1]


def test_full_queue_is_lost_and_not_dropped_silently(bus: Bus) -> None:
    slow, other = Receiver(bus, queue_length=10), Receiver(bus)
    for number in range(100):
        bus.publish(NUMBERS, number)
    other.take_turns_until(lambda: len(other.came) == 100)
    slow.take_turns_until(lambda: LOST in slow.came)
    assert slow.came == [LOST]  # what is lost is not told one by one
    assert slow.subscription.lost_count == 1
    assert other.subscription.lost_count == 0


def test_messages_after_a_loss_come_again(bus: Bus) -> None:
    receiver, other = Receiver(bus, queue_length=2), Receiver(bus)
    for number in range(3):
        bus.publish(NUMBERS, number)
    other.take_turns_until(lambda: len(other.came) == 3)
    receiver.take_turns_until(lambda: receiver.came)
    lost_at = bus.position(NUMBERS)
    bus.publish(NUMBERS, 7)
    receiver.take_turns_until(lambda: len(receiver.came) == 2)
    assert receiver.came[0] == LOST
    assert receiver.messages == [7]
    assert receiver.positions[0] > lost_at


def test_queue_that_is_just_full_loses_nothing(bus: Bus) -> None:
    receiver = Receiver(bus, queue_length=10)
    for number in range(10):
        bus.publish(NUMBERS, number)
    receiver.take_turns_until(lambda: len(receiver.came) == 10)
    assert receiver.messages == [*range(10)]


def test_receiver_that_raises_is_notified_of_a_lost_message(
    bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    receiver, other = Receiver(bus), Receiver(bus)
    receiver.fails = 1
    with caplog.at_level(logging.ERROR, "wsrequest.bus"):
        for number in (1, 2):
            bus.publish(NUMBERS, number)
        receiver.take_turns_until(lambda: len(receiver.came) == 3)
    assert (receiver.came[1], receiver.messages) == (LOST, [1, 2])
    assert receiver.subscription.lost_count == 1
    assert "receiving a message failed" in caplog.text
    other.take_turns_until(lambda: len(other.came) == 2)
    assert other.messages == [1, 2]


def test_failed_notification_of_a_loss_is_repeated(
    bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    receiver = Receiver(bus)
    receiver.fails = 2  # the message, and that it was missed
    with caplog.at_level(logging.ERROR, "wsrequest.bus"):
        bus.publish(NUMBERS, 1)
        receiver.take_turns_until(lambda: len(receiver.came) == 2)
        bus.publish(NUMBERS, 2)
        receiver.take_turns_until(lambda: len(receiver.came) == 4)
        bus.publish(NUMBERS, 3)
        receiver.take_turns_until(lambda: len(receiver.came) == 5)
    assert [item if item == LOST else item[1] for item in receiver.came] == [1, LOST, LOST, 2, 3]
    assert "notifying a receiver of lost messages failed" in caplog.text


def test_publishing_raises_nothing_when_a_receiver_is_gone(
    bus: Bus, caplog: pytest.LogCaptureFixture
) -> None:
    def post(call: object) -> None:
        raise RuntimeError("the event loop is closed")

    came: list[int] = []
    receiver = Receiver(bus)
    with caplog.at_level(logging.ERROR, "wsrequest.bus"):
        bus.subscribe(NUMBERS, lambda *_: came.append(1), lambda: None, post=post)
        for number in (1, 2):
            bus.publish(NUMBERS, number)
        receiver.take_turns_until(lambda: len(receiver.came) == 2)
    assert came == []


def test_receiver_may_publish(bus: Bus) -> None:
    letters = Receiver(bus, LETTERS)
    posted = Receiver(bus).posted  # a thread to be called on
    bus.subscribe(
        NUMBERS, lambda _, number: bus.publish(LETTERS, "x" * number), lambda: None, post=posted.put
    )
    bus.publish(NUMBERS, 3)
    for _ in range(2):  # one call for each of those that share it
        posted.get(timeout=30)()
    letters.take_turns_until(lambda: letters.came)
    assert letters.messages == ["xxx"]


def test_busy_receiver_lets_others_have_their_turn(bus: Bus) -> None:
    receiver, other = Receiver(bus), Receiver(bus)
    for number in range(1000):
        bus.publish(NUMBERS, number)
    other.take_turns_until(lambda: len(other.came) == 1000)
    receiver.posted.get(timeout=30)()
    assert 0 < len(receiver.came) < 1000
    receiver.take_turns_until(lambda: len(receiver.came) == 1000)
    assert receiver.messages == [*range(1000)]


def test_closed_subscription_receives_nothing(bus: Bus) -> None:
    receiver, other = Receiver(bus), Receiver(bus)
    bus.publish(NUMBERS, 1)
    other.take_turns_until(lambda: other.came)
    receiver.subscription.close()
    receiver.subscription.close()
    bus.publish(NUMBERS, 2)
    other.take_turns_until(lambda: len(other.came) == 2)
    while not receiver.posted.empty():
        receiver.posted.get()()
    assert receiver.came == []


def test_closed_bus_is_quiet(bus: Bus) -> None:
    receiver = Receiver(bus)
    bus.publish(NUMBERS, 1)
    receiver.take_turns_until(lambda: receiver.came)
    position = bus.position(NUMBERS)
    bus.publish(NUMBERS, 2)
    bus.close()
    bus.close()
    while not receiver.posted.empty():
        receiver.posted.get()()
    receiver.subscription.close()
    assert receiver.messages == [1]
    closed_at = bus.position(NUMBERS)
    bus.publish(NUMBERS, 3)
    assert bus.position(NUMBERS) == closed_at >= position
    assert receiver.posted.empty()
    with pytest.raises(RuntimeError, match="the bus is closed"):
        Receiver(bus)


def test_bus_keeps_nothing_of_a_closed_subscription(bus: Bus) -> None:
    receiver = Receiver(bus)
    kept = weakref.ref(receiver)
    receiver.subscription.close()
    del receiver
    gc.collect()
    assert kept() is None
