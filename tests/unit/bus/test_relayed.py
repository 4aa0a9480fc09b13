"""What a relay sends, and which relay a process follows."""

from collections.abc import Iterator
from typing import Any

import pytest

from tests.unit.bus.faulty import LOST, Process, World, new_world
from wsrequest.bus.codec import CHANGES
from wsrequest.bus.engine import LoggedCommit
from wsrequest.bus.relayed import LOG, RELAYED, Mark, Relayed, RelayedLog
from wsrequest.types import Commit, TableChange

COMMIT = Commit((TableChange("default", "note", ({"id": 1},)),))
A, B = b"relay a", b"relay b"


class Engine:
    databases = ("default", "other")

    def __init__(self) -> None:
        self.streams: Any = ("one", "another")


@pytest.fixture
def log() -> RelayedLog:
    engine: Any = Engine()
    log = RelayedLog(engine, "channel", [b"secret"])
    log.begin(100.0)
    return log


@pytest.mark.parametrize(
    "relayed",
    [
        Relayed(b"reading"),
        Relayed(b""),
        Relayed(b"reading", LoggedCommit(COMMIT, b"origin")),
        Relayed(b"reading", LoggedCommit(COMMIT)),
        Relayed(b"reading", Mark(b"epoch", "default", 7)),
    ],
)
def test_message_arrives_as_it_was_sent(relayed: Relayed) -> None:
    assert RELAYED.decode(RELAYED.encode(relayed)) == relayed


def test_mark_arrives_as_it_was_written() -> None:
    mark = Mark(b"epoch", "default", 7)
    assert LOG.decode(LOG.encode(mark)) == mark


@pytest.mark.parametrize("topic", [LOG, RELAYED])
def test_other_bytes_are_a_loss(topic: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        topic.decode(b"other")


def test_long_commit_has_less_detail() -> None:
    light = RELAYED.lighten(Relayed(b"reading", LoggedCommit(COMMIT, b"origin")))
    assert light.entry == LoggedCommit(COMMIT.without_rows(), b"origin")
    assert RELAYED.weigh(light) < RELAYED.weigh(Relayed(b"reading", LoggedCommit(COMMIT)))


def test_first_relay_is_followed_and_another_is_not(log: RelayedLog) -> None:
    assert log.follow(A, Relayed(b"1"), 101.0)
    assert not log.follow(B, Relayed(b"2"), 102.0)
    assert (log.reading, log.heard_at) == (b"1", 101.0)


def test_silent_relay_is_replaced(log: RelayedLog) -> None:
    log.follow(A, Relayed(b"1"), 101.0)
    assert log.follow(B, Relayed(b"2"), 104.0)
    assert not log.follow(A, Relayed(b"1"), 104.5)
    assert log.reading == b"2"


def test_relay_that_cannot_read_is_left_at_once(log: RelayedLog) -> None:
    log.follow(A, Relayed(b"1"), 101.0)
    assert not log.follow(B, Relayed(b""), 101.1)  # nobody follows it
    assert log.heard_at == 101.0
    assert not log.follow(A, Relayed(b""), 101.2)
    assert log.heard_at < 0
    assert log.follow(B, Relayed(b"2"), 101.3)


def test_relay_that_reads_again_has_another_reading(log: RelayedLog) -> None:
    log.follow(A, Relayed(b"1"), 101.0)
    assert log.follow(A, Relayed(b"3"), 101.1)
    assert log.reading == b"3"


def test_mark_has_arrived_when_each_database_has_it(log: RelayedLog) -> None:
    log.take_mark(Mark(A, "default", 2))
    log.take_mark(Mark(A, "unknown", 2))
    assert log.mark == 0
    log.take_mark(Mark(A, "other", 1))
    assert log.mark == 1
    log.take_mark(Mark(A, "default", 1))
    log.take_mark(Mark(A, "other", 3))
    assert log.mark == 2


class Site:
    """A process that a relay serves, and relays."""

    def __init__(self, world: World) -> None:
        self.world = world
        engine: Any = Engine()
        self.reader = world.join(relayed=RelayedLog(engine, "log", [b"secret"]))
        self.commits: list[Commit] = []
        self.losses: list[int] = []  # of commits
        self.reader.bus.subscribe(
            CHANGES,
            lambda _, commit: self.commits.append(commit),
            lambda: self.losses.append(LOST),
            post=self.reader._posted.put,
        )

    def join(self) -> Process:
        return self.world.join(is_receiving=False)

    def relay(self, relay: Process, *messages: Relayed) -> list[int]:
        """Let a relay send messages. Returns LOST if the reader may lack commits.

        It lacks no other messages: these come another way.
        """
        for message in messages:
            relay.bus.publish(RELAYED, message)
        self.world.turn()
        assert self.reader.numbers_and_losses == []
        found, self.losses = self.losses, []
        return found

    def wait(self, seconds: int, *relays: tuple[Process, bytes]) -> list[bool]:
        """Let time pass, in which relays send their messages. Returns the states."""
        before = len(self.reader.states)
        for _ in range(seconds):
            for relay, reading in relays:
                relay.bus.publish(RELAYED, Relayed(reading))
            self.world.turn(1.0)
        return [state for _, state in self.reader.states[before:]]


@pytest.fixture
def site() -> Iterator[Site]:
    with new_world() as world:
        site = Site(world)
        world.turn()
        site.reader.came.clear()
        site.losses.clear()
        yield site


def test_commit_of_the_relay_is_one(site: Site) -> None:
    relay = site.join()
    assert site.relay(relay, Relayed(b"1")) == [LOST]
    assert site.relay(relay, Relayed(b"1", LoggedCommit(COMMIT))) == []
    assert site.commits == [COMMIT]


def test_another_reading_is_a_loss(site: Site) -> None:
    relay = site.join()
    site.relay(relay, Relayed(b"1"))
    assert site.relay(relay, Relayed(b"2", LoggedCommit(COMMIT))) == [LOST]


def test_silence_of_the_relay_is_noticed_within_five_seconds(site: Site) -> None:
    relay = site.join()
    assert site.wait(10, (relay, b"1")) == []
    assert site.wait(5) == [False]
    site.reader.came.clear()
    assert site.wait(1, (relay, b"1")) == [True]
    assert site.reader.numbers_and_losses == [LOST]
    assert site.wait(10, (relay, b"1")) == []


def test_process_without_a_relay_is_cut_off(site: Site) -> None:
    assert site.wait(5) == [False]
    # Its connection to the broker is sound, so it stays.
    connection = site.reader.connection
    site.wait(10)
    assert site.reader.connection is connection


def test_relay_that_cannot_read_cuts_the_process_off_at_once(site: Site) -> None:
    relay = site.join()
    site.wait(2, (relay, b"1"))
    assert site.wait(1, (relay, b"")) == [False]
    assert site.wait(5, (relay, b"")) == []
    assert site.wait(1, (relay, b"2")) == [True]


def test_second_relay_changes_nothing_until_the_first_is_silent(site: Site) -> None:
    relay, second = site.join(), site.join()
    site.relay(relay, Relayed(b"1"))
    assert site.relay(second, Relayed(b"2")) == []
    site.relay(relay, Relayed(b"1", LoggedCommit(COMMIT)))
    site.relay(second, Relayed(b"2", LoggedCommit(COMMIT)))
    assert site.commits == [COMMIT]
    assert site.wait(10, (relay, b"1"), (second, b"2")) == []
    site.losses.clear()
    site.wait(5, (second, b"2"))
    assert site.losses[:1] == [LOST]
    assert site.wait(5, (second, b"2")) == []


def test_mark_that_does_not_reach_the_log_is_given_up(site: Site) -> None:
    relay = site.join()
    log = site.reader.bus._relayed
    assert log is not None
    log.send_mark = lambda epoch, number: None  # type: ignore[method-assign]
    site.relay(relay, Relayed(b"1"))
    ended: list[bool] = []
    assert not site.reader.bus.when_current(ended.append)
    site.wait(2, (relay, b"1"))
    assert not ended
    assert site.wait(2, (relay, b"1")) == []
    assert ended == [False]
