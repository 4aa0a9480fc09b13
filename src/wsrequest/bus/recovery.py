"""Gets messages that did not arrive from a broker that keeps them.

A process that was cut off, or has just started, reads what the broker has kept, and passes on what
it lacks before anything that arrives later. Nobody is notified of a loss if the broker has it all.

What it lacks begins where this process certainly had everything. After a lost connection, that is
the place of the last message. But a message that its publisher has dropped is missing at every
later place, too. So if the numbers of a publisher show a gap, what is lacking begins at the last
message of that publisher. If it was not heard before, that is the last notice of a loss.
"""

from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from wsrequest.bus.base import Topic
from wsrequest.bus.engine import KeepingReceiver, Sequenced
from wsrequest.bus.envelope import Envelope, OtherRelease, Seal, Stranger
from wsrequest.bus.memory import MemoryBus

__all__ = ["Recovery"]

_MAX_PUBLISHERS = 10_000  # a process that is forgotten costs a notice of a loss, if it has a gap

Place = tuple[str, int]
"""An epoch of the broker, and a number."""


class Recovery:
    """What this process has of the topic that the broker keeps. Used by the receiving thread.

    Args:
        seal: opens the messages.
        channel: on which they are sent.
        local: has the receivers of this process.
        topics: those that have had receivers, by their names. At most one of them is kept.

    Attributes:
        is_due: whether messages may be missing. Until they are read, none is passed on.
    """

    def __init__(
        self, seal: Seal, channel: str, local: MemoryBus, topics: Mapping[str, Topic[Any]]
    ) -> None:
        self._seal, self._channel, self._local, self._topics = seal, channel, local, topics
        self.is_due = False
        self._place: Place | None = None  # up to which everything was passed on, or is lost
        self._told: Place | None = None  # of the last notice. What is missing before was in that
        self._since: Place | None = None  # from which on messages may be missing
        # The number of the last message of each publisher, and its place.
        self._seen: OrderedDict[bytes, tuple[int, Place]] = OrderedDict()

    def begin(self, publisher: bytes | None = None) -> None:
        """Take that messages may be missing.

        Args:
            publisher: whose numbers show it. None if anybody's may be missing.
        """
        since = self._place
        if publisher is not None:
            _, since = self._seen.get(publisher, (0, self._told))
        self._since = _earlier(self._since, since) if self.is_due else since
        self.is_due = True

    def lose(self, publisher: bytes | None = None) -> None:
        """Notify the receivers of all other topics that messages are lost, and begin."""
        self.begin(publisher)
        for topic in list(self._topics.values()):
            if not topic.is_kept:
                self._local.lose(topic)

    def takes(self, envelope: Envelope, place: Place) -> bool:
        """Whether to pass on a message that has arrived. It may have been read before."""
        if not self._is_next(place) or self._is_seen(envelope):
            return False
        self._see(envelope, place)
        return True

    def tells(self, place: Place) -> bool:
        """Whether everything up to a place has been passed on. The broker is there now."""
        if not self._is_next(place):
            return False
        self._place = place
        return True

    def recover(self, receiver: KeepingReceiver) -> None:
        """Pass on what is missing, if the topic has receivers by now.

        Raises:
            Unavailable: the broker cannot be read. It is still due.
        """
        topic = next((each for each in list(self._topics.values()) if each.is_kept), None)
        if topic is None or topic.number is None:
            return
        since = self._since
        kept = receiver.kept(self._channel, since)
        has_all = since is not None and since[0] == kept.epoch and since[1] >= kept.start
        missing: list[tuple[Envelope, Sequenced, Any]] = []
        for each in kept.messages:
            try:
                envelope = self._seal.open(each.content)
                if envelope.topic != topic.name or self._is_seen(envelope):
                    continue
                message = topic.decode(envelope.payload)
            except Stranger:
                continue
            except (OtherRelease, ValueError):
                has_all = False
                continue
            if self._follows((each.epoch, each.number)):
                missing.append((envelope, each, message))
            else:
                has_all = False  # later ones have been passed on already
        if not has_all:
            self._local.lose(topic)
            start = (kept.epoch, kept.start)
            if self._follows(start):
                self._local.publish(topic, topic.number(None, *start))
                self._place = start
            self._told = self._place
        for envelope, each, message in missing:
            if not self._is_seen(envelope):  # a publisher may send one twice
                self._local.publish(topic, topic.number(message, each.epoch, each.number))
                self._see(envelope, (each.epoch, each.number))
        self.is_due = False

    def _is_next(self, place: Place) -> bool:
        """Whether something that arrives now has its place behind all that was passed on."""
        if self._place is not None and self._place[0] != place[0]:
            self.begin()  # it was sent before the last reading, or the broker has begun again
        return not self.is_due and self._follows(place)

    def _follows(self, place: Place) -> bool:
        """Whether a place is behind all that was passed on. Other epochs cannot be compared."""
        last = self._place
        return last is None or last[0] != place[0] or last[1] < place[1]

    def _is_seen(self, envelope: Envelope) -> bool:
        return envelope.number <= self._seen.get(envelope.epoch, (0, None))[0]

    def _see(self, envelope: Envelope, place: Place) -> None:
        self._place = place
        self._seen[envelope.epoch] = (envelope.number, place)
        self._seen.move_to_end(envelope.epoch)
        if len(self._seen) > _MAX_PUBLISHERS:
            self._seen.popitem(last=False)


def _earlier(one: Place | None, other: Place | None) -> Place | None:
    if one is None or other is None or one[0] != other[0]:
        return None
    return min(one, other)
