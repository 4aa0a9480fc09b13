"""Who is in which room, as one process knows it.

Several processes may say that a member is there, because somebody has tabs on several of them. The
member is there once, for as long as one of them says so. Of different infos, the one that was set
last counts, in all processes alike.
"""

from collections.abc import Callable, Iterator
from json import dumps
from typing import Any

import msgspec

from wsrequest.protocol.messages import Member
from wsrequest.types import Frame

__all__ = ["Members", "cost_bytes"]

_FRAME_BYTES = 2**16  # of the changes in one frame
_COST_BYTES = 300  # of a member, beside its strings


def cost_bytes(room: str, member: str, info: bytes) -> int:
    """Return about how much memory a member takes in each process."""
    return _COST_BYTES + len(room) + len(member) + len(info)


class _Entry:
    """What one process says about one member of one room."""

    __slots__ = ("round", "source", "stamp", "text")

    def __init__(self, source: str, stamp: int, text: bytes, round: int) -> None:
        self.source, self.stamp, self.text, self.round = source, stamp, text, round


class Members:
    """The members of all rooms, by what each process says about its own.

    Args:
        is_watched: whether the changes of a room are of interest.

    Attributes:
        bytes_of: about how much memory the members of each source take.
    """

    def __init__(self, is_watched: Callable[[str], bool]) -> None:
        self._is_watched = is_watched
        # Of one member, the entry that counts comes first. Mostly there is only one.
        self._rooms: dict[str, dict[str, tuple[_Entry, ...]]] = {}
        self._rooms_of: dict[str, dict[str, int]] = {}  # how many members, by source and room
        self._encoded: dict[str, bytes] = {}
        self._changed: dict[str, dict[str, None]] = {}
        self.bytes_of: dict[str, int] = {}

    def put(
        self, room: str, member: str, source: str, stamp: int, info: bytes, round: int = 0
    ) -> None:
        """Take what a source says: the member is there.

        Args:
            room: its name.
            member: its id.
            source: names the process.
            stamp: when the info was set.
            info: as JSON.
            round: of the source. See ``remove_older``.
        """
        members = self._rooms.setdefault(room, {})
        entries = members.get(member, ())
        before = entries[0].text if entries else None
        text = b'{"id":%b,"info":%b}' % (_text(member), info)
        for entry in entries:
            if entry.source == source:
                entry.round = round
                self._count(source, room, len(text) - len(entry.text))
                entry.stamp, entry.text = stamp, text
                break
        else:
            entries = (*entries, _Entry(source, stamp, text, round))
            self._count(source, room, cost_bytes(room, member, info), members=1)
        if len(entries) > 1:
            entries = tuple(sorted(entries, key=_rank, reverse=True))
        members[member] = entries
        if entries[0].text != before:
            self._note(room, member)

    def remove(self, room: str, member: str, source: str) -> None:
        """Take what a source says: the member is not there. Does nothing if it was not."""
        entries = self._rooms.get(room, {}).get(member, ())
        for entry in entries:
            if entry.source == source:
                self._drop(room, member, entry, entries)

    def remove_older(self, source: str, round: int | None = None) -> None:
        """Forget what a source has not said again.

        Args:
            source: names the process.
            round: what it has said in this round stays. None for nothing.
        """
        for room in list(self._rooms_of.get(source, ())):
            for member, entries in list(self._rooms[room].items()):
                for entry in entries:
                    if entry.source == source and entry.round != round:
                        self._drop(room, member, entry, entries)

    def info_of(self, room: str, member: str, source: str) -> tuple[int, bytes] | None:
        """Return the stamp and the info that a source gave. None if the member is not there."""
        for entry in self._rooms.get(room, {}).get(member, ()):
            if entry.source == source:
                return entry.stamp, _info(member, entry.text)
        return None

    def of(self, room: str) -> list[Member]:
        """Return the members of a room, in the order of their ids. From any thread."""
        members = self._rooms.get(room, {}).copy()  # in one step
        found = ((each, _info(each, members[each][0].text)) for each in sorted(members))
        return [Member(each, _decode(info)) for each, info in found]

    def rooms_of(self, source: str) -> dict[str, int]:
        """Return how many members a source has, by room."""
        return self._rooms_of.get(source, {})

    def names_of(self, source: str, room: str) -> list[str]:
        """Return the members of a room that a source has."""
        members = self._rooms.get(room, {})
        return [
            each
            for each, entries in members.items()
            if any(entry.source == source for entry in entries)
        ]

    def encoded(self, room: str) -> bytes | None:
        """Return the members of a room as JSON. None for an empty room."""
        members = self._rooms.get(room)
        if not members:
            return None
        found = self._encoded.get(room)
        if found is None:
            listed = b",".join([entries[0].text for entries in members.values()])
            found = self._encoded[room] = b"[%b]" % listed
        return found

    def forget_encoded(self) -> None:
        """Drop the lists that are kept for rooms that are of no interest any more."""
        for room in [each for each in self._encoded if not self._is_watched(each)]:
            del self._encoded[room]

    @property
    def has_changes(self) -> bool:
        """Whether ``take_changes`` has something."""
        return bool(self._changed)

    def take_changes(self) -> Iterator[tuple[str, Frame]]:
        """Yield the frames that say what has changed since the last call, each with its room.

        A frame says what is true now. So clients may get it twice, or after they know it.
        """
        changed, self._changed = self._changed, {}
        for room, ids in changed.items():
            members = self._rooms.get(room, {})
            joined, left, size = list[bytes](), list[bytes](), 0
            for member in ids:
                entries = members.get(member)
                if entries is None:
                    left.append(_text(member))
                    size += len(left[-1])
                else:
                    joined.append(entries[0].text)
                    size += len(joined[-1])
                if size > _FRAME_BYTES:
                    yield room, _frame(room, joined, left)
                    joined, left, size = [], [], 0
            if joined or left:
                yield room, _frame(room, joined, left)

    def _drop(self, room: str, member: str, entry: _Entry, entries: tuple[_Entry, ...]) -> None:
        cost = cost_bytes(room, member, _info(member, entry.text))
        self._count(entry.source, room, -cost, members=-1)
        left = tuple(each for each in entries if each is not entry)
        members = self._rooms[room]
        if left:
            members[member] = left
        else:
            del members[member]
            if not members:
                del self._rooms[room]
        if not left or left[0].text != entries[0].text:
            self._note(room, member)

    def _count(self, source: str, room: str, more: int, *, members: int = 0) -> None:
        self.bytes_of[source] = self.bytes_of.get(source, 0) + more
        counts = self._rooms_of.setdefault(source, {})
        counts[room] = counts.get(room, 0) + members
        if not counts[room]:
            del counts[room]
            if not counts:
                del self._rooms_of[source], self.bytes_of[source]

    def _note(self, room: str, member: str) -> None:
        self._encoded.pop(room, None)
        if self._is_watched(room):
            self._changed.setdefault(room, {})[member] = None


def _rank(entry: _Entry) -> tuple[int, str]:
    return entry.stamp, entry.source


def _text(value: str) -> bytes:
    return dumps(value, ensure_ascii=False).encode()


def _info(member: str, text: bytes) -> bytes:
    return text[len(_text(member)) + len(b'{"id":,"info":') : -1]


def _frame(room: str, joined: list[bytes], left: list[bytes]) -> Frame:
    """As ``encode_server`` writes a ``Presence``."""
    pieces = [b'{"presence":' + _text(room)]
    for name, listed in ((b"joined", joined), (b"left", left)):
        if listed:
            pieces.append(b'"%b":[%b]' % (name, b",".join(listed)))
    return b",".join(pieces).decode() + "}"


_decode: Callable[[bytes], dict[str, Any]] = msgspec.json.decode
