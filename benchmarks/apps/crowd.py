"""A process that holds many connections, each with one live request, and notes what comes.

Each line of its input is a JSON object, and each is answered with one. Several such processes share
the connections if one may not open so many files, each from an address of its own.

    {"open": {"port": 8000, "address": "127.0.0.2", "count": 1000, "cookies": []}}
    {"subscribe": ["/page/1/200/", …]}      one path for each connection, in turn
    {"wait": {"n": 7, "seconds": 60}}       until all were shown a number
    {"collect": true}                       what came since the last time
    {"close": true}
"""

import asyncio
import json
import resource
import sys
from typing import Any

import uvloop

from benchmarks import load
from benchmarks.clients import HOST, Tally, WrongAnswer, clock, text_frame
from benchmarks.subscribers import Board, Subscriber

_AT_ONCE = 100
_SECONDS = 120.0


class Client(Subscriber):
    """A connection that can be somebody's, and subscribes later.

    Args:
        cookie: of its handshake; "" for none.
    """

    def __init__(self, tally: Tally, port: int, board: Board, cookie: str) -> None:
        super().__init__(tally, port, "/", board)
        self.cookie = cookie

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]
        cookie = f"Cookie: {self.cookie}\r\n" if self.cookie else ""
        self.transport.write(
            f"GET /ws/ HTTP/1.1\r\nHost: {HOST}:{self.port}\r\nUpgrade: websocket\r\n{cookie}"
            "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
            "Sec-WebSocket-Version: 13\r\n\r\n".encode()
        )


class Crowd:
    """The connections of this process."""

    def __init__(self) -> None:
        self.tally, self.board = Tally(None), Board(0)
        self.clients: list[Client] = []

    async def open(self, port: int, address: str, count: int, cookies: list[str]) -> dict[str, Any]:
        """Open connections, some at a time."""
        loop, local = asyncio.get_running_loop(), (address, 0)
        self.board.count = count
        while len(self.clients) < count:
            first = len(self.clients)
            owners = cookies[first : first + _AT_ONCE] or [""] * min(_AT_ONCE, count - first)
            pairs = await asyncio.gather(
                *(
                    loop.create_connection(
                        lambda owner=owner: Client(self.tally, port, self.board, owner),  # type: ignore[misc]
                        HOST, port, local_addr=local,
                    )
                    for owner in owners
                )
            )  # fmt: skip
            opened = [client for _, client in pairs]
            await asyncio.gather(*(client.opened for client in opened))
            self.clients += opened
        return {"open": len(self.clients)}

    async def subscribe(self, paths: list[str]) -> dict[str, Any]:
        """Send each client's request, some at a time, and wait for the first versions."""
        begun = clock()
        for first in range(0, len(self.clients), _AT_ONCE):
            few = self.clients[first : first + _AT_ONCE]
            frames = self.board.frames + len(few)
            for number, client in enumerate(few, first):
                path = paths[number % len(paths)]
                client.frames = [text_frame(f'{{"id":0,"url":"{path}","subscribe":true}}')]
                client.begin()
            end = clock() + _SECONDS
            while self.board.frames < frames:
                self._check(end, "a first version did not come")
                await asyncio.sleep(0.002)
        self.board.times.clear()
        return {"seconds": clock() - begun, "bytes": self.board.frame_bytes}

    def _check(self, end: float, what: str) -> None:
        if self.tally.failure is not None:
            raise self.tally.failure
        if clock() > end:
            raise WrongAnswer(what)

    async def wait(self, n: int, seconds: float) -> dict[str, Any]:
        """Wait until all were shown a number; return how many were, and when the last one was."""
        times = await self.board.all_have(n, self.tally, seconds)
        return {"shown": len(times), "last": max(times, default=0.0)}

    def collect(self) -> dict[str, Any]:
        """Return when each number was shown, and forget it."""
        if self.tally.failure is not None:
            raise self.tally.failure
        found = [[n, times] for n, times in self.board.times.items()]
        self.board.times = {}
        return {"times": found}

    async def close(self) -> dict[str, Any]:
        """End all connections."""
        await load.close([*self.clients])
        self.clients = []
        return {"open": 0}


async def _serve() -> None:
    loop, crowd = asyncio.get_running_loop(), Crowd()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        ((name, given),) = json.loads(line).items()
        if name == "open":
            answer = await crowd.open(**given)
        elif name == "subscribe":
            answer = await crowd.subscribe(given)
        elif name == "wait":
            answer = await crowd.wait(**given)
        elif name == "collect":
            answer = crowd.collect()
        else:
            answer = await crowd.close()
        print(json.dumps(answer), flush=True)


def main() -> None:
    """Answer until the input ends."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    uvloop.run(_serve())


if __name__ == "__main__":
    main()
