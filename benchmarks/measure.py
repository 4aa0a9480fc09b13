"""The rounds: every point in turn, each time in a short slice, on servers that stay up."""

import asyncio
import gc
import json
import os
import resource
import statistics
import time
from collections.abc import Callable
from typing import Any

import uvloop

from benchmarks import load
from benchmarks.clients import Connection, Tally
from benchmarks.rows import IDLE, Point
from benchmarks.servers import Server, core_busy, running
from benchmarks.subjects import SUBJECTS, VIEWS, Shape

Sample = dict[str, float]
Samples = dict[Point, list[Sample]]
Environs = dict[str, dict[str, str]]
Say = Callable[[str], None]

_WARM_SECONDS = 0.3
_FEW = 50  # connections that come and go before idle ones are counted, for what is made once


def meters(server: Server) -> dict[str, float]:
    """Processor seconds so far: the server's, the load's, and those of their cores for anybody."""
    found = {"server": server.cpu(), "load": time.process_time()}
    if server.core is not None:
        (load_core,) = os.sched_getaffinity(0)
        found |= {"server_core": core_busy(server.core), "load_core": core_busy(load_core)}
    return found


def others(used: dict[str, float], seconds: float, side: str) -> float:
    """The share of a side's core that went to somebody else."""
    return max(0.0, used.get(f"{side}_core", 0.0) - used[side]) / seconds


def _ceiling_slice(server: Server, point: Point, seconds: float) -> Sample:
    before = meters(server)
    found = server.command(f"{VIEWS[point.view]} {seconds}")
    used = {name: value - before[name] for name, value in meters(server).items()}
    return {
        "rate": found["count"] / found["seconds"],
        "cpu_s_per_1000": 1000 * found["cpu"] / found["count"],
        "server_busy": found["cpu"] / found["seconds"],
        "server_others": others(used, found["seconds"], "server"),
        "load_others": 0.0,
    }


def _slice(server: Server, point: Point, expected: Any, seconds: float) -> Sample:
    kind = server.subject.kind
    if kind == "ceiling":
        return _ceiling_slice(server, point, seconds)
    connections, in_flight = map(int, point.shape.split("x"))
    done = load.run(
        "ws" if kind == "echo" else kind, None if kind == "echo" else expected,
        server.port, VIEWS[point.view], Shape(connections, in_flight),
        _WARM_SECONDS, seconds, lambda: meters(server),
    )  # fmt: skip
    if not done.count:
        raise SystemExit(f"{point}: nothing was answered in {seconds} s")
    return {
        "rate": done.count / done.seconds,
        "p50_ms": 1000 * statistics.median(done.latencies),
        "p99_ms": 1000 * sorted(done.latencies)[int(0.99 * done.count)],
        "cpu_s_per_1000": 1000 * done.used["server"] / done.count,
        "server_busy": done.used["server"] / done.seconds,
        "load_busy": done.used["load"] / done.seconds,
        "server_others": others(done.used, done.seconds, "server"),
        "load_others": others(done.used, done.seconds, "load"),
    }


def _expected(ceiling: Server) -> dict[str, Any]:
    """What each view must answer, by Django itself in-process."""
    return {
        view: json.loads(ceiling.command(f"{path} 0.01")["body"]) for view, path in VIEWS.items()
    }


def rates(
    points: list[Point], rounds: int, seconds: float, environs: Environs, core: int | None, say: Say
) -> Samples:
    """Measure every point once in each round, in an order that turns with each.

    Args:
        points: what to measure.
        rounds: how many times.
        seconds: of each slice.
        environs: the environment of each subject.
        core: of the servers; None for anywhere.
        say: told what is going on.
    """
    samples: Samples = {point: [] for point in points}
    names = {"ceiling": None} | dict.fromkeys(point.subject for point in points)
    with running([SUBJECTS[name] for name in names], environs, core) as servers:
        expected = _expected(servers["ceiling"])
        gc.freeze()
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}: {len(points)} slices of {seconds} s")
            for point in points if number % 2 == 0 else reversed(points):
                gc.collect()
                sample = _slice(servers[point.subject], point, expected[point.view], seconds)
                samples[point].append(sample)
    return samples


async def _idle_kib(server: Server, count: int, expected: Any) -> float:
    """Memory of the server for each connection that has sent one message and got its answer."""

    async def opened(number: int) -> list[Connection]:
        tally = Tally(expected, is_sending=False)
        shape = Shape(number, 1)
        found = await load.connect("ws", tally, server.port, VIEWS["trivial"], shape)
        for begin in range(0, number, _FEW):
            few = found[begin : begin + _FEW]
            for connection in few:
                connection.begin()
            await load.settle(tally, few)
        return found

    await load.close(await opened(_FEW))
    await asyncio.sleep(0.5)
    before = server.memory_kib()
    connections = await opened(count)
    await asyncio.sleep(1.0)
    found = (server.memory_kib() - before) / count
    await load.close(connections)
    return found


def idle(
    subjects: list[str], rounds: int, environs: Environs, core: int | None, say: Say
) -> Samples:
    """Measure idle connections, each time of a fresh server, whose memory is not yet used."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    count = IDLE.connections
    wanted = 2 * count
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise SystemExit(f"{wanted} open files are needed, the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))  # servers inherit it
    samples: Samples = {Point(name, "", str(IDLE)): [] for name in subjects}
    with running([SUBJECTS["ceiling"]], environs, core) as servers:
        expected = _expected(servers["ceiling"])["trivial"]
    for number in range(rounds):
        say(f"idle round {number + 1} of {rounds}: {count} connections")
        for point, found in samples.items():
            subject = SUBJECTS[point.subject]
            with running([subject], environs, core) as servers:
                wants = None if subject.kind == "echo" else expected
                kib = uvloop.run(_idle_kib(servers[point.subject], count, wants))
                found.append({"idle_kib": kib})
    return samples
