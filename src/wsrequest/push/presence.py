"""Who is in which room, in all processes.

Each process is the source of truth for its own members. It says what changes, with numbers, and it
says regularly that it lives. So another process notices

- a message that is missing, by its number. It asks for the whole state, which comes in parts.
- a process that has ended or is frozen, by its silence. Its members leave. When it is heard again,
  it is asked for its whole state.

While the whole state comes in parts, changes may come between them. Each part says what is true
when it is sent, and messages of one process arrive in order, so the result is right.

Nothing here has a clock, a timer or a bus. ``due`` says when ``tick`` must be called next.
"""

from collections import deque
from collections.abc import Callable, Iterable

from wsrequest.protocol.messages import Member
from wsrequest.push.members import Members, cost_bytes
from wsrequest.push.own_members import GRACE_SECONDS, Key, OwnMembers, PresenceLimits
from wsrequest.push.presence_messages import Message, RoomPart, parts_of
from wsrequest.types import Frame

__all__ = ["BEAT_SECONDS", "SETTLE_SECONDS", "SILENT_SECONDS", "Presence"]

BEAT_SECONDS = 1.5
"""How often a process says that it lives, while it has members."""
SILENT_SECONDS = 4.5
"""How long a process may be silent before its members leave."""
SETTLE_SECONDS = 5.0
"""After this time without faults, all processes know exactly the same members.

Sending all members of a process must not take longer than that: see ``_PACE_BYTES``.
"""

_BEATS_AFTER_SECONDS = 10.0  # that a process goes on after its last member has left
_LOOK_SECONDS = 0.5  # between two looks at the clock
_LATE_SECONDS = 2.0  # this process was frozen itself, if a look comes so late
_AT_LEAST_SECONDS = 2.0  # what it then gives the others, to be heard
_ASK_SECONDS = 1.0  # between two questions to one process
_ASK_JITTER_SECONDS = 0.1  # so that one of many processes asks, and all hear the answer
_STATE_SECONDS = 0.5  # between the beginnings of two whole states
_PACE_SECONDS, _PACE_BYTES = 0.05, 2**15  # of changes, and as much of a whole state
_FRAMES_PER_SECOND, _MAX_SHOW_SECONDS = 4_000, 1.0  # to clients. A crowd gets fewer, larger ones
_MAX_PROCESSES = 1_000
_START_SECONDS = 5.0  # while the connection to the bus may come up


class _Peer:
    """What is known of another process.

    Attributes:
        number: of its last message.
        heard_at: when it was last heard.
        is_current: whether nothing of what it said is missing.
        round: counts its whole states.
        is_within: whether a whole state is arriving.
        ask_at: when to ask it, unless it is current.
    """

    __slots__ = ("ask_at", "heard_at", "is_current", "is_within", "number", "round")

    def __init__(self, now: float) -> None:
        self.number = self.round = 0
        self.heard_at = self.ask_at = now
        self.is_current, self.is_within = True, False


class Presence:
    """The part of one event loop in presence. Used on that event loop only.

    Args:
        epoch: names this process. Another one after each start.
        publish: sends a message to all processes.
        is_watched: whether any connection of this process is in a room.
        show: sends a frame to the connections of this process that are in a room, and returns how
            many there are.
        limits: of what this process announces. Those of the others should be the same.
        stamp: returns the time, in milliseconds since 1970.
        random: returns a number from 0 to 1.
        now: monotonic time.

    Attributes:
        dropped_count: how many times another process was silent for too long.
        asked_count: how many times another process was asked for its whole state.
    """

    def __init__(
        self,
        epoch: str,
        *,
        publish: Callable[[Message], None],
        is_watched: Callable[[str], bool],
        show: Callable[[str, Frame], int],
        limits: PresenceLimits,
        stamp: Callable[[], int],
        random: Callable[[], float],
        now: float,
    ) -> None:
        self._epoch, self._publish, self._show, self._random = epoch, publish, show, random
        self._members = Members(is_watched)
        self._own = OwnMembers(self._members, epoch, limits, stamp)
        self._max_bytes = 2 * limits.total_bytes + 2**16  # of one process
        self._peers: dict[str, _Peer] = {}
        self._number = 0
        self._is_connected = True
        self._began_at = self._connected_at = self._looked_at = now
        self._beat_at = self._beats_until = now
        self._paced_at = self._shown_at = self._state_at = now - 1.0
        self._show_seconds = _PACE_SECONDS
        self._is_asked = False
        self._state: deque[Key] | None = None  # what is left of the whole state
        self._state_begins = False
        self.dropped_count = self.asked_count = self._ignored_count = 0
        self._ask_all_at: float | None = now

    @property
    def own_count(self) -> int:
        """How many members of this process are announced."""
        return self._own.count

    @property
    def refused_count(self) -> int:
        """How many times a member was left out for lack of room."""
        return self._own.refused_count + self._ignored_count

    def join(self, room: str, member: str, info: bytes, *, memberships: int = 0) -> None:
        """Take a membership of this process.

        Args:
            room: its name.
            member: its id.
            info: as JSON.
            memberships: how many further ones its connection has.
        """
        self._own.join(room, member, info, memberships=memberships)

    def leave(self, room: str, member: str, info: bytes, now: float) -> None:
        """End a membership of this process, with the values of ``join``.

        If only the info changes, join with the new one first.
        """
        self._own.leave(room, member, info, now)

    def of(self, room: str) -> list[Member]:
        """Return the members of a room."""
        return self._members.of(room)

    def encoded(self, room: str) -> bytes | None:
        """Return the members of a room as JSON. None for an empty room."""
        return self._members.encoded(room)

    def is_complete(self, now: float) -> bool:
        """Whether each process must have been heard, and nothing of what they said is missing."""
        if not self._is_connected or now - self._connected_at <= BEAT_SECONDS:
            return False
        return all(peer.is_current for peer in self._peers.values())

    # What comes from the bus.

    def receive(self, message: Message, now: float) -> None:
        """Take a message of any process."""
        if message.epoch in ("", self._epoch):
            return
        if message.asks:
            self._hear_question(message, now)
            return
        peer = self._peers.get(message.epoch)
        if peer is None:
            if len(self._peers) >= _MAX_PROCESSES or message.goes:
                return
            peer = self._peers[message.epoch] = _Peer(now)
        peer.heard_at = now
        if message.goes:
            peer.heard_at = now - SILENT_SECONDS + GRACE_SECONDS
        elif message.is_numbered:
            self._hear_changes(peer, message, now)
        elif message.number > peer.number:
            self._miss(peer, message.number, now)

    def lost(self, now: float) -> None:
        """Take it that any message may have been lost. The next one of each process shows it."""
        if now - self._began_at < _START_SECONDS and self._ask_all_at is None:
            self._ask_all_at = now + _ASK_SECONDS

    def connected(self, is_connected: bool, now: float) -> None:
        """Take it whether messages of other processes arrive.

        While they do not, this process cannot know who is silent. So nobody leaves.
        """
        self._is_connected = is_connected
        if is_connected:
            self._connected_at = now
            for peer in self._peers.values():
                peer.heard_at = now

    def _hear_question(self, message: Message, now: float) -> None:
        if message.asks == self._epoch or (message.asks == "*" and not self._own.is_empty):
            self._is_asked = True
        elif message.asks in self._peers:  # this process will hear the answer, too
            peer = self._peers[message.asks]
            peer.ask_at = max(peer.ask_at, now + _ASK_SECONDS)

    def _hear_changes(self, peer: _Peer, message: Message, now: float) -> None:
        if message.number <= peer.number:
            return
        if message.number > peer.number + 1:
            self._miss(peer, message.number, now)
        peer.number = message.number
        if message.begins and not peer.is_current:
            peer.is_within = True
            peer.round += 1
        if peer.is_current or peer.is_within:
            self._take(peer, message.epoch, message.rooms)
        if peer.is_within:
            peer.ask_at = now + _ASK_SECONDS  # unless more comes
        if message.ends and peer.is_within:
            self._members.remove_older(message.epoch, peer.round)
            peer.is_within, peer.is_current = False, True

    def _miss(self, peer: _Peer, number: int, now: float) -> None:
        peer.number = number
        if peer.is_current or peer.is_within:
            peer.is_current = peer.is_within = False
            peer.ask_at = now + self._random() * _ASK_JITTER_SECONDS

    def _take(self, peer: _Peer, epoch: str, parts: Iterable[RoomPart]) -> None:
        put, total = self._members.put, self._members.bytes_of
        for part in parts:
            for member, stamp, info in part.joined:
                more = cost_bytes(part.room, member, info)
                if total.get(epoch, 0) + more <= self._max_bytes:
                    put(part.room, member, epoch, stamp, info, peer.round)
                else:  # its limits are others
                    self._ignored_count += 1
            for member in part.left:
                self._members.remove(part.room, member, epoch)

    # What comes with time.

    @property
    def due(self) -> float | None:
        """When ``tick`` must be called next, in monotonic time. None if nothing waits."""
        times = []
        if self._members.has_changes:
            times.append(self._shown_at + self._show_seconds)
        if self._own.leave_at is not None:
            times.append(self._own.leave_at)
        if self._is_connected:
            if self._own.unsaid or self._state is not None:
                times.append(self._paced_at + _PACE_SECONDS)
            if self._is_asked and self._state is None:
                times.append(self._state_at + _STATE_SECONDS)
            if not self._own.is_empty or self._beat_at < self._beats_until:
                times.append(self._beat_at)
            if self._ask_all_at is not None:
                times.append(self._ask_all_at)
            for peer in self._peers.values():
                times.append(peer.heard_at + SILENT_SECONDS)
                if not peer.is_current:
                    times.append(peer.ask_at)
        if self._peers:
            times.append(self._looked_at + _LOOK_SECONDS)
        return min(times, default=None)

    def tick(self, now: float) -> None:
        """Do what is due. Safe to call at any time."""
        self._own.end_leaves(now)
        self._look(now)
        if self._is_connected:
            self._say(now)
            self._ask(now)
        elif self._own.drop_unsaid():
            self._number += 1  # the next message shows the gap, so others ask for the whole state
        if self._members.has_changes and now >= self._shown_at + self._show_seconds:
            self._shown_at = now
            count = sum(self._show(*change) for change in self._members.take_changes())
            seconds = max(_PACE_SECONDS, count / _FRAMES_PER_SECOND)
            self._show_seconds = min(seconds, _MAX_SHOW_SECONDS)

    def stop(self) -> None:
        """Say that this process ends. Its members leave soon, unless they join elsewhere."""
        if self._number:
            self._publish(Message(self._epoch, self._number, goes=True))

    def _look(self, now: float) -> None:
        """Let the members of silent processes leave."""
        if now - self._looked_at > _LOOK_SECONDS + _LATE_SECONDS:
            # What the others said in the meantime may still wait to be read.
            for peer in self._peers.values():
                peer.heard_at = max(peer.heard_at, now - SILENT_SECONDS + _AT_LEAST_SECONDS)
        self._looked_at = now
        if self._is_connected:
            for epoch, peer in list(self._peers.items()):
                if now < peer.heard_at + SILENT_SECONDS:
                    continue
                del self._peers[epoch]
                self._members.remove_older(epoch)
                self.dropped_count += 1

    def _say(self, now: float) -> None:
        if now >= self._paced_at + _PACE_SECONDS:
            self._paced_at = now
            self._say_changes(now)
            self._say_state(now)
        if not self._own.is_empty:
            self._beats_until = now + _BEATS_AFTER_SECONDS
        if self._beat_at <= now:
            self._beat_at = now + BEAT_SECONDS
            if now < self._beats_until:
                self._publish(Message(self._epoch, self._number))
            self._members.forget_encoded()

    def _say_changes(self, now: float) -> None:
        keys, unsaid = deque(self._own.unsaid), self._own.unsaid
        for rooms, count in parts_of(self._own.changes(list(keys)), _PACE_BYTES):
            for _ in range(count):
                del unsaid[keys.popleft()]
            self._publish_numbered(rooms, now)

    def _say_state(self, now: float) -> None:
        if self._state is None and self._is_asked and now >= self._state_at + _STATE_SECONDS:
            self._is_asked = False
            self._state, self._state_begins = deque(self._own.announced()), True
            self._state_at = now
        if self._state is None:
            return
        if not self._state:
            self._publish_numbered([], now, begins=True, ends=True)
        for rooms, count in parts_of(self._own.changes(list(self._state)), _PACE_BYTES):
            for _ in range(count):
                self._state.popleft()
            begins, self._state_begins = self._state_begins, False
            self._publish_numbered(rooms, now, begins=begins, ends=not self._state)
        if not self._state:
            self._state = None

    def _publish_numbered(
        self, rooms: list[RoomPart], now: float, *, begins: bool = False, ends: bool = False
    ) -> None:
        self._number += 1
        self._beat_at = now + BEAT_SECONDS
        self._beats_until = now + _BEATS_AFTER_SECONDS
        self._publish(Message(self._epoch, self._number, rooms, begins, ends))

    def _ask(self, now: float) -> None:
        if self._ask_all_at is not None and self._ask_all_at <= now:
            self._ask_all_at = None
            self._publish(Message(self._epoch, asks="*"))
        for epoch, peer in self._peers.items():
            if not peer.is_current and peer.ask_at <= now:
                peer.ask_at = now + _ASK_SECONDS
                self.asked_count += 1
                self._publish(Message(self._epoch, asks=epoch))
