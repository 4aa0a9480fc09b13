"""What holds for every broker when its server, or a process that publishes, fails."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from functools import partial

import pytest

from tests.contract.conftest import BROKERS, make_bus
from tests.contract.receiver import LOST, NUMBERS, Receiver
from tests.contract.servers import SERVERS, Serve, Server
from wsrequest.bus import publisher as publisher_module
from wsrequest.bus.base import Bus
from wsrequest.bus.broker import BrokerBus
from wsrequest.bus.engine import CALL_SECONDS, Engine, Unavailable

pytestmark = [pytest.mark.once, pytest.mark.slow]

WAIT_SECONDS = 40.0
# The machine may be slow.
SLOW_SECONDS = 5.0
# A process must know within this time that it is cut off.
CUT_OFF_SECONDS = 5.0
# Publishing only appends to a queue.
PUBLISH_SECONDS = 0.5

PROGRAM = """
import multiprocessing, os, sys, time
from tests.contract.conftest import make_bus
from tests.contract.receiver import NUMBERS
bus = make_bus(sys.argv[1])
"""


@pytest.fixture(scope="session")
def prepared() -> Iterator[Callable[[str], Serve]]:
    """Makes what a server needs before its first start, once."""
    made: dict[str, Serve] = {}
    with ExitStack() as stack:

        def prepare(name: str) -> Serve:
            if name not in made:
                made[name] = stack.enter_context(SERVERS[name]())
            return made[name]

        yield prepare


@pytest.fixture(params=BROKERS)
def server(request: pytest.FixtureRequest, prepared: Callable[[str], Serve]) -> Iterator[Server]:
    """The running server of each broker."""
    server = Server(prepared(request.param))
    server.start()
    yield server
    server.close()


class Process:
    """A process that receives, and what its receiver learned about the connection."""

    def __init__(self, url: str) -> None:
        bus = make_bus(url)
        assert isinstance(bus, BrokerBus)
        self.bus = bus
        self.receiver = Receiver(bus)
        self.states = self.receiver.states
        self.wait_for(lambda: LOST in self.receiver.came)
        self.forget()

    def wait_for(self, condition: Callable[[], object], seconds: float = WAIT_SECONDS) -> None:
        """Take the receivers' turns until the condition holds."""
        deadline = time.monotonic() + seconds
        while not condition():
            assert time.monotonic() < deadline, (self.receiver.came[-5:], self.states)
            while not self.receiver.posted.empty():
                self.receiver.posted.get()()
            time.sleep(0.01)

    def hears(self, writer: Bus) -> None:
        """Publish until a message arrives. One that follows a loss at once may belong to it."""
        published = 10_000
        while published not in self.numbers:
            published, losses = published + 1, self.losses
            writer.publish(NUMBERS, published)
            # Those published before may come first, and one late message makes all others late.
            self.wait_for(partial(self._came, published, losses))

    def _came(self, number: int, losses: int) -> bool:
        return number in self.numbers or self.losses > losses

    def forget(self) -> None:
        self.receiver.came.clear()
        self.states.clear()

    @property
    def numbers(self) -> list[int]:
        return self.receiver.messages

    @property
    def losses(self) -> int:
        return self.receiver.came.count(LOST)


@contextmanager
def receiving(url: str) -> Iterator[Process]:
    process = Process(url)
    try:
        yield process
    finally:
        process.bus.close()


def run(url: str, program: str) -> "subprocess.CompletedProcess[str]":
    """Run a program in a process of its own, with a ``bus``."""
    return subprocess.run(
        [sys.executable, "-c", PROGRAM + program, url],
        timeout=50,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def test_every_broker_has_a_server() -> None:
    assert {broker.values[0] for broker in BROKERS} == SERVERS.keys()


def test_restart_of_the_server_is_a_loss_and_messages_come_again(server: Server) -> None:
    with receiving(server.url) as reader, closing(make_bus(server.url)) as writer:
        writer.publish(NUMBERS, 1)
        reader.wait_for(lambda: reader.numbers == [1])
        assert not reader.losses
        server.kill()
        writer.publish(NUMBERS, 2)  # it waits
        server.start()
        reader.wait_for(lambda: reader.losses)
        reader.hears(writer)


def test_frozen_server_is_noticed_and_delays_nobody(server: Server) -> None:
    with receiving(server.url) as reader, closing(make_bus(server.url)) as writer:
        writer.publish(NUMBERS, 0)
        reader.wait_for(lambda: reader.numbers)
        server.freeze()
        frozen_at = time.monotonic()
        for number in range(1, 1000):
            began_at = time.monotonic()
            writer.publish(NUMBERS, number)
            reader.bus.publish(NUMBERS, -number)
            assert time.monotonic() - began_at < PUBLISH_SECONDS
        reader.wait_for(lambda: False in reader.states)
        assert time.monotonic() - frozen_at < CUT_OFF_SECONDS + SLOW_SECONDS
        # What the process publishes itself still arrives.
        reader.wait_for(lambda: -999 in reader.numbers)
        reader.forget()
        server.thaw()
        reader.wait_for(lambda: True in reader.states)
        assert LOST in reader.states[: reader.states.index(True)]
        reader.hears(writer)


def connect_and_send(engine: Engine) -> None:
    with closing(engine.connect_sender()) as sender:  # Redis connects only when it sends
        sender.send("here", [b"one"])


def test_no_call_waits_long_for_a_frozen_server(server: Server) -> None:
    bus = make_bus(server.url)
    assert isinstance(bus, BrokerBus)
    engine = bus._engine
    with closing(engine.connect_sender()) as sender:
        sender.send("here", [b"one"])
        server.freeze()
        calls: list[Callable[[], object]] = [
            lambda: sender.send("here", [b"two"]),
            lambda: connect_and_send(engine),
            lambda: engine.connect_receiver(["here"]),
        ]
        for call in calls:
            began_at = time.monotonic()
            with pytest.raises(Unavailable):
                call()
            assert time.monotonic() - began_at < CALL_SECONDS + SLOW_SECONDS


def test_messages_wait_for_the_server_or_are_lost(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(publisher_module, "_MAX_MESSAGES", 500)
    with receiving(server.url) as reader, closing(make_bus(server.url)) as writer:
        assert isinstance(writer, BrokerBus)
        server.kill()
        for number in range(2000):
            writer.publish(NUMBERS, number)
            waiting = writer._publisher
            assert len(waiting._queue) <= 500
            assert len(waiting._unsent) <= publisher_module._BATCH
        assert waiting.dropped_count
        server.start()
        reader.wait_for(lambda: reader.losses)
        reader.hears(writer)
        assert reader.numbers == sorted(set(reader.numbers))


def test_publisher_that_connects_before_the_server_runs(server: Server) -> None:
    """A web server and its broker may start at the same time."""
    server.kill()
    with closing(make_bus(server.url)) as writer:
        writer.publish(NUMBERS, 1)
        assert not writer.flush(0.3)
        server.start()
        assert writer.flush(WAIT_SECONDS)


def test_process_that_forks_publishes_and_receives_on_both_sides(server: Server) -> None:
    program = """
from tests.contract.test_faults import Process
parent = Process(sys.argv[1])
parent.bus.publish(NUMBERS, 1)
parent.bus.flush(10)
child = os.fork()
if not child:
    parent.bus.publish(NUMBERS, 2)
    parent.bus.flush(10)
    heard = Process(sys.argv[1])
    parent.bus.publish(NUMBERS, 3)
    heard.wait_for(lambda: 3 in heard.numbers)  # perhaps behind 2, which another connection sent
    heard.bus.close()
    sys.exit()  # with all that Python does at its end
assert os.waitpid(child, 0)[1] == 0
ended_at = time.monotonic()
parent.bus.publish(NUMBERS, 4)
parent.wait_for(lambda: parent.bus._echoes.heard_at > ended_at)
parent.wait_for(lambda: {1, 2, 3, 4} <= set(parent.numbers))
assert parent.states == [] and not parent.losses, (parent.states, parent.receiver.came)
parent.bus.close()
"""
    with receiving(server.url) as reader:
        done = run(server.url, program)
        assert done.returncode == 0, done.stdout
        reader.wait_for(lambda: {1, 2, 3, 4} <= set(reader.numbers))
        assert not reader.losses


ENDINGS = {
    "sys.exit": ("sys.exit(3)", 3),
    "an exception": ("raise LookupError", 1),
}


@pytest.mark.parametrize("ending", ENDINGS)
def test_process_that_ends_at_once_loses_nothing(server: Server, ending: str) -> None:
    program, code = ENDINGS[ending]
    with receiving(server.url) as reader:
        done = run(server.url, f"for each in range(300): bus.publish(NUMBERS, each)\n{program}")
        assert done.returncode == code, done.stdout
        reader.wait_for(lambda: len(reader.numbers) >= 300)
        assert reader.numbers == [*range(300)]
        assert not reader.losses


@pytest.mark.parametrize("method", ["fork", "spawn"])
def test_child_of_multiprocessing_loses_nothing(server: Server, method: str) -> None:
    program = f"""
from tests.contract.test_faults import publish_all
if __name__ == "__main__":
    bus.publish(NUMBERS, -1)
    child = multiprocessing.get_context({method!r}).Process(target=publish_all, args=sys.argv[1:])
    child.start()
    child.join()
    sys.exit(child.exitcode)
"""
    with receiving(server.url) as reader:
        done = run(server.url, program)
        assert done.returncode == 0, done.stdout
        reader.wait_for(lambda: len(reader.numbers) >= 301)
        assert sorted(reader.numbers) == [*range(-1, 300)]
        assert not reader.losses


def publish_all(url: str) -> None:
    """Publish in a child process, which then ends."""
    bus = make_bus(url)
    for number in range(300):
        bus.publish(NUMBERS, number)


def test_killed_publisher_harms_nobody(server: Server) -> None:
    program = "while True: bus.publish(NUMBERS, 1); time.sleep(0.0005)"
    with receiving(server.url) as reader, closing(make_bus(server.url)) as writer:
        with subprocess.Popen([sys.executable, "-c", PROGRAM + program, server.url]) as killed:
            reader.wait_for(lambda: len(reader.numbers) > 20)
            os.kill(killed.pid, signal.SIGKILL)
        reader.forget()
        writer.publish(NUMBERS, 2)
        reader.wait_for(lambda: 2 in reader.numbers)
        assert reader.states == []
