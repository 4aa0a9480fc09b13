"""The rounds of the rows about events: clients in a room, on servers that stay up."""

import asyncio
import gc
import random
import resource
import statistics
from dataclasses import dataclass, field
from itertools import count

import uvloop

from benchmarks import load
from benchmarks.clients import Tally, WrongAnswer, clock, text_frame
from benchmarks.live import spent
from benchmarks.measure import Environs, Sample, Samples, Say, meters
from benchmarks.push_rows import (
    BURST,
    BURST_EVENTS,
    CROWDS,
    MEMBERS,
    SIDES,
    STATES,
    burst,
    crowd,
    member,
)
from benchmarks.report import percentile
from benchmarks.rows import Comparison, Point
from benchmarks.servers import Server, running
from benchmarks.subjects import SUBJECTS
from benchmarks.subscribers import Board, Subscriber, Writer, open_crowd, open_writer, payloads

_PATH = "/push/"
_MOST_SECONDS = 30.0
_REST_SECONDS = (0.08, 0.12)

_numbers = count(1)


class Listener(Subscriber):
    """One client in the room, or with a live request that asks for no events."""

    def __init__(self, tally: Tally, port: int, path: str, board: Board) -> None:
        super().__init__(tally, port, path, board)
        events = ',"events":["room"]' if getattr(board, "wants_events", True) else ""
        self.frames = [text_frame(f'{{"id":0,"url":"{path}","subscribe":true{events}}}')]

    def take(self, data: bytes) -> None:
        if not self.opened.done():
            self._handshake(data)
            return
        now, board = clock(), self.board
        found, self.rest = payloads(data)
        for payload in found:
            if b'"rooms":' in payload:
                continue
            n = self.number_in(payload)
            if n <= self.newest:
                raise WrongAnswer(f"{n} after {self.newest}")
            self.newest = n
            board.times.setdefault(n, []).append(now)
            board.frames, board.frame_bytes = board.frames + 1, len(payload)

    def number_in(self, payload: bytes) -> int:
        start = payload.find(b'"data":{"n":') + 12
        if start < 12:
            raise WrongAnswer(payload[:300])
        return int(payload[start : start + 12].split(b",")[0].rstrip(b"}"))


@dataclass(slots=True)
class RoomBoard(Board):
    """What the clients have seen.

    Attributes:
        wants_events: whether they are in the room.
    """

    wants_events: bool = field(default=True)


@dataclass(slots=True)
class _Side:
    server: Server
    tally: Tally
    board: Board
    crowd: list[Subscriber]
    writer: Writer

    async def send(self, first: int, number: int) -> float:
        """Have events sent; return when that began."""
        members = f'"method":"POST","url":"{_PATH}","data":{{"n":{first},"count":{number}}}'
        return (await self.writer.ask(members))["committed"]


async def _open(server: Server, number: int) -> _Side:
    tally, board = Tally(None), RoomBoard(number)
    writer = await open_writer(tally, server.port)
    listeners = await open_crowd(tally, server.port, _PATH, board, Listener)
    return _Side(server, tally, board, listeners, writer)


async def _one_by_one(side: _Side, events: int) -> Sample:
    """Some events, each when all had the one before."""
    board = side.board
    frames, before, start = board.frames, meters(side.server), clock()
    each = []
    for _ in range(events):
        n = next(_numbers)
        begun = await side.send(n, 1)
        times = await board.all_have(n, side.tally, _MOST_SECONDS)
        if len(times) < board.count:
            raise WrongAnswer(f"{board.count - len(times)} did not get an event")
        board.times.clear()
        each.append([1000 * (time - begun) for time in times])
        await asyncio.sleep(random.uniform(*_REST_SECONDS))
    used = spent(before, meters(side.server), clock() - start, board.frames - frames)
    found = {"p50_ms": 0.50, "p95_ms": 0.95, "last_ms": 1.0}
    sample = {
        name: statistics.median(percentile(times, share) for times in each)
        for name, share in found.items()
    }
    return sample | used | {"frame_bytes": board.frame_bytes}


async def _back_to_back(side: _Side) -> Sample:
    """Many events at once."""
    board = side.board
    frames, before, start = board.frames, meters(side.server), clock()
    first = next(_numbers)
    last = first + BURST_EVENTS - 1
    while next(_numbers) < last:
        pass
    begun = await side.send(first, BURST_EVENTS)
    times = await board.all_have(last, side.tally, _MOST_SECONDS)
    board.times.clear()
    came = board.frames - frames
    used = spent(before, meters(side.server), clock() - start, max(1, came))
    await asyncio.sleep(random.uniform(*_REST_SECONDS))
    return {
        "last_ms": 1000 * (max(times) - begun) if times else 1000 * _MOST_SECONDS,
        "came": came / BURST_EVENTS / board.count,
        "frame_bytes": board.frame_bytes,
        **used,
    }


async def _rounds(
    servers: dict[str, Server], number: int, rounds: int, seconds: float, say: Say
) -> Samples:
    say(f"{number} clients in a room: opening")
    sides = {name: await _open(server, number) for name, server in servers.items()}
    is_burst = number == BURST
    points = {name: burst(name) if is_burst else crowd(name, number) for name in servers}
    samples: Samples = {point: [] for point in points.values()}
    gc.collect()
    gc.freeze()
    for turn in range(rounds):
        say(f"{number} clients in a room: round {turn + 1} of {rounds}")
        for name in list(sides) if turn % 2 == 0 else reversed(list(sides)):
            side = sides[name]
            events = max(2, round(5 * seconds))
            measuring = _back_to_back(side) if is_burst else _one_by_one(side, events)
            samples[points[name]].append(await measuring)
    for side in sides.values():
        await load.close([*side.crowd, side.writer])
    return samples


async def _kib(server: Server, *, wants_events: bool) -> float:
    """Memory of the server for each connection with its live request."""
    tally = Tally(None)
    few = await open_crowd(tally, server.port, _PATH, RoomBoard(50), Listener)
    await asyncio.sleep(0.5)
    before = server.memory_kib()
    board = RoomBoard(MEMBERS, wants_events=wants_events)
    many = await open_crowd(tally, server.port, _PATH, board, Listener)
    await asyncio.sleep(1.0)
    found = (server.memory_kib() - before) / MEMBERS
    await load.close([*few, *many])
    return found


def _memory(rounds: int, environs: Environs, core: int | None, say: Say) -> Samples:
    """Measure each state on a fresh server, whose memory is not yet used."""
    samples: Samples = {member(state): [] for state in STATES}
    for turn in range(rounds):
        for state in STATES:
            say(f"memory, {state}: round {turn + 1} of {rounds}")
            with running([SUBJECTS["ours"]], environs, core) as servers:
                kib = uvloop.run(_kib(servers["ours"], wants_events=state == STATES[1]))
            samples[member(state)].append({"idle_kib": kib})
    return samples


def measure(
    chosen: list[Comparison], subjects: list[str], rounds: int, seconds: float,
    environs: Environs, core: int | None, say: Say,
) -> Samples:  # fmt: skip
    """Measure what the comparisons need.

    Args:
        chosen: the comparisons.
        subjects: names.
        rounds: how many times.
        seconds: of a slice, about: 5 events for each.
        environs: the environment of each subject.
        core: of the servers; None for anywhere.
        say: told what is going on.
    """
    wanted: set[Point] = {point for each in chosen for point in each.points}
    names = [name for name in SIDES if name in subjects]
    if not wanted or "ours" not in names:
        return {}
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = len(names) * max(CROWDS) + 500
    if hard != resource.RLIM_INFINITY and hard < most:
        raise SystemExit(f"{most} open files are needed, the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, hard))  # servers inherit it
    numbers = [number for number in CROWDS if crowd("ours", number) in wanted]
    numbers += [BURST] * (burst("ours") in wanted)
    samples: Samples = {}
    for number in numbers:
        with running([SUBJECTS[name] for name in names], environs, core) as servers:
            samples |= uvloop.run(_rounds(servers, number, rounds, seconds, say))
    if member(STATES[0]) in wanted:
        samples |= _memory(min(rounds, 3), environs, core, say)
    return samples
