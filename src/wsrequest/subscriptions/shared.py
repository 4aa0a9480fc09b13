"""The run that those share who may all be shown one public answer.

Owns what such a run bears: the URL, the host, scheme and script name as Django sees them, and what
Vary names. Nothing else of any reader goes into it: no cookie, no token, no header, no address.
What one reader sends can then not decide what the others are shown.
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
"""What ``WSREQUEST_LIVE_SHARE_KEY`` is."""

# What a WSGI server says of itself. The rest of an environ is some client's.
_SERVERS = frozenset(
    "SERVER_NAME SERVER_PROTOCOL wsgi.version wsgi.multithread wsgi.multiprocess wsgi.run_once "
    "wsgi.input wsgi.errors".split()
)


class Site(NamedTuple):
    """Where a request went, as Django sees it: behind the headers of proxies that it trusts."""

    scheme: str
    host: str
    port: str
    script_name: str


class SharedKey(NamedTuple):
    """What all readers of one public answer have in common.

    Attributes:
        site: of their requests.
        url: of their messages, and ``query`` what ``data`` adds to it.
        told: what ``WSREQUEST_LIVE_SHARE_KEY`` says of them.
        varying: the headers that Vary names, with their values.
    """

    site: Site
    url: str
    query: str
    share_key: Hashable
    varying: tuple[tuple[str, str | None], ...]


def site_of(request: HttpRequest) -> Site | None:
    """Where a request goes that no middleware has seen yet; None for a host that is not allowed."""
    try:
        host = request.get_host()
    except DisallowedHost:
        return None
    return Site(request.scheme or "", host, request.get_port(), request.META["SCRIPT_NAME"])


def evaluate_share_key(share_key: ShareKey | None, request: HttpRequest) -> Hashable:
    """What the project's callable says of a request that its middleware has seen.

    Args:
        share_key: of the setting; None without.
        request: as it is when its response is there.

    Raises:
        TypeError: it returned what cannot be a key.
        Exception: whatever the callable raises.
    """
    value = None if share_key is None else share_key(request)
    hash(value)
    return value


class SharedRunContext:
    """Where a shared run seems to be sent from: nobody's connection.

    Args:
        server: of any reader.
        config: of any reader.
        base: of any reader; only what it says of the server is taken.
        key: of the readers.
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
            # As beside a Unix socket. A view that needs an address fails, and is shared by nobody.
            "REMOTE_ADDR": "",
            "SCRIPT_NAME": site.script_name,
            "SERVER_PORT": site.port,
            "wsgi.url_scheme": site.scheme,
        }
        for name, value in key.varying:
            if value is not None:
                environ["HTTP_" + name.upper().replace("-", "_")] = value
        # After Vary, since this one is what Django takes for the host.
        environ["HTTP_HOST"] = site.host
        self.base = Base(environ, frozenset(), None, "")


def message_of(key: SharedKey) -> Request:
    """The request of a shared run."""
    return Request("GET", key.url, query=key.query, subscribe=True)
