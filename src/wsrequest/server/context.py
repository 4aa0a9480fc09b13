"""Define what the connections of one process share, and the config that each of them keeps."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Literal

from django.http import HttpRequest

from wsrequest.live.manager import LiveQueryManager
from wsrequest.live.normalizing import Ignored
from wsrequest.live.page_runs import PageRuns
from wsrequest.protocol.headers import HeaderNames
from wsrequest.protocol.messages import PATCH_KINDS, Hello, HelloLimits
from wsrequest.push.registry import Registry
from wsrequest.request.budget import Account, Budget
from wsrequest.request.environ import Base
from wsrequest.request.exclusions import ExcludedPaths
from wsrequest.request.handler import Handler
from wsrequest.server.activity import Activity
from wsrequest.server.admission import place_of
from wsrequest.server.tickets import Tickets
from wsrequest.types import Limits
from wsrequest.workers.pool import WorkerPool
from wsrequest.workers.queue import QueueKey, QuotaGroup, QuotaGroups

__all__ = ["Live", "ServerContext", "ConnectionConfig"]


@dataclass(frozen=True, slots=True)
class ConnectionConfig:
    """The settings that one connection keeps from its handshake to its end.

    Attributes:
        limits: see docs/settings.md.
        token_scheme: the word before a message's token in Authorization.
        trusted_proxy_headers: names of the trusted proxy headers, which no message may set.
        per_request_headers: names of the headers that end with the request that has them.
        excluded_paths: the paths that no message reaches.
        session_cookie_name: the cookie that shows which session a socket belongs to.
        session_engine: dotted path of the session store, or None.
        upload_memory_bytes: above this size, a body in parts is kept in a file.
        upload_directory: the directory of that file. None for the system's directory.
        csrf_cookie: the cookie that a middleware reads in each request, or None. It counts as read
            only if a CSRF token is made.
        live_ignored: differences between two responses to a live request that do not count.
        hides_csrf_token: whether no script of a page can read the cookie of the CSRF token.
        http_django_paths: the paths whose plain HTTP Django's own handler answers.
    """

    limits: Limits
    token_scheme: str = "JWT"
    trusted_proxy_headers: HeaderNames = HeaderNames()
    per_request_headers: HeaderNames = HeaderNames()
    excluded_paths: ExcludedPaths = ExcludedPaths()  # immutable
    session_cookie_name: str = "sessionid"
    session_engine: str | None = None
    upload_memory_bytes: int = 2_621_440
    upload_directory: str | None = None
    csrf_cookie: str | None = None
    live_ignored: Ignored = Ignored()  # immutable
    hides_csrf_token: bool = False
    http_django_paths: ExcludedPaths = ExcludedPaths()

    def hello(
        self,
        subprotocol: str,
        tickets: Literal["yes", "bind", "no"] = "yes",
        *,
        referrer: bool = False,
    ) -> Hello:
        """Return the Hello message: the limits that a client must respect (PROTOCOL.md 3.1)."""
        limits = self.limits
        return Hello(
            subprotocol,
            limits.ping_seconds,
            HelloLimits(
                limits.message_bytes,
                limits.body_bytes,
                limits.in_flight,
                limits.waiting,
                limits.part_bytes,
                limits.window_bytes,
                limits.subscriptions,
            ),
            None if tickets == "yes" else tickets,
            referrer,
            PATCH_KINDS if limits.subscriptions else (),
            bool(limits.subscriptions and limits.rooms),
        )


@dataclass(frozen=True, slots=True)
class Live:
    """What live requests share.

    Attributes:
        manager: keeps the live queries current.
        when_received: calls a function on the event loop with True once the manager has received
            everything that this process has committed so far, or with False if that does not arrive
            at present.
        queue_key: of all reruns. Together they take one turn among the connections.
        share_key: what else subscribers must have in common to share a public response.
        page_runs: the pages whose sockets have not come yet. None if no page waits for one.
        push: the rooms that their events go to. None if there are no events.
    """

    manager: LiveQueryManager
    when_received: Callable[[Callable[[bool], None]], None]
    queue_key: QueueKey = field(default_factory=lambda: QueueKey(QuotaGroup("live requests")))
    share_key: Callable[[HttpRequest], Hashable] | None = None
    page_runs: PageRuns | None = None
    push: Registry | None = None


@dataclass(frozen=True, slots=True)
class ServerContext:
    """The parts that all connections share. ``tickets`` is called each time: settings can change.

    ``chores`` is the queue key of jobs without a connection, for tickets and checks of sessions.
    Together they take one turn among the connections. ``live`` is ``None`` if requests cannot be
    subscribed to. ``addresses`` has the quota groups of the clients' addresses. ``activity`` counts
    and logs messages. It is ``None`` without metrics and access log. ``finish_page`` changes
    responses to messages that are pages. It is ``None`` if there are no live pages.
    """

    handler: Handler
    pool: WorkerPool
    tickets: Callable[[], Tickets]
    budget: Budget = field(default_factory=Budget)
    chores: QueueKey = field(default_factory=QueueKey)
    live: Live | None = None
    addresses: QuotaGroups = field(default_factory=QuotaGroups)
    activity: Activity | None = None
    finish_page: Callable[[HttpRequest, Any], None] | None = None

    def account_of(self, base: Base) -> Account:
        """Return the account of a client's address, or a new one for a client without address."""
        return self.budget.account_of(place_of(base.environ.get("REMOTE_ADDR", "")))

    def queue_key_of(self, base: Base) -> QueueKey:
        """Return a queue key for one client, in the quota group of its address."""
        return QueueKey(self.addresses.of(place_of(base.environ.get("REMOTE_ADDR", ""))))
