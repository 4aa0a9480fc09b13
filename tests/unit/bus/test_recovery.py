"""What a process passes on of a topic that the broker keeps, whatever arrives twice or never."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.contract.test_order import ORDERED, Placed
from wsrequest.bus.engine import Kept, Sequenced, Unavailable
from wsrequest.bus.envelope import Envelope, Seal
from wsrequest.bus.memory import MemoryBus
from wsrequest.bus.recovery import Recovery

KEPT = replace(ORDERED, name="kept", is_kept=True)
SEAL = Seal([b"secret"])
LOST = "lost"


def envelope(publisher: str, number: int, topic: str = "kept") -> Envelope:
    text = f"{publisher}{number}".encode()
    return Envelope(publisher.encode().rjust(8), number, 0, topic, text)


class Broker:
    """What it has kept, and a process that recovers from it.

    Attributes:
        came: what was passed on: a text and a number each, or LOST.
        asked: from which places on the process has read.
    """

    def __init__(self) -> None:
        self.epoch, self.start = "e", 0
        self.messages: list[tuple[int, Envelope | bytes]] = []
        self.came: list[Any] = []
        self.asked: list[tuple[str, int] | None] = []
        self.is_down = False
        local = MemoryBus()
        self.topics = {"kept": KEPT}
        self.recovery = Recovery(SEAL, "channel", local, self.topics)
        self.posted: list[Callable[[], None]] = []
        local.subscribe(
            KEPT, self._receive, lambda: self.came.append(LOST), post=self.posted.append
        )

    def _receive(self, position: int, message: Placed) -> None:
        self.came.append((message.text, message.number))

    def kept(self, channel: str, since: tuple[str, int] | None) -> Kept:
        assert channel == "channel"
        self.asked.append(since)
        if self.is_down:
            raise Unavailable("it is down")
        found = [
            Sequenced(self.epoch, number, each if isinstance(each, bytes) else SEAL.close(each))
            for number, each in self.messages
        ]
        return Kept(self.epoch, self.start, found)

    def recover(self, *messages: tuple[int, Envelope | bytes]) -> list[Any]:
        """Keep these messages, and return what the process passes on."""
        self.messages = list(messages)
        self.recovery.recover(self)  # type: ignore[arg-type]
        return self.take()

    def arrives(self, number: int, envelope: Envelope) -> bool:
        return self.recovery.takes(envelope, (self.epoch, number))

    def take(self) -> list[Any]:
        while self.posted:
            self.posted.pop(0)()
        came, self.came = self.came, []
        return came


@pytest.fixture
def broker() -> Broker:
    """A broker whose process has just begun, and has recovered."""
    broker = Broker()
    broker.recovery.begin()
    broker.start = 5
    assert broker.recover((7, envelope("a", 1))) == [LOST, (None, 5), ("a1", 7)]
    return broker


def test_nothing_is_passed_on_before_it_was_read(broker: Broker) -> None:
    broker.recovery.begin()
    assert not broker.arrives(9, envelope("a", 3))
    assert not broker.recovery.tells(("e", 9))
    assert broker.recover((8, envelope("a", 2)), (9, envelope("a", 3))) == [("a2", 8), ("a3", 9)]
    assert broker.asked[-1] == ("e", 7)
    assert not broker.arrives(9, envelope("a", 3))  # it arrives after all
    assert not broker.recovery.tells(("e", 9))
    assert broker.arrives(10, envelope("a", 4))
    assert broker.recovery.tells(("e", 11))


def test_what_the_broker_no_longer_has_is_a_loss(broker: Broker) -> None:
    broker.start = 9
    broker.recovery.begin()
    assert broker.recover((10, envelope("b", 1))) == [LOST, (None, 9), ("b1", 10)]


def test_other_epoch_is_a_loss(broker: Broker) -> None:
    broker.epoch, broker.start = "f", 2
    broker.recovery.begin()
    assert broker.recover((3, envelope("a", 2))) == [LOST, (None, 2), ("a2", 3)]
    assert broker.arrives(4, envelope("a", 3))


def test_gap_counts_from_the_last_message_of_its_publisher(broker: Broker) -> None:
    """The broker has begun again behind it, and the process has been told of later places."""
    assert broker.arrives(8, envelope("b", 1))
    assert broker.recovery.tells(("e", 20))
    broker.start = 15  # the publisher has dropped a message before this
    broker.recovery.begin(envelope("a", 9).epoch)
    assert broker.recover((21, envelope("a", 3))) == [LOST, ("a3", 21)]
    assert broker.asked[-1] == ("e", 7)


def test_gap_that_the_broker_can_fill_behind_later_messages_is_a_loss(broker: Broker) -> None:
    assert broker.arrives(12, envelope("b", 1))
    broker.recovery.begin(envelope("a", 9).epoch)
    found = broker.recover((10, envelope("a", 2)), (12, envelope("b", 1)), (14, envelope("a", 3)))
    assert found == [LOST, ("a3", 14)]  # never a place that falls


def test_gap_of_a_publisher_that_was_not_heard_counts_from_the_last_notice(broker: Broker) -> None:
    """Its numbers also show a gap if it has published just before this process began to hear."""
    assert broker.arrives(8, envelope("b", 1))
    broker.recovery.begin(b"unknown ")
    assert broker.recover((9, envelope("c", 4))) == [("c4", 9)]
    assert broker.asked[-1] == ("e", 5)
    broker.start = 10  # it has dropped a message before this
    broker.recovery.begin(b"unknown ")
    assert broker.recover((11, envelope("d", 4))) == [LOST, (None, 10), ("d4", 11)]


def test_earliest_of_several_reasons_counts(broker: Broker) -> None:
    assert broker.arrives(8, envelope("b", 1))
    broker.recovery.begin()
    broker.recovery.begin(envelope("a", 9).epoch)
    broker.recovery.begin()
    broker.recover()
    assert broker.asked[-1] == ("e", 7)


def test_message_that_was_sent_twice_is_passed_on_once(broker: Broker) -> None:
    broker.recovery.begin()
    again = envelope("a", 2)
    found = broker.recover((8, envelope("a", 1)), (9, again), (10, again), (11, envelope("a", 3)))
    assert found == [("a2", 9), ("a3", 11)]


def test_messages_of_strangers_and_other_topics_are_no_loss(broker: Broker) -> None:
    broker.recovery.begin()
    stranger = Seal([b"other"]).close(envelope("x", 1))
    other = Envelope(b"publishe", 1, 0, "other", b"\xff")
    found = broker.recover((8, stranger), (9, other), (10, envelope("a", 2)))
    assert found == [("a2", 10)]


def test_message_that_cannot_be_read_is_a_loss(broker: Broker) -> None:
    broker.recovery.begin()
    unreadable = Envelope(b"publishe", 1, 0, "kept", b"\xff")
    assert broker.recover((8, unreadable), (10, envelope("a", 2))) == [LOST, ("a2", 10)]
    assert not broker.recovery.is_due  # it is not read again and again


def test_failure_leaves_it_due(broker: Broker) -> None:
    broker.recovery.begin()
    broker.is_down = True
    with pytest.raises(Unavailable):
        broker.recover()
    assert broker.recovery.is_due
    broker.is_down = False
    assert broker.recover((8, envelope("a", 2))) == [("a2", 8)]


def test_it_waits_for_receivers(broker: Broker) -> None:
    broker.recovery.begin()
    broker.topics.clear()
    broker.recover()
    assert broker.recovery.is_due and len(broker.asked) == 1


def test_message_of_an_earlier_epoch_that_arrives_late_changes_nothing(broker: Broker) -> None:
    assert not broker.recovery.takes(envelope("a", 2), ("d", 99))
    assert broker.recover() == []
    assert not broker.recovery.tells(("d", 100))
    assert broker.recover() == []
    assert broker.arrives(8, envelope("a", 3))


def test_epoch_that_begins_is_read_from_the_broker(broker: Broker) -> None:
    broker.epoch, broker.start = "f", 1
    assert not broker.recovery.takes(envelope("a", 3), ("f", 3))
    found = broker.recover((2, envelope("a", 2)), (3, envelope("a", 3)))
    assert found == [LOST, (None, 1), ("a2", 2), ("a3", 3)]
