"""Worker threads for synchronous code.

Owns the threads: how many there are, how many of them work, and when they end. Whose turn it is
says ``waiting``, how many are of use ``tempo``; what a job does is its own business: nothing here
knows of Django, requests or WebSockets.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from time import perf_counter
from typing import TypeVar

from asgiref.sync import SyncToAsync

from wsrequest.workers.loop_callbacks import LoopCallbacks
from wsrequest.workers.queue import FairQueue, FunctionCall, Job, QueueKey
from wsrequest.workers.scaling import LOOK_SECONDS, PoolScaler

__all__ = ["WorkerPool"]

T = TypeVar("T")

logger = logging.getLogger("wsrequest.workers")

_LINGER_SECONDS = 10.0  # a thread beyond the usual number stays so long, for the next burst


class WorkerPool:
    """Persistent threads that run jobs and hand the results to one event loop.

    No more of them work than keep the interpreter busy, and the one that rested last is called
    first: its connections are open, its caches are warm. A thread that only waits can be parked;
    another then takes its place, up to ``max_threads``, of which each source has its share.

    Args:
        loop: the event loop on which ``submit`` and ``Job.deliver`` are called.
        threads: how many jobs run at the same time, at most.
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
        self._callbacks = LoopCallbacks(loop)
        self.post = self._callbacks.post  # from any thread: have this called on the event loop
        self._lock = threading.Lock()  # of everything that follows
        self._queue = FairQueue(self._max_threads)
        self._resting: list[threading.Lock] = []  # each is held until its thread is called up
        self._alive = 0
        self._working = 0  # those that do not rest, with the parked ones
        self._blocked = 0
        self._stopped = False
        self._is_exhausted = False  # and that was logged
        self._is_refused = False  # a thread, by the system, and that was logged
        self._begun = 0.0  # when a job was last begun, or a thread called up for one
        self._is_pacing = False
        self._is_one_too_many = False  # the next thread that ends a job is to rest
        self._scaler = PoolScaler()

    def submit(self, job: Job, queue_key: QueueKey) -> None:
        """Queue a job behind the others of its source."""
        with self._lock:
            working = self._working - self._blocked
            is_late = not self._is_pacing and perf_counter() - self._begun > LOOK_SECONDS
            if working < self._threads and (is_late or not working):
                self._call_up()
            elif not self._is_pacing:  # else the next look will tell whether one more is of use
                self._is_pacing = True
                self._begin_looking()
            self._queue.add(job, queue_key)  # a thread that was called up waits for the lock

    async def call(self, function: Callable[..., T], *args: object, queue_key: QueueKey) -> T:
        """Run a function in a worker thread and return its result, or raise what it raises.

        It has the caller's context variables, as with ``asyncio.to_thread``.
        """
        job: FunctionCall[T] = FunctionCall(function, args, self.loop.create_future())
        self.submit(job, queue_key)
        return await job.future

    def withdraw(self, job: Job, queue_key: QueueKey) -> bool:
        """Take back a job that no thread has begun. False when it is too late."""
        with self._lock:
            return self._queue.withdraw(job, queue_key)

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """While inside, the calling worker thread only waits, and another may run."""
        self.block()
        try:
            yield
        finally:
            self.unblock()

    def block(self) -> None:
        """Count one thread as blocked, until ``unblock``: it waits, or its view never ends."""
        with self._lock:
            self._blocked += 1
            if self._queue and not self._is_pacing:  # else a look will come
                self._call_up()

    def unblock(self) -> None:
        """Count a parked thread in again."""
        with self._lock:
            self._blocked -= 1
            if self._queue.release(self._blocked):
                self._look_at_released()
            if self._is_exhausted and self._max_threads - self._blocked >= self._threads:
                self._is_exhausted = False
                logger.warning("threads have come back, jobs are begun again")

    def stop(self) -> None:
        """Let every thread end when it finds no job. Safe to call twice."""
        with self._lock:
            self._stopped = True
            self._working += len(self._resting)
            while self._resting:
                self._resting.pop().release()
        self._callbacks.close()

    # How many threads work. Called with the lock held.

    def _look_at_released(self) -> None:
        if not self._is_pacing:
            self._is_pacing = True
            self.post(self._begin_looking)

    def _call_up(self) -> None:
        self._begun = perf_counter()  # or all would be called up before the first has begun
        if self._resting:
            self._working += 1
            self._resting.pop().release()
        elif self._alive < self._max_threads and not self._stopped:
            self._begin_thread()
        elif self._blocked >= self._max_threads and not self._is_exhausted:
            self._is_exhausted = True
            logger.error(
                "all %s threads (WSREQUEST_MAX_THREADS) wait or are lost in their jobs: "
                "further jobs wait until one comes back",
                self._max_threads,
            )

    def _begin_thread(self) -> None:
        # Daemons, since a view that never ends must not keep the process from exiting.
        thread = threading.Thread(target=self._live, name="wsrequest-worker", daemon=True)
        try:
            # Nobody's: tools hand the starter's context on to a thread, which would keep it.
            Context().run(thread.start)
        except RuntimeError as error:  # so many threads has the process, the user or the container
            if not self._is_refused:
                self._is_refused = True
                logger.error("no thread could be begun beside %s: %s", self._alive, error)
            if not self._is_pacing:  # the next look tries again
                self._is_pacing = True
                self.post(self._begin_looking)
        else:
            self._is_refused = False
            self._working += 1
            self._alive += 1

    def _call_up_more(self) -> None:
        working = self._working - self._blocked
        # While some work, whether one more helps will show. When all wait, for async views say, and
        # the loop has nothing to do, they will wait on.
        for _ in range(min(1, self._threads - working) if working else self._threads):
            self._call_up()

    def _begin_looking(self) -> None:
        self._scaler.begin()
        self._look_soon()

    def _look_soon(self) -> None:
        self.loop.call_later(self._scaler.seconds, self._look, context=Context())

    def _look(self) -> None:
        with self._lock:
            self._is_pacing = bool(self._queue)
            if self._is_pacing:
                more = self._scaler.look(self._begun, self._working - self._blocked)
                self._is_one_too_many = more < 0
                if more > 0:
                    self._call_up_more()
                self._look_soon()
        self._callbacks.take()

    # In a worker thread.

    def _live(self) -> None:
        # asgiref looks here for the loop on which async code called from this thread belongs.
        # Not documented; tests/unit/workers/test_pool.py holds it.
        SyncToAsync.threadlocal.main_event_loop = self.loop
        SyncToAsync.threadlocal.main_event_loop_pid = os.getpid()
        own = Context()  # not the thread's, in which a tool may have left something
        try:
            own.run(self._prepare)
        except Exception:
            logger.exception("preparing a thread failed")
        seat = _Seat()
        try:
            while (job := self._next(seat)) is not None:
                try:
                    # What a job sets in its context ends with it; what prepare() set stays.
                    own.copy().run(job.run)
                except BaseException:
                    logger.exception("a job failed")
                self._callbacks.add(job.deliver)
                del job
        finally:
            try:
                own.run(self._finish)
            except Exception:
                logger.exception("finishing a thread failed")

    def _next(self, seat: "_Seat") -> Job | None:
        """End the last job, wait for another, and take it. None when the thread is to end."""
        while True:
            # In one piece: every job passes here, and the calls would cost more than they do.
            with self._lock:
                ended, seat.queue_key = seat.queue_key, None
                if ended is not None and self._queue.give_back(ended, self._blocked):
                    self._look_at_released()
                working = self._working - self._blocked
                rests_early = self._is_one_too_many and working > 1
                self._is_one_too_many = False
                job, is_over, may_wait = None, False, False
                taken = (
                    None
                    if rests_early or working > self._threads
                    else self._queue.take(self._blocked)
                )
                if taken is not None:
                    job, seat.queue_key = taken
                    self._begun = perf_counter()
                    may_wait = self._is_pacing  # the next look takes the results, too
                else:
                    self._working -= 1
                    is_over = self._stopped
                    if not is_over:
                        self._resting.append(seat.gate)
            if not may_wait and self._callbacks.waiting:
                self._callbacks.wake()
            if job is not None or is_over:
                return job
            ended = taken = None  # a thread that rests keeps no connection alive
            while not seat.gate.acquire(timeout=_LINGER_SECONDS):
                with self._lock:
                    if seat.gate in self._resting and self._alive - self._blocked > self._threads:
                        self._resting.remove(seat.gate)
                        self._alive -= 1
                        return None


class _Seat:
    """One thread of a lane.

    Attributes:
        gate: held until the thread is called up.
        queue_key: of the job that it has; none while it rests, which would keep a connection alive.
    """

    __slots__ = ("gate", "queue_key")

    def __init__(self) -> None:
        self.gate = threading.Lock()
        self.gate.acquire()
        self.queue_key: QueueKey | None = None
