"""Holds responses back until the live requests that they changed were sent (PROTOCOL.md 4.8)."""

import asyncio
from collections.abc import Callable
from functools import partial
from sys import getsizeof

from wsrequest.errors import Refused
from wsrequest.live.waits import Wait
from wsrequest.protocol.messages import Request
from wsrequest.request.budget import Account
from wsrequest.request.task import MessageTask
from wsrequest.types import Frame, Limits

__all__ = ["Barrier", "with_settled"]

SETTLE_SECONDS = 5.0  # longer than a rerun should take, shorter than a person waits


class _Held:
    """A response that is held back: its frame, and what ends the wait."""

    __slots__ = ("frame", "timer", "wait")

    def __init__(self, frame: Frame, timer: asyncio.TimerHandle) -> None:
        self.frame, self.timer = frame, timer
        self.wait: Wait | None = None

    def end(self) -> None:
        """End the wait. The live requests keep nothing of it."""
        self.timer.cancel()
        if self.wait is not None:
            self.wait.cancel()


class Barrier:
    """The responses of one connection that are held back. Used on the event loop only.

    Args:
        loop: the event loop.
        send: gets a task and its last frame when the wait is over.
        account: what the live requests of its address hold. The frames that wait count there.
        limits: those of the connection.
    """

    __slots__ = ("_account", "_held_bytes", "_limits", "_loop", "_send", "_waiting")

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        send: Callable[[MessageTask, Frame], None],
        account: Account,
        limits: Limits,
    ) -> None:
        self._loop, self._send = loop, send
        self._account, self._limits = account, limits
        self._held_bytes = 0
        self._waiting: dict[MessageTask, _Held] = {}

    def hold(
        self,
        task: MessageTask,
        frame: Frame,
        when_settled: Callable[[Callable[[bool], None]], Wait],
    ) -> None:
        """Hold a response back, or send it at once if too much is held back already.

        Args:
            task: the task, which has ended.
            frame: its whole response.
            when_settled: takes a function and returns the wait. The function is called once all is
                sent, with whether all had room.
        """
        task.has_begun = True  # its view has answered, so its deadline no longer applies
        if not self._has_taken(getsizeof(frame)):
            self._send(task, with_settled(frame, is_settled=False))
            return
        # Only the view needed the rest, and nothing counts it.
        task.message = Request(task.message.method, "", task.message.id)
        task.cookie = ""
        timer = self._loop.call_later(SETTLE_SECONDS, self._end, task, False)
        held = self._waiting[task] = _Held(frame, timer)
        held.wait = when_settled(partial(self._end, task))

    def _has_taken(self, count: int) -> bool:
        """Count one more response, if there is room for it."""
        if self._held_bytes and self._held_bytes + count > self._limits.outbound_bytes:
            return False
        try:
            self._account.take(count, self._limits)
        except Refused:
            return False
        self._held_bytes += count
        return True

    def _pop(self, task: MessageTask) -> _Held | None:
        held = self._waiting.pop(task, None)
        if held is not None:
            held.end()
            self._held_bytes -= getsizeof(held.frame)
            self._account.give(getsizeof(held.frame))
        return held

    def flush(self) -> None:
        """Send all of them now."""
        for task in list(self._waiting):
            self._end(task, False)

    def drop(self, task: MessageTask) -> None:
        """Forget a response that is not wanted any more. Safe to call twice."""
        self._pop(task)

    def _end(self, task: MessageTask, is_settled: bool) -> None:
        held = self._pop(task)
        if held is not None:
            self._send(task, with_settled(held.frame, is_settled=is_settled))


def with_settled(frame: Frame, *, is_settled: bool) -> Frame:
    """Return the frame of a response with the member ``settled``."""
    member = '{"settled":true,' if is_settled else '{"settled":false,'
    return member + frame[1:] if isinstance(frame, str) else member.encode() + frame[1:]
