"""Queue jobs for the worker threads: fair turns, and a fair share of threads.

A blocked thread, which waits for an async view or a slow reader, cannot be taken back. Nothing
shows beforehand whether a job will block. So a queue key is limited by how many threads its jobs
hold, and the limit shrinks as threads run out. With n threads, f of them free, the limit is f²/n.
While none are blocked, that is all of them. Jobs of a key that has used up its share are held, in
their order.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from contextvars import copy_context
from typing import Generic, Protocol, TypeVar
from weakref import WeakValueDictionary

from wsrequest.workers.loop_callbacks import adopt

__all__ = ["FairQueue", "FairShare", "FunctionCall", "Job", "QueueKey", "QuotaGroup", "QuotaGroups"]

T = TypeVar("T")

logger = logging.getLogger("wsrequest.workers")

# All keys of a quota group together may hold this many times the share of one key. A key that
# holds no thread still gets one, up to the second factor. Otherwise greedy neighbors would shut
# it out.
_GROUP, _GROUP_FOR_A_FIRST = 4, 8


class Job(Protocol):
    """Work for the worker pool."""

    def run(self) -> None:
        """Do the work, in a worker thread, in a context of its own. Must not raise."""

    def deliver(self) -> None:
        """Take the result, on the event loop, after ``run``. Must not raise."""


class QuotaGroup:
    """Queue keys that share one quota of threads, such as all connections of an address.

    Attributes:
        name: for the log.
        taken: the number of threads that they hold.
        is_logged: whether it was logged that they hold their whole quota.
    """

    __slots__ = ("__weakref__", "is_logged", "name", "taken")

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.taken = 0
        self.is_logged = False


class QuotaGroups:
    """The quota groups of one process by name. Each lasts as long as a queue key uses it."""

    def __init__(self) -> None:
        self._groups: WeakValueDictionary[str, QuotaGroup] = WeakValueDictionary()

    def of(self, name: str) -> QuotaGroup:
        """Return the group of a name, or a new group if the name is empty."""
        group = self._groups.get(name) if name else None
        if group is None:
            group = QuotaGroup(name or "no address")
            if name:
                self._groups[name] = group
        return group


class QueueKey:
    """Takes one turn in the fair queue, such as a connection. Each turn is one job.

    Args:
        group: the quota group that it belongs to. None for a group of its own.

    Attributes:
        taken: the number of threads that its jobs hold.
    """

    __slots__ = ("group", "is_queued", "jobs", "taken")

    def __init__(self, group: QuotaGroup | None = None) -> None:
        self.group = group or QuotaGroup()
        # Not a deque, which takes 700 bytes even when empty, as most are. The list has at most
        # WSREQUEST_MAX_IN_FLIGHT entries, so taking the first costs little.
        self.jobs: list[Job] = []
        self.is_queued = False  # true also while its jobs are held
        self.taken = 0


class FunctionCall(Generic[T]):
    """A job that calls one function, with the context variables of its creator.

    Args:
        function: called in a worker thread.
        args: its arguments.
        future: receives the result or the exception.
    """

    def __init__(
        self, function: Callable[..., T], args: tuple[object, ...], future: "asyncio.Future[T]"
    ) -> None:
        self.function, self.args, self.future = function, args, future
        self._context = copy_context()
        self.result: T
        self.error: BaseException | None = None

    def run(self) -> None:
        """Call the function."""
        try:
            adopt(self._context)
            self.result = self.function(*self.args)
        except StopIteration as error:  # a future cannot hold it
            self.error = RuntimeError("the function raised StopIteration")
            self.error.__cause__ = error
        except BaseException as error:
            self.error = error

    def deliver(self) -> None:
        """Set the future."""
        if self.future.done():  # the caller was cancelled
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


class FairShare:
    """The fair shares of one worker pool.

    Args:
        threads: the maximum number of threads.

    Attributes:
        held: the queue keys whose jobs wait for their fair share, the longest wait first.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self.held: list[QueueKey] = []

    def has_room(self, queue_key: QueueKey, blocked: int) -> bool:
        """Whether a queue key may hold one more thread.

        k greedy groups, however large, leave about n/(1 + 4k) threads free, and a group that holds
        no thread may always have one. Of 256 threads, one is free for it until a dozen other
        groups, or thirty that consist of one key each, have taken all that they may.

        Args:
            queue_key: the key that has a job.
            blocked: the number of blocked threads.
        """
        taken, free = queue_key.group.taken, max(0, self._threads - blocked)
        share = free * free / self._threads
        if not queue_key.taken:
            return not taken or taken < _GROUP_FOR_A_FIRST * share
        return queue_key.taken < share and taken < _GROUP * share

    def hold(self, queue_key: QueueKey, blocked: int) -> None:
        """Hold the jobs of a queue key, until ``release`` returns it.

        Args:
            queue_key: a key whose share is used up.
            blocked: the number of blocked threads, for the log.
        """
        if not queue_key.group.is_logged:  # once per group, or a client could fill the log
            queue_key.group.is_logged = True
            logger.warning(
                "%a holds its share of the threads, of which %s of %s (WSREQUEST_MAX_THREADS) are "
                "blocked or lost: its further jobs wait until one of them ends",
                queue_key.group.name,
                blocked,
                self._threads,
            )
        self.held.append(queue_key)

    def release(self, blocked: int) -> list[QueueKey]:
        """Return the held keys that now have room, and forget those without jobs."""
        held, self.held, released = self.held, [], []
        for queue_key in held:
            if not queue_key.jobs:
                queue_key.is_queued = False  # all were withdrawn
            elif self.has_room(queue_key, blocked):
                released.append(queue_key)
            else:
                self.held.append(queue_key)
        return released


class FairQueue:
    """The jobs of one worker pool that have not started.

    It is true while a queue key is ready for its turn.

    Args:
        max_threads: the maximum number of threads, for the fair shares.
    """

    def __init__(self, max_threads: int) -> None:
        self._ready: deque[QueueKey] = deque()
        self.fair_share = FairShare(max_threads)

    def __bool__(self) -> bool:
        return bool(self._ready)

    @property
    def count(self) -> int:
        """How many jobs have not started, including those that wait for their fair share."""
        return sum(len(key.jobs) for key in (*self._ready, *self.fair_share.held))

    def add(self, job: Job, queue_key: QueueKey) -> None:
        """Put a job behind the other jobs of its queue key."""
        queue_key.jobs.append(job)
        if not queue_key.is_queued:
            queue_key.is_queued = True
            self._ready.append(queue_key)

    def withdraw(self, job: Job, queue_key: QueueKey) -> bool:
        """Take a job back. Return False if a thread has already taken it."""
        try:
            queue_key.jobs.remove(job)
        except ValueError:
            return False
        return True

    def take(self, blocked: int) -> tuple[Job, QueueKey] | None:
        """Take the next job. Return None if no queue key with jobs may have another thread.

        ``give_back`` must follow when the job has ended.

        Args:
            blocked: the number of blocked threads.
        """
        while self._ready:
            queue_key = self._ready.popleft()
            if blocked and not self.fair_share.has_room(queue_key, blocked):
                self.fair_share.hold(queue_key, blocked)
                continue
            job = queue_key.jobs.pop(0) if queue_key.jobs else None  # jobs can be withdrawn
            if queue_key.jobs:
                self._ready.append(queue_key)
            else:
                queue_key.is_queued = False
            if job is not None:
                queue_key.taken += 1
                queue_key.group.taken += 1
                return job, queue_key
        return None

    def give_back(self, queue_key: QueueKey, blocked: int) -> bool:
        """End a job of a queue key, and release held keys as ``release`` does."""
        queue_key.taken -= 1
        queue_key.group.taken -= 1
        return bool(self.fair_share.held) and self.release(blocked)

    def release(self, blocked: int) -> bool:
        """Queue the held keys that have room again. Return whether there were any."""
        if not self.fair_share.held:
            return False
        released = self.fair_share.release(blocked)
        self._ready.extend(released)
        return bool(released)
