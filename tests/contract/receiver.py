"""A receiver on a bus whose thread is the test's: it takes its turn when the test says so."""

from collections.abc import Callable, Sequence
from queue import SimpleQueue
from typing import Any

from wsrequest.bus.base import Bus, Subscription, Topic
from wsrequest.bus.engine import LoggedCommit, Sequenced

WAIT_SECONDS = 30.0

NUMBERS: Topic[int] = Topic("numbers", lambda number: str(number).encode(), int)
LETTERS: Topic[str] = Topic("letters", str.encode, bytes.decode)

LOST = "lost"


def contents(received: Sequence[bytes | Sequenced | LoggedCommit]) -> list[bytes]:
    """Return the messages that an engine has received."""
    found = [each.content if isinstance(each, Sequenced) else each for each in received]
    return [each for each in found if isinstance(each, bytes)]


class Receiver:
    """Subscribes, and keeps what came.

    Attributes:
        came: positions with messages, and LOST, in order.
        posted: what waits for the receiver's turn.
        states: whether its process receives messages, and LOST, in order.
        fails: how many of the next calls raise, ``lost`` included.
    """

    subscription: Subscription

    def __init__(self, bus: Bus, topic: Topic[Any] = NUMBERS, queue_length: int = 10_000) -> None:
        self.came: list[Any] = []
        self.posted: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self.states: list[bool | str] = []
        self.fails = 0
        self.subscription = bus.subscribe(
            topic,
            self._receive,
            self._lost,
            post=self.posted.put,
            connected=self.states.append,
            queue_length=queue_length,
        )

    @property
    def messages(self) -> list[Any]:
        return [item[1] for item in self.came if item != LOST]

    @property
    def positions(self) -> list[int]:
        return [item[0] for item in self.came if item != LOST]

    def take_until_came(self, count: int) -> None:
        """The same until so many messages have come."""
        self.take_turns_until(lambda: len(self.came) >= count)

    def take_turns_until(self, condition: Callable[[], object]) -> None:
        """Make the calls that are posted until the condition holds; fails when none comes."""
        while not condition():
            self.posted.get(timeout=WAIT_SECONDS)()

    def _receive(self, position: int, message: Any) -> None:
        self.came.append((position, message))
        self._fail()

    def _lost(self) -> None:
        self.came.append(LOST)
        self.states.append(LOST)
        self._fail()

    def _fail(self) -> None:
        if self.fails:
            self.fails -= 1
            raise LookupError("a receiver's own mistake")
