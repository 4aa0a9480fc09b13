"""A NATS server of the tests' own. A test asks for ``nats_url``, made for one session.

Owns finding the program, and the process. tests/conftest.py loads this module as a plugin.
"""

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from tests.ports import free_port

START_SECONDS = 20.0
STOP_SECONDS = 10.0


def find_nats() -> str | None:
    """Return the path of the server's program. Debian puts it where only root looks."""
    return shutil.which("nats-server") or shutil.which("nats-server", path="/usr/sbin")


@contextmanager
def running_nats(*options: str, port: int = 0) -> Iterator[int]:
    """The pid of a server on a port of 127.0.0.1, for the length of the block.

    Without the program a skip, or a failure when CI or TEST_ALL is set.
    """
    program = find_nats()
    if program is None:
        missing = "nats-server is missing (Debian package nats-server)"
        if os.environ.get("CI") or os.environ.get("TEST_ALL"):
            pytest.fail(missing)
        pytest.skip(missing)
    command = [program, "--addr", "127.0.0.1", "--port", str(port), *options]
    if shutil.which("setpriv"):
        # Should the tests be killed, the kernel stops the server.
        command = ["setpriv", "--pdeathsig", "KILL", *command]
    quiet = subprocess.DEVNULL
    with subprocess.Popen(command, stdout=quiet, stderr=quiet) as process:
        try:
            _wait(process, port)
            yield process.pid
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def _wait(process: "subprocess.Popen[bytes]", port: int) -> None:
    deadline = time.monotonic() + START_SECONDS
    while process.poll() is None and time.monotonic() < deadline:
        try:
            with socket.create_connection(("127.0.0.1", port), timeout=1) as asking:
                if asking.recv(4) == b"INFO":
                    return
        except OSError:
            time.sleep(0.02)
    raise RuntimeError("nats-server did not start")


@pytest.fixture(scope="session")
def nats_url() -> Iterator[str]:
    """A running server."""
    port = free_port()
    with running_nats(port=port):
        yield f"nats://127.0.0.1:{port}"
