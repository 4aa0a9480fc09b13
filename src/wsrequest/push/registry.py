"""The rooms of one event loop: numbers their events, and sends them to who is there.

An event is encoded once. Nothing is queued for a client that has no room for it: the client only
keeps its place, and later gets what follows from the history, or a notice that something was lost.
"""

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from typing import Protocol

from msgspec import Raw

from wsrequest.protocol.messages import Event as EventMessage
from wsrequest.protocol.messages import Member, Missed
from wsrequest.protocol.server_codec import encode_event, encode_server
from wsrequest.push.events import Event, Join
from wsrequest.push.history import Entry, HistoryStore
from wsrequest.push.positions import Positions
from wsrequest.push.room import Listener, Room, RoomKey
from wsrequest.types import Frame

__all__ = ["Counts", "Presence", "Registry"]

_SLICE = 100  # clients that are sent an event before the event loop does other work
_MAX_PENDING = 1_000  # events of a room that wait until all clients were sent the earlier ones
_MAX_PENDING_BYTES = 2**22  # of these
_MAX_IDLE_ROOMS = 10_000  # rooms that nobody is in, and somebody may come back to
_SWEEP_SECONDS = 30.0
_UNNUMBERED = -1  # of a frame about the members of a room


class Presence(Protocol):
    """Who is there, of all processes. Called on the event loop."""

    @property
    def own_count(self) -> int:
        """How many members have a connection here. From any thread."""

    @property
    def refused_count(self) -> int:
        """How many times there was no room for a member. From any thread."""

    def entered(self, listener: Listener, join: Join) -> None:
        """A live request of the connection is in a room. ``join.member`` is not None."""

    def left(self, listener: Listener, join: Join) -> None:
        """Take back what ``entered`` was called with."""

    def members(self, room: str) -> list[Member] | None:
        """Return who is in a room. None for a room without presence."""


class Counts:
    """What a registry has done so far.

    Attributes:
        events: that had a room here.
        deliveries: of events to clients.
        behind: times that a client had no room for an event.
        missed: notices to clients that events were lost.
    """

    __slots__ = ("behind", "deliveries", "events", "missed")

    def __init__(self) -> None:
        self.events = self.deliveries = self.behind = self.missed = 0


class Registry:
    """The rooms of one event loop. Used on the event loop only.

    Args:
        loop: the event loop.
        store: keeps recent events.

    Attributes:
        counts: what it has done so far.
        presence: knows who is in the rooms. None without presence.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, store: HistoryStore) -> None:
        self._loop, self._store = loop, store
        self._rooms: dict[RoomKey, Room] = {}
        self._idle: OrderedDict[Room, float] = OrderedDict()  # with the time since when
        self._timer: asyncio.TimerHandle | None = None
        self._positions = Positions()
        self._forgotten_number = 0  # that of the last event of a room that is not kept
        self.counts = Counts()
        self.presence: Presence | None = None

    def __len__(self) -> int:
        """Return the number of rooms that somebody is in. From any thread."""
        return len(self._rooms) - len(self._idle)

    # Events.

    def receive(self, position: int, event: Event) -> None:
        """Send an event to who is in its room. Called in the order of arrival."""
        positions = self._positions
        if not event.epoch:
            positions.advance()
        elif positions.advance_to(event.epoch, event.number):
            self._begin_anew()
        if not event.event:
            return  # it only says how far the bus is
        room = self._rooms.get((event.kind, event.name))
        if room is None:
            if not positions.is_shared or event.kind != "room" or not self._store.max_events:
                self._forgotten_number = positions.number
                return  # nobody is there, and nobody can come back
            room = self._make_room((event.kind, event.name))
        if room.listeners:
            self.counts.events += 1
        else:
            self._keep_idle(room)  # somebody may come from another process
        if len(room.pending) >= _MAX_PENDING or room.pending_bytes > _MAX_PENDING_BYTES:
            # Sending takes longer than it takes to send again.
            self._lose(room, positions.number)
            return
        room.number = positions.number
        entry = Entry.of(event, room.number, self._frame_of(event), self._loop.time())
        self._store.add(room.history, entry)
        self._send(room, entry)

    def lost(self) -> None:
        """Tell everybody that events may be lost: of each room, anything up to now."""
        self._positions.lose()
        for room in list(self._rooms.values()):
            self._lose(room, self._positions.number)

    def _begin_anew(self) -> None:
        """Take that no number so far can be compared with the last one, and those that follow.

        Nothing is lost by that, except for clients that are behind: what they lack has old numbers.
        """
        number = self._positions.number - 1
        self._forgotten_number = number
        for room in list(self._rooms.values()):
            room.listeners = dict.fromkeys(room.listeners, 0)
            for listener in room.listeners:
                if listener.is_behind(room):
                    listener.fall_behind(room, -1)
            room.number, room.sent_number = number, 0
            self._store.clear(room.history, number)

    def broadcast(self, name: str, frame: Frame) -> int:
        """Send a frame about the members of a room to all who are in it.

        Who has no room for it gets ``rooms`` with all members again, once there is room.

        Returns:
            How many are in the room.
        """
        room = self._rooms.get(("room", name))
        if room is None:
            return 0
        self._send(room, Entry(_UNNUMBERED, frame, 0.0))
        return len(room.listeners)

    def is_watched(self, name: str) -> bool:
        """Whether anybody is in a room."""
        room = self._rooms.get(("room", name))
        return room is not None and bool(room.listeners)

    def _lose(self, room: Room, number: int) -> None:
        """Tell all who are in a room that any event up to a number may be lost."""
        room.number = number
        self._store.clear(room.history, number)
        # What is pending is among the lost, except who is there.
        room.pending = [entry for entry in room.pending if entry.number == _UNNUMBERED]
        room.pending_bytes = sum(entry.held_bytes for entry in room.pending)
        self._send(room, Entry(room.number, self.missed_frame(room), 0.0, is_notice=True))

    # Sending.

    def _send(self, room: Room, entry: Entry) -> None:
        if not room.listeners:
            return
        room.pending.append(entry)
        room.pending_bytes += entry.held_bytes
        if not room.is_busy:
            room.is_busy = True
            room.sent_number = room.number - (entry.number != _UNNUMBERED)
            self._send_pending(room)

    def _send_pending(self, room: Room) -> None:
        """Send what is pending to all, some of them at a time, and then what has come since."""
        entries, room.pending, room.pending_bytes = room.pending, [], 0
        if entries and room.listeners:
            self._send_slice(room, entries, list(room.listeners), 0)
        else:
            room.is_busy = False

    def _send_slice(
        self, room: Room, entries: list[Entry], listeners: list[Listener], start: int
    ) -> None:
        end = start + max(1, _SLICE // len(entries))
        counts, numbers = self.counts, room.listeners
        for listener in listeners[start:end]:
            number = numbers.get(listener)
            if number is None:
                continue  # it has left
            queue, id = listener.queue, listener.id
            for entry in entries:
                if (
                    listener.behind and room in listener.behind
                ) or queue.waiting_bytes >= queue.max_bytes:
                    self._fall_behind(room, listener, entry)
                elif (
                    (entry.number > number and entry.exclude != id)
                    or entry.is_notice
                    or entry.number < 0
                ):
                    listener.put_entry(entry)
                    counts.deliveries += not entry.is_notice
                    counts.missed += entry.is_notice
        if end < len(listeners):
            self._loop.call_soon(self._send_slice, room, entries, listeners, end)
            return
        room.sent_number = max(room.sent_number, *(entry.number for entry in entries))
        if room.pending:
            self._loop.call_soon(self._send_pending, room)
        else:
            room.is_busy = False

    def _fall_behind(self, room: Room, listener: Listener, entry: Entry) -> None:
        if entry.number == _UNNUMBERED:
            if listener.stale is None:
                listener.stale = {}
            listener.stale[room.key[1]] = None
        elif not listener.is_behind(room) and (
            entry.is_notice or entry.number > room.listeners[listener]
        ):
            # A higher one is of a numbering that has ended: see _begin_anew.
            listener.fall_behind(room, entry.number - 1 if entry.number <= room.number else -1)
            self.counts.behind += 1

    def go_on(self, listener: Listener) -> None:
        """Send a client what it has had no room for."""
        for room in list(listener.behind or ()):
            if not listener.queue.has_room():
                return
            self._catch_up(room, listener)

    def _catch_up(self, room: Room, listener: Listener) -> None:
        assert listener.behind is not None
        number = listener.behind.pop(room)
        self._store.trim(room.history, self._loop.time())
        entries = room.history.after(number)
        if entries is None:
            listener.put(self.missed_frame(room))
            self.counts.missed += 1
        for entry in entries or ():
            if not listener.queue.has_room():
                listener.fall_behind(room, entry.number - 1)
                return
            if entry.exclude != listener.id:
                listener.put_entry(entry)
                self.counts.deliveries += 1
        # What is pending was sent with the rest.
        room.listeners[listener] = room.number

    # Who is there.

    def enter(
        self, listener: Listener, key: RoomKey, since: str | None = None
    ) -> tuple[Room, bool]:
        """Put a connection into a room, once more if it is there already.

        Args:
            listener: the connection.
            key: of the room.
            since: the position that the client holds. What follows is sent by ``go_on``.

        Returns:
            The room, and whether events since then may be lost.
        """
        room = self._rooms.get(key)
        if room is None:
            room = self._make_room(key)
        self._idle.pop(room, None)
        positions = self._positions
        is_new = listener not in room.listeners
        if is_new:
            room.listeners[listener] = positions.number
            listener.count += key[0] == "room"
        listener.rooms[room] = listener.rooms.get(room, 0) + 1
        if since is None:
            return room, False
        self._store.trim(room.history, self._loop.time())
        number = positions.number_at(since)
        if number is None or not positions.has_all_after(number) or number < room.history.start:
            return room, True
        if number < room.number:
            listener.fall_behind(room, min(number, (listener.behind or {}).get(room, number)))
        elif is_new:
            room.listeners[listener] = max(number, positions.number)
        return room, False

    def leave(self, listener: Listener, room: Room) -> None:
        """Take back one ``enter``."""
        listener.rooms[room] -= 1
        if listener.rooms[room]:
            return
        del listener.rooms[room], room.listeners[listener]
        listener.count -= room.key[0] == "room"
        listener.forget(room)
        if not room.listeners:
            self._keep_idle(room)
            if room.key[0] != "room" or not self._store.max_events:
                self._forget(room)  # nobody can come back

    def held_position(self, listener: Listener, room: Room) -> str:
        """Return the position up to which a listener has certainly been sent everything."""
        behind = (listener.behind or {}).get(room)
        if behind is not None:
            return self._positions.text(behind)
        sent = room.sent_number if room.is_busy else self._positions.number
        return self._positions.text(max(sent, room.listeners.get(listener, 0)))

    def last_position(self, room: Room) -> str:
        """Return the position of the last event of a room."""
        return self._positions.text(room.number)

    def missed_frame(self, room: Room) -> Frame:
        """Return the notice that events up to the last one were lost."""
        kind, name = room.key
        if kind == "room":
            return encode_server(Missed(name, self.last_position(room)))
        return encode_server(Missed("", to=kind))

    def _frame_of(self, event: Event) -> Frame:
        data = Raw(event.data)
        if event.kind == "room":
            position = self._positions.text(self._positions.number)
            return encode_event(EventMessage(event.event, data, event.name, position))
        return encode_event(EventMessage(event.event, data, to=event.kind))

    # Rooms that nobody is in.

    def _make_room(self, key: RoomKey) -> Room:
        room = self._rooms[key] = Room(key, self._forgotten_number)
        return room

    def _keep_idle(self, room: Room) -> None:
        self._idle[room] = self._loop.time()
        self._idle.move_to_end(room)
        if len(self._idle) > _MAX_IDLE_ROOMS:
            self._forget(next(iter(self._idle)))
        if self._timer is None:
            self._timer = self._loop.call_later(_SWEEP_SECONDS, self._sweep)

    def _sweep(self) -> None:
        """Drop the events of rooms that nobody has come back to.

        If the bus numbers the events, the rooms are kept as long as there is space for them. They
        show that a client who comes from another process after a long time has missed nothing.
        """
        now = self._loop.time()
        for room in list(self._rooms_idle_since(now - self._store.max_seconds)):
            if self._positions.is_shared:
                self._store.trim(room.history, now)
            else:
                self._forget(room)
        self._timer = None
        if any(room.history or not self._positions.is_shared for room in self._idle):
            self._timer = self._loop.call_later(_SWEEP_SECONDS, self._sweep)

    def _rooms_idle_since(self, oldest: float) -> Iterator[Room]:
        for room, since in self._idle.items():
            if since > oldest:
                return
            yield room

    def _forget(self, room: Room) -> None:
        del self._idle[room], self._rooms[room.key]
        self._forgotten_number = max(self._forgotten_number, room.number)
        self._store.clear(room.history, room.number)

    def stop(self) -> None:
        """End its timer. Safe to call twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
