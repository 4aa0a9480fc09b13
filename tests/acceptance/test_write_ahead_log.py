"""Two server processes on PostgreSQL's write-ahead log, and programs that know nothing of it."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import psycopg
import pytest

from tests.acceptance.client import connect
from tests.acceptance.servers import Server, manage, serving
from tests.acceptance.test_live import (
    NOTES,
    add_note,
    first,
    name,
    settled_after_their_versions,
    until,
)
from tests.postgres import Params, connecting

pytestmark = pytest.mark.needs("postgresql")


@pytest.fixture(scope="module")
def parameters(postgres_params: Params, project_data: Path) -> Params:
    """A migrated database of the project, whose log is published."""
    with psycopg.connect(**connecting(postgres_params), autocommit=True) as connection:
        connection.execute("CREATE DATABASE project_log")
    found = Params({**postgres_params, "NAME": "project_log"})
    manage(project_data, "migrate", "--verbosity=0", PROJECT_POSTGRES=json.dumps(found))
    with psycopg.connect(**connecting(found), autocommit=True) as connection:
        connection.execute("CREATE PUBLICATION wsrequest FOR ALL TABLES")
    return found


@pytest.fixture(scope="module")
def servers(parameters: Params, project_data: Path) -> Iterator[list[Server]]:
    """Two of them, which share nothing but the database."""
    with ExitStack() as stack:
        yield [
            stack.enter_context(
                serving(
                    "uvicorn-sansio",
                    project_data,
                    PROJECT_POSTGRES=json.dumps(parameters),
                    BUS="postgresql+log://default",
                )
            )
            for _ in range(2)
        ]


@pytest.fixture
def psql(parameters: Params) -> Iterator[Any]:
    with psycopg.connect(**connecting(parameters), autocommit=True) as connection:
        connection.execute("SET synchronous_commit = local")
        yield connection.execute


def test_commit_of_psql_and_of_the_other_server_is_shown(servers: list[Server], psql: Any) -> None:
    with connect(servers[0]) as client, connect(servers[1]) as other:
        id, _ = first(client, NOTES)
        psql("INSERT INTO project_note (text) VALUES ('by psql')")
        until(client, id, lambda frame: "by psql" in json.dumps(frame.head["data"]))
        text = name()
        add_note(other, text)
        until(client, id, lambda frame: text in json.dumps(frame.head["data"]))


def test_settled_response_comes_after_the_version_that_shows_it(servers: list[Server]) -> None:
    with connect(servers[0]) as client:
        settled_after_their_versions(client)


def test_response_is_not_settled_while_the_log_cannot_be_heard(
    servers: list[Server], psql: Any
) -> None:
    with connect(servers[0]) as client:
        id, _ = first(client, NOTES)

        def until_uncertain(is_uncertain: bool) -> None:
            while client.receive(30).head.get("uncertain") is not is_uncertain:
                pass

        psql("DROP PUBLICATION wsrequest")
        try:
            psql("INSERT INTO project_note (text) VALUES ('unheard')")
            until_uncertain(True)
            answer = client.request("POST", NOTES, data={"text": name()}, settled=True)
            assert answer.first.head["settled"] is False
        finally:
            psql("CREATE PUBLICATION wsrequest FOR ALL TABLES")
        until_uncertain(False)
        answer = client.request("POST", NOTES, data={"text": name()}, settled=True)
        assert answer.first.head["settled"] is True


def test_view_that_writes_what_it_reads_does_not_run_itself(
    servers: list[Server], psql: Any
) -> None:
    with connect(servers[0]) as client:
        id, _ = first(client, "/live/visits/")
        for _ in range(3):
            add_note(client, "visit")
            client.receive_for(id)
            _until_quiet(psql)
            client.settle()
        before = _visits(psql)
        add_note(client, "visit")
        again = client.receive_for(id)
        _until_quiet(psql)
        assert again.head["data"]["count"] == before + 2
        assert client.settle() == []


def test_two_processes_whose_views_write_what_they_read_are_slowed_down(
    servers: list[Server], psql: Any
) -> None:
    with connect(servers[0]) as client, connect(servers[1]) as other:
        first(client, "/live/visits/")
        first(other, "/live/visits/")
        before, began = _visits(psql), monotonic()
        while _visits(psql) - before < 4:  # they do trigger each other
            assert monotonic() - began < 30
        sleep(3)
        # Without their origin, these would be hundreds.
        assert _visits(psql) - before < 40


def _visits(psql: Any) -> int:
    found: int = psql("SELECT count(*) FROM project_note WHERE text = 'visit'").fetchone()[0]
    return found


def _until_quiet(psql: Any) -> None:
    before = -1
    while before != (before := _visits(psql)):
        sleep(0.7)
