"""What crosses from a worker thread to the event loop: callbacks, and context variables."""

import asyncio
import logging
import os
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from contextvars import Context

from asgiref.sync import _restore_context

__all__ = ["LoopCallbacks", "adopt"]

# Not documented. Without it asgiref's own crossings would not work either;
# tests/unit/workers/test_contexts.py holds it on the oldest and the newest asgiref.


def adopt(context: Context) -> None:
    """Set all that another context holds in the context that the calling thread is in.

    From 3.12 on asgiref ties the storage of a ``Local`` to its thread: in a context that was
    copied on one thread and is used on another, Django's language, time zone, script prefix and
    URLconf look as if nobody had set them. This makes them the calling thread's.

    Args:
        context: copied on any thread. It may be the one that the caller is in.
    """
    _restore_context(context)


logger = logging.getLogger("wsrequest.workers")


class LoopCallbacks:
    """Calls on one event loop, asked for by threads.

    Where the system has event descriptors the loop is woken by one: the thread lets go of the
    interpreter while it writes, so the loop need not wait for it. ``call_soon_threadsafe`` wakes a
    loop that cannot go on yet, and each request would cost two more changes of threads.

    Args:
        loop: where the calls are made.

    Attributes:
        waiting: the calls that are to be made. Empty when there is nothing to wake the loop for.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self.waiting: deque[Callable[[], None]] = deque()
        self._is_due = False  # the loop has been woken, and has not taken them yet
        self._context = Context()  # results are nobody's, or they would inherit a job's
        self._descriptor = self._opened = self._open()

    def post(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called on the event loop soon; from any thread, in order of posting."""
        self.waiting.append(callback)
        self.wake()

    def add(self, callback: Callable[[], None]) -> None:
        """Like ``post``, but leave it to ``wake`` or ``take`` when; one of them must follow."""
        self.waiting.append(callback)

    def wake(self) -> None:
        """See to it that the event loop takes what waits; from any thread."""
        if self._is_due or not self.waiting:
            return
        self._is_due = True
        descriptor = self._descriptor
        if descriptor is not None:
            os.eventfd_write(descriptor, 1)
            return
        try:
            self._loop.call_soon_threadsafe(self.take, context=self._context)
        except RuntimeError:  # the loop is closed: the server has ended, nobody listens
            logger.debug("a result came after the event loop had closed")

    def take(self) -> None:
        """Make the calls that wait. On the event loop, in no job's context."""
        self._is_due = False  # first, so that whoever posts from now on wakes again
        waiting = self.waiting
        while waiting:
            callback = waiting.popleft()
            try:
                callback()
            except Exception:
                logger.exception("taking a result failed")

    def close(self) -> None:
        """Give back the descriptor's place in the loop; results still come, by the other way."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None and not self._loop.is_closed():
            self._loop.remove_reader(descriptor)
            # Who was about to write has put its result here before.
            self._loop.call_soon_threadsafe(self.take, context=self._context)

    def __del__(self) -> None:
        # Only now: a thread that wrote to a closed descriptor might meet another file.
        if getattr(self, "_opened", None) is not None:
            os.close(self._opened)  # type: ignore[arg-type] # not None

    def _open(self) -> int | None:
        if not hasattr(os, "eventfd"):
            return None
        descriptor = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        try:
            self._context.run(self._loop.add_reader, descriptor, self._read)
        except (AttributeError, NotImplementedError, RuntimeError):  # a loop without, or closed
            os.close(descriptor)
            return None
        return descriptor

    def _read(self) -> None:
        if self._descriptor is not None:
            with suppress(BlockingIOError):  # somebody has read it already
                os.eventfd_read(self._descriptor)
            self.take()
