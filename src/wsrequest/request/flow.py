"""Hold a body back until its client has given credit for it."""

import asyncio
import threading
from collections.abc import Callable

from wsrequest.errors import AnswerDropped

__all__ = ["FlowController"]


class FlowController:
    """Limits one response to its credit. Only the ``take`` methods are called in threads.

    ``grant``, ``wake``, ``sent`` and ``drop`` are called on the event loop.

    Args:
        credit: the bytes that the client allowed with its request.
        window_bytes: how many bytes may be between a thread and the send queue, because a thread
            can be faster than the loop.
        has_room: whether the connection as a whole accepts more now.

    Attributes:
        is_dropped: whether the rest is not wanted any more.
        is_starved: whether the taker waits for credit, and for nothing else.
    """

    __slots__ = (
        "_condition",
        "_credit",
        "_future",
        "_has_room",
        "_unsent",
        "_window_bytes",
        "is_dropped",
        "is_starved",
    )

    def __init__(self, credit: int, window_bytes: int, has_room: Callable[[], bool]) -> None:
        self._credit, self._window_bytes, self._has_room = credit, window_bytes, has_room
        self._condition = threading.Condition()
        self._future: asyncio.Future[None] | None = None
        self._unsent = 0
        self.is_dropped = False
        self.is_starved = False

    @property
    def is_full(self) -> bool:
        """Whether the taker must wait until more of what it took was sent."""
        return self._unsent >= self._window_bytes

    def grant(self, count: int) -> None:
        """Add ``count`` bytes of credit."""
        with self._condition:
            self._credit += count
        self.wake()

    def sent(self, count: int) -> None:
        """Note that ``count`` of the taken bytes have reached the send queue."""
        with self._condition:
            self._unsent -= count
        self.wake()

    def drop(self) -> None:
        """Make the taker raise AnswerDropped, as the rest is not wanted. Safe to call twice."""
        self.is_dropped = True
        self.wake()

    def wake(self) -> None:
        """Let a waiting taker check again."""
        with self._condition:
            self._condition.notify_all()
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    def try_take(self, wanted: int) -> int:
        """Return how many of ``wanted`` bytes may be sent now, or 0 if the caller must wait.

        Raises:
            AnswerDropped: the response is not wanted any more.
        """
        with self._condition:
            return self._take(wanted)

    def take(self, wanted: int) -> int:
        """Like ``try_take``, but block the calling thread until the count is at least one."""
        with self._condition:
            while not (count := self._take(wanted)):
                self._condition.wait()
            return count

    async def atake(self, wanted: int) -> int:
        """Like ``take``, but for a coroutine on the event loop."""
        while not (count := self.try_take(wanted)):
            self._future = asyncio.get_running_loop().create_future()
            await self._future
        return count

    def _take(self, wanted: int) -> int:
        if self.is_dropped:
            raise AnswerDropped
        has_room = self._has_room()
        self.is_starved = self._credit <= 0 and has_room
        if not has_room:
            return 0
        count = min(wanted, self._credit, self._window_bytes - self._unsent)
        if count <= 0:
            return 0
        self._credit -= count
        self._unsent += count
        return count
