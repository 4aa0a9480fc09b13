"""Makes the bus that a URL names.

Nothing is connected yet: a bus connects when it is first used. The client library of a broker is
imported only if the URL names that broker.
"""

from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from wsrequest.bus.base import Bus
from wsrequest.bus.broker import BrokerBus
from wsrequest.bus.engine import Engine
from wsrequest.bus.memory import MemoryBus

__all__ = ["BusURLError", "Database", "open_bus", "redacted"]

Database = Callable[[str], Mapping[str, Any]]
"""Returns the settings of a database of the project by its alias. Raises KeyError for others."""

_EXTRAS = {"redis": "redis", "nats": "nats", "psycopg": "postgres"}  # modules, and who brings them


class BusURLError(ValueError):
    """The URL names no bus. The message continues the sentence "WSREQUEST_BUS is …, which"."""


def open_bus(url: str, secrets: Sequence[bytes], database: Database) -> Bus:
    """Return the bus that a URL names.

    Args:
        url: see docs/settings.md, WSREQUEST_BUS.
        secrets: the project's secret keys. The first signs messages.
        database: finds the project's databases.

    Raises:
        BusURLError: it names none, or the client library is missing.
    """
    try:
        parts = urlsplit(url)
        _ = parts.port if "," not in parts.netloc else None
    except ValueError as error:
        raise BusURLError(f"is not a URL: {error}") from error
    if parts.scheme == "memory" and parts == urlsplit("memory://"):
        return MemoryBus()
    make = _ENGINES.get(parts.scheme)
    if make is None:
        known = ", ".join(f"{scheme}://" for scheme in ("memory", *sorted(_ENGINES)))
        raise BusURLError(f"names no bus. wsrequest knows {known}")
    query = dict(parse_qsl(parts.query))
    channel = query.pop("channel", "wsrequest")
    parts = parts._replace(query=urlencode(query))
    try:
        return BrokerBus(make(parts, database), channel, secrets)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(str(error.name).partition(".")[0])
        if extra is None:
            raise
        raise BusURLError(
            f"needs the package {error.name}, which is not installed: "
            f'pip install "django-websocket-request[{extra}]"'
        ) from error


def redacted(url: str) -> str:
    """Return a URL without its password, for messages."""
    credentials, at, rest = url.rpartition("@")
    scheme, _, user = credentials.rpartition("//")
    if not at or ":" not in user:
        return url
    return f"{scheme}//{user.partition(':')[0]}:***@{rest}"


def _redis(parts: SplitResult, database: Database) -> Engine:
    module = import_module("wsrequest.bus.redis")
    scheme, _, kind = parts.scheme.replace("valkey", "redis").partition("+")
    address = _address("Redis", parts)
    if not kind:
        if scheme != "unix" and not parts.hostname:
            raise BusURLError('names no host. Write it as in "redis://127.0.0.1:6379/0"')
        url = urlunsplit(parts._replace(scheme=scheme))
        if scheme == "unix":
            url = url.replace("unix:", "unix:" if parts.netloc else "unix://", 1)
        try:
            engine: Engine = module.RedisEngine.of_url(address, url)
        except ValueError as error:
            raise BusURLError(f"is not a URL of Redis: {error}") from error
        return engine
    hosts = _hosts(parts, 26379 if kind == "sentinel" else 6379)
    credentials: dict[str, Any] = {"ssl": scheme == "rediss"}
    if parts.username:
        credentials["username"] = unquote(parts.username)
    if parts.password:
        credentials["password"] = unquote(parts.password)
    if kind == "cluster":
        engine = module.RedisEngine.of_cluster(address, hosts, **credentials)
        return engine
    service, _, db = parts.path.strip("/").partition("/")
    if not service:
        raise BusURLError("names no service. Write it as in redis+sentinel://host:26379/mymaster")
    if not (db or "0").isdigit():
        raise BusURLError(f"names the database {db!r}, which is not a number")
    engine = module.RedisEngine.of_sentinels(
        address, hosts, service, db=int(db or "0"), **credentials
    )
    return engine


def _hosts(parts: SplitResult, default_port: int) -> list[tuple[str, int]]:
    hosts = []
    for each in parts.netloc.rpartition("@")[2].split(","):
        one = urlsplit(f"//{each}")
        try:
            port = one.port or default_port
        except ValueError as error:
            raise BusURLError(f"is not a URL: {error}") from error
        if not one.hostname:
            raise BusURLError("has a host without a name")
        hosts.append((one.hostname, port))
    return hosts


def _address(name: str, parts: SplitResult) -> str:
    place = parts.netloc.rpartition("@")[2] or parts.path
    return f"{name} at {place}"


_ENGINES: dict[str, Callable[[SplitResult, Database], Engine]] = {
    **dict.fromkeys(("redis", "rediss", "unix", "valkey", "valkeys"), _redis),
    **dict.fromkeys(("redis+sentinel", "rediss+sentinel"), _redis),
    **dict.fromkeys(("redis+cluster", "rediss+cluster"), _redis),
}
