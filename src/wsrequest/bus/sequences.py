"""Finds out whether messages of other publishers are missing.

Each publisher numbers its messages. A number that is left out shows a loss. The first message of a
publisher that this process has not heard before needs more: were the messages before it lost, or
published before this process began to receive? The publisher says how long its pause before the
message was. If that is longer than this process has been receiving, nothing is missing. No two
clocks are compared, so a clock that jumps does no harm.

Somebody who can send to the broker can send recorded messages again. Their numbers show it, also
after a reconnection.
"""

from collections import OrderedDict
from enum import Enum

from wsrequest.bus.envelope import Envelope

__all__ = ["Arrival", "Sequences"]

_MAX_PUBLISHERS = 10_000  # a process that is forgotten costs one loss when it publishes again


class Arrival(Enum):
    """What the number of a message says."""

    NEXT = "next"
    """It is the next one."""
    REPEATED = "repeated"
    """It has arrived before, or its absence was noticed before."""
    AFTER_LOSS = "after loss"
    """Messages before it are missing."""


class Sequences:
    """The numbers of all publishers that this process has heard."""

    def __init__(self) -> None:
        # The longest silent first, while one connection lasts, and before it.
        self._numbers: OrderedDict[bytes, int] = OrderedDict()
        self._earlier: OrderedDict[bytes, int] = OrderedDict()

    def connection_was_lost(self) -> None:
        """Expect that messages are missing, and none again that has arrived before."""
        for epoch, number in self._numbers.items():
            self._earlier[epoch] = max(number, self._earlier.pop(epoch, 0))
        while len(self._earlier) > _MAX_PUBLISHERS:
            self._earlier.popitem(last=False)
        self._numbers.clear()

    def excuse(self, epoch: bytes, number: int) -> None:
        """Expect no message of a publisher up to a number. Those are known to be lost."""
        if number:
            self._numbers[epoch] = number

    def check(self, envelope: Envelope, receiving_seconds: float) -> Arrival:
        """Take the number of a message or a heartbeat.

        Args:
            envelope: has just arrived.
            receiving_seconds: how long this process has been receiving without interruption.
        """
        last = self._numbers.pop(envelope.epoch, None)
        number = envelope.number
        expected = number if not envelope.topic else number - 1  # a heartbeat repeats the last
        if last is not None:
            self._numbers[envelope.epoch] = max(last, number)
            if number <= last:
                return Arrival.REPEATED
            return Arrival.NEXT if last == expected else Arrival.AFTER_LOSS
        if number <= self._earlier.get(envelope.epoch, 0):
            return Arrival.REPEATED  # what follows it is judged as if it had not arrived
        self._numbers[envelope.epoch] = number
        if len(self._numbers) > _MAX_PUBLISHERS:
            self._numbers.popitem(last=False)
        if expected == 0 or envelope.pause_ms / 1000 > receiving_seconds:
            return Arrival.NEXT
        return Arrival.AFTER_LOSS
