"""What processes tell each other about the members of rooms.

Each process numbers what it says about its own members. So a process that follows it notices what
is missing, and asks. Then it says everything, in parts that a broker can carry.

What another release says in another format is ignored. It must not count as a lost message, because
a loss makes all live views run again.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec

from wsrequest.bus.base import Topic

__all__ = ["MAX_PART_BYTES", "PRESENCE", "Change", "Message", "RoomPart", "parts_of"]

MAX_PART_BYTES = 5_000
"""About how large a message gets. NOTIFY carries less than 6,000 bytes."""

_FORMAT = 1
_ENTRY_BYTES = 16  # beside the names and the info

Joined = tuple[str, int, bytes]
"""A member: its id, when its info was set (milliseconds since 1970), and its info as JSON."""


class Change(NamedTuple):
    """What is true of one member of one room.

    Attributes:
        room: its name.
        member: its id.
        stamp: when its info was set.
        info: as JSON. None if it is not in the room.
    """

    room: str
    member: str
    stamp: int
    info: bytes | None


class RoomPart(msgspec.Struct, array_like=True):
    """What a message says about one room.

    Attributes:
        room: its name.
        joined: the members that are in it now.
        left: the ids of those who are not.
    """

    room: str
    joined: list[Joined]
    left: list[str]


class Message(msgspec.Struct, frozen=True, array_like=True):
    """One message of one process.

    Attributes:
        epoch: names the process.
        number: of its last message that had rooms. Such a message has the next number itself.
        rooms: what it says about rooms. Empty for the other kinds.
        begins: whether the whole state begins with this message.
        ends: whether the whole state ends with it.
        asks: the epoch of the process that is asked for its whole state, or ``"*"`` for all.
        goes: whether the process ends.
        format: of the message.
    """

    epoch: str
    number: int = 0
    rooms: list[RoomPart] = []
    begins: bool = False
    ends: bool = False
    asks: str = ""
    goes: bool = False
    format: int = _FORMAT

    @property
    def is_numbered(self) -> bool:
        """Whether it has a number of its own."""
        return bool(self.rooms or self.begins or self.ends)


_UNREADABLE = Message("")


def parts_of(changes: Iterable[Change], max_bytes: int) -> Iterator[tuple[list[RoomPart], int]]:
    """Yield what messages say about some members, one message after the other.

    Args:
        changes: read only as far as the messages are taken, and one further.
        max_bytes: no further message begins when those before have this many bytes.

    Returns:
        With each message, how many of the changes it has used up.
    """
    rooms: dict[str, RoomPart] = {}
    size = total = count = 0
    for change in changes:
        more = _bytes(change)
        if count and size + more > MAX_PART_BYTES:
            yield list(rooms.values()), count
            total += size
            if total >= max_bytes:
                return
            rooms, size, count = {}, 0, 0
        part = rooms.get(change.room)
        if part is None:
            part = rooms[change.room] = RoomPart(change.room, [], [])
        if change.info is None:
            part.left.append(change.member)
        else:
            part.joined.append((change.member, change.stamp, change.info))
        size += more
        count += 1
    if count:
        yield list(rooms.values()), count


def _bytes(change: Change) -> int:
    names = len(change.room.encode()) + len(change.member.encode())
    return _ENTRY_BYTES + names + len(change.info or b"")


def _weigh(message: Message) -> int:
    return 200 + sum(
        100 + len(part.room) + 80 * len(part.left) + sum(120 + len(each[2]) for each in part.joined)
        for part in message.rooms
    )


def _read(encoded: bytes) -> Message:
    try:
        message = _decode(encoded)
    except msgspec.MsgspecError:
        return _UNREADABLE
    return message if message.format == _FORMAT else _UNREADABLE


_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Message).decode

PRESENCE: Topic[Message] = Topic("presence", _encode, _read, weigh=_weigh)
"""The topic of presence."""
