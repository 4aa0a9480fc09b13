"""A database that goes away: requests fail as over HTTP, and by themselves are well again."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.acceptance.client import Client, connect
from tests.acceptance.servers import Server, manage, wait_until
from tests.acceptance.test_databases import postgres_settings
from tests.ports import free_port
from tests.postgres import Params, made_cluster

URL, ASYNC_URL = "/connection/", "/rows/async/class/?text=x"
KINDS: dict[str, dict[str, Any]] = {
    "kept": {"CONN_MAX_AGE": 600},
    "kept and checked": {"CONN_MAX_AGE": 600, "CONN_HEALTH_CHECKS": True},
    "pool": {
        "CONN_HEALTH_CHECKS": True,
        # It pauses for a second when it has found a connection broken.
        "OPTIONS": {"pool": {"min_size": 1, "max_size": 2, "timeout": 2}},
    },
}


def answers(client: Client) -> bool:
    return client.get(URL).status == 200


def statuses(client: Client, count: int) -> list[int]:
    return [client.get(URL).status for _ in range(count)]


def cut_connections(params: Params) -> None:
    """End every session, as a server does that restarts between two requests."""
    with psycopg.connect(
        dbname=params["NAME"],
        user=params["USER"],
        password=params["PASSWORD"],
        host=params["HOST"],
        port=params["PORT"],
    ) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'"
        )


def error_records(server: Server) -> int:
    return server.log().count("ERROR django.request: Internal Server Error: " + URL)


def assert_fails_as_over_http(server: Server, client: Client) -> None:
    """With the same status, and the same record in the log: one for each request."""
    before = error_records(server)
    assert server.http("GET", URL).status == 500
    by_http = error_records(server) - before
    assert (by_http, client.get(URL).status) == (1, 500)
    assert error_records(server) == before + 2
    assert "OperationalError" in server.log() or "PoolTimeout" in server.log()
    assert client.request("POST", ASYNC_URL).status == 500
    assert client.get("/ready/").data == "ready"


@pytest.mark.needs("postgresql")
@pytest.mark.timeout(120)  # it starts PostgreSQL twice and as many servers as there are kinds
def test_database_that_went_away_is_used_again_when_it_is_back(
    project_data: Path, serve: Callable[..., Server]
) -> None:
    """One thread, so that it is known what the connection that serves has been through."""
    port = free_port()
    with made_cluster() as cluster, ExitStack() as stack:
        with cluster.serve(port) as params:
            manage(project_data, "migrate", "--verbosity=0", **postgres_settings(params))
            servers = {
                kind: serve(THREADS=1, **postgres_settings(params, **settings))
                for kind, settings in KINDS.items()
            }
            clients = {
                kind: stack.enter_context(connect(server)) for kind, server in servers.items()
            }
            for client in clients.values():
                assert client.request("POST", ASYNC_URL).status == 201
                assert statuses(client, 2) == [200, 200]
            cut_connections(params)
            with ThreadPoolExecutor() as executor:
                found = executor.map(lambda client: statuses(client, 3), clients.values())
                seen = dict(zip(clients, found, strict=True))
            # A connection is found broken by the first request, unless Django is to check it.
            assert seen == {kind: [200, 200, 200] for kind in KINDS} | {"kept": [500, 200, 200]}
        with ThreadPoolExecutor() as executor:
            list(executor.map(assert_fails_as_over_http, servers.values(), clients.values()))
        with cluster.serve(port):
            for kind, client in clients.items():
                if kind == "pool":  # it tries again after pauses that grow
                    wait_until(partial(answers, client), 20)
                assert statuses(client, 3) == [200, 200, 200]
                assert client.request("POST", ASYNC_URL).status == 201
