"""Somebody who watches live requests while a test writes: the socket runs in a thread of its own.

Owns what a test says of a view: this write changes what it shows, that one does not make it run.
"""

import asyncio
import threading
import time
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AsyncExitStack, contextmanager
from typing import Any, TypeVar

from tests.oracle.client import SECONDS, SETTLE_SECONDS, LiveRequest, Socket, registry_of, served
from wsrequest.asgi import Application
from wsrequest.protocol.messages import Response

__all__ = ["Audience", "watching"]

T = TypeVar("T")


class Audience:
    """One client. Its methods are called from the test's thread."""

    def __init__(
        self, loop: asyncio.AbstractEventLoop, application: Application, cookie: str = ""
    ) -> None:
        self._loop, self._application, self._cookie = loop, application, cookie
        self._socket = self._run(self._connect())

    async def _connect(self) -> Socket:
        return Socket(self._application, self._cookie, "-")

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(SECONDS)

    def close(self) -> None:
        """Go away."""
        self._run(self._socket.close())
        assert self._socket.faults == []

    def begin(self, url: str) -> "Future[LiveRequest]":
        """Subscribe; the result is there with the first version."""

        async def begin() -> LiveRequest:
            answer = self._socket.subscribe(url)
            live = list(self._socket.lives.values())[-1]
            await answer
            return live

        return asyncio.run_coroutine_threadsafe(begin(), self._loop)

    def watch(self, url: str) -> LiveRequest:
        """Subscribe, and see the first version."""
        live = self.begin(url).result(SECONDS)
        assert live.is_live and live.status == 200, live.end
        return live

    def settle(self) -> None:
        """Wait until what was committed is shown.

        The server gives up waiting after some seconds, so it is asked again: a view that failed,
        say because SQLite was locked, is tried again later.
        """
        deadline = time.monotonic() + SETTLE_SECONDS
        while not self._run(self._socket.settled()):
            assert time.monotonic() < deadline, f"it does not settle: {self.waits_for()}"

    def waits_for(self) -> list[str]:
        """Say which live queries are not current, and why, for a test that fails."""
        return [
            f"{query.path}: dirty={query.is_dirty} runs={query.run is not None} "
            f"failures={query.failures} feedback_runs={query.feedback_runs}"
            for query in list(registry_of(self._application)._queries.values())
            if not query.is_current or query.timer is not None
        ]

    def is_current(self, *lives: LiveRequest) -> bool:
        """Whether what it shows, when all is settled, is what a fresh GET gives."""
        self.settle()
        for live in lives:
            assert live.is_live, live.end
            fresh = self._run(self._socket.fresh(live))
            assert isinstance(fresh, Response) and fresh.status == 200, fresh
            if not live.shows(fresh.body or b""):
                return False
        return True

    @contextmanager
    def sees(self, *lives: LiveRequest) -> Iterator[None]:
        """What is written in the block changes what these show, and they show it."""
        assert self.is_current(*lives)
        before = [live.body for live in lives]
        yield
        assert self.is_current(*lives)
        for live, body in zip(lives, before, strict=True):
            assert live.body != body, f"{live.url} reads nothing of that"

    @contextmanager
    def runs(self, *, most: int) -> Iterator[None]:
        """What is written in the block makes no more views run than this."""
        self.settle()
        before = registry_of(self._application)._version
        yield
        self.settle()
        assert registry_of(self._application)._version - before <= most

    def rerun(self) -> None:
        """Have all run now, and wait for it."""
        self._loop.call_soon_threadsafe(registry_of(self._application).lost)
        self.settle()

    @contextmanager
    def deaf(self) -> Iterator[None]:
        """The event loop stands still for the length of the block."""
        go = threading.Event()
        self._loop.call_soon_threadsafe(go.wait)
        try:
            yield
        finally:
            go.set()


@contextmanager
def watching(cookie: str = "") -> Iterator[Audience]:
    """A client of an application of its own, in the world at hand.

    Args:
        cookie: the Cookie header of its handshake.
    """
    runner = asyncio.Runner()
    loop, stack = runner.get_loop(), AsyncExitStack()
    thread = threading.Thread(target=loop.run_forever)
    thread.start()

    def run(coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, loop).result(SECONDS)

    try:
        found = Audience(loop, run(stack.enter_async_context(served())), cookie)
        try:
            yield found
            found.close()
        finally:
            run(stack.aclose())
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(SECONDS)
        runner.close()
