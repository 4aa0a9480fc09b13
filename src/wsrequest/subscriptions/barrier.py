"""Answers that wait until the live requests that they changed have been sent (PROTOCOL.md 4.8).

Owns the wait and its end. What has changed is the registry's to know.
"""

import asyncio
from collections.abc import Callable
from functools import partial
from sys import getsizeof

from wsrequest.errors import Refused
from wsrequest.live.query import Wait
from wsrequest.protocol.messages import Request
from wsrequest.request.budget import Account
from wsrequest.request.task import RequestTask
from wsrequest.types import Frame, Limits

__all__ = ["Barrier", "with_settled"]

SETTLE_SECONDS = 5.0  # more than a view should take to run again, less than a person waits for


class _Held:
    """An answer that waits: its frame, and what ends the wait."""

    __slots__ = ("frame", "timer", "wait")

    def __init__(self, frame: Frame, timer: asyncio.TimerHandle) -> None:
        self.frame, self.timer = frame, timer
        self.wait: Wait | None = None

    def end(self) -> None:
        """Wait no longer. The live requests keep nothing of it."""
        self.timer.cancel()
        if self.wait is not None:
            self.wait.cancel()


class Barrier:
    """The answers of one connection that wait. Used on the event loop only.

    Args:
        loop: the event loop.
        send: takes a call and its last frame when the wait is over.
        account: what the live requests of its address hold; what waits for them counts there.
        limits: of the connection.
    """

    __slots__ = ("_account", "_held_bytes", "_limits", "_loop", "_send", "_waiting")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        send: Callable[[RequestTask, Frame], None],
        account: Account,
        limits: Limits,
    ) -> None:
        self._loop, self._send = loop, send
        self._account, self._limits = account, limits
        self._held_bytes = 0
        self._waiting: dict[RequestTask, _Held] = {}

    def hold(
        self,
        task: RequestTask,
        frame: Frame,
        when_settled: Callable[[Callable[[bool], None]], Wait],
    ) -> None:
        """Keep an answer back, or send it at once where too much waits already.

        Args:
            task: that has ended.
            frame: its answer, whole.
            when_settled: calls a function once all is sent, and tells it whether all was; returns
                the wait.
        """
        task.has_begun = True  # its view has answered, so no deadline holds any more
        if not self._has_taken(getsizeof(frame)):
            self._send(task, with_settled(frame, is_settled=False))
            return
        # Only its view needed the rest, which nobody counts.
        task.message = Request(task.message.method, "", task.message.id)
        task.cookie = ""
        timer = self._loop.call_later(SETTLE_SECONDS, self._end, task, False)
        held = self._waiting[task] = _Held(frame, timer)
        held.wait = when_settled(partial(self._end, task))

    def _has_taken(self, count: int) -> bool:
        """Whether there is room for an answer more, which is counted then."""
        if self._held_bytes and self._held_bytes + count > self._limits.outbound_bytes:
            return False
        try:
            self._account.take(count, self._limits)
        except Refused:
            return False
        self._held_bytes += count
        return True

    def _pop(self, task: RequestTask) -> _Held | None:
        held = self._waiting.pop(task, None)
        if held is not None:
            held.end()
            self._held_bytes -= getsizeof(held.frame)
            self._account.give(getsizeof(held.frame))
        return held

    def flush(self) -> None:
        """Wait no longer."""
        for task in list(self._waiting):
            self._end(task, False)

    def drop(self, task: RequestTask) -> None:
        """Nobody wants this answer any more. Safe to call twice."""
        self._pop(task)

    def _end(self, task: RequestTask, is_settled: bool) -> None:
        held = self._pop(task)
        if held is not None:
            self._send(task, with_settled(held.frame, is_settled=is_settled))


def with_settled(frame: Frame, *, is_settled: bool) -> Frame:
    """The frame of a response with the member ``settled``."""
    member = '{"settled":true,' if is_settled else '{"settled":false,'
    return member + frame[1:] if isinstance(frame, str) else member.encode() + frame[1:]
