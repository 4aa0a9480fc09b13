"""The servers of the recorded project: gunicorn for WSGI, uvicorn for the socket and HTTP.

One uvicorn answers HTTP by the worker threads, as the package does. The other leaves HTTP to
Django's own ASGI handler. PARITY_SERVER names another server for the socket and for the workers,
which are then compared with WSGI alone.
"""

import functools
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest

from tests.acceptance.servers import COMMANDS as ASGI_COMMANDS
from tests.acceptance.servers import (
    ROOT,
    RUNNING,
    START_SECONDS,
    Server,
    environ,
    wait_until,
)
from tests.parity.compare import Differences, compare
from tests.parity.differences import HTTP as DIFFERENCES
from tests.parity.rows import Row
from tests.parity.transports import HTTP, Outcome, Socket, run
from tests.ports import free_port

PROJECT = "tests.parity.project"
USUAL = "uvicorn-sansio"
KIND = os.environ.get("PARITY_SERVER", USUAL)
"""What serves the socket, and HTTP by the workers: a key of ``servers.COMMANDS``."""

_ASGI = ASGI_COMMANDS[KIND].format(application=f"{PROJECT}.asgi:application", port="PORT")
if KIND.startswith("uvicorn"):
    # httptools, where it is installed, sends the names of headers in lower case.
    _ASGI += " --no-proxy-headers --http h11"
COMMANDS = {
    # It, too, must take forwarding headers for what they are: headers.
    "wsgi": f"gunicorn {PROJECT}.wsgi:application --bind 127.0.0.1:PORT --worker-class gthread "
    "--threads 1 --no-control-socket --forwarded-allow-ips 192.0.2.1",
    "workers": _ASGI,
    "asgi": _ASGI,
}
REFERENCES = ("wsgi", "asgi") if KIND == USUAL else ("wsgi",)
"""With another server the HTTP of Django's ASGI handler is that server's own."""


@contextmanager
def serving(kind: str, data: Path, place: Path) -> Iterator[Server]:
    """Serve the recorded project for the length of the block."""
    shutil.copytree(data, place, dirs_exist_ok=True)
    port, log_path = free_port(), place / "log"
    command = COMMANDS[kind].replace("PORT", str(port)).split()
    with (
        log_path.open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", *command],
            cwd=ROOT,
            env=environ(
                place,
                DJANGO_SETTINGS_MODULE=f"{PROJECT}.settings",
                PYTHONHASHSEED="0",  # DRF's Allow is a set that is printed
                PARITY_HTTP="django" if kind == "asgi" else "workers",
            ),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        server = Server(kind, port, process, log_path)
        RUNNING.append(server)
        try:
            wait_until(server.answers, START_SECONDS)
            yield server
        finally:
            server.stop()
            RUNNING.remove(server)


SERVER_HEADERS = [field.removeprefix("header ") for field in DIFFERENCES["server-headers"]]


class Table:
    """Runs rows, each once, in all four ways."""

    def __init__(self, wsgi: Server, workers: Server, asgi: Server) -> None:
        self._wsgi, self._workers, self._asgi = wsgi, workers, asgi
        self.outcomes = functools.cache(self._outcomes)

    def _outcomes(self, row: Row) -> dict[str, Outcome]:
        outcomes = {
            "wsgi": run(row, self._wsgi, HTTP),
            "socket": run(row, self._workers, Socket),
            "workers": run(row, self._workers, HTTP),
        }
        if row.asgi and "asgi" in REFERENCES:
            outcomes["asgi"] = run(row, self._asgi, HTTP)
        return outcomes

    def differences(self, row: Row, reference: str, way: str = "socket") -> Differences:
        """The fields in which a way differs from HTTP by ``reference``, wsgi or asgi."""
        outcomes = self.outcomes(row)
        return compare(
            outcomes[reference], outcomes[way], SERVER_HEADERS if way != "socket" else ()
        )


@pytest.fixture(scope="session")
def table(project_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Table]:
    """The table, on servers that run to the end of the session."""
    with ExitStack() as stack:
        servers = [
            stack.enter_context(serving(kind, project_data, tmp_path_factory.mktemp(kind)))
            for kind in COMMANDS
        ]
        yield Table(*servers)
