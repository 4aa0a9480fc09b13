"""The Django application."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_out
from django.db import connections
from django.db.models.signals import post_migrate

from wsrequest.bus.base import Bus
from wsrequest.bus.broker import BrokerBus
from wsrequest.bus.codec import CHANGES
from wsrequest.bus.logouts import LOGOUTS
from wsrequest.bus.memory import MemoryBus
from wsrequest.bus.open import BusURLError, open_bus, redacted
from wsrequest.conf import conf
from wsrequest.live.tracking.api import skip_on_rerun
from wsrequest.live.tracking.publication import complete
from wsrequest.live.tracking.schema import Extras
from wsrequest.live.tracking.tracker import ActiveManagers, ChangeTracker
from wsrequest.push.api import publish_by
from wsrequest.push.events import EVENTS
from wsrequest.push.presence_api import read_by
from wsrequest.server.connections import announce_by, close_sockets

__all__ = ["LiveParts", "WSRequestConfig"]

logger = logging.getLogger("wsrequest.bus")
metrics = logging.getLogger("wsrequest.metrics")


@dataclass(frozen=True, slots=True)
class LiveParts:
    """The parts of live requests, one of each in a process.

    Attributes:
        bus: carries the commits and the logouts.
        managers: the live query managers that receive them.
        tracker: records what is read and written.
    """

    bus: Bus
    managers: ActiveManagers
    tracker: ChangeTracker


@cache  # Django makes a new AppConfig when INSTALLED_APPS is overridden
def _live_parts() -> LiveParts:
    try:
        bus = open_bus(
            conf.BUS, conf.bus_secrets, conf.database, conf.RELAYED_LOG, conf.shared_history
        )
    except BusURLError as error:
        # A check reports it, and no server of the socket starts with it. But a WSGI server or a
        # command runs no checks, and must not drop commits in silence.
        logger.error(
            "%s is %r, which %s. This process publishes no commits",
            error.setting,
            redacted(conf.BUS if error.setting == "WSREQUEST_BUS" else conf.RELAYED_LOG),
            error,
        )
        bus = MemoryBus()
    managers, is_shared = ActiveManagers(), not isinstance(bus, MemoryBus)
    extras = Extras(
        ignored=frozenset(name.lower() for name in conf.LIVE_IGNORED_TABLES),
        written_by=conf.LIVE_TRIGGERED_TABLES,
        functions=conf.LIVE_FUNCTIONS,
    )
    replica_of = {
        replica: primary for primary, replicas in conf.LIVE_REPLICAS.items() for replica in replicas
    }
    tracker = ChangeTracker(
        partial(bus.publish, CHANGES),
        extras=extras,
        replica_of=replica_of,
        wanted=None if is_shared else managers.columns,
        ignored_keys=conf.LIVE_IGNORED_CACHE_KEYS,
        session_engine=conf.session_engine,
        is_shared=is_shared,
        logged_databases=bus.logged_databases if isinstance(bus, BrokerBus) else (),
        origin_of=bus.origin_of if isinstance(bus, BrokerBus) else lambda run: None,
    )
    if isinstance(bus, BrokerBus):
        bus.adapt = tracker.heard
    managers.watch_by(tracker)
    return LiveParts(bus, managers, tracker)


class WSRequestConfig(AppConfig):
    """The application ``"wsrequest"`` in INSTALLED_APPS."""

    name = "wsrequest"
    verbose_name = "wsrequest"

    live: "LiveParts"
    """The parts of live requests of this process."""

    def ready(self) -> None:
        """Register the system checks, let a logout close sockets, and track what is written."""
        from wsrequest import checks  # noqa: F401  # registers itself. Needs the apps to be ready

        conf.hide_passwords()
        self.live = _live_parts()
        if conf.MAX_SUBSCRIPTIONS:
            self.live.tracker.install(everywhere=True)
        if conf.METRICS:
            _install_metrics(self.live.bus)
        announce_by(partial(self.live.bus.publish, LOGOUTS))
        _install_push(self.live.bus)
        post_migrate.connect(_publish_tables, sender=self, dispatch_uid="wsrequest.publication")
        user_logged_out.connect(_close_others, dispatch_uid="wsrequest.close_others")


def _install_push(bus: Bus) -> None:
    publish_by(
        partial(bus.publish, EVENTS),
        max_bytes=lambda: conf.PUSH_EVENT_BYTES,
        max_bus_bytes=lambda: bus.max_bytes(EVENTS) if isinstance(bus, BrokerBus) else None,
    )
    read_by(bus, max_bytes=lambda: conf.PRESENCE_BYTES)


def _install_metrics(bus: Bus) -> None:
    try:
        from wsrequest.metrics.exposition import install
    except ImportError as error:
        # A check reports it, and no server of the socket starts. Other processes run on.
        metrics.error("WSREQUEST_METRICS is on, but there are no metrics: %s", error)
    else:
        install(bus)


def _publish_tables(using: str, **kwargs: Any) -> None:
    if using in conf.logged_databases:
        complete(connections[using], conf.LIVE_IGNORED_TABLES)


@skip_on_rerun  # its logout is discarded, with all its effects on the session
def _close_others(sender: Any, request: Any, **kwargs: Any) -> None:
    session = getattr(request, "session", None)
    session_key = getattr(session, "session_key", None)
    if session_key and conf.CLOSE_ON_LOGOUT:
        websocket = getattr(request, "websocket", None)
        except_id = websocket and websocket.connection_id
        close = partial(close_sockets, session_key, except_connection_id=except_id)
        close()
        _after_flush(session, close)


def _after_flush(session: Any, then: Callable[[], object]) -> None:
    """Call a function when a session has been deleted, which Django does after its signal.

    A client that is closed by the signal may be back before that, and still be logged in.
    """
    flush, aflush = session.flush, session.aflush

    def forget() -> None:
        for name in ("flush", "aflush"):
            vars(session).pop(name, None)

    def flush_then() -> None:
        forget()
        flush()
        then()

    async def aflush_then() -> None:
        forget()
        await aflush()
        then()

    session.flush, session.aflush = flush_then, aflush_then
