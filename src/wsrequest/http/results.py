"""How results come from worker threads to the event loop: what is ready together, at once."""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextvars import Context

__all__ = ["Results"]

logger = logging.getLogger("wsrequest.lanes")


class Results:
    """Calls on one event loop, asked for by threads. Waking a loop costs more than most calls.

    Args:
        loop: where they are made.
    """

    __slots__ = ("_context", "_is_due", "_loop", "_waiting")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[Callable[[], None]] = deque()
        self._is_due = False
        self._context = Context()  # results are nobody's, or they would inherit a job's

    def post(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called on the event loop soon; from any thread, in order of posting."""
        self._waiting.append(callback)
        if not self._is_due:
            self._is_due = True
            try:
                self._loop.call_soon_threadsafe(self._take, context=self._context)
            except RuntimeError:  # the loop is closed: the server has ended, nobody listens
                logger.debug("a result came after the event loop had closed")

    def _take(self) -> None:
        self._is_due = False  # first, so that whoever posts from now on calls again
        waiting = self._waiting
        while waiting:
            callback = waiting.popleft()
            try:
                callback()
            except Exception:
                logger.exception("taking a result failed")
