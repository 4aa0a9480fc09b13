"""The rooms of one live request, which each run of its view decides again."""

from wsrequest.errors import Refused
from wsrequest.protocol.messages import EventKind, JoinedRoom, Rooms
from wsrequest.protocol.server_codec import encode_server
from wsrequest.push.events import Audience, Join
from wsrequest.push.registry import Registry
from wsrequest.push.room import Listener, Room, RoomKey
from wsrequest.types import Id

__all__ = ["Attendance"]


class Attendance:
    """What one live request has asked for, and the rooms that it is in. On the event loop only.

    Args:
        registry: the rooms.
        listener: the connection.
        id: of the live request. None over server-sent events.
        kinds: the events that the client has asked for.
        since: the positions that the client holds, by room.
        max_rooms: of the connection.

    Attributes:
        wants_session: whether the client has asked for events to its session.
    """

    __slots__ = (
        "_held", "_id", "_is_due", "_is_suspended", "_kinds", "_left", "_listener", "_max_rooms",
        "_missed", "_registry", "_session", "_since",
    )  # fmt: skip

    def __init__(
        self, registry: Registry, listener: Listener, id: Id | None,
        kinds: tuple[EventKind, ...], since: dict[str, str] | None, max_rooms: int,
    ) -> None:  # fmt: skip
        self._registry, self._listener, self._id = registry, listener, id
        self._kinds, self._max_rooms = kinds, max_rooms
        self._since = since  # only until it has rooms
        self._held: dict[Room, Join] = {}
        self._missed: dict[str, bool] | None = None  # as the next ``rooms`` says
        self._session: str | None = None
        self._left: tuple[RoomKey, ...] = ()  # of its user and session, while it is suspended
        self._is_suspended = True  # until the first run
        self._is_due = False  # ``rooms`` was not sent yet

    @property
    def wants_session(self) -> bool:
        """Whether the client has asked for the events to its session."""
        return "session" in self._kinds

    def check(self, audience: Audience | None) -> int:
        """Return how many rooms a run has joined, and refuse more than the connection may have.

        Raises:
            Refused: ``too_many_rooms``.
        """
        wanted = self._wanted(audience)
        held = {room.key for room in self._listener.rooms if room.key[0] == "room"}
        kept = {room.key for room in self._held if self._listener.rooms[room] == 1} - set(wanted)
        count = len((held - kept) | {key for key in wanted if key[0] == "room"})
        if count > self._max_rooms:
            raise Refused("too_many_rooms", f"a connection may be in {self._max_rooms} rooms")
        return len(wanted)

    def update(self, audience: Audience | None, session: str | None) -> None:
        """Take what a successful run has joined, and have ``rooms`` sent if that is something else.

        Args:
            audience: of the run, which ``check`` has passed.
            session: the name of the session that the connection's cookies name, or None.
        """
        self._session = session
        wanted = self._wanted(audience)
        since, self._since = self._since or {}, None
        is_other = self._is_suspended
        self._is_suspended = False
        left, self._left = self._left, ()
        held = {room.key: room for room in self._held}
        for key, join in wanted.items():
            room = held.get(key)
            if room is None:
                is_other |= key[0] == "room"
                self._enter(key, join, since.get(key[1]) if key[0] == "room" else None)
                if key in left:
                    self._tell_of_loss(key)
            elif self._held[room] != join:
                before, self._held[room] = self._held[room], join
                self._announce(join)
                self._retract(before)
        for key, room in held.items():
            if key not in wanted:
                is_other |= key[0] == "room"
                self._leave(room)
        self._is_due |= is_other and "room" in self._kinds
        self.go_on()
        self._registry.go_on(self._listener)

    def set_session(self, session: str | None) -> None:
        """Take that the cookies of the connection name another session."""
        if session == self._session or self._is_suspended or not self.wants_session:
            return
        self._session = session
        for room in [room for room in self._held if room.key[0] == "session"]:
            self._leave(room)
        if session is not None:
            self._enter(("session", session), Join(""), None)

    def suspend(self) -> None:
        """Leave all rooms, and keep the positions: the next run decides. Safe to call twice."""
        if self._is_suspended:
            return
        self._since = self.positions()
        self._left = tuple(room.key for room in self._held if room.key[0] != "room")
        self._is_suspended, self._is_due, self._missed = True, False, None
        self.end()

    def positions(self) -> dict[str, str] | None:
        """Return the positions that the client certainly has, by room.

        A position is empty if events were lost and the client was not sent the notice.
        """
        if self._is_suspended:
            return self._since
        missed = self._missed or {}
        return {
            name: "" if missed.get(name) else self._registry.held_position(self._listener, room)
            for room in self._held
            for kind, name in [room.key]
            if kind == "room"
        }

    def end(self) -> None:
        """Leave all rooms. Safe to call twice."""
        for room in list(self._held):
            self._leave(room)

    def note_stale(self) -> None:
        """Have ``rooms`` sent again if the client has old members of one of them."""
        stale = self._listener.stale or ()
        if any(room.key[1] in stale for room in self._held):
            self._is_due |= "room" in self._kinds

    def go_on(self) -> None:
        """Send ``rooms`` if that is due and there is room."""
        listener = self._listener
        if self._is_due and listener.queue.has_room():
            missed, self._missed, self._is_due = self._missed or {}, None, False
            rooms = [
                self._joined(room, missed.get(room.key[1]))
                for room in self._held
                if room.key[0] == "room"
            ]
            listener.put(encode_server(Rooms(rooms, self._id)))

    def _joined(self, room: Room, missed: bool | None) -> JoinedRoom:
        name, registry = room.key[1], self._registry
        position = (
            registry.last_position(room) if missed else registry.held_position(self._listener, room)
        )
        members = None if registry.presence is None else registry.presence.members(name)
        return JoinedRoom(name, position, missed, members)

    def _wanted(self, audience: Audience | None) -> dict[RoomKey, Join]:
        wanted: dict[RoomKey, Join] = {}
        if "room" in self._kinds and audience is not None:
            for join in audience.joins:
                wanted["room", join.room] = join
        if "user" in self._kinds and audience is not None and audience.user is not None:
            wanted["user", audience.user] = Join("")
        if "session" in self._kinds and self._session is not None:
            wanted["session", self._session] = Join("")
        return wanted

    def _enter(self, key: RoomKey, join: Join, since: str | None) -> None:
        room, is_missed = self._registry.enter(self._listener, key, since)
        self._held[room] = join
        if since is not None:
            self._missed = self._missed or {}
            self._missed[key[1]] = is_missed
            self._registry.counts.missed += is_missed
        self._announce(join)

    def _tell_of_loss(self, key: RoomKey) -> None:
        """Tell that events to the user or the session may be lost: nobody kept them."""
        room = next(room for room in self._held if room.key == key)
        self._listener.put(self._registry.missed_frame(room))
        self._registry.counts.missed += 1

    def _leave(self, room: Room) -> None:
        join = self._held.pop(room)
        self._registry.leave(self._listener, room)
        self._retract(join)

    def _announce(self, join: Join) -> None:
        presence = self._registry.presence
        if join.member is not None and presence is not None:
            presence.entered(self._listener, join)

    def _retract(self, join: Join) -> None:
        presence = self._registry.presence
        if join.member is not None and presence is not None:
            presence.left(self._listener, join)
