"""The members that have connections to this process.

A member is announced once, however many connections it has. It leaves only some time after its last
connection, because a page that is loaded again leaves and joins at once.

What is announced is bounded, because all other processes must hold it. When there is no room, a
member is not announced until others have left. Somebody with many memberships cannot keep out those
with few.
"""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

from wsrequest.push.members import Members, cost_bytes
from wsrequest.push.presence_messages import Change

__all__ = ["GRACE_SECONDS", "OwnMembers", "PresenceLimits"]

GRACE_SECONDS = 2.0
"""How long after its last connection a member leaves."""

_FEW_MEMBERSHIPS = 4  # of a connection. They are announced even if others have taken the room
_TRIED_ROOMS = 20  # when somebody leaves, for members that were refused
_TRIED_MEMBERS = 20  # of a room, for which there is no room yet
_MAX_GONE = 10_000  # members about which others learn later, besides those that are announced

Key = tuple[str, str]
"""A room and a member."""


_Infos = bytes | dict[bytes, int]
"""The info of the only membership, or how many memberships have each. The last one counts."""


@dataclass(frozen=True, slots=True)
class PresenceLimits:
    """How much one process may announce.

    Attributes:
        total_bytes: of all members, about.
        room_members: of one room.

    Members of connections with few memberships may take the same again.
    """

    total_bytes: int
    room_members: int


class OwnMembers:
    """Counts connections, and notes what others must learn.

    Args:
        members: takes what is announced.
        epoch: names this process there.
        limits: see there.
        stamp: returns the time, in milliseconds since 1970.

    Attributes:
        unsaid: what others must learn about, the longest unsaid first.
        refused_count: how many times a member was not announced for lack of room.
    """

    def __init__(
        self, members: Members, epoch: str, limits: PresenceLimits, stamp: Callable[[], int]
    ) -> None:
        self._members, self._epoch, self._limits, self._stamp = members, epoch, limits, stamp
        self._infos: dict[str, dict[str, _Infos]] = {}  # by room and member
        self._leaving: dict[Key, float] = {}  # when they leave, in order
        # By room, and by how many shares of it they may take. The longest refused first.
        self._refused: dict[tuple[str, int], dict[str, None]] = {}
        self.unsaid: dict[Key, None] = {}
        self.refused_count = 0

    @property
    def count(self) -> int:
        """How many members are announced."""
        return sum(
            list(self._members.rooms_of(self._epoch).values())
        )  # metrics read it in a thread

    @property
    def is_empty(self) -> bool:
        """Whether no member is announced."""
        return not self._members.rooms_of(self._epoch)

    @property
    def leave_at(self) -> float | None:
        """When the next member leaves."""
        return next(iter(self._leaving.values()), None)

    def join(self, room: str, member: str, info: bytes, *, memberships: int) -> None:
        """Take a membership.

        Args:
            room: its name.
            member: its id.
            info: as JSON.
            memberships: how many further ones its connection has.
        """
        key = room, member
        infos = self._infos.setdefault(room, {})
        infos[member] = _with(infos.get(member), info)
        self._leaving.pop(key, None)
        if self._members.info_of(room, member, self._epoch) is not None:
            self._update(key, info)
            return
        shares = 2 if memberships < _FEW_MEMBERSHIPS else 1
        if self._has_room(room, cost_bytes(room, member, info), shares):
            self._announce(key, info)
        else:
            self._refuse(room, member, shares)

    def leave(self, room: str, member: str, info: bytes, now: float) -> None:
        """End a membership. Does nothing if there is no such membership.

        Args:
            room: as in ``join``.
            member: as in ``join``.
            info: as in ``join``.
            now: monotonic time.
        """
        key = room, member
        held = self._infos.get(room, {}).get(member)
        if held is None or (info not in held if isinstance(held, dict) else info != held):
            return
        left = _without(held, info)
        if left is not None:
            self._infos[room][member] = left
        else:
            del self._infos[room][member]
            if not self._infos[room]:
                del self._infos[room]
        if self._members.info_of(room, member, self._epoch) is None:
            if left is None:
                self._accept(room, member)
        elif left is not None:
            self._update(key, _newest(left))
        else:
            self._leaving[key] = now + GRACE_SECONDS

    def end_leaves(self, now: float) -> None:
        """Let those leave whose time has come, and announce others in their place."""
        rooms: dict[str, None] = {}
        for key, at in list(self._leaving.items()):
            if at > now:
                break
            del self._leaving[key]
            self._members.remove(*key, self._epoch)
            self.unsaid[key] = None
            rooms[key[0]] = None
        if rooms and self._refused:
            further = [room for room, _ in islice(self._refused, _TRIED_ROOMS)]
            for room in [*rooms, *further]:
                for shares in (2, 1):
                    self._try_refused(room, shares)

    def drop_unsaid(self) -> bool:
        """Forget what others must learn if all members that are announced are less.

        Returns:
            Whether it was forgotten. Then others must be sent all members.
        """
        if len(self.unsaid) <= _MAX_GONE or len(self.unsaid) <= _MAX_GONE + self.count:
            return False
        self.unsaid.clear()
        return True

    def changes(self, keys: Iterable[Key]) -> Iterator[Change]:
        """Yield what is true of some members now."""
        for room, member in keys:
            stamp, info = self._members.info_of(room, member, self._epoch) or (0, None)
            yield Change(room, member, stamp, info)

    def announced(self) -> list[Key]:
        """Return all members that are announced."""
        rooms = self._members.rooms_of(self._epoch)
        return [
            (room, each) for room in rooms for each in self._members.names_of(self._epoch, room)
        ]

    def _has_room(self, room: str, more_bytes: int, shares: int) -> bool:
        count = self._members.rooms_of(self._epoch).get(room, 0)
        held_bytes = self._members.bytes_of.get(self._epoch, 0)
        return (
            count < shares * self._limits.room_members
            and held_bytes + more_bytes <= shares * self._limits.total_bytes
        )

    def _update(self, key: Key, info: bytes) -> None:
        before = self._members.info_of(*key, self._epoch)
        assert before is not None
        if before[1] != info:
            most = 2 * self._limits.total_bytes
            is_room = self._members.bytes_of[self._epoch] + len(info) <= most
            self._announce(key, info if is_room else b"{}")

    def _announce(self, key: Key, info: bytes) -> None:
        self._accept(*key)
        self._members.put(*key, self._epoch, self._stamp(), info)
        self.unsaid[key] = None

    def _refuse(self, room: str, member: str, shares: int) -> None:
        before = [each for each in (2, 1) if member in self._refused.get((room, each), ())]
        if not before:
            self.refused_count += 1
        elif before[0] >= shares:
            return
        self._accept(room, member)
        self._refused.setdefault((room, shares), {})[member] = None

    def _accept(self, room: str, member: str) -> None:
        for key in ((room, 2), (room, 1)):
            refused = self._refused.get(key)
            if refused is not None:
                refused.pop(member, None)
                if not refused:
                    del self._refused[key]

    def _try_refused(self, room: str, shares: int) -> None:
        refused = self._refused.pop((room, shares), {})
        misses = 0
        for member in list(refused) if self._has_room(room, 0, shares) else ():
            info = _newest(self._infos[room][member])
            if self._has_room(room, cost_bytes(room, member, info), shares):
                del refused[member]
                self._announce((room, member), info)
                continue
            misses += 1
            if misses == _TRIED_MEMBERS:
                break
        if refused:
            self._refused[room, shares] = refused  # after the other rooms


def _with(held: _Infos | None, info: bytes) -> _Infos:
    if held is None:
        return info
    counts = held if isinstance(held, dict) else {held: 1}
    counts[info] = counts.pop(info, 0) + 1
    return counts


def _without(held: _Infos, info: bytes) -> _Infos | None:
    if not isinstance(held, dict):
        return None
    held[info] -= 1
    if not held[info]:
        del held[info]
    return next(iter(held)) if sum(held.values()) == 1 else held


def _newest(held: _Infos) -> bytes:
    return next(reversed(held)) if isinstance(held, dict) else held
