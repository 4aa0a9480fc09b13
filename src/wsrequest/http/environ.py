"""The base environ: what the handshake said, for every request of the connection.

Owns the translation of an ASGI WebSocket scope to a WSGI environ. Whether the
handshake is acceptable is ``handshake``'s to say.
"""

import io
import sys
from collections.abc import Container
from functools import lru_cache
from typing import Any, Literal

from django.core.handlers.wsgi import get_script_name

__all__ = ["Base", "make_base"]

Environ = dict[str, Any]

# Of this hop only (RFC 9110 7.6.1, RFC 6455 4.1), or about a body that the handshake has not.
# Accept-Encoding, since a message's body is not coded: the WebSocket compresses by itself.
_LEFT_OUT = frozenset(
    "connection upgrade keep-alive te trailer transfer-encoding content-length content-type "
    "accept-encoding cookie origin".split()
)

# Where a proxy tells the scheme that a client used. Traefik says wss of a handshake where it says
# https of a request.
_SCHEME_HEADERS = frozenset(
    "x-forwarded-proto x-forwarded-protocol x-forwarded-scheme x-scheme x-url-scheme".split()
)
_SCHEMES_OF_HTTP = {"ws": "http", "wss": "https"}

# A browser behind a proxy sends some 25 headers; the longest registered name has 44 characters.
_SHORT_CHARACTERS = 64
_USUAL_NAMES = 48
_USUAL_CHARACTERS = 1024  # of all names of a handshake together

_NO_BODY = io.BytesIO()  # of the handshake; each request has its own


class Base:
    """One connection's share of every request.

    Attributes:
        environ: the WSGI environ that each request gets a copy of.
        header_names: lower-case names of the headers that the handshake had, but for those that
            ended with it.
        origin: its Origin header, None without.
        cookie: its Cookie header, "" without.
        path: of the handshake.
        is_same_origin: whether ``origin`` is the server's own; set by ``handshake``.
        is_same_site: whether a browser sends cookies of the server from a page of ``origin``.
        is_secure: whether it came by TLS, as Django sees it.
        browser: digests of the cookies that tie tickets to one browser; set by ``browsers``.
        tickets: whether the connection can have tickets; "bind": once the browser has fetched
            its cookie by HTTP.
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
        scope: of type "websocket"; ``scheme``, ``client``, ``server`` and
            ``root_path`` may be missing, as daphne leaves them out. Or of type "http": the request
            for a stream of events.
        per_request: lower-case names of the headers that end with a handshake.
        scheme_header: lower-case name of the header by which Django is told the scheme.

    Source: ASGI specification, WebSocket connection scope; PEP 3333.
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
    found: dict[str, str] = {}
    is_handshake = scope.get("type") != "http"
    for raw_name, raw_value in scope.get("headers", ()):
        name, value = raw_name.decode("latin1").lower(), raw_value.decode("latin1")
        if is_handshake and name in per_request:
            continue
        joint = "; " if name == "cookie" else ","
        found[name] = found[name] + joint + value if name in found else value
    for name, value in found.items():
        # An underscore would pass for a hyphen in META (CVE-2026-3902).
        if name not in _LEFT_OUT and not name.startswith("sec-websocket-") and "_" not in name:
            if name in _SCHEME_HEADERS or name == scheme_header:
                value = _as_http(value)
            short = len(name) <= _SHORT_CHARACTERS
            environ[_meta_key(name) if short else _make_meta_key(name)] = value
    environ["SCRIPT_NAME"] = get_script_name(environ).rstrip("/").encode().decode("latin1")
    _as_fetch(environ, is_browser="origin" in found)
    origin, cookie = found.get("origin"), found.get("cookie", "")
    is_usual = len(found) <= _USUAL_NAMES and sum(map(len, found)) <= _USUAL_CHARACTERS
    names = _names(tuple(found)) if is_usual else frozenset(found)
    return Base(environ, names, origin, cookie, str(scope.get("path", "/")))


def _make_meta_key(name: str) -> str:
    return "HTTP_" + name.upper().replace("-", "_")


# Clients of one kind send the same names, so what follows from them is kept once for all of them.
# This happens before the Origin check, so a stranger chooses the names. A cache bounds how many it
# holds, not how long they are. The lengths are checked first, and together both caches stay
# below 1 MiB.
_meta_key = lru_cache(maxsize=512)(_make_meta_key)


@lru_cache(maxsize=128)
def _names(names: tuple[str, ...]) -> frozenset[str]:
    return frozenset(names)


def _as_http(schemes: str) -> str:
    """A list of schemes, one for each proxy, as it is for a request."""
    return ",".join(
        _SCHEMES_OF_HTTP.get(scheme.strip().lower(), scheme) for scheme in schemes.split(",")
    )


def _as_fetch(environ: Environ, *, is_browser: bool) -> None:
    """A handshake calls itself a WebSocket; its messages are what ``fetch`` sends."""
    if is_browser:  # browsers put both into every handshake, and into no fetch by themselves
        environ.pop("HTTP_PRAGMA", None)
        environ.pop("HTTP_CACHE_CONTROL", None)
        environ.setdefault("HTTP_ACCEPT", "*/*")  # fetch sends it, a handshake has none
    if "HTTP_SEC_FETCH_MODE" in environ:
        environ["HTTP_SEC_FETCH_MODE"] = "cors"
        environ["HTTP_SEC_FETCH_DEST"] = "empty"
