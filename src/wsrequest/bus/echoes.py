"""What has come back of the heartbeats that a process sends to itself (``publisher``).

They show that messages of others would arrive, too. A bus that reads several databases sends one
through each of them. It hears only as well as the one that has been silent the longest.
"""

from collections.abc import Iterable

from wsrequest.bus.envelope import Envelope
from wsrequest.bus.publisher import LOOPBACK, Publisher

__all__ = ["Echoes"]


class Echoes:
    """Used by the receiving thread.

    Args:
        publishers: those that send heartbeats to this process.
        now: monotonic time, from which on they are expected.
    """

    def __init__(self, publishers: Iterable[Publisher], now: float) -> None:
        self._newest_ms: dict[bytes, int] = {}
        self._heard = {publisher.epoch: (now, 0) for publisher in publishers}

    @property
    def heard_at(self) -> float:
        """The time at which the last heartbeat was sent that has come back through all of them."""
        return min(at for at, _ in self._heard.values())

    @property
    def mark(self) -> int:
        """The latest mark that has come back through all of them."""
        return min(mark for _, mark in self._heard.values())

    def is_own(self, envelope: Envelope) -> bool:
        """Whether this process has sent a message."""
        return envelope.epoch in self._heard

    @staticmethod
    def is_heartbeat(envelope: Envelope) -> bool:
        """Whether a message of this process is a heartbeat to itself."""
        return not envelope.topic and bool(envelope.payload)

    def take(self, envelope: Envelope) -> bool:
        """Take a heartbeat of this process to itself.

        Returns:
            Whether it is a new one. Somebody may have sent an old one again.
        """
        sent_ms, mark = LOOPBACK.unpack(envelope.payload)
        known = self._heard[envelope.epoch]
        self._heard[envelope.epoch] = max(known[0], sent_ms / 1000), max(known[1], mark)
        newest_ms = self._newest_ms.get(envelope.epoch, -1)
        self._newest_ms[envelope.epoch] = max(sent_ms, newest_ms)
        return bool(sent_ms > newest_ms)
