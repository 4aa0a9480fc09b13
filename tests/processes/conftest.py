"""A site of several processes: one database, one bus, and servers that share both."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.commands import PROJECT, running
from tests.acceptance.servers import ROOT, Server, environ, free_port, manage, serving
from tests.contract.conftest import BROKERS, URLS

NO_RECHECK = {"LIVE_RECHECK_SECONDS": 0}  # so that only the bus can tell of a commit


class Site:
    """The processes of one project."""

    def __init__(self, data: Path, bus: str, stack: ExitStack) -> None:
        joined = "&" if "?" in bus else "?"
        self.data, self._stack = data, stack
        self._django: dict[str, Any] = {}
        self.settings: dict[str, Any] = {
            **NO_RECHECK,
            "BUS": bus if bus == "memory://" else f"{bus}{joined}channel=c{uuid4().hex[:12]}",
        }

    def share_cache(self) -> None:
        """Give all processes one cache, in files."""
        backend = "django.core.cache.backends.filebased.FileBasedCache"
        self._django["CACHES"] = {
            "default": {"BACKEND": backend, "LOCATION": str(self.data / "cache")}
        }

    def serve(self, kind: str) -> Server:
        """Start a server of the project."""
        return self._stack.enter_context(
            serving(
                kind,
                self.data,
                PROJECT_DATA=str(self.data),
                PROJECT_DJANGO=json.dumps(self._django),
                **self.settings,
            )
        )

    def runwebsockets(self, *arguments: str) -> Server:
        """Start ``manage.py runwebsockets``."""
        port = free_port()
        return self._stack.enter_context(
            running(
                self.data,
                "runwebsockets",
                f"127.0.0.1:{port}",
                *arguments,
                port=port,
                manage_py=PROJECT,
                **self.environ,
            )
        )

    @contextmanager
    def celery(self, pool: str) -> Iterator[None]:
        """Run a Celery worker with one process or thread, for the length of the block."""
        with (
            (self.data / f"{pool}.log").open("wb") as log,
            subprocess.Popen(
                [
                    *(sys.executable, "-m", "celery", "-A", "tests.processes.tasks", "worker"),
                    *("--pool", pool, "--concurrency", "1", "--loglevel", "INFO"),
                ],
                cwd=ROOT,
                env=environ(self.data, **self.environ),
                stdout=log,
                stderr=log,
            ) as process,
        ):
            try:
                yield
            finally:
                process.terminate()
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    process.kill()

    def shell(self, code: str) -> str:
        """Run ``manage.py shell`` with some code."""
        return manage(self.data, "shell", "-c", code, **self.environ)

    @property
    def environ(self) -> dict[str, str]:
        """The settings as environment variables of the test project."""
        return {
            "PROJECT_DJANGO": json.dumps(self._django),
            **{f"WSREQUEST_{name}": json.dumps(value) for name, value in self.settings.items()},
        }


@pytest.fixture(params=BROKERS)
def site(request: pytest.FixtureRequest, project_data: Path, tmp_path: Path) -> Iterator[Site]:
    """A site on each broker in turn."""
    data = tmp_path / "data"
    shutil.copytree(project_data, data)
    with ExitStack() as stack:
        yield Site(data, URLS[request.param](request), stack)
