"""Users whom a proxy names: over the socket as over HTTP of the same process, or not at all."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings

from tests.acceptance.accounts import user_of
from tests.acceptance.client import connect
from tests.acceptance.commands import running
from tests.acceptance.servers import Server
from tests.ports import free_port

pytestmark = pytest.mark.each

MIDDLEWARE = "django.contrib.auth.middleware.RemoteUserMiddleware"
BACKENDS = "django.contrib.auth.backends."


def project(*, is_last: bool = True) -> str:
    """Settings with the middleware; above one that is synchronous unless it is the last."""
    found = list(settings.MIDDLEWARE)
    found.insert(len(found) if is_last else len(found) - 1, MIDDLEWARE)
    backends = [BACKENDS + "RemoteUserBackend", BACKENDS + "ModelBackend"]
    return json.dumps({"MIDDLEWARE": found, "AUTHENTICATION_BACKENDS": backends})


def by_http(server: Server, headers: dict[str, str]) -> Any:
    return server.http("GET", "/who/", headers=headers).json()


def session_of(server: Server, name: str) -> str:
    """A session that the proxy's word began, by HTTP."""
    found = by_http(server, {"Remote-User": name})
    assert found["user"] == name
    return str(found["session"])


@pytest.mark.parametrize("is_last", [True, False], ids=["as-async", "as-sync"])
def test_the_proxys_word_at_the_handshake_counts_as_by_http(
    serve: Callable[..., Server], is_last: bool
) -> None:
    server = serve("uvicorn-sansio", PROJECT_DJANGO=project(is_last=is_last))
    name = f"ann-{uuid4().hex[:8]}"
    told = by_http(server, {"Remote-User": name})["user"]
    with connect(server, headers={"Remote-User": name}) as client:
        assert user_of(client) == told
        assert client.get("/who/async/").data == {"user": told}
        assert client.get("/echo/").data["meta"]["HTTP_REMOTE_USER"] == name
        assert "REMOTE_USER" not in client.get("/echo/").data["meta"]  # for others to believe
    with connect(server) as client:
        assert user_of(client) == ""
        refused = client.get("/who/", headers={"Remote-User": name})
        assert refused.error and refused.error["code"] == "bad_header"


def test_no_message_ends_a_session_for_want_of_the_header(serve: Callable[..., Server]) -> None:
    server = serve("uvicorn-sansio", PROJECT_DJANGO=project())
    name = f"ann-{uuid4().hex[:8]}"
    cookies = {"sessionid": session_of(server, name)}
    with connect(server, cookies=cookies) as client:  # the proxy does not know the user any more
        answer = client.get("/who/")
        assert answer.data["user"] == ""
        assert "set-cookie" not in answer.headers
        assert client.get("/who/async/").data == {"user": ""}
    with connect(server, cookies=cookies, headers={"Remote-User": name}) as client:
        assert client.get("/who/").data == {"user": name, "session": cookies["sessionid"]}
    with connect(server, cookies=cookies, headers={"Remote-User": "bob"}) as client:
        assert client.get("/who/").data["user"] == "bob"  # and ann's session ends, as by HTTP
    assert by_http(server, {"Cookie": f"sessionid={cookies['sessionid']}"})["user"] == ""


def test_beside_wsgi_a_header_that_no_proxy_takes_out_logs_nobody_in(
    serve: Callable[..., Server], tmp_path: Path
) -> None:
    by_asgi = serve("uvicorn-sansio", PROJECT_DJANGO=project())
    name = f"ann-{uuid4().hex[:8]}"
    cookies = {"sessionid": session_of(by_asgi, name)}
    data = by_asgi.log_path.parent  # the same databases
    port = free_port()
    command = ("runwebsockets", f"127.0.0.1:{port}")
    with running(data, *command, port=port, PROJECT_DJANGO=project()) as server:
        with connect(server, headers={"Remote-User": name}) as client:
            assert user_of(client) == ""
        with connect(server, cookies=cookies) as client:
            assert user_of(client) == ""
    with connect(by_asgi, cookies=cookies, headers={"Remote-User": name}) as client:
        assert client.get("/who/").data == {"user": name, "session": cookies["sessionid"]}
