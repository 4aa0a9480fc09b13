"""Every setting, each read from django.conf.settings at each access.

This is the only module that reads Django's settings. ``SETTINGS`` is the table of all settings, for
the system checks, the documentation and their tests. Packages below this one get values, and never
import it. The module is long because it is that table: there is one place for a setting.
"""

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Generic, TypeVar, overload

from django.conf import settings
from django.core.signals import setting_changed
from django.utils.module_loading import import_string

from wsrequest.bus.engine import Keeping
from wsrequest.bus.open import logged_aliases, redacted
from wsrequest.protocol.headers import PER_REQUEST, HeaderNames
from wsrequest.request.environ import MAX_JOINS
from wsrequest.request.exclusions import ExcludedPaths
from wsrequest.types import Limits

__all__ = ["RENAMED", "SETTINGS", "Remembered", "Setting", "conf"]

T = TypeVar("T")

# What a process reads at once when it starts. Its queue takes twice as much.
_MAX_SHARED_HISTORY_BYTES, _MAX_SHARED_HISTORY_EVENTS = 2**22, 5_000

SETTINGS: dict[str, "Setting[Any]"] = {}

RENAMED = {
    "WSREQUEST_ALLOW_NO_ORIGIN": "WSREQUEST_ALLOW_MISSING_ORIGIN",
    "WSREQUEST_DIRECT_LINE": "WSREQUEST_UVICORN_FAST_PATH",
    "WSREQUEST_LIVE_RUNS": "WSREQUEST_LIVE_MAX_CONCURRENT_RUNS",
    "WSREQUEST_LIVE_WRITTEN_BY": "WSREQUEST_LIVE_TRIGGERED_TABLES",
    "WSREQUEST_MAX_ANSWER_BYTES": "WSREQUEST_MAX_BUFFERED_RESPONSE_BYTES",
    "WSREQUEST_MAX_UNFINISHED_BYTES": "WSREQUEST_MAX_PENDING_REQUEST_BYTES",
}
"""Earlier names, which are not read any more. Check W001 names the new one."""


class Setting(Generic[T]):
    """One setting, read at each access so that ``override_settings`` works.

    Args:
        default: the value if the project sets none. Its type is the type of the setting.
        help: one sentence that describes it. The unit is in the setting's name.
        minimum: the smallest valid number, or None.
    """

    name: str

    def __init__(self, default: T, help: str, *, minimum: float | None = None) -> None:
        self.default, self.help, self.minimum = default, help, minimum

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = f"WSREQUEST_{name}"
        SETTINGS[self.name] = self

    @overload
    def __get__(self, instance: None, owner: type) -> "Setting[T]": ...
    @overload
    def __get__(self, instance: object, owner: type) -> T: ...
    def __get__(self, instance: object | None, owner: type) -> "Setting[T] | T":
        return self if instance is None else self.read()

    def read(self) -> T:
        """Return its current value: the project's, or the default."""
        value: T = getattr(settings, self.name, self.default)
        return value


class _SecretURL(str):
    """A URL that is shown without its password."""

    __slots__ = ()

    def __repr__(self) -> str:
        return repr(redacted(str(self)))


class Remembered(Generic[T]):
    """A value that is computed from settings, and again when Django says that one has changed.

    Each setting is read at each access, which takes a microsecond or more. This is for what every
    HTTP request needs. ``override_settings`` works, because it sends ``setting_changed``.

    Args:
        compute: returns the value.
    """

    def __init__(self, compute: Callable[[], T]) -> None:
        self._compute = compute
        self._value: T | None = None
        setting_changed.connect(self._forget)

    def __call__(self) -> T:
        """Return the value."""
        if self._value is None:
            self._value = self._compute()
        return self._value

    def _forget(self, **kwargs: Any) -> None:
        self._value = None


class Conf:
    """The settings of wsrequest as typed attributes, without their prefix."""

    PATH = Setting("/ws/", "The path of the WebSocket.")
    ALLOWED_ORIGINS = Setting[Sequence[str]](
        (), "Origins that may connect besides the server's own, whole: https://example.com."
    )
    ALLOW_MISSING_ORIGIN = Setting(
        True, "Whether a handshake without Origin (no browser sends one) is accepted."
    )
    TOKEN_SCHEME = Setting(
        "JWT", "The scheme of the Authorization header that a message's token becomes."
    )
    FORBIDDEN_HEADERS = Setting[Sequence[str]](
        (),
        "Names of further headers that no message may set: your trusted proxy headers.",
    )
    PER_REQUEST_HEADERS = Setting[Sequence[str]](
        (), "Names of further headers that belong to one request: the handshake's end with it."
    )
    EXCLUDED_PATHS = Setting[Sequence[str]](
        (),
        "Prefixes of paths that no message reaches, such as those that your proxy guards.",
    )
    HTTP = Setting(
        "workers", 'What answers plain HTTP: "workers", the same threads, or "django", its handler.'
    )
    HTTP_DJANGO_PATHS = Setting[Sequence[str]](
        (), "Prefixes of paths whose plain HTTP is always answered by Django's own ASGI handler."
    )
    THREADS = Setting(8, "Threads that run synchronous code concurrently.", minimum=1)
    MAX_THREADS = Setting(
        256,
        "Threads in total, including those that are blocked.",
        minimum=1,
    )
    UVICORN_FAST_PATH = Setting(
        True, "Whether frames and HTTP requests on uvicorn skip the ASGI queue and its tasks."
    )
    MAX_CONNECTIONS = Setting(10_000, "Open sockets of one process.", minimum=1)
    MAX_CONNECTIONS_PER_ADDRESS = Setting(
        1_000, "Open sockets of one process from one address.", minimum=1
    )
    MAX_HANDSHAKES_PER_SECOND = Setting(
        500, "Sockets that one process opens in a second; further ones wait.", minimum=10
    )
    MAX_HANDSHAKES_PER_SECOND_PER_ADDRESS = Setting(
        100, "Sockets of one address that one process opens in a second.", minimum=10
    )
    MAX_MESSAGE_BYTES = Setting(2**20, "Largest frame accepted.", minimum=1024)
    MAX_BODY_BYTES = Setting(
        2**26, "Largest request body, and all unfinished ones of a connection together.", minimum=0
    )
    MAX_PENDING_REQUEST_BYTES = Setting(
        2**29, "Bytes that all unfinished requests of one process hold together.", minimum=4096
    )
    MAX_MESSAGES_PER_SECOND = Setting(
        10_000, "Frames of one connection that are read in a second; more wait.", minimum=1
    )
    MAX_IN_FLIGHT = Setting(64, "Requests of one connection that run at the same time.", minimum=1)
    MAX_WAITING = Setting(
        256, "Requests of one connection that may wait behind those in flight.", minimum=0
    )
    MAX_BUFFERED_RESPONSE_BYTES = Setting(
        2**24,
        "The largest streamed response that is gathered for a client without credit.",
        minimum=0,
    )
    MAX_OUTBOUND_BYTES = Setting(
        2**19,
        "Bytes waiting for one reader from which on nothing more is begun for it.",
        minimum=1024,
    )
    PART_BYTES = Setting(2**17, "Largest body in one frame of an answer in parts.", minimum=1)
    WINDOW_BYTES = Setting(
        2**20, "Body bytes that a client may send ahead of its credit.", minimum=1
    )
    REQUEST_SECONDS = Setting(
        60.0, "Time until an answer must begin, and between the parts of a request.", minimum=0.001
    )
    PING_SECONDS = Setting(
        25.0, "Silence after which a client that negotiated wsrequest.v1 is pinged.", minimum=0.001
    )
    PONG_SECONDS = Setting(
        10.0, "Further silence after which the connection is closed.", minimum=0.001
    )
    FIRST_REQUEST_SECONDS = Setting(
        60.0, "Time for the first frame of a client without the subprotocol.", minimum=0.001
    )
    IDLE_SECONDS = Setting(
        3600.0,
        "Silence after which a client without the subprotocol is disconnected.",
        minimum=0.001,
    )
    SLOW_READER_SECONDS = Setting(
        30.0, "Time that one frame may wait for a client to read it.", minimum=0.001
    )
    SHUTDOWN_SECONDS = Setting(8.0, "Time for what is in flight when the server stops.", minimum=0)
    TICKET_SECONDS = Setting(
        60, "How long a ticket for the cookies of a response is valid.", minimum=1
    )
    CLOSE_ON_LOGOUT = Setting(
        True, "Whether a logout closes the other sockets of its session in this process."
    )
    SESSION_CHECK_SECONDS = Setting(
        1800.0, "How often the session of a logged-in connection is checked.", minimum=0.001
    )

    MAX_SUBSCRIPTIONS = Setting(
        256, "Live requests of one connection; 0 switches live requests off.", minimum=0
    )
    MAX_SUBSCRIBE_BYTES = Setting(
        2**14, "Largest message that subscribes: it is kept as long as it is live.", minimum=1024
    )
    MAX_LIVE_BYTES = Setting(
        2**28, "Bytes that all live requests of one process hold together.", minimum=1024
    )
    MAX_LIVE_BYTES_PER_ADDRESS = Setting(
        2**26, "Bytes of them that the live requests of one address hold.", minimum=1024
    )
    BUS = Setting(
        "memory://", "The URL of what carries commits and logouts from process to process."
    )
    RELAYED_LOG = Setting(
        "", "The URL of the log that one process reads for all: manage.py wsrequest_relay."
    )
    LIVE_MAX_CONCURRENT_RUNS = Setting(4, "The maximum number of concurrent reruns.", minimum=1)
    LIVE_INTERVAL_SECONDS = Setting(
        0.05, "The minimum time between two runs of a live query.", minimum=0
    )
    LIVE_RECHECK_SECONDS = Setting(
        60.0, "Time after which a live query reruns without any write. 0 for never.", minimum=0
    )
    LIVE_SHARE_KEY = Setting[Callable[[Any], Hashable] | str | None](
        None,
        "A callable, or its dotted path, that separates who must not share a public response.",
    )
    LIVE_IGNORED_TABLES = Setting[Sequence[str]](
        (), "Tables whose changes trigger no rerun, such as one written with every request."
    )
    LIVE_IGNORED_CONTENT = Setting[Sequence[str]](
        (), "Regular expressions for parts of a body whose changes do not count."
    )
    LIVE_REWRITER = Setting(
        "", "Dotted path of a function that returns what is compared of a live body."
    )
    LIVE_IGNORED_CACHE_KEYS = Setting[Sequence[str]](
        (), 'Cache keys that no live request depends on, as patterns: "hits:*". Counters, mostly.'
    )
    LIVE_TRIGGERED_TABLES = Setting[Mapping[str, Sequence[str]]](
        {}, "Tables that the database itself writes (triggers, views), by the one whose writes do."
    )

    LIVE_FUNCTIONS = Setting[Mapping[str, Sequence[str]]](
        {}, "Functions of the database that write, with the tables that they write."
    )
    LIVE_REPLICAS = Setting[Mapping[str, Sequence[str]]](
        {}, "Aliases of the databases that are replicas, by that of their primary."
    )
    LIVE_REPLICA_SECONDS = Setting(
        1.0, "Time by which a replica should show what its primary has committed.", minimum=0.001
    )

    MAX_ROOMS = Setting(
        256, "Rooms that one connection may be in; 0 switches events off.", minimum=0
    )
    PUSH_EVENT_BYTES = Setting(2**16, "The most JSON that one event may have.", minimum=64)
    PUSH_HISTORY_EVENTS = Setting(
        100, "Recent events that a process keeps of each room. 0 for none.", minimum=0
    )
    PUSH_HISTORY_SECONDS = Setting(
        300.0, "How long it keeps them, for clients that come back.", minimum=0.001
    )
    PUSH_HISTORY_BYTES = Setting(
        2**24, "Memory of the recent events of all rooms of one process.", minimum=4096
    )

    PUSH_SHARED_HISTORY_BYTES = Setting(
        0,
        "Recent events of all rooms that the bus keeps for all processes, up to 4 MiB. 0 for none.",
        minimum=0,
    )

    PRESENCE_ROOM_MEMBERS = Setting(
        1000, "Members of one room that a process announces. 0 switches presence off.", minimum=0
    )
    PRESENCE_BYTES = Setting(
        2**22, "Memory of the members that a process announces, in each process.", minimum=4096
    )

    METRICS = Setting(False, "Whether the process counts what it does, for Prometheus.")
    ACCESS_LOG = Setting(False, "Whether the logger wsrequest.access gets a line for each message.")

    def limits(self) -> Limits:
        """Return the limits of a connection that is opened now."""
        return Limits(
            message_bytes=self.MAX_MESSAGE_BYTES,
            body_bytes=self.MAX_BODY_BYTES,
            in_flight=self.MAX_IN_FLIGHT,
            waiting=self.MAX_WAITING,
            part_bytes=self.PART_BYTES,
            window_bytes=self.WINDOW_BYTES,
            answer_bytes=self.MAX_BUFFERED_RESPONSE_BYTES,
            outbound_bytes=self.MAX_OUTBOUND_BYTES,
            request_seconds=self.REQUEST_SECONDS,
            ping_seconds=self.PING_SECONDS,
            pong_seconds=self.PONG_SECONDS,
            first_request_seconds=self.FIRST_REQUEST_SECONDS,
            slow_reader_seconds=self.SLOW_READER_SECONDS,
            idle_seconds=self.IDLE_SECONDS,
            session_check_seconds=self.SESSION_CHECK_SECONDS,
            process_bytes=self.MAX_PENDING_REQUEST_BYTES,
            messages_per_second=self.MAX_MESSAGES_PER_SECOND,
            subscriptions=self.MAX_SUBSCRIPTIONS,
            subscribe_bytes=self.MAX_SUBSCRIBE_BYTES,
            live_bytes=self.MAX_LIVE_BYTES,
            live_bytes_per_address=self.MAX_LIVE_BYTES_PER_ADDRESS,
            rooms=min(self.MAX_ROOMS, MAX_JOINS),
        )

    def names(self) -> list[str]:
        """Return the names that begin with WSREQUEST and that the project sets."""
        return [name for name in dir(settings) if name.startswith("WSREQUEST_")]

    def hide_passwords(self) -> None:
        """Have Django's error reports, and whatever else shows settings, not show passwords.

        Django hides settings by words in their names. So the values of those that can have a
        password are replaced by equal texts, which show ``***`` in their ``repr()``.
        """
        for setting in (Conf.BUS, Conf.RELAYED_LOG):
            value: object = setting.read()
            if isinstance(value, str) and redacted(value) != value:
                setattr(settings, setting.name, _SecretURL(value))

    @property
    def bus_secrets(self) -> list[bytes]:
        """The keys that sign what goes over the bus. The first signs, and any is accepted.

        Empty for the bus of one process, which signs nothing: a project without SECRET_KEY can
        still run commands, such as collectstatic in a build.
        """
        if str(self.BUS).startswith("memory:"):
            return []
        keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
        return [key if isinstance(key, bytes) else str(key).encode() for key in keys]

    @property
    def live_share_key(self) -> Callable[[Any], Hashable] | None:
        """The callable of ``LIVE_SHARE_KEY``.

        Raises:
            ImportError: its dotted path cannot be imported.
        """
        share_key = self.LIVE_SHARE_KEY
        return import_string(share_key) if isinstance(share_key, str) else share_key

    # Django's own settings that wsrequest needs.

    def django(self, name: str, default: Any = None) -> Any:
        """Return one of Django's own settings, for the system checks and the commands."""
        return getattr(settings, name, default)

    @property
    def logged_databases(self) -> tuple[str, ...]:
        """The aliases of the databases whose write-ahead logs report what is committed."""
        return logged_aliases(str(self.log_url))

    @property
    def log_url(self) -> str:
        """The URL of the logs that are read: by each process, or by one for all."""
        return self.RELAYED_LOG or self.BUS

    @property
    def shared_history(self) -> Keeping | None:
        """How many events the bus keeps, or None."""
        if not self.PUSH_SHARED_HISTORY_BYTES:
            return None
        max_bytes = min(self.PUSH_SHARED_HISTORY_BYTES, _MAX_SHARED_HISTORY_BYTES)
        return Keeping(max_bytes, _MAX_SHARED_HISTORY_EVENTS, self.PUSH_HISTORY_SECONDS)

    def database(self, alias: str) -> Mapping[str, Any]:
        """Return the entry of DATABASES for an alias.

        Raises:
            KeyError: DATABASES does not have the alias.
        """
        database: Mapping[str, Any] = settings.DATABASES[alias]
        return database

    @property
    def default_host(self) -> str:
        """A host that the project allows, for a request that names none."""
        hosts = [host.lstrip(".") for host in settings.ALLOWED_HOSTS if host != "*"]
        return hosts[0] if hosts else "localhost"

    @property
    def session_cookie_name(self) -> str:
        """The name of the cookie that names a session."""
        return str(settings.SESSION_COOKIE_NAME)

    @property
    def session_engine(self) -> str | None:
        """The dotted path of the session store. None if sessions are not installed."""
        return (
            settings.SESSION_ENGINE
            if "django.contrib.sessions" in settings.INSTALLED_APPS
            else None
        )

    @property
    def hides_csrf_token(self) -> bool:
        """Whether scripts of a page cannot read Django's CSRF token from a cookie."""
        return bool(self.django("CSRF_COOKIE_HTTPONLY") or self.django("CSRF_USE_SESSIONS"))

    @property
    def csrf_cookie(self) -> str | None:
        """The cookie that Django's CSRF middleware reads in each request, or None."""
        has_middleware = "django.middleware.csrf.CsrfViewMiddleware" in settings.MIDDLEWARE
        if not has_middleware or settings.CSRF_USE_SESSIONS:
            return None
        return str(settings.CSRF_COOKIE_NAME)

    def needs_tls(self, path: str) -> bool:
        """Whether Django's SecurityMiddleware would redirect ``path`` to https."""
        if not settings.SECURE_SSL_REDIRECT:
            return False
        relative = path.lstrip("/")
        return not any(re.search(exempt, relative) for exempt in settings.SECURE_REDIRECT_EXEMPT)

    @property
    def file_upload_max_memory_bytes(self) -> int:
        """The size from which a request body is kept in a file, as in Django's ASGI handler."""
        return int(settings.FILE_UPLOAD_MAX_MEMORY_SIZE)

    @property
    def file_upload_directory(self) -> str | None:
        """The directory of such files. None for the system's directory."""
        directory = settings.FILE_UPLOAD_TEMP_DIR
        return None if directory is None else str(directory)

    @property
    def trusted_proxy_headers(self) -> HeaderNames:
        """Names of headers that only this project's proxy may set."""
        names = list(self.FORBIDDEN_HEADERS)
        if self.scheme_header is not None:
            names.append(self.scheme_header)
        return HeaderNames.of(names)

    @property
    def excluded_paths(self) -> ExcludedPaths:
        """Paths that no message reaches."""
        return ExcludedPaths.of(self.EXCLUDED_PATHS)

    @property
    def http_django_paths(self) -> ExcludedPaths:
        """Paths whose plain HTTP the workers leave to Django's own handler."""
        return ExcludedPaths.of(("/",) if self.HTTP == "django" else self.HTTP_DJANGO_PATHS)

    @property
    def scheme_header(self) -> str | None:
        """Lower-case name of the header in which a proxy tells Django the scheme, or None."""
        if not settings.SECURE_PROXY_SSL_HEADER:
            return None
        meta_name = str(settings.SECURE_PROXY_SSL_HEADER[0])
        return meta_name.removeprefix("HTTP_").replace("_", "-").lower()

    @property
    def script_name(self) -> str:
        """The script name that the project sets, without a slash at its end. Empty for none."""
        return str(settings.FORCE_SCRIPT_NAME or "").rstrip("/")

    @property
    def per_request_headers(self) -> HeaderNames:
        """Names of headers that end with their request."""
        return HeaderNames.of((*PER_REQUEST, *self.PER_REQUEST_HEADERS))


conf = Conf()
