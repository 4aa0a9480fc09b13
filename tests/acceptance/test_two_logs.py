"""A project with two PostgreSQL databases on two servers, whose logs are both read."""

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.acceptance.client import connect
from tests.acceptance.servers import Server, manage, serving
from tests.acceptance.test_live import first, name, until
from tests.contract.servers import frozen
from tests.postgres import Cluster, Params, connecting, made_cluster

pytestmark = [pytest.mark.needs("postgresql"), pytest.mark.timeout(120)]


class Database:
    """One of the two.

    Attributes:
        alias: in DATABASES.
        params: how to connect.
    """

    def __init__(self, alias: str, params: Params) -> None:
        self.alias, self.params = alias, params

    def psql(self, statement: str) -> list[Any]:
        with psycopg.connect(**connecting(self.params), autocommit=True) as connection:
            connection.execute("SET synchronous_commit = local")
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """The server of the second database."""
    with made_cluster() as cluster:
        yield cluster


@pytest.fixture(scope="module")
def databases(
    postgres_params: Params, cluster: Cluster, project_data: Path
) -> Iterator[list[Database]]:
    """Both, migrated and published by the command."""
    Database("", postgres_params).psql("CREATE DATABASE project_two")
    with cluster.serve() as other:
        found = [
            Database("default", Params({**postgres_params, "NAME": "project_two"})),
            Database("other", other),
        ]
        for each in found:
            manage(
                project_data, "migrate", "--verbosity=0", f"--database={each.alias}", **named(found)
            )
        check = ("check", "--database=default", "--database=other")
        said = manage(project_data, *check, **named(found))
        for each in found:
            assert f"The database '{each.alias}' has no publication" in said
        manage(project_data, "wsrequest_publication", **named(found))
        assert "W048" not in manage(project_data, *check, **named(found))
        yield found


def named(databases: list[Database]) -> dict[str, str]:
    """What tells a process of the project about them."""
    default, other = (json.dumps(each.params) for each in databases)
    return {
        "PROJECT_POSTGRES": default,
        "PROJECT_POSTGRES_OTHER": other,
        "WSREQUEST_BUS": json.dumps("postgresql+log://default,other"),
    }


@pytest.fixture(scope="module")
def servers(databases: list[Database], project_data: Path) -> Iterator[list[Server]]:
    """Two processes of the project."""
    settings: dict[str, Any] = {
        name.removeprefix("WSREQUEST_"): value for name, value in named(databases).items()
    }
    settings["BUS"] = json.loads(settings["BUS"])
    with ExitStack() as stack:
        yield [
            stack.enter_context(serving("uvicorn-sansio", project_data, **settings))
            for _ in range(2)
        ]


def counts(frame: Any) -> tuple[int, int]:
    data = frame.head["data"]
    return data["default"], data["other"]


@pytest.mark.documents("docs/processes.md", "Several databases")
def test_commit_to_either_is_shown(servers: list[Server], databases: list[Database]) -> None:
    text = name()
    with connect(servers[0]) as client:
        id, version = first(client, f"/rows/?text={text}")
        assert counts(version) == (0, 0)
        databases[1].psql(f"INSERT INTO project_mirror (text) VALUES ('{text}')")
        until(client, id, lambda frame: counts(frame) == (0, 1))
        databases[0].psql(f"INSERT INTO project_note (text) VALUES ('{text}')")
        until(client, id, lambda frame: counts(frame) == (1, 1))


def test_settled_response_comes_after_the_commits_to_both(servers: list[Server]) -> None:
    text = name()
    with connect(servers[0]) as client:
        id, _ = first(client, f"/rows/?text={text}")
        for number in range(1, 6):
            posted = client.send("GET", f"/rows/write/?text={text}", settled=True)
            frames = [client.receive()]
            while frames[-1].head.get("id") != posted:
                frames.append(client.receive())
            assert frames[-1].head["settled"] is True
            versions = [frame for frame in frames if frame.head["id"] == id]
            assert counts(versions[-1]) == (number, number)


@pytest.mark.documents("docs/processes.md", "Several databases")
def test_database_that_hangs_makes_the_process_uncertain(
    servers: list[Server], databases: list[Database], cluster: Cluster
) -> None:
    text = name()
    with connect(servers[0]) as client:
        id, _ = first(client, f"/rows/?text={text}")
        reports: list[bool] = []

        def until_reported(report: bool) -> None:
            while reports[-1:] != [report]:
                frame = client.receive(30)
                if "uncertain" in frame.head:
                    reports.append(frame.head["uncertain"])

        with frozen(cluster.pid):
            until_reported(True)
        until_reported(False)
        databases[1].psql(f"INSERT INTO project_mirror (text) VALUES ('{text}')")
        until(client, id, lambda frame: "data" in frame.head and counts(frame) == (0, 1))
