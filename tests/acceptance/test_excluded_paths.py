"""What a reverse proxy guards or completes is out of a message's reach."""

import json
from collections.abc import Callable
from itertools import product
from typing import Any

import pytest

from tests.acceptance.client import Client, connect
from tests.acceptance.servers import Server

EXCLUDED = ["/echo/", "/notes/größe"]


WAYS = [
    *("/echo/", "/echo", "/echo/below/it?x=1", "/%65cho/", "/%65%63%68%6F/", "/echo%2F"),
    "/notes/gr%C3%B6%C3%9Fe/1/",
]


def test_a_message_does_not_reach_what_is_excluded(serve: Callable[..., Server]) -> None:
    with connect(serve(EXCLUDED_PATHS=EXCLUDED)) as client:
        for method, url in product(["GET", "POST"], WAYS):
            answer = client.answer(client.send(method, url))
            assert answer.error is not None, url
            assert (answer.status, answer.error["code"]) == (421, "use_http"), url
            assert answer.error["temporary"] is False
        assert client.get("/ready/").data == "ready"


def test_a_script_name_is_no_way_around(serve: Callable[..., Server]) -> None:
    server = serve(
        EXCLUDED_PATHS=EXCLUDED, PROJECT_DJANGO=json.dumps({"FORCE_SCRIPT_NAME": "/app"})
    )
    with connect(server) as client:
        for url in ("/app/echo/", "/echo/", "/app/%65cho/"):
            answer = client.get(url)
            assert answer.error is not None and answer.error["code"] == "use_http", url
        assert client.get("/app/ready/").data == "ready"


def test_what_is_excluded_is_there_by_http_and_not_by_events(
    serve: Callable[..., Server],
) -> None:
    server = serve(EXCLUDED_PATHS=EXCLUDED)
    assert server.http("GET", "/echo/").status == 200
    events = server.http("GET", "/ws/?url=%2F%2565cho%2F", headers={"Accept": "text/event-stream"})
    assert events.status == 421
    assert b"use_http" in events.body


@pytest.mark.parametrize("header", ["X-Accel-Redirect", "X-Sendfile", "x-lighttpd-send-file"])
@pytest.mark.parametrize("credit", [{}, {"credit": 2**20}], ids=["whole", "in-parts"])
def test_an_answer_for_the_proxy_never_leaves(
    any_client: Client, any_server: Server, header: str, credit: dict[str, Any]
) -> None:
    url = f"/handed-over/?header={header}"
    for method in ("GET", "HEAD"):
        answer = any_client.answer(any_client.send(method, url, **credit))
        assert answer.error is not None
        assert (answer.status, answer.error["code"]) == (421, "use_http")
        assert "secret" not in str(answer.frames)
    answer = any_client.answer(any_client.send("POST", url, **credit))
    assert answer.error is not None
    assert (answer.status, answer.error["code"]) == (500, "internal_error")
    assert "secret" not in str(answer.frames)
    assert f"POST /handed-over/ was answered with {header}" in any_server.log()


def test_a_live_answer_for_the_proxy_never_leaves(any_client: Client) -> None:
    id = any_client.send("GET", "/handed-over/?header=X-Accel-Redirect", subscribe=True)
    answer = any_client.answer(id)
    assert answer.error is not None and answer.error["code"] == "use_http"
    assert "secret" not in str(answer.frames)
