"""Where the socket differs from HTTP; docs/parity.md gives the reason of each.

A difference has a name, and the fields that it touches as ``fnmatch`` writes them. A general one
holds for every row; a row names the others that it shows. The reference is Django's WSGI handler
under gunicorn; the second table is what is added where the reference is its ASGI handler. The third
is for HTTP by the worker threads in place of the socket.
"""

from collections.abc import Iterable
from fnmatch import fnmatchcase

from tests.parity.rows import Row

__all__ = ["ASGI", "GENERAL", "HTTP", "WORKERS", "Table", "allowed", "is_among", "named"]

Table = dict[str, tuple[str, ...]]

REFUSED = ("status", "failed", "body", "header *", "logs", "middleware", "signals", "seen")
HTTP: Table = {
    # General.
    "reason": ("reason",),
    "server-headers": (
        "header connection",
        "header date",
        "header server",
        "header transfer-encoding",
    ),
    "server-keys": (
        "META REQUEST_URI",
        "META SERVER_SOFTWARE",
        "META gunicorn.socket",
        "META wsgi.early_hints",
        "META wsgi.file_wrapper",
        "META wsgi.input_terminated",
    ),
    "remote-host": ("META REMOTE_HOST",),
    "wsgi-objects": ("META wsgi.errors", "META wsgi.input", "META wsgi.multiprocess"),
    "request-websocket": ("request.attributes",),
    # Of what the client sends.
    "connection": ("META HTTP_CONNECTION", "request header Connection"),
    "accept-encoding": (
        "META HTTP_ACCEPT_ENCODING",
        "request header Accept-Encoding",
        "body",
        "header content-encoding",
        "header content-length",
        "header etag",
    ),
    "referer": ("META HTTP_REFERER", "request header Referer"),
    "urls": REFUSED,
    "methods": REFUSED,
    "header-names": REFUSED,
    "host": (*REFUSED, "traceback"),
    "csrf": (
        "request.csrf_exempt",
        "status",
        "body",
        "header content-*",
        "header vary",
        "logs",
        "middleware",
        "signals",
    ),
    # Of what it gets.
    "tickets": ("header set-cookie", "ticket", "queries", "signals"),
    "head-of-a-stream": ("view",),
    "broken-stream": ("status", "failed", "body", "header *", "logs"),
    "left-behind": ("request.language", "request.context"),
    "debug-page": ("body", "header content-length", "header etag"),
    "async-frames": ("traceback",),
}
GENERAL = frozenset(
    (
        "reason",
        "server-headers",
        "server-keys",
        "remote-host",
        "wsgi-objects",
        "request-websocket",
    )
)

ASGI: Table = {
    "request-class": ("request.class", "request.repr", "request.session"),
    "wsgi-keys": (
        "META SERVER_PROTOCOL",
        "META wsgi.run_once",
        "META wsgi.url_scheme",
        "META wsgi.version",
    ),
    "remote-port": ("META REMOTE_PORT",),
    "raw-uri": ("META RAW_URI",),
    "sender": ("request.started",),
    "broken-paths": (
        "META PATH_INFO",
        "middleware",
        "request.full_path",
        "request.match",
        "request.path",
        "request.path_info",
        "request.uri",
    ),
    "cookies-outside-of-ascii": ("request.COOKIES",),
    "query-in-a-charset": ("request.GET",),
    "length-of-204": ("header content-length",),
    "frames": ("traceback",),
}
ASGI_GENERAL = frozenset(("request-class", "wsgi-keys", "remote-port", "raw-uri", "sender"))

WORKERS: Table = {
    # General.
    "server-headers": HTTP["server-headers"],
    "server-keys": HTTP["server-keys"],
    "remote-host": HTTP["remote-host"],
    "wsgi-objects": HTTP["wsgi-objects"],
    "request-scope": ("request.attributes",),
    # The same as by the socket.
    "head-of-a-stream": HTTP["head-of-a-stream"],
    "broken-stream": (*HTTP["broken-stream"], "reason"),
    "left-behind": HTTP["left-behind"],
    "debug-page": HTTP["debug-page"],
    "async-frames": HTTP["async-frames"],
    # Others.
    "reason": HTTP["reason"],
    "empty-query": ("META RAW_URI",),
    "length-of-304": ("header content-length",),
}
WORKERS_GENERAL = GENERAL - {"reason", "request-websocket"} | {"request-scope"}


def _of_workers(row: Row) -> frozenset[str]:
    return row.differs & WORKERS.keys() | row.worker_differs


def named(row: Row, reference: str, way: str = "socket") -> Table:
    """The differences that a row names itself, for one reference, with their fields."""
    if way == "workers":
        return {name: WORKERS[name] for name in _of_workers(row)} if reference == "wsgi" else {}
    if reference == "asgi":
        return {name: ASGI[name] for name in row.asgi_differs}
    return {name: HTTP[name] for name in row.differs}


def allowed(row: Row, reference: str, way: str = "socket") -> list[str]:
    """The fields in which a row may differ from one reference."""
    if way == "workers":
        tables = [WORKERS[name] for name in WORKERS_GENERAL | _of_workers(row)]
    else:
        tables = [HTTP[name] for name in GENERAL | row.differs]
    if reference == "asgi":
        tables += [ASGI[name] for name in ASGI_GENERAL | row.asgi_differs]
    return [pattern for table in tables for pattern in table]


def is_among(field: str, patterns: Iterable[str]) -> bool:
    """Whether a field is one of those that are meant."""
    return any(fnmatchcase(field, pattern) for pattern in patterns)
