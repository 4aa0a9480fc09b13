"""Many light clients in one room, each of which knows what it lacks, and what it was told.

A client reads raw bytes. Events of one server are the same bytes for all of its clients, so each is
parsed once.
"""

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

__all__ = ["Account", "Crowd", "Listener"]

_MASK = b"\x37\xfa\x21\x3d"
_AT_ONCE = 50
_SECONDS = 120.0
_AGAIN_SECONDS = 0.3
_NOWHERE = ("", 0)


@dataclass
class Account:
    """What became of the events at one client.

    Attributes:
        last: the number of the last event of each sender.
        received: how many events came.
        doubled: how many of them came twice.
        disordered: how many came after a later one of the same sender.
        ignored: how many had a position that the client held already, so that it ignored them.
        notices: how often the client was told that events may be lost.
        told: how many events it lacks and was told of, after the one before them had come.
        silent: events that it lacks, by sender, and was not told of.
        order: names the order in which all of them came. Clients with the same events in the same
            order have the same.
        moves: how often the client came back to another server.
    """

    last: dict[str, int] = field(default_factory=dict)
    received: int = 0
    doubled: int = 0
    disordered: int = 0
    ignored: int = 0
    notices: int = 0
    told: int = 0
    silent: list[tuple[str, int, int]] = field(default_factory=list)
    order: int = 0
    moves: int = 0
    _position: tuple[str, int] = _NOWHERE
    _seen: set[tuple[str, int]] = field(default_factory=set)
    _excused: set[str] = field(default_factory=set)  # senders of whom nothing came since a notice

    def take_event(self, position: tuple[str, int], by: str, n: int) -> None:
        """Take an event. Those with the number 0 only show that the way is open."""
        if position[0] == self._position[0] and position[1] <= self._position[1]:
            self.ignored += 1
            return
        self._position = position
        last = self.last.get(by, 0)
        if n == 0:
            self.last.setdefault(by, 0)
            return
        self.received += 1
        if n <= last:
            self.doubled += (by, n) in self._seen
            self.disordered += (by, n) not in self._seen
        elif n > last + 1:
            self._lack(by, last + 1, n)
        self._seen.add((by, n))
        self.order = hash((self.order, by, n))
        self.last[by] = max(n, last)
        self._excused.discard(by)

    @property
    def position(self) -> str:
        """The position that the client holds."""
        return "{}:{}".format(*self._position)

    def take_notice(self, position: tuple[str, int]) -> None:
        """Take that events up to a position may be lost."""
        self._position = position
        self.notices += 1
        self.told += sum(end - start for _, start, end in self.silent)
        self.silent.clear()
        self._excused.update(self.last)

    def take_room(self, position: tuple[str, int], *, is_missed: bool) -> None:
        """Take that it is in the room. Unless it missed something, it keeps the position it has."""
        if is_missed:
            self.take_notice(position)
        elif self._position == _NOWHERE:
            self._position = position

    def end(self, sent: dict[str, int]) -> None:
        """Take that nothing more comes."""
        for by, count in sent.items():
            if self.last.get(by, 0) < count:
                self._lack(by, self.last.get(by, 0) + 1, count + 1)

    def _lack(self, by: str, start: int, end: int) -> None:
        if by in self._excused:
            self.told += end - start
        else:
            self.silent.append((by, start, end))

    def has(self, sent: dict[str, int]) -> bool:
        """Whether it has the last event of each sender."""
        return all(self.last.get(by, -1) >= count for by, count in sent.items())


class Crowd:
    """All clients.

    Attributes:
        listeners: of all servers.
        failure: of a client: what was wrong.
        frames: how many have come.
        is_down: whether the servers are being restarted, so that connections may end.
    """

    def __init__(self, room: str) -> None:
        self.is_down = False
        self.room = room
        self.listeners: list[Listener] = []
        self.failure: Exception | None = None
        self.frames = 0
        self._parsed: dict[bytes, tuple[tuple[str, int], str, int]] = {}

    async def open(self, port: int, count: int) -> None:
        """Open connections to a server, some at a time, and wait until all are in the room."""
        loop = asyncio.get_running_loop()
        for first in range(0, count, _AT_ONCE):
            made = await asyncio.gather(
                *(
                    loop.create_connection(lambda: Listener(self, port), "127.0.0.1", port)
                    for _ in range(min(_AT_ONCE, count - first))
                )
            )
            opened = [listener for _, listener in made]
            self.listeners += opened
            await self.until(lambda opened=opened: all(each.is_in for each in opened))

    async def move(self, index: int, port: int, seconds: float) -> None:
        """Have a client leave, and come back to another server after a while."""
        left = self.listeners[index]
        left.transport.close()
        await asyncio.sleep(seconds)
        left.account.moves += 1
        loop = asyncio.get_running_loop()
        _, self.listeners[index] = await loop.create_connection(
            lambda: Listener(self, port, left.account), "127.0.0.1", port
        )
        came = self.listeners[index]
        assert await self.until(lambda: came.is_in)

    async def until(self, holds: Any, seconds: float = _SECONDS) -> bool:
        """Wait until something holds; return whether it does."""
        loop = asyncio.get_running_loop()
        end = loop.time() + seconds
        while not holds():
            if self.failure is not None:
                raise self.failure
            if loop.time() > end:
                return False
            await asyncio.sleep(0.02)
        return True

    def event_in(self, payload: bytes) -> tuple[tuple[str, int], str, int]:
        """Return the position of an event, its sender and its number."""
        found = self._parsed.get(payload)
        if found is None:
            head = json.loads(payload)
            data = head["data"]
            found = self._parsed[payload] = position_of(head["position"]), data["by"], data["n"]
        return found

    def close(self) -> None:
        """End all connections."""
        for listener in self.listeners:
            listener.transport.close()


def position_of(text: str) -> tuple[str, int]:
    """Return the epoch and the number of a position."""
    epoch, _, number = text.partition(":")
    return epoch, int(number)


class Listener(asyncio.Protocol):
    """One client."""

    def __init__(self, crowd: Crowd, port: int, account: Account | None = None) -> None:
        self.account, self.is_in = account or Account(), False
        self.port = port
        self._crowd, self._rest, self._is_open = crowd, b"", False
        self.transport: Any = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport
        self.transport.write(
            f"GET /ws/ HTTP/1.1\r\nHost: 127.0.0.1:{self.port}\r\nUpgrade: websocket\r\n"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )

    def connection_lost(self, exc: Exception | None) -> None:
        if self._crowd.is_down:
            self.transport.abort()
            return
        self._fail(exc or ConnectionError("the server closed a connection"))

    def data_received(self, data: bytes) -> None:
        try:
            self._take(self._rest + data if self._rest else data)
        except Exception as error:
            self._fail(error)

    def _fail(self, error: Exception) -> None:
        if self._crowd.failure is None and not self.transport.is_closing():
            self._crowd.failure = error

    def _take(self, data: bytes) -> None:
        if not self._is_open:
            head, found, data = data.partition(b"\r\n\r\n")
            if not found:
                self._rest = head
                return
            assert head.startswith(b"HTTP/1.1 101 "), head
            self._is_open = True
            self._join()
        start, end = 0, len(data)
        while end - start >= 2:
            size, body = data[start + 1], start + 2
            if size == 126:
                if end - start < 4:
                    break
                size, body = int.from_bytes(data[body : body + 2]), body + 2
            elif size > 126:
                raise AssertionError("a frame that is masked or too long")
            if end < body + size:
                break
            payload = data[body : body + size]
            if data[start] == 0x81:
                self._crowd.frames += 1
                self._take_frame(payload)
            elif data[start] == 0x89:
                self._send(0x8A, payload)
            else:
                raise AssertionError(f"a frame that begins with {data[start]:#x}")
            start = body + size
        self._rest = data[start:]

    def _join(self) -> None:
        if self.transport.is_closing():
            return
        request = {"id": 1, "url": f"/room/{self._crowd.room}/", "subscribe": True}
        members: dict[str, Any] = {"events": ["room"]}
        if self.account.moves:
            members["since"] = {self._crowd.room: self.account.position}
        self._send(0x81, json.dumps({**request, **members}).encode())

    def _send(self, first_byte: int, payload: bytes) -> None:
        masked = bytes(byte ^ _MASK[index % 4] for index, byte in enumerate(payload))
        size = bytes([0x80 | len(payload)])
        if len(payload) > 125:
            size = bytes([0x80 | 126]) + len(payload).to_bytes(2)
        self.transport.write(bytes([first_byte]) + size + _MASK + masked)

    def _take_frame(self, payload: bytes) -> None:
        if payload.startswith(b'{"event":'):
            self.account.take_event(*self._crowd.event_in(payload))
            return
        head = json.loads(payload)
        if "missed" in head:
            self.account.take_notice(position_of(head["position"]))
        elif "rooms" in head:
            (room,) = head["rooms"]
            self.is_in = True
            is_missed = room.get("missed", False)
            self.account.take_room(position_of(room["position"]), is_missed=is_missed)
        elif "version" not in head:
            assert head["status"] == 500, head
            # The database of the view is down, or busy for longer than the client waits for it.
            asyncio.get_running_loop().call_later(_AGAIN_SECONDS, self._join)
