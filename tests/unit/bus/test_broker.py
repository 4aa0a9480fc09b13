"""A bus on a broker that fails: each message arrives in order, or a loss is reported."""

import random
from collections.abc import Iterator
from itertools import count
from unittest.mock import patch

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from tests.unit.bus.faulty import LOST, Process, World, new_world
from wsrequest.bus import publisher as publisher_module
from wsrequest.bus.sequences import Arrival, Sequences


@pytest.fixture
def world() -> Iterator[World]:
    with new_world() as world:
        yield world


def test_message_arrives_without_a_loss(world: World) -> None:
    writer, reader = world.join(is_receiving=False), joined(world)
    writer.publish(1)
    world.turn()
    assert [number for _, number in reader.came] == [1]


def test_lost_message_is_noticed_by_the_next(world: World) -> None:
    writer, reader = world.join(is_receiving=False), joined(world)
    writer.publish(1)
    world.turn()
    world.broker.drops = 1
    writer.publish(2)
    writer.send()
    writer.publish(3)
    world.turn()
    writer.publish(4)
    world.turn()
    assert [number for _, number in reader.came] == [1, LOST, 3, 4]


def test_lost_message_is_noticed_by_a_heartbeat(world: World) -> None:
    writer, reader = world.join(is_receiving=False), joined(world)
    world.broker.drops = 1
    writer.publish(1)
    writer.send()
    lost_at = world.now
    while not reader.came and world.now < lost_at + 10:
        world.turn(0.25)
    assert [number for _, number in reader.came] == [LOST]
    assert world.now - lost_at <= 1.25


def test_loss_during_a_long_split_of_the_broker_is_noticed(world: World) -> None:
    """The reader's own server answers all the time. The writer is done before the split ends."""
    writer, reader = world.join(is_receiving=False), joined(world)
    others = reader.connection
    assert others is not None
    writer.publish(1)
    writer.send()
    reader.receive()
    writer.publish(2)
    for _ in range(60):  # what the writer sends stays on its side
        world.now += 1
        writer.send()
        others.inbox.clear()
        reader.send()
        reader.receive()
    assert [number for _, number in reader.came] == [1]
    for _ in range(40):
        world.turn(1)
    assert [number for _, number in reader.came] == [1, LOST]


def test_heartbeat_that_cannot_be_sent_is_sent_later(world: World) -> None:
    """Otherwise a broker that is down for ten seconds after it dropped a message hides the loss."""
    writer, reader = world.join(is_receiving=False), joined(world)
    world.broker.drops = 1
    writer.publish(1)
    writer.send()
    for _ in range(20):
        world.now += 1
        world.broker.fails_after = 0
        writer.send()
    world.broker.fails_after = None
    world.turn(0.1)
    assert LOST in [number for _, number in reader.came]


def test_message_that_cannot_be_encoded_is_noticed_after_a_pause(world: World) -> None:
    """Its publisher was silent for longer than the reader has been listening."""
    writer = silent_writer(world)
    reader = joined(world)
    writer.publish_too_large()
    world.turn(0.1)
    world.turn(0.1)
    assert [number for _, number in reader.came] == [LOST]


def test_queue_that_overflows_after_a_pause_is_noticed(world: World) -> None:
    writer = silent_writer(world)
    reader = joined(world)
    with patch.object(publisher_module, "_MAX_MESSAGES", 10):
        for number in range(1, 12):  # while the sending thread waits for the broker
            writer.publish(number)
    world.turn(0.1)
    assert [number for _, number in reader.came] == [LOST, 11]
    assert writer.publisher.dropped_count == 10


def test_queue_is_bounded_while_the_broker_is_down(world: World) -> None:
    writer, reader = world.join(is_receiving=False), joined(world)
    world.broker.is_down = True
    most = publisher_module._MAX_MESSAGES
    for number in range(most + 1000):
        writer.publish(number)
        if number % 1000 == 0:
            writer.send()
        assert len(writer.publisher._queue) <= most
        assert len(writer.publisher._unsent) <= publisher_module._BATCH
    world.recover()
    assert reader.losses
    assert reader.numbers[-1] == most + 999
    assert reader.numbers == sorted(set(reader.numbers))


def test_repeated_messages_come_once(world: World) -> None:
    writer, reader = world.join(is_receiving=False), joined(world)
    world.broker.doubles = 2
    for number in (1, 2, 3):
        writer.publish(number)
    world.turn()
    assert [number for _, number in reader.came] == [1, 2, 3]


def test_recorded_messages_do_not_count_again_after_a_reconnection(world: World) -> None:
    """Somebody who can send to the broker, and knows no key."""
    writer, reader = world.join(is_receiving=False), joined(world)
    recorded: list[bytes] = []
    for number in (1, 2, 3):
        writer.publish(number)
        writer.send()
        assert reader.connection is not None
        recorded += reader.connection.inbox
        world.turn()
    for _ in range(2):
        world.broker.stop()
        world.broker.is_down = False
        world.turn(1)
        world.turn(1)
        reader.came.clear()
        assert reader.connection is not None
        reader.connection.inbox.extend(recorded)
        world.turn(1)
        assert reader.came == []
    writer.publish(4)
    world.turn()
    assert reader.numbers == [4]


def test_messages_are_sent_again_after_a_failure(world: World) -> None:
    writer, reader = world.join(is_receiving=False), joined(world)
    for number in (1, 2, 3):
        writer.publish(number)
    world.broker.fails_after = 2
    world.turn()
    world.turn()
    assert [number for _, number in reader.came] == [1, 2, 3]


def test_messages_out_of_order_are_a_loss(world: World) -> None:
    writer, reader = world.join(is_receiving=False), joined(world)
    writer.publish(1)
    world.turn()
    writer.publish(2)
    writer.publish(3)
    writer.send()
    assert reader.connection is not None
    reader.connection.inbox.rotate(1)
    world.turn()
    writer.publish(4)
    world.turn()
    assert [number for _, number in reader.came] == [1, LOST, 3, 4]


def test_silent_broker_is_noticed_within_five_seconds(world: World) -> None:
    reader = joined(world)
    began_at = world.now
    world.broker.is_silent = True
    while not reader.states and world.now < began_at + 10:
        world.turn(0.2)
    assert reader.states[0][1] is False
    assert world.now - began_at <= 5


def test_connection_that_stays_silent_is_replaced(world: World) -> None:
    """The first connection after an outage may be half of one, too."""
    reader = joined(world)
    world.broker.is_silent = True
    for _ in range(100):
        world.turn(0.2)
    before = reader.connection
    for _ in range(100):
        world.turn(0.2)
    assert reader.connection is not before
    assert len(world.broker.receivers) == 1


def test_reader_that_is_cut_off_is_notified_of_a_loss_only_when_it_hears_again(
    world: World,
) -> None:
    """A connection that is opened again and again must not run all views each time."""
    reader = joined(world)
    world.broker.is_silent = True
    for _ in range(200):
        world.turn(0.2)
    assert reader.losses == []
    world.recover()
    assert len(reader.losses) == 1
    assert [is_connected for _, is_connected in reader.states] == [False, True]
    assert reader.losses[0] <= reader.states[1][0]


def test_late_heartbeat_does_not_hide_a_silence(world: World) -> None:
    """What counts is when a heartbeat was sent."""
    reader = joined(world)
    assert reader.connection is not None
    reader.connection.is_held = True
    world.now += 1
    reader.send()
    world.now += 4
    reader.connection.is_held = False
    reader.receive()
    assert [is_connected for _, is_connected in reader.states] == [False]


def test_restart_of_the_broker_is_a_loss(world: World) -> None:
    writer, reader = world.join(is_receiving=False), joined(world)
    world.broker.stop()
    writer.publish(1)
    world.turn()
    world.turn(1)
    world.broker.is_down = False
    world.turn(1)
    world.turn(1)
    assert LOST in [number for _, number in reader.came]
    writer.publish(2)
    world.turn()
    assert reader.numbers[-1] == 2


def test_nothing_waits_for_the_log_while_cut_off(world: World) -> None:
    reader = joined(world)
    bus, called = reader.bus, list[tuple[str, bool]]()

    def wait(name: str) -> None:
        assert not bus.when_current(lambda has_arrived: called.append((name, has_arrived)))

    bus.logged_databases = ["default"]
    world.broker.is_silent = True
    wait("before")
    world.turn(4)
    assert called == [("before", False)]
    wait("meanwhile")
    assert called[1:] == [("meanwhile", False)]
    world.recover()
    wait("after")
    world.turn()
    assert called[2:] == [("after", True)]
    wait("at a loss")
    world.broker.stop()
    world.broker.is_down = False
    world.turn()
    world.turn()
    assert called[3:] == [("at a loss", True)]


# The property.

STEPS = st.one_of(
    st.tuples(st.sampled_from(["publish", "send", "receive"]), st.integers(0, 3)),
    st.tuples(st.sampled_from(["publish", "send", "receive"]), st.integers(0, 3)),
    st.tuples(st.just("wait"), st.sampled_from([0.1, 1.0, 4.0, 30.0])),
    st.tuples(st.just("join"), st.booleans()),
    st.tuples(st.sampled_from(["drop", "double", "fail"]), st.integers(1, 3)),
    st.tuples(st.sampled_from(["large", "shuffle", "hold", "cut", "flood"]), st.integers(0, 3)),
    st.tuples(st.sampled_from(["stop", "down", "up", "silent", "loud"]), st.just(0)),
)
History = list[tuple[str, float]]


class Story:
    """Plays steps, and remembers who published what, and when."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.published: list[tuple[float, int, Process]] = []
        self._numbers = count()

    def play(self, step: str, value: float) -> None:
        self.world.now += 0.001  # so that no two steps have one time
        processes, broker = self.world.processes, self.world.broker
        process = processes[int(value) % len(processes)]
        match step:
            case "publish":
                self._publish(process)
            case "flood":
                for _ in range(publisher_module._MAX_MESSAGES + 1):
                    self._publish(process)
            case "large":
                process.publish_too_large()
            case "send":
                process.send()
            case "receive":
                process.receive()
            case "wait":
                self.world.now += value
            case "join" if len(processes) < 6:
                self.world.join(is_receiving=bool(value))
            case "drop":
                broker.drops = int(value)
            case "double":
                broker.doubles = int(value)
            case "fail":
                broker.fails_after = int(value) - 1
            case "shuffle" if process.connection:
                random.Random(len(self.published)).shuffle(process.connection.inbox)
            case "hold" if process.connection:
                process.connection.is_held = not process.connection.is_held
            case "cut" if process.connection:
                process.connection.is_broken = True
            case "stop":
                broker.stop()
            case "down" | "up":
                broker.is_down = step == "down"
            case "silent" | "loud":
                broker.is_silent = step == "silent"

    def _publish(self, process: Process) -> None:
        number = next(self._numbers)
        self.published.append((self.world.now, number, process))
        process.publish(number)

    def check(self) -> None:
        publisher_of = {number: process for _, number, process in self.published}
        for reader in self.world.processes:
            if not reader.is_receiving:
                continue
            came, last_loss = set(reader.numbers), max(reader.losses, default=-1.0)
            for at, number, _ in self.published:
                assert at < reader.joined_at or number in came or last_loss >= at, number
            last: dict[Process, int] = {}
            for _, number in reader.came:
                if number == LOST:
                    last.clear()  # what was sent again may come again
                else:
                    publisher = publisher_of[number]
                    assert number > last.get(publisher, -1)
                    last[publisher] = number
            assert [state for _, state in reader.states][-1:] in ([], [True])
            for at, is_connected in reader.states:
                assert not is_connected or at in reader.losses


def holds(steps: History) -> None:
    with new_world() as world, patch.object(publisher_module, "_MAX_MESSAGES", 6):
        story = Story(world)
        world.join()
        world.join(is_receiving=False)
        for step, value in steps:
            story.play(step, value)
        world.now += 0.001
        world.recover()
        story.check()


@given(st.lists(STEPS, max_size=60))
@settings(max_examples=400, deadline=None)
def test_each_message_arrives_in_order_or_a_loss_is_reported(steps: History) -> None:
    holds(steps)


@pytest.mark.once
def test_the_same_without_gap_detection_fails() -> None:
    """The property finds a bus that does not look at the numbers."""

    @given(st.lists(STEPS, max_size=60))
    @settings(max_examples=2000, deadline=None, phases=[Phase.generate], database=None)
    def without(steps: History) -> None:
        holds(steps)

    with (
        patch.object(Sequences, "check", lambda *arguments: Arrival.NEXT),
        pytest.raises(AssertionError),
    ):
        without()


def joined(world: World) -> Process:
    """Return a process that receives, after the loss that comes with its first connection."""
    process = world.join()
    process.receive()
    process.send()
    process.receive()
    assert [number for _, number in process.came] == [LOST]
    process.came.clear()
    return process


def silent_writer(world: World) -> Process:
    """Return a process that published long ago, so that it sends no heartbeats any more."""
    writer = world.join(is_receiving=False)
    writer.publish(0)
    for _ in range(5):
        world.turn(100)
    return writer
