"""The contract that every bus keeps.

``tests/contract/test_bus.py`` runs against each implementation. A message either arrives, in order,
or its receivers are notified that they may have missed messages. There is no third case.

A bus of one process passes the messages on as they are.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar

__all__ = ["Bus", "Post", "Subscription", "Topic"]

T = TypeVar("T")

Post = Callable[[Callable[[], None]], None]
"""Calls a function on a receiver's thread, later, and in the order of the calls.

It can be called from any thread and returns at once. ``loop.call_soon_threadsafe`` with an empty
context is one."""


def _ignore(is_connected: bool) -> None:
    pass


def _weightless(message: object) -> int:
    return 0


def _as_it_is(message: T) -> T:
    return message


@dataclass(frozen=True, slots=True)
class Topic(Generic[T]):
    """A subject of messages, and their form outside of the process.

    A bus of one process passes the messages on as they are.

    Attributes:
        name: publishers and subscribers find each other by it.
        encode: can be called from any thread.
        decode: raises ValueError for bytes that are not such a message, for example one of another
            release. The bus then calls ``lost``.
        weigh: about how many bytes of memory a message takes while it waits for a receiver.
        lighten: returns the same message with less detail, for a receiver with a long queue.
        number: has a broker that can do so put all messages of the topic into one order. It returns
            a message with the place that the broker has given it: an epoch and a number. Within one
            epoch, numbers rise. Called with None, it returns a message that only says how far the
            broker is. Such messages reach their own process through the broker, too. None for a
            topic that needs no order.
        is_kept: whether a broker that keeps messages keeps those of the topic. A process that was
            cut off, or has just started, then gets what it lacks from there. ``lost`` is only
            called if the broker does not have all of it.
    """

    name: str
    encode: Callable[[T], bytes]
    decode: Callable[[bytes], T]
    weigh: Callable[[T], int] = _weightless
    lighten: Callable[[T], T] = _as_it_is
    number: Callable[[T | None, str, int], T] | None = None
    is_kept: bool = False


class Subscription(Protocol):
    """One receiver of one topic.

    Attributes:
        lost_count: how many times it was notified that it may have missed messages.
    """

    lost_count: int

    def close(self) -> None:
        """Stop receiving. On the receiver's thread. Safe to call twice."""


class Bus(Protocol):
    """Carries messages of any topic from publishers to subscribers. From any thread.

    Attributes:
        is_ready: whether messages of other processes have begun to arrive, and those that the
            broker has kept for a process that has just started. It stays so.
    """

    is_ready: bool

    def publish(self, topic: Topic[T], message: T) -> None:
        """Send a message to all subscribers of the topic, in this process and in others.

        Call it after the commit that the message describes. It does not wait for receivers and
        raises nothing, because the caller has done its work. A message that cannot be sent is
        ``lost`` for all receivers. After ``close`` nothing is sent.

        Args:
            topic: the topic to publish to.
            message: must not be changed any more.
        """

    def subscribe(
        self,
        topic: Topic[T],
        receive: Callable[[int, T], None],
        lost: Callable[[], None],
        *,
        post: Post,
        connected: Callable[[bool], None] = _ignore,
        queue_length: int = 10_000,
    ) -> Subscription:
        """Receive what is published from now on.

        Args:
            topic: the topic to subscribe to.
            receive: called with each message and its position, which rises. If it raises, the error
                is logged and ``lost`` is called.
            lost: called in place of messages that did not arrive: the connection was lost, a
                position was left out, or the queue was full. Anything that was published before the
                call may be among them. If it raises, it is called again before the next message.
            post: calls all three on the receiver's own thread.
            connected: called with False when this process may no longer receive what others
                publish, at most 5 seconds after that began. Called with True when it receives
                again, after ``lost``. Until the first call, the process is connected. A bus of one
                process never calls it.
            queue_length: how many messages may wait for the receiver. With one more, all of them
                are lost. The same happens when they take too many bytes. Before that, they are made
                lighter.

        Raises:
            RuntimeError: the bus is closed.
        """

    def position(self, topic: Topic[T]) -> int:
        """Return the position of the last message that has certainly arrived in this process.

        It is 0 before the first message, never falls, and can be read from any thread. Whatever is
        published after this call, anywhere, has a higher position. To miss nothing, take the
        position, read the database, then look at the messages with higher positions and at
        ``lost``.
        """

    def when_current(self, then: Callable[[bool], None]) -> bool:
        """Wait until ``position`` covers everything that this process has committed by now.

        It takes time only where a database reports the commits itself.

        Args:
            then: called with True when it does, or when receivers were notified of a loss, which
                may stand for what is missing. Called with False, at most 5 seconds later, if the
                database does not report commits now. It is called on any thread, maybe before this
                returns, and must be quick and raise nothing.

        Returns:
            Whether it does already. Then nothing is called.
        """

    def flush(self, seconds: float) -> bool:
        """Wait until what this process has published was sent, at most ``seconds``.

        Returns:
            Whether all of it was sent.
        """

    def close(self) -> None:
        """Call no receiver any more, and release what the bus holds. Safe to call twice."""
