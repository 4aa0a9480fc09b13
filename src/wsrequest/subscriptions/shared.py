"""The run for all subscribers of one public response.

It has their URL, the host, scheme and script name as Django sees them, and the headers that Vary
names. It has nothing else of any reader: no cookie, token, header or address. So no reader can
decide what the others see.
"""

import logging
from collections.abc import Callable, Hashable
from typing import NamedTuple

from django.core.exceptions import DisallowedHost
from django.http import HttpRequest

from wsrequest.protocol.messages import Request
from wsrequest.request.environ import Base, WebSocketInfo
from wsrequest.server.context import ConnectionConfig, ServerContext

__all__ = [
    "ShareKey",
    "SharedKey",
    "SharedRunContext",
    "Site",
    "message_of",
    "site_of",
    "evaluate_share_key",
]

logger = logging.getLogger("wsrequest.live")

ShareKey = Callable[[HttpRequest], Hashable]
"""The type of ``WSREQUEST_LIVE_SHARE_KEY``."""

# What a WSGI server says about itself. The rest of an environ belongs to a client.
_SERVERS = frozenset(
    "SERVER_NAME SERVER_PROTOCOL wsgi.version wsgi.multithread wsgi.multiprocess wsgi.run_once "
    "wsgi.input wsgi.errors".split()
)


class Site(NamedTuple):
    """Where a request went, as Django sees it after it has read the trusted proxy headers."""

    scheme: str
    host: str
    port: str
    script_name: str


class SharedKey(NamedTuple):
    """What all readers of one public response have in common.

    Attributes:
        site: that of their requests.
        url: that of their messages. ``query`` is what ``data`` adds to it.
        share_key: what ``WSREQUEST_LIVE_SHARE_KEY`` returned for them.
        varying: the headers that Vary names, with their values.
    """

    site: Site
    url: str
    query: str
    share_key: Hashable
    varying: tuple[tuple[str, str | None], ...]


def site_of(request: HttpRequest) -> Site | None:
    """Return the site of a request that no middleware has seen. None if its host is not allowed."""
    try:
        host = request.get_host()
    except DisallowedHost:
        return None
    return Site(request.scheme or "", host, request.get_port(), request.META["SCRIPT_NAME"])


def evaluate_share_key(share_key: ShareKey | None, request: HttpRequest) -> Hashable:
    """Return the share key of a request that the middleware has seen.

    Args:
        share_key: the project's callable, or None.
        request: as it is when its response exists.

    Raises:
        TypeError: the callable returned what cannot be a key.
        Exception: whatever the callable raises.
    """
    value = None if share_key is None else share_key(request)
    hash(value)
    return value


class SharedRunContext:
    """The context of a shared run, which belongs to no client.

    Args:
        server: that of any reader.
        config: that of any reader.
        base: that of any reader. Only what it says about the server is used.
        key: what the readers have in common.
    """

    __slots__ = ("base", "info", "server", "config")

    def __init__(
        self, server: ServerContext, config: ConnectionConfig, base: Base, key: SharedKey
    ) -> None:
        self.server, self.config = server, config
        self.info = WebSocketInfo("", None)
        environ = {name: value for name, value in base.environ.items() if name in _SERVERS}
        site = key.site
        environ |= {
            # As behind a Unix socket. A view that needs an address fails, and is not shared.
            "REMOTE_ADDR": "",
            "SCRIPT_NAME": site.script_name,
            "SERVER_PORT": site.port,
            "wsgi.url_scheme": site.scheme,
        }
        for name, value in key.varying:
            if value is not None:
                environ["HTTP_" + name.upper().replace("-", "_")] = value
        # After Vary, since Django takes the host from here.
        environ["HTTP_HOST"] = site.host
        self.base = Base(environ, frozenset(), None, "")


def message_of(key: SharedKey) -> Request:
    """Return the request of a shared run."""
    return Request("GET", key.url, query=key.query, subscribe=True)
