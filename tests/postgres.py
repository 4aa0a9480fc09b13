"""A PostgreSQL server of the tests' own, made for one session and thrown away.

Owns finding the server's programs, the cluster in a temporary directory and its
process. A test asks for ``postgres_params`` (as Django's DATABASES name them) or
for ``postgres_url``; tests/conftest.py loads this module as a plugin.

``python -m tests.postgres FILE`` runs one until it is told to end (SIGTERM), and writes libpq's
variables to the file once it answers. ``scripts/demo`` starts it so.
"""

import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypedDict

import psycopg
import pytest

from tests.ports import free_port

USER = "wsrequest"
START_SECONDS = 30.0
STOP_SECONDS = 10.0


class Params(TypedDict):
    """How to connect, in the words of Django's DATABASES; NAME is a database that exists."""

    NAME: str
    USER: str
    PASSWORD: str
    HOST: str
    PORT: int


def find_programs() -> Path | None:
    """Return the directory of initdb and postgres: Debian's newest, else that on PATH."""
    found = [path.parent for path in Path("/usr/lib/postgresql").glob("*/bin/initdb")]
    if found:
        return max(found, key=lambda path: float(path.parent.name))
    on_path = shutil.which("initdb")
    return None if on_path is None else Path(on_path).resolve().parent


class Cluster:
    """A cluster below ``directory``, with one superuser who needs a password."""

    def __init__(self, programs: Path, directory: Path) -> None:
        self._programs, self._directory = programs, directory
        self._password = secrets.token_hex(16)
        self._log = directory / "log"
        # PostgreSQL refuses to run as root; Debian's package brings a user for it.
        self._user = "postgres" if os.geteuid() == 0 else None

    def make(self) -> None:
        """Make the files of the cluster; its directory must be empty."""
        password_file = self._directory / "password"
        password_file.write_text(self._password)
        if self._user is not None:
            for path in (self._directory, password_file):
                shutil.chown(path, self._user, self._user)
        self._run(
            *("initdb", "--pgdata=data", f"--username={USER}", "--pwfile=password"),
            *("--auth=scram-sha-256", "--encoding=UTF8", "--locale=C", "--no-sync"),
        )

    @property
    def pid(self) -> int:
        """The first process of the server, while it runs."""
        return int((self._directory / "data/postmaster.pid").read_text().splitlines()[0])

    @contextmanager
    def serve(self, port: int | None = None) -> Iterator[Params]:
        """Run the server on a port of 127.0.0.1, a free one, for the length of the block."""
        port = port or free_port()
        options = (
            *("listen_addresses=127.0.0.1", f"port={port}", "unix_socket_directories="),
            *("fsync=off", "synchronous_commit=off", "full_page_writes=off"),
            *("wal_level=logical", "max_replication_slots=40", "max_wal_senders=40"),
        )
        command = [str(self._programs / "postgres"), "-D", "data"]
        command += [word for option in options for word in ("-c", option)]
        if shutil.which("setpriv"):
            # Should the tests be killed, the kernel stops the server. setpriv becomes the server,
            # so the pid stays.
            command = ["setpriv", "--pdeathsig", "INT", *command]
        with self._start(command, port) as process:
            try:
                yield Params(
                    NAME="postgres",
                    USER=USER,
                    PASSWORD=self._password,
                    HOST="127.0.0.1",
                    PORT=port,
                )
            finally:
                self._stop(process)

    def _start(self, command: list[str], port: int) -> "subprocess.Popen[bytes]":
        deadline = time.monotonic() + START_SECONDS
        while True:
            with self._log.open("wb") as log:
                process = subprocess.Popen(command, stdout=log, stderr=log, **self._as_user())
            if self._is_ready(process, port, deadline):
                return process
            self._stop(process)
            why = self._log.read_text(errors="replace")
            # After kill -9, the other processes of the server take a moment to notice.
            if "pre-existing shared memory block" not in why or time.monotonic() > deadline:
                raise RuntimeError(f"PostgreSQL did not start:\n{why}")
            time.sleep(0.05)

    def _is_ready(self, process: "subprocess.Popen[bytes]", port: int, deadline: float) -> bool:
        while process.poll() is None and time.monotonic() < deadline:
            if self._run("pg_isready", "--host=127.0.0.1", f"--port={port}", check=False) == 0:
                return True
            time.sleep(0.05)
        return False

    def _stop(self, process: "subprocess.Popen[bytes]") -> None:
        # SIGINT ends sessions and shuts down, SIGQUIT does not even write a checkpoint.
        for number in (signal.SIGINT, signal.SIGQUIT, signal.SIGKILL):
            process.send_signal(number)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            return

    def _run(self, program: str, *arguments: str, check: bool = True) -> int:
        done = subprocess.run(
            [str(self._programs / program), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=START_SECONDS,
            **self._as_user(),
        )
        if check and done.returncode:
            raise RuntimeError(f"{program} failed:\n{done.stdout.decode(errors='replace')}")
        return done.returncode

    def _as_user(self) -> dict[str, Any]:
        environ = {"PATH": os.environ.get("PATH", os.defpath), "LC_ALL": "C", "TZ": "UTC"}
        process = {"cwd": self._directory, "env": environ}
        if self._user is None:
            return process
        return {**process, "user": self._user, "group": self._user, "extra_groups": []}


@contextmanager
def made_cluster() -> Iterator[Cluster]:
    """A cluster for the length of the block, not running.

    Without PostgreSQL's programs a skip, or a failure when CI or TEST_ALL is set.
    """
    programs = find_programs()
    if programs is None:
        missing = "PostgreSQL's server programs are missing (Debian package postgresql)"
        if os.environ.get("CI") or os.environ.get("TEST_ALL"):
            pytest.fail(missing)
        pytest.skip(missing)
    # Not below pytest's own directory, which another user may not enter.
    with tempfile.TemporaryDirectory(prefix="wsrequest-postgres-") as directory:
        cluster = Cluster(programs, Path(directory))
        cluster.make()
        yield cluster


@pytest.fixture(scope="session")
def postgres_params() -> Iterator[Params]:
    """A running server."""
    with made_cluster() as cluster, cluster.serve() as params:
        yield params


@pytest.fixture(scope="session")
def postgres_url(postgres_params: Params) -> str:
    """The same server as a URL, which psycopg takes as it is."""
    return "postgresql://{USER}:{PASSWORD}@{HOST}:{PORT}/{NAME}".format(**postgres_params)


@pytest.fixture(scope="session")
def postgres_log_params(postgres_params: Params) -> Params:
    """A database whose log is published: ``WSREQUEST_BUS = "postgresql+log://default"``."""
    with psycopg.connect(**connecting(postgres_params), autocommit=True) as connection:
        connection.execute("CREATE DATABASE logged")
    params = Params({**postgres_params, "NAME": "logged"})
    with psycopg.connect(**connecting(params), autocommit=True) as connection:
        connection.execute("CREATE PUBLICATION wsrequest FOR ALL TABLES")
    return params


def connecting(params: Params) -> dict[str, Any]:
    """The same in the words of psycopg."""
    return {
        "dbname": params["NAME"],
        **{name.lower(): params[name] for name in ("USER", "PASSWORD", "HOST", "PORT")},
    }


def main(path: str) -> None:
    """Run a server until SIGTERM."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with made_cluster() as cluster, cluster.serve() as params:
        names = {"HOST": "PGHOST", "PORT": "PGPORT", "USER": "PGUSER", "PASSWORD": "PGPASSWORD"}
        lines = [f"export {name}={params[each]}\n" for each, name in names.items()]  # type: ignore[literal-required]
        Path(path).write_text("".join(lines))
        signal.pause()


if __name__ == "__main__":
    main(sys.argv[1])
