"""Deletes the cookies that nobody has fetched with their ticket.

A job for a lane, and its timer. What there is to delete is ``tickets``'.
"""

import asyncio
import logging
from collections.abc import Callable

from django.db import close_old_connections

from wsrequest.server.tickets import Tickets
from wsrequest.workers.pool import WorkerPool
from wsrequest.workers.queue import QueueKey

__all__ = ["TicketSweep"]

logger = logging.getLogger("wsrequest.connection")


class TicketSweep:
    """Sweeps while there is anything to sweep.

    Args:
        pool: that has the threads.
        queue_key: whose turn it is among the connections.
        tickets: gives those of this process; in a worker thread.
        seconds: between two sweeps.
    """

    def __init__(
        self, pool: WorkerPool, queue_key: QueueKey, tickets: Callable[[], Tickets], seconds: float
    ) -> None:
        self._lane, self._queue_key, self._tickets, self._seconds = (
            pool,
            queue_key,
            tickets,
            seconds,
        )
        self._timer: asyncio.TimerHandle | None = None
        self._is_stopped = self._has_more = False

    def begin(self) -> None:
        """There is something to sweep in time; from any thread."""
        self._lane.post(self._wait)

    def stop(self) -> None:
        """Sweep no more: ``clearsessions`` does. On the event loop, safe to call twice."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self) -> None:
        if not self._is_stopped and self._timer is None:
            self._timer = self._lane.loop.call_later(self._seconds, self._due)

    def _due(self) -> None:
        self._timer = None
        self._lane.submit(self, self._queue_key)

    # A job.

    def run(self) -> None:
        """Sweep, in a worker thread. What cannot be deleted is left to ``clearsessions``."""
        self._has_more = True
        try:
            self._has_more = self._tickets().sweep()
        except Exception:
            logger.exception("deleting cookies that nobody has fetched failed")
        finally:
            close_old_connections()

    def deliver(self) -> None:
        """Wait for the next, on the event loop."""
        if self._has_more:
            self._wait()
