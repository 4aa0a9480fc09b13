"""The access log of each server: a line a message, and one for each rerun."""

import re
from collections.abc import Callable
from http.client import HTTPConnection
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.acceptance.accounts import log_in, sign_up
from tests.acceptance.client import connect
from tests.acceptance.servers import Server, wait_until

LINE = re.compile(
    r"INFO wsrequest\.access: method=(?P<method>\S+) path=(?P<path>\S+) status=(?P<status>\d+) "
    r"bytes=(?P<bytes>\d+) ms=(?P<ms>[\d.]+) user=(?P<user>\S+) connection=(?P<connection>\S+) "
    r"rerun=(?P<rerun>yes|no)$",
    re.MULTILINE,
)


def lines(server: Server, path: str, count: int = 1) -> list[dict[str, str]]:
    """Wait for so many lines of a path."""

    def found() -> list[dict[str, str]]:
        of_path = [m.groupdict() for m in LINE.finditer(server.log()) if m["path"] == path]
        return of_path if len(of_path) >= count else []

    result: list[dict[str, str]] = wait_until(found)
    return result


def test_each_server_logs_a_line_a_message(kind: str, serve: Callable[..., Server]) -> None:
    server = serve(kind, ACCESS_LOG=True)
    name, mark = sign_up(server), uuid4().hex
    with connect(server, origin=server.origin) as client:
        log_in(client, name)
        client.get(f"/echo/a%0d%0amethod=GET%20{mark}?secret=1")
        assert client.get(f"/fault/missing/?{mark}").status == 404
        id = client.send("GET", "/api/notes/", subscribe=True)
        client.receive_for(id)
        client.request("POST", "/api/notes/", data={"text": mark})
        while mark not in str(client.receive_for(id).head):
            pass
    (login,) = lines(server, "/log-in/")
    assert (login["method"], login["status"], login["rerun"]) == ("POST", "200", "no")
    assert login["user"].isdecimal() and int(login["bytes"]) > 0 and float(login["ms"]) > 0
    (echo,) = lines(server, f"/echo/a%0d%0amethod%3DGET%20{mark}")
    assert echo["connection"] == login["connection"] != "-"
    (missing,) = lines(server, "/fault/missing/")
    assert missing["status"] == "404"
    notes = lines(server, "/api/notes/", 3)
    assert [(line["method"], line["rerun"]) for line in notes[:2]] == [
        ("GET", "no"),
        ("POST", "no"),
    ]
    assert {line["rerun"] for line in notes[2:] if line["method"] == "GET"} == {"yes"}
    access = [line for line in server.log().splitlines() if "wsrequest.access" in line]
    assert not [line for line in access if "secret" in line or not LINE.search(line)]


def test_a_stream_of_events_is_a_line_and_its_reruns_are_lines(
    serve: Callable[..., Server],
) -> None:
    server, mark = serve(ACCESS_LOG=True), uuid4().hex
    stream = HTTPConnection("127.0.0.1", server.port, timeout=20)
    try:
        url = f"/ws/?url={quote('/api/notes/')}"
        stream.request("GET", url, headers={"Accept": "text/event-stream"})
        response = stream.getresponse()
        assert response.status == 200
        (first,) = lines(server, "/api/notes/")
        assert (first["method"], first["status"], first["rerun"]) == ("GET", "200", "no")
        with connect(server) as client:
            client.request("POST", "/api/notes/", data={"text": mark})
        rerun = [line for line in lines(server, "/api/notes/", 3) if line["rerun"] == "yes"]
        assert rerun
    finally:
        stream.close()


def test_there_is_no_access_log_by_default(any_server: Server) -> None:
    with connect(any_server) as client:
        client.get("/who/")
        client.settle()
    assert "wsrequest.access" not in any_server.log()


@pytest.mark.parametrize("level", ["WARNING"])
def test_the_level_of_the_logger_turns_it_off(serve: Callable[..., Server], level: str) -> None:
    server = serve(ACCESS_LOG=True, PROJECT_LOG_LEVEL=level)
    with connect(server) as client:
        client.get("/who/")
        client.settle()
    assert "wsrequest.access" not in server.log()
