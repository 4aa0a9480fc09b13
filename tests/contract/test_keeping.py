"""A broker that keeps messages: a process that lacks some gets them, or is notified of the loss."""

import re
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any
from unittest.mock import patch
from urllib.parse import parse_qsl, urlsplit

import psycopg
import pytest
from redis import Redis

from tests.contract.conftest import DATABASES, SECRET, SERVICES, URLS
from tests.contract.receiver import LOST, NUMBERS, Receiver
from tests.contract.servers import SERVERS, Server
from tests.contract.test_order import ORDERED, Placed
from wsrequest.bus import publisher as publisher_module
from wsrequest.bus.base import Topic
from wsrequest.bus.broker import BrokerBus
from wsrequest.bus.engine import Keeping, Unavailable
from wsrequest.bus.open import open_bus

KEPT: Topic[Placed] = Topic(
    "kept", ORDERED.encode, ORDERED.decode, number=ORDERED.number, is_kept=True
)
KEEPING = Keeping(2**20, 100, 60.0)
KINDS = [
    pytest.param(name, marks=pytest.mark.needs(SERVICES.get(name, name)))
    for name in ("redis", "notify", "log")
]
Open = Callable[..., BrokerBus]


def _cut_redis(url: str) -> None:
    with closing(Redis.from_url(url)) as found:
        client: Any = found
        client.execute_command("CLIENT", "KILL", "TYPE", "pubsub")


def _cut_postgres(url: str, which: str) -> None:
    options: dict[str, Any] = dict(parse_qsl(urlsplit(url).query))
    with psycopg.connect(**options, autocommit=True) as connection:
        connection.execute(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {which}")


_CUTS: dict[str, Callable[[str], None]] = {
    "redis": _cut_redis,
    "notify": lambda url: _cut_postgres(url, "query LIKE '%LISTEN%' AND pid <> pg_backend_pid()"),
    "log": lambda url: _cut_postgres(url, "backend_type = 'walsender'"),
}
"""Close the connections through which processes receive, as a network that fails does."""


@contextmanager
def running(kind: str) -> Iterator[Server]:
    """A server of the test's own."""
    with SERVERS[kind]() as serve, closing(Server(serve)) as server:
        server.start()
        yield server


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    kind: str = request.param
    return kind


@contextmanager
def opening(url: str) -> Iterator[Open]:
    made: list[Any] = []

    def make(keeping: Keeping | None = KEEPING, channel: str = "kept") -> Any:
        joined = "&" if "?" in url else "?"
        made.append(
            open_bus(
                f"{url}{joined}channel={channel}",
                [SECRET],
                DATABASES.__getitem__,
                keeping=keeping,
            )
        )
        return made[-1]

    yield make
    for bus in made:
        bus.close()


@pytest.fixture
def buses(kind: str, request: pytest.FixtureRequest) -> Iterator[Open]:
    """Opens buses on a channel that no other test uses."""
    with opening(URLS[kind](request)) as make:
        yield partial(make, channel=f"kept-{time.monotonic_ns()}")


def listening(bus: BrokerBus) -> Receiver:
    """A receiver that knows by now what it can get, and has begun."""
    receiver = Receiver(bus, KEPT)
    receiver.take_turns_until(lambda: receiver.messages)
    return receiver


def texts(receiver: Receiver) -> list[str]:
    return [message.text for message in receiver.messages if message.text is not None]


def publish(bus: BrokerBus, *messages: str) -> None:
    for text in messages:
        bus.publish(KEPT, Placed(text))
    assert bus.flush(10)


def takes(receiver: Receiver, count: int) -> None:
    receiver.take_turns_until(lambda: len(texts(receiver)) >= count)


def test_process_that_starts_later_gets_what_was_sent_before(buses: Open) -> None:
    first = listening(buses())
    sender = buses()
    publish(sender, *(f"{number}" for number in range(10)))
    sender.publish(NUMBERS, 7)  # of a topic that is not kept
    takes(first, 10)
    sender.close()

    second = listening(buses())
    takes(second, 10)
    # Everything up to the first of its places may be missing there, and nothing after that.
    assert second.came[0] == LOST and LOST not in second.came[1:]
    assert second.messages[0].text is None
    places = [(message.epoch, message.number) for message in second.messages]
    assert places == sorted(set(places))
    found = [message for message in second.messages if message.text is not None]
    assert found == [message for message in first.messages if message.text is not None]
    publish(buses(), "later")
    takes(second, 11)
    assert texts(second)[-1] == "later"


def test_process_that_was_cut_off_lacks_nothing(kind: str) -> None:
    with running(kind) as server, opening(server.url) as make:
        receiver, sender = listening(make()), make()
        publish(sender, "before")
        takes(receiver, 1)
        _CUTS[kind](server.url)
        publish(sender, *(f"{number}" for number in range(20)))
        takes(receiver, 21)
        publish(sender, "after")
        takes(receiver, 22)
        assert texts(receiver) == ["before", *(f"{number}" for number in range(20)), "after"]
        assert LOST not in receiver.came[1:]


def test_oldest_are_dropped_and_the_loss_is_told(buses: Open) -> None:
    first = listening(buses(Keeping(2**20, 5, 60.0)))
    publish(buses(Keeping(2**20, 5, 60.0)), *(f"{number}" for number in range(12)))
    takes(first, 12)
    second = listening(buses(Keeping(2**20, 5, 60.0)))
    takes(second, 5)
    assert texts(second) == ["7", "8", "9", "10", "11"]
    (dropped,) = [message for message in first.messages if message.text == "6"]
    assert second.messages[0].number == dropped.number


def test_bytes_are_limited(buses: Open) -> None:
    keeping = Keeping(10_000, 1000, 60.0)
    bus = buses(keeping)
    publish(bus, *(str(number) * 1000 for number in range(9)))
    publish(bus, *(f"{number}" * 1000 for number in range(9)))
    found = listening(buses(keeping))
    takes(found, 9)
    assert texts(found)[-1] == "8" * 1000
    assert 7_000 < sum(map(len, texts(found))) <= 10_000


def test_old_ones_are_dropped(buses: Open) -> None:
    keeping = Keeping(2**20, 1000, 0.5)
    bus = buses(keeping)
    publish(bus, "old", "older")
    time.sleep(0.6)
    publish(bus, "new")
    found = listening(buses(keeping))
    takes(found, 1)
    assert texts(found) == ["new"]


def test_long_history_is_read_in_order(buses: Open) -> None:
    keeping = Keeping(2**22, 5000, 60.0)
    bus = buses(keeping)
    for _ in range(12):
        publish(bus, *(f"{number}" for number in range(100)))
    found = listening(buses(keeping))
    takes(found, 1200)
    assert texts(found) == [f"{number}" for number in range(100)] * 12


def test_process_that_does_not_keep_hides_nothing(buses: Open) -> None:
    """By mistake: its messages are not kept. So nobody may take what is kept for all of it."""
    keeps = buses()
    first = listening(keeps)
    publish(keeps, "one")
    publish(buses(None), "two")
    publish(keeps, "three")
    takes(first, 3)
    second = listening(buses())
    takes(second, 1)
    assert texts(second) == ["three"]


def _fail(message: Placed) -> bytes:
    raise LookupError("it cannot be encoded")


def test_message_that_was_dropped_is_a_loss_for_all(buses: Open) -> None:
    sender, receiver = buses(), listening(buses())
    publish(sender, "one")
    takes(receiver, 1)
    failing = replace(KEPT, encode=_fail)
    sender.publish(failing, Placed("two"))
    publish(sender, "three")
    takes(receiver, 2)
    assert texts(receiver) == ["one", "three"]
    assert LOST in receiver.came[1:-1]
    other = listening(buses())
    takes(other, 1)
    assert texts(other) == ["three"]


def test_messages_that_are_dropped_while_the_broker_is_down_are_a_loss(kind: str) -> None:
    with running(kind) as server, opening(server.url) as make:
        sender, receiver = make(), listening(make())
        publish(sender, "one")
        takes(receiver, 1)
        with patch.object(publisher_module, "_MAX_MESSAGES", 5):
            server.freeze()
            for number in range(20):
                sender.publish(KEPT, Placed(f"{number}"))
            server.thaw()
        sender.publish(KEPT, Placed("last"))
        receiver.take_turns_until(lambda: texts(receiver)[-1] == "last")
        assert sender.published().dropped_count > 0
        assert len(texts(receiver)) <= 22 - sender.published().dropped_count
        assert LOST in receiver.came[1:]


def test_server_that_was_killed_has_lost_what_it_kept(kind: str) -> None:
    """Or may have lost some of it, and nobody could see that."""
    with running(kind) as server, opening(server.url) as make:
        receiver = listening(make())
        publish(make(), "one")
        takes(receiver, 1)
        before = receiver.messages[-1]
        server.kill()
        server.start()
        receiver.take_turns_until(lambda: LOST in receiver.came[1:])
        publish(make(), "two")
        takes(receiver, 2)
        assert texts(receiver) == ["one", "two"]
        after = receiver.messages[-1]
        assert after.epoch != before.epoch or after.number > before.number
        other = listening(make())
        takes(other, 1)
        assert texts(other) == ["two"]
        start = other.messages[0]
        assert start.epoch != before.epoch or start.number > before.number


def test_role_that_may_not_make_the_table_uses_one_that_is_there() -> None:
    (made,) = re.findall(r"```sql\n(CREATE UNLOGGED.*?)```", Path("docs/push.md").read_text(), re.S)
    with running("notify") as server:
        options: dict[str, Any] = dict(parse_qsl(urlsplit(server.url).query))
        with psycopg.connect(**options, autocommit=True) as connection:
            connection.execute("CREATE ROLE web LOGIN PASSWORD 'pw'")
            connection.execute("REVOKE CREATE ON SCHEMA public FROM PUBLIC")
        url = server.url.replace("://named?", "://web:pw@named?", 1)
        url = re.sub(r"&(user|password)=[^&]*", "", url)
        url = re.sub(r"\?(user|password)=[^&]*&", "?", url)
        engine = engine_of(f"{url}")
        with pytest.raises(Unavailable, match="docs/push.md says how to make it"):
            engine.connect_sender()
        with psycopg.connect(**options, autocommit=True) as connection:
            connection.execute(made)
            connection.execute("GRANT SELECT, INSERT, DELETE ON wsrequest_history TO web")
        with closing(engine.connect_sender()) as sender:
            sender.send_and_keep("kept", [b"one"], [True], is_gap=False)
        with closing(engine.connect_receiver(["kept"])) as receiver:
            assert [each.content for each in receiver.kept("kept", None).messages] == [b"one"]


def engine_of(url: str) -> Any:
    bus: Any = open_bus(url, [SECRET], DATABASES.__getitem__, keeping=KEEPING)
    return bus._engine
