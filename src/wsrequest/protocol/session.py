"""Decide which message may come when: ids, bodies, cancels, and how many requests at once.

The session is the server's view of one connection, a table of (state, message). It only decides
and counts. The connection runs the views. The session is sans-I/O, has no clock, and does not
store bodies.
"""

from enum import Enum

from msgspec import Struct

from wsrequest.errors import Refused
from wsrequest.protocol.messages import Cancel, ClientMessage, Credit, Part, Ping, Pong, Request
from wsrequest.types import Id, Limits

__all__ = ["Key", "Session", "State"]

Key = Id | object
"""How a connection identifies a request: by its id, or by a new object if it has no id."""


class State(Enum):
    """The state of an unfinished request."""

    UPLOADING = 1
    RUNNING = 2
    LIVE = 3


class _Entry(Struct):
    state: State
    body_bytes: int
    subscribes: bool


class Session:
    """The unfinished requests of one connection, as the server sees them.

    The table of states and messages::

        ========== ====================== ================== ======= ========
        state      Request                Part               Credit  Cancel
        ========== ====================== ================== ======= ========
        none       UPLOADING with more,   ignored            ignored ignored
                   else RUNNING
        UPLOADING  id_in_use              stays with more,   taken   finished
                                          else RUNNING
        RUNNING    id_in_use              ignored            taken   finished
        LIVE       id_in_use              ignored            ignored finished
        ========== ====================== ================== ======= ========

    ``go_live`` makes a request with ``subscribe`` LIVE after its first response.

    Args:
        limits: ``in_flight`` + ``waiting`` bound the unfinished requests that are not LIVE.
            ``subscriptions`` bounds those with ``subscribe``, and ``body_bytes`` all their bodies
            together.
    """

    __slots__ = ("_entries", "_limits", "_live", "_subscribed", "body_bytes")

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._entries: dict[Key, _Entry] = {}
        self._live = self._subscribed = 0
        self.body_bytes = 0

    def __len__(self) -> int:
        """Return the number of unfinished requests."""
        return len(self._entries)

    def state(self, key: Key) -> State | None:
        """Return the state of a request, or None if it is finished or was never begun."""
        entry = self._entries.get(key)
        return None if entry is None else entry.state

    def receive(self, message: ClientMessage) -> Key | None:
        """Take a message of the client.

        Returns:
            The key of the request that the message acts on. None if there is nothing to do,
            because the message came late or names an unknown request (2.4).

        Raises:
            Refused: the message may not come now. A refused Part finishes its request.
        """
        if isinstance(message, Request):
            return self.begin(message)
        if isinstance(message, Ping | Pong):
            return None
        entry = self._entries.get(message.id)
        if entry is None:
            return None
        if isinstance(message, Cancel):
            self.finish(message.id)
        elif isinstance(message, Part):
            if entry.state is not State.UPLOADING:
                return None
            self._receive_part(entry, message)
        else:
            assert isinstance(message, Credit)
            if entry.state is State.LIVE:
                return None
        return message.id

    def go_live(self, key: Key) -> None:
        """Keep a request with ``subscribe`` after its response, until it is cancelled or ends."""
        entry = self._entries[key]
        if entry.state is not State.LIVE:
            entry.state = State.LIVE
            self._live += 1

    def finish(self, key: Key) -> bool:
        """Forget a request that was answered, refused or cancelled. Return False if unknown."""
        entry = self._entries.pop(key, None)
        if entry is None:
            return False
        self.body_bytes -= entry.body_bytes
        self._subscribed -= entry.subscribes
        self._live -= entry.state is State.LIVE
        return True

    def begin(self, message: Request) -> Key:
        """Take a request, as ``receive`` does.

        Returns:
            Its key.

        Raises:
            Refused: it may not come now.
        """
        key: Key = object() if message.id is None else message.id
        if key in self._entries:
            raise Refused(
                "id_in_use",
                f"id {message.id!r} belongs to a request that is not finished",
                message.id,
            )
        unfinished = len(self._entries) - self._live
        if unfinished >= self._limits.in_flight + self._limits.waiting:
            raise Refused("too_many_requests", f"{unfinished} requests are unfinished", message.id)
        if message.subscribe:
            self._check_subscribe(message.id)
        size = 0
        if message.body:
            size = len(message.body)
            self._check_body(size, message.id)
        state = State.UPLOADING if message.more else State.RUNNING
        self._entries[key] = _Entry(state, size, message.subscribe)
        self._subscribed += message.subscribe
        self.body_bytes += size
        return key

    def _check_subscribe(self, id: Id | None) -> None:
        most = self._limits.subscriptions
        if not most:
            raise Refused("not_supported", "this server has no live requests", id)
        if self._subscribed >= most:
            raise Refused("too_many_subscriptions", f"{most} requests are live", id)

    def _receive_part(self, entry: _Entry, message: Part) -> None:
        try:
            self._check_body(len(message.body), message.id)
        except Refused:
            self.finish(message.id)
            raise
        entry.body_bytes += len(message.body)
        self.body_bytes += len(message.body)
        if not message.more:
            entry.state = State.RUNNING

    def _check_body(self, size: int, id: Id | None) -> None:
        if size and self.body_bytes + size > self._limits.body_bytes:
            raise Refused(
                "body_too_large",
                f"unfinished bodies may have {self._limits.body_bytes} bytes together",
                id,
            )
