"""What one client that never reads costs a thousand that do: ``scripts/soak --slow-reader``.

Owns the rounds: the same clients with it and without it, in turn, on one server. Ratios count,
and on a machine that others use only those of many rounds. Memory is what the system sees, which
keeps what was used once; what is held is weighed by ``test_endings``.
"""

import argparse
import asyncio
import json
import os
import random
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import AsyncExitStack

from websockets.asyncio.client import ClientConnection, connect

from tests.acceptance.servers import COMMANDS, LIMITED, Server, serving
from tests.soak.soaking import MIB, migrated

__all__ = ["main"]

ANSWER_BYTES = 10_000
ASKED = 300  # by the one that does not read; more is refused while they wait
WEIGHED = 10  # at once: one alone is lost in what the allocator has at hand
PER_SECOND = 100  # by all the others together: well below what one core serves


async def ask(sock: ClientConnection, url: str) -> float:
    """Return the seconds that one request took."""
    begun = time.perf_counter()
    await sock.send('{"id":1,"url":"' + url + '"}')
    answer = await sock.recv()
    assert '"status":200' in str(answer)[:60], answer
    return time.perf_counter() - begun


async def window(sockets: list[ClientConnection], seconds: float, dice: random.Random) -> float:
    """Have clients ask at random moments, not waiting for each other; return the p99."""
    end = time.perf_counter() + seconds
    tasks: list[asyncio.Task[float]] = []
    idle = sockets.copy()
    dice.shuffle(idle)
    while time.perf_counter() < end:
        await asyncio.sleep(dice.expovariate(PER_SECOND))
        tasks.append(asyncio.create_task(ask(idle[len(tasks) % len(idle)], "/ready/")))
    return statistics.quantiles(await asyncio.gather(*tasks), n=100)[98]


class Deaf:
    """A client that asks and never reads, behind a line that holds next to nothing."""

    def __init__(self, port: int) -> None:
        self._line = socket.socket()
        self._line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self._line.connect(("127.0.0.1", port))
        self._line.sendall(
            b"GET /ws/ HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\n"
            b"Connection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        )
        assert self._line.recv(12) == b"HTTP/1.1 101"

    def ask(self) -> None:
        for id in range(ASKED):
            url = f"/big-json/?bytes={ANSWER_BYTES}"
            frame = json.dumps({"id": id, "url": url}).encode()
            self._line.sendall(bytes([0x81, 0x80 | len(frame)]) + bytes(4) + frame)

    def close(self) -> None:
        self._line.close()


async def rounds(server: Server, clients: int, count: int, seconds: float, seed: int) -> int:
    """Run the rounds and print their figures; 1 when they are beyond what is promised."""
    dice = random.Random(seed)
    async with AsyncExitStack() as stack:
        sockets = [
            await stack.enter_async_context(
                connect(f"ws://{server.host}/ws/", compression=None, proxy=None, ping_interval=None)
            )
            for _ in range(clients)
        ]
        for sock in sockets:
            await ask(sock, "/ready/")
        ratios: list[float] = []
        grown: list[float] = []
        for n in range(count + 1):
            without = await window(sockets, seconds, dice)
            await asyncio.sleep(0.5)
            before = server.memory_bytes()
            deaf, *more = [Deaf(server.port) for _ in range(WEIGHED)]
            for each in (deaf, *more):
                each.ask()
            await asyncio.sleep(2)  # until no more is begun for them
            memory = (server.memory_bytes() - before) / MIB / WEIGHED
            for each in more:
                each.close()
            await asyncio.sleep(0.5)
            with_it = await window(sockets, seconds, dice)
            deaf.close()
            if not n:
                continue  # that one was to warm up
            ratios.append(with_it / without)
            grown.append(memory)
            print(
                f"round {n}: p99 {without * 1000:.1f} ms without, {with_it * 1000:.1f} ms with it, "
                f"ratio {ratios[-1]:.2f}; memory {grown[-1]:+.2f} MiB",
                flush=True,
            )
    ratio, memory = statistics.median(ratios), statistics.median(grown)
    print(
        f"median ratio {ratio:.2f} (at most 1.2), memory {memory:+.2f} MiB (at most 1), the most "
        f"{max(grown):+.2f}"
    )
    return 0 if ratio <= 1.2 and memory <= 1 else 1


def main() -> int:
    """Start the server on one core, be the clients on another."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--server", choices=COMMANDS | LIMITED, default="uvicorn-quiet")
    given = parser.parse_args()
    files = 2 * given.clients + 200
    if resource.getrlimit(resource.RLIMIT_NOFILE)[0] < files:
        resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))
    with (
        tempfile.TemporaryDirectory() as directory,
        serving(
            given.server,
            migrated(directory),
            MAX_CONNECTIONS_PER_ADDRESS=2 * given.clients,
            MAX_HANDSHAKES_PER_SECOND_PER_ADDRESS=500,
            SLOW_READER_SECONDS=600,
        ) as server,
    ):
        if len(os.sched_getaffinity(0)) > 1:
            for core, pids in enumerate((server.pids(), [os.getpid()])):
                for pid in pids:  # threads come and go meanwhile, and then it grumbles
                    command = ["taskset", "-a", "-p", "-c", str(core), str(pid)]
                    subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        return asyncio.run(
            rounds(server, given.clients, given.rounds, given.seconds, int(time.time()))
        )


if __name__ == "__main__":
    sys.exit(main())
