"""Answer what is in flight before an ASGI server acts on SIGTERM or SIGINT.

A server receives a signal through ``signal.signal`` (uvicorn, daphne), or through the event loop,
which reads its number from the "wakeup" descriptor (hypercorn, granian). ``Drain`` intercepts both.
Afterwards it raises the signal again, so that the server shuts down exactly as usual, only later.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import threading
import time
from collections.abc import Awaitable, Callable
from types import FrameType
from typing import Any

__all__ = ["Drain"]

logger = logging.getLogger("wsrequest.connection")

SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Drain:
    """Runs ``drain`` between the signal to stop and the server's own shutdown.

    Args:
        drain: what to do first.
        seconds: the longest time that the server's shutdown is delayed.
        echo_seconds: within this time, a second signal is a supervisor's repeat. Later, it is an
            impatient person's, and goes straight to the server.
    """

    def __init__(
        self,
        drain: Callable[[], Awaitable[object]],
        seconds: float = 8.0,
        echo_seconds: float = 1.0,
    ) -> None:
        self._drain = drain
        self.seconds = seconds
        self._echo_seconds = echo_seconds
        self._loop: asyncio.AbstractEventLoop | None = None
        self._previous: dict[int, Any] = {}  # The results of signal.getsignal().
        self._wakeup: tuple[socket.socket, socket.socket] | None = None
        self._wakeup_previous = -1
        self._since: float | None = None  # When the first signal came.
        self._task: asyncio.Task[None] | None = None
        self._is_begun = self._is_drained = False  # A drain, with or without a signal.

    @property
    def is_draining(self) -> bool:
        """Whether the signal has come, or the server ends without one."""
        return self._is_begun or self._since is not None

    def begin(self, then: Callable[[], None]) -> None:
        """Drain for a server that ends without a signal. Call it on the event loop.

        Args:
            then: called when the drain is done, or at once if it already is.
        """
        if self._is_drained:
            then()
        else:
            self._task_of(asyncio.get_running_loop()).add_done_callback(lambda _: then())

    def install(self) -> bool:
        """Intercept the server's signal handlers. Call it at every connection.

        Returns:
            False outside the main thread, where Python allows no handlers.
        """
        if self._loop is not None:
            return True
        if threading.current_thread() is not threading.main_thread():
            return False
        self._loop = asyncio.get_running_loop()
        self._forget()
        self._take_wakeup(self._loop)
        for number in SIGNALS:
            previous = signal.getsignal(number)
            if previous not in (None, signal.SIG_IGN):
                self._previous[number] = previous
                signal.signal(number, self._on_signal)
        return True

    def uninstall(self) -> None:
        """Restore the server's handlers."""
        loop, self._loop = self._loop, None
        if loop is None or threading.current_thread() is not threading.main_thread():
            return
        for number, previous in self._previous.items():
            if signal.getsignal(number) == self._on_signal:
                signal.signal(number, previous)
        self._previous.clear()
        if self._task is not None and not self._task.done() and not loop.is_closed():
            loop.call_soon_threadsafe(self._task.cancel)
        self._give_wakeup_back(loop)

    def end(self) -> None:
        """Restore the handlers at the lifespan's shutdown. The application may be served again."""
        self.uninstall()
        self._forget()

    def _forget(self) -> None:
        self._since = self._task = None
        self._is_begun = self._is_drained = False

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        loop, now = self._loop, time.monotonic()
        if loop is None or loop.is_closed():
            self._release(number)
        elif self._since is None:
            self._since = now
            loop.call_soon_threadsafe(self._start, number)
        elif now - self._since > self._echo_seconds:
            self._release(number)

    def _start(self, number: int) -> None:
        def release(task: asyncio.Task[None]) -> None:
            if self._loop is not None and not task.cancelled():
                self._release(number)

        if self._loop is not None:
            self._task_of(self._loop).add_done_callback(release)

    def _task_of(self, loop: asyncio.AbstractEventLoop) -> asyncio.Task[None]:
        self._is_begun = True
        if self._task is None:
            self._task = loop.create_task(self._run())
        return self._task

    async def _run(self) -> None:
        try:
            await asyncio.wait_for(self._drain(), self.seconds)
        except TimeoutError:
            logger.warning("Not drained in %s seconds, shutting down", self.seconds)
        except Exception:
            logger.exception("Draining failed, shutting down")
        self._is_drained = True

    def _release(self, number: int) -> None:
        self.uninstall()
        signal.raise_signal(number)

    # The wakeup descriptor. C code writes the number of every signal to it.

    def _take_wakeup(self, loop: asyncio.AbstractEventLoop) -> None:
        if os.name == "nt":  # No loop has add_signal_handler() there.
            return
        reader, writer = self._wakeup = socket.socketpair()
        reader.setblocking(False)
        writer.setblocking(False)
        loop.add_reader(reader.fileno(), self._forward)  # rloop accepts only numbers.
        self._wakeup_previous = signal.set_wakeup_fd(writer.fileno())

    def _forward(self) -> None:
        """Pass every signal but ours on to the loop, such as SIGCHLD."""
        if self._wakeup is None:
            return
        try:
            numbers = self._wakeup[0].recv(4096)
        except BlockingIOError:
            return
        others = bytes(n for n in numbers if n not in self._previous)
        if others and self._wakeup_previous != -1:
            with contextlib.suppress(OSError):  # It is full, so the loop wakes up anyway.
                os.write(self._wakeup_previous, others)

    def _give_wakeup_back(self, loop: asyncio.AbstractEventLoop) -> None:
        if self._wakeup is None:
            return
        reader, writer = self._wakeup
        current = signal.set_wakeup_fd(self._wakeup_previous)
        if current != writer.fileno():  # Another one was set since, so leave it alone.
            signal.set_wakeup_fd(current)
        if not loop.is_closed():
            loop.remove_reader(reader.fileno())
        self._wakeup = None
        reader.close()
        writer.close()
