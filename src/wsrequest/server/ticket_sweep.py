"""Delete the cookies that nobody has fetched with their ticket.

This is a job for the worker pool, with its timer. ``tickets`` decides what to delete.
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
    """Sweeps periodically while any tickets are left.

    Args:
        pool: runs the sweep.
        queue_key: whose turn the sweep takes among the connections.
        tickets: returns the tickets of this process. Called in a worker thread.
        seconds: the time between two sweeps.
    """

    def __init__(
        self, pool: WorkerPool, queue_key: QueueKey, tickets: Callable[[], Tickets], seconds: float
    ) -> None:
        self._pool, self._queue_key, self._tickets, self._seconds = (
            pool,
            queue_key,
            tickets,
            seconds,
        )
        self._timer: asyncio.TimerHandle | None = None
        self._is_stopped = self._has_more = False

    def begin(self) -> None:
        """Sweep later, because there are tickets now. Any thread may call this."""
        self._pool.post(self._wait)

    def stop(self) -> None:
        """Stop sweeping and leave the rest to ``clearsessions``. Safe to call twice."""
        self._is_stopped = True
        if self._timer is not None:
            self._timer.cancel()

    def _wait(self) -> None:
        if not self._is_stopped and self._timer is None:
            self._timer = self._pool.loop.call_later(self._seconds, self._due)

    def _due(self) -> None:
        self._timer = None
        self._pool.submit(self, self._queue_key)

    # As a job.

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
        """Wait for the next sweep, on the event loop."""
        if self._has_more:
            self._wait()
