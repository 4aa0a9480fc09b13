"""Events to a crowd on two servers: how many deliveries come, on each bus and through Channels.

``scripts/bench --rows deliveries [--subject redis,channels-core]``. Half of the clients are on each
server, and each server sends half of the events. All servers are the benchmark's own.
"""

import argparse
import asyncio
import json
import os
import resource
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.buses import TITLES, engine, environ_of, make_tables, postgres
from benchmarks.clients import Tally, clock, text_frame
from benchmarks.report import RESULTS, facts, percentile, say
from benchmarks.servers import Server, cores
from benchmarks.subjects import SUBJECTS, Subject
from benchmarks.subscribers import Board, Subscriber, Writer, open_crowd, open_writer, payloads

_PATH = "/push/"
_PACKAGES = ("Django", "uvicorn", "uvloop", "websockets", "channels", "channels_redis", "redis")
_OURS = SUBJECTS["ours"]
_SERVERS = 2
_QUIET_SECONDS = 8.0  # without a frame, when nothing more is expected
_SENDER = 10_000_000  # the numbers of each sender begin at a multiple of this
_LAYERS = {
    "channels-core": "channels_redis.core.RedisChannelLayer",
    "channels-pubsub": "channels_redis.pubsub.RedisPubSubChannelLayer",
}
NAMES = {
    **{name: f"wsrequest, {title}" for name, title in TITLES.items()},
    "channels-core": "Channels on Redis, the layer that it recommends",
    "channels-pubsub": "Channels on Redis, its Pub/Sub layer",
}
_CHANNELS = Subject(
    "channels-room", NAMES["channels-core"], "ws",
    (*SUBJECTS["channels"].argv[:-1], "benchmarks.apps.channels_room:application"),
)  # fmt: skip


@dataclass(slots=True)
class CrowdBoard(Board):
    """What the clients of one server got.

    Attributes:
        doubled: events that came to a client again.
        disordered: events that came after a later one of the same sender.
        delays: seconds from sending to the client, of some events.
        sent: when events were sent.
    """

    doubled: int = 0
    disordered: int = 0
    delays: list[float] = field(default_factory=list)
    sent: dict[int, float] = field(default_factory=dict)


class Listener(Subscriber):
    """One client in the room."""

    board: CrowdBoard

    def __init__(self, tally: Tally, port: int, path: str, board: Board) -> None:
        super().__init__(tally, port, path, board)
        joins = f'{{"id":0,"url":"{path}","subscribe":true,"events":["room"]}}'
        self.frames = [text_frame(joins)]
        self._seen: set[int] = set()
        self._last = [-1] * _SERVERS

    def take(self, data: bytes) -> None:
        if not self.opened.done():
            self._handshake(data)
            return
        board = self.board
        found, self.rest = payloads(data)
        for payload in found:
            start = payload.find(b'"data":{"n":') + 12
            if b'"rooms":' in payload or start < 12:
                continue
            board.frames += 1
            n = int(payload[start : payload.find(b",", start)].rstrip(b"}"))
            if n == 0:
                continue  # the first version
            sender = n // _SENDER
            if n in self._seen:
                board.doubled += 1
            elif n < self._last[sender]:
                board.disordered += 1
            self._seen.add(n)
            self._last[sender] = max(n, self._last[sender])
            if n % 10 == 0 and n in board.sent:
                board.delays.append(clock() - board.sent[n])


@contextmanager
def _servers(name: str) -> Iterator[list[Server]]:
    found = cores()
    core = found[0] if found else None
    with ExitStack() as stack:
        params, _ = stack.enter_context(postgres())
        make_tables(params)
        bus = stack.enter_context(engine("redis" if name in _LAYERS else name))
        others = {}
        if name in _LAYERS:
            layer = {"BACKEND": _LAYERS[name], "CONFIG": {"hosts": [bus.url]}}
            others["BENCH_SETTINGS"] = json.dumps({"CHANNEL_LAYERS": {"default": layer}})
        environ = environ_of(params, "memory://" if name in _LAYERS else bus.url, **others)
        subject = _CHANNELS if name in _LAYERS else _OURS
        servers = [Server(subject, environ, core) for _ in range(_SERVERS)]
        for server in servers:
            stack.callback(server.stop)
        yield servers


async def _send(
    writer: Writer, boards: list[CrowdBoard], first: int, count: int, rate: float
) -> int:
    """Send events, and return how many. A server that answers none for 30 seconds gets no more."""
    began = clock()
    for index in range(count):
        await asyncio.sleep(began + index / rate - clock())
        n = first + index
        for board in boards:
            board.sent[n] = clock()
        try:
            await writer.ask(f'"method":"POST","url":"{_PATH}","data":{{"n":{n},"count":1}}')
        except TimeoutError:
            return index + 1
    return count


async def _measure(servers: list[Server], clients: int, events: int, rate: float) -> dict[str, Any]:
    tally = Tally(None)
    boards, crowds, writers = [], [], []
    for server in servers:
        boards.append(CrowdBoard(clients // _SERVERS))
        crowds.append(await open_crowd(tally, server.port, _PATH, boards[-1], Listener))
        writers.append(await open_writer(tally, server.port))
    await asyncio.sleep(2)  # both are connected to the bus by then
    for board in boards:
        board.frames = 0
    began, share = clock(), events // _SERVERS
    sent = await asyncio.gather(
        *(
            _send(writer, boards, index * _SENDER + 1, share, rate / _SERVERS)
            for index, writer in enumerate(writers)
        )
    )
    expected = sum(sent) * (clients // _SERVERS) * _SERVERS
    frames, since = -1, clock()
    while (now := sum(board.frames for board in boards)) < expected:
        if now != frames:
            frames, since = now, clock()
        elif clock() - since > _QUIET_SECONDS:
            break
        await asyncio.sleep(0.1)
    seconds = clock() - began
    for connection in (*(each for crowd in crowds for each in crowd), *writers):
        connection.transport.abort()  # the server may have closed it
    delays = [1000 * delay for board in boards for delay in board.delays]
    doubled = sum(board.doubled for board in boards)
    return {
        "sent": sum(sent),
        "expected": expected,
        "lost": expected - (sum(board.frames for board in boards) - doubled),
        "doubled": doubled,
        "disordered": sum(board.disordered for board in boards),
        "p50_ms": percentile(delays, 0.5) if delays else None,
        "p99_ms": percentile(delays, 0.99) if delays else None,
        "seconds": seconds,
    }


def markdown(found: dict[str, dict[str, Any]], config: str) -> str:
    """Return the table of what was measured."""
    lines = [
        "# Deliveries of events on two servers",
        "",
        config,
        "",
        "| subject | events sent | deliveries | lost | doubled | out of order | p50 ms | p99 ms |"
        " seconds |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for name, result in found.items():
        share = result["lost"] / result["expected"]
        lines.append(
            f"| {NAMES[name]} | {result['sent']:,} | {result['expected']:,} |"
            f" {result['lost']:,} ({share:.1%}) |"
            f" {result['doubled']:,} | {result['disordered']:,} | {result['p50_ms']:.1f} |"
            f" {result['p99_ms']:.1f} | {result['seconds']:.1f} |"
        )
    known = ", ".join(f"{name} {value}" for name, value in facts(_PACKAGES).items())
    return "\n".join([*lines, "", "## Machine", "", f"{known}.", ""])


def main() -> None:
    """Measure, print, and keep the results of a whole run."""
    parser = argparse.ArgumentParser(prog="scripts/bench --rows deliveries", description=__doc__)
    parser.add_argument("--subject", default=",".join(NAMES), help="names, with commas")
    parser.add_argument("--clients", type=int, default=1000)
    parser.add_argument("--events", type=int, default=1000)
    # As many as Channels can follow. With four times as many, it lost its connection to Redis.
    parser.add_argument("--rate", type=float, default=10.0, help="events a second")
    parser.add_argument("--out", type=Path, help="directory for the results")
    given = parser.parse_args()
    names = given.subject.split(",")
    if not set(names) <= set(NAMES):
        parser.error(f"--subject takes {', '.join(NAMES)}")
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    before, found = os.getloadavg()[0], {}
    for name in names:
        say(NAMES[name])
        with _servers(name) as servers:
            found[name] = uvloop.run(_measure(servers, given.clients, given.events, given.rate))
    config = (
        f"{given.clients:,} clients in one room, {given.events:,} events of 300 bytes,"
        f" {given.rate:g} a second. Load average {before:.1f} at the start,"
        f" {os.getloadavg()[0]:.1f} at the end, which includes these processes."
    )
    text = markdown(found, config)
    print(text)
    if given.out is None and given.clients * given.events >= 10**6 and set(names) == set(NAMES):
        given.out = RESULTS
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "deliveries.md").write_text(text)
        (given.out / "deliveries.json").write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
