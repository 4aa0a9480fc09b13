"""What a lane runs, and where it comes from."""

import asyncio
from collections.abc import Callable
from typing import Generic, Protocol, TypeVar

__all__ = ["FunctionCall", "Job", "Source"]

T = TypeVar("T")


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
        # No deque, which takes 700 bytes also when it is empty, and most are. At most
        # WSREQUEST_MAX_IN_FLIGHT stand in it, so that taking the first costs little.
        self.jobs: list[Job] = []
        self.is_queued = False


class FunctionCall(Generic[T]):
    """A job that is one function call.

    Args:
        function: called in a worker thread.
        args: its arguments.
        future: gets what it returns or raises.
    """

    def __init__(
        self, function: Callable[..., T], args: tuple[object, ...], future: "asyncio.Future[T]"
    ) -> None:
        self.function, self.args, self.future = function, args, future
        self.result: T
        self.error: BaseException | None = None

    def run(self) -> None:
        """Call it."""
        try:
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
