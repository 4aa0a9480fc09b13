"""Transactions, several databases and persistent connections, as under a WSGI server."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.client import Client, connect
from tests.acceptance.servers import Server, manage, serving

pytestmark = pytest.mark.each


def rows(client: Client, text: str) -> Any:
    return client.get("/rows/", data={"text": text}).data


def test_databases_are_both_written(any_client: Client) -> None:
    text = uuid4().hex
    answer = any_client.request("POST", f"/rows/write/?text={text}")
    assert (answer.status, answer.data) == (201, {"committed": 1})
    assert rows(any_client, text) == {"default": 1, "other": 1, "committed": 1}


def test_autocommit_keeps_what_was_written_before_a_failure(any_client: Client) -> None:
    text = uuid4().hex
    assert any_client.request("POST", f"/rows/write/?text={text}&fail").status == 500
    assert rows(any_client, text) == {"default": 1, "other": 1, "committed": 1}


def test_atomic_block_rolls_back_and_its_hooks_do_not_run(any_client: Client) -> None:
    kept, lost = uuid4().hex, uuid4().hex
    expected = {"default": 1, "other": 0, "committed": 1}
    assert any_client.get("/rows/block/", data={"text": kept}).data == expected
    expected = {"default": 0, "other": 0, "committed": 0}
    assert any_client.get("/rows/block/", data={"text": lost, "fail": 1}).data == expected


@pytest.fixture(scope="module")
def atomic_server(project_data: Path) -> Iterator[Server]:
    """A server whose alias ``other`` has ATOMIC_REQUESTS."""
    with serving("uvicorn-sansio", project_data, PROJECT_ATOMIC_REQUESTS="1") as running:
        yield running


def test_atomic_requests_commit_after_the_view(atomic_server: Server) -> None:
    with connect(atomic_server) as client:
        text = uuid4().hex
        answer = client.request("POST", f"/rows/write/?text={text}")
        assert (answer.status, answer.data) == (201, {"committed": 0})
        assert rows(client, text) == {"default": 1, "other": 1, "committed": 1}


def test_atomic_requests_roll_back_when_the_view_fails(atomic_server: Server) -> None:
    """Only on the alias that has it; and the hooks of what was rolled back do not run."""
    with connect(atomic_server) as client:
        text = uuid4().hex
        assert client.request("POST", f"/rows/write/?text={text}&fail").status == 500
        assert rows(client, text) == {"default": 1, "other": 0, "committed": 0}
        # The thread's connection is usable for whoever comes next.
        assert client.request("POST", f"/rows/write/?text={text}").status == 201
        assert rows(client, text) == {"default": 2, "other": 1, "committed": 1}


def test_atomic_requests_commit_what_a_view_answers_with_an_error(atomic_server: Server) -> None:
    with connect(atomic_server) as client:
        text = uuid4().hex
        assert client.request("POST", f"/rows/write/?text={text}&status=500").status == 500
        assert rows(client, text) == {"default": 1, "other": 1, "committed": 1}


def test_atomic_requests_are_refused_to_async_views_as_over_http(atomic_server: Server) -> None:
    with connect(atomic_server) as client:
        status = atomic_server.http("GET", "/who/async/").status
        assert client.get("/who/async/").status == status == 500


def test_connection_max_age_keeps_the_connection_of_a_thread(
    serve: Callable[..., Server],
) -> None:
    with connect(serve(THREADS=1, MAX_THREADS=1)) as client:
        seen = [client.get("/connection/").data for _ in range(5)]
    assert len({each["thread"] for each in seen}) == 1
    assert len({each["connection"] for each in seen}) == 1
    assert {each["opened"] for each in seen} == {1}


def test_connection_max_age_zero_opens_one_for_each_request(serve: Callable[..., Server]) -> None:
    with connect(serve(THREADS=1, MAX_THREADS=1, PROJECT_CONN_MAX_AGE="0")) as client:
        assert [client.get("/connection/").data["opened"] for _ in range(3)] == [1, 2, 3]


def test_connections_are_no_more_than_the_threads_have(serve: Callable[..., Server]) -> None:
    server = serve(THREADS=2, MAX_THREADS=2)
    with connect(server) as one, connect(server) as two:
        ids = [(client, client.send("GET", "/connection/")) for client in (one, two) * 20]
        seen = [client.answer(id).data for client, id in ids]
    assert len({each["connection"] for each in seen}) <= 2
    assert max(each["opened"] for each in seen) <= 2


def postgres_settings(parameters: Any, **changes: Any) -> dict[str, str]:
    """The environment that makes PostgreSQL the project's default database."""
    return {"PROJECT_POSTGRES": json.dumps({**parameters, **changes})}


@pytest.fixture(scope="module")
def migrated_postgres(postgres_params: Any, project_data: Path) -> Any:
    """Parameters of a PostgreSQL database that has the project's tables."""
    manage(project_data, "migrate", "--verbosity=0", **postgres_settings(postgres_params))
    return postgres_params


def test_postgres_connection_stays_with_its_thread(
    migrated_postgres: Any, serve: Callable[..., Server]
) -> None:
    settings = postgres_settings(migrated_postgres, CONN_MAX_AGE=60)
    with connect(serve(THREADS=1, MAX_THREADS=1, **settings)) as client:
        seen = [client.get("/connection/").data for _ in range(5)]
    assert {each["vendor"] for each in seen} == {"postgresql"}
    assert len({each["backend"] for each in seen}) == 1


def test_postgres_pool_serves_all_with_its_few_connections(
    migrated_postgres: Any, serve: Callable[..., Server]
) -> None:
    pool = {"min_size": 1, "max_size": 2, "timeout": 20}
    settings = postgres_settings(migrated_postgres, OPTIONS={"pool": pool})
    server = serve(THREADS=6, MAX_THREADS=6, **settings)

    def talk(n: int) -> set[int]:
        with connect(server) as client:
            text = uuid4().hex
            assert client.request("POST", "/api/notes/", data={"text": text}).status == 201
            assert client.get("/rows/async/", data={"text": text}).data == {"texts": [text]}
            assert client.get("/fault/raise/").status == 500
            ids = [client.send("GET", "/connection/") for _ in range(10)]
            backends = {client.answer(id).data["backend"] for id in ids}
            assert rows(client, text)["default"] == 2
            return backends

    with ThreadPoolExecutor(6) as executor:
        backends = set().union(*executor.map(talk, range(6)))
    assert 1 <= len(backends) <= 2
