"""A server with thousands of connections: the processes that hold them, and the one that writes."""

import json
import resource
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from typing import Any

from benchmarks.buses import Engine, Params, engine, environ_of, process_of
from benchmarks.servers import Server, processor_seconds
from benchmarks.subjects import OURS

SPARE = 1000  # files of a process that are no connections

Process = Any
Database = tuple[Params, Engine]
"""As ``postgres`` gives it."""


def file_limit() -> int:
    """Raise this process's limit of open files as far as it may be, and return it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def settings_of(connections: int, **others: Any) -> str:
    """Return the settings under which one process could hold all connections."""
    limits = ("MAX_CONNECTIONS", "MAX_CONNECTIONS_PER_ADDRESS")
    rates = ("MAX_HANDSHAKES_PER_SECOND", "MAX_HANDSHAKES_PER_SECOND_PER_ADDRESS")
    found = {name: connections + 100 for name in limits} | {name: 5000 for name in rates}
    found |= {"MAX_LIVE_BYTES_PER_ADDRESS": 2**31, "MAX_LIVE_BYTES": 2**31}
    found |= {"FIRST_REQUEST_SECONDS": 3600, **others}  # they subscribe when all are open
    return json.dumps({f"WSREQUEST_{name}": value for name, value in found.items()})


class Crowds:
    """The processes that hold the connections, each with its share.

    Args:
        processes: of ``benchmarks.apps.crowd``.
        counts: how many connections each holds.
    """

    def __init__(self, processes: list[Process], counts: list[int]) -> None:
        self._processes, self._counts = processes, counts

    def _all(self, *messages: dict[str, Any]) -> list[dict[str, Any]]:
        """Give each process its message before any answer is read."""
        for process, message in zip(self._processes, messages, strict=True):
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()
        answers = [process.stdout.readline() for process in self._processes]
        if not all(answers):
            raise SystemExit("a process with connections ended")
        return [json.loads(answer) for answer in answers]

    def _same(self, message: dict[str, Any]) -> list[dict[str, Any]]:
        return self._all(*[message] * len(self._processes))

    def open(self, port: int, cookies: list[str]) -> None:
        """Open all connections. The processes have addresses of their own."""
        messages, first = [], 0
        for number, size in enumerate(self._counts):
            owners = cookies[first : first + size]
            config = {"port": port, "address": f"127.0.0.{number + 2}", "count": size}
            messages.append({"open": {**config, "cookies": owners}})
            first += size
        self._all(*messages)

    def subscribe(self, paths: list[str]) -> int:
        """Subscribe each connection to a path, in turn; return the bytes of a frame."""
        return int(max(answer["bytes"] for answer in self._same({"subscribe": paths})))

    def wait(self, n: int, seconds: float) -> float:
        """Wait until all were shown a number, and return when the last one was."""
        answers = self._same({"wait": {"n": n, "seconds": seconds}})
        if sum(answer["shown"] for answer in answers) < sum(self._counts):
            raise SystemExit(f"not all were shown {n} within {seconds} seconds")
        return float(max(answer["last"] for answer in answers))

    def collect(self) -> dict[int, list[float]]:
        """Return when each number was shown, since the last time."""
        found: dict[int, list[float]] = {}
        for answer in self._same({"collect": True}):
            for n, times in answer["times"]:
                found.setdefault(n, []).extend(times)
        return found


class Scene:
    """A server with its connections and the process that writes.

    Args:
        server: with its workers.
        crowds: the connections.
        writer: of ``benchmarks.apps.committing``.
        pids: of other servers whose use of the processor counts, by name.
    """

    def __init__(
        self, server: Server, crowds: Crowds, writer: Process, pids: dict[str, int]
    ) -> None:
        self.server, self.crowds, self.writer, self._pids = server, crowds, writer, pids

    def used(self) -> dict[str, float]:
        """Processor seconds so far: of the workers, of the database, of the server of the bus."""
        found = {name: processor_seconds(pid) if pid else 0.0 for name, pid in self._pids.items()}
        return {"workers": self.server.cpu(), "time": time.perf_counter(), **found}


@contextmanager
def scene(
    name: str, database: Database, connections: int, *, workers: int = 2, **settings: Any
) -> Iterator[Scene]:
    """Run a server and as many processes for connections as the limit of files demands."""
    most = file_limit() - SPARE
    shares = -(-connections // most)
    counts = [connections // shares + (i < connections % shares) for i in range(shares)]
    with ExitStack() as stack:
        bus = stack.enter_context(engine(name))
        params, server_of_database = database
        environ = environ_of(params, bus.url, BENCH_SETTINGS=settings_of(connections, **settings))
        crowd = [sys.executable, "-m", "benchmarks.apps.crowd"]
        command = [sys.executable, "-m", "benchmarks.apps.committing"]
        crowds = [stack.enter_context(process_of(crowd, environ, pipes=True)) for _ in counts]
        writer = stack.enter_context(process_of(command, environ, pipes=True))
        subject = replace(OURS, argv=(*OURS.argv, "--workers", str(workers)))
        server = Server(subject, environ, None)
        stack.callback(server.stop)
        pids = {"bus": bus.pid, "database": server_of_database.pid}
        time.sleep(3)  # all workers, and the bus
        yield Scene(server, Crowds(crowds, counts), writer, pids)
