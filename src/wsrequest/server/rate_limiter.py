"""Accept handshakes at a steady pace: each address at its own rate, and all at a common rate.

This matters when many clients connect at once, as after a restart. ``admission`` decides whether a
handshake may be accepted at all.
"""

import asyncio
from collections import Counter
from itertools import takewhile

from wsrequest.errors import HandshakeRefused
from wsrequest.live.round_robin import RoundRobin, Turn

__all__ = ["SLICE_SECONDS", "WAIT_SECONDS", "HandshakeRateLimiter"]

SLICE_SECONDS = 0.1  # each slice of time accepts its part of the rate, and not one more
WAIT_SECONDS = 4.0  # the longest wait: daphne allows 5 seconds for a handshake, proxies more

_Waiter = asyncio.Future[None]


class HandshakeRateLimiter:
    """Delays the handshakes of one process. Used on the event loop only.

    An address that exceeds its own rate fills its own queue. Addresses within their rate take turns
    at the common rate. When all queues together are full, the longest queue loses its newest entry.
    So no handshake waits, or is refused, because of what another address sends.
    """

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._slice: asyncio.TimerHandle | None = None  # ends the current slice
        self._share = self._share_of_one = 0  # the maximum per slice: of all, and of one address
        self._forget()

    def _forget(self) -> None:
        self._count = 0  # how many were accepted in this slice
        self._by_place: Counter[str] = Counter()  # the same by place
        self._waiting: RoundRobin[_Waiter] = RoundRobin()
        # By place, since when each handshake has waited. The first is the oldest.
        self._queues: dict[str, dict[_Waiter, float]] = {}

    async def wait(self, place: str, per_second: int, per_second_of_one: int) -> None:
        """Return when this handshake may continue. Those of its place continue in order.

        Args:
            place: what it is counted under. "" if clients have no address, and so no rate of their
                own.
            per_second: the maximum rate of all. It is lower if the event loop is late.
            per_second_of_one: the maximum rate of one place.

        Raises:
            HandshakeRefused: it would have to wait for longer than ``WAIT_SECONDS``. 429 because of
                its own place, 503 because of all of them.
        """
        loop = asyncio.get_running_loop()
        if loop is not self._loop:  # an application can be served again, on another loop
            self._loop, self._slice = loop, None
            self._forget()
        self._share = max(1, int(per_second * SLICE_SECONDS))
        one = self._share
        if place:
            one = min(one, max(1, int(per_second_of_one * SLICE_SECONDS)))
            self._share_of_one = one
        if self._slice is None:
            self._begin_slice()
        # If handshakes wait while there is room, they wait for the rate of their own place.
        if self._count < self._share and self._may_have(place):
            self._take(place)
            return
        self._make_room(place, one)
        future = loop.create_future()
        self._waiting.add(future, Turn(place, None))
        self._queues.setdefault(place, {})[future] = loop.time()
        try:
            await future
        finally:
            self._leave(place, future)  # also if the server has ended the handshake

    def give_back(self) -> None:
        """Accept another handshake in place of one that was accepted and then refused.

        It returns its part of the common rate, but not of its place's own rate.
        """
        if self._count:
            self._count -= 1
            self._let_in()

    def release(self) -> None:
        """Let all waiting handshakes continue at once, so that the caller can refuse them."""
        while (entry := self._waiting.pop()) is not None:
            self._go_on(*entry)

    def _may_have(self, place: object) -> bool:
        return not place or self._by_place[str(place)] < self._share_of_one

    def _take(self, place: str) -> None:
        self._count += 1
        if place:
            self._by_place[place] += 1

    def _make_room(self, place: str, share: int) -> None:
        slices = int(WAIT_SECONDS / SLICE_SECONDS)
        own = len(self._queues.get(place, ()))
        if place and own >= share * slices:
            raise HandshakeRefused(
                429,
                f"too many come at once from {place} "
                "(WSREQUEST_MAX_HANDSHAKES_PER_SECOND_PER_ADDRESS). "
                "If that is your proxy, configure the server to take the client's address from it.",
                retry_after_seconds=int(WAIT_SECONDS),
            )
        if len(self._waiting) >= self._share * slices:
            longest = max(self._queues, key=lambda other: len(self._queues[other]))
            if own + 1 >= len(self._queues[longest]):
                raise _too_many()
            self._refuse(longest, next(reversed(self._queues[longest])))

    def _refuse(self, place: str, waiter: _Waiter) -> None:
        self._leave(place, waiter)
        if not waiter.done():
            waiter.set_exception(_too_many())

    def _leave(self, place: str, waiter: _Waiter) -> None:
        self._waiting.discard(waiter)
        queue = self._queues.get(place)
        if queue is not None and queue.pop(waiter, None) is not None and not queue:
            del self._queues[place]

    def _go_on(self, waiter: _Waiter, turn: Turn) -> None:
        self._leave(str(turn.address), waiter)
        if not waiter.done():
            waiter.set_result(None)

    def _begin_slice(self) -> None:
        assert self._loop is not None  # wait() has set it
        self._count = 0
        self._by_place.clear()
        self._let_in()
        # If many other places come, the turns of one place become rare. A tenth is added, because
        # the event loop may have been late.
        late = self._loop.time() - 1.1 * WAIT_SECONDS
        for place, queue in list(self._queues.items()):
            for waiter, _ in list(takewhile(lambda one: one[1] < late, queue.items())):
                self._refuse(place, waiter)
        self._slice = self._loop.call_later(SLICE_SECONDS, self._end_slice)

    def _let_in(self) -> None:
        while self._count < self._share:
            entry = self._waiting.pop(self._may_have)
            if entry is None:
                return
            waiter, turn = entry
            if not waiter.done():  # otherwise, the server has ended its handshake
                self._take(str(turn.address))
            self._go_on(waiter, turn)

    def _end_slice(self) -> None:
        self._slice = None
        if self._waiting:
            self._begin_slice()


def _too_many() -> HandshakeRefused:
    return HandshakeRefused(
        503,
        "too many come at once (WSREQUEST_MAX_HANDSHAKES_PER_SECOND)",
        retry_after_seconds=int(WAIT_SECONDS),
    )
