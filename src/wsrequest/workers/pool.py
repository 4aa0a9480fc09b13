"""The worker pool: threads that run synchronous code.

The pool decides when threads start, work, rest and end. ``queue`` decides which job is next, and
``scaling`` how many threads are useful. Nothing here depends on Django, requests or WebSockets.
"""

import asyncio
import logging
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import Context
from time import perf_counter
from typing import NamedTuple, TypeVar

from asgiref.sync import SyncToAsync

from wsrequest.workers.loop_callbacks import LoopCallbacks
from wsrequest.workers.queue import FairQueue, FunctionCall, Job, QueueKey
from wsrequest.workers.scaling import LOOK_SECONDS, PoolScaler

__all__ = ["Load", "WorkerPool"]

T = TypeVar("T")

logger = logging.getLogger("wsrequest.workers")

_LINGER_SECONDS = 10.0  # how long a thread beyond the usual number stays, for the next burst


class Load(NamedTuple):
    """What the threads of a pool do.

    Attributes:
        threads: how many are ``working``, ``blocked`` or ``resting``.
        waiting: how many jobs have not started.
    """

    threads: dict[str, int]
    waiting: int


class WorkerPool:
    """Persistent threads that run jobs and hand the results to one event loop.

    Only as many threads work as keep the interpreter busy. The thread that rested last is woken
    first, because its connections are open and its caches are warm. While a thread is blocked,
    another takes its place, up to ``max_threads``. Each queue key gets a fair share of these.

    Args:
        loop: the event loop on which ``submit`` and ``Job.deliver`` are called.
        threads: the maximum number of jobs that run at the same time.
        max_threads: the maximum number of threads, including blocked ones.
        prepare: called first in every new thread.
        finish: called last in every thread, to release its resources.
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
        self.post = self._callbacks.post  # run a callback on the event loop, from any thread
        self._lock = threading.Lock()  # guards all that follows
        self._queue = FairQueue(self._max_threads)
        self._resting: list[threading.Lock] = []  # each is held until its thread is woken
        self._alive = 0
        self._working = 0  # threads that do not rest, including blocked ones
        self._blocked = 0
        self._stopped = False
        self._is_exhausted = False  # every thread is blocked, and that was logged
        self._is_refused = False  # the system refused a new thread, and that was logged
        self._begun = 0.0  # when a job last started, or a thread was woken for one
        self._is_pacing = False
        self._is_one_too_many = False  # the next thread that finishes a job rests
        self._scaler = PoolScaler()

    @property
    def max_threads(self) -> int:
        """The maximum number of threads, including blocked ones."""
        return self._max_threads

    def submit(self, job: Job, queue_key: QueueKey) -> None:
        """Queue a job behind the other jobs of its queue key."""
        with self._lock:
            working = self._working - self._blocked
            is_late = not self._is_pacing and perf_counter() - self._begun > LOOK_SECONDS
            if working < self._threads and (is_late or not working):
                self._call_up()
            elif not self._is_pacing:  # else the next look decides whether one more would help
                self._is_pacing = True
                self._begin_looking()
            self._queue.add(job, queue_key)  # a woken thread still waits for the lock

    async def call(self, function: Callable[..., T], *args: object, queue_key: QueueKey) -> T:
        """Run a function in a worker thread and return its result, or raise its exception.

        The function sees the caller's context variables, as with ``asyncio.to_thread``.
        """
        job: FunctionCall[T] = FunctionCall(function, args, self.loop.create_future())
        self.submit(job, queue_key)
        return await job.future

    def withdraw(self, job: Job, queue_key: QueueKey) -> bool:
        """Take back a job that has not started. Return False if it is too late."""
        with self._lock:
            return self._queue.withdraw(job, queue_key)

    @contextmanager
    def blocked(self) -> Iterator[None]:
        """Count the calling worker thread as blocked inside, so that another may run."""
        self.block()
        try:
            yield
        finally:
            self.unblock()

    def block(self) -> None:
        """Count one thread as blocked, until ``unblock``: it waits, or its view never ends."""
        with self._lock:
            self._blocked += 1
            if self._queue and not self._is_pacing:  # else a look follows anyway
                self._call_up()

    def unblock(self) -> None:
        """Count a blocked thread as working again."""
        with self._lock:
            self._blocked -= 1
            if self._queue.release(self._blocked):
                self._look_at_released()
            if self._is_exhausted and self._max_threads - self._blocked >= self._threads:
                self._is_exhausted = False
                logger.warning("threads have come back: jobs start again")

    def load(self) -> Load:
        """Return what the threads do now. From any thread."""
        with self._lock:
            working = max(0, self._working - self._blocked)
            threads = {
                "working": working, "blocked": self._blocked, "resting": len(self._resting),
            }  # fmt: skip
            return Load(threads, self._queue.count)

    def stop(self) -> None:
        """End every thread as soon as it finds no job. Safe to call twice."""
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
        self._begun = perf_counter()  # or all would be woken before the first has started its job
        if self._resting:
            self._working += 1
            self._resting.pop().release()
        elif self._alive < self._max_threads and not self._stopped:
            self._begin_thread()
        elif self._blocked >= self._max_threads and not self._is_exhausted:
            self._is_exhausted = True
            logger.error(
                "all %s threads (WSREQUEST_MAX_THREADS) are blocked or lost: "
                "further jobs wait until one comes back",
                self._max_threads,
            )

    def _begin_thread(self) -> None:
        # Daemon threads, because a view that never ends must not keep the process from exiting.
        thread = threading.Thread(target=self._live, name="wsrequest-worker", daemon=True)
        try:
            # An empty context: tools pass the starter's context to a thread, which would keep it.
            Context().run(thread.start)
        except RuntimeError as error:  # a limit of the process, the user or the container
            if not self._is_refused:
                self._is_refused = True
                logger.error("could not start a worker thread (%s running): %s", self._alive, error)
            if not self._is_pacing:  # the next look tries again
                self._is_pacing = True
                self.post(self._begin_looking)
        else:
            self._is_refused = False
            self._working += 1
            self._alive += 1

    def _call_up_more(self) -> None:
        working = self._working - self._blocked
        # While some threads work, the next look shows whether one more helps. If all are blocked,
        # for example by async views, and the loop is idle, they stay blocked.
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
        # asgiref looks here for the event loop that runs async code called from this thread.
        # This is not documented. tests/unit/workers/test_pool.py checks it.
        SyncToAsync.threadlocal.main_event_loop = self.loop
        SyncToAsync.threadlocal.main_event_loop_pid = os.getpid()
        own = Context()  # not the thread's context, in which a tool may have left something
        try:
            own.run(self._prepare)
        except Exception:
            logger.exception("preparing a worker thread failed")
        worker = _Worker()
        try:
            while (job := self._next(worker)) is not None:
                try:
                    # What a job sets in its context ends with it. What prepare() set stays.
                    own.copy().run(job.run)
                except BaseException:
                    logger.exception("a job failed")
                self._callbacks.add(job.deliver)
                del job
        finally:
            try:
                own.run(self._finish)
            except Exception:
                logger.exception("cleaning up a worker thread failed")

    def _next(self, worker: "_Worker") -> Job | None:
        """Finish the last job, wait for the next and take it. Return None if the thread ends."""
        while True:
            # One function, because every job passes here and more calls would cost more than
            # the work that they do.
            with self._lock:
                ended, worker.queue_key = worker.queue_key, None
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
                    job, worker.queue_key = taken
                    self._begun = perf_counter()
                    may_wait = self._is_pacing  # the next look collects the results, too
                else:
                    self._working -= 1
                    is_over = self._stopped
                    if not is_over:
                        self._resting.append(worker.gate)
            if not may_wait and self._callbacks.waiting:
                self._callbacks.wake()
            if job is not None or is_over:
                return job
            ended = taken = None  # a thread that rests keeps no connection alive
            while not worker.gate.acquire(timeout=_LINGER_SECONDS):
                with self._lock:
                    if worker.gate in self._resting and self._alive - self._blocked > self._threads:
                        self._resting.remove(worker.gate)
                        self._alive -= 1
                        return None


class _Worker:
    """The state of one worker thread.

    Attributes:
        gate: held until the thread is woken.
        queue_key: that of its job. None while it rests, or it would keep a connection alive.
    """

    __slots__ = ("gate", "queue_key")

    def __init__(self) -> None:
        self.gate = threading.Lock()
        self.gate.acquire()
        self.queue_key: QueueKey | None = None
