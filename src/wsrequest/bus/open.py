"""Makes the bus that a URL names.

Nothing is connected yet: a bus connects when it is first used. The client library of a broker is
imported only if the URL names that broker.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from importlib import import_module
from typing import Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit, urlunsplit

from wsrequest.bus.base import Bus
from wsrequest.bus.broker import BrokerBus
from wsrequest.bus.engine import Engine, Keeping
from wsrequest.bus.memory import MemoryBus
from wsrequest.bus.relayed import RelayedLog

__all__ = ["BusURLError", "Database", "logged_aliases", "open_bus", "redacted"]

Database = Callable[[str], Mapping[str, Any]]
"""Returns the settings of a database of the project by its alias. Raises KeyError for others."""

_EXTRAS = {"redis": "redis", "nats": "nats", "psycopg": "postgres"}  # modules, and who brings them

_SECRET_OPTION = re.compile(r"([?&][^=&#]*(?:passw|passphrase|token|secret)[^=&#]*=)[^&#]*", re.I)


_LOG = "postgresql+log://"
_KEEPING = re.compile("redis|valkey|unix|postgresql")  # schemes of brokers that keep messages
_RELAYED = "WSREQUEST_RELAYED_LOG"


class BusURLError(ValueError):
    """The URL names no bus. The message continues the sentence "WSREQUEST_BUS is …, which".

    Args:
        message: see above.
        setting: the setting that the sentence is about.
    """

    def __init__(self, message: str, setting: str = "WSREQUEST_BUS") -> None:
        super().__init__(message)
        self.setting = setting


def open_bus(
    url: str,
    secrets: Sequence[bytes],
    database: Database,
    relayed_log: str = "",
    keeping: Keeping | None = None,
) -> Bus:
    """Return the bus that a URL names.

    Args:
        url: see docs/settings.md, WSREQUEST_BUS.
        secrets: the project's secret keys. The first signs messages.
        database: finds the project's databases.
        relayed_log: see docs/settings.md, WSREQUEST_RELAYED_LOG. Empty if each process that needs a
            log reads it itself.
        keeping: how many messages the broker keeps for processes that lack them. None for none.

    Raises:
        BusURLError: one of them names none, or the client library is missing. Or the broker keeps
            nothing, and is to.
    """
    parts = _parts_of(url)
    if keeping is not None and not _KEEPING.match(parts.scheme):
        raise BusURLError(
            "keeps no events. Set WSREQUEST_PUSH_SHARED_HISTORY_BYTES to 0, or name Redis "
            "or PostgreSQL"
        )
    if parts.scheme == "memory" and parts == urlsplit("memory://"):
        if relayed_log:
            raise BusURLError("needs a WSREQUEST_BUS that reaches other processes", _RELAYED)
        return MemoryBus()
    if not relayed_log:
        return BrokerBus(*_engine_of(parts, database, keeping), secrets)
    try:
        relayed = _engine_of(_parts_of(relayed_log), database)
    except BusURLError as error:
        raise BusURLError(str(error), _RELAYED) from error
    if not relayed_log.startswith(_LOG):
        raise BusURLError(
            'is not the URL of a log. Write it as in "postgresql+log://default"', _RELAYED
        )
    if url.startswith(_LOG):
        raise BusURLError(
            "is for a WSREQUEST_BUS that reads no log itself. Leave it out, or name Redis or NATS "
            "in WSREQUEST_BUS",
            _RELAYED,
        )
    engine, channel = _engine_of(parts, database, keeping)
    return BrokerBus(engine, channel, secrets, RelayedLog(*relayed, secrets))


def _parts_of(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
    except ValueError as error:
        raise BusURLError(f"is not a URL: {error}") from error
    _check_authority(parts)
    return parts


def _engine_of(
    parts: SplitResult, database: Database, keeping: Keeping | None = None
) -> tuple[Engine, str]:
    """Return the engine that a URL names, and the channel."""
    make = _ENGINES.get(parts.scheme)
    if make is None:
        known = ", ".join(f"{scheme}://" for scheme in ("memory", *sorted(_ENGINES)))
        raise BusURLError(f"names no bus. wsrequest knows {known}")
    query = dict(parse_qsl(parts.query))
    channel = query.pop("channel", "wsrequest")
    parts = parts._replace(query=urlencode(query))
    try:
        engine: Any = make(parts, database)
    except ModuleNotFoundError as error:
        extra = _EXTRAS.get(str(error.name).partition(".")[0])
        if extra is None:
            raise
        raise BusURLError(
            f"needs the package {error.name}, which is not installed: "
            f'pip install "django-websocket-request[{extra}]"'
        ) from error
    if keeping is not None:
        engine.keeping = keeping
    return engine, channel


def redacted(url: str) -> str:
    """Return a URL without its passwords and tokens, for messages."""
    url = _SECRET_OPTION.sub(r"\1***", url)
    credentials, at, rest = url.rpartition("@")
    scheme, slashes, user = credentials.partition("//")
    if not at or not slashes:
        return url
    name, colon, _ = user.partition(":")
    if not colon:  # for NATS it is a token. With a slash, it is not read as a user at all
        is_secret = scheme in ("nats:", "tls:") or "/" in user
        return f"{scheme}//***@{rest}" if is_secret else url
    return f"{scheme}//{name}:***@{rest}"


def _check_authority(parts: SplitResult) -> None:
    """Refuse what would be read in another way than it was meant. Name no part of a password."""
    if parts.netloc.count("@") > 1 and "," in parts.netloc:
        raise BusURLError(
            'has "@" more than once. Write the user and the password once, before the first host. '
            "Write %40 for @ in a password"
        )
    try:
        _ = parts.port if "," not in parts.netloc else None
    except ValueError as error:
        raise BusURLError(
            "is not a URL: the port is not a number up to 65535. In a password, write %2F for /, "
            "%3A for : and %40 for @"
        ) from error


def _redis(parts: SplitResult, database: Database) -> Engine:
    module = import_module("wsrequest.bus.redis")
    scheme, _, kind = parts.scheme.replace("valkey", "redis").partition("+")
    address = _address("Redis", parts)
    if not kind:
        if scheme != "unix" and not parts.hostname:
            raise BusURLError('names no host. Write it as in "redis://127.0.0.1:6379/0"')
        if scheme != "unix":
            _database_number(parts.path.strip("/"))  # redis-py would take 0
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
    engine = module.RedisEngine.of_sentinels(
        address, hosts, service, db=_database_number(db), **credentials
    )
    return engine


def _database_number(db: str) -> int:
    if not (db or "0").isdecimal():
        if "@" in db:
            raise BusURLError("has a slash before the @. In a password, write %2F for /")
        raise BusURLError(f"names the database {db!r}, which is not a number")
    return int(db or "0")


def _nats(parts: SplitResult, database: Database) -> Engine:
    module = import_module("wsrequest.bus.nats")
    options = dict(parse_qsl(parts.query))
    unknown = options.keys() - {"ca_certs", "certfile", "keyfile"}
    if unknown:
        raise BusURLError(
            f"has the option {min(unknown)!r}. NATS takes ca_certs, certfile and keyfile"
        )
    if parts.path.strip("/"):
        raise BusURLError('has a path. Write it as in "nats://127.0.0.1:4222?channel=shop"')
    hosts = _hosts(parts, 4222)
    user, password = (value and unquote(value) for value in (parts.username, parts.password))
    credentials = {"token": user} if password is None else {"user": user, "password": password}
    is_tls = parts.scheme == "tls"
    made = module.NatsOptions(hosts=hosts, is_tls=is_tls, **credentials, **options)
    engine: Engine = module.NatsEngine(_address("NATS", parts), made)
    return engine


def _postgres_notify(parts: SplitResult, database: Database) -> Engine:
    module = import_module("wsrequest.bus.notify")
    alias, overrides = _alias_of(parts, database)
    address = f"PostgreSQL, database {alias!r}"
    engine: Engine = module.NotifyEngine(address, lambda: database(alias), overrides)
    return engine


def _postgres_log(parts: SplitResult, database: Database) -> Engine:
    credentials, at, names = parts.netloc.rpartition("@")
    aliases = [name or "default" for name in names.split(",")]
    if len(set(aliases)) < len(aliases):
        raise BusURLError(f"names the database {max(aliases, key=aliases.count)!r} twice")
    streams, places = [], list[tuple[object, ...]]()
    for alias in aliases:
        query = urlencode(_parameters_of(alias, aliases, parse_qsl(parts.query)))
        one = parts._replace(netloc=f"{credentials}{at}{alias}", query=query)
        stream, place = _one_log(one, database)
        if place in places:
            other = aliases[places.index(place)]
            raise BusURLError(f"names {other!r} and {alias!r}, which are the same database")
        streams.append(stream)
        places.append(place)
    module = import_module("wsrequest.bus.postgres_logs")
    engine: Engine = streams[0] if len(streams) == 1 else module.PostgresLogsEngine(streams)
    return engine


def _parameters_of(
    alias: str, aliases: Sequence[str], query: Sequence[tuple[str, str]]
) -> dict[str, str]:
    """Return the parameters of one database. Some are named for it: ``other.host``."""
    common, own = {}, {}
    for name, value in query:
        owner, _, parameter = name.rpartition(".")
        if owner == alias:
            own[parameter] = value
        elif owner not in aliases:
            common[name] = value
    return {**common, **own}


def _one_log(parts: SplitResult, database: Database) -> tuple[Any, tuple[object, ...]]:
    """Return the engine of one database, and the place of that."""
    module = import_module("wsrequest.bus.postgres_log")
    alias, overrides = _alias_of(parts, database)
    name = str(database(alias).get("NAME") or "")
    if name and overrides.get("dbname", name) != name:
        raise BusURLError(
            f"has a dbname that is not the NAME of the database {alias!r}. The log must be that of "
            f"{alias!r}, because writes to it are not published in another way. Leave dbname out, "
            f'or name the alias of the database that you mean: "{parts.scheme}://alias"'
        )
    address = f"PostgreSQL's log, database {alias!r}"
    engine = module.PostgresLogEngine(address, alias, lambda: database(alias), overrides)
    parameters = import_module("wsrequest.bus.libpq").parameters_of(database(alias))
    found = {**parameters, **overrides}
    return engine, tuple(found.get(each) for each in ("dbname", "host", "port", "service"))


def _alias_of(parts: SplitResult, database: Database) -> tuple[str, dict[str, str]]:
    """Return the alias that a URL names, and the parameters that go before those of DATABASES."""
    alias = parts.netloc.rpartition("@")[2] or "default"  # hostname would be in lower case
    if parts.path.strip("/") or ":" in alias:
        raise BusURLError(
            "must name a database by its alias in DATABASES, and other parameters after a question "
            f'mark. Write it as in "{parts.scheme}://default?host=127.0.0.1&port=5432"'
        )
    try:
        backend = str(database(alias).get("ENGINE", ""))
    except KeyError as error:
        raise BusURLError(f"names the database {alias!r}, which DATABASES does not have") from error
    if backend.rpartition(".")[2] in ("sqlite3", "spatialite", "mysql", "oracle"):
        raise BusURLError(f"names the database {alias!r}, which is not PostgreSQL ({backend})")
    overrides = dict(parse_qsl(parts.query))
    for name, value in (("user", parts.username), ("password", parts.password)):
        if value:
            overrides[name] = unquote(value)
    unknown = overrides.keys() - import_module("wsrequest.bus.libpq").keywords()
    if unknown:
        raise BusURLError(
            f"has the parameter {min(unknown)!r}, which libpq does not know. It takes host, port, "
            "user, password, dbname, sslmode and others"
        )
    return alias, overrides


def _hosts(parts: SplitResult, default_port: int) -> list[tuple[str, int]]:
    hosts = []
    for each in parts.netloc.rpartition("@")[2].split(","):
        one = urlsplit(f"//{each}")
        try:
            port = one.port or default_port
        except ValueError as error:
            raise BusURLError("is not a URL: the port is not a number up to 65535") from error
        if not one.hostname:
            raise BusURLError("has a host without a name")
        hosts.append((one.hostname, port))
    return hosts


def _address(name: str, parts: SplitResult) -> str:
    place = parts.netloc.rpartition("@")[2] or parts.path
    return f"{name} at {place}"


def logged_aliases(url: str) -> tuple[str, ...]:
    """Return the aliases of the databases whose logs a URL names. None of them for other URLs."""
    if not url.startswith(_LOG):
        return ()
    authority = url.removeprefix(_LOG).partition("/")[0].partition("?")[0]
    return tuple(name or "default" for name in authority.rpartition("@")[2].split(","))


_ENGINES: dict[str, Callable[[SplitResult, Database], Engine]] = {
    **dict.fromkeys(("redis", "rediss", "unix", "valkey", "valkeys"), _redis),
    **dict.fromkeys(("redis+sentinel", "rediss+sentinel"), _redis),
    **dict.fromkeys(("redis+cluster", "rediss+cluster"), _redis),
    **dict.fromkeys(("nats", "tls"), _nats),
    "postgresql+notify": _postgres_notify,
    "postgresql+log": _postgres_log,
}
