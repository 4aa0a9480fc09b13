"""Runs the demo's manage.py: to its end, or as a server for the length of a block.

Owns the demo's environment in tests. The rest of a server (its log, plain HTTP to it, its end) is
``tests.acceptance.servers``'s.
"""

import http.client
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.acceptance.servers import ROOT, RUNNING, START_SECONDS, Server, wait_until
from tests.ports import free_port

MANAGE = str(ROOT / "demo" / "manage.py")
COMMAND_SECONDS = 50  # below the suite's limit for a test


class DemoServer(Server):
    """A running demo. It has no page of its own for this: its list answers when all is there."""

    def answers(self) -> bool:
        """Whether HTTP is served; an error when the process has ended instead."""
        if self.process.poll() is not None:
            raise RuntimeError(f"the demo ended with {self.process.returncode}:\n{self.log()}")
        with suppress(OSError, http.client.HTTPException):
            return self.http("GET", "/api/snippets/").status == 200
        return False


def environ(place: Path, **changes: str) -> dict[str, str]:
    """Return the environment of a demo whose database is in ``place``.

    It has no PYTHONPATH: the demo must find the package by itself in a checkout. Nor has it the
    settings of the suite, or what the person who runs it has set for a demo of their own.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if name != "PYTHONPATH" and not name.startswith(("DEMO_", "DJANGO_"))
    }
    return {
        **kept,
        "DEMO_DB": str(place / "demo.sqlite3"),
        "PYTHONDONTWRITEBYTECODE": "1",
        "PYTHONUNBUFFERED": "1",
        **changes,
    }


def manage(place: Path, *arguments: str) -> str:
    """Run one command of the demo, with warnings as errors, and return what it printed."""
    done = subprocess.run(
        [sys.executable, "-W", "error", MANAGE, *arguments],
        cwd=place,
        env=environ(place),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=COMMAND_SECONDS,
    )
    assert done.returncode == 0, f"manage.py {' '.join(arguments)} failed:\n{done.stdout}"
    return done.stdout


@contextmanager
def serving_demo(place: Path, **changes: str) -> Iterator[DemoServer]:
    """Migrate, seed and serve by ``runserver`` on a free port; ``changes`` are DEMO_* variables."""
    manage(place, "migrate", "--verbosity=0")
    manage(place, "seed")
    port = free_port()
    log_path = place / "log"
    with (
        log_path.open("wb") as log,
        subprocess.Popen(
            [sys.executable, MANAGE, "runserver", f"127.0.0.1:{port}", "--noreload"],
            cwd=place,
            env=environ(place, **changes),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        ) as process,
    ):
        server = DemoServer("the demo", port, process, log_path)
        RUNNING.append(server)
        try:
            wait_until(server.answers, START_SECONDS)
            yield server
        finally:
            server.stop()
            RUNNING.remove(server)
