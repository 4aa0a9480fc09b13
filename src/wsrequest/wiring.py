"""Creates the parts of one application and connects them: the only module that does.

It reads the settings at each handshake. A connection keeps those that it was opened with.
"""

import asyncio
import logging
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from django.apps import apps
from django.db import close_old_connections

from wsrequest.bus.base import Bus, Subscription
from wsrequest.bus.codec import CHANGES
from wsrequest.bus.logouts import LOGOUTS, Logout
from wsrequest.bus.memory import MemoryBus
from wsrequest.conf import Remembered, conf
from wsrequest.live.manager import LiveQueryManager
from wsrequest.live.normalizing import ignored_of
from wsrequest.live.page_runs import PageRuns
from wsrequest.live.tracking.sessions import IGNORED_TABLES
from wsrequest.live.tracking.tracker import ActiveManagers
from wsrequest.pages.completing import name_messages
from wsrequest.push.events import EVENTS
from wsrequest.push.history import HistoryStore
from wsrequest.push.own_members import PresenceLimits
from wsrequest.push.presence_api import forget_source, use_source
from wsrequest.push.presence_feed import PresenceFeed
from wsrequest.push.registry import Registry
from wsrequest.request.environ import Base
from wsrequest.request.handler import Handler, finish_thread, prepare_thread
from wsrequest.request.remote_user import follow_http
from wsrequest.server import access_log
from wsrequest.server.activity import Activity
from wsrequest.server.admission import AdmissionController
from wsrequest.server.connections import session_ended_elsewhere
from wsrequest.server.context import ConnectionConfig, Live, ServerContext
from wsrequest.server.drain import Drain
from wsrequest.server.processes import worker_count
from wsrequest.server.refusals import Refusals
from wsrequest.server.ticket_sweep import TicketSweep
from wsrequest.server.tickets import Tickets, Unfetched
from wsrequest.server.tracing import span_describer
from wsrequest.subscriptions.change_feed import ChangeFeed
from wsrequest.types import ASGI
from wsrequest.workers.pool import WorkerPool
from wsrequest.workers.queue import QueueKey

__all__ = ["Wiring", "has_live"]

logger = logging.getLogger("wsrequest.live")

_READY_SECONDS, _READY_LOOK_SECONDS = 2.0, 0.01


class Wiring:
    """The parts of one application, which live as long as it does or as its event loop does.

    Args:
        http: what answers plain HTTP. Requests of the socket go through its middleware, where it
            has some that Django does not.
        on_drain: called when the process is about to end.

    Attributes:
        handler: runs the requests of the socket.
        admission: decides which handshakes are accepted.
        refusals: logs the others.
        drain: knows whether the process is about to end.
        get_http_config: returns the same settings as ``get_config``, for an HTTP request.
    """

    def __init__(self, http: ASGI, on_drain: Callable[[], Awaitable[None]]) -> None:
        self.handler = Handler()
        follow_http(self.handler, http)
        self.drain = Drain(on_drain)
        self.admission = AdmissionController(self.drain)
        self.refusals = Refusals()
        self._server: ServerContext | None = None
        self._config: ConnectionConfig | None = None
        self.get_http_config = Remembered(self.get_config)
        self._change_feed: ChangeFeed | None = None
        self._events: Subscription | None = None
        self._ready_by = 0.0
        self._presence: PresenceFeed | None = None
        self._logouts: Subscription | None = None
        self._unfetched = Unfetched()
        self._sweep: TicketSweep | None = None
        self._activity: Activity | None = None  # counts on when the loop is another
        self._export: Any = None

    def get_config(self) -> ConnectionConfig:
        """The settings as they are now. One object for all connections with the same settings."""
        limits = conf.limits()
        live = self.get_server().live
        if live is None:
            limits = replace(limits, subscriptions=0)
        if live is None or live.push is None:
            limits = replace(limits, rooms=0)
        config = ConnectionConfig(
            limits,
            conf.TOKEN_SCHEME,
            conf.trusted_proxy_headers,
            conf.per_request_headers,
            conf.excluded_paths,
            conf.session_cookie_name,
            conf.session_engine,
            conf.file_upload_max_memory_bytes,
            conf.file_upload_directory,
            conf.csrf_cookie,
            ignored_of(tuple(conf.LIVE_IGNORED_CONTENT), conf.LIVE_REWRITER),
            conf.hides_csrf_token,
            conf.http_django_paths,
        )
        if config != self._config:
            self._config = config
        assert self._config is not None
        return self._config

    def get_server(self) -> ServerContext:
        """What the connections of the running event loop share."""
        loop = asyncio.get_running_loop()
        if self._server is None or self._server.pool.loop is not loop:
            self.stop()
            pool = WorkerPool(
                loop,
                threads=conf.THREADS,
                max_threads=conf.MAX_THREADS,
                prepare=prepare_thread,
                finish=finish_thread,
            )
            live, self._change_feed = _make_live(loop, pool)
            self._ready_by = loop.time() + _READY_SECONDS
            self._events = _receive_events(live, pool)
            self._presence = _make_presence(loop, live, pool)
            self._logouts = _receive_logouts(pool)
            if (describe := span_describer()) is not None:
                self.handler.before_routing(describe)
            chores = QueueKey()
            sweep = TicketSweep(pool, chores, self._tickets, conf.TICKET_SECONDS + 1)
            self._unfetched, self._sweep = Unfetched(sweep.begin), sweep
            activity = self._get_activity()
            self._server = ServerContext(
                self.handler,
                pool,
                self._tickets,
                chores=chores,
                live=live,
                activity=activity,
                finish_page=None if live is None else name_messages,
            )
            if conf.METRICS and activity is not None:
                self._export = _begin_export(activity, self._server, self.refusals)
        return self._server

    async def until_ready(self) -> None:
        """Wait until the events of other processes arrive, with those that the bus has kept.

        So a client that comes back to a process that has just started lacks none. If the bus is
        down, nobody waits later than 2 seconds after the start.
        """
        self.get_server()
        loop = asyncio.get_running_loop()
        if self._events is None or loop.time() > self._ready_by:
            return
        app: Any = apps.get_app_config("wsrequest")
        bus: Bus = app.live.bus
        # The bus has a thread of its own, and this is for the first moment of a process only.
        while not bus.is_ready and loop.time() < self._ready_by:  # noqa: ASYNC110
            await asyncio.sleep(_READY_LOOK_SECONDS)

    def _get_activity(self) -> Activity | None:
        if self._activity is None and (conf.METRICS or conf.ACCESS_LOG):
            self._activity = Activity(access_log.write if conf.ACCESS_LOG else None)
        return self._activity

    def _tickets(self) -> Tickets:
        return Tickets(conf.session_engine, conf.TICKET_SECONDS, self._unfetched)

    async def redeem(self, ticket: str, base: Base) -> list[str] | None:
        """The Set-Cookie lines that a ticket stands for. None if it is not valid."""
        server = self.get_server()
        return await server.pool.call(
            _redeem, server.tickets, ticket, base, queue_key=server.chores
        )

    def stop(self) -> None:
        """End what belongs to the event loop. Safe to call twice."""
        if self._change_feed is not None:
            self._change_feed.stop()
            self._change_feed = None
        for subscription in (self._events, self._logouts):
            if subscription is not None:
                subscription.close()
        self._events = self._logouts = None
        if self._presence is not None:
            forget_source(self._presence)
            self._presence.stop()
            self._presence = None
        if self._export is not None:
            self._export.stop()
            self._export = None
        if self._server is not None:
            if (live := self._server.live) is not None:
                if live.page_runs is not None:
                    live.page_runs.stop()
                live.manager.stop()
                if live.push is not None:
                    live.push.stop()
            if self._sweep is not None:
                self._sweep.stop()
            self._server.pool.stop()
            self._server = None


def has_live() -> bool:
    """Whether GETs can be subscribed to."""
    return apps.is_installed("wsrequest") and conf.MAX_SUBSCRIPTIONS > 0


def _begin_export(activity: Activity, server: ServerContext, refusals: Refusals) -> Any:
    from wsrequest.metrics.exposition import Export  # needs prometheus_client
    from wsrequest.metrics.readings import Source

    return Export(Source(activity, server, refusals))


def _make_live(
    loop: asyncio.AbstractEventLoop, pool: WorkerPool
) -> tuple[Live, ChangeFeed] | tuple[None, None]:
    """What the live requests of one event loop share. None if they are turned off."""
    if not has_live():
        return None, None
    app: Any = apps.get_app_config("wsrequest")
    managers: ActiveManagers = app.live.managers

    def activate(is_active: bool) -> None:
        (managers.add if is_active else managers.discard)(manager)

    manager = LiveQueryManager(
        loop,
        max_runs=conf.LIVE_MAX_CONCURRENT_RUNS,
        least_seconds=conf.LIVE_INTERVAL_SECONDS,
        run_seconds=conf.REQUEST_SECONDS,
        replica_seconds=conf.LIVE_REPLICA_SECONDS,
        recheck_seconds=conf.LIVE_RECHECK_SECONDS,
        ignored_tables=IGNORED_TABLES,
        activate=activate,
    )
    if isinstance(app.live.bus, MemoryBus) and worker_count(sys.argv, os.environ) > 1:
        logger.warning(
            "several processes serve this project, and WSREQUEST_BUS is %r: live requests show the "
            "commits of other processes only after up to %g seconds. Name a bus that reaches all "
            "processes (docs/processes.md)",
            conf.BUS,
            conf.LIVE_RECHECK_SECONDS,
        )
    change_feed = ChangeFeed(app.live.bus, CHANGES, manager, pool.post)
    live = Live(
        manager,
        change_feed.when_received,
        share_key=conf.live_share_key,
        page_runs=PageRuns(loop, manager),
        push=_make_push(loop) if conf.MAX_ROOMS else None,
    )
    return live, change_feed


def _make_push(loop: asyncio.AbstractEventLoop) -> Registry:
    """Return the rooms of one event loop."""
    store = HistoryStore(
        conf.PUSH_HISTORY_EVENTS, conf.PUSH_HISTORY_SECONDS, conf.PUSH_HISTORY_BYTES
    )
    return Registry(loop, store)


def _receive_events(live: Live | None, pool: WorkerPool) -> Subscription | None:
    """Have the rooms receive the events of all processes."""
    if live is None or live.push is None:
        return None
    app: Any = apps.get_app_config("wsrequest")
    bus: Bus = app.live.bus
    return bus.subscribe(EVENTS, live.push.receive, live.push.lost, post=pool.post)


def _make_presence(
    loop: asyncio.AbstractEventLoop, live: Live | None, pool: WorkerPool
) -> PresenceFeed | None:
    """Have the rooms know who is there. None if nobody is to know."""
    if live is None or live.push is None or not conf.PRESENCE_ROOM_MEMBERS:
        return None
    app: Any = apps.get_app_config("wsrequest")
    limits = PresenceLimits(conf.PRESENCE_BYTES, conf.PRESENCE_ROOM_MEMBERS)
    presence = PresenceFeed(loop, app.live.bus, live.push, pool.post, limits)
    live.push.presence = presence
    use_source(presence)
    return presence


def _receive_logouts(pool: WorkerPool) -> Subscription | None:
    """Close sockets whose session ends in another process.

    One that is missed costs nothing but time: the next message of such a socket is not logged in,
    and a check of its session closes it.
    """
    if not apps.is_installed("wsrequest"):
        return None
    app: Any = apps.get_app_config("wsrequest")

    def receive(position: int, logout: Logout) -> None:
        session_ended_elsewhere(logout)

    bus: Bus = app.live.bus
    return bus.subscribe(LOGOUTS, receive, lambda: None, post=pool.post)


def _redeem(tickets: Callable[[], Tickets], ticket: str, base: Base) -> list[str] | None:
    try:
        return tickets().redeem(ticket, base.origin or "", base.browser, base.cookie)
    finally:
        close_old_connections()
