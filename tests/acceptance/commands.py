"""``manage.py`` commands, each a process of its own: that serve until a test stops them, or end."""

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.acceptance.servers import ROOT, RUNNING, START_SECONDS, Server, environ, wait_until

BANNER = "WebSockets are at "
PROJECT = ROOT / "tests" / "project" / "manage.py"


@contextmanager
def running(
    data: Path, *arguments: str, port: int, manage_py: Path = PROJECT, **changes: str
) -> Iterator[Server]:
    """Run a command for the length of the block, from when it says that it listens.

    Its process leads a group, so that a test can interrupt it as a terminal does.
    """
    with (
        tempfile.NamedTemporaryFile(prefix="wsrequest-command-") as log,
        subprocess.Popen(
            [sys.executable, str(manage_py), *arguments],
            cwd=manage_py.parent,
            env=environ(data, **changes),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        ) as process,
    ):
        server = Server(arguments[0], port, process, Path(log.name))
        RUNNING.append(server)
        try:
            wait_until(lambda: BANNER in server.log() or process.poll() is not None, START_SECONDS)
            assert process.poll() is None, server.log()
            yield server
        finally:
            if process.poll() is None:
                server.stop()
            RUNNING.remove(server)


def finished(
    data: Path, *arguments: str, manage_py: Path = PROJECT, **changes: str
) -> tuple[int, str]:
    """Run a command that ends by itself; return its exit code and all that it printed."""
    done = subprocess.run(
        [sys.executable, str(manage_py), *arguments],
        cwd=manage_py.parent,
        env=environ(data, **changes),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=60,
    )
    return done.returncode, done.stdout
