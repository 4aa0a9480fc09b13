"""The rounds of the live rows: crowds of subscribers on servers, and what needs no server."""

import asyncio
import gc
import gzip
import random
import resource
import statistics
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import uvloop

from benchmarks import live_rows, load
from benchmarks.clients import Tally, WrongAnswer, clock
from benchmarks.live_rows import (
    BURST,
    CROWDS,
    QUERIES,
    REQUESTS,
    VIEWED,
    VIEWERS,
    crowd,
    viewers,
)
from benchmarks.measure import Environs, Sample, Samples, Say, meters, others
from benchmarks.report import percentile
from benchmarks.rows import Comparison, Point
from benchmarks.servers import Server, running
from benchmarks.subjects import SUBJECTS
from benchmarks.subscribers import Board, PageBoard, Subscriber, Writer, open_crowd, open_writer

STATIC = Path(__file__).resolve().parent.parent / "src/wsrequest/static/wsrequest"

_CHANGES = 300  # back to back
_MOST_SECONDS = 30.0  # until all were shown what was written
# Between two commits, more than a group of equal subscribers rests between two runs.
_REST_SECONDS = (0.08, 0.12)

written_numbers = count(1)  # what is written is never the same twice


@dataclass(slots=True)
class Side:
    """One subject with its crowd."""

    server: Server
    tally: Tally
    board: Board
    crowd: list[Subscriber]
    writer: Writer
    pk: int

    @property
    def counts_runs(self) -> bool:
        """Whether it has a view whose runs can be counted."""
        return self.server.subject.name == "ours"

    async def show(self, n: int) -> tuple[float, list[float]]:
        """Write a number; return when it was committed, and when each was shown it."""
        committed = await self.writer.write(self.pk, n)
        return committed, await self.shown(n)

    async def shown(self, n: int) -> list[float]:
        """Return when each was shown a number."""
        times = await self.board.all_have(n, self.tally, _MOST_SECONDS)
        self.board.times.clear()
        return times

    async def close(self) -> None:
        """End all connections."""
        await load.close([*self.crowd, self.writer])


async def open_side(server: Server, number: int, *, is_page: bool = False) -> Side:
    """Open a crowd and whoever writes for it."""
    tally, board, pk = Tally(None), Board(number), VIEWED if is_page else CROWDS[number]
    if is_page:
        board = PageBoard(number, pk=pk)
    writer = await open_writer(tally, server.port)
    path = "/board/" if is_page else f"/live/{pk}/"
    subscribers = await open_crowd(tally, server.port, path, board)
    return Side(server, tally, board, subscribers, writer, pk)


def spent(before: Sample, after: Sample, seconds: float, frames: int) -> Sample:
    used = {name: value - before[name] for name, value in after.items()}
    return {
        "cpu_s_per_1000": 1000 * used["server"] / frames,
        "server_busy": used["server"] / seconds,
        "load_busy": used["load"] / seconds,
        "server_others": others(used, seconds, "server"),
        "load_others": others(used, seconds, "load"),
    }


async def _one_by_one(side: Side, commits: int) -> Sample:
    """Some commits, each when all were shown the one before."""
    frames, runs = side.board.frames, await side.writer.runs() if side.counts_runs else 0
    before, start = meters(side.server), clock()
    each = []
    for _ in range(commits):
        committed, times = await side.show(next(written_numbers))
        if len(times) < side.board.count:
            raise WrongAnswer(f"{side.board.count - len(times)} were not shown a change")
        each.append([1000 * (time - committed) for time in times])
        await asyncio.sleep(random.uniform(*_REST_SECONDS))
    used = spent(before, meters(side.server), clock() - start, side.board.frames - frames)
    found = {"p50_ms": 0.50, "p95_ms": 0.95, "p99_ms": 0.99, "last_ms": 1.0}
    if side.board.count == 1:  # a commit is one time, so percentiles are those of all commits
        together = [time for times in each for time in times]
        sample = {name: percentile(together, share) for name, share in found.items()}
    else:
        sample = {
            name: statistics.median(percentile(times, share) for times in each)
            for name, share in found.items()
        }
    if side.counts_runs:
        sample["runs"] = (await side.writer.runs() - runs) / commits
    return sample | used | {"frame_bytes": side.board.frame_bytes}


async def _back_to_back(side: Side) -> Sample:
    """Many commits as fast as they are answered, and what the crowd holds in the end."""
    frames, runs = side.board.frames, await side.writer.runs() if side.counts_runs else 0
    before, start = meters(side.server), clock()
    committed, n = 0.0, 0
    for _ in range(_CHANGES):
        n = next(written_numbers)
        committed = await side.writer.write(side.pk, n)
    times = await side.shown(n)
    came = side.board.frames - frames
    used = spent(before, meters(side.server), clock() - start, came)
    sample = {
        "current": sum(each.newest == n for each in side.crowd) / side.board.count,
        "last_ms": 1000 * (max(times) - committed) if times else 1000 * _MOST_SECONDS,
        "frames": came / side.board.count,
    }
    if side.counts_runs:
        sample["runs"] = (await side.writer.runs() - runs) / _CHANGES
    return sample | used | {"frame_bytes": side.board.frame_bytes}


async def _crowds(
    servers: dict[str, Server], number: int, rounds: int, seconds: float, say: Say,
    *, is_page: bool = False,
) -> Samples:  # fmt: skip
    title = f"{number} {'viewers of a page' if is_page else 'subscribers'}"
    say(f"{title}: opening")
    sides = {
        name: await open_side(server, number, is_page=is_page) for name, server in servers.items()
    }
    points = {name: viewers(name) if is_page else crowd(name, number) for name in servers}
    samples: Samples = {point: [] for point in points.values()}
    gc.collect()
    gc.freeze()  # thousands of connections would be looked through again and again
    commits = max(2, round(seconds * (50 if number == 1 else 5)))
    for turn in range(rounds):
        say(f"{title}: round {turn + 1} of {rounds}")
        for name in list(sides) if turn % 2 == 0 else reversed(list(sides)):
            side = sides[name]
            measuring = _back_to_back(side) if number == BURST else _one_by_one(side, commits)
            samples[points[name]].append(await measuring)
    for side in sides.values():
        await side.close()
    return samples


def crowds(
    numbers: list[int], subjects: list[str], rounds: int, seconds: float, environs: Environs,
    core: int | None, say: Say, *, is_page: bool = False,
) -> Samples:  # fmt: skip
    """Measure crowds of subscribers, each subject's in turn, on servers that stay up.

    Args:
        numbers: how many subscribers; keys of ``CROWDS``, or any number of viewers of a page.
        subjects: "ours", "bare" or both.
        rounds: how many times.
        seconds: of a slice, about: 5 commits to a crowd for each, 50 to a single subscriber.
        environs: the environment of each subject.
        core: of the servers; None for anywhere.
        say: told what is going on.
        is_page: whether they are viewers of the page of all rows.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = len(subjects) * max(numbers) + 500
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise SystemExit(f"{wanted} open files are needed, the hard limit is {hard}")
    resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))  # servers inherit it
    samples: Samples = {}
    for number in numbers:
        with running([SUBJECTS[name] for name in subjects], environs, core) as servers:
            samples |= uvloop.run(_crowds(servers, number, rounds, seconds, say, is_page=is_page))
    return samples


def in_process(
    wanted: set[Point], rounds: int, seconds: float, environs: Environs, core: int | None, say: Say
) -> Samples:
    """Measure what needs no server, in processes of their own on the servers' core.

    Args:
        wanted: of the points of ``live_rows``; others are left out.
        rounds: how many times.
        seconds: of each slice.
        environs: the environment of each subject.
        core: of the processes; None for anywhere.
        say: told what is going on.
    """
    samples: Samples = {}
    jobs = [job for job in (*REQUESTS, *QUERIES) if live_rows.tracking(job, "without") in wanted]
    is_matching = any(point.subject == "matching" for point in wanted)
    is_patching = any(point.subject == "patching" for point in wanted)
    names = ["tracking"] * bool(jobs) + ["matching"] * is_matching + ["patching"] * is_patching
    with running([SUBJECTS[name] for name in names], environs, core) as processes:
        for turn in range(rounds if names else 0):
            say(f"in-process: round {turn + 1} of {rounds}")
            for job in jobs:
                for state, us in processes["tracking"].command(f"{job} {seconds}").items():
                    samples.setdefault(live_rows.tracking(job, state), []).append({"us": us})
            if is_matching:
                for number, us in processes["matching"].command(f"{seconds / 4}").items():
                    samples.setdefault(live_rows.matching(int(number)), []).append({"us": us})
            if is_patching:
                for change, figures in processes["patching"].command(f"{seconds / 4}").items():
                    samples.setdefault(live_rows.patching(change), []).append(figures)
    return samples


def bundles() -> Samples:
    """The size of what pages load, as a server sends it that packs well."""
    return {
        live_rows.bundle(name): [
            {"kib": len(gzip.compress((STATIC / name).read_bytes(), 9, mtime=0)) / 1024}
        ]
        for name in live_rows.BUNDLES
    }


def measure(
    chosen: list[Comparison], subjects: list[str], rounds: int, seconds: float,
    environs: Environs, core: int | None, say: Say,
) -> Samples:  # fmt: skip
    """Measure what the live comparisons need. The arguments are those of ``crowds``."""
    wanted = {point for each in chosen for point in each.points}
    samples: Samples = {}
    if any(point.subject == "bundle" for point in wanted):
        samples |= bundles()
    samples |= in_process(
        {point for point in wanted if point.subject in subjects},
        rounds, seconds, environs, core, say,
    )  # fmt: skip
    numbers = [number for number in CROWDS if crowd("ours", number) in wanted]
    names: list[str] = [name for name in ("ours", "bare") if name in subjects]
    if numbers and names:
        samples |= crowds(numbers, names, rounds, seconds, environs, core, say)
    if names and viewers("ours") in wanted:
        config = rounds, seconds, environs, core, say
        samples |= crowds([VIEWERS], names, *config, is_page=True)
    return samples
