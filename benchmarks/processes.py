"""From COMMIT in one process to the frame of another, on each bus, and what a write pays for it.

``scripts/bench --processes [--bus redis]``. All servers are the benchmark's own. The project's
database is PostgreSQL on every bus, so that only the bus differs.
"""

import argparse
import os
import random
import sys
import time
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks import processes_report as report
from benchmarks import writers
from benchmarks.buses import (
    TITLES,
    Engine,
    Params,
    ask,
    engine,
    environ_of,
    make_tables,
    postgres,
    process_of,
)
from benchmarks.report import RESULTS, say
from benchmarks.writers import Commit, Reader

_numbers = count(1)  # what is written is never the same twice
_REST_SECONDS = (0.07, 0.1)  # more than a live query rests between two runs
_WARM = 3  # commits that open connections
_NO_SYNC = '{"options": "-c synchronous_commit=off"}'  # the disk would hide what publishing costs


def _latencies(commit: Commit, readers: list[Reader], commits: int) -> list[float]:
    """Return the milliseconds from COMMIT to the last reader's frame."""
    found = []
    for _ in range(_WARM + commits):
        n = next(_numbers)
        committed = commit(n)
        found.append(1000 * (max(reader.shown(n) for reader in readers) - committed))
        time.sleep(random.uniform(*_REST_SECONDS))
    return found[_WARM:]


def _reach(name: str, params: Params, commits: int) -> Iterator[tuple[str, list[float]]]:
    """Yield each kind of process that writes, with its milliseconds."""
    with engine(name) as bus:
        environ = environ_of(params, bus.url)
        with writers.websockets(environ) as port:
            reader = Reader(port)
            for writer, writing in writers.BESIDE.items():
                if writer == "psql" and name != "log":
                    continue
                say(f"{name}: {writer}")
                with writing(environ, params) as commit:
                    yield f"{writer}, beside `runwebsockets`", _latencies(commit, [reader], commits)
            reader.close()
        say(f"{name}: uvicorn")
        with writers.uvicorn(environ, 3) as port:
            tabs = [Reader(port) for _ in range(5)]
            found = _latencies(writers.by_http(port), tabs, commits)
            yield "uvicorn, 3 workers: the last of 5 tabs", found
            for tab in tabs:
                tab.close()


def _cost(environ: dict[str, str], bus: Engine, state: str, count: int) -> dict[str, Any]:
    command = [sys.executable, "-m", "benchmarks.apps.committing"]
    with process_of(command, environ, pipes=True) as process:
        ask(process, "cost 200")  # which opens the connections
        {"up": lambda: None, "frozen": bus.freeze, "gone": bus.kill}[state]()
        found = ask(process, f"cost {count}")
        if state == "frozen":
            bus.thaw()
        return found


def _costs(name: str, params: Params, count: int) -> Iterator[dict[str, Any]]:
    """Yield what a write pays: with the bus up, frozen and gone."""
    others = {"BENCH_POSTGRES_OPTIONS": _NO_SYNC}
    if name == "none":
        environ = environ_of(params, "memory://", **others)
        yield {"bus": name, "state": "", **_cost(environ, Engine("", 0), "up", count)}
        return
    with engine(name) as bus:
        environ = environ_of(params, bus.url, **others)
        for state in ("up",) if name == "log" else ("up", "frozen", "gone"):
            say(f"{name}: what a write costs, {state}")
            yield {"bus": name, "state": state, **_cost(environ, bus, state, count)}


def measure(names: list[str], rounds: int, commits: int) -> report.Measured:
    """Measure all rows in turn, as often as there are rounds."""
    found = report.Measured()
    with postgres() as (params, _):
        make_tables(params)
        for number in range(rounds):
            say(f"round {number + 1} of {rounds}")
            for name in names:
                for writer, ms in _reach(name, params, commits):
                    found.reach.setdefault((name, writer), []).append(ms)
            for name in ("none", *names):
                for cost in _costs(name, params, 10 * commits):
                    found.costs.setdefault((cost["bus"], cost["state"]), []).append(cost)
    return found


def main() -> None:
    """Measure, print the tables, and write them if all was measured."""
    parser = argparse.ArgumentParser(prog="scripts/bench --processes", description=__doc__)
    parser.add_argument("--bus", default=",".join(TITLES), help="names, with commas")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--commits", type=int, default=100, help="of each row in a round")
    parser.add_argument("--out", type=Path, help="directory for the results")
    given = parser.parse_args()
    names = given.bus.split(",")
    if not set(names) <= set(TITLES):
        parser.error(f"--bus takes {', '.join(TITLES)}")
    if given.out is None and all(
        getattr(given, name) == parser.get_default(name) for name in ("bus", "rounds", "commits")
    ):
        given.out = RESULTS
    before = os.getloadavg()[0]
    found = measure(names, given.rounds, given.commits)
    config = (
        f"{given.rounds} rounds of {given.commits} commits for each row. Load average"
        f" {before:.1f} at the start, {os.getloadavg()[0]:.1f} at the end, which includes these"
        " processes."
    )
    text = report.markdown(found, config)
    print(text)
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "processes.md").write_text(text)
        (given.out / "processes.json").write_text(report.as_json(found, config))


if __name__ == "__main__":
    main()
