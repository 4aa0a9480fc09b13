"""A MariaDB server of the tests' own, made for one session and thrown away.

Owns finding the server's programs, its files in a temporary directory and its process. A test asks
for ``mariadb_params`` (as Django's DATABASES name them); tests/conftest.py loads this module as a
plugin. Django connects by mysqlclient, which the extra ``mariadb`` of pyproject.toml installs.
"""

import importlib
import importlib.util
import os
import pwd
import secrets
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.ports import free_port
from tests.postgres import Params

__all__ = ["connecting", "find_mariadb", "made_mariadb", "new_database"]

USER = "wsrequest"
START_SECONDS = 30.0
STOP_SECONDS = 10.0
_PROGRAMS = ("mariadbd", "mariadb-install-db", "my_print_defaults")


def find_mariadb() -> bool:
    """Whether the server's programs and mysqlclient are here."""
    importlib.invalidate_caches()  # scripts/setup may just have installed it
    programs = all(shutil.which(name, path=_path()) for name in _PROGRAMS)
    return programs and importlib.util.find_spec("MySQLdb") is not None


def connecting(params: Params) -> dict[str, Any]:
    """The parameters in the words of the driver."""
    names = {"NAME": "database", "USER": "user", "PASSWORD": "password"}
    names |= {"HOST": "host", "PORT": "port"}
    return {"charset": "utf8mb4", **{names[name]: params[name] for name in names}}  # type: ignore[literal-required]  # keys of Params


def new_database(params: Params, name: str, collation: str = "utf8mb4_general_ci") -> Params:
    """Make an empty database in a server; the parameters that lead to it.

    The collation is Debian's default, which compares texts without case and trailing spaces.
    """
    import MySQLdb

    with closing(MySQLdb.connect(**connecting(params))) as server:
        server.query(f"CREATE DATABASE `{name}` CHARACTER SET utf8mb4 COLLATE {collation}")
    return Params({**params, "NAME": name})


class _Server:
    """A server with its files below ``directory``."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._log = directory / "log"
        self._password = secrets.token_hex(16)
        # The server refuses to run as root.
        self._user = pwd.getpwnam("nobody") if os.geteuid() == 0 else None

    def make(self) -> None:
        """Make the files; the directory must be empty."""
        self._give(self._directory)
        done = subprocess.run(
            [
                *(_program("mariadb-install-db"), "--no-defaults"),
                *(f"--datadir={self._directory}/data", "--skip-test-db", "--skip-name-resolve"),
                "--auth-root-authentication-method=normal",
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            timeout=START_SECONDS,
            **self._as_user(),
        )
        if done.returncode:
            raise RuntimeError(
                f"mariadb-install-db failed:\n{done.stdout.decode(errors='replace')}"
            )

    @contextmanager
    def serve(self) -> Iterator[Params]:
        """Run the server on a free port of 127.0.0.1 for the length of the block."""
        port, first = free_port(), self._directory / "first.sql"
        first.write_text(
            f"CREATE OR REPLACE USER '{USER}'@'127.0.0.1' IDENTIFIED BY '{self._password}';\n"
            f"GRANT ALL ON *.* TO '{USER}'@'127.0.0.1' WITH GRANT OPTION;\n"
            "CREATE DATABASE IF NOT EXISTS first;\n"
        )
        self._give(first)
        command = [
            *(_program("mariadbd"), "--no-defaults", f"--datadir={self._directory}/data"),
            *(f"--port={port}", "--bind-address=127.0.0.1", f"--init-file={first}"),
            *(f"--socket={self._directory}/socket", f"--pid-file={self._directory}/pid"),
            # Nothing has to survive a crash.
            *("--innodb-flush-log-at-trx-commit=0", "--skip-innodb-doublewrite"),
            *("--innodb-buffer-pool-size=32M", "--innodb-log-file-size=16M"),
            *("--skip-name-resolve", "--skip-log-bin", "--local-infile=1"),
            # A test that waits for a lock of its own fails soon.
            *("--lock-wait-timeout=5", "--innodb-lock-wait-timeout=5"),
        ]
        if shutil.which("setpriv"):
            # Should the tests be killed, the kernel stops the server.
            command = ["setpriv", "--pdeathsig", "KILL", *command]
        with (
            self._log.open("wb") as log,
            subprocess.Popen(command, stdout=log, stderr=log, **self._as_user()) as process,
        ):
            params = Params(
                NAME="first", USER=USER, PASSWORD=self._password, HOST="127.0.0.1", PORT=port
            )
            try:
                self._wait(process, params)
                yield params
            finally:
                self._stop(process)

    def _wait(self, process: "subprocess.Popen[bytes]", params: Params) -> None:
        import MySQLdb

        deadline = time.monotonic() + START_SECONDS
        while process.poll() is None and time.monotonic() < deadline:
            try:
                MySQLdb.connect(**connecting(params)).close()
                return
            except MySQLdb.OperationalError:
                time.sleep(0.05)
        raise RuntimeError(f"MariaDB did not start:\n{self._log.read_text(errors='replace')}")

    def _stop(self, process: "subprocess.Popen[bytes]") -> None:
        for number in (signal.SIGTERM, signal.SIGKILL):
            process.send_signal(number)
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                continue
            return

    def _give(self, path: Path) -> None:
        if self._user is not None:
            os.chown(path, self._user.pw_uid, self._user.pw_gid)

    def _as_user(self) -> dict[str, Any]:
        environ = {"PATH": _path(), "LC_ALL": "C", "TZ": "UTC"}
        process = {"cwd": self._directory, "env": environ}
        if self._user is None:
            return process
        user, group = self._user.pw_uid, self._user.pw_gid
        return {**process, "user": user, "group": group, "extra_groups": []}


def _path() -> str:
    return os.environ.get("PATH", os.defpath) + ":/usr/sbin"


def _program(name: str) -> str:
    found = shutil.which(name, path=_path())
    assert found is not None
    return found


@contextmanager
def made_mariadb() -> Iterator[Params]:
    """A running server for the length of the block.

    Without its programs or mysqlclient a skip, or a failure when CI or TEST_ALL is set.
    """
    if not find_mariadb():
        missing = "MariaDB's programs (scripts/setup test,dev mariadb) or mysqlclient are missing"
        if os.environ.get("CI") or os.environ.get("TEST_ALL"):
            pytest.fail(missing)
        pytest.skip(missing)
    # Not below pytest's own directory, which another user may not enter.
    with tempfile.TemporaryDirectory(prefix="wsrequest-mariadb-") as directory:
        server = _Server(Path(directory))
        server.make()
        with server.serve() as params:
            yield params


@pytest.fixture(scope="session")
def mariadb_params() -> Iterator[Params]:
    """A running server, with a database that is empty."""
    with made_mariadb() as params:
        yield params
