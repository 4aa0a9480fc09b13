"""What the connections of one process share: the handler, the lane, and their terms."""

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Literal

from django.http import HttpRequest

from wsrequest.live.manager import LiveQueryManager
from wsrequest.live.normalizing import Ignored
from wsrequest.protocol.headers import HeaderNames
from wsrequest.protocol.messages import Hello, HelloLimits
from wsrequest.request.budget import Account, Budget
from wsrequest.request.environ import Base
from wsrequest.request.exclusions import ExcludedPaths
from wsrequest.request.handler import Handler
from wsrequest.server.admission import place_of
from wsrequest.server.tickets import Tickets
from wsrequest.types import Limits
from wsrequest.workers.pool import WorkerPool
from wsrequest.workers.queue import QueueKey, QuotaGroup, QuotaGroups

__all__ = ["Live", "ServerContext", "ConnectionConfig"]


@dataclass(frozen=True, slots=True)
class ConnectionConfig:
    """Values of settings that one connection is served by, from its handshake to its end.

    Attributes:
        limits: see docs/settings.md.
        token_scheme: the word before a message's token in Authorization.
        vouching_headers: names that no message may set.
        per_request_headers: names that end with the request that has them.
        excluded_paths: what no message reaches.
        session_cookie_name: the cookie by which a session's sockets are found.
        session_engine: dotted path of the session store; None without.
        upload_memory_bytes: from here on a body in parts is kept in a file.
        upload_directory: where; None for the system's directory.
        csrf_cookie: the cookie that a middleware looks at once in each request, which counts only
            where a CSRF token is made; None without such.
        live_ignored: what is no difference between two answers to a live request.
        hides_csrf_token: whether no script of a page can read the cookie of the CSRF token.
    """

    limits: Limits
    token_scheme: str = "JWT"
    vouching_headers: HeaderNames = HeaderNames()
    per_request_headers: HeaderNames = HeaderNames()
    excluded_paths: ExcludedPaths = ExcludedPaths()  # it is never changed
    session_cookie_name: str = "sessionid"
    session_engine: str | None = None
    upload_memory_bytes: int = 2_621_440
    upload_directory: str | None = None
    csrf_cookie: str | None = None
    live_ignored: Ignored = Ignored()  # it is never changed
    hides_csrf_token: bool = False

    def hello(
        self,
        subprotocol: str,
        tickets: Literal["yes", "bind", "no"] = "yes",
        *,
        referrer: bool = False,
    ) -> Hello:
        """The greeting, which tells a client the limits that it must know (PROTOCOL.md 3.1)."""
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
        )


@dataclass(frozen=True, slots=True)
class Live:
    """What live requests share.

    Attributes:
        manager: who is shown what.
        when_heard: calls a function on the event loop once the registry has heard of everything
            that was committed by now in this process.
        queue_key: of the views that run again; all of them have one turn among the connections.
        share_key: what else those must have in common who share a public answer.
    """

    manager: LiveQueryManager
    when_heard: Callable[[Callable[[], None]], None]
    queue_key: QueueKey = field(default_factory=lambda: QueueKey(QuotaGroup("live requests")))
    share_key: Callable[[HttpRequest], Hashable] | None = None


@dataclass(frozen=True, slots=True)
class ServerContext:
    """The parts that run requests. ``tickets`` is called for each: settings are live.

    ``chores`` is where jobs of no connection come from, tickets and looks at sessions: however
    many there are, they have one turn among the connections. ``live`` is None where no request
    can be subscribed to. ``addresses`` are those of the clients, each of which may hold only so
    many threads.
    """

    handler: Handler
    pool: WorkerPool
    tickets: Callable[[], Tickets]
    budget: Budget = field(default_factory=Budget)
    chores: QueueKey = field(default_factory=QueueKey)
    live: Live | None = None
    addresses: QuotaGroups = field(default_factory=QuotaGroups)

    def account_of(self, base: Base) -> Account:
        """What the requests of a client's address hold; without an address those of the client."""
        return self.budget.account_of(place_of(base.environ.get("REMOTE_ADDR", "")))

    def queue_key_of(self, base: Base) -> QueueKey:
        """A source of jobs for one client, which shares the threads with others of its address."""
        return QueueKey(self.addresses.of(place_of(base.environ.get("REMOTE_ADDR", ""))))
