"""The frames that wait to be written to one client, in order, and the count of their bytes.

The bytes are counted here, since not every server holds a sender back. Each frame is sent in the
context of its request, by which ASGI middleware assigns it. One task writes while frames wait.
"""

import asyncio
import logging
import sys
from collections.abc import Awaitable, Callable, Coroutine, Generator
from contextvars import Context, copy_context
from functools import partial
from typing import Any

from wsrequest.server.activity import Activity
from wsrequest.types import Frame, Send
from wsrequest.workers.loop_callbacks import adopt

__all__ = ["SendQueue", "frame_bytes"]

logger = logging.getLogger("wsrequest.connection")


_UNSEEN_BYTES = 2**16  # per connection. Most responses never count


class SendQueue:
    """The frames that wait for one client. Used on the event loop only.

    Create it in the context of the connection, in which it sends frames that belong to no request.

    Args:
        send: the ASGI callable.
        max_bytes: how many waiting bytes leave no more room.
        on_room: called when there is room again.
        on_sending: called when the server does not take a frame at once, with the loop time since
            when it has that frame.
        on_broken: called when the server raised instead of sending.
        on_waiting: called with the number of bytes above the uncounted ones, when it changes.

    Attributes:
        activity: counts what is sent. None if nobody asks.
        max_bytes: as above.
        send_at_once: a shorter way than ``send``, or None. Returns False if it cannot be used now.
    """

    __slots__ = (
        "_context",
        "_frames",
        "_on_broken",
        "_on_room",
        "_on_sending",
        "_on_waiting",
        "_seen_bytes",
        "_send",
        "_task",
        "activity",
        "is_broken",
        "max_bytes",
        "send_at_once",
        "sending_since",
        "waiting_bytes",
    )

    def __init__(
        self,
        send: Send,
        max_bytes: int,
        on_room: Callable[[], None],
        on_sending: Callable[[float], None],
        on_broken: Callable[[], None] = lambda: None,
        on_waiting: Callable[[int], None] = lambda count: None,
    ) -> None:
        self._send, self.max_bytes, self._on_waiting = send, max_bytes, on_waiting
        self._seen_bytes = 0  # as last reported
        self._on_room, self._on_sending, self._on_broken = on_room, on_sending, on_broken
        self._context = copy_context()
        # A list, since an empty deque takes 700 bytes.
        self._frames: list[tuple[Frame, Context | None]] = []
        self._task: asyncio.Task[None] | None = None
        self.waiting_bytes = 0
        self.sending_since: float | None = None  # loop time at which the current frame began
        self.is_broken = False
        self.send_at_once: Callable[[Frame], bool] | None = None
        self.activity: Activity | None = None

    def has_room(self) -> bool:
        """Whether less waits than the maximum."""
        return self.waiting_bytes < self.max_bytes

    @property
    def count(self) -> int:
        """How many frames wait."""
        return len(self._frames)

    def put(self, frame: Frame, context: Context | None = None) -> None:
        """Send a frame after those that wait. Does nothing if the client is gone.

        Args:
            frame: what to send.
            context: that of its request, or None for the connection's. ``send_at_once`` needs none,
                because no middleware sees those frames.
        """
        if self.is_broken:
            return
        if self.activity is not None:
            self.activity.sent_bytes += frame_bytes(frame)
        if self._task is None and self.send_at_once is not None and self.send_at_once(frame):
            return
        self._frames.append((frame, context))
        self.waiting_bytes += frame_bytes(frame)
        if self.waiting_bytes > _UNSEEN_BYTES:
            self._look()
            if self.is_broken:  # too much waits in the process
                return
        if self._task is None:
            task = _begin(self._write(), self._context.copy())
            if not task.done():  # otherwise the server has taken it already
                self._task = task
                if self.sending_since is None:
                    # The task has not begun. A timer that fires before it does would find nothing
                    # to wait for, and would not fire again.
                    self.sending_since = asyncio.get_running_loop().time()
                self._on_sending(self.sending_since)

    async def flush(self) -> None:
        """Wait until the server has all frames so far, or the client is gone."""
        while self._task is not None and not self._task.done():
            await asyncio.wait([self._task])

    def discard(self) -> None:
        """Send nothing more. Safe to call twice."""
        self.is_broken = True
        self._frames.clear()
        self.waiting_bytes = 0
        self.sending_since = None
        if self._task is not None:
            self._task.cancel()
        self._look()

    def _look(self) -> None:
        """Report how much waits, if it has changed."""
        count = max(0, self.waiting_bytes - _UNSEEN_BYTES)
        if count != self._seen_bytes:
            self._seen_bytes = count
            self._on_waiting(count)

    async def _write(self) -> None:
        loop = asyncio.get_running_loop()
        try:
            while self._frames:
                frame, context = self._frames.pop(0)
                kind = "text" if isinstance(frame, str) else "bytes"
                self.sending_since = loop.time()
                event = {"type": "websocket.send", kind: frame}
                if self.send_at_once is not None and self.send_at_once(frame):
                    pass  # the server has it
                elif context is None:
                    await self._send(event)
                else:
                    await _InContext(context, partial(self._send, event))
                had_room = self.has_room()
                self.waiting_bytes -= frame_bytes(frame)
                if self._seen_bytes:
                    self._look()
                if not had_room and self.has_room():
                    self._on_room()
        except Exception as error:
            # The client has gone, or the server refuses the frame, as daphne does above its limit.
            logger.info("sending failed: %r", error)
            self.is_broken = True
            self._frames.clear()
            self.waiting_bytes = 0
            self._look()
            self._on_broken()
        finally:
            self.sending_since = None
            self._task = None


class _InContext:
    """Awaits the result of a function in another context than the task's.

    A separate task would do the same, but cost each frame a turn of the loop on Python 3.11.

    Args:
        context: copied, since the request may be running in it on any thread.
        function: called in that context as well.
    """

    def __init__(self, context: Context, function: Callable[[], Awaitable[Any]]) -> None:
        self._context, self._function = context.copy(), function

    def __await__(self) -> Generator[Any, Any, Any]:
        run = self._context.run
        run(adopt, self._context)
        steps: Any = run(self._function).__await__()
        step = partial(next, steps)
        while True:
            try:
                waited = run(step)
            except StopIteration as end:
                return end.value
            try:
                yield waited
            except BaseException as error:  # the task is canceled
                step = partial(steps.throw, error)
            else:
                step = partial(next, steps)


def _begin(writing: Coroutine[Any, Any, None], context: Context) -> asyncio.Task[None]:
    """Make a task that begins at once if Python can do that. Most frames need no turn then."""
    loop = asyncio.get_running_loop()
    if sys.version_info >= (3, 12):
        return asyncio.Task(writing, loop=loop, context=context, eager_start=True)
    return loop.create_task(writing, context=context)


def frame_bytes(frame: Frame) -> int:
    """Return the bytes of a frame, without the framing of the WebSocket."""
    return len(frame) if isinstance(frame, bytes) or frame.isascii() else len(frame.encode())
