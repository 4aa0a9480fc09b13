"""Read the numbers that a process keeps anyway, at the moment when somebody asks for them.

Nothing here depends on prometheus_client, and nothing is counted here.
"""

import threading
from collections.abc import Iterator
from itertools import accumulate
from typing import Any, NamedTuple

from django.apps import apps

from wsrequest.bus.broker import BrokerBus
from wsrequest.live.manager import LiveQueryManager
from wsrequest.metrics.definitions import METRICS, Metric
from wsrequest.push.registry import Registry
from wsrequest.server.activity import SECONDS, Activity, Durations
from wsrequest.server.context import ServerContext
from wsrequest.server.refusals import Refusals

__all__ = ["Sample", "Source", "Summary", "add", "discard", "read", "samples_of"]


class Source(NamedTuple):
    """What one application of the process counts."""

    activity: Activity
    server: ServerContext
    refusals: Refusals


class Summary(NamedTuple):
    """How many times something was measured, and the sum."""

    times: int
    sum_seconds: float


Value = float | Durations | Summary
Readings = dict[str, dict[tuple[str, ...], Value]]
"""The values of each metric by the values of its labels."""


class Sample(NamedTuple):
    """One line of the exposition.

    Attributes:
        name: that of the metric, with the suffix of its type.
        labels: names and values.
    """

    name: str
    labels: tuple[tuple[str, str], ...]
    value: float


_lock = threading.Lock()
_sources: list[Source] = []


def add(source: Source) -> None:
    """Read a source from now on. From any thread."""
    with _lock:
        _sources.append(source)


def discard(source: Source) -> None:
    """Read a source no more. Safe to call twice."""
    with _lock:
        if source in _sources:
            _sources.remove(source)


def read() -> Readings:
    """Return all metrics of this process as they are now. From any thread.

    A process that serves no sockets has only those of the bus.
    """
    readings = _Readings()
    with _lock:
        sources = list(_sources)
    for source in sources:
        _read_activity(readings, source)
        _read_workers(readings, source)
        if source.server.live is not None:
            _read_live(readings, source.server.live.manager)
            if source.server.live.push is not None:
                _read_push(readings, source.server.live.push)
    if apps.ready and apps.is_installed("wsrequest"):
        config: Any = apps.get_app_config("wsrequest")
        if isinstance(config.live.bus, BrokerBus):
            _read_bus(readings, config.live.bus)
    return readings.values


class _Readings:
    def __init__(self) -> None:
        self.values: Readings = {name: {} for name in METRICS}

    def add(self, name: str, value: float, *labels: str) -> None:
        """Add to a counter or a gauge."""
        values: dict[tuple[str, ...], Any] = self.values[name]
        values[labels] = values.get(labels, 0) + value


# The dicts belong to the event loop, which adds keys at any time. dict() copies one in one step.


def _read_activity(readings: _Readings, source: Source) -> None:
    activity, add = source.activity, readings.add
    closed = dict(activity.closed)
    for transport, count in dict(activity.opened).items():
        add("wsrequest_connections_opened", count, transport)
        add("wsrequest_connections", count, transport)
    for (transport, code), count in closed.items():
        add("wsrequest_connections_closed", count, transport, code)
        add("wsrequest_connections", -count, transport)
    for status, count in dict(source.refusals.counts).items():
        add("wsrequest_handshakes_refused", count, str(status))
    for (method, route, status), count in dict(activity.messages).items():
        add("wsrequest_messages", count, method, route, str(status))
    for route, durations in dict(activity.durations).items():
        found = readings.values["wsrequest_message_duration_seconds"]
        total = found.setdefault((route,), Durations())
        assert isinstance(total, Durations)
        total.merge(durations)
    for code, count in dict(activity.refusals).items():
        add("wsrequest_messages_refused", count, code)
    ended = activity.ended_count  # before the other, which is never less
    add("wsrequest_messages_in_flight", max(0, activity.begun_count - ended))
    add("wsrequest_received_bytes", activity.received_bytes)
    add("wsrequest_sent_bytes", activity.sent_bytes)


def _read_workers(readings: _Readings, source: Source) -> None:
    load = source.server.pool.load()
    for state, count in load.threads.items():
        readings.add("wsrequest_threads", count, state)
    readings.add("wsrequest_queue_length", load.waiting)


def _read_live(readings: _Readings, manager: LiveQueryManager) -> None:
    add, counts = readings.add, manager.counts
    add("wsrequest_live_queries", len(manager))
    add("wsrequest_live_queries_waiting", manager.waiting_count)
    add("wsrequest_live_subscriptions", manager.subscriber_count)
    for kind in ("run", "shared", "coalesced", "suppressed"):
        add("wsrequest_live_reruns", getattr(counts, kind), kind)
    for result in ("changed", "unchanged", "failed"):
        add("wsrequest_live_results", getattr(counts, result), result)
    add("wsrequest_commits_received", counts.commits)
    add("wsrequest_commit_losses", manager.rechecks.lost_count)
    add("wsrequest_live_passes", manager.rechecks.pass_count)


def _read_push(readings: _Readings, registry: Registry) -> None:
    for name in ("events", "deliveries", "behind", "missed"):
        readings.add(f"wsrequest_push_{name}", getattr(registry.counts, name))
    if registry.presence is not None:
        readings.add("wsrequest_push_members", registry.presence.own_count)
        readings.add("wsrequest_push_members_left_out", registry.presence.refused_count)


def _read_bus(readings: _Readings, bus: BrokerBus) -> None:
    published = bus.published()
    readings.add("wsrequest_bus_connected", int(bus.is_connected))
    readings.add("wsrequest_bus_gaps", bus.lost_count)
    readings.add("wsrequest_bus_queue_length", published.waiting_count)
    readings.add("wsrequest_bus_dropped", published.dropped_count)
    summary = Summary(published.sent_count, published.sent_seconds)
    readings.values["wsrequest_bus_publish_seconds"][()] = summary


def samples_of(
    metric: Metric, values: dict[tuple[str, ...], Value], *, is_cumulative: bool = True
) -> Iterator[Sample]:
    """Return the samples of a metric.

    Args:
        metric: its definition.
        values: its values by the values of its labels.
        is_cumulative: whether each bucket contains those below it, as Prometheus reads them. The
            files of several processes hold them one by one, and no count.
    """
    for label_values, value in values.items():
        labels = tuple(zip(metric.labels, label_values, strict=True))
        if isinstance(value, Durations):
            bounds = [*map(str, SECONDS), "+Inf"]
            counts = list(value.counts)
            shown = list(accumulate(counts)) if is_cumulative else counts
            for bound, count in zip(bounds, shown, strict=True):
                yield Sample(f"{metric.name}_bucket", (*labels, ("le", bound)), count)
            if is_cumulative:
                yield Sample(f"{metric.name}_count", labels, shown[-1])
            yield Sample(f"{metric.name}_sum", labels, value.sum_seconds)
        elif isinstance(value, Summary):
            yield Sample(f"{metric.name}_count", labels, value.times)
            yield Sample(f"{metric.name}_sum", labels, value.sum_seconds)
        else:
            yield Sample(metric.full_name, labels, value)
