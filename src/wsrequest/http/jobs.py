"""What a lane runs, and where it comes from."""

import asyncio
from collections.abc import Callable
from contextvars import copy_context
from typing import Generic, Protocol, TypeVar
from weakref import WeakValueDictionary

from wsrequest.http.contexts import adopt

__all__ = ["FunctionCall", "Group", "Groups", "Job", "Source"]

T = TypeVar("T")


class Job(Protocol):
    """Work for a lane."""

    def run(self) -> None:
        """Do the work, in a worker thread, in a context of its own. Must not raise."""

    def deliver(self) -> None:
        """Take the result, on the event loop, after ``run``. Must not raise."""


class Group:
    """Sources that share one share of the threads, see ``shares``: the connections of an address.

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


class Groups:
    """The groups of one process by their names, each as long as it has sources."""

    def __init__(self) -> None:
        self._groups: WeakValueDictionary[str, Group] = WeakValueDictionary()

    def of(self, name: str) -> Group:
        """The group of a name; one of its own for each that has none."""
        group = self._groups.get(name) if name else None
        if group is None:
            group = Group(name or "no address")
            if name:
                self._groups[name] = group
        return group


class Source:
    """Where jobs come from. Sources with waiting jobs are served in turn, one job each.

    Args:
        group: of sources that may hold only so many threads together; None for one of its own.

    Attributes:
        taken: how many threads its jobs hold.
    """

    __slots__ = ("group", "is_queued", "jobs", "taken")

    def __init__(self, group: Group | None = None) -> None:
        self.group = group or Group()
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
