"""What 1,000 hostile connections make one server hold: ``scripts/soak --hostile``.

Owns the attacks, each on its share of the connections, all at once, from one address. Printed are
the counted bytes and what the system sees, beside what the settings allow. Views and the server's
own buffers come on top of what is counted, so only the counts decide.
"""

import argparse
import asyncio
import json
import os
import resource
import socket
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from contextlib import suppress
from itertools import cycle

from tests.acceptance.servers import Server, serving
from tests.soak.soaking import MIB, migrated
from wsrequest.types import Limits

__all__ = ["main"]

DEFAULTS = Limits()
HANDSHAKE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
STREAM = "GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: text/event-stream\r\n\r\n"
SUBSCRIBED, ASKED, ANSWER_BYTES = 24, 3, MIB // 2
LOOK_SECONDS = 0.5


class Hostile:
    """A connection of its own that reads no more than it must, behind a line that holds little."""

    def __init__(self, server: Server, number: int) -> None:
        self._server, self.number = server, number
        self._line = socket.socket()
        self._line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._line.setblocking(False)

    async def begin(self, text: str, path: str) -> None:
        """Connect, and send the head of a request."""
        loop = asyncio.get_running_loop()
        await loop.sock_connect(self._line, ("127.0.0.1", self._server.port))
        head = text.format(path=path, host=self._server.host)
        await loop.sock_sendall(self._line, head.encode())

    async def open(self) -> None:
        """Open a WebSocket."""
        await self.begin(HANDSHAKE, "/ws/")
        await asyncio.get_running_loop().sock_recv(self._line, 512)

    async def say(self, **message: object) -> None:
        """Send a message."""
        text = json.dumps(message).encode()
        length = (
            bytes([0xFE]) + len(text).to_bytes(2) if len(text) > 125 else bytes([0x80 | len(text)])
        )
        frame = b"\x81" + length + bytes(4) + text
        await asyncio.get_running_loop().sock_sendall(self._line, frame)

    async def read_slowly(self, seconds: float) -> None:
        """Read a little at a time."""
        loop = asyncio.get_running_loop()
        for _ in range(int(seconds)):
            await loop.sock_recv(self._line, 512)
            await asyncio.sleep(1)

    def close(self) -> None:
        self._line.close()


# Attacks.


async def silent(one: Hostile, seconds: float) -> None:
    """Subscribe to much, by the largest messages that may, and say nothing more."""
    await one.open()
    for id in range(SUBSCRIBED):
        text = f"{one.number}-{id}-" + "x" * (DEFAULTS.subscribe_bytes - 200)
        await one.say(id=id, url="/live/forecast/", subscribe=True, data={"q": text})
    await asyncio.sleep(seconds)


async def unread(one: Hostile, seconds: float) -> None:
    """Ask for much, and read nothing of it."""
    await one.open()
    for id in range(ASKED):
        await one.say(id=id, url=f"/big-json/?bytes={ANSWER_BYTES}")
    await asyncio.sleep(seconds)


async def slow(one: Hostile, seconds: float) -> None:
    """Ask for much, and read it by a few bytes a second."""
    await one.open()
    for id in range(ASKED):
        await one.say(id=id, url=f"/big-json/?bytes={ANSWER_BYTES}")
    await one.read_slowly(seconds)


async def cut(one: Hostile, seconds: float) -> None:
    """Begin an event stream and go away while its view runs, again and again."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        stream = Hostile(one._server, one.number)
        try:
            await stream.begin(STREAM, "/ws/?url=/sleep/?seconds=0.05")
            await asyncio.sleep(0.5)
        finally:
            stream.close()
        await asyncio.sleep(10)


async def settled(one: Hostile, seconds: float) -> None:
    """Have answers wait for a live view that always has something to run for."""
    await one.open()
    await one.say(id="live", url=f"/live/public/?{one.number}", subscribe=True)
    for id in range(ASKED):
        await one.say(id=id, url="/big-json/?bytes=100000", settled=True)
    await asyncio.sleep(seconds)


ATTACKS: tuple[Callable[[Hostile, float], Awaitable[None]], ...] = (
    silent, silent, silent, unread, slow, cut, settled,
)  # fmt: skip


async def until_idle(server: Server) -> dict[str, dict[str, int]]:
    """Wait until what was asked for is over, for a while; return what was counted."""
    for _ in range(10):
        with suppress(OSError, TimeoutError):
            found: dict[str, dict[str, int]] = await asyncio.to_thread(server.get_json, "/counted/")
            if not found["now"]["held_bytes"]:
                return found
        await asyncio.sleep(LOOK_SECONDS)
    return found


async def attack(server: Server, count: int, seconds: float) -> list[str]:
    """Run all attacks and print what was held; return what was beyond its limit."""
    kinds: Iterator[Callable[[Hostile, float], Awaitable[None]]] = cycle(ATTACKS)
    ended: Counter[str] = Counter()
    end = time.monotonic() + seconds

    async def run(kind: Callable[[Hostile, float], Awaitable[None]], one: Hostile) -> None:
        await asyncio.sleep(one.number / count * seconds / 3)
        try:
            async with asyncio.timeout(max(1.0, end - time.monotonic())):
                await kind(one, max(1.0, end - time.monotonic()))
            ended[f"{kind.__name__}: stayed"] += 1
        except (OSError, TimeoutError) as error:
            ended[f"{kind.__name__}: {type(error).__name__}"] += 1
        finally:
            one.close()

    begun = resident = server.memory_bytes()
    await asyncio.to_thread(server.get_json, "/counted/")  # from now on the highest is noted
    tasks = [
        asyncio.create_task(run(next(kinds), Hostile(server, number))) for number in range(count)
    ]
    for task in tasks:
        while not task.done():
            await asyncio.wait([task], timeout=LOOK_SECONDS)
            resident = max(resident, server.memory_bytes())
    found = await until_idle(server)
    most = found["most"]
    print(f"connections: {dict(sorted(ended.items()))}")
    print(f"counted at the end: {found['now']}")
    faults = []
    for name, limit in {
        "held_bytes": DEFAULTS.process_bytes,
        "live_bytes": DEFAULTS.live_bytes_per_address,
        "unread_bytes": DEFAULTS.process_bytes // 8 + ANSWER_BYTES,
    }.items():
        print(f"{name}: at most {most[name] / MIB:,.1f} MiB of {limit / MIB:,.1f} MiB")
        if most[name] > limit:
            faults.append(f"{name} is beyond its limit")
    print(f"resident: {begun / MIB:,.1f} MiB before, at most {resident / MIB:,.1f} MiB")
    return faults


def main() -> int:
    """Start the server, be its clients for a while."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clients", type=int, default=990)
    parser.add_argument("--seconds", type=float, default=90.0)
    given = parser.parse_args()
    files = 2 * given.clients + 200
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    with (
        tempfile.TemporaryDirectory() as directory,
        serving(
            "uvicorn-quiet", migrated(directory), application="tests.soak.counted:application"
        ) as server,
    ):
        faults = asyncio.run(attack(server, given.clients, min(given.seconds, 150.0)))
    print("\n".join(faults) or "all within the limits")
    return 1 if faults else 0


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.project.settings")
    sys.exit(main())
