"""Worker threads for synchronous code, fed by a queue that is fair to its sources.

Owns the threads and how results come back to the event loop. What a job does is
its own business: nothing here knows of Django, requests or WebSockets.
"""

import asyncio
import logging
import os
import threading
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context, copy_context
from queue import Empty, SimpleQueue
from typing import Generic, Protocol, TypeVar

from asgiref.sync import SyncToAsync

__all__ = ["Job", "Lane", "Source"]

T = TypeVar("T")

logger = logging.getLogger("wsrequest.lanes")

_LINGER_SECONDS = 10.0  # a thread beyond the usual number stays so long, for the next burst


class Job(Protocol):
    """Work for a lane."""

    def run(self) -> None:
        """Do the work, in a worker thread, in a context of its own. Must not raise."""

    def deliver(self) -> None:
        """Take the result, on the event loop, after ``run``. Must not raise."""


class Source:
    """Where jobs come from. Sources with waiting jobs are served in turn, one job each."""

    __slots__ = ("is_queued", "jobs")

    def __init__(self) -> None:
        self.jobs: deque[Job] = deque()
        self.is_queued = False


class _Function(Generic[T]):
    """A job that is one function call."""

    def __init__(
        self, function: Callable[..., T], args: tuple[object, ...], future: "asyncio.Future[T]"
    ) -> None:
        self.function, self.args, self.future = function, args, future
        self.result: T
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            self.result = self.function(*self.args)
        except StopIteration as error:  # no future can hold one
            self.error = RuntimeError("the function raised StopIteration")
            self.error.__cause__ = error
        except BaseException as error:
            self.error = error

    def deliver(self) -> None:
        if self.future.done():  # whoever waited was cancelled
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class Lane:
    """A few persistent threads that run jobs and hand the results to one event loop.

    Results that are ready together reach the loop in one call. A thread that only
    waits can be parked; another then takes its place, up to ``max_threads``.

    Args:
        loop: the event loop on which ``deliver`` is called.
        threads: how many jobs run at the same time.
        max_threads: how many threads there may be, with the parked ones.
        prepare: called first in every new thread.
        finish: called last in every thread, to give back what it holds.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        *,
        threads: int,
        max_threads: int,
        prepare: Callable[[], None] = lambda: None,
        finish: Callable[[], None] = lambda: None,
    ) -> None:
        self.loop = loop
        self._threads = threads
        self._max_threads = max(threads, max_threads)
        self._prepare, self._finish = prepare, finish
        self._ready: SimpleQueue[Source | None] = SimpleQueue()
        self._lock = threading.Lock()
        self._alive = 0
        self._parked = 0
        self._stopped = False
        self._is_exhausted = False  # and that was logged
        self._done: deque[Callable[[], None]] = deque()
        self._is_drain_due = False
        self._context = Context()  # results are nobody's, or they would inherit a job's

    def submit(self, job: Job, source: Source) -> None:
        """Queue a job behind the others of its source."""
        with self._lock:
            source.jobs.append(job)
            if not source.is_queued:
                source.is_queued = True
                self._ready.put(source)
            is_short = self._is_short()
            self._alive += is_short
            is_exhausted = self._parked >= self._max_threads
        if is_short:
            self._start_thread()
        if is_exhausted:
            self._tell_exhausted()

    async def call(self, function: Callable[..., T], *args: object, source: Source) -> T:
        """Run a function in a worker thread and return its result, or raise what it raises."""
        job: _Function[T] = _Function(function, args, self.loop.create_future())
        self.submit(job, source)
        return await job.future

    def withdraw(self, job: Job, source: Source) -> bool:
        """Take back a job that no thread has begun. False when it is too late."""
        with self._lock:
            try:
                source.jobs.remove(job)
            except ValueError:
                return False
            return True

    def post(self, callback: Callable[[], None]) -> None:
        """Have ``callback`` called on the event loop soon; from any thread, in order of posting."""
        self._done.append(callback)
        if not self._is_drain_due:
            self._is_drain_due = True
            try:
                self.loop.call_soon_threadsafe(self._drain, context=self._context)
            except RuntimeError:  # the loop is closed: the server has ended, nobody listens
                logger.debug("a result came after the event loop had closed")

    @contextmanager
    def parked(self) -> Iterator[None]:
        """While inside, the calling worker thread only waits, and another may run."""
        self.park()
        try:
            yield
        finally:
            self.unpark()

    def park(self) -> None:
        """Count one thread out, until ``unpark``: it waits, or it is lost in a view without end."""
        with self._lock:
            self._parked += 1
            # Jobs may be waiting that no later submit would start a thread for.
            has_jobs = not self._ready.empty()
            is_short = has_jobs and self._is_short()
            self._alive += is_short
            is_exhausted = has_jobs and self._parked >= self._max_threads
        if is_short:
            self._start_thread()
        if is_exhausted:
            self._tell_exhausted()

    def unpark(self) -> None:
        """Count a parked thread in again."""
        with self._lock:
            self._parked -= 1
            is_over = self._is_exhausted and self._max_threads - self._parked >= self._threads
            if is_over:
                self._is_exhausted = False
        if is_over:
            logger.warning("threads have come back, jobs are begun again")

    def stop(self) -> None:
        """Let every thread end after the job that it is running. Safe to call twice."""
        with self._lock:
            self._stopped = True
            count = self._alive
        for _ in range(count):
            self._ready.put(None)

    def _is_short(self) -> bool:
        return (
            not self._stopped
            and self._alive < self._max_threads
            and self._alive - self._parked < self._threads
        )

    def _tell_exhausted(self) -> None:
        """Log it once, until the usual number of threads can run again."""
        with self._lock:
            is_told, self._is_exhausted = self._is_exhausted, True
        if not is_told:
            logger.error(
                "all %s threads (WSREQUEST_MAX_THREADS) wait or are lost in their jobs: "
                "further jobs wait until one comes back",
                self._max_threads,
            )

    def _start_thread(self) -> None:
        # Daemons, since a view that never ends must not keep the process from exiting.
        threading.Thread(target=self._live, name="wsrequest-lane", daemon=True).start()

    def _drain(self) -> None:
        self._is_drain_due = False  # first, so that whoever posts from now on calls again
        done = self._done
        while done:
            callback = done.popleft()
            try:
                callback()
            except Exception:
                logger.exception("taking a result failed")

    def _live(self) -> None:
        try:
            self._work()
        finally:
            try:
                self._finish()
            except Exception:
                logger.exception("finishing a thread failed")

    def _work(self) -> None:
        # asgiref looks here for the loop on which async code called from this thread belongs.
        # Not documented; tests/unit/http/test_lanes.py holds it.
        SyncToAsync.threadlocal.main_event_loop = self.loop
        SyncToAsync.threadlocal.main_event_loop_pid = os.getpid()
        try:
            self._prepare()
        except Exception:
            logger.exception("preparing a thread failed")
        while True:
            try:
                source = self._ready.get(timeout=_LINGER_SECONDS)
            except Empty:
                if self._leave():
                    return
                continue
            job = self._next(source)
            if source is None:
                return
            if job is not None:
                # What a job sets in its context ends with it; what prepare() set stays.
                copy_context().run(self._run, job)
                self.post(job.deliver)
                del job

    def _run(self, job: Job) -> None:
        try:
            job.run()
        except BaseException:
            logger.exception("a job failed")

    def _next(self, source: Source | None) -> Job | None:
        if source is None:
            with self._lock:
                self._alive -= 1
            return None
        with self._lock:
            job = source.jobs.popleft() if source.jobs else None
            if source.jobs:
                self._ready.put(source)
            else:
                source.is_queued = False
        return job

    def _leave(self) -> bool:
        with self._lock:
            if self._alive - self._parked > self._threads:
                self._alive -= 1
                return True
        return False
