"""Build the WSGI environ of a request from its message and the handshake of its connection."""

import io
import sys
from collections.abc import Container, Mapping
from functools import lru_cache
from typing import IO, Any, Literal
from urllib.parse import unquote_to_bytes
from uuid import UUID

from django.core.handlers.wsgi import get_script_name

from wsrequest.errors import Refused
from wsrequest.protocol.messages import Request
from wsrequest.push.events import Join, join_of
from wsrequest.request.upload import Body

__all__ = [
    "Base",
    "LiveWebSocketInfo",
    "WebSocketInfo",
    "below",
    "make_base",
    "make_environ",
    "path_info_of",
    "request_attributes",
    "split_url",
]

Environ = dict[str, Any]

# Headers of this hop only (RFC 9110 7.6.1, RFC 6455 4.1), or about a body, which the handshake does
# not have. Accept-Encoding, because the WebSocket itself compresses the bodies of messages.
_LEFT_OUT = frozenset(
    "connection upgrade keep-alive te trailer transfer-encoding content-length content-type "
    "accept-encoding cookie origin".split()
)

# Headers in which a proxy states the client's scheme. For a handshake, Traefik writes wss where it
# writes https for a request.
_SCHEME_HEADERS = frozenset(
    "x-forwarded-proto x-forwarded-protocol x-forwarded-scheme x-scheme x-url-scheme".split()
)
_SCHEMES_OF_HTTP = {"ws": "http", "wss": "https"}

# A browser behind a proxy sends about 25 headers. The longest registered name has 44 characters.
_SHORT_CHARACTERS = 64
_USUAL_NAMES = 48
_USUAL_CHARACTERS = 1024  # of all header names of a handshake together

_NO_BODY = io.BytesIO()  # of the handshake. Each request has its own.


class Base:
    """What every request of one connection takes from its handshake.

    Attributes:
        environ: the WSGI environ that each request gets a copy of.
        header_names: lower-case names of the headers of the handshake, without those that ended
            with it.
        origin: its Origin header, or None.
        cookie: its Cookie header, or "".
        path: that of the handshake.
        is_same_origin: whether ``origin`` is the server's own. ``check_handshake`` sets it.
        is_same_site: whether a browser sends the server's cookies from a page of ``origin``.
        is_secure: whether it came over TLS, as Django sees it.
        browser: digests of the cookies that bind tickets to one browser. ``recognize`` sets it.
        tickets: whether the connection can have tickets. With "bind", it can once the browser has
            fetched its cookie over HTTP.
    """

    __slots__ = (
        "browser",
        "cookie",
        "environ",
        "header_names",
        "is_same_origin",
        "is_same_site",
        "is_secure",
        "origin",
        "path",
        "tickets",
    )

    def __init__(
        self, environ: Environ, header_names: frozenset[str], origin: str | None, cookie: str,
        path: str = "/",
    ) -> None:  # fmt: skip
        self.environ, self.header_names, self.origin, self.cookie = (
            environ,
            header_names,
            origin,
            cookie,
        )
        self.path = path
        self.is_same_origin = self.is_same_site = self.is_secure = False
        self.browser: tuple[str, ...] = ()
        self.tickets: Literal["yes", "bind", "no"] = "yes"


def make_base(
    scope: dict[str, Any], per_request: Container[str] = (), scheme_header: str | None = None
) -> Base:
    """Translate the scope of a WebSocket handshake.

    Args:
        scope: of type "websocket". ``scheme``, ``client``, ``server`` and ``root_path`` may be
            missing, because daphne leaves them out. Or of type "http", for an SSE response.
        per_request: lower-case names of the headers that end with a handshake.
        scheme_header: lower-case name of the header from which Django takes the scheme.

    Source: ASGI specification, WebSocket connection scope. PEP 3333.
    """
    client, server = scope.get("client"), scope.get("server") or ("unknown", "0")
    is_secure = scope.get("scheme") in ("wss", "https")
    environ: Environ = {
        "SCRIPT_NAME": (scope.get("root_path") or "").encode().decode("latin1"),
        "SERVER_NAME": str(server[0]),
        # A Unix socket has no port.
        "SERVER_PORT": str(server[1] or (443 if is_secure else 80)),
        "SERVER_PROTOCOL": "HTTP/1.1",
        "wsgi.input": _NO_BODY,
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": "https" if is_secure else "http",
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if client:
        environ["REMOTE_ADDR"] = environ["REMOTE_HOST"] = str(client[0])
        environ["REMOTE_PORT"] = str(client[1])
    headers: dict[str, str] = {}
    is_handshake = scope.get("type") != "http"
    for raw_name, raw_value in scope.get("headers", ()):
        name, value = raw_name.decode("latin1").lower(), raw_value.decode("latin1")
        if is_handshake and name in per_request:
            continue
        joint = "; " if name == "cookie" else ","
        headers[name] = headers[name] + joint + value if name in headers else value
    for name, value in headers.items():
        # In META, an underscore would look like a hyphen (CVE-2026-3902).
        if name not in _LEFT_OUT and not name.startswith("sec-websocket-") and "_" not in name:
            if name in _SCHEME_HEADERS or name == scheme_header:
                value = _as_http(value)
            short = len(name) <= _SHORT_CHARACTERS
            environ[_meta_key(name) if short else _make_meta_key(name)] = value
    environ["SCRIPT_NAME"] = get_script_name(environ).rstrip("/").encode().decode("latin1")
    _as_fetch(environ, is_browser="origin" in headers)
    origin, cookie = headers.get("origin"), headers.get("cookie", "")
    is_usual = len(headers) <= _USUAL_NAMES and sum(map(len, headers)) <= _USUAL_CHARACTERS
    names = _names(tuple(headers)) if is_usual else frozenset(headers)
    return Base(environ, names, origin, cookie, str(scope.get("path", "/")))


def _make_meta_key(name: str) -> str:
    # Upper case of ASCII only: str.upper() would make X-SSL of a name with a sharp s.
    return "HTTP_" + name.encode("latin1").upper().decode("latin1").replace("-", "_")


# Clients of one kind send the same names, so what follows from them is cached for all of them. This
# happens before the Origin check, so any stranger can choose the names. A cache limits their number
# but not their length. So lengths are checked first, and both caches together stay below 1 MiB.
_meta_key = lru_cache(maxsize=512)(_make_meta_key)


@lru_cache(maxsize=128)
def _names(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(names)


def _as_http(schemes: str) -> str:
    """Return a list of schemes, one for each proxy, in the form that a request has."""
    return ",".join(
        _SCHEMES_OF_HTTP.get(scheme.strip().lower(), scheme) for scheme in schemes.split(",")
    )


def _as_fetch(environ: Environ, *, is_browser: bool) -> None:
    """Turn the environ of a WebSocket handshake into that of the requests that ``fetch`` sends."""
    if is_browser:  # browsers add both to every handshake, and to no fetch unless asked
        environ.pop("HTTP_PRAGMA", None)
        environ.pop("HTTP_CACHE_CONTROL", None)
        environ.setdefault("HTTP_ACCEPT", "*/*")  # sent by fetch, and not with a handshake
    if "HTTP_SEC_FETCH_MODE" in environ:
        environ["HTTP_SEC_FETCH_MODE"] = "cors"
        environ["HTTP_SEC_FETCH_DEST"] = "empty"


class WebSocketInfo:
    """The value of ``request.websocket``: the connection that a request came through.

    Attributes:
        connection_id: unique among the connections of all processes.
        subprotocol: "wsrequest.v1", or None if the client offered none.
        is_live: whether the client has subscribed, so that the response is sent again when it
            changes (docs/live.md).
        is_rerun: whether this is a rerun of a live request, which no client has sent.
        is_resumed: whether the client resumes a live request, for example after a lost connection.
            It has proven that the request was answered before.
    """

    __slots__ = ("connection_id", "is_live", "is_rerun", "is_resumed", "subprotocol")

    def __init__(
        self,
        connection_id: str,
        subprotocol: str | None,
        *,
        is_live: bool = False,
        is_rerun: bool = False,
        is_resumed: bool = False,
    ) -> None:
        self.connection_id, self.subprotocol = connection_id, subprotocol
        self.is_live, self.is_rerun, self.is_resumed = is_live, is_rerun, is_resumed

    def join(
        self,
        room: str,
        *,
        member: str | int | UUID | None = None,
        info: Mapping[str, Any] | None = None,
    ) -> None:
        """Put the client into a room, from the end of this run to that of the next.

        The client gets the events of the room if it has asked for events. Call it in the view of a
        live GET, each time the view runs: each run decides again.

        Args:
            room: the name of the room, of 1 to 255 characters.
            member: who is there, for those who ask who is in the room: at most 255 characters. The
                same on all connections of one person.
            info: what others may know about the member: at most 1,024 bytes of JSON.

        Raises:
            RuntimeError: the request is not live.
            TypeError: an argument has the wrong type.
            ValueError: an argument is not valid.
        """
        raise RuntimeError(
            "only the view of a live GET joins rooms: ask for it by client.room(url), and test "
            "request.websocket.is_live before"
        )

    def of_live(self, *, is_rerun: bool = False, is_resumed: bool = False) -> "LiveWebSocketInfo":
        """Return the same connection as a run of a live request sees it."""
        return LiveWebSocketInfo(
            self.connection_id,
            self.subprotocol,
            is_live=True,
            is_rerun=is_rerun,
            is_resumed=is_resumed,
        )


class LiveWebSocketInfo(WebSocketInfo):
    """The value of ``request.websocket`` in a run of a live request.

    Attributes:
        is_personal: whether the run read a value that differs between connections. Its response
            is then for this connection only.
        joins: the rooms that the view has joined. Past ``MAX_JOINS``, only one more counts.
    """

    __slots__ = ("is_personal", "joins")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_personal = False
        self.joins: dict[str, Join] = {}

    def join(
        self,
        room: str,
        *,
        member: str | int | UUID | None = None,
        info: Mapping[str, Any] | None = None,
    ) -> None:
        """See ``WebSocketInfo.join``. A second call for one room replaces the first."""
        join = join_of(room, member, info)
        if len(self.joins) <= MAX_JOINS:  # with one more, the live request is refused
            self.joins[join.room] = join

    def __getattribute__(self, name: str) -> Any:
        if name in _PERSONAL:
            self.is_personal = True
        return super().__getattribute__(name)


MAX_JOINS = 10_000
_PERSONAL = frozenset(("connection_id", "is_resumed", "subprotocol"))


def split_url(url: str) -> tuple[str, str]:
    """Return the path and the query of a message's url, both still percent-encoded."""
    path, _, query = url.partition("?")
    return path, query


def make_environ(
    message: Request,
    base: Base,
    *,
    cookie: str,
    token_scheme: str,
    upload: Body | None = None,
) -> dict[str, Any]:
    """Build the environ that a WSGI server would build for the same request over HTTP.

    Args:
        message: checked by ``protocol``, with headers that passed ``check_overrides``.
        base: of its connection.
        cookie: the Cookie header, or "".
        token_scheme: the word before the token in Authorization.
        upload: the body if it came in parts. Otherwise the body is in the message.

    Raises:
        Refused: ``bad_header``. The message has both a token and an Authorization header.

    Source: PEP 3333. RAW_URI as in gunicorn, and REQUEST_URI as in uWSGI and Apache, from which
        monitoring tools read the request target.
    """
    path, _, query = message.url.partition("?")
    if message.query:
        query = f"{query}&{message.query}" if query else message.query
    environ = base.environ.copy()
    is_plain = "%" not in path and not environ["SCRIPT_NAME"]
    environ["PATH_INFO"] = path if is_plain else path_info_of(path, environ["SCRIPT_NAME"])
    target = f"{path}?{query}" if message.query else message.url
    if not target.isascii():
        query, target = _latin(query), _latin(target)
    environ["QUERY_STRING"] = query
    environ["RAW_URI"] = environ["REQUEST_URI"] = target
    environ["REQUEST_METHOD"] = message.method
    if cookie:
        environ["HTTP_COOKIE"] = cookie
    if base.origin is not None and not (base.is_same_origin and message.method in ("GET", "HEAD")):
        # fetch sends Origin with every request but a same-origin GET or HEAD
        # (Fetch standard, "append a request `Origin` header").
        environ["HTTP_ORIGIN"] = base.origin
    if message.headers or message.token is not None:
        _set_headers(environ, message, token_scheme)
    if message.referrer is not None:
        environ["HTTP_REFERER"] = message.referrer
    if upload is not None:
        _set_body(environ, message, upload.open(), upload.size)
    elif message.body is not None:
        _set_body(environ, message, io.BytesIO(message.body), len(message.body))
    else:
        environ["wsgi.input"] = io.BytesIO()
        if message.method in ("POST", "PUT"):
            environ["CONTENT_LENGTH"] = "0"  # Fetch standard, HTTP-network-or-cache fetch
    return environ


def request_attributes(base: Base, websocket: WebSocketInfo) -> dict[str, object]:
    """Return the attributes that each request of a connection has besides Django's own.

    Args:
        base: of the connection.
        websocket: the value of ``request.websocket``.
    """
    attributes: dict[str, object] = {"websocket": websocket}
    if base.origin is not None:
        # The Origin of the handshake was checked, which proves more than the token. The flag is
        # Django's own, and DRF and django-ninja respect it. Without Origin, Django's check applies.
        attributes["_dont_enforce_csrf_checks"] = True
    return attributes


def path_info_of(path: str, script_name: str) -> str:
    """Return PATH_INFO (PEP 3333) for a path that is still percent-encoded."""
    return below(unquote_to_bytes(path).decode("latin1") if "%" in path else path, script_name)


def below(path: str, script_name: str) -> str:
    """Return a path without the script name that it begins with. Some servers leave that in it."""
    is_below = script_name and f"{path}/".startswith(f"{script_name}/")
    return path[len(script_name) :] if is_below else path


def _latin(text: str) -> str:
    """Return a text as a WSGI server has it, with its UTF-8 read as Latin-1."""
    return text.encode().decode("latin1")


def _set_headers(environ: dict[str, Any], message: Request, token_scheme: str) -> None:
    for name, value in message.headers.items():
        key = name.upper().replace("-", "_")
        environ[key if key == "CONTENT_TYPE" else "HTTP_" + key] = value
    if message.token is not None:
        if any(name.lower() == "authorization" for name in message.headers):
            raise Refused(
                "bad_header", "give a token or an Authorization header, not both", message.id
            )
        environ["HTTP_AUTHORIZATION"] = f"{token_scheme} {message.token}"


def _set_body(environ: dict[str, Any], message: Request, body: IO[bytes], body_bytes: int) -> None:
    if message.content_type is not None:
        environ.setdefault("CONTENT_TYPE", message.content_type)
    environ["wsgi.input"] = body
    environ["CONTENT_LENGTH"] = str(body_bytes)
