"""The load generator: connections that keep some requests in flight for some seconds.

Runs them on uvloop, and reads meters at both ends of the time that counts. What a
connection says is ``clients``'; nothing here starts or pins a process.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import uvloop

from benchmarks.clients import (
    HOST,
    Connection,
    HTTPConnection,
    Tally,
    WebSocketConnection,
    WrongAnswer,
    clock,
)
from benchmarks.subjects import Shape


@dataclass(frozen=True, slots=True)
class Slice:
    """What one run measured: answers, the seconds they took, and by how much its meters rose."""

    count: int
    seconds: float
    latencies: list[float]
    used: dict[str, float]


async def connect(kind: str, tally: Tally, port: int, path: str, shape: Shape) -> list[Connection]:
    """Open all connections of a shape, some at a time."""
    make = {"http": HTTPConnection, "ws": WebSocketConnection}[kind]
    loop = asyncio.get_running_loop()
    connections: list[Connection] = []
    while len(connections) < shape.connections:
        few = min(100, shape.connections - len(connections))
        pairs = await asyncio.gather(
            *(
                loop.create_connection(lambda: make(tally, port, path, shape.in_flight), HOST, port)
                for _ in range(few)
            )
        )
        opened = [connection for _, connection in pairs]
        await asyncio.gather(*(connection.opened for connection in opened))
        connections += opened
    return connections


async def settle(tally: Tally, connections: list[Connection], seconds: float = 10.0) -> None:
    """Wait until nothing is in flight; raise what went wrong."""
    end = clock() + seconds
    while tally.failure is None and not all(each.is_idle() for each in connections):
        if clock() > end:
            raise WrongAnswer("an answer did not come")
        await asyncio.sleep(0.002)
    if tally.failure is not None:
        raise tally.failure


async def close(connections: list[Connection]) -> None:
    """Close all connections and wait for the server's part."""
    for connection in connections:
        connection.close()
    await asyncio.wait([connection.closed for connection in connections], timeout=10)


async def _run(
    kind: str, tally: Tally, port: int, path: str, shape: Shape, warm: float, seconds: float,
    meters: Callable[[], dict[str, float]],
) -> Slice:  # fmt: skip
    connections = await connect(kind, tally, port, path, shape)
    for connection in connections:
        connection.begin()
    await asyncio.sleep(warm)
    before, meter, start = len(tally.latencies), meters(), clock()
    await asyncio.sleep(seconds)
    taken, count = clock() - start, len(tally.latencies) - before
    used = {name: value - meter[name] for name, value in meters().items()}
    tally.is_sending = False
    await settle(tally, connections)
    await close(connections)
    return Slice(count, taken, tally.latencies[before : before + count], used)


def run(
    kind: str, expected: Any, port: int, path: str, shape: Shape, warm: float, seconds: float,
    meters: Callable[[], dict[str, float]],
) -> Slice:  # fmt: skip
    """Load a server and measure it for some seconds after a warm-up.

    Args:
        kind: "http" or "ws".
        expected: see ``Tally``.
        port: on the loopback address.
        path: of the view.
        shape: connections, and requests in flight on each.
        warm: seconds before anything counts.
        seconds: that count.
        meters: called before and after; what rises, by name.

    Raises:
        WrongAnswer: the server answered something else; the figures are void.
    """
    return uvloop.run(_run(kind, Tally(expected), port, path, shape, warm, seconds, meters))
