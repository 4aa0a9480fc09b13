"""Every setting, each read from django.conf.settings at each access.

The only module that reads Django's settings. ``SETTINGS`` is the table that the
system checks, the documentation and their tests walk. Parts below this layer
get values, never this module.
"""

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from typing import Any, Generic, TypeVar, overload

from django.conf import settings
from django.utils.module_loading import import_string

from wsrequest.protocol.headers import PER_REQUEST, HeaderNames
from wsrequest.request.exclusions import ExcludedPaths
from wsrequest.types import Limits

__all__ = ["RENAMED", "SETTINGS", "Setting", "conf"]

T = TypeVar("T")

SETTINGS: dict[str, "Setting[Any]"] = {}

RENAMED = {
    "WSREQUEST_ALLOW_NO_ORIGIN": "WSREQUEST_ALLOW_MISSING_ORIGIN",
    "WSREQUEST_DIRECT_LINE": "WSREQUEST_UVICORN_FAST_PATH",
    "WSREQUEST_LIVE_RUNS": "WSREQUEST_LIVE_MAX_CONCURRENT_RUNS",
    "WSREQUEST_LIVE_WRITTEN_BY": "WSREQUEST_LIVE_TRIGGERED_TABLES",
    "WSREQUEST_MAX_ANSWER_BYTES": "WSREQUEST_MAX_BUFFERED_RESPONSE_BYTES",
    "WSREQUEST_MAX_UNFINISHED_BYTES": "WSREQUEST_MAX_PENDING_REQUEST_BYTES",
}
"""Earlier names, which are not read any more: check W001 names the new one."""


class Setting(Generic[T]):
    """One setting, read at each access so that ``override_settings`` works.

    Args:
        default: its value when the project sets none; its type is the setting's.
        help: a sentence for the documentation; the unit is in the setting's name.
        minimum: the least number that makes sense, None for what is no number.
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
        """Its value now: the project's, else the default."""
        value: T = getattr(settings, self.name, self.default)
        return value


class Conf:
    """The settings of wsrequest as typed attributes, without their prefix."""

    PATH = Setting("/ws/", "Path of the socket, beside the project's HTTP.")
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
        "Names of further headers that no message may set: those that your proxy vouches by.",
    )
    PER_REQUEST_HEADERS = Setting[Sequence[str]](
        (), "Names of further headers that belong to one request: the handshake's end with it."
    )
    EXCLUDED_PATHS = Setting[Sequence[str]](
        (),
        "Beginnings of paths that no message reaches: those that your proxy guards.",
    )
    THREADS = Setting(8, "Threads that run synchronous code at the same time.", minimum=1)
    MAX_THREADS = Setting(
        256,
        "Threads in all, with those that wait for an async view, a slow reader or a lost view.",
        minimum=1,
    )
    UVICORN_FAST_PATH = Setting(
        True, "Whether frames take the short way between uvicorn's socket and a connection."
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
        2**24, "Largest streamed answer that is gathered for a client without credit.", minimum=0
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
        25.0, "Silence of a greeted client after which it is pinged.", minimum=0.001
    )
    PONG_SECONDS = Setting(
        10.0, "Further silence after which the connection is closed.", minimum=0.001
    )
    FIRST_REQUEST_SECONDS = Setting(
        60.0, "Time for the first frame of a client that is not greeted.", minimum=0.001
    )
    IDLE_SECONDS = Setting(
        3600.0, "Silence after which a client that is not greeted is closed.", minimum=0.001
    )
    SLOW_READER_SECONDS = Setting(
        30.0, "Time that one frame may wait for a client to read it.", minimum=0.001
    )
    SHUTDOWN_SECONDS = Setting(
        8.0, "Time for what is in flight when the server is told to stop.", minimum=0
    )
    TICKET_SECONDS = Setting(
        60, "Life of a ticket that makes cookies of the socket the browser's.", minimum=1
    )
    CLOSE_ON_LOGOUT = Setting(
        True, "Whether a logout closes the other sockets of its session in this process."
    )
    SESSION_CHECK_SECONDS = Setting(
        1800.0, "Time after which it is looked whether a user's session still holds.", minimum=0.001
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
    LIVE_MAX_CONCURRENT_RUNS = Setting(
        4, "Views that are run again for live requests at the same time.", minimum=1
    )
    LIVE_INTERVAL_SECONDS = Setting(
        0.05, "Least time between two runs for the same subscribers.", minimum=0
    )
    LIVE_RECHECK_SECONDS = Setting(
        60.0, "Time after which a live view runs again whatever is written; 0 for never.", minimum=0
    )
    LIVE_SHARE_KEY = Setting[Callable[[Any], Hashable] | str | None](
        None,
        "A callable, or its dotted path, that tells apart who may not share a public live answer.",
    )
    LIVE_IGNORED_TABLES = Setting[Sequence[str]](
        (), "Tables whose changes wake no live request: those written with every request, say."
    )
    LIVE_IGNORED_CONTENT = Setting[Sequence[str]](
        (), "Regular expressions: what they match in the body of a live answer is no change."
    )
    LIVE_REWRITER = Setting(
        "", "Dotted path of a function that returns what of a live answer's body is compared."
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

    def limits(self) -> Limits:
        """The limits of a connection that is opened now."""
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
        )

    def names(self) -> list[str]:
        """The names that begin like a setting of wsrequest and that the project sets."""
        return [name for name in dir(settings) if name.startswith("WSREQUEST_")]

    @property
    def live_share_key(self) -> Callable[[Any], Hashable] | None:
        """The callable of ``LIVE_SHARE_KEY``.

        Raises:
            ImportError: its dotted path leads to nothing.
        """
        found = self.LIVE_SHARE_KEY
        return import_string(found) if isinstance(found, str) else found

    # Django's own settings that parts of wsrequest need.

    def django(self, name: str, default: Any = None) -> Any:
        """One of Django's own settings, for the system checks and the commands."""
        return getattr(settings, name, default)

    @property
    def default_host(self) -> str:
        """A host that the project answers to, for a request that names none."""
        hosts = [host.lstrip(".") for host in settings.ALLOWED_HOSTS if host != "*"]
        return hosts[0] if hosts else "localhost"

    @property
    def session_cookie_name(self) -> str:
        """The name of the cookie that names a session."""
        return str(settings.SESSION_COOKIE_NAME)

    @property
    def session_engine(self) -> str | None:
        """The dotted path of the session store, None when sessions are not installed."""
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
        """The cookie that Django's CSRF middleware reads in each request; None without such."""
        has_middleware = "django.middleware.csrf.CsrfViewMiddleware" in settings.MIDDLEWARE
        if not has_middleware or settings.CSRF_USE_SESSIONS:
            return None
        return str(settings.CSRF_COOKIE_NAME)

    def needs_tls(self, path: str) -> bool:
        """Whether ``path`` would be redirected to https by Django's SecurityMiddleware."""
        if not settings.SECURE_SSL_REDIRECT:
            return False
        relative = path.lstrip("/")
        return not any(re.search(exempt, relative) for exempt in settings.SECURE_REDIRECT_EXEMPT)

    @property
    def file_upload_max_memory_bytes(self) -> int:
        """From this size on a request body is kept in a file, as by Django's ASGI handler."""
        return int(settings.FILE_UPLOAD_MAX_MEMORY_SIZE)

    @property
    def file_upload_directory(self) -> str | None:
        """Where such files are made; None for the system's directory."""
        directory = settings.FILE_UPLOAD_TEMP_DIR
        return None if directory is None else str(directory)

    @property
    def vouching_headers(self) -> HeaderNames:
        """Names of headers that only this project's proxy is trusted to set."""
        names = list(self.FORBIDDEN_HEADERS)
        if self.scheme_header is not None:
            names.append(self.scheme_header)
        return HeaderNames.of(names)

    @property
    def excluded_paths(self) -> ExcludedPaths:
        """Paths that no message reaches."""
        return ExcludedPaths.of(self.EXCLUDED_PATHS)

    @property
    def scheme_header(self) -> str | None:
        """Lower-case name of the header by which a proxy tells Django of TLS; None without."""
        if not settings.SECURE_PROXY_SSL_HEADER:
            return None
        meta_name = str(settings.SECURE_PROXY_SSL_HEADER[0])
        return meta_name.removeprefix("HTTP_").replace("_", "-").lower()

    @property
    def script_name(self) -> str:
        """The script name that the project forces, without a slash at its end; "" for none."""
        return str(settings.FORCE_SCRIPT_NAME or "").rstrip("/")

    @property
    def per_request_headers(self) -> HeaderNames:
        """Names of headers that end with the request that has them."""
        return HeaderNames.of((*PER_REQUEST, *self.PER_REQUEST_HEADERS))


conf = Conf()
