"""Build the WSGI environ of an HTTP request from its ASGI scope."""

import io
import sys
from functools import lru_cache
from typing import IO, Any
from urllib.parse import quote, unquote_to_bytes

from django.core.handlers.wsgi import get_script_name

from wsrequest.request.environ import below
from wsrequest.types import Scope

__all__ = ["make_environ", "path_info"]

# As in ``request.environ``: any client chooses the names, so the cache limits their lengths, too.
_SHORT_BYTES = 64

_WITHOUT_PREFIX = ("CONTENT_TYPE", "CONTENT_LENGTH")


def make_environ(scope: Scope, body: IO[bytes] | None, body_bytes: int) -> dict[str, Any]:
    """Build the environ that a WSGI server would build for the same request.

    Args:
        scope: of type "http". ``client``, ``server``, ``scheme``, ``root_path`` and ``raw_path``
            may be missing.
        body: the whole body, or None if it is empty.
        body_bytes: its length, whatever Content-Length says. A body in chunks has no such header,
            and Django reads no further than this.

    Source: PEP 3333. ASGI specification, HTTP connection scope. RAW_URI as in gunicorn, REQUEST_URI
        as in uWSGI and Apache.
    """
    scheme = scope.get("scheme") or "http"
    query = scope.get("query_string", b"")
    if isinstance(query, bytes):  # Django takes a str, too
        query = query.decode("latin1")
    server = scope.get("server") or ("unknown", "0")
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "QUERY_STRING": query,
        "SERVER_NAME": str(server[0]),
        # A Unix socket has no port.
        "SERVER_PORT": str(server[1] or (443 if scheme == "https" else 80)),
        "SERVER_PROTOCOL": f"HTTP/{scope.get('http_version', '1.1')}",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scheme,
        "wsgi.input": io.BytesIO() if body is None else body,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
    }
    if client := scope.get("client"):
        environ["REMOTE_ADDR"] = environ["REMOTE_HOST"] = str(client[0])
        environ["REMOTE_PORT"] = str(client[1])
    for name, value in scope["headers"]:
        key = _meta_key(name) if len(name) <= _SHORT_BYTES else _make_meta_key(name)
        if key is None:
            continue
        text = value.decode("latin1")
        if key in environ:
            joint = "; " if key == "HTTP_COOKIE" else ","
            text = f"{environ[key]}{joint}{text}"
        environ[key] = text
    if body_bytes or "CONTENT_LENGTH" in environ:
        environ["CONTENT_LENGTH"] = str(body_bytes)
    environ["SCRIPT_NAME"] = script_name = _script_name(scope)
    raw_path, path = _paths(scope)
    environ["PATH_INFO"] = below(path, script_name)
    environ["RAW_URI"] = environ["REQUEST_URI"] = f"{raw_path}?{query}" if query else raw_path
    return environ


def path_info(scope: Scope) -> str:
    """Return the PATH_INFO of a request (PEP 3333)."""
    return below(_paths(scope)[1], _script_name(scope))


def _script_name(scope: Scope) -> str:
    root_path = str(scope.get("root_path") or "")
    environ = {"SCRIPT_NAME": root_path.encode().decode("latin1")}
    return get_script_name(environ).rstrip("/").encode().decode("latin1")


def _paths(scope: Scope) -> tuple[str, str]:
    """Return the path as it was sent, and its bytes without percent-encoding, both as Latin-1."""
    path, raw_path = str(scope["path"]), scope.get("raw_path")
    encoded = path.encode()
    if raw_path is None:  # daphne
        return quote(path), encoded.decode("latin1")
    if raw_path == encoded:  # nothing is encoded
        return encoded.decode("latin1"), encoded.decode("latin1")
    raw_path = raw_path.partition(b"?")[0]
    sent = unquote_to_bytes(raw_path)
    # The path alone cannot show bytes that are not UTF-8. But an application around this one may
    # have changed it, and then the raw path is that of another resource.
    if sent != encoded and sent.decode("utf-8", "replace") != path:
        return quote(path), encoded.decode("latin1")
    return raw_path.decode("latin1"), sent.decode("latin1")


def _make_meta_key(name: bytes) -> str | None:
    """Return the key of a header in META. None for one that would look like another's."""
    if b"_" in name:  # CVE-2026-3902
        return None
    # Upper case of ASCII only: str.upper() would make X-SSL of a name with a sharp s.
    key = name.upper().decode("latin1").replace("-", "_")
    return key if key in _WITHOUT_PREFIX else "HTTP_" + key


_meta_key = lru_cache(maxsize=512)(_make_meta_key)
