"""Clients of live requests: one that writes, and crowds that are shown what was written.

As ``clients``: raw bytes, messages made beforehand, one look at a frame that is as expected. When
something is written, and what is made of the times, is ``live``'s.
"""

import asyncio
import json
import re
from dataclasses import dataclass, field

from benchmarks.clients import HOST, Tally, WebSocketConnection, WrongAnswer, clock, text_frame

_N = re.compile(rb'"data":\{"n":\s*(\d+)')


def payloads(data: bytes) -> tuple[list[bytes], bytes]:
    """The whole text frames of a server that begin ``data``, and the rest."""
    found, start, end = [], 0, len(data)
    while end - start >= 2:
        size, body = data[start + 1], start + 2
        if size == 126:
            if end - start < 4:
                break
            size, body = int.from_bytes(data[body : body + 2]), body + 2
        elif size > 126:
            raise WrongAnswer("a frame that is masked or too long")
        if end < body + size:
            break
        if data[start] != 0x81:
            raise WrongAnswer(f"a frame that begins with {data[start]:#x}")
        found.append(data[body : body + size])
        start = body + size
    return found, data[start:]


@dataclass(slots=True)
class Board:
    """What a crowd has seen.

    Attributes:
        count: how many they are.
        times: for each number that was written when each was shown it, by ``clock``.
        frames: how many came, the first of each included.
        frame_bytes: of the last.
    """

    count: int
    times: dict[int, list[float]] = field(default_factory=dict)
    frames: int = 0
    frame_bytes: int = 0

    async def all_have(self, n: int, tally: Tally, seconds: float) -> list[float]:
        """Wait until all were shown a number, or the seconds are over; return the times."""
        end = clock() + seconds
        while len(self.times.get(n, ())) < self.count and clock() < end:
            if tally.failure is not None:
                raise tally.failure
            await asyncio.sleep(0.002)
        return self.times.get(n, [])


class Subscriber(WebSocketConnection):
    """One live request on a connection of its own."""

    def __init__(self, tally: Tally, port: int, path: str, board: Board) -> None:
        super().__init__(tally, port, path, 1)
        self.frames = [text_frame(f'{{"id":0,"url":"{path}","subscribe":true}}')]
        self.board, self.newest = board, -1

    def take(self, data: bytes) -> None:
        if not self.opened.done():
            self._handshake(data)
            return
        now, board = clock(), self.board
        found, self.rest = payloads(data)
        for payload in found:
            n = self.number_in(payload)
            if n < self.newest:
                raise WrongAnswer(f"{n} after {self.newest}")
            self.newest = n
            board.times.setdefault(n, []).append(now)
            board.frames, board.frame_bytes = board.frames + 1, len(payload)

    def number_in(self, payload: bytes) -> int:
        """Return the number that a version shows."""
        match = _N.search(payload)
        if match is None or b'"status":200' not in payload:
            raise WrongAnswer(payload[:300])
        return int(match[1])


@dataclass(slots=True)
class PageBoard(Board):
    """What the viewers of a page have seen.

    Attributes:
        pk: of the row that is written.
        body: the page that all of them have, or are about to have.
        numbers: the number of that row in a version, by its frame.
    """

    pk: int = 0
    body: bytes = b""
    numbers: dict[bytes, int] = field(default_factory=dict)

    def number_in(self, frame: bytes) -> int:
        """Return the number that a version shows. Frames of two versions are never equal."""
        known = self.numbers.get(frame)
        if known is not None:
            return known
        message = json.loads(frame)
        if message["status"] != 200:
            raise WrongAnswer(frame[:300])
        if message.get("patch") is None:
            body = message["data"].encode()
        elif message["patch"] == "text":
            body = self.body
            for at, count, text in reversed(message["data"]):
                body = body[:at] + text.encode() + body[at + count :]
        else:
            raise WrongAnswer(frame[:300])
        match = re.search(rb'id="score-%d">\s*<td>.*</td>\s*<td>(\d+)' % self.pk, body)
        if match is None:
            raise WrongAnswer(body[:300])
        self.body = body
        found = self.numbers[frame] = int(match[1])
        return found


class Viewer(Subscriber):
    """One open live page, as the browser client subscribes to it."""

    def __init__(self, tally: Tally, port: int, path: str, board: PageBoard) -> None:
        super().__init__(tally, port, path, board)
        self.frames = [
            text_frame(
                f'{{"id":0,"url":"{path}","subscribe":true,"patch":["json","text"],'
                '"headers":{"Accept":"text/html"}}'
            )
        ]
        self.board: PageBoard = board

    def number_in(self, payload: bytes) -> int:
        return self.board.number_in(payload)


class Writer(WebSocketConnection):
    """Has numbers written, and asks how often the view ran."""

    def __init__(self, tally: Tally, port: int) -> None:
        super().__init__(tally, port, "/", 1)
        self._waiting: dict[int, asyncio.Future[dict[str, float]]] = {}
        self._id = 0

    async def ask(self, members: str) -> dict[str, float]:
        """Send a request; return the data of its answer."""
        if self.tally.failure is not None:
            raise self.tally.failure
        self._id += 1
        future = self._waiting[self._id] = asyncio.get_running_loop().create_future()
        self.transport.write(text_frame(f'{{"id":{self._id},{members}}}'))
        return await asyncio.wait_for(future, 30)

    async def write(self, pk: int, n: int) -> float:
        """Write a number; return when COMMIT returned, by ``clock``, which processes share."""
        members = f'"method":"POST","url":"/live/{pk}/set/","data":{{"n":{n}}}'
        return (await self.ask(members))["committed"]

    async def runs(self) -> int:
        """How often the view has run so far."""
        return int((await self.ask('"url":"/live/runs/"'))["runs"])

    def is_idle(self) -> bool:
        return not self._waiting

    def take(self, data: bytes) -> None:
        if not self.opened.done():
            self._handshake(data)
            return
        found, self.rest = payloads(data)
        for payload in found:
            answer = json.loads(payload)
            if answer["status"] != 200:
                raise WrongAnswer(payload[:300])
            self._waiting.pop(answer["id"]).set_result(answer["data"])


async def open_crowd(
    tally: Tally, port: int, path: str, board: Board, kind: type[Subscriber] = Subscriber
) -> list[Subscriber]:
    """Open and subscribe as many as the board counts, some at a time."""
    loop, crowd = asyncio.get_running_loop(), list[Subscriber]()

    def opening() -> Subscriber:
        if isinstance(board, PageBoard):
            return Viewer(tally, port, path, board)
        return kind(tally, port, path, board)

    while len(crowd) < board.count:
        few = min(50, board.count - len(crowd))
        pairs = await asyncio.gather(
            *(loop.create_connection(opening, HOST, port) for _ in range(few))
        )
        opened = [connection for _, connection in pairs]
        await asyncio.gather(*(connection.opened for connection in opened))
        for connection in opened:
            connection.begin()
        crowd += opened
        end = clock() + 30
        while board.frames < len(crowd):
            if tally.failure is not None:
                raise tally.failure
            if clock() > end:
                raise WrongAnswer("a first version did not come")
            await asyncio.sleep(0.002)
    return crowd


async def open_writer(tally: Tally, port: int) -> Writer:
    """Open the connection that writes."""
    loop = asyncio.get_running_loop()
    _, writer = await loop.create_connection(lambda: Writer(tally, port), HOST, port)
    await writer.opened
    return writer
