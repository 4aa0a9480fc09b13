"""The URL of PostgreSQL's write-ahead log: an alias in DATABASES, and further parameters."""

from typing import Any

import pytest

from wsrequest.bus.broker import BrokerBus
from wsrequest.bus.open import BusURLError, logged_aliases, open_bus

DATABASES: dict[str, dict[str, Any]] = {
    "default": {"ENGINE": "django.db.backends.postgresql", "NAME": "shop"},
    "Other-1": {"ENGINE": "django.db.backends.postgresql", "NAME": "other"},
    "again": {"ENGINE": "django.db.backends.postgresql", "NAME": "shop"},
    "file": {"ENGINE": "django.db.backends.sqlite3", "NAME": "file"},
}


def opened(url: str) -> BrokerBus:
    bus = open_bus(url, [b"secret"], DATABASES.__getitem__)
    assert isinstance(bus, BrokerBus)
    bus.close()  # nothing was connected
    return bus


@pytest.mark.parametrize(
    ("url", "aliases"),
    [
        ("postgresql+log://", ["default"]),
        ("postgresql+log://default", ["default"]),
        ("postgresql+log://Other-1/", ["Other-1"]),
        ("postgresql+log://reader:a%2Fb@Other-1?host=10.0.0.5&port=5433&channel=shop", ["Other-1"]),
        ("postgresql+log://default,Other-1", ["default", "Other-1"]),
        (
            "postgresql+log://a:b@Other-1,default?Other-1.host=10.0.0.5&port=1",
            ["Other-1", "default"],
        ),
    ],
)
def test_url_names_aliases(url: str, aliases: list[str]) -> None:
    assert [*opened(url).logged_databases] == [*logged_aliases(url)] == aliases


def test_parameters_are_for_all_databases_or_for_one() -> None:
    url = (
        "postgresql+log://reader:a%2Fb@default,Other-1?port=5433&Other-1.port=5434&sslmode=require"
    )
    engine: Any = opened(url)._engine
    assert [each._overrides for each in engine.streams] == [
        {"user": "reader", "password": "a/b", "port": port, "sslmode": "require"}
        for port in ("5433", "5434")
    ]


def test_other_buses_have_no_log() -> None:
    assert logged_aliases("memory://") == ()
    assert logged_aliases("postgresql://default") == ()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+log://nowhere", "names the database 'nowhere', which DATABASES does not have"),
        ("postgresql+log://default,nowhere", "names the database 'nowhere', which DATABASES does"),
        ("postgresql+log://default,default", "names the database 'default' twice"),
        ("postgresql+log://default,", "names the database 'default' twice"),
        ("postgresql+log://default,again", "'default' and 'again', which are the same database"),
        ("postgresql+log://default,Other-1?file.host=a", "has the parameter 'file.host'"),
        ("postgresql+log://file", "which is not PostgreSQL"),
        ("postgresql+log://default/shop", "must name a database by its alias"),
        ("postgresql+log://default?hots=a", "has the parameter 'hots'"),
    ],
)
def test_url_that_cannot_work_is_refused(url: str, said: str) -> None:
    with pytest.raises(BusURLError, match=said):
        open_bus(url, [b"secret"], DATABASES.__getitem__)


def test_log_that_a_relay_reads() -> None:
    log = "postgresql+log://default,Other-1?channel=shop"
    bus = open_bus("redis://127.0.0.1/", [b"secret"], DATABASES.__getitem__, log)
    assert isinstance(bus, BrokerBus)
    bus.close()
    assert [*bus.logged_databases] == ["default", "Other-1"]


@pytest.mark.parametrize(
    ("url", "log", "said"),
    [
        ("redis://127.0.0.1/", "redis://127.0.0.1/", "is not the URL of a log"),
        ("redis://127.0.0.1/", "postgresql+log://nowhere", "which DATABASES does not have"),
        ("redis://127.0.0.1/", "log", "names no bus"),
        ("memory://", "postgresql+log://default", "a WSREQUEST_BUS that reaches other processes"),
        ("postgresql+log://default", "postgresql+log://default", "reads no log itself"),
    ],
)
def test_relayed_log_that_cannot_work_is_refused(url: str, log: str, said: str) -> None:
    with pytest.raises(BusURLError, match=said) as raised:
        open_bus(url, [b"secret"], DATABASES.__getitem__, log)
    assert raised.value.setting == "WSREQUEST_RELAYED_LOG"


def test_fault_of_the_bus_is_not_one_of_the_log() -> None:
    with pytest.raises(BusURLError) as raised:
        open_bus("redis://", [b"secret"], DATABASES.__getitem__, "postgresql+log://default")
    assert raised.value.setting == "WSREQUEST_BUS"
