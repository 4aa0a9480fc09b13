"""From COMMIT in one process to the frame of another, on each bus, and what a write pays for it.

``scripts/bench --processes [--bus redis]``. The bus is a server of this benchmark's own.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from benchmarks.report import percentile
from benchmarks.servers import free_port

ROOT = Path(__file__).resolve().parent.parent
_PK = 1
_numbers = count(1)


@contextmanager
def _process(
    command: list[str], environ: dict[str, str], *, pipes: bool = False
) -> Iterator["subprocess.Popen[str]"]:
    pipe = subprocess.PIPE if pipes else subprocess.DEVNULL
    with subprocess.Popen(
        command,
        cwd=ROOT,
        env=environ,
        stdin=pipe,
        stdout=pipe,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(10)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(port: int, path: str) -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", path)
            connection.getresponse()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit(f"nothing listens on port {port}")


class Reader:
    """A client with one live request of the score."""

    def __init__(self, port: int) -> None:
        self._socket: ClientConnection = connect(
            f"ws://127.0.0.1:{port}/ws/", compression=None, ping_interval=None
        )
        self._socket.send(json.dumps({"id": 1, "url": f"/live/{_PK}/", "subscribe": True}))
        self._socket.recv(30)

    def shown(self, n: int) -> float:
        """Return when a number was shown."""
        while json.loads(self._socket.recv(90))["data"]["n"] != n:
            pass
        return time.perf_counter()

    def close(self) -> None:
        self._socket.close()


Commit = Callable[[int], float]


def _by_http(port: int) -> Commit:
    def commit(n: int) -> float:
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"Content-Type": "application/json"}
        connection.request("POST", f"/live/{_PK}/set/", json.dumps({"n": n}), headers)
        response = connection.getresponse()
        body = response.read()
        if response.status != 200:
            raise SystemExit(f"a write failed: {response.status} {body[:300]!r}")
        committed: float = json.loads(body)["committed"]
        return committed

    return commit


def _by_process(process: "subprocess.Popen[str]") -> Commit:
    def commit(n: int) -> float:
        committed: float = _ask(process, f"commit {_PK} {n}")["committed"]
        return committed

    return commit


def _ask(process: "subprocess.Popen[str]", line: str) -> dict[str, Any]:
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    found: dict[str, Any] = json.loads(process.stdout.readline())
    return found


def _latencies(commit: Commit, readers: list[Reader], commits: int) -> list[float]:
    """Return the milliseconds from COMMIT to the last reader's frame."""
    found = []
    for _ in range(commits + 3):
        n = next(_numbers)
        committed = commit(n)
        found.append(1000 * (max(reader.shown(n) for reader in readers) - committed))
        time.sleep(random.uniform(0.08, 0.12))
    return found[3:]  # the first ones open connections


@contextmanager
def _redis() -> Iterator[tuple[str, "subprocess.Popen[str] | None"]]:
    with tempfile.TemporaryDirectory(prefix="bench-redis-") as directory:
        port = free_port()
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", directory]
        with _process([*command, "--save", ""], dict(os.environ)) as process:
            time.sleep(0.5)
            yield f"redis://127.0.0.1:{port}/0", process


@contextmanager
def _memory() -> Iterator[tuple[str, "subprocess.Popen[str] | None"]]:
    yield "memory://", None


BUSES = {"memory": _memory, "redis": _redis}


def _environ(database: str, bus: str) -> dict[str, str]:
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "benchmarks.project",
        "BENCH_DB": database,
        "BENCH_BUS": bus,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
    }


def _reach(name: str, database: str, commits: int) -> list[str]:
    """Return the rows of one bus: each kind of process that writes."""
    rows = []

    def row(writer: str, found: list[float]) -> None:
        p50, p99 = percentile(found, 0.5), percentile(found, 0.99)
        rows.append(f"| {name} | {writer} | {p50:.1f} | {p99:.1f} | {len(found)} |")

    python = sys.executable
    with ExitStack() as stack:
        bus, _ = stack.enter_context(BUSES[name]())
        environ = _environ(database, bus)
        ports = [free_port() for _ in range(3)]
        django = [python, "-m", "django"]
        for command in (
            [*django, "runwebsockets", f"127.0.0.1:{ports[0]}"],
            [
                *(python, "-m", "gunicorn", "--bind", f"127.0.0.1:{ports[1]}", "--workers", "2"),
                *("--threads", "2", "--preload", "--no-control-socket"),
                "benchmarks.apps.django_wsgi:application",
            ],
            [
                *(python, "-m", "uvicorn", "benchmarks.apps.ours:application", "--workers", "3"),
                *("--port", str(ports[2]), "--no-access-log", "--log-level", "warning"),
            ],
        ):
            stack.enter_context(_process(command, environ))
        writer = stack.enter_context(
            _process([python, "-m", "benchmarks.apps.committing"], environ, pipes=True)
        )
        for port in ports:
            _wait(port, "/trivial/")
        beside = [Reader(ports[0])]
        row(
            "gunicorn, 2 workers, beside `runwebsockets`",
            _latencies(_by_http(ports[1]), beside, commits),
        )
        row("a command, as `manage.py shell`", _latencies(_by_process(writer), beside, commits))
        tabs = [Reader(ports[2]) for _ in range(5)]
        row("uvicorn, 3 workers, the last of 5 tabs", _latencies(_by_http(ports[2]), tabs, commits))
        for reader in (*beside, *tabs):
            reader.close()
    return rows


def _costs(name: str, database: str, count: int) -> list[str]:
    """Return what a write pays: with the bus up, frozen and gone."""
    rows = []
    with BUSES[name]() as (bus, server):
        environ = _environ(database, bus)
        command = [sys.executable, "-m", "benchmarks.apps.committing"]
        for state in ("up",) if server is None else ("up", "frozen", "down"):
            with _process(command, environ, pipes=True) as process:
                _ask(process, "cost 50")
                if server is not None and state != "up":
                    server.send_signal(signal.SIGSTOP if state == "frozen" else signal.SIGKILL)
                times = [1e6 * each for each in _ask(process, f"cost {count}")["seconds"]]
                p50, p99 = percentile(times, 0.5), percentile(times, 0.99)
                rows.append(f"| {name} | {state} | {p50:.0f} | {p99:.0f} |")
            if server is not None and state == "frozen":
                server.send_signal(signal.SIGCONT)
    return rows


def main() -> None:
    """Measure and print the tables."""
    parser = argparse.ArgumentParser(prog="scripts/bench --processes", description=__doc__)
    parser.add_argument("--bus", default=",".join(BUSES), help="names, with commas")
    parser.add_argument("--commits", type=int, default=100, help="of each row")
    parser.add_argument("--out", type=Path, help="a file for the tables")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="bench-processes-") as directory:
        from benchmarks.run import make_database

        database = str(Path(directory) / "bench.sqlite3")
        make_database(database, _environ(database, "memory://"))
        names = given.bus.split(",")
        lines = [
            "| bus | who writes | COMMIT to frame, p50 ms | p99 ms | commits |",
            "|---|---|---|---|---|",
        ]
        for name in names:
            # Without a bus, each row would take a minute a commit, until the recheck.
            if name != "memory":
                lines += _reach(name, database, given.commits)
        lines += ["", "| bus | it is | a write, p50 us | p99 us |", "|---|---|---|---|"]
        for name in names:
            lines += _costs(name, database, 20 * given.commits)
    print("\n".join(lines))
    if given.out:
        given.out.write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
