"""The metrics: their names, types, labels and help. docs/metrics.md has the same table.

Names follow Prometheus: base units, ``_total`` at the end of counters, no value of a client in a
label.
"""

from typing import Literal, NamedTuple

__all__ = ["METRICS", "Metric"]

Kind = Literal["counter", "gauge", "histogram", "summary"]


class Metric(NamedTuple):
    """One metric.

    Attributes:
        name: without the ``_total`` that counters end in.
        kind: its type.
        help: one sentence.
        labels: the names of its labels.
        of_processes: how a gauge of several processes becomes one, in the words of
            prometheus_client. Of other types, the values are added.
    """

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    of_processes: str = "livesum"

    @property
    def full_name(self) -> str:
        """The name as PromQL and the documentation have it."""
        return f"{self.name}_total" if self.kind == "counter" else self.name


_METRICS = (
    Metric("wsrequest_connections", "gauge", "Open connections.", ("transport",)),
    Metric("wsrequest_connections_opened", "counter", "Connections opened.", ("transport",)),
    Metric(
        "wsrequest_connections_closed",
        "counter",
        "Connections closed, by close code.",
        ("transport", "code"),
    ),
    Metric(
        "wsrequest_handshakes_refused",
        "counter",
        "Refused WebSockets and event streams, by HTTP status.",
        ("status",),
    ),
    Metric(
        "wsrequest_messages",
        "counter",
        "Messages answered, refused or dropped.",
        ("method", "route", "status"),
    ),
    Metric(
        "wsrequest_message_duration_seconds",
        "histogram",
        "Time from a message to its last frame.",
        ("route",),
    ),
    Metric("wsrequest_messages_in_flight", "gauge", "Messages accepted and not yet answered."),
    Metric(
        "wsrequest_messages_refused",
        "counter",
        "Messages that wsrequest refused, by code.",
        ("code",),
    ),
    Metric("wsrequest_received_bytes", "counter", "Bytes of the frames that clients sent."),
    Metric("wsrequest_sent_bytes", "counter", "Bytes of the frames for clients."),
    Metric("wsrequest_threads", "gauge", "Worker threads, by what they do.", ("state",)),
    Metric("wsrequest_queue_length", "gauge", "Jobs that wait for a worker thread."),
    Metric("wsrequest_live_queries", "gauge", "Live queries."),
    Metric("wsrequest_live_queries_waiting", "gauge", "Live queries that wait for a rerun."),
    Metric("wsrequest_live_subscriptions", "gauge", "Live requests of clients."),
    Metric("wsrequest_live_reruns", "counter", "Reruns, made and saved, by kind.", ("kind",)),
    Metric(
        "wsrequest_live_results", "counter", "Responses of reruns, by what became of them.",
        ("result",),
    ),
    Metric("wsrequest_commits_received", "counter", "Commits compared with live queries."),
    Metric("wsrequest_commit_losses", "counter", "Times that commits may have been missed."),
    Metric("wsrequest_live_passes", "counter", "Times that all live views ran again."),
    Metric("wsrequest_push_events", "counter", "Events of rooms that clients are or were in."),
    Metric("wsrequest_push_deliveries", "counter", "Events sent to clients."),
    Metric("wsrequest_push_behind", "counter", "Times that a client had no room for an event."),
    Metric(
        "wsrequest_push_missed", "counter", "Times that a client was told that events were lost."
    ),
    Metric("wsrequest_push_members", "gauge", "Members of rooms, with connections here."),
    Metric(
        "wsrequest_push_members_left_out", "counter", "Times that there was no room for a member."
    ),
    Metric(
        "wsrequest_bus_connected", "gauge", "Whether commits of other processes arrive.",
        of_processes="livemin",
    ),
    Metric("wsrequest_bus_gaps", "counter", "Times that messages of the bus were missing."),
    Metric(
        "wsrequest_bus_publish_seconds", "summary", "Time until the broker has a published message."
    ),
    Metric("wsrequest_bus_queue_length", "gauge", "Messages that wait to be published."),
    Metric("wsrequest_bus_dropped", "counter", "Messages that were never published."),
)  # fmt: skip
METRICS: dict[str, Metric] = {metric.name: metric for metric in _METRICS}
"""All of them by name, in the order in which they are shown."""
