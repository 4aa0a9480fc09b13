"""One room of one event loop, and the connections that get its events."""

from collections.abc import Callable
from typing import Protocol

from wsrequest.push.events import Kind
from wsrequest.push.history import Entry, History
from wsrequest.types import Frame

__all__ = ["Listener", "Queue", "Room", "RoomKey"]

RoomKey = tuple[Kind, str]


class Queue(Protocol):
    """The frames that wait for one client."""

    waiting_bytes: int
    max_bytes: int

    def put(self, frame: Frame) -> None:
        """Send a frame after those that wait."""

    def has_room(self) -> bool:
        """Whether more may be queued."""


class Listener:
    """One connection that gets events. Used on the event loop only.

    Args:
        id: of the connection.
        queue: of the connection.
        sse: makes a server-sent event of a frame. None for a WebSocket.

    Attributes:
        rooms: how many live requests of the connection hold each room.
        count: how many of these are rooms, and not its user or session.
        behind: the number of the last event that it has, for each room that it is behind in. Often
            None, since an empty one takes memory.
        stale: names of rooms of which it has not the current members. Likewise.
    """

    __slots__ = ("behind", "count", "id", "queue", "rooms", "sse", "stale")

    def __init__(self, id: str, queue: Queue, sse: Callable[[Frame], bytes] | None = None) -> None:
        self.id, self.queue, self.sse = id, queue, sse
        self.rooms: dict[Room, int] = {}
        self.count = 0
        self.behind: dict[Room, int] | None = None
        self.stale: dict[str, None] | None = None

    def put(self, frame: Frame) -> None:
        """Queue a frame for this client only."""
        self.queue.put(frame if self.sse is None else self.sse(frame))

    def is_behind(self, room: "Room") -> bool:
        """Whether it lacks events of a room."""
        return self.behind is not None and room in self.behind

    def fall_behind(self, room: "Room", number: int) -> None:
        """Have the events of a room after a number sent later."""
        if self.behind is None:
            self.behind = {}
        self.behind[room] = number

    def forget(self, room: "Room") -> None:
        """Have nothing of a room sent later."""
        if self.behind is not None:
            self.behind.pop(room, None)
        if self.stale is not None:
            self.stale.pop(room.key[1], None)

    def put_entry(self, entry: Entry) -> None:
        """Queue an event, which is encoded once for all."""
        self.queue.put(entry.frame if self.sse is None else entry.sse(self.sse))


class Room:
    """A room, or the events to one user or session. Used on the event loop only.

    Args:
        key: its kind and its name.
        number: that of the last event which it may have had.

    Attributes:
        key: its kind and its name.
        listeners: who is in it here, each with the number after which events are new for it.
        number: of its last event.
        history: its recent events.
        pending: the events that nobody was sent yet, because others are being sent.
        pending_bytes: how much memory these take.
        is_busy: whether some listeners were not sent the last events yet.
        sent_number: while it is busy, all of them were sent the events up to there.
    """

    __slots__ = (
        "history", "is_busy", "key", "listeners", "number", "pending", "pending_bytes",
        "sent_number",
    )  # fmt: skip

    def __init__(self, key: RoomKey, number: int) -> None:
        self.key = key
        self.listeners: dict[Listener, int] = {}
        self.number = number
        self.sent_number = self.pending_bytes = 0
        self.history = History(number)
        self.pending: list[Entry] = []
        self.is_busy = False
