"""The URLs of WSREQUEST_BUS: what they name, and what is said about those that name nothing."""

import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from wsrequest.bus.base import Bus
from wsrequest.bus.broker import BrokerBus
from wsrequest.bus.engine import Keeping
from wsrequest.bus.memory import MemoryBus
from wsrequest.bus.open import BusURLError, open_bus, redacted

PAGE = Path(__file__).resolve().parents[3] / "docs/settings.md"
DATABASES: Mapping[str, Mapping[str, Any]] = {
    "default": {"ENGINE": "django.db.backends.postgresql", "NAME": "shop", "HOST": "db"},
    "Other": {"ENGINE": "django.contrib.gis.db.backends.postgis", "NAME": "other"},
    "other": {"ENGINE": "django.db.backends.postgresql", "NAME": "reports"},
    "lite": {"ENGINE": "django.db.backends.sqlite3", "NAME": "shop.sqlite3"},
}


def opened(url: str) -> Bus:
    return open_bus(url, [b"secret"], DATABASES.__getitem__)


def engine_of(url: str) -> Any:
    bus = opened(url)
    assert isinstance(bus, BrokerBus)
    return bus._engine


def fault_of(url: str) -> str:
    with pytest.raises(BusURLError) as raised:
        opened(url)
    return str(raised.value)


def documented_urls() -> list[str]:
    """The URLs of the table in the documentation."""
    section = PAGE.read_text().partition("### WSREQUEST_BUS")[2].partition("\n### ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    urls = [url for row in rows for url in re.findall(r"`\??([a-z+]+://[^`]*)`", row)]
    return [url.replace("…", "host") for url in urls]


def test_documented_urls_are_found() -> None:
    assert len(documented_urls()) >= 8


@pytest.mark.parametrize("url", documented_urls())
def test_documented_url_opens(url: str) -> None:
    bus = opened(url)
    assert isinstance(bus, MemoryBus) is (url == "memory://")
    bus.close()


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("redis://user:pw@host:6379/0", "Redis at host:6379"),
        ("valkey://host", "Redis at host"),
        ("unix:///run/redis.sock?db=0", "Redis at /run/redis.sock"),
        ("unix://user:pw@/run/redis.sock", "Redis at /run/redis.sock"),
        ("redis+sentinel://:pw@a:1,b:2/mymaster/0", "Redis at a:1,b:2"),
        ("rediss+cluster://u:pw@a:1,b:2", "Redis at a:1,b:2"),
        ("nats://user:pw@a:1,b", "NATS at a:1,b"),
        ("tls://t0ken@a", "NATS at a"),
        ("postgresql+notify://default", "PostgreSQL, database 'default'"),
        ("postgresql+notify://u:pw@Other?host=db&password=pw", "PostgreSQL, database 'Other'"),
    ],
)
def test_address_names_the_place_without_credentials(url: str, address: str) -> None:
    assert engine_of(url).address == address


def test_nats_options() -> None:
    options = engine_of(
        "tls://us%40er:p%2Fw@a,[::1]:5?ca_certs=/ca&certfile=/c&keyfile=/k"
    )._options
    assert options.hosts == [("a", 4222), ("::1", 5)]
    assert (options.user, options.password, options.token) == ("us@er", "p/w", None)
    assert (options.ca_certs, options.certfile, options.keyfile) == ("/ca", "/c", "/k")
    assert options.is_tls
    options = engine_of("nats://t0%20ken@a")._options
    assert (options.user, options.password, options.token) == (None, None, "t0 ken")
    assert not options.is_tls
    options = engine_of("nats://a")._options
    assert (options.user, options.password, options.token) == (None, None, None)


def test_channel_is_taken_from_the_url() -> None:
    for url in ("redis://host", "nats://host"):
        assert opened(url)._channel == "wsrequest"  # type: ignore[attr-defined]
        assert opened(f"{url}?channel=our%20shop")._channel == "our shop"  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("", "names no bus"),
        ("shop", "names no bus"),
        ("amqp://host", "nats://, "),
        ("memory://host", "names no bus"),
        ("redis://", "names no host"),
        ("redis://host/first", "names the database 'first'"),
        ("redis://host?db=first", "is not a URL of Redis: Invalid value for 'db'"),
        ("redis://host?dbs=1", "is not a URL of Redis: "),
        ("unix:///run/redis.sock?dbs=1", "is not a URL of Redis: "),
        ("redis://host:port", "the port is not a number"),
        ("redis://host:99999", "the port is not a number"),
        ("redis://[::1", "is not a URL"),
        ("redis+sentinel://host", "names no service"),
        ("redis+sentinel://host/mymaster/first", "names the database 'first'"),
        ("redis+sentinel://host:x,host2/mymaster", "the port is not a number"),
        ("redis+cluster://,", "has a host without a name"),
        ("nats://", "has a host without a name"),
        ("nats://host/path", "has a path"),
        ("nats://host?no_echo=1", "has the option 'no_echo'"),
        ("nats://u:p@a,u:p@b", 'has "@" more than once'),
        ("nats://a,b:x", "the port is not a number"),
        ("postgresql+notify://shop", "names the database 'shop', which DATABASES does not have"),
        ("postgresql+notify://lite", "names the database 'lite', which is not PostgreSQL"),
        ("postgresql+notify://u:p@host:5432/shop", "must name a database by its alias"),
        ("postgresql+notify://default/shop", "must name a database by its alias"),
        ("postgresql+notify://default?pool=1", "has the parameter 'pool'"),
    ],
)
def test_url_that_names_no_bus(url: str, text: str) -> None:
    assert text in fault_of(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:s3cret/x@host",
        "redis://user:s3cret:x@host:port",
        "redis://default:123/s3cret@host:6379/0",
        "redis://admin/s3cret@host:6379/0",
        "redis+sentinel://u:s3cret@a,u:s3cret@b/m",
        "nats://u:s3cret@a,u:s3cret@b:x",
        "nats://s3cret@host/path",
        "nats://host?token=s3cret",
        "postgresql+notify://default?password=s3cret&pool=1",
        "postgresql+notify://u:s3cret@host:5432/shop",
        "amqp://u:s3cret@host",
    ],
)
def test_faults_and_messages_never_show_a_password(url: str) -> None:
    assert "s3cret" not in fault_of(url)
    assert "s3cret" not in redacted(url)


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("redis://host/0", "redis://host/0"),
        ("redis://user@host/0", "redis://user@host/0"),
        ("redis://user:pw@host/0", "redis://user:***@host/0"),
        ("redis://:pw@host/0", "redis://:***@host/0"),
        ("redis://:p@w:x/y@host/0", "redis://:***@host/0"),
        ("redis://:p//w@host/0", "redis://:***@host/0"),
        ("redis+sentinel://u:pw@a,b/m", "redis+sentinel://u:***@a,b/m"),
        ("nats://t0ken@a,b", "nats://***@a,b"),
        ("nats://u:pw@a,u:pw@b", "nats://u:***@b"),
        ("redis://host?password=pw&db=1", "redis://host?password=***&db=1"),
        ("redis://host?db=1&ssl_password=p@w", "redis://host?db=1&ssl_password=***"),
        ("redis://host?PASSWORD=pw", "redis://host?PASSWORD=***"),
        ("unix:///run/redis.sock?password=pw", "unix:///run/redis.sock?password=***"),
        ("postgresql+notify://a?password=p@w&port=1", "postgresql+notify://a?password=***&port=1"),
        ("nonsense", "nonsense"),
    ],
)
def test_redacted(url: str, shown: str) -> None:
    assert redacted(url) == shown


@pytest.fixture
def without(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    def hide(library: str, *modules: str) -> None:
        monkeypatch.setitem(sys.modules, library, None)
        for module in modules:
            monkeypatch.delitem(sys.modules, module, raising=False)

    yield hide


@pytest.mark.parametrize(
    ("url", "library", "modules", "extra"),
    [
        ("redis://host", "redis", ["wsrequest.bus.redis"], "redis"),
        ("redis+cluster://host", "redis", ["wsrequest.bus.redis"], "redis"),
        ("nats://host", "nats", ["wsrequest.bus.nats"], "nats"),
        (
            "postgresql+notify://default",
            "psycopg",
            ["wsrequest.bus.notify", "wsrequest.bus.libpq"],
            "postgres",
        ),
    ],
)
def test_missing_library_is_named(
    without: Any, url: str, library: str, modules: list[str], extra: str
) -> None:
    without(library, *modules)
    text = fault_of(url)
    assert f"needs the package {library}" in text
    assert f'pip install "django-websocket-request[{extra}]"' in text


def test_log_must_be_that_of_the_database_it_reports() -> None:
    fault = fault_of("postgresql+log://default?dbname=other")
    assert "has a dbname that is not the NAME of the database 'default'" in fault
    assert '"postgresql+log://alias"' in fault
    opened("postgresql+log://default?dbname=shop").close()
    opened("postgresql+notify://default?dbname=other").close()  # its messages name databases


@pytest.mark.parametrize("url", ["memory://", "nats://127.0.0.1:4222", "tls://127.0.0.1:4222"])
def test_bus_that_keeps_no_events_is_refused_by_name(url: str) -> None:
    with pytest.raises(BusURLError, match="keeps no events.*_SHARED_HISTORY_BYTES to 0, or name"):
        open_bus(url, [b"secret"], DATABASES.__getitem__, keeping=Keeping(2**20, 10, 60.0))


@pytest.mark.parametrize(
    "url",
    ["redis://host", "valkeys://host", "unix:///run/redis.sock", "redis+cluster://host:1",
     "postgresql+notify://default", "postgresql+log://default,other"],
)  # fmt: skip
def test_bus_that_keeps_events_is_told_how_many(url: str) -> None:
    keeping = Keeping(2**20, 10, 60.0)
    bus: Any = open_bus(url, [b"secret"], DATABASES.__getitem__, keeping=keeping)
    assert bus._engine.keeping == keeping
    assert open_bus(url, [b"secret"], DATABASES.__getitem__)._engine.keeping is None  # type: ignore[attr-defined]
