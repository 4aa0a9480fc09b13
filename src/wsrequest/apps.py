"""The Django application."""

from dataclasses import dataclass
from functools import cache, partial
from typing import Any

from django.apps import AppConfig
from django.contrib.auth.signals import user_logged_out

from wsrequest.bus.base import Bus
from wsrequest.bus.codec import CHANGES
from wsrequest.bus.memory import MemoryBus
from wsrequest.conf import conf
from wsrequest.connection.sockets import close_sockets
from wsrequest.live.audience import Audience
from wsrequest.live.capture import Capture
from wsrequest.live.reruns import skip_on_rerun
from wsrequest.live.schema import Extras

__all__ = ["LiveParts", "WSRequestConfig"]


@dataclass(frozen=True, slots=True)
class LiveParts:
    """One of each in a process.

    Attributes:
        bus: what commits are told by.
        audience: who wants to hear of them.
        capture: what notes them.
    """

    bus: Bus
    audience: Audience
    capture: Capture


@cache  # Django makes a new AppConfig when INSTALLED_APPS is overridden
def _live_parts() -> LiveParts:
    bus, audience = MemoryBus(), Audience()
    extras = Extras(
        ignored=frozenset(name.lower() for name in conf.LIVE_IGNORED_TABLES),
        written_by=conf.LIVE_WRITTEN_BY,
        functions=conf.LIVE_FUNCTIONS,
    )
    replica_of = {
        replica: primary for primary, found in conf.LIVE_REPLICAS.items() for replica in found
    }
    capture = Capture(
        partial(bus.publish, CHANGES),
        extras=extras,
        replica_of=replica_of,
        wanted=audience.columns,
        ignored_keys=conf.LIVE_IGNORED_CACHE_KEYS,
        session_engine=conf.session_engine,
    )
    audience.watch_by(capture)
    return LiveParts(bus, audience, capture)


class WSRequestConfig(AppConfig):
    """``"wsrequest"`` in INSTALLED_APPS."""

    name = "wsrequest"
    verbose_name = "wsrequest"

    live: "LiveParts"
    """What live requests need of this process."""

    def ready(self) -> None:
        """Register the system checks, let a logout close sockets, and note what is written."""
        from wsrequest import checks  # noqa: F401  # registers itself; needs the apps to be ready

        self.live = _live_parts()
        if conf.MAX_SUBSCRIPTIONS:
            self.live.capture.install(everywhere=True)
        user_logged_out.connect(_close_others, dispatch_uid="wsrequest.close_others")


@skip_on_rerun  # whose logout is discarded with all that it does to the session
def _close_others(sender: Any, request: Any, **kwargs: Any) -> None:
    session_key = getattr(getattr(request, "session", None), "session_key", None)
    if session_key and conf.CLOSE_ON_LOGOUT:
        websocket = getattr(request, "websocket", None)
        close_sockets(session_key, except_connection_id=websocket and websocket.connection_id)
