"""What a message broker must offer, so that ``BrokerBus`` can carry messages between processes.

A broker delivers each message at most once. So an engine only sends and receives bytes.
``BrokerBus`` finds out what did not arrive. One module for each broker implements this.

A database can be a broker, too, and one that knows its own commits. Its engine receives them beside
the bytes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from wsrequest.types import Commit

__all__ = [
    "CALL_SECONDS",
    "Engine",
    "Kept",
    "Keeping",
    "KeepingReceiver",
    "KeepingSender",
    "LoggedCommit",
    "Receiver",
    "Sender",
    "Sequenced",
    "Unavailable",
    "databases_of",
    "keeping_of",
    "is_sequencing",
    "streams_of",
]

CALL_SECONDS = 2.0
"""No call of an engine may take longer. Otherwise a process would notice too late that it is cut
off."""


class Unavailable(Exception):
    """The broker cannot be reached, or it refused. The message says which, without credentials."""


@dataclass(frozen=True, slots=True)
class LoggedCommit:
    """A transaction that a database reports itself, from any writer.

    Attributes:
        commit: what it wrote.
        origin: what its writer said about itself (``origins``), or None.
    """

    commit: Commit
    origin: bytes | None = None


@dataclass(frozen=True, slots=True)
class Sequenced:
    """A message with its place in the one order that the broker has put all messages into.

    All receivers get the messages in this order, the sender's own process among them. Nobody has
    signed the place.

    Attributes:
        epoch: names the numbering. At most 40 characters without a colon.
        number: higher than those of all messages before in this epoch. At most 2**53 - 1, which is
            the largest number that is exact in JavaScript.
        content: what was sent.
    """

    epoch: str
    number: int
    content: bytes


@dataclass(frozen=True, slots=True)
class Keeping:
    """How many of the messages that must be kept a broker keeps of one channel.

    Attributes:
        max_bytes: of all of them.
        max_messages: how many.
        max_seconds: how old the oldest may be, once a further one is sent.
    """

    max_bytes: int
    max_messages: int
    max_seconds: float


@dataclass(frozen=True, slots=True)
class Kept:
    """What a broker has kept of a channel.

    Attributes:
        epoch: of all numbers here.
        start: a number. All messages with higher ones that had to be kept are here.
        messages: in order, all with numbers above ``start``.
    """

    epoch: str
    start: int
    messages: Sequence[Sequenced]


class Sender(Protocol):
    """A connection that sends. Used by one thread."""

    def send(self, channel: str, messages: Sequence[bytes]) -> None:
        """Send messages, in order. If it raises, any of them may have been sent.

        Raises:
            Unavailable: the broker did not take them.
        """

    def close(self) -> None:
        """Close the connection. Raises nothing."""


class KeepingSender(Sender, Protocol):
    """A connection that sends to a broker that keeps messages."""

    def send_and_keep(
        self, channel: str, messages: Sequence[bytes], are_kept: Sequence[bool], *, is_gap: bool
    ) -> None:
        """Send messages, and keep some of them, in one step. Otherwise as ``send``.

        Args:
            channel: see ``send``.
            messages: likewise.
            are_kept: whether to keep each of them.
            is_gap: whether a message right before these that had to be kept will never be sent.
                What the broker has kept so far then counts no more.
        """


class Receiver(Protocol):
    """A connection that receives. Used by one thread."""

    def receive(self, seconds: float) -> Sequence[bytes | Sequenced | LoggedCommit]:
        """Return the messages and commits that have arrived.

        Messages are in order. A commit comes as soon as everybody can see what it wrote, and before
        every message that was sent after that.

        Args:
            seconds: how long to wait for the first one. After that, the result may be empty.

        Raises:
            Unavailable: the connection is lost, and perhaps messages with it.
        """

    def close(self) -> None:
        """Close the connection. Raises nothing."""


class KeepingReceiver(Receiver, Protocol):
    """A connection that receives from a broker that keeps messages."""

    def kept(self, channel: str, since: tuple[str, int] | None) -> Kept:
        """Return what the broker has kept.

        Whatever was sent before this call is here, or will arrive, or both.

        Args:
            channel: of the messages.
            since: an epoch and a number. Messages up to there may be left out. None for all.

        Raises:
            Unavailable: it cannot be read.
        """


class Engine(Protocol):
    """Connects to one broker. From any thread.

    Attributes:
        address: names the broker in logs, without credentials.
        max_message_bytes: the largest message that it takes.
    """

    address: str
    max_message_bytes: int

    def connect_sender(self) -> Sender:
        """Open a connection that sends.

        Raises:
            Unavailable: it cannot be opened.
        """

    def connect_receiver(self, channels: Sequence[str]) -> Receiver:
        """Open a connection that receives. It has begun when this returns.

        Args:
            channels: which messages to receive.

        Raises:
            Unavailable: it cannot be opened.
        """


def streams_of(engine: Engine) -> Sequence[Engine]:
    """Return the engines through each of which a process must hear itself: one, or one for each
    database that an engine reads.
    """
    streams: Sequence[Engine] = getattr(engine, "streams", (engine,))
    return streams


def is_sequencing(engine: Engine) -> bool:
    """Return whether all messages of an engine arrive as ``Sequenced``."""
    return getattr(engine, "is_sequencing", False)


def keeping_of(engine: Engine) -> Keeping | None:
    """Return what an engine keeps: its receivers and senders are then those that keep messages."""
    return getattr(engine, "keeping", None)


def databases_of(engine: Engine) -> Sequence[str]:
    """Return the aliases of the databases that report their commits through an engine."""
    databases: Sequence[str] = getattr(engine, "databases", ())
    return databases
