"""Processes on a bus that delays, loses and cuts off, in a time that passes when a test says so."""

from collections import Counter, deque
from collections.abc import Callable
from random import Random
from typing import Any

import msgspec

from wsrequest.protocol.messages import Presence as PresenceFrame
from wsrequest.protocol.server_codec import decode_server, encode_server
from wsrequest.push.own_members import PresenceLimits
from wsrequest.push.presence import Presence
from wsrequest.push.presence_messages import PRESENCE, Message
from wsrequest.types import Frame

__all__ = ["NOTIFY_BYTES", "Process", "World"]

STEP_SECONDS = 0.05
MAX_DELAY_SECONDS = 0.2
CUT_OFF_SECONDS = 3.0
"""After which a process knows that it is cut off."""
NOTIFY_BYTES = 5_700
"""The largest payload that every broker takes."""
LIMITS = PresenceLimits(total_bytes=2**24, room_members=10_000)

LOST = "lost"


class Process:
    """One process, with one client that follows each room by its frames."""

    def __init__(self, world: "World", name: str, limits: PresenceLimits) -> None:
        self.world, self.name = world, name
        self.inbox: deque[tuple[float, Any]] = deque()
        self.outbox: list[Message] = []
        self.is_frozen = False
        self.cut_at: float | None = None
        self.is_told = False  # that it is cut off
        self.memberships: list[tuple[str, str, bytes]] = []
        self.lists: dict[str, dict[str, Any]] = {}
        self.frames: list[Frame] = []
        self.crowd = 1  # clients that get each frame
        self.presence = Presence(
            name,
            publish=self.publish,
            is_watched=lambda room: room in self.lists,
            show=self.show,
            limits=limits,
            stamp=lambda: int(world.now * 1000),
            random=world.random.random,
            now=world.now,
        )

    def publish(self, message: Message) -> None:
        self.outbox.append(message)

    def watch(self, room: str) -> None:
        """Have the client subscribe to a room."""
        self.lists[room] = {}
        self._show_all(room, self.presence.encoded(room))

    def _show_all(self, room: str, encoded: bytes | None) -> None:
        for each in msgspec.json.decode(encoded or b"[]"):
            assert each["id"] not in self.lists[room], "a member is there twice"
            self.lists[room][each["id"]] = each["info"]

    def show(self, room: str, frame: Frame) -> int:
        """The client follows a frame."""
        self.frames.append(frame)
        told = msgspec.json.decode(frame)
        assert told["presence"] == room
        message = decode_server(frame)
        assert isinstance(message, PresenceFrame)
        assert frame == encode_server(message)
        for each in told.get("joined", []):
            self.lists[room][each["id"]] = each["info"]
        for each in told.get("left", []):
            self.lists[room].pop(each, None)
        return self.crowd

    def join(self, room: str, member: str, info: bytes = b"{}", memberships: int = 0) -> None:
        self.memberships.append((room, member, info))
        self.presence.join(room, member, info, memberships=memberships)

    def leave(self, room: str, member: str, info: bytes = b"{}") -> None:
        self.memberships.remove((room, member, info))
        self.presence.leave(room, member, info, self.world.now)

    def ids(self, room: str) -> list[str]:
        """Whom it knows to be in a room."""
        return [member.id for member in self.presence.of(room)]


class World:
    """All processes and their bus.

    Attributes:
        now: the time.
        loss: the share of messages that do not arrive.
        is_dropped: whether a message arrives nowhere.
        sent: the messages that were published, by kind.
    """

    def __init__(self, seed: int = 0) -> None:
        self.random = Random(seed)
        self.now = 1_000.0
        self.loss = 0.0
        self.is_dropped: Callable[[Message], bool] = lambda message: False
        self.processes: list[Process] = []
        self.sent: Counter[str] = Counter()
        self._count = 0

    def start(self, limits: PresenceLimits = LIMITS) -> Process:
        self._count += 1
        process = Process(self, f"process{self._count}", limits)
        self.processes.append(process)
        return process

    def kill(self, process: Process) -> None:
        self.processes.remove(process)

    def end(self, process: Process) -> None:
        """End it as on SIGTERM."""
        process.presence.stop()
        self._send(process)
        self.processes.remove(process)

    def cut(self, process: Process) -> None:
        """Let nothing through to a process or from it."""
        if process.cut_at is None:
            process.cut_at = self.now

    def mend(self, process: Process) -> None:
        if process.cut_at is not None:
            process.cut_at = None
            process.inbox.append((self.now, LOST))
            if process.is_told:
                process.inbox.append((self.now, True))
            process.is_told = False

    def end_faults(self) -> None:
        self.loss = 0.0
        for process in self.processes:
            process.is_frozen = False
            self.mend(process)

    def advance(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            self.now += STEP_SECONDS
            for process in self.processes:
                self._step(process)
            for process in self.processes:
                self._send(process)

    def _step(self, process: Process) -> None:
        if process.cut_at is not None and not process.is_told:
            if self.now - process.cut_at >= CUT_OFF_SECONDS:
                process.is_told = True
                process.inbox.append((self.now, False))
        if process.is_frozen:
            return
        while process.inbox and process.inbox[0][0] <= self.now:
            item = process.inbox.popleft()[1]
            if item == LOST:
                process.presence.lost(self.now)
            elif isinstance(item, bool):
                process.presence.connected(item, self.now)
            else:
                process.presence.receive(PRESENCE.decode(item), self.now)
        due = process.presence.due
        if due is not None and due <= self.now:
            process.presence.tick(self.now)

    def _send(self, process: Process) -> None:
        if process.cut_at is not None or process.is_frozen:
            return
        messages, process.outbox = process.outbox, []
        for message in messages:
            encoded = PRESENCE.encode(message)
            assert len(encoded) <= NOTIFY_BYTES
            self.sent[_kind(message)] += 1
            if self.is_dropped(message):
                continue
            for other in self.processes:
                self._deliver(encoded, other)

    def _deliver(self, encoded: bytes, process: Process) -> None:
        if process.cut_at is not None:
            return
        if self.random.random() < self.loss:
            if self.random.random() < 0.5:  # otherwise it is noticed later, or never
                process.inbox.append((self.now, LOST))
            return
        # One broker has one order.
        last = process.inbox[-1][0] if process.inbox else 0.0
        at = max(last, self.now + self.random.random() * MAX_DELAY_SECONDS)
        process.inbox.append((at, encoded))


def _kind(message: Message) -> str:
    if message.asks:
        return "ask"
    if message.goes:
        return "end"
    if message.begins or message.ends:
        return "state"
    return "changes" if message.rooms else "beat"
