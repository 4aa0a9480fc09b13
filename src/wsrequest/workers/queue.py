"""Jobs that wait for a worker thread: in turn among their sources, each within its share.

A thread that waits, for an async view or a slow reader, cannot be taken back, and nothing tells
beforehand whether a job will wait. So a key is limited by how many threads its jobs hold, and the
limit shrinks with what is left: of n threads, f of them free, it is f²/n. While none waits, that is
all of them. Jobs of a key that has used up its share are held, in their order.
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


class Job(Protocol):
    """Work for a lane."""

    def run(self) -> None:
        """Do the work, in a worker thread, in a context of its own. Must not raise."""

    def deliver(self) -> None:
        """Take the result, on the event loop, after ``run``. Must not raise."""


class QuotaGroup:
    """Keys that share one share of the threads, for example the connections of an address.

    Attributes:
        name: for the log.
        taken: how many threads they hold.
        is_told: it was logged that they hold all that they may.
    """

    __slots__ = ("__weakref__", "is_told", "name", "taken")

    def __init__(self, name: str = "") -> None:
        self.name = name
        self.taken = 0
        self.is_told = False


class QuotaGroups:
    """The groups of one process by their names, each as long as it has sources."""

    def __init__(self) -> None:
        self._groups: WeakValueDictionary[str, QuotaGroup] = WeakValueDictionary()

    def of(self, name: str) -> QuotaGroup:
        """The group of a name; one of its own for each that has none."""
        group = self._groups.get(name) if name else None
        if group is None:
            group = QuotaGroup(name or "no address")
            if name:
                self._groups[name] = group
        return group


class QueueKey:
    """Where jobs come from. Sources with waiting jobs are served in turn, one job each.

    Args:
        group: of sources that may hold only so many threads together; None for one of its own.

    Attributes:
        taken: how many threads its jobs hold.
    """

    __slots__ = ("group", "is_queued", "jobs", "taken")

    def __init__(self, group: QuotaGroup | None = None) -> None:
        self.group = group or QuotaGroup()
        # No deque, which takes 700 bytes also when it is empty, and most are. At most
        # WSREQUEST_MAX_IN_FLIGHT stand in it, so that taking the first costs little.
        self.jobs: list[Job] = []
        self.is_queued = False  # or held
        self.taken = 0


class FunctionCall(Generic[T]):
    """A job that is one function call, with the context variables of who makes it.

    Args:
        function: called in a worker thread.
        args: its arguments.
        future: gets what it returns or raises.
    """

    def __init__(
        self, function: Callable[..., T], args: tuple[object, ...], future: "asyncio.Future[T]"
    ) -> None:
        self.function, self.args, self.future = function, args, future
        self._context = copy_context()
        self.result: T
        self.error: BaseException | None = None

    def run(self) -> None:
        """Call it."""
        try:
            adopt(self._context)
            self.result = self.function(*self.args)
        except StopIteration as error:  # no future can hold one
            self.error = RuntimeError("the function raised StopIteration")
            self.error.__cause__ = error
        except BaseException as error:
            self.error = error

    def deliver(self) -> None:
        """Tell whoever waits."""
        if self.future.done():  # whoever waited was cancelled
            return
        if self.error is not None:
            self.future.set_exception(self.error)
        else:
            self.future.set_result(self.result)


logger = logging.getLogger("wsrequest.workers")

# So many times what one source may hold may all of its group. When they do, one that holds none
# still gets a thread up to the second number, or greedy neighbours would shut it out.
_GROUP, _GROUP_FOR_A_FIRST = 4, 8


class FairShare:
    """The shares of one lane.

    Args:
        threads: how many there may be.

    Attributes:
        held: the sources whose jobs wait for their share, the first to wait first.
    """

    def __init__(self, threads: int) -> None:
        self._threads = threads
        self.held: list[QueueKey] = []

    def has_room(self, queue_key: QueueKey, blocked: int) -> bool:
        """Whether a source may hold one thread more.

        k greedy groups, however large, leave about n/(1 + 4k) threads free, and a group that holds
        none may always have one. Of 256 threads there is one for it until a dozen others have taken
        all they may, or thirty that are one source each.

        Args:
            queue_key: whose.
            blocked: how many threads wait.
        """
        taken, free = queue_key.group.taken, max(0, self._threads - blocked)
        share = free * free / self._threads
        if not queue_key.taken:
            return not taken or taken < _GROUP_FOR_A_FIRST * share
        return queue_key.taken < share and taken < _GROUP * share

    def hold(self, queue_key: QueueKey, blocked: int) -> None:
        """Let the jobs of a source wait, until ``release`` returns it.

        Args:
            queue_key: one for which there is no room.
            blocked: how many threads wait, for the log.
        """
        if not queue_key.group.is_told:  # once for each, or a client could fill the log
            queue_key.group.is_told = True
            logger.warning(
                "%a holds its share of the threads, of which %s of %s (WSREQUEST_MAX_THREADS) wait "
                "or are lost: its further jobs wait until one of them ends",
                queue_key.group.name,
                blocked,
                self._threads,
            )
        self.held.append(queue_key)

    def release(self, blocked: int) -> list[QueueKey]:
        """Return the sources that there is room for by now; those without jobs are let go."""
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
    """The jobs of one lane that no thread has begun.

    Args:
        max_threads: how many threads there may be, for the shares.

    True while there is a source whose turn has come.
    """

    def __init__(self, max_threads: int) -> None:
        self._ready: deque[QueueKey] = deque()
        self.fair_share = FairShare(max_threads)

    def __bool__(self) -> bool:
        return bool(self._ready)

    def add(self, job: Job, queue_key: QueueKey) -> None:
        """Put a job behind the others of its source."""
        queue_key.jobs.append(job)
        if not queue_key.is_queued:
            queue_key.is_queued = True
            self._ready.append(queue_key)

    def withdraw(self, job: Job, queue_key: QueueKey) -> bool:
        """Take a job back. False when it was taken."""
        try:
            queue_key.jobs.remove(job)
        except ValueError:
            return False
        return True

    def take(self, blocked: int) -> tuple[Job, QueueKey] | None:
        """Take the next job; None when there is none, or none whose source may have a thread more.

        Args:
            blocked: how many threads wait. ``give_back`` must follow.
        """
        while self._ready:
            queue_key = self._ready.popleft()
            if blocked and not self.fair_share.has_room(queue_key, blocked):
                self.fair_share.hold(queue_key, blocked)
                continue
            job = queue_key.jobs.pop(0) if queue_key.jobs else None  # they can be withdrawn
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
        """A job of a source has ended; as ``release``."""
        queue_key.taken -= 1
        queue_key.group.taken -= 1
        return bool(self.fair_share.held) and self.release(blocked)

    def release(self, blocked: int) -> bool:
        """Let those go on for whom there is room by now. Whether there were any."""
        if not self.fair_share.held:
            return False
        released = self.fair_share.release(blocked)
        self._ready.extend(released)
        return bool(released)
