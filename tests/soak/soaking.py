"""A soak: mixed load with connections that come and go, every answer checked: ``scripts/soak``.

Owns the run and its verdict: no wrong answer, memory flat, threads and files back to where
they were. The mix is ``clients``', the samples are ``measuring``'s.
"""

import argparse
import asyncio
import random
import sys
import tempfile
import time
import traceback
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.acceptance.servers import COMMANDS, Server, manage, serving
from tests.soak.clients import visit
from tests.soak.measuring import Sample, Samples, sample

__all__ = ["Report", "migrated", "soak"]

MIB = 2**20
MAX_GROWTH_BYTES = 3 * MIB
"""What memory may grow by over the second half of a run, by the line of best fit."""

WARM_UP_SECONDS = 15.0
REST_SECONDS = 15.0  # threads beyond the usual number linger for ten


@dataclass
class Report:
    """What a soak has seen."""

    before: Sample
    samples: Samples = field(default_factory=Samples)
    done: Counter[str] = field(default_factory=Counter)
    errors: list[str] = field(default_factory=list)
    after: Sample | None = None

    def lines(self) -> list[str]:
        """The figures, for people."""
        assert self.after is not None
        first, middle, last = (self.samples.at(share) for share in (0, 0.5, 1))
        seconds = last.seconds - first.seconds
        steps = sum(self.done.values()) - self.done["connections"]
        files = [s.files for s in self.samples]
        threads = [s.threads for s in self.samples]
        return [
            f"{seconds:,.0f} s, {self.done['connections']:,} connections, {steps:,} checked steps "
            f"({steps / max(seconds, 1):,.0f}/s), {len(self.errors)} errors",
            f"memory, MiB: {first.memory_bytes / MIB:.1f} at the start, "
            f"{middle.memory_bytes / MIB:.1f} in the middle, {last.memory_bytes / MIB:.1f} at the "
            f"end; growth over the second half {self.samples.growth_bytes() / MIB:+.2f} "
            f"(at most {MAX_GROWTH_BYTES / MIB:.0f})",
            f"threads: {self.before.threads} before, {min(threads)} to {max(threads)} under load, "
            f"{self.after.threads} after",
            f"open files: {self.before.files} before, {min(files)} to {max(files)} under load, "
            f"{self.after.files} after",
            "steps: " + ", ".join(f"{name} {n:,}" for name, n in self.done.most_common()),
        ]

    def faults(self) -> list[str]:
        """What is not as it should be."""
        assert self.after is not None
        found = list(self.errors)
        if self.samples.growth_bytes() > MAX_GROWTH_BYTES:
            found.append("memory grows")
        if self.after.threads > self.before.threads:
            found.append("threads were left")
        if self.after.files > self.before.files:
            found.append("files were left open")
        return found


def migrated(directory: str) -> Path:
    """Make the project's databases in a directory; return it."""
    data = Path(directory)
    for alias in ("default", "other"):
        manage(data, "migrate", "--verbosity=0", "--database", alias)
    return data


def soak(
    server: Server,
    seconds: float,
    *,
    clients: int = 24,
    seed: int = 0,
    warm_up_seconds: float = WARM_UP_SECONDS,
    every_seconds: float = 1.0,
    rest_seconds: float = REST_SECONDS,
) -> Report:
    """Load a server and return what was seen; the same ``seed`` asks for the same."""
    dice = [random.Random(f"{seed} {number}") for number in range(clients)]

    async def main() -> Report:
        warm = Report(sample(server))
        await _load(server, warm_up_seconds, dice, every_seconds, warm)
        report = Report(await _rest(server, rest_seconds), errors=warm.errors)
        await _load(server, seconds, dice, every_seconds, report)
        report.after = await _rest(server, rest_seconds, report.before)
        return report

    return asyncio.run(main())


async def _load(
    server: Server, seconds: float, clients: list[random.Random], every: float, report: Report
) -> None:
    end = time.monotonic() + seconds

    async def keep_visiting(dice: random.Random) -> None:
        while time.monotonic() < end and len(report.errors) < 20:
            try:
                await visit(server.host, dice, report.done)
            except Exception:
                report.errors.append(traceback.format_exc())

    async with asyncio.TaskGroup() as group:
        for dice in clients:
            group.create_task(keep_visiting(dice))
        while time.monotonic() < end:
            report.samples.append(sample(server))
            await asyncio.sleep(every)


async def _rest(server: Server, seconds: float, before: Sample | None = None) -> Sample:
    """Wait until what the clients left is given back; without ``before`` for as long as it may."""
    end = time.monotonic() + seconds
    while True:
        now = sample(server)
        is_back = before is not None and now.files <= before.files and now.threads <= before.threads
        if is_back or time.monotonic() > end:
            return now
        await asyncio.sleep(0.2)


def main() -> int:
    """Run a soak and print its figures; 1 when something is not as it should be."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=20)
    parser.add_argument("--server", choices=COMMANDS, default=next(iter(COMMANDS)))
    parser.add_argument("--clients", type=int, default=24)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    given = parser.parse_args()
    print(f"{given.server}, {given.clients} clients, seed {given.seed}", flush=True)
    with (
        tempfile.TemporaryDirectory() as directory,
        serving(given.server, migrated(directory)) as server,
    ):
        report = soak(server, given.minutes * 60, clients=given.clients, seed=given.seed)
    print(*report.lines(), sep="\n")
    faults = report.faults()
    print(*(f"FAULT: {fault}" for fault in faults), sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
