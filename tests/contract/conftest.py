"""Each bus in turn. A later one is one more entry of URLS."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.contract.certificates import Certificates, made_certificates
from tests.contract.receiver import LOST, Receiver
from tests.postgres import Params
from wsrequest.bus.base import Bus
from wsrequest.bus.open import open_bus

URLS: dict[str, Callable[[pytest.FixtureRequest], str]] = {
    "memory": lambda request: "memory://",
    "redis": lambda request: request.getfixturevalue("redis_url"),
    "nats": lambda request: request.getfixturevalue("nats_url"),
    "notify": lambda request: notify_url(request.getfixturevalue("postgres_params")),
    "log": lambda request: log_url(request.getfixturevalue("postgres_log_params")),
}
"""The URL of each bus, from the fixture that starts its server."""
SERVICES = {"notify": "postgresql", "log": "postgresql"}
"""The service of each broker that has another name."""
BROKERS = [
    pytest.param(name, marks=pytest.mark.needs(SERVICES.get(name, name)))
    for name in URLS
    if name != "memory"
]

DATABASES: dict[str, dict[str, Any]] = {"named": {"ENGINE": "django.db.backends.postgresql"}}
SECRET = b"secret of the tests"


def notify_url(params: Params, kind: str = "notify") -> str:
    """Return a URL that says everything, so that other processes can take it, too."""
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST"}
    query = {ours: str(value) for ours, name in names.items() if (value := params[name])}  # type: ignore[literal-required]
    return f"postgresql+{kind}://named?{urlencode({**query, 'port': str(params['PORT'])})}"


def log_url(params: Params) -> str:
    return notify_url(params, "log")


def make_bus(url: str, secret: bytes = SECRET) -> Bus:
    return open_bus(url, [secret], DATABASES.__getitem__)


@pytest.fixture(params=["memory", *BROKERS])
def bus(request: pytest.FixtureRequest) -> Iterator[Bus]:
    """An open bus of each kind."""
    bus = make_bus(URLS[request.param](request))
    if request.param != "memory":  # its receivers learn by a loss that it has connected
        first = Receiver(bus)
        first.take_turns_until(lambda: LOST in first.came)
        first.subscription.close()
    yield bus
    bus.close()


@pytest.fixture(params=BROKERS)
def broker_url(request: pytest.FixtureRequest) -> Any:
    """The URL of each broker, whose server runs."""
    return URLS[request.param](request)


@pytest.fixture
def processes(broker_url: str) -> Iterator[Callable[[], Bus]]:
    """Makes buses that know nothing of each other, as those of several processes do."""
    made: list[Bus] = []

    def make() -> Bus:
        made.append(make_bus(broker_url))
        return made[-1]

    yield make
    for bus in made:
        bus.close()


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """What a server with TLS needs."""
    return made_certificates(tmp_path_factory.mktemp("certificates"))
