"""What is particular to LISTEN and NOTIFY: names, limits, hosts, errors, and poolers."""

import os
import socket
import time
from contextlib import closing
from typing import Any

import pytest
from django.db.backends.postgresql.base import DatabaseWrapper

from tests.contract.conftest import DATABASES, make_bus, notify_url
from tests.contract.pooler import running_pooler
from tests.contract.receiver import LOST, NUMBERS, Receiver, contents
from tests.ports import free_port
from tests.postgres import Params
from wsrequest.bus.broker import BrokerBus
from wsrequest.bus.engine import CALL_SECONDS, Engine, Unavailable
from wsrequest.bus.libpq import keywords, parameters_of
from wsrequest.bus.notify import NotifyEngine, channel_name

pytestmark = pytest.mark.needs("postgresql")


def engine_of(url: str) -> Engine:
    bus = make_bus(url)
    assert isinstance(bus, BrokerBus)
    return bus._engine


def goes_through(engine: Engine, messages: list[bytes], channel: str = "here") -> None:
    """Send messages, and receive them."""
    with closing(engine.connect_receiver([channel])) as receiver:
        with closing(engine.connect_sender()) as sender:
            sender.send(channel, messages)
        came: list[bytes] = []
        deadline = time.monotonic() + 20
        while len(came) < len(messages) and time.monotonic() < deadline:
            came += contents(receiver.receive(0.2))
        assert came == messages


def refusal_of(params: Params, **changed: Any) -> str:
    with pytest.raises(Unavailable) as raised:
        engine_of(notify_url({**params, **changed})).connect_sender()  # type: ignore[typeddict-item]
    assert params["PASSWORD"] not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize(
    ("channel", "name"),
    [
        ("wsrequest", "wsrequest"),
        ('a "b"', 'a "b"'),
        ("x" * 63, "x" * 63),
        ("x" * 64, "wsrequest:"),
        ("é", "wsrequest:"),
        ("a\0b", "wsrequest:"),
        ("", "wsrequest:"),
    ],
)
def test_channel_has_a_name_that_postgresql_takes(channel: str, name: str) -> None:
    made = channel_name(channel)
    assert made.startswith(name)
    assert len(made) <= 63
    assert made == channel or len(made) == len("wsrequest:") + 32


@pytest.mark.parametrize("channel", ['a "b"; SELECT', "A", "x" * 100, "é", "a\0b", "", "%s$1{}"])
def test_every_channel_works(postgres_params: Params, channel: str) -> None:
    goes_through(engine_of(notify_url(postgres_params)), [b"one"], channel)


def test_largest_message_goes_through(postgres_params: Params) -> None:
    engine = engine_of(notify_url(postgres_params))
    largest = os.urandom(engine.max_message_bytes)
    goes_through(engine, [largest, largest[1:], b"x"])
    with closing(engine.connect_sender()) as sender:
        with pytest.raises(Unavailable, match="payload string too long"):
            sender.send("here", [largest + b"x"])


@pytest.mark.parametrize(
    "entry",
    [
        {"NAME": "shop"},
        {"NAME": "shop", "USER": "u", "PASSWORD": "p w'\\", "HOST": "h", "PORT": 5433},
        {"NAME": "shop", "HOST": "/run/postgresql", "PORT": "5433"},
        {"NAME": "", "OPTIONS": {"service": "shop", "passfile": ".pgpass"}},
        {"NAME": "shop", "OPTIONS": {"sslmode": "verify-full", "connect_timeout": 3}},
        {"NAME": "shop", "USER": "u", "OPTIONS": {"user": "other", "options": "-c a=b"}},
        {"NAME": "shop", "OPTIONS": {"pool": True, "server_side_binding": True}},
        {"NAME": "shop", "OPTIONS": {"isolation_level": 1, "assume_role": "r"}},
        {"NAME": "shop", "OPTIONS": {"application_name": "web"}},
    ],
)
def test_parameters_are_those_of_django(entry: dict[str, Any]) -> None:
    settings = {
        **{name: "" for name in ("NAME", "USER", "PASSWORD", "HOST", "PORT")},
        **{"OPTIONS": {}, "TIME_ZONE": None},
        **entry,
    }
    # Django says what it gives to psycopg. Some of that is psycopg's own.
    given = DatabaseWrapper(settings).get_connection_params()
    expected = {name: value for name, value in given.items() if name in keywords()}
    del expected["client_encoding"]
    ours = parameters_of(entry)
    assert ours.pop("fallback_application_name") == "wsrequest"
    assert {name: str(value) for name, value in ours.items()} == {
        name: str(value) for name, value in expected.items()
    }


def test_entry_of_databases_is_read_for_each_connection(postgres_params: Params) -> None:
    """A test run changes the name of the database after the bus was made."""
    entry = {"ENGINE": "django.db.backends.postgresql", **postgres_params, "NAME": "missing"}
    engine = NotifyEngine("PostgreSQL", lambda: entry, {})
    with pytest.raises(Unavailable, match='"missing" does not exist'):
        engine.connect_sender()
    entry["NAME"] = postgres_params["NAME"]
    goes_through(engine, [b"one"])


def test_refusals_say_why(postgres_params: Params) -> None:
    assert "password authentication failed" in refusal_of(postgres_params, PASSWORD="wrong")
    assert 'database "missing" does not exist' in refusal_of(postgres_params, NAME="missing")
    port = free_port()
    text = refusal_of(postgres_params, PORT=port)
    assert f"port {port}" in text
    assert "refused" in text


def test_tls_that_the_server_does_not_offer(postgres_params: Params) -> None:
    engine = engine_of(f"{notify_url(postgres_params)}&sslmode=require")
    with pytest.raises(Unavailable, match="server does not support SSL"):
        engine.connect_sender()


def test_parameter_with_a_wrong_value(postgres_params: Params) -> None:
    engine = engine_of(f"{notify_url(postgres_params)}&sslmode=perhaps")
    with pytest.raises(Unavailable, match="sslmode"):
        engine.connect_sender()


def test_first_host_that_answers_is_used(postgres_params: Params) -> None:
    here, dead = str(postgres_params["PORT"]), str(free_port())
    hosts = {"HOST": "127.0.0.1,127.0.0.1"}
    for ports in (f"{dead},{here}", f"{here},{dead}"):
        params: Any = {**postgres_params, **hosts, "PORT": ports}
        goes_through(engine_of(notify_url(params)), [b"one"])
    text = refusal_of(postgres_params, **hosts, PORT=f"{dead},{free_port()}")
    assert text.count("refused") == 2


def test_host_that_hangs_leaves_time_for_the_next(postgres_params: Params) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:  # it accepts, and says nothing
        ports = f"{silent.getsockname()[1]},{postgres_params['PORT']}"
        params: Any = {**postgres_params, "HOST": "127.0.0.1,127.0.0.1", "PORT": ports}
        began_at = time.monotonic()
        engine = engine_of(notify_url(params))
        engine.connect_sender().close()
        assert time.monotonic() - began_at < CALL_SECONDS
        only: Any = {**postgres_params, "PORT": silent.getsockname()[1]}
        with pytest.raises(Unavailable, match="does not answer"):
            engine_of(notify_url(only)).connect_sender()


def test_pooler_is_named_with_the_remedy(
    postgres_params: Params, caplog: pytest.LogCaptureFixture
) -> None:
    with running_pooler(postgres_params["PORT"]) as port:
        pooled: Any = {**postgres_params, "PORT": port}
        url = f"{notify_url(pooled)}&sslmode=disable&gssencmode=disable"
        with closing(make_bus(url)) as bus:
            receiver = Receiver(bus)
            receiver.take_turns_until(lambda: False in receiver.states)
            assert True not in receiver.states
    assert "goes through a pooler" in caplog.text
    assert "postgresql+notify://default?host=127.0.0.1&port=5432" in caplog.text
    assert postgres_params["PASSWORD"] not in caplog.text


def test_options_of_the_url_go_around_a_pooler(postgres_params: Params) -> None:
    with running_pooler(postgres_params["PORT"]) as port:
        DATABASES["pooled"] = {
            "ENGINE": "django.db.backends.postgresql",
            **postgres_params,
            "PORT": port,
            "OPTIONS": {"sslmode": "disable", "gssencmode": "disable"},
        }
        with closing(make_bus("postgresql+notify://pooled")) as writer:
            url = f"postgresql+notify://pooled?port={postgres_params['PORT']}"
            with closing(make_bus(url)) as bus:
                receiver = Receiver(bus)
                receiver.take_turns_until(lambda: LOST in receiver.came)
                receiver.came.clear()
                writer.publish(NUMBERS, 7)  # sending through it works
                receiver.take_turns_until(lambda: receiver.came)
                assert receiver.messages == [7]
