"""What carries commits in a measurement: a server of each bus, and the database of the project.

Every server is the benchmark's own, on a free port of 127.0.0.1, with its files in a temporary
directory. It can be frozen and killed.
"""

import json
import os
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks.servers import descendants, end_process, free_port

ROOT = Path(__file__).resolve().parent.parent
TITLES = {
    "redis": "Redis",
    "nats": "NATS",
    "notify": "PostgreSQL, NOTIFY",
    "log": "PostgreSQL, log",
}
"""The buses by the names of the command line."""
_START_SECONDS = 30.0
_USER = "bench"

Params = dict[str, Any]
"""How to connect to PostgreSQL, in the words of ``DATABASES``."""


class Engine:
    """A running server that carries messages.

    Attributes:
        url: the value of ``WSREQUEST_BUS``.
        pid: of its first process; 0 if it is the database's.
    """

    def __init__(self, url: str, pid: int) -> None:
        self.url, self.pid = url, pid

    def freeze(self) -> None:
        """Stop it as it stands. Its connections stay open."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        """Kill it with all its processes, at once."""
        self._signal(signal.SIGKILL)

    def _signal(self, number: int) -> None:
        for pid in descendants(self.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, number)


@contextmanager
def process_of(
    command: list[str], environ: dict[str, str], *, pipes: bool = False, **others: Any
) -> Iterator["subprocess.Popen[str]"]:
    """Run a process for the length of the block. It also ends if the benchmark is killed.

    Args:
        command: what to run, in the root of the repository unless ``others`` says otherwise.
        environ: its whole environment.
        pipes: whether its input and its output are pipes. They are nothing by default.
        others: arguments of ``Popen``.
    """
    pipe = subprocess.PIPE if pipes else subprocess.DEVNULL
    if shutil.which("setpriv"):
        command = ["setpriv", "--pdeathsig", "TERM", *command]
    config = {"cwd": ROOT, "env": environ, "stdin": pipe, "stdout": pipe, "text": True, **others}
    with tempfile.TemporaryFile(prefix="bench-log-") as log:
        process = subprocess.Popen(command, stderr=log, **config)
        try:
            yield process
        except SystemExit:
            log.seek(0)
            print(
                " ".join(command),
                log.read()[-3000:].decode(errors="replace"),
                sep="\n",
                file=sys.stderr,
            )
            raise
        finally:
            _end(process)


def _end(process: "subprocess.Popen[str]") -> None:
    process.send_signal(signal.SIGCONT)
    if process.stdin is not None:
        with suppress(BrokenPipeError):
            process.stdin.close()
    end_process(process)
    if process.stdout is not None:
        process.stdout.close()


def ask(process: "subprocess.Popen[str]", line: str) -> dict[str, Any]:
    """Have a process with pipes do something, and return its answer."""
    assert process.stdin is not None and process.stdout is not None
    process.stdin.write(line + "\n")
    process.stdin.flush()
    answer = process.stdout.readline()
    if not answer:
        raise SystemExit(f"{process.args!r}: the process ended")
    found: dict[str, Any] = json.loads(answer)
    return found


def _wait_until(is_there: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not is_there():
        if time.monotonic() > deadline:
            raise SystemExit(f"{what} did not start")
        time.sleep(0.05)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


@contextmanager
def _plain(command: list[str], url: str, port: int) -> Iterator[Engine]:
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin"])
    program = shutil.which(command[0], path=path)
    if program is None:
        raise SystemExit(f"{command[0]} is missing. Debian's package has the same name.")
    with process_of([program, *command[1:]], dict(os.environ)) as process:
        _wait_until(lambda: _listens(port), command[0])
        yield Engine(url, process.pid)


@contextmanager
def _redis() -> Iterator[Engine]:
    with tempfile.TemporaryDirectory(prefix="bench-redis-") as directory:
        port = free_port()
        command = ["redis-server", "--port", str(port), "--bind", "127.0.0.1", "--dir", directory]
        with _plain([*command, "--save", ""], f"redis://127.0.0.1:{port}/0", port) as engine:
            yield engine


@contextmanager
def _nats() -> Iterator[Engine]:
    port = free_port()
    command = ["nats-server", "--addr", "127.0.0.1", "--port", str(port)]
    with _plain(command, f"nats://127.0.0.1:{port}", port) as engine:
        yield engine


@contextmanager
def postgres() -> Iterator[tuple[Params, Engine]]:
    """Run a PostgreSQL server whose commits are durable, and whose log can be read."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"))
    on_path = shutil.which("initdb")
    if not found and on_path is None:
        raise SystemExit("PostgreSQL's server is missing (Debian package postgresql).")
    programs = found[-1].parent if found else Path(str(on_path)).resolve().parent
    password, port = secrets.token_hex(16), free_port()
    with tempfile.TemporaryDirectory(prefix="bench-postgres-") as directory:
        place = Path(directory)
        (place / "password").write_text(password)
        user: Params = {}
        if os.geteuid() == 0:  # PostgreSQL refuses to run as root
            user = {"user": "postgres", "group": "postgres", "extra_groups": []}
            for path in (place, place / "password"):
                shutil.chown(path, "postgres", "postgres")
        environ = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        subprocess.run(
            [
                *(str(programs / "initdb"), "--pgdata=data", f"--username={_USER}"),
                *("--pwfile=password", "--auth=scram-sha-256", "--encoding=UTF8", "--no-sync"),
            ],
            cwd=place, env=environ, check=True, stdout=subprocess.DEVNULL, **user,
        )  # fmt: skip
        options = (
            *("listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories="),
            *("wal_level=logical", "max_replication_slots=40", "max_wal_senders=40"),
            *("max_connections=300",),
        )
        command = [str(programs / "postgres"), "-D", "data"]
        command += [word for option in options for word in ("-c", option)]
        with process_of(command, environ, cwd=place, **user) as process:
            ready = [str(programs / "pg_isready"), "--host=127.0.0.1", f"--port={port}", "-q"]
            _wait_until(lambda: subprocess.run(ready).returncode == 0, "PostgreSQL")
            params = {
                "NAME": "postgres",
                "USER": _USER,
                "PASSWORD": password,
                "HOST": "127.0.0.1",
                "PORT": port,
            }
            yield params, Engine("", process.pid)


def notify_url(params: Params) -> str:
    """Return the URL of the bus by NOTIFY, of a server that need not be the project's."""
    names = {"dbname": "NAME", "user": "USER", "password": "PASSWORD", "host": "HOST"}
    query = "&".join(f"{ours}={params[name]}" for ours, name in names.items())
    return f"postgresql+notify://default?{query}&port={params['PORT']}"


@contextmanager
def engine(name: str) -> Iterator[Engine]:
    """Run the server of a bus for the length of the block.

    Args:
        name: a key of ``TITLES``. For the log, it is the project's own database, so it has no other
            server, and can be neither frozen nor killed here.
    """
    if name == "redis":
        with _redis() as found:
            yield found
    elif name == "nats":
        with _nats() as found:
            yield found
    elif name == "notify":
        with postgres() as (params, found):
            found.url = notify_url(params)
            yield found
    else:
        yield Engine("postgresql+log://default", 0)


def environ_of(params: Params, bus: str, **others: str) -> dict[str, str]:
    """Return the environment of a process of the measured project."""
    return {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "benchmarks.project",
        "BENCH_DB": "",
        "BENCH_POSTGRES": json.dumps(params),
        "BENCH_BUS": bus,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
        **others,
    }


def make_tables(params: Params, scores: int = 50) -> None:
    """Make the tables with their first rows, and the publication of the log."""
    django = [sys.executable, "-m", "django"]
    environ = environ_of(params, "memory://")
    for command in (["migrate", "-v0", "--run-syncdb"], ["wsrequest_publication"]):
        subprocess.run([*django, *command], env=environ, check=True, stdout=subprocess.DEVNULL)
    import psycopg

    config = {name.lower(): params[name] for name in ("USER", "PASSWORD", "HOST", "PORT")}
    with psycopg.connect(dbname=params["NAME"], **config) as connection:
        connection.execute(
            "INSERT INTO benchmarks_score (id, n, text)"
            " SELECT pk, 0, repeat('x', 200) FROM generate_series(1, %s) AS pk",
            [scores],
        )
