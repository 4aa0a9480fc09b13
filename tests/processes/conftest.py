"""A site of several processes: one database, one bus, and servers that share both."""

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import psycopg.sql
import pytest

from tests.acceptance.commands import PROJECT, running
from tests.acceptance.servers import ROOT, Server, environ, manage, serving
from tests.contract.conftest import BROKERS, SERVICES, URLS
from tests.ports import free_port
from tests.postgres import Params, connecting

NO_RECHECK = {"LIVE_RECHECK_SECONDS": 0}  # so that only the bus can tell of a commit


class Site:
    """The processes of one project.

    Args:
        data: the directory of its databases and logs.
        bus: the URL of its bus.
        stack: ends its processes.
        postgres: its default database, which is empty. Without one, it is the migrated SQLite.
    """

    def __init__(
        self, data: Path, bus: str, stack: ExitStack, postgres: Params | None = None
    ) -> None:
        joined = "&" if "?" in bus else "?"
        self.data, self._stack = data, stack
        self.postgres = postgres
        self._django: dict[str, Any] = {}
        self.settings: dict[str, Any] = {
            **NO_RECHECK,
            "BUS": f"{bus}{joined}channel=c{uuid4().hex[:12]}",
        }
        if postgres is not None:
            manage(data, "migrate", "--verbosity=0", **self.environ)

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
                **self._project,
                **self.settings,
            )
        )

    def runwebsockets(self, *arguments: str) -> Server:
        """Start ``manage.py runwebsockets``."""
        return self._stack.enter_context(self.serving_for_a_while(*arguments))

    def serving_for_a_while(self, *arguments: str) -> AbstractContextManager[Server]:
        """Run ``manage.py runwebsockets`` for the length of a block."""
        port = free_port()
        return running(
            self.data,
            "runwebsockets",
            f"127.0.0.1:{port}",
            *arguments,
            port=port,
            manage_py=PROJECT,
            **self.environ,
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
            **self._project,
            **{f"WSREQUEST_{name}": json.dumps(value) for name, value in self.settings.items()},
        }

    @property
    def _project(self) -> dict[str, Any]:
        postgres = {"PROJECT_POSTGRES": json.dumps(self.postgres)} if self.postgres else {}
        return {"PROJECT_DJANGO": json.dumps(self._django), **postgres}


@pytest.fixture(params=BROKERS)
def site(request: pytest.FixtureRequest, project_data: Path, tmp_path: Path) -> Iterator[Site]:
    """A site on each broker in turn. If that is PostgreSQL, it is the project's database, too."""
    kind, data = request.param, tmp_path / "data"
    shutil.copytree(project_data, data)
    with ExitStack() as stack:
        if SERVICES.get(kind) != "postgresql":
            yield Site(data, URLS[kind](request), stack)
            return
        params = _new_database(request.getfixturevalue("postgres_params"))
        site = Site(data, f"postgresql+{kind}://default", stack, params)
        if kind == "log":
            manage(data, "wsrequest_publication", **site.environ)
        yield site


def _new_database(params: Params) -> Params:
    name = f"site_{uuid4().hex[:12]}"
    with psycopg.connect(**connecting(params), autocommit=True) as connection:
        connection.execute(
            psycopg.sql.SQL("CREATE DATABASE {}").format(psycopg.sql.Identifier(name))
        )
    return Params({**params, "NAME": name})


on_one_broker = pytest.mark.parametrize("site", BROKERS[:1], indirect=True)
"""For what depends on the process that publishes, and not on the broker."""
