"""Which calls of one connection run, and which wait.

Owns the cap on calls in flight. A call that was dropped while a thread runs it
still counts, or cancelling would be a way around the cap.
"""

from collections.abc import Callable, Iterator

from wsrequest.connection.calls import Call
from wsrequest.http.jobs import Source
from wsrequest.http.lanes import Lane

__all__ = ["Schedule"]


class Schedule:
    """The calls of one connection between their message and their last frame. On the event loop.

    Args:
        lane: runs them, in turn with those of other connections.
        source: the connection, for the lane.
        max_running: how many at the same time; the others wait, first come first served.
        has_room: whether more may be begun now; not while the client does not read.
        on_begin: called with each call before it goes to the lane.
    """

    __slots__ = (
        "_has_room",
        "_lane",
        "_max_running",
        "_on_begin",
        "_running",
        "_source",
        "_waiting",
    )

    def __init__(
        self,
        lane: Lane,
        source: Source,
        max_running: int,
        has_room: Callable[[], bool],
        on_begin: Callable[[Call], None],
    ) -> None:
        self._lane, self._source, self._max_running = lane, source, max_running
        self._has_room, self._on_begin = has_room, on_begin
        # A list, for an empty deque takes 700 bytes. At most WSREQUEST_MAX_WAITING stand in it.
        self._waiting: list[Call] = []
        self._running: dict[Call, None] = {}  # an ordered set, for calls end in any order

    def __iter__(self) -> Iterator[Call]:
        """The calls that run, the oldest first."""
        return iter(self._running)

    def add(self, call: Call) -> None:
        """Run a call as soon as there is room."""
        self._waiting.append(call)
        self.fill()

    def fill(self) -> None:
        """Begin what may begin now: called when there is room again."""
        while self._waiting and len(self._running) < self._max_running and self._has_room():
            call = self._waiting.pop(0)
            self._running[call] = None
            call.is_in_lane = True
            self._on_begin(call)
            self._lane.submit(call, self._source)

    def hold(self) -> None:
        """Take back what no thread has begun, since its answers would only wait to be read."""
        for call in reversed(list(self._running)):
            if call.is_in_lane and self._lane.withdraw(call, self._source):
                call.is_in_lane = False
                del self._running[call]
                self._waiting.insert(0, call)

    def ended(self, call: Call) -> None:
        """A call is back from the lane."""
        self._running.pop(call, None)
        if self._waiting:
            self.fill()

    def withdraw(self, call: Call) -> bool:
        """Take out a call that was not begun. False for one that was: it ends by itself."""
        if call in self._running:
            if not self._lane.withdraw(call, self._source):
                return False
            call.is_in_lane = False
            self.ended(call)
        elif call in self._waiting:
            self._waiting.remove(call)
        return True

    def give_up(self, call: Call) -> None:
        """A call holds its thread beyond its time: let another thread stand in until it ends."""
        if call.is_in_lane and not call.is_lost:
            call.is_lost = True
            self._lane.park()

    def stop(self) -> None:
        """Begin nothing more. Safe to call twice."""
        self._waiting.clear()
