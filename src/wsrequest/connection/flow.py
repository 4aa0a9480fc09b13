"""How many bytes of one answer may go out now.

Owns credit (PROTOCOL.md 4.4) for one streamed answer, whose pieces come from a
worker thread or from a coroutine.
"""

import asyncio
import threading
from collections.abc import Callable

from wsrequest.errors import AnswerDropped

__all__ = ["Flow"]


class Flow:
    """Meters one answer. ``grant``, ``wake``, ``sent`` and ``drop`` are called on the event loop.

    Args:
        credit: bytes that the client allowed with its request.
        window_bytes: how many bytes may be on their way from a thread to the
            outbox; a thread can be faster than the loop.
        has_room: whether the connection as a whole takes more now.
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
        self.is_starved = False  # whoever takes is waiting for credit, and for nothing else

    def grant(self, count: int) -> None:
        """Allow ``count`` bytes more."""
        with self._condition:
            self._credit += count
        self.wake()

    def sent(self, count: int) -> None:
        """So many of the bytes taken have reached the outbox."""
        with self._condition:
            self._unsent -= count
        self.wake()

    def drop(self) -> None:
        """Nobody wants the rest: whoever takes gets AnswerDropped. Safe to call twice."""
        self.is_dropped = True
        self.wake()

    def wake(self) -> None:
        """Let whoever waits look again."""
        with self._condition:
            self._condition.notify_all()
        if self._future is not None and not self._future.done():
            self._future.set_result(None)

    def try_take(self, wanted: int) -> int:
        """How many of ``wanted`` bytes may go now; 0 when it has to wait.

        Raises:
            AnswerDropped: the answer is not wanted any more.
        """
        with self._condition:
            return self._take(wanted)

    def take(self, wanted: int) -> int:
        """Like ``try_take``, but waits in the calling thread until it is at least one."""
        with self._condition:
            while not (count := self._take(wanted)):
                self._condition.wait()
            return count

    async def atake(self, wanted: int) -> int:
        """Like ``take``, for a coroutine on the event loop."""
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
