"""Say on OpenTelemetry's current span through what a request came.

Only if something has imported OpenTelemetry already. wsrequest never imports it.
"""

import sys
from collections.abc import Callable
from typing import Any, Protocol

__all__ = ["TracedOwner", "span_describer"]


class TracedOwner(Protocol):
    """What a request belongs to.

    Attributes:
        protocol_name: the protocol that brought it, or None for a rerun, which no client sent.
    """

    protocol_name: str | None

    @property
    def info(self) -> Any:
        """The value of ``request.websocket``."""


def span_describer() -> Callable[[Any], None] | None:
    """Return a function that describes the task of a request on the current span.

    It must be called inside the middleware that makes the span, in the thread of the request. A
    request of plain HTTP is left as it is.

    Returns:
        None if OpenTelemetry is not imported.

    Source: OpenTelemetry semantic conventions, network attributes.
    """
    trace: Any = sys.modules.get("opentelemetry.trace")
    if trace is None:
        return None

    def describe(task: Any) -> None:
        span = trace.get_current_span()
        if not span.is_recording():
            return
        # Not of the request's own ``websocket``: reading that would make its response personal.
        owner: TracedOwner = task.owner
        if not hasattr(owner, "info"):  # plain HTTP, which tools describe themselves
            return
        info = owner.info
        if owner.protocol_name is not None:
            span.set_attribute("network.protocol.name", owner.protocol_name)
        if info.connection_id:  # empty for a shared run
            span.set_attribute("wsrequest.connection.id", info.connection_id)
        if info.is_rerun:
            span.set_attribute("wsrequest.rerun", True)

    return describe
