"""A broker in memory that fails on purpose, and buses on it without threads or real time.

The test decides what happens next, and when: who publishes, whose thread takes a turn, what the
broker does to messages, and how time passes.
"""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from queue import SimpleQueue
from threading import current_thread
from unittest.mock import patch

from wsrequest.bus import broker as broker_module
from wsrequest.bus import publisher as publisher_module
from wsrequest.bus.base import Topic
from wsrequest.bus.broker import BrokerBus
from wsrequest.bus.echoes import Echoes
from wsrequest.bus.engine import Unavailable
from wsrequest.bus.relayed import RelayedLog

NUMBERS: Topic[int] = Topic("numbers", lambda number: str(number).encode(), int)
TOO_LARGE: Topic[int] = Topic("large", lambda number: b"x" * 2**12, lambda encoded: 0)

LOST = -1


class Broker:
    """Implements ``Engine``, ``Sender`` and the server.

    Attributes:
        is_down: nothing can connect or send.
        is_silent: it takes everything and delivers nothing.
        drops: how many of the next messages it drops.
        doubles: how many of the next messages it delivers twice.
        fails_after: the next call of ``send`` raises after this many messages.
    """

    address, max_message_bytes = "a faulty broker", 2**10

    def __init__(self) -> None:
        self.receivers: list[Connection] = []
        self.is_down = self.is_silent = False
        self.drops = self.doubles = 0
        self.fails_after: int | None = None

    def connect_sender(self) -> "Broker":
        self._fail_if_down()
        return self

    def connect_receiver(self, channels: Sequence[str]) -> "Connection":
        self._fail_if_down()
        self.receivers.append(Connection(self, channels))
        return self.receivers[-1]

    def send(self, channel: str, messages: Sequence[bytes]) -> None:
        self._fail_if_down()
        last, self.fails_after = self.fails_after, None
        for message in messages[:last]:
            self._pass_on(channel, message)
        if last is not None:
            raise Unavailable("broken by the test")

    def close(self) -> None:
        pass

    def stop(self) -> None:
        """Go down, with all connections and what is on its way in them."""
        self.is_down = True
        for receiver in self.receivers:
            receiver.is_broken = True

    def _pass_on(self, channel: str, message: bytes) -> None:
        if self.is_silent:
            return
        if self.drops:
            self.drops -= 1
            return
        copies = 1
        if self.doubles:
            self.doubles -= 1
            copies = 2
        for receiver in self.receivers:
            if channel in receiver.channels:
                receiver.inbox.extend([message] * copies)

    def _fail_if_down(self) -> None:
        if self.is_down:
            raise Unavailable("down")


class Connection:
    """Implements ``Receiver``.

    Attributes:
        inbox: what has arrived. A test may change the order.
        is_held: nothing comes out of the inbox for now.
        is_broken: the next call raises, and the inbox is lost.
    """

    def __init__(self, broker: Broker, channels: Sequence[str]) -> None:
        self.broker, self.channels = broker, channels
        self.inbox: deque[bytes] = deque()
        self.is_held = self.is_broken = False

    def receive(self, seconds: float) -> Sequence[bytes]:
        if self.is_broken:
            raise Unavailable("broken")
        if self.is_held:
            return []
        found = [*self.inbox]
        self.inbox.clear()
        return found

    def close(self) -> None:
        self.is_broken = True
        if self in self.broker.receivers:
            self.broker.receivers.remove(self)


class World:
    """Processes with a bus each, one broker, and a clock."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.broker = Broker()
        self.processes: list[Process] = []

    def join(self, *, is_receiving: bool = True, relayed: RelayedLog | None = None) -> "Process":
        """Begin another process."""
        self.processes.append(Process(self, is_receiving=is_receiving, relayed=relayed))
        return self.processes[-1]

    def turn(self, seconds: float = 0.0) -> None:
        """Let time pass, and then every process take its turn."""
        self.now += seconds
        for process in self.processes:
            process.send()
        for process in self.processes:
            process.receive()

    def recover(self) -> None:
        """End all faults, and let time pass in which nobody publishes."""
        broker = self.broker
        broker.is_down = broker.is_silent = False
        broker.drops = broker.doubles = 0
        broker.fails_after = None
        for connection in broker.receivers:
            connection.is_held = False
        for _ in range(40):
            self.turn(0.5)


class Process:
    """One bus whose threads are the test's.

    Attributes:
        came: messages, and LOST, each with its time.
        states: what the receivers were told about the connection, each with its time.
    """

    def __init__(
        self, world: World, *, is_receiving: bool, relayed: RelayedLog | None = None
    ) -> None:
        self.world, self.is_receiving = world, is_receiving
        self.bus = BrokerBus(world.broker, "channel", [b"secret"], relayed)
        self.publisher = self.bus._publisher
        self.bus._thread = self.publisher._thread = current_thread()  # so it starts none
        self.came: list[tuple[float, int]] = []
        self.states: list[tuple[float, bool]] = []
        self._posted: SimpleQueue[Callable[[], None]] = SimpleQueue()
        if is_receiving:
            self.joined_at = world.now
            self.bus._echoes = Echoes([self.publisher], world.now)
            if relayed is not None:
                relayed.begin(world.now)
            self.bus.subscribe(
                NUMBERS,
                lambda _, number: self.came.append((world.now, number)),
                lambda: self.came.append((world.now, LOST)),
                post=self._posted.put,
                connected=lambda is_connected: self.states.append((world.now, is_connected)),
            )

    @property
    def connection(self) -> Connection | None:
        receiver = self.bus._receiver
        return receiver if isinstance(receiver, Connection) else None

    @property
    def numbers(self) -> list[int]:
        return [number for _, number in self.came if number != LOST]

    @property
    def numbers_and_losses(self) -> list[int]:
        return [number for _, number in self.came]

    @property
    def losses(self) -> list[float]:
        return [at for at, number in self.came if number == LOST]

    def publish(self, number: int) -> None:
        self.bus.publish(NUMBERS, number)
        self._take_turns()

    def publish_too_large(self) -> None:
        self.bus.publish(TOO_LARGE, 0)

    def send(self) -> None:
        """Take a turn of the sending thread."""
        with self.publisher._condition:
            taken = self.publisher._take()
        self.publisher._send(taken)

    def receive(self) -> None:
        """Take a turn of the receiving thread, and of the receivers."""
        if self.is_receiving:
            self.bus._turn()
            self._take_turns()

    def _take_turns(self) -> None:
        while not self._posted.empty():
            self._posted.get()()


@contextmanager
def new_world() -> Iterator[World]:
    """A world whose time is its own."""
    world = World()

    def clock() -> float:
        return world.now

    with (
        patch.object(broker_module, "monotonic", clock),
        patch.object(publisher_module, "monotonic", clock),
        patch.object(broker_module, "_wait", lambda seconds: None),
    ):
        yield world
