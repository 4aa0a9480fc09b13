"""Carry callbacks and context variables from worker threads to the event loop."""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context

from asgiref.sync import _restore_context

__all__ = ["LoopCallbacks", "adopt"]

logger = logging.getLogger("wsrequest.workers")

# asgiref does not document _restore_context, but its own sync and async bridges depend on it.
# tests/unit/workers/test_contexts.py checks it on the oldest and the newest asgiref.


def adopt(context: Context) -> None:
    """Set all variables of another context in the current context of the calling thread.

    From Python 3.12 on, asgiref ties the storage of a ``Local`` to its thread. If a context is
    copied on one thread and used on another, Django's language, time zone, script prefix and
    URLconf look unset. This function makes them belong to the calling thread.

    Args:
        context: copied on any thread. It may be the caller's current context.
    """
    _restore_context(context)


class LoopCallbacks:
    """Callbacks that threads post to one event loop.

    Where the system has event descriptors, one of them wakes the loop. The thread releases the
    interpreter while it writes, so the loop does not have to wait for it. ``call_soon_threadsafe``
    instead wakes a loop that cannot continue yet, which costs two more thread switches per request.

    Args:
        loop: runs the callbacks.

    Attributes:
        waiting: callbacks that have not run yet. While it is empty, the loop need not be woken.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.waiting: deque[Callable[[], None]] = deque()
        self._is_due = False  # the loop was woken, and has not run the callbacks yet
        self._context = Context()  # an empty one, or callbacks would inherit a job's context
        self._descriptor = self._opened = self._open()

    def post(self, callback: Callable[[], None]) -> None:
        """Run ``callback`` on the event loop soon, in order. Any thread may call this."""
        self.waiting.append(callback)
        self.wake()

    def add(self, callback: Callable[[], None]) -> None:
        """Like ``post``, but without waking the loop. ``wake`` or ``take`` must follow."""
        self.waiting.append(callback)

    def wake(self) -> None:
        """Make the event loop run the waiting callbacks. Any thread may call this."""
        if self._is_due or not self.waiting:
            return
        self._is_due = True
        descriptor = self._descriptor
        if descriptor is not None:
            os.eventfd_write(descriptor, 1)
            return
        try:
            self._loop.call_soon_threadsafe(self.take, context=self._context)
        except RuntimeError:  # the loop is closed, so the server has ended
            logger.debug("a result arrived after the event loop had closed")

    def take(self) -> None:
        """Run the waiting callbacks. Call it on the event loop, outside any job's context."""
        self._is_due = False  # first, so that a thread that posts from now on wakes the loop again
        waiting = self.waiting
        while waiting:
            callback = waiting.popleft()
            try:
                callback()
            except Exception:
                logger.exception("a callback from a worker thread failed")

    def close(self) -> None:
        """Unregister the descriptor from the loop. Later callbacks use ``call_soon_threadsafe``."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None and not self._loop.is_closed():
            self._loop.remove_reader(descriptor)
            # A thread that was about to write has already added its callback.
            self._loop.call_soon_threadsafe(self.take, context=self._context)

    def __del__(self) -> None:
        # Not earlier: the number of a closed descriptor may already belong to another file.
        if getattr(self, "_opened", None) is not None:
            os.close(self._opened)  # type: ignore[arg-type] # not None

    def _open(self) -> int | None:
        if not hasattr(os, "eventfd"):
            return None
        descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        try:
            self._context.run(self._loop.add_reader, descriptor, self._read)
        except (AttributeError, NotImplementedError, RuntimeError):  # no add_reader, or closed
            os.close(descriptor)
            return None
        return descriptor

    def _read(self) -> None:
        if self._descriptor is not None:
            with suppress(BlockingIOError):  # already read
                os.eventfd_read(self._descriptor)
            self.take()
