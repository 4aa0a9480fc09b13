"""The URL of PostgreSQL's write-ahead log: an alias in DATABASES, and further parameters."""

from typing import Any

import pytest

from wsrequest.bus.broker import BrokerBus
from wsrequest.bus.open import BusURLError, logged_alias, open_bus

DATABASES: dict[str, dict[str, Any]] = {
    "default": {"ENGINE": "django.db.backends.postgresql", "NAME": "shop"},
    "Other-1": {"ENGINE": "django.db.backends.postgresql", "NAME": "other"},
    "file": {"ENGINE": "django.db.backends.sqlite3", "NAME": "file"},
}


def opened(url: str) -> BrokerBus:
    bus = open_bus(url, [b"secret"], DATABASES.__getitem__)
    assert isinstance(bus, BrokerBus)
    bus.close()  # nothing was connected
    return bus


@pytest.mark.parametrize(
    ("url", "alias"),
    [
        ("postgresql+log://", "default"),
        ("postgresql+log://default", "default"),
        ("postgresql+log://Other-1/", "Other-1"),
        ("postgresql+log://reader:a%2Fb@Other-1?host=10.0.0.5&port=5433&channel=shop", "Other-1"),
    ],
)
def test_url_names_an_alias(url: str, alias: str) -> None:
    assert opened(url).logged_database == logged_alias(url) == alias


def test_other_buses_have_no_log() -> None:
    assert logged_alias("memory://") is None
    assert logged_alias("postgresql://default") is None


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql+log://nowhere", "names the database 'nowhere', which DATABASES does not have"),
        ("postgresql+log://file", "which is not PostgreSQL"),
        ("postgresql+log://default/shop", "must name a database by its alias"),
        ("postgresql+log://default?hots=a", "has the parameter 'hots'"),
    ],
)
def test_url_that_cannot_work_is_refused(url: str, said: str) -> None:
    with pytest.raises(BusURLError, match=said):
        open_bus(url, [b"secret"], DATABASES.__getitem__)
