"""Two workers with thousands of connections, on each bus, and what bounds them.

``scripts/bench --rows scale [--bus redis]``. One uvicorn with two workers serves the project, on
PostgreSQL. The connections are held by other processes, and a further one writes.
"""

import argparse
import json
import os
import time
from contextlib import ExitStack
from dataclasses import replace
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any

from benchmarks import load, scale_report
from benchmarks.buses import (
    TITLES,
    ask,
    make_tables,
    postgres,
)
from benchmarks.fanout import RECEIVERS, fanout
from benchmarks.report import RESULTS, percentile, say
from benchmarks.scene import SPARE, Database, file_limit, scene
from benchmarks.subjects import MANY_CONNECTIONS, VIEWS

PAGES = 1000
IDENTITIES = 1000
_RATE, _STEADY_SECONDS, _IDLE_SECONDS = 20, 15, 5
_HEARD_RATE, _HEARD_SECONDS = 200, 6
PARTS = "steady,heard,fanout,identities,memory,workers"
_CLOSED_LOOP_SECONDS = 10
_RUNS_AT_ONCE = (4, 8)  # the default, and as many as there are threads
_PUBLIC_BYTES = 2_000
_OWN_BYTES = (2_000, 50_000)
_numbers = count(1, 100_000)  # far enough apart for a steady run's


def _less(after: dict[str, float], before: dict[str, float]) -> dict[str, float]:
    return {name: after[name] - before[name] for name in after}


def steady(name: str, database: Database, connections: int) -> dict[str, Any]:
    """Measure many connections to many pages, while one page after the other is written."""
    pages = min(PAGES, connections)
    connections -= connections % pages  # as many for each page
    with scene(name, database, connections) as found:
        crowds, server = found.crowds, found.server
        empty = server.memory_kib()
        crowds.open(server.port, [])
        opened = server.memory_kib()
        begun = time.perf_counter()
        paths = [f"/page/{pk}/{_PUBLIC_BYTES}/" for pk in range(1, pages + 1)]
        frame_bytes = crowds.subscribe(paths)
        subscribing = time.perf_counter() - begun
        subscribed = server.memory_kib()
        before = found.used()
        time.sleep(_IDLE_SECONDS)
        idle = _less(found.used(), before)
        first = next(_numbers)
        before = found.used()
        answer = ask(found.writer, f"steady {_RATE} {_STEADY_SECONDS} {pages} {first}")
        time.sleep(1)
        used = _less(found.used(), before)
        times = crowds.collect()
        ms = [
            1000 * (shown - committed)
            for n, committed in answer["committed"]
            for shown in times.get(n, ())
        ]
        expected = connections // pages * len(answer["committed"])
        extra = used["workers"] - idle["workers"] * used["time"] / idle["time"]
        return {
            "bus": name,
            "connections": connections,
            "pages": pages,
            "frame_bytes": frame_bytes,
            "commits_per_second": len(answer["committed"]) / answer["seconds"],
            "frames": len(ms),
            "share_shown": len(ms) / expected,
            "p50_ms": percentile(ms, 0.5),
            "p99_ms": percentile(ms, 0.99),
            "last_ms": max(ms),
            "cpu_ms_per_frame": 1000 * extra / len(ms),
            "cpu_ms_per_commit": 1000 * extra / len(answer["committed"]),
            "bus_cpu": used["bus"] / used["time"],
            "database_cpu": used["database"] / used["time"],
            "idle_cpu": idle["workers"] / idle["time"],
            "kib_per_connection": (opened - empty) / connections,
            "kib_per_subscription": (subscribed - opened) / connections,
            "subscriptions_per_second": connections / subscribing,
            "load": os.getloadavg()[0],
        }  # fmt: skip


def heard(name: str, database: Database) -> dict[str, Any]:
    """Measure what commits cost that concern nobody: each process looks at each of them."""
    with scene(name, database, IDENTITIES) as found:
        crowds = found.crowds
        crowds.open(found.server.port, [])
        half = PAGES // 2
        crowds.subscribe([f"/page/{pk}/{_PUBLIC_BYTES}/" for pk in range(half + 1, PAGES + 1)])
        before = found.used()
        time.sleep(_IDLE_SECONDS)
        idle = _less(found.used(), before)
        before = found.used()
        answer = ask(found.writer, f"steady {_HEARD_RATE} {_HEARD_SECONDS} {half} {next(_numbers)}")
        used = _less(found.used(), before)
        commits = len(answer["committed"])
        extra = used["workers"] - idle["workers"] * used["time"] / idle["time"]
        return {
            "bus": name,
            "commits_per_second": commits / used["time"],
            "cpu_us_per_process": 1e6 * extra / commits / 2,
            "bus_cpu_us": 1e6 * used["bus"] / commits,
            "bus_cpu": used["bus"] / used["time"],
            "load": os.getloadavg()[0],
        }


def identities(name: str, database: Database, runs_at_once: int) -> dict[str, Any]:
    """Measure how fast one commit after the other is shown to users who all need their own run."""
    config = {"LIVE_MAX_CONCURRENT_RUNS": runs_at_once}
    with scene(name, database, IDENTITIES, **config) as found:
        keys = ask(found.writer, f"people {IDENTITIES}")["keys"]
        found.crowds.open(found.server.port, [f"sessionid={key}" for key in keys])
        found.crowds.subscribe([f"/own/1/{_PUBLIC_BYTES}/"])
        commits, begun, before = 0, time.perf_counter(), found.used()
        while time.perf_counter() < begun + _CLOSED_LOOP_SECONDS or commits < 2:
            n = next(_numbers)
            ask(found.writer, f"commit 1 {n}")
            found.crowds.wait(n, 120)
            commits += 1
        used = _less(found.used(), before)
        runs = commits * IDENTITIES
        return {
            "bus": name,
            "identities": IDENTITIES,
            "runs_at_once": runs_at_once,
            "commits_per_second": commits / used["time"],
            "runs_per_second": runs / used["time"],
            "cpu_ms_per_run": 1000 * used["workers"] / runs,
            "workers_cpu": used["workers"] / used["time"],
            "database_cpu": used["database"] / used["time"],
            "load": os.getloadavg()[0],
        }


def own_bodies(name: str, database: Database, size: int) -> dict[str, float]:
    """Measure the memory of subscriptions that share nothing."""
    with scene(name, database, IDENTITIES) as found:
        keys = ask(found.writer, f"people {IDENTITIES}")["keys"]
        found.crowds.open(found.server.port, [f"sessionid={key}" for key in keys])
        before = found.server.memory_kib()
        found.crowds.subscribe([f"/own/1/{size}/"])
        time.sleep(2)
        kib = (found.server.memory_kib() - before) / IDENTITIES
        return {"body_bytes": size, "kib_per_subscription": kib, "load": os.getloadavg()[0]}


def _expected(port: int, view: str) -> Any:
    """Return what a view answers over HTTP."""
    connection = HTTPConnection("127.0.0.1", port, timeout=30)
    connection.request("GET", VIEWS[view])
    found = json.loads(connection.getresponse().read())
    connection.close()
    return found


def workers(name: str, database: Database, rounds: int) -> list[dict[str, Any]]:
    """Measure requests for each processor second of one worker, and of two, in turn."""
    found = []
    with ExitStack() as stack:
        servers = {
            number: stack.enter_context(scene(name, database, 100, workers=number)).server
            for number in (1, 2)
        }
        for _ in range(rounds):
            for number, server in servers.items():
                for view in ("trivial", "drf"):
                    shape = replace(MANY_CONNECTIONS, connections=64)
                    expected = _expected(server.port, view)
                    done = load.run(
                        "ws", expected, server.port, VIEWS[view], shape, 0.5, 3.0,
                        lambda server=server: {"cpu": server.cpu()},  # type: ignore[misc]
                    )  # fmt: skip
                    found.append(
                        {
                            "workers": number,
                            "view": view,
                            "rate": done.count / done.seconds,
                            "per_cpu_second": done.count / done.used["cpu"],
                        }
                    )
    return found


def main() -> None:
    """Measure, print the tables, and write them if all was measured."""
    parser = argparse.ArgumentParser(prog="scripts/bench --rows scale", description=__doc__)
    parser.add_argument("--bus", default=",".join(TITLES), help="names, with commas")
    parser.add_argument(
        "--connections", type=int, default=0, help="as many as a process may open files, less 1,000"
    )
    parser.add_argument("--parts", default=PARTS, help="with commas")
    parser.add_argument(
        "--keep", action="store_true", help="keep the parts that the results have already"
    )
    parser.add_argument("--out", type=Path, help="directory for the results")
    given = parser.parse_args()
    names, parts = given.bus.split(","), given.parts.split(",")
    if not set(names) <= set(TITLES):
        parser.error(f"--bus takes {', '.join(TITLES)}")
    if given.out is None and all(
        getattr(given, name) == parser.get_default(name) for name in ("bus", "connections", "parts")
    ):
        given.out = RESULTS
    connections = given.connections or file_limit() - SPARE
    before, found, config = os.getloadavg()[0], scale_report.Measured(), ""
    if given.keep:
        given.out = given.out or RESULTS
        found, config = scale_report.read((given.out / "scale.json").read_text(), parts)
        config += f" Measured again: {', '.join(parts)}. "
    with postgres() as database:
        make_tables(database[0], PAGES)
        for name in names if "steady" in parts else ():
            say(f"{name}: {connections:,} connections")
            found.steady.append(steady(name, database, connections))
        for name in names if "heard" in parts else ():
            say(f"{name}: commits that concern nobody")
            found.heard.append(heard(name, database))
        for name in names if "fanout" in parts else ():
            for receivers in RECEIVERS[name]:
                say(f"{name}: {receivers} processes")
                found.fanout.append(fanout(name, database, receivers))
        for name in names if "identities" in parts else ():
            for runs_at_once in _RUNS_AT_ONCE if name == names[0] else _RUNS_AT_ONCE[:1]:
                say(f"{name}: {IDENTITIES:,} identities, {runs_at_once} runs at once")
                found.identities.append(identities(name, database, runs_at_once))
        for size in _OWN_BYTES if "memory" in parts else ():
            say(f"bodies of {size:,} bytes")
            found.bodies.append(own_bodies(names[0], database, size))
        if "workers" in parts:
            say("one worker beside two")
            found.workers = workers(names[0], database, 3)
    config += f"Load average {before:.1f} at the start, {os.getloadavg()[0]:.1f} at the end."
    text = scale_report.markdown(found, config)
    print(text)
    if given.out is not None:
        given.out.mkdir(parents=True, exist_ok=True)
        (given.out / "scale.md").write_text(text)
        (given.out / "scale.json").write_text(scale_report.as_json(found, config))


if __name__ == "__main__":
    main()
