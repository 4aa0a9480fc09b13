"""Counts what the connections of one application do, in plain numbers, and writes the access log.

Metrics read the numbers when they are asked for. So a message costs a few additions, and nothing at
all if neither metrics nor the access log are turned on: then there is no ``Activity``.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Callable
from time import perf_counter

from wsrequest.errors import Refused
from wsrequest.protocol.messages import Request
from wsrequest.request.record import MessageRecord
from wsrequest.request.task import MessageTask

__all__ = ["OTHER", "REFUSED", "SECONDS", "UNMATCHED", "Activity", "Durations", "WriteLine"]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
"""The upper bounds of the buckets of durations."""

UNMATCHED, REFUSED, OTHER = "(unmatched)", "(refused)", "(other)"
"""What stands in place of a route: no URL pattern matched, the message was refused before one was
looked for, or there are too many of them."""

# Of routes, methods and statuses. Only a URLconf that grows while it serves has more.
_MAX_SERIES = 5_000

_GONE = 499  # as in nginx: the client did not wait for the response
# Of RFC 6455 and of PROTOCOL.md 7. A client may send any other.
_CLOSE_CODES = frozenset([*range(1000, 1016), *range(4000, 4006), 4500])

WriteLine = Callable[..., None]
"""The type of ``access_log.write``."""


class Durations:
    """How long something took: how often, in sum, and how often up to each of ``SECONDS``."""

    __slots__ = ("counts", "sum_seconds")

    def __init__(self) -> None:
        self.counts = [0] * (len(SECONDS) + 1)  # each without those before
        self.sum_seconds = 0.0

    def add(self, seconds: float) -> None:
        """Count one more."""
        self.counts[bisect_left(SECONDS, seconds)] += 1
        self.sum_seconds += seconds

    def merge(self, other: "Durations") -> None:
        """Count all that another has counted."""
        self.counts = [a + b for a, b in zip(self.counts, other.counts, strict=True)]
        self.sum_seconds += other.sum_seconds


class Activity:
    """What the connections of one application have done so far. Used on the event loop.

    Other threads may read the numbers. They are exact, but not all of one moment.

    Args:
        write_line: writes a line of the access log. None without one.

    Attributes:
        messages: how many messages ended, by method, route and status. The route is a URL pattern,
            never a path, so clients cannot make new ones.
        durations: how long they took, by route.
        begun_count: how many messages were accepted. ``ended_count`` of them have ended.
        refusals: how many messages were refused, by the code of PROTOCOL.md 5.2.
        opened: how many connections were opened, by transport.
        closed: how many were closed, by transport and close code.
        received_bytes: those of all frames of clients. Connections add to it.
        sent_bytes: those of all frames that were sent. They add to it, too.
    """

    def __init__(self, write_line: WriteLine | None = None) -> None:
        self._write_line = write_line
        self.messages: dict[tuple[str, str, int], int] = {}
        self.durations: dict[str, Durations] = {}
        self.begun_count = self.ended_count = 0
        self.refusals: Counter[str] = Counter()
        self.opened: Counter[str] = Counter()
        self.closed: Counter[tuple[str, str]] = Counter()
        self.received_bytes = self.sent_bytes = 0

    # Connections.

    def connected(self, transport: str) -> None:
        """Count a connection that is open now."""
        self.opened[transport] += 1

    def disconnected(self, transport: str, code: object = None) -> None:
        """Count a connection that has ended, with its close code if it has one."""
        name = "none" if code is None else str(code) if code in _CLOSE_CODES else "other"
        self.closed[transport, name] += 1

    # Messages.

    def begin(self) -> MessageRecord:
        """Count a message that was accepted, and return its record. ``end`` must follow."""
        self.begun_count += 1
        return MessageRecord()

    def end(
        self,
        task: MessageTask,
        connection_id: str,
        last_bytes: int,
        refused: Refused | None = None,
        *,
        is_dropped: bool = False,
    ) -> None:
        """Count a message that was answered, refused or dropped. Does nothing if it was already.

        Args:
            task: its task.
            connection_id: of its connection.
            last_bytes: those that were sent last.
            refused: why it gets no response, if that is not on its record.
            is_dropped: whether nobody waited for it any more.
        """
        record, task.record = task.record, None
        if record is None:
            return
        self.ended_count += 1
        if refused is not None:
            record.refused(refused)
        elif is_dropped or not record.status:
            record.status = _GONE
        if record.refusal:
            self.refusals[record.refusal] += 1
        seconds = perf_counter() - record.began
        self._count(task, record, seconds)
        if self._write_line is not None:
            sent_bytes = record.sent_bytes + last_bytes
            self._write(task, record, connection_id, sent_bytes, seconds)

    def refuse(self, refused: Refused, request: Request | None, connection_id: str) -> None:
        """Count a message that was refused before it was accepted.

        Args:
            refused: why.
            request: what it asked for. None for other messages, and if it could not be read.
            connection_id: of its connection.
        """
        method = "" if request is None else request.method
        self.refusals[refused.code] += 1
        self._add(method, REFUSED, refused.status)
        if self._write_line is not None:
            path = "" if request is None else request.url.partition("?")[0]
            self._write_line(method, path, refused.status, 0, 0.0, None, connection_id)

    def reran(self, task: MessageTask, connection_id: str, body_bytes: int) -> None:
        """Write the line of a rerun. The live query manager counts it.

        Args:
            task: its task, which has ended.
            connection_id: of the subscriber that it ran for. Empty if it ran for all.
            body_bytes: of its response.
        """
        record, task.record = task.record, None
        if record is not None and self._write_line is not None:
            seconds = perf_counter() - record.began
            self._write(task, record, connection_id, body_bytes, seconds, is_rerun=True)

    def record_of_rerun(self) -> MessageRecord | None:
        """Return a record for a rerun, if there is an access log."""
        return None if self._write_line is None else MessageRecord()

    def _count(self, task: MessageTask, record: MessageRecord, seconds: float) -> None:
        request = record.request
        if request is None:  # it waited for a thread until it was refused or dropped
            route = REFUSED
        else:
            # Without a match, either a middleware answered, or no pattern has this path.
            match = request.resolver_match
            route = UNMATCHED if match is None else match.route
        route = self._add(task.message.method, route, record.status)
        durations = self.durations.get(route)
        if durations is None:
            durations = self.durations[route] = Durations()
        durations.add(seconds)

    def _add(self, method: str, route: str, status: int) -> str:
        """Count a message. Return the route under which it counts."""
        key = (method, route, status)
        if key not in self.messages and len(self.messages) >= _MAX_SERIES:
            route = OTHER
            key = ("", OTHER, status)
        self.messages[key] = self.messages.get(key, 0) + 1
        return route

    def _write(
        self,
        task: MessageTask,
        record: MessageRecord,
        connection_id: str,
        sent_bytes: int,
        seconds: float,
        *,
        is_rerun: bool = False,
    ) -> None:
        assert self._write_line is not None  # the callers look
        self._write_line(
            task.message.method,
            task.path,
            record.status,
            sent_bytes,
            seconds,
            record.user,
            connection_id,
            is_rerun=is_rerun,
        )
