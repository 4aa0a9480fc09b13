"""Handshakes, let in at a steady pace.

Owns who waits at the door when many come at once, as after a restart. Whether somebody
may come in at all is ``door``'s to say.
"""

import asyncio
from collections import deque

from wsrequest.errors import HandshakeRefused

__all__ = ["SLICE_SECONDS", "WAIT_SECONDS", "Arrivals"]

SLICE_SECONDS = 0.1  # in each such slice of time so many may come in, not one more
WAIT_SECONDS = 4.0  # nobody waits longer: daphne gives a handshake 5 seconds, proxies more


class Arrivals:
    """Those who wait at the door of one process. Used on the event loop only."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._slice: asyncio.TimerHandle | None = None  # ends the slice that runs
        self._share = 0  # how many may come in per slice
        self._count = 0  # how many came in during this one
        self._waiting: deque[asyncio.Future[None]] = deque()

    async def wait(self, per_second: int) -> None:
        """Return when this handshake may go on; those that came before it go first.

        Args:
            per_second: how many may. If the event loop is late, fewer.

        Raises:
            HandshakeRefused: 503, it would have to wait for longer than ``WAIT_SECONDS``.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # an application can be served again, in another loop
            self._loop, self._slice = loop, None
            self._waiting.clear()
        self._share = max(1, int(per_second * SLICE_SECONDS))
        if self._slice is None:
            self._begin_slice()
        if self._count < self._share:
            self._count += 1
            return
        if len(self._waiting) >= self._share * int(WAIT_SECONDS / SLICE_SECONDS):
            raise HandshakeRefused(
                503,
                "too many come at once (WSREQUEST_MAX_HANDSHAKES_PER_SECOND)",
                retry_after_seconds=int(WAIT_SECONDS),
            )
        future = loop.create_future()
        self._waiting.append(future)
        await future

    def release(self) -> None:
        """Let all who wait go on at once: nobody comes in any more, and each is to be told so."""
        for future in self._waiting:
            if not future.done():
                future.set_result(None)
        self._waiting.clear()

    def _begin_slice(self) -> None:
        assert self._loop is not None  # wait() has set it
        self._count = 0
        while self._waiting and self._count < self._share:
            future = self._waiting.popleft()
            if not future.done():  # else the server has ended its handshake
                future.set_result(None)
                self._count += 1
        self._slice = self._loop.call_later(SLICE_SECONDS, self._end_slice)

    def _end_slice(self) -> None:
        self._slice = None
        if self._waiting:
            self._begin_slice()
