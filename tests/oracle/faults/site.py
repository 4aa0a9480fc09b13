"""The processes of the site under faults: two servers, two writers, the bus, and maybe a relay.

Each can be killed, frozen and started again. All end with the block, by their own pids.
"""

import json
import os
import signal
import subprocess
import sys
import tempfile
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self
from urllib.parse import parse_qsl, urlsplit

from tests.acceptance.servers import ROOT, START_SECONDS, wait_until
from tests.contract.servers import SERVERS
from tests.contract.servers import Server as Broker
from tests.ports import free_port

__all__ = ["KINDS", "Process", "Server", "Site", "Writer"]

KINDS = (*SERVERS, "relay")
"""What carries commits: a bus, or Redis with one process that reads PostgreSQL's log."""


class Process:
    """One process of the site.

    Args:
        command: of it, which stays the same when it is started again.
        environ: of it.
        log: the file that its output goes to.
        pipes: whether its input and output are pipes.
    """

    def __init__(
        self, command: list[str], environ: dict[str, str], log: IO[bytes], *, pipes: bool = False
    ) -> None:
        self._command, self._environ, self._log, self._pipes = command, environ, log, pipes
        self.process = self._start()

    def _start(self) -> "subprocess.Popen[bytes]":
        pipe = subprocess.PIPE if self._pipes else None
        return subprocess.Popen(
            self._command,
            cwd=ROOT,
            env=self._environ,
            stdin=pipe or subprocess.DEVNULL,
            stdout=pipe or self._log,
            stderr=self._log,
        )

    def kill(self) -> None:
        """SIGKILL it, and wait for its end."""
        with suppress(ProcessLookupError):
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()

    def restart(self) -> None:
        """Start it again after it was killed."""
        self.process = self._start()

    def freeze(self) -> None:
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self.process.send_signal(signal.SIGCONT)


class Server(Process):
    """A uvicorn that serves the oracle's project, or another application."""

    def __init__(
        self,
        environ: dict[str, str],
        log: IO[bytes],
        application: str = "tests.oracle.faults.asgi:application",
    ) -> None:
        self.port = free_port()
        command = [
            *(sys.executable, "-m", "uvicorn", application),
            *("--host", "127.0.0.1", "--port", str(self.port), "--no-access-log"),
            *("--ws", "wsrequest.server.uvicorn:WebSocketProtocol", "--log-level", "warning"),
            *("--http", "wsrequest.server.uvicorn:HTTPProtocol"),
        ]
        super().__init__(command, environ, log)

    def wait(self) -> None:
        """Wait until it serves."""
        from http.client import HTTPConnection

        def serves() -> bool:
            assert self.process.poll() is None, "a server has ended"
            connection = HTTPConnection("127.0.0.1", self.port, timeout=5)
            with suppress(OSError):
                connection.request("GET", "/ready/")
                return connection.getresponse().status == 200
            return False

        wait_until(serves, START_SECONDS)


class Relay(Process):
    """A process that reads the log for the servers."""

    def __init__(self, environ: dict[str, str], log: IO[bytes]) -> None:
        super().__init__(
            [sys.executable, "-m", "django", "wsrequest_relay"], environ, log, pipes=True
        )

    def wait(self) -> None:
        """Wait until it begins."""
        assert self.process.stdout is not None
        assert self.process.stdout.readline().startswith(b"Relaying"), "the relay has ended"


class Writer(Process):
    """A process that runs transactions."""

    def __init__(self, environ: dict[str, str], log: IO[bytes]) -> None:
        super().__init__(
            [sys.executable, "-m", "tests.oracle.faults.writer"], environ, log, pipes=True
        )

    def wait(self) -> None:
        """Wait until it takes transactions."""
        assert self._line() == "ready"

    def write(self, transactions: list[Any]) -> int:
        """Run transactions one after the other. Returns how many were committed."""
        assert self.process.stdin is not None
        lines = "".join(json.dumps(transaction) + "\n" for transaction in transactions)
        self.process.stdin.write(lines.encode())
        self.process.stdin.flush()
        return sum(self._line() == "true" for _ in transactions)

    def settle(self) -> None:
        """Wait until the bus has its messages, or a later one that shows what was lost."""
        assert self.process.stdin is not None
        self.process.stdin.write(b"settle\n")
        self.process.stdin.flush()
        assert self._line() == "true", "the messages of a writer were not sent"

    def _line(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline().decode().strip()
        assert line, "a writer has ended"
        return line


class Site:
    """The site, for the length of a block.

    If the broker is PostgreSQL, it is the database, too.

    Args:
        kind: one of ``KINDS``. Its servers are started with the site.
        seed: of the lossy writers.
        bug: to plant in the servers, or None.
    """

    broker: Broker
    database: Broker | None = None

    def __init__(self, kind: str, seed: str, bug: str | None = None) -> None:
        self._kind, self._seed, self._bug = kind, seed, bug
        self._stack = ExitStack()
        self._directory = tempfile.TemporaryDirectory(prefix="oracle-faults-")
        self.data = Path(self._directory.name)
        self.servers: list[Server] = []
        self.writers: list[Writer] = []
        self.relays: list[Relay] = []
        self._log = (self.data / "log").open("wb")

    @property
    def is_database(self) -> bool:
        """Whether the broker is the database, too."""
        return self._kind in ("log", "notify")

    def environ(self, **changes: str) -> dict[str, str]:
        """Return the environment of a process of the site."""
        site: dict[str, Any] = {"data": str(self.data), "bus": self.broker.url}
        if self.database is not None:
            given = dict(parse_qsl(urlsplit(self.database.url).query))
            names = {
                "NAME": "dbname",
                **{n: n.lower() for n in ("USER", "PASSWORD", "HOST", "PORT")},
            }
            site["postgres"] = {name: given[key] for name, key in names.items()}
            if self.is_database:
                site["bus"] = f"postgresql+{self._kind}://default"
            else:
                site["relayed_log"] = "postgresql+log://default"
        return {
            **os.environ,
            "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "src")]),
            "DJANGO_SETTINGS_MODULE": "tests.oracle.faults.settings",
            "PROJECT_DATA": str(self.data),
            "PROJECT_LOG_LEVEL": "WARNING",
            "ORACLE_SITE": json.dumps(site),
            **changes,
        }

    def start(self) -> None:
        """Start all processes. The database must be there."""
        bug = {"ORACLE_BUG": self._bug} if self._bug else {}
        self.servers = [Server(self.environ(**bug), self._log) for _ in range(2)]
        # Each loss makes all views run again, which would hide that messages are not passed on.
        lossy = {} if self._bug == "no-messages" else {"ORACLE_LOSSY": self._seed}
        self.writers = [
            Writer(self.environ(), self._log),
            Writer(self.environ(**lossy), self._log),
        ]
        if self._kind == "relay":
            self.relays = [Relay(self.environ(), self._log)]
        waiting: list[Server | Writer | Relay] = [*self.servers, *self.writers, *self.relays]
        for process in waiting:
            process.wait()

    def log(self) -> str:
        """What the processes have logged."""
        return (self.data / "log").read_text(errors="replace")

    def __enter__(self) -> Self:
        is_relayed = self._kind == "relay"
        self.broker = self._serve("redis" if is_relayed else self._kind)
        if is_relayed:
            self.database = self._serve("log")
        elif self.is_database:
            self.database = self.broker
        return self

    def _serve(self, name: str) -> Broker:
        server = Broker(self._stack.enter_context(SERVERS[name]()))
        self._stack.callback(server.close)
        server.start()
        return server

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        tb: TracebackType | None,
    ) -> None:
        for process in (*self.servers, *self.writers, *self.relays):
            process.kill()
        self._stack.close()
        self._log.close()
        self._directory.cleanup()
