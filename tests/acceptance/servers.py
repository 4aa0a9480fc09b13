"""Real servers of the test project, each a process of its own on a free port of 127.0.0.1.

Owns the command of every ASGI server under test, its start, its log, plain HTTP to it and
its end. How a test speaks to its socket is in ``client``; the fixtures are in the root
conftest.
"""

import http.client
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from email.message import Message
from pathlib import Path
from typing import Any

from tests.ports import free_port

ROOT = Path(__file__).resolve().parents[2]
APPLICATION = "tests.project.asgi:application"
START_SECONDS = 90.0  # a machine that runs browsers beside it took over 30
STOP_SECONDS = 10.0
HTTP_SECONDS = 20.0

UVICORN = "uvicorn {application} --host 127.0.0.1 --port {port} --no-access-log --ws "
CLASSES = "wsrequest.server.uvicorn:WebSocketProtocol --http wsrequest.server.uvicorn:HTTPProtocol"
DAPHNE = (
    "daphne {application} -b 127.0.0.1 -p {port} "
    "--websocket-max-frame-size {bytes} --websocket-max-message-size {bytes}"
)
COMMANDS = {
    "uvicorn-sansio": UVICORN + CLASSES,
    # Without httptools, which uvicorn takes otherwise.
    "uvicorn-wsproto": UVICORN + "wsproto --http tests.project.h11:HTTPProtocol",
    "hypercorn": "hypercorn {application} --bind 127.0.0.1:{port} --workers 0",
    # Daphne's limit of 1 MiB is for both directions.
    "daphne": DAPHNE.replace("{bytes}", str(2**25)),
    "granian": "granian {application} --interface asgi --host 127.0.0.1 --port {port}",
}
LIMITED = {
    "daphne-limited": DAPHNE.replace("{bytes}", "100000"),
    "uvicorn-mounted": UVICORN + CLASSES + " --root-path /app",
    "hypercorn-mounted": "hypercorn {application} --bind 127.0.0.1:{port} --workers 0 "
    "--root-path /app",
    "uvicorn-sansio-40": UVICORN + CLASSES + " --limit-max-requests 40",
    "uvicorn-replaced": UVICORN + CLASSES + " --workers 2 --limit-max-requests 60",
    "gunicorn-uvicorn": "gunicorn --bind 127.0.0.1:{port} --workers 2 --max-requests 60 "
    "--worker-class tests.project.worker.Worker --no-control-socket {application}",
    "uvicorn-3": UVICORN + CLASSES + " --workers 3",
    "gunicorn": "gunicorn --bind 127.0.0.1:{port} --workers 2 --threads 2 --preload "
    "--no-control-socket django.core.wsgi:get_wsgi_application()",
    "gunicorn-gevent": "gunicorn --bind 127.0.0.1:{port} --worker-class gevent "
    "--no-control-socket django.core.wsgi:get_wsgi_application()",
    "uvicorn-quiet": UVICORN + CLASSES + " --ws-ping-interval 3600 --ws-ping-timeout 3600",
}
"""Started for one purpose each: a limit below that of the package; below a script name; ending by
itself after 40 requests; workers that are replaced after 60; several processes; a WSGI server; a
thousand that are not pinged in the same second."""

REFUSES_BY_STATUS_ONLY = {"daphne"}
"""Servers without ASGI's Websocket Denial Response: a refusal is a bare 403 with them."""

ACCEPTS_WITHOUT_HEADERS = {"daphne", "granian"}
"""Servers that leave out the headers with which an application accepts a handshake."""

BUFFERS_WITHOUT_LIMIT = {"daphne"}
"""Servers whose ``send`` returns at once: no application can tell that a client does not read."""


def wait_until(holds: Callable[[], Any], seconds: float = 30.0) -> Any:
    """Return the first true value of ``holds``, asked again and again; fail after ``seconds``."""
    deadline = time.monotonic() + seconds
    while not (value := holds()):
        if time.monotonic() > deadline:
            raise AssertionError(f"{getattr(holds, '__name__', holds)}: not within {seconds} s")
        time.sleep(0.02)
    return value


def environ(data: Path, **changes: str) -> dict[str, str]:
    """Return the environment of a process of the project whose databases are in ``data``.

    The tests' own environment is passed on, so that coverage measures the process too.
    """
    paths = [str(ROOT), str(ROOT / "src"), *filter(None, [os.environ.get("PYTHONPATH")])]
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(paths),
        "PYTHONUNBUFFERED": "1",
        "DJANGO_SETTINGS_MODULE": "tests.project.settings",
        "PROJECT_DATA": str(data),
        **changes,
    }


def manage(data: Path, *arguments: str, **changes: str) -> str:
    """Run the project's manage.py to its end and return what it printed."""
    done = subprocess.run(
        [sys.executable, "tests/project/manage.py", *arguments],
        cwd=ROOT,
        env=environ(data, **changes),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
    )
    if done.returncode:
        raise RuntimeError(f"manage.py {' '.join(arguments)} failed:\n{done.stdout}")
    return done.stdout


@dataclass(frozen=True)
class Page:
    """One answer of plain HTTP."""

    status: int
    headers: Message
    body: bytes

    def json(self) -> Any:
        return json.loads(self.body)


class Server:
    """A running server of the project."""

    def __init__(
        self, kind: str, port: int, process: "subprocess.Popen[bytes]", log_path: Path
    ) -> None:
        self.kind, self.port, self.process, self.log_path = kind, port, process, log_path
        self.host = f"127.0.0.1:{port}"
        self.origin = f"http://{self.host}"

    def http(
        self,
        method: str,
        url: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Page:
        """Make one request by plain HTTP on a connection of its own."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=HTTP_SECONDS)
        try:
            connection.request(method, url, body, dict(headers or {}))
            response = connection.getresponse()
            return Page(response.status, response.headers, response.read())
        finally:
            connection.close()

    def get_json(self, url: str) -> Any:
        """Return the JSON of a GET that must succeed, by plain HTTP."""
        page = self.http("GET", url)
        assert page.status == 200, page
        return page.json()

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def status(self) -> dict[str, str]:
        """What the system tells of the process, of its threads and memory for one."""
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def pids(self) -> list[int]:
        """The process and its descendants: some servers serve from a child."""
        found = [self.process.pid]
        for pid in found:  # which grows meanwhile
            with suppress(FileNotFoundError, ProcessLookupError):
                for children in Path(f"/proc/{pid}/task").glob("*/children"):
                    found += map(int, children.read_text().split())
        return found

    def memory_bytes(self) -> int:
        """The resident memory of all of its processes."""
        total = 0
        for pid in self.pids():
            status = Path(f"/proc/{pid}/status").read_text()
            total += sum(
                int(line.split()[1]) * 1024
                for line in status.splitlines()
                if line.startswith("VmRSS")
            )
        return total

    def answers(self) -> bool:
        """Whether HTTP is served; an error when the process has ended instead."""
        if self.process.poll() is not None:
            raise RuntimeError(f"{self.kind} ended with {self.process.returncode}:\n{self.log()}")
        with suppress(OSError, http.client.HTTPException):
            return self.http("GET", "/ready/").body == b"ready"
        return False

    def stop(self) -> None:
        """SIGTERM, so that it can write its coverage; SIGKILL to what is left after a while."""
        self.process.terminate()
        try:
            self.process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            for pid in reversed(self.pids()):
                with suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self.process.wait()


RUNNING: list[Server] = []
"""The servers that run now; the root conftest shows their logs when a test fails."""


@contextmanager
def serving(
    kind: str,
    data: Path,
    *,
    port: int | None = None,
    under: Sequence[str] = (),
    application: str = APPLICATION,
    **settings: Any,
) -> Iterator[Server]:
    """Serve the project for the length of the block.

    Args:
        kind: a key of ``COMMANDS`` or ``LIMITED``.
        data: the directory of the migrated databases; the server gets a copy of its own.
        port: a free one when None.
        under: the command of a program that becomes the server, as ``prlimit`` does.
        application: another than the project's own, as module and name.
        settings: ``PROJECT_*`` as strings, the package's settings without their prefix
            (``REQUEST_SECONDS=0.5``) as JSON values.
    """
    port = port or free_port()
    changes = {
        **{name: value for name, value in settings.items() if name.startswith("PROJECT_")},
        **{
            f"WSREQUEST_{name}": json.dumps(value)
            for name, value in settings.items()
            if not name.startswith("PROJECT_")
        },
    }
    command = (COMMANDS | LIMITED)[kind].format(application=application, port=port).split()
    with tempfile.TemporaryDirectory(prefix=f"wsrequest-{kind}-") as directory:
        place = Path(directory)
        shutil.copytree(data, place, dirs_exist_ok=True)
        log_path = place / "log"
        with (
            log_path.open("wb") as log,
            subprocess.Popen(
                [*under, sys.executable, "-m", *command],
                cwd=ROOT,
                env=environ(place, **changes),
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
