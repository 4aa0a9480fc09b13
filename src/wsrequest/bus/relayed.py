"""The write-ahead log as it arrives by another bus: one process reads it for all (``relay``).

The relay numbers its messages as every publisher does, so a gap shows a loss. Besides, it sends one
each second for as long as it can read the log. So its silence shows that commits may be missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from wsrequest.bus.base import Topic
from wsrequest.bus.codec import decode_commit, encode_commit
from wsrequest.bus.engine import Engine, LoggedCommit, databases_of, streams_of
from wsrequest.bus.envelope import Seal
from wsrequest.bus.publisher import Publisher

__all__ = ["LOG", "RELAYED", "Entry", "Mark", "Relayed", "RelayedLog"]

_SILENT_SECONDS = 3.0  # after which another relay is followed
_NEVER = float("-inf")


class Mark(msgspec.Struct, frozen=True, array_like=True):
    """What a process writes into a log, to learn when everything before it has arrived.

    Attributes:
        epoch: names the process.
        database: the alias of the database in whose log it is.
        number: rises.
    """

    epoch: bytes
    database: str
    number: int


Entry = LoggedCommit | Mark


@dataclass(frozen=True, slots=True)
class Relayed:
    """One message of a relay.

    Attributes:
        reading: names the time during which the relay has read the log without a gap. Empty if it
            cannot read the log.
        entry: what the log has. None in the message of each second.
    """

    reading: bytes
    entry: Entry | None = None


class _Wire(msgspec.Struct, frozen=True, array_like=True):
    reading: bytes
    commit: bytes | None
    origin: bytes | None
    mark: Mark | None


def _encode_relayed(relayed: Relayed) -> bytes:
    entry = relayed.entry
    if isinstance(entry, LoggedCommit):
        return _encode(_Wire(relayed.reading, encode_commit(entry.commit), entry.origin, None))
    return _encode(_Wire(relayed.reading, None, None, entry))


def _decode_relayed(encoded: bytes) -> Relayed:
    wire = _decode(encoded)
    if wire.commit is None:
        return Relayed(wire.reading, wire.mark)
    return Relayed(wire.reading, LoggedCommit(decode_commit(wire.commit), wire.origin))


def _encode_mark(entry: Entry) -> bytes:
    assert isinstance(entry, Mark)  # the database itself writes commits
    return _encode(entry)


def _weigh_entry(entry: Entry) -> int:
    return entry.commit.weight_bytes() if isinstance(entry, LoggedCommit) else 0


def _lighten_entry(entry: Entry) -> Entry:
    if isinstance(entry, LoggedCommit):
        return LoggedCommit(entry.commit.without_rows(), entry.origin)
    return entry


def _weigh(relayed: Relayed) -> int:
    return 0 if relayed.entry is None else _weigh_entry(relayed.entry)


def _lighten(relayed: Relayed) -> Relayed:
    entry = relayed.entry
    return relayed if entry is None else Relayed(relayed.reading, _lighten_entry(entry))


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(_Wire).decode
_decode_mark = msgspec.msgpack.Decoder(Mark).decode

LOG: Topic[Entry] = Topic("log", _encode_mark, _decode_mark, _weigh_entry, _lighten_entry)
"""What a log has, in its order. Only the relay subscribes to it."""

RELAYED: Topic[Relayed] = Topic("relayed", _encode_relayed, _decode_relayed, _weigh, _lighten)
"""What a relay sends."""


class RelayedLog:
    """What a process knows of the logs that a relay reads. Used by the receiving thread.

    Several relays can run. A process follows one of them, and changes to another when that one is
    silent.

    Args:
        engine: connects to the databases, for the marks that this process writes.
        channel: the channel that the relay reads.
        secrets: sign the marks.

    Attributes:
        databases: their aliases.
        channel: see above.
        publishers: write the marks.
        reading: of the relay that is followed. Empty at first.
        heard_at: monotonic time of its last message.
    """

    def __init__(self, engine: Engine, channel: str, secrets: Sequence[bytes]) -> None:
        self.databases, self.channel = databases_of(engine), channel
        seal = Seal(secrets)
        self.publishers = [Publisher(each, channel, seal) for each in streams_of(engine)]
        self.begin(0.0)

    def begin(self, now: float) -> None:
        """Expect the messages of a relay from now on."""
        self.heard_at = now
        self.reading = b""
        self._epoch: bytes | None = None
        self._marks = dict.fromkeys(self.databases, 0)

    @property
    def mark(self) -> int:
        """The latest mark that has arrived from each database."""
        return min(self._marks.values())

    def send_mark(self, epoch: bytes, number: int) -> None:
        """Write a mark into each log. From any thread."""
        for database, publisher in zip(self.databases, self.publishers, strict=True):
            publisher.put(LOG, Mark(epoch, database, number))

    def follow(self, epoch: bytes, relayed: Relayed, now: float) -> bool:
        """Take a message of a relay.

        Args:
            epoch: names the relay.
            relayed: its message.
            now: monotonic time.

        Returns:
            Whether it counts. If ``reading`` is another one than before, commits may be missing.
        """
        is_followed = epoch == self._epoch
        if not is_followed and self._epoch is not None and now - self.heard_at < _SILENT_SECONDS:
            return False
        if not relayed.reading:
            if is_followed:
                self._epoch, self.heard_at = None, _NEVER
            return False
        self._epoch, self.reading, self.heard_at = epoch, relayed.reading, now
        return True

    def take_mark(self, mark: Mark) -> None:
        """Take a mark that this process has written."""
        if mark.database in self._marks:
            self._marks[mark.database] = max(self._marks[mark.database], mark.number)
