"""The one timer of a connection, for pings, deadlines, slow readers and silent clients.

It is set for whatever is due next. The connection decides what happens then.
"""

import asyncio
from math import inf
from typing import Protocol

from wsrequest.request.task import MessageTask
from wsrequest.types import Limits

__all__ = ["Timeouts", "TimedConnection"]


class TimedConnection(Protocol):
    """A connection, as its timeouts see it."""

    def timed_tasks(self) -> list[MessageTask]:
        """Return the tasks that have a deadline, in any order."""

    def sending_since(self) -> float | None:
        """Return the loop time at which the current frame began to be sent, or None."""

    def task_expired(self, task: MessageTask) -> None:
        """Handle a task that missed its deadline, or whose body stopped coming."""

    def reader_is_slow(self) -> None:
        """Handle a frame that waited too long to be read."""

    def ping_is_due(self) -> None:
        """Handle a client that has been silent."""

    def client_is_silent(self, *, was_pinged: bool) -> None:
        """Handle a client that sent no pong, or without pings no frame for too long."""

    def is_busy(self) -> bool:
        """Whether the client waits for anything."""

    def session_since(self) -> float | None:
        """Return the loop time at which its session was last valid, or None without a session."""

    def session_is_due(self) -> None:
        """Check whether the session is still valid."""


class Timeouts:
    """Times one connection, on its event loop.

    Args:
        watched: the connection.
        limits: the seconds of each kind.
        pings: whether a silent client is pinged. Otherwise it may be silent for long, once it has
            sent a frame.

    Attributes:
        last_frame_at: loop time of the client's last frame. None until the first has come.
        rings_at: loop time of the next check. A caller that schedules nothing earlier than this
            need not call ``schedule``.
    """

    __slots__ = (
        "_is_stopped", "_limits", "_loop", "_opened_at", "_pinged_at", "_pings", "_timer",
        "_watched", "last_frame_at", "rings_at",
    )  # fmt: skip

    def __init__(self, watched: TimedConnection, limits: Limits, *, pings: bool) -> None:
        self._watched, self._limits, self._pings = watched, limits, pings
        self._loop = asyncio.get_running_loop()
        self._timer: asyncio.TimerHandle | None = None
        self.rings_at = inf
        self._is_stopped = False
        self._opened_at = self._loop.time()
        self._pinged_at = -inf
        self.last_frame_at: float | None = None

    @property
    def has_spoken(self) -> bool:
        """Whether any frame has come."""
        return self.last_frame_at is not None

    @property
    def _silent_since(self) -> float:
        return self._opened_at if self.last_frame_at is None else self.last_frame_at

    @property
    def _awaits_pong(self) -> bool:
        """Whether a ping was sent, and nothing has come since."""
        return self._pinged_at > self._silent_since

    def sending(self, since: float) -> None:
        """Check that the client reads a frame that the server has had since this loop time."""
        self.schedule(since + self._limits.slow_reader_seconds)

    def schedule(self, due: float) -> None:
        """Check what is due at loop time ``due``, at the latest."""
        if self.rings_at <= due or self._is_stopped:
            return
        if self._timer is not None:
            self._timer.cancel()
        self._timer, self.rings_at = self._loop.call_at(due, self._ring), due

    def start(self) -> None:
        """Begin. Whatever is due later is set by ``schedule``."""
        due = self._next_due()
        if due is not None:
            self.schedule(due)

    def stop(self) -> None:
        """Stop for good. Safe to call twice."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer, self.rings_at = None, inf

    @property
    def _patience(self) -> float:
        """How long a client that is not pinged may be silent, in seconds."""
        limits = self._limits
        return limits.idle_seconds if self.has_spoken else limits.first_request_seconds

    def _next_due(self) -> float | None:
        limits, due = self._limits, []
        if self._pings:
            pong_seconds = limits.pong_seconds if self._awaits_pong else 0.0
            due.append(self._silent_since + limits.ping_seconds + pong_seconds)
        else:
            due.append(self._silent_since + self._patience)
        since = self._watched.session_since()
        if since is not None:
            due.append(since + limits.session_check_seconds)
        due += [task.since + limits.request_seconds for task in self._watched.timed_tasks()]
        since = self._watched.sending_since()
        if since is not None:
            due.append(since + limits.slow_reader_seconds)
        return min(due, default=None)

    def _ring(self) -> None:
        self._timer, self.rings_at = None, inf
        limits, now, watched = self._limits, self._loop.time(), self._watched
        since = watched.sending_since()
        if since is not None and now >= since + limits.slow_reader_seconds:
            watched.reader_is_slow()
            return
        for task in watched.timed_tasks():
            if now >= task.since + limits.request_seconds:
                watched.task_expired(task)
        silence = now - self._silent_since
        if (
            self._pings
            and self._awaits_pong
            and silence >= limits.ping_seconds + limits.pong_seconds
        ):
            watched.client_is_silent(was_pinged=True)
            return
        if self._pings and not self._awaits_pong and silence >= limits.ping_seconds:
            self._pinged_at = now
            watched.ping_is_due()
        if not self._pings and silence >= self._patience:
            if not watched.is_busy():
                watched.client_is_silent(was_pinged=False)
                return
            self.last_frame_at = now  # it waits for a response, and may be silent until then
        since = watched.session_since()
        if since is not None and now >= since + limits.session_check_seconds:
            watched.session_is_due()
        self.start()
