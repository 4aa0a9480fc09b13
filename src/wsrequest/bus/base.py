"""What every bus promises.

Owns the contract; ``tests/contract/test_bus.py`` holds each implementation to it. Here a message
either comes, in order, or its receivers are told that they may have missed some: never neither.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

__all__ = ["Bus", "Post", "Subscription", "Topic"]

T = TypeVar("T")

Post = Callable[[Callable[[], None]], None]
"""Have a function called on a receiver's thread, later and after those posted before. From any
thread; it returns at once. ``loop.call_soon_threadsafe`` is one, with an empty context."""


def _weightless(message: object) -> int:
    return 0


def _as_it_is(message: T) -> T:
    return message


@dataclass(frozen=True, slots=True)
class Topic(Generic[T]):
    """What messages are about, and how they look outside of the process.

    A bus of one process hands the messages on as they are.

    Attributes:
        name: by which publishers and subscribers find each other.
        encode: from any thread.
        decode: raises ValueError for what is no such message, as one of another release may be.
            The bus then calls ``lost``.
        weigh: about how many bytes of memory a message takes while it waits for a receiver.
        lighten: the same message with less in it, for a receiver for whom many wait.
    """

    name: str
    encode: Callable[[T], bytes]
    decode: Callable[[bytes], T]
    weigh: Callable[[T], int] = _weightless
    lighten: Callable[[T], T] = _as_it_is


class Subscription(Protocol):
    """One receiver of one topic.

    Attributes:
        lost_count: how often it was told that it may have missed messages.
    """

    lost_count: int

    def close(self) -> None:
        """Receive nothing from now on. On the receiver's thread; safe to call twice."""


class Bus(Protocol):
    """Topics that any thread publishes to. Positions are the bus's own numbers, never a clock."""

    def publish(self, topic: Topic[T], message: T) -> None:
        """Send a message to all subscribers of the topic, of this process and of others.

        After the commit that it tells of. It does not wait for receivers, and raises nothing: the
        caller has done its work. A message that cannot be sent is ``lost`` for all receivers.
        After ``close`` nothing is sent.

        Args:
            topic: which subscribers.
            message: not to be changed any more.
        """

    def subscribe(
        self,
        topic: Topic[T],
        receive: Callable[[int, T], None],
        lost: Callable[[], None],
        *,
        post: Post,
        queue_length: int = 10_000,
    ) -> Subscription:
        """Receive what is published from now on.

        Args:
            topic: which messages.
            receive: called with each message and its position, which rises. If it raises, that is
                logged, and ``lost`` is called.
            lost: called instead of messages that did not come: the connection was lost, a position
                was left out, the queue was full. Anything that was published before the call may
                be among them. If it raises, it is called again before the next message.
            post: how to call both on the receiver's own thread.
            queue_length: how many messages may wait for the receiver. One more, and all of them
                are lost. So they are when they take too many bytes; before that they are made
                lighter.

        Raises:
            RuntimeError: the bus is closed.
        """

    def position(self, topic: Topic[T]) -> int:
        """Return the position of the last message that has surely come to this process.

        0 before the first. It never falls. From any thread. What is published after this call,
        anywhere, has a higher position: who takes the position, then reads the database, and then
        looks at what came with higher ones, or at ``lost`` since, has missed nothing.
        """

    def close(self) -> None:
        """Call no receiver any more, and give back what the bus holds. Safe to call twice."""
