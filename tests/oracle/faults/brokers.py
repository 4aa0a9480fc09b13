"""The servers of each bus, which faults kill, freeze and start again on the same port."""

import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Callable
from contextlib import suppress

from tests.acceptance.servers import free_port, wait_until

__all__ = ["BROKERS", "Broker", "Redis"]


class Broker:
    """One server of a bus.

    Attributes:
        url: for WSREQUEST_BUS.
    """

    url: str
    port: int

    def __init__(self) -> None:
        self.port = free_port()
        self.process: subprocess.Popen[bytes] | None = None

    def command(self) -> list[str]:
        raise NotImplementedError

    def start(self) -> None:
        """Start it, on the port that it had before."""
        command = self.command()
        if shutil.which("setpriv"):
            command = ["setpriv", "--pdeathsig", "KILL", *command]
        self.process = subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        wait_until(self._listens, 20)

    def _listens(self) -> bool:
        with suppress(OSError), socket.create_connection(("127.0.0.1", self.port), timeout=1):
            return True
        return False

    def kill(self) -> None:
        """SIGKILL it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def freeze(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def stop(self) -> None:
        """End it for good. Safe to call twice."""
        if self.process is not None and self.process.poll() is None:
            self.kill()


class Redis(Broker):
    """redis-server, which stores nothing."""

    def __init__(self) -> None:
        super().__init__()
        self.url = f"redis://127.0.0.1:{self.port}/0"
        self._directory = tempfile.TemporaryDirectory(prefix="oracle-redis-")

    def command(self) -> list[str]:
        return [
            *("redis-server", "--port", str(self.port), "--bind", "127.0.0.1"),
            *("--dir", self._directory.name, "--save", "", "--appendonly", "no"),
        ]

    def stop(self) -> None:
        super().stop()
        self._directory.cleanup()


BROKERS: dict[str, Callable[[], Broker]] = {"redis": Redis}
