"""One process reads PostgreSQL's log, and Redis or NATS brings it to the servers."""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import psycopg
import pytest

from tests.acceptance.client import Client, connect
from tests.acceptance.servers import ROOT, Server, environ, manage, serving, wait_until
from tests.acceptance.test_live import (
    NOTES,
    add_note,
    first,
    name,
    settled_after_their_versions,
    until,
)
from tests.contract.conftest import URLS
from tests.postgres import Params, connecting

pytestmark = [
    pytest.mark.needs("postgresql"),
    pytest.mark.timeout(180),
    pytest.mark.documents("docs/processes.md", "One process that reads for all"),
]
# Twice what the documentation says, because other tests run on the machine.
BOUND_SECONDS = 2 * 5.0


class Site:
    """A project: one database, one bus, one server, and relays.

    Attributes:
        settings: of each process, as ``serving`` takes them.
    """

    server: Server

    def __init__(self, data: Path, params: Params, bus: str) -> None:
        self._data, self._params = data, params
        self.settings = {
            "PROJECT_POSTGRES": json.dumps(params),
            "BUS": f"{bus}?channel=c{uuid4().hex[:12]}",
            "RELAYED_LOG": "postgresql+log://default",
            "LIVE_RECHECK_SECONDS": 3600,
        }

    @property
    def environ(self) -> dict[str, str]:
        return {
            "PROJECT_POSTGRES": json.dumps(self._params),
            **{
                f"WSREQUEST_{name}": json.dumps(value)
                for name, value in self.settings.items()
                if name != "PROJECT_POSTGRES"
            },
        }

    def psql(self, statement: str) -> list[Any]:
        with psycopg.connect(**connecting(self._params), autocommit=True) as connection:
            connection.execute("SET synchronous_commit = local")
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    @contextmanager
    def relay(self) -> Iterator["subprocess.Popen[bytes]"]:
        """Run ``manage.py wsrequest_relay``, which reads the log when the block begins."""
        before = self.slots()
        with (
            (self._data / f"relay-{uuid4().hex}").open("wb") as log,
            subprocess.Popen(
                [sys.executable, "tests/project/manage.py", "wsrequest_relay"],
                cwd=ROOT,
                env=environ(self._data, **self.environ),
                stdout=log,
                stderr=log,
            ) as process,
        ):
            try:
                wait_until(lambda: self.slots() > before)
                yield process
            finally:
                process.kill()
                process.wait(10)

    def slots(self) -> int:
        """How many processes read the log of the database."""
        count = "SELECT count(*) FROM pg_replication_slots WHERE database = current_database()"
        return int(self.psql(count)[0][0])


@pytest.fixture(
    params=[
        pytest.param("redis", marks=pytest.mark.needs("redis")),
        pytest.param("nats", marks=pytest.mark.needs("nats")),
    ]
)
def site(
    request: pytest.FixtureRequest, postgres_params: Params, project_data: Path, tmp_path: Path
) -> Iterator[Site]:
    database = f"relayed_{uuid4().hex[:8]}"
    with psycopg.connect(**connecting(postgres_params), autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {database}")
    params = Params({**postgres_params, "NAME": database})
    site = Site(tmp_path, params, URLS[request.param](request))
    manage(project_data, "migrate", "--verbosity=0", **site.environ)
    manage(project_data, "wsrequest_publication", **site.environ)
    with ExitStack() as stack:
        settings: dict[str, Any] = site.settings
        site.server = stack.enter_context(serving("uvicorn-sansio", project_data, **settings))
        yield site


class Page:
    """A page with the list of notes, and whether it knows that it may be old."""

    def __init__(self, client: Client) -> None:
        self.client, self.text = client, ""
        self.reports: list[bool] = []
        self.id = client.send("GET", NOTES, subscribe=True)
        self.until(lambda: self.text)

    def until(self, holds: Callable[[], Any], seconds: float = 30.0) -> None:
        """Read frames until something holds."""
        end = time.monotonic() + seconds
        while not holds():
            frame = self.client.receive(max(0.0, end - time.monotonic()))
            if "uncertain" in frame.head:
                self.reports.append(frame.head["uncertain"])
            elif frame.head.get("id") == self.id:
                self.text = json.dumps(frame.head["data"])


def test_commits_of_all_are_shown(site: Site) -> None:
    with site.relay(), connect(site.server) as client, connect(site.server) as other:
        page = Page(client)
        page.until(lambda: page.reports[-1:] != [True])
        assert site.slots() == 1  # the server has none
        site.psql("INSERT INTO project_note (text) VALUES ('by psql')")
        page.until(lambda: "by psql" in page.text)
        text = name()
        add_note(other, text)
        page.until(lambda: text in page.text)


def test_settled_response_comes_after_the_version_that_shows_it(site: Site) -> None:
    with site.relay(), connect(site.server) as client:
        Page(client).until(lambda: True)
        settled_after_their_versions(client)


def test_view_that_writes_what_it_reads_does_not_run_itself(site: Site) -> None:
    visits = "SELECT count(*) FROM project_note WHERE text = 'visit'"
    with site.relay(), connect(site.server) as client:
        page = Page(client)
        page.until(lambda: page.reports[-1:] != [True])
        id, _ = first(client, "/live/visits/")
        before = 0
        for _ in range(3):
            add_note(client, "visit")
            until(client, id, lambda frame: "data" in frame.head)
            before = -1
            while before != (before := site.psql(visits)[0][0]):
                time.sleep(0.7)
        add_note(client, "visit")
        until(client, id, lambda frame: frame.head["data"]["count"] == before + 2)
        time.sleep(1.5)
        assert site.psql(visits)[0][0] == before + 2


def test_relay_that_is_killed_makes_pages_uncertain_until_another_reads(site: Site) -> None:
    with connect(site.server) as client:
        with site.relay() as relay:
            page = Page(client)
            page.until(lambda: page.reports[-1:] != [True])
            page.reports.clear()
            relay.send_signal(signal.SIGKILL)
            page.until(lambda: page.reports == [True], BOUND_SECONDS)
            site.psql("INSERT INTO project_note (text) VALUES ('unheard')")
            page.until(lambda: "unheard" in page.text)
        with site.relay():
            page.until(lambda: page.reports == [True, False])
            site.psql("INSERT INTO project_note (text) VALUES ('heard')")
            page.until(lambda: "heard" in page.text.replace("unheard", ""))


def test_second_relay_takes_over(site: Site) -> None:
    with connect(site.server) as client, site.relay() as relay:
        page = Page(client)
        page.until(lambda: page.reports[-1:] != [True])
        with site.relay():
            site.psql("INSERT INTO project_note (text) VALUES ('by both')")
            page.until(lambda: "by both" in page.text)
            relay.send_signal(signal.SIGTERM)
            assert relay.wait(30) == 0
            for number in range(3):
                site.psql(f"INSERT INTO project_note (text) VALUES ('after {number}')")
                page.until(lambda number=number: f"after {number}" in page.text)  # type: ignore[misc]
            page.until(lambda: page.reports[-1:] != [True])
