"""Who writes: each kind of process that commits beside the servers of a project."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from http.client import HTTPConnection, HTTPException

from websockets.sync.client import ClientConnection, connect

from benchmarks.buses import Params, ask, engine, process_of
from benchmarks.servers import free_port
from benchmarks.subjects import OURS

PK = 1
Commit = Callable[[int], float]
"""Commits a number, and returns when COMMIT returned, by ``time.perf_counter``."""


class Reader:
    """A client with one live request of the score."""

    def __init__(self, port: int) -> None:
        self._stack = ExitStack()
        self._socket: ClientConnection = self._stack.enter_context(
            connect(f"ws://127.0.0.1:{port}/ws/", compression=None, ping_interval=None)
        )
        self._socket.send(json.dumps({"id": 1, "url": f"/live/{PK}/", "subscribe": True}))
        self._socket.recv(30)

    def shown(self, n: int) -> float:
        """Return when a number was shown."""
        while json.loads(self._socket.recv(90))["data"]["n"] != n:
            pass
        return time.perf_counter()

    def close(self) -> None:
        """End the connection."""
        self._stack.close()


def _wait(port: int, process: "subprocess.Popen[str]") -> None:
    deadline = time.monotonic() + 90
    while time.monotonic() < deadline and process.poll() is None:
        connection = HTTPConnection("127.0.0.1", port, timeout=5)
        with suppress(OSError, HTTPException):
            connection.request("GET", "/trivial/")
            connection.getresponse()
            return
        time.sleep(0.05)
    raise SystemExit(f"{process.args!r} did not start")


@contextmanager
def served(command: list[str], environ: dict[str, str]) -> Iterator[int]:
    """Run a server for the length of the block, and give its port.

    Args:
        command: arguments of the interpreter. "{port}" stands for the port.
        environ: its whole environment.
    """
    port = free_port()
    command = [part.replace("{port}", str(port)) for part in command]
    with process_of([sys.executable, *command], environ) as process:
        _wait(port, process)
        yield port


def by_http(port: int) -> Commit:
    """Return a writer that asks a server, on a new connection each time."""

    def commit(n: int) -> float:
        connection = HTTPConnection("127.0.0.1", port, timeout=30)
        headers = {"Content-Type": "application/json"}
        connection.request("POST", f"/live/{PK}/set/", json.dumps({"n": n}), headers)
        response = connection.getresponse()
        body = response.read()
        connection.close()
        if response.status != 200:
            raise SystemExit(f"a write failed: {response.status} {body[:300]!r}")
        committed: float = json.loads(body)["committed"]
        return committed

    return commit


@contextmanager
def _gunicorn(environ: dict[str, str], params: Params) -> Iterator[Commit]:
    command = [
        *("-m", "gunicorn", "--bind", "127.0.0.1:{port}", "--workers", "2", "--threads", "2"),
        *("--preload", "--no-control-socket", "benchmarks.apps.django_wsgi:application"),
    ]
    with served(command, environ) as port:
        yield by_http(port)


@contextmanager
def _process(environ: dict[str, str], params: Params) -> Iterator[Commit]:
    command = [sys.executable, "-m", "benchmarks.apps.committing"]
    with process_of(command, environ, pipes=True) as process:
        yield lambda n: float(ask(process, f"commit {PK} {n}")["committed"])


@contextmanager
def _celery(environ: dict[str, str], params: Params) -> Iterator[Commit]:
    with engine("redis") as broker:
        environ = {**environ, "BENCH_CELERY": broker.url}
        worker = [
            *(sys.executable, "-m", "celery", "-A", "benchmarks.apps.tasks", "worker"),
            *("--concurrency", "2", "--without-gossip", "--without-mingle"),
        ]
        client = [sys.executable, "-m", "benchmarks.apps.committing"]
        with process_of(worker, environ), process_of(client, environ, pipes=True) as process:
            yield lambda n: float(ask(process, f"task {PK} {n}")["committed"])


@contextmanager
def _psql(environ: dict[str, str], params: Params) -> Iterator[Commit]:
    names = {"PGDATABASE": "NAME", "PGUSER": "USER", "PGPASSWORD": "PASSWORD", "PGHOST": "HOST"}
    environ = {
        "PATH": os.environ.get("PATH", os.defpath),
        **{ours: str(params[name]) for ours, name in names.items()},
        "PGPORT": str(params["PORT"]),
    }
    with process_of(["psql", "--no-psqlrc"], environ, pipes=True) as process:

        def commit(n: int) -> float:
            assert process.stdin is not None and process.stdout is not None
            process.stdin.write(f"UPDATE benchmarks_score SET n = {n} WHERE id = {PK};\n")
            process.stdin.flush()
            answer = process.stdout.readline()
            committed = time.perf_counter()
            if answer != "UPDATE 1\n":
                raise SystemExit(f"psql said {answer!r}")
            return committed

        yield commit


BESIDE = {
    "gunicorn, 2 workers": _gunicorn,
    "a command, as `manage.py shell`": _process,
    "Celery, 2 processes": _celery,
    "psql": _psql,
}
"""Writers beside ``runwebsockets``. Only the log of the database shows what psql writes."""


def websockets(environ: dict[str, str]) -> AbstractContextManager[int]:
    """Run ``manage.py runwebsockets``."""
    return served(["-m", "django", "runwebsockets", "127.0.0.1:{port}"], environ)


def uvicorn(environ: dict[str, str], workers: int) -> AbstractContextManager[int]:
    """Run uvicorn with some workers."""
    return served([*OURS.argv, "--workers", str(workers)], environ)
