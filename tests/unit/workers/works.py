"""Jobs and pools that the tests of this package share."""

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from wsrequest.workers.pool import WorkerPool

SECONDS = 5.0  # far more than anything here takes


class Work:
    """A job that calls a function, and can be waited for on the event loop."""

    def __init__(self, function: Callable[[], object] = lambda: None) -> None:
        self.function = function
        self.delivered = asyncio.Event()

    def run(self) -> None:
        self.function()

    def deliver(self) -> None:
        self.delivered.set()


class Hold(Work):
    """A job that holds its thread until a test lets it go; with a pool, blocked until then."""

    def __init__(self, pool: WorkerPool | None = None) -> None:
        super().__init__(self.hold)
        self.pool, self.begun, self.go = pool, threading.Event(), threading.Event()

    def hold(self) -> None:
        if self.pool is None:
            self.begun.set()
            assert self.go.wait(SECONDS)
            return
        with self.pool.blocked():
            self.begun.set()
            assert self.go.wait(SECONDS)

    async def until_begun(self) -> None:
        assert await asyncio.to_thread(self.begun.wait, SECONDS)


def pool_threads() -> set[threading.Thread]:
    return {thread for thread in threading.enumerate() if thread.name == "wsrequest-worker"}


@contextmanager
def joined() -> Iterator[None]:
    """Fail when a thread of a pool outlives the block."""
    before = pool_threads()
    yield
    for thread in pool_threads() - before:
        thread.join(SECONDS)
        assert not thread.is_alive()


@asynccontextmanager
async def opened(
    threads: int = 1, max_threads: int = 8, **kwargs: Any
) -> AsyncIterator[WorkerPool]:
    pool = WorkerPool(
        asyncio.get_running_loop(), threads=threads, max_threads=max_threads, **kwargs
    )
    with joined():
        yield pool
        pool.stop()


async def becomes(is_so: Callable[[], bool]) -> None:
    async with asyncio.timeout(SECONDS):
        while not is_so():  # noqa: ASYNC110  # nothing tells of it
            await asyncio.sleep(0.005)


async def done(*works: Work) -> None:
    async with asyncio.timeout(SECONDS):
        for work in works:
            await work.delivered.wait()
