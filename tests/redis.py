"""A Redis server of the tests' own, made for one session and thrown away.

Owns finding the program, the process and its directory. A test asks for ``redis_url``;
tests/conftest.py loads this module as a plugin.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.ports import free_port

START_SECONDS = 20.0
STOP_SECONDS = 10.0


@contextmanager
def serving_redis(port: int, *options: str, config: Path | None = None) -> Iterator[int]:
    """The pid of a server on a port of 127.0.0.1, for the length of the block.

    Without the program a skip, or a failure when CI or TEST_ALL is set.
    """
    program = shutil.which("redis-server")
    if program is None:
        missing = "redis-server is missing (Debian package redis-server)"
        if os.environ.get("CI") or os.environ.get("TEST_ALL"):
            pytest.fail(missing)
        pytest.skip(missing)
    with tempfile.TemporaryDirectory(prefix="wsrequest-redis-") as directory:
        command = [
            *(program, *([] if config is None else [str(config)])),
            *("--port", str(port), "--bind", "127.0.0.1", "--dir", directory),
            *("--save", "", "--appendonly", "no", "--databases", "4", *options),
        ]
        if shutil.which("setpriv"):
            # Should the tests be killed, the kernel stops the server.
            command = ["setpriv", "--pdeathsig", "KILL", *command]
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            try:
                _wait(process, port)
                yield process.pid
            finally:
                process.send_signal(signal.SIGCONT)  # a test may have stopped it
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(STOP_SECONDS)
                except subprocess.TimeoutExpired:
                    process.kill()


@contextmanager
def running_redis() -> Iterator[str]:
    """The URL of a server for the length of the block."""
    port = free_port()
    with serving_redis(port):
        yield f"redis://127.0.0.1:{port}/0"


def _wait(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as asking:
                asking.sendall(b"PING\r\n")
                if asking.recv(16).startswith((b"+PONG", b"-NOAUTH")):
                    return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError("redis-server did not start")


@pytest.fixture(scope="session")
def redis_url() -> Iterator[str]:
    """A running server."""
    with running_redis() as url:
        yield url
