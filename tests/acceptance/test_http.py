"""Plain HTTP by the worker threads, on each server."""

import hashlib
import http.client
import json
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any
from uuid import uuid4

import pytest

from tests.acceptance.client import connect
from tests.acceptance.servers import COMMANDS, HTTP_SECONDS, Server, wait_until
from tests.project.views.streams import content

Serve = Callable[..., Server]
STREAMS = ["/stream/", "/stream/async/"]
EVENTS = ["/events/", "/events/async/"]


@contextmanager
def opened(server: Server) -> Iterator[socket.socket]:
    """A bare connection."""
    with socket.create_connection(("127.0.0.1", server.port), HTTP_SECONDS) as connection:
        yield connection


def exchange(server: Server, *parts: bytes) -> bytes:
    """Send these bytes, and return all that comes until the server closes."""
    with opened(server) as connection:
        for part in parts:
            connection.sendall(part)
        return b"".join(iter(lambda: connection.recv(65536), b""))


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def state(server: Server, name: str) -> dict[str, int]:
    found: dict[str, int] = server.get_json(f"/state/?name={name}")
    return found


def thread_of(server: Server, url: str = "/thread/") -> str:
    """The name of the thread that answers a synchronous view."""
    name: str = server.get_json(url)["name"]
    return name


def test_request_is_answered_by_a_worker_thread(server: Server) -> None:
    assert thread_of(server) == "wsrequest-worker"
    assert server.http("GET", "/who/async/").status == 200


def test_several_requests_of_one_connection(server: Server) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=HTTP_SECONDS)
    for number in range(5):
        connection.request("POST", "/echo/", f"body {number}")
        response = connection.getresponse()
        assert json.loads(response.read())["length"] == 6
    connection.request("HEAD", "/text/")
    response = connection.getresponse()
    assert (response.status, response.read()) == (200, b"")
    connection.request("GET", "/no-content/")
    response = connection.getresponse()
    assert (response.status, response.read()) == (204, b"")
    assert response.getheader("Content-Length") is None
    connection.close()


@pytest.mark.parametrize("size", [0, 100, 200_000])
def test_body_arrives_whole(server: Server, size: int) -> None:
    body = content(size)
    found = server.http("POST", "/echo/", body).json()
    assert (found["length"], found["sha256"]) == (size, hashlib.sha256(body).hexdigest())


@pytest.mark.parametrize(
    "settings",
    [
        {"FILE_UPLOAD_MAX_MEMORY_SIZE": 1000},
        {"WSREQUEST_MAX_PENDING_REQUEST_BYTES": 2**19, "WSREQUEST_MAX_BODY_BYTES": 0},
    ],
    ids=["Django's limit of one", "ours of all"],
)
def test_body_that_is_too_large_for_memory_arrives_whole(
    serve: Serve, settings: dict[str, Any]
) -> None:
    project = {"DATA_UPLOAD_MAX_MEMORY_SIZE": None, **settings}
    server, body = serve(PROJECT_DJANGO=json.dumps(project)), content(2_500_000)
    found = server.http("POST", "/echo/", body).json()
    assert (found["length"], found["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())


def test_body_in_chunks_arrives_whole(server: Server) -> None:
    body = content(200_000)
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=HTTP_SECONDS)
    pieces = (body[start : start + 50_000] for start in range(0, len(body), 50_000))
    connection.request("POST", "/echo/", pieces, encode_chunked=True)
    found = json.loads(connection.getresponse().read())
    connection.close()
    assert (found["length"], found["sha256"]) == (len(body), hashlib.sha256(body).hexdigest())
    assert found["meta"]["CONTENT_LENGTH"] == str(len(body))


def test_client_that_waits_for_100_is_told_to_go_on(server: Server) -> None:
    head = b"POST /echo/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
    with opened(server) as connection:
        connection.sendall(head + b"Expect: 100-continue\r\nConnection: close\r\n\r\n")
        begin = connection.recv(65536)
        assert begin.startswith(b"HTTP/1.1 100"), begin
        connection.sendall(b"abc")
        rest = b"".join(iter(lambda: connection.recv(65536), b""))
    assert b'"length": 3' in rest


@pytest.mark.parametrize("url", STREAMS)
def test_stream_arrives_whole(server: Server, url: str) -> None:
    assert server.http("GET", url).body == b"piece 0\npiece 1\npiece 2\n"


def test_file_arrives_whole(server: Server) -> None:
    page = server.http("GET", "/file/?bytes=1000000")
    assert page.body == content(1_000_000)
    assert page.headers["Content-Length"] == "1000000"


@pytest.mark.parametrize("url", EVENTS)
def test_events_arrive_as_they_are_made_and_end_with_their_client(server: Server, url: str) -> None:
    name = uuid4().hex
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=HTTP_SECONDS)
    connection.request("GET", f"{url}?name={name}")
    response = connection.getresponse()
    assert response.read(9) == b"data: 0\n\n"
    connection.close()
    response.close()
    wait_until(lambda: server.get_json(f"/stream/progress/?name={name}")["closed"])


def test_stream_that_nobody_reads_is_not_made_further(server: Server) -> None:
    if server.kind == "daphne":
        pytest.xfail("daphne accepts whatever is sent, at once")
    name = uuid4().hex
    request = f"GET /stream/endless/?name={name} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()

    def produced() -> int:
        count: int = server.get_json(f"/stream/progress/?name={name}")["produced"]
        return count

    with opened(server) as connection:
        connection.sendall(request)
        assert connection.recv(1)
        before = -1
        while (now := produced()) != before:
            before = now
            time.sleep(0.5)
        assert now < 2000  # of 16 KiB. The rest is in buffers of the system and of the server
    wait_until(lambda: server.get_json(f"/stream/progress/?name={name}")["closed"])


@pytest.mark.parametrize("url", ["/stream/broken/", "/stream/broken/async/"])
def test_response_that_fails_in_its_middle_is_cut_short(server: Server, url: str) -> None:
    if server.kind == "daphne":
        pytest.xfail("daphne leaves the response of an application that failed open")
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        server.http("GET", url)
    assert server.http("GET", "/text/").status == 200


def test_async_view_of_a_client_that_went_away_is_cancelled(server: Server) -> None:
    name = uuid4().hex
    with opened(server) as connection:
        connection.sendall(
            f"GET /sleep/async/?seconds=60&name={name} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )
        wait_until(lambda: state(server, name)["started"])
    wait_until(lambda: state(server, name)["cancelled"])


def test_old_http_is_answered(server: Server) -> None:
    answer = exchange(server, b"GET /text/ HTTP/1.0\r\nHost: localhost\r\n\r\n")
    assert status_of(answer) == 200
    assert answer.endswith("grün\n".encode()) or b"gr" in answer


# Bad input: as Django's ASGI handler answers on the same server, or stricter.

BAD = {
    "host not allowed": (b"GET /text/ HTTP/1.1\r\nHost: evil.example\r\n", {400}),
    "no host": (b"GET /text/ HTTP/1.1\r\n", {200, 400}),  # daphne puts the server's in its place
    "two lengths": (
        b"POST /echo/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\nContent-Length: 4\r\n",
        {400},
    ),
    "length and chunks": (
        b"POST /echo/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
        b"Transfer-Encoding: chunked\r\n",
        {200, 400},
    ),
    "path with NUL": (b"GET /echo/a%00b HTTP/1.1\r\nHost: localhost\r\n", {200, 400}),
    "path with a coded slash": (b"GET /echo/a%2Fb HTTP/1.1\r\nHost: localhost\r\n", {200}),
    "path that is not UTF-8": (b"GET /echo/%ff HTTP/1.1\r\nHost: localhost\r\n", {200, 400}),
    "10,000 headers": (
        b"GET /text/ HTTP/1.1\r\nHost: localhost\r\n" + b"X-A: b\r\n" * 10_000,
        {200, 400, 431},
    ),
    "unknown method": (b"BREW /text/ HTTP/1.1\r\nHost: localhost\r\n", {200, 400, 403, 405, 501}),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_request_harms_nobody(server: Server, name: str) -> None:
    head, statuses = BAD[name]
    try:
        body = b"0\r\n\r\n" if b"chunked" in head else b""
        answer = exchange(server, head + b"Connection: close\r\n\r\n" + body)
    except ConnectionError:
        answer = b""
    assert not answer or status_of(answer) in statuses, answer[:300]
    assert server.http("GET", "/text/").status == 200


def test_header_with_an_underscore_is_no_other_header(server: Server) -> None:
    page = server.http("GET", "/echo/", headers={"X_Forwarded_Host": "evil.example"})
    if page.status == 200:  # granian may refuse it
        assert "HTTP_X_FORWARDED_HOST" not in page.json()["meta"]


def test_second_request_is_not_read_as_the_body_of_the_first(server: Server) -> None:
    """Smuggling: what follows a body is the next request, or the connection is closed."""
    first = b"POST /echo/ HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n\r\nabc"
    second = b"GET /text/ HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    answer = exchange(server, first + second)
    assert answer.count(b"HTTP/1.1 200") == 2
    assert b'"length": 3' in answer


def test_body_that_ends_early_is_dropped(server: Server) -> None:
    name = uuid4().hex
    with opened(server) as connection:
        connection.sendall(
            f"POST /block/?name={name} HTTP/1.1\r\nHost: localhost\r\n"
            "Content-Length: 100000\r\n\r\nabc".encode()
        )
    assert server.http("GET", "/text/").status == 200
    assert state(server, name)["started"] == 0


# What settings change, on one server.


def test_late_view_gets_504_and_another_thread_takes_over(serve: Serve) -> None:
    server = serve(REQUEST_SECONDS=0.5, THREADS=1)
    name = uuid4().hex
    page = server.http("GET", f"/block/?name={name}")
    assert (page.status, page.body) == (504, b"Gateway Timeout")
    assert "GET /block/ did not answer in time" in server.log()
    server.get_json(f"/release/?name={name}")
    wait_until(lambda: state(server, name)["finished"])


def test_request_whose_client_left_before_its_turn_is_not_run(serve: Serve) -> None:
    server = serve(THREADS=1, MAX_THREADS=1)
    first, second = uuid4().hex, uuid4().hex
    slow = f"GET /sleep/?seconds=2&name={first} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
    with opened(server) as one:
        one.sendall(slow)
        with opened(server) as other:
            other.sendall(slow.replace(first.encode(), second.encode()))
            time.sleep(0.5)  # it must arrive, and wait
        assert one.recv(65536).startswith(b"HTTP/1.1 200")
    assert state(server, first) == {"started": 1, "finished": 1, "cancelled": 0}
    assert state(server, second)["started"] == 0


def test_django_answers_what_the_settings_leave_to_it(serve: Serve) -> None:
    assert thread_of(serve(HTTP="django")) != "wsrequest-worker"
    some = serve(HTTP_DJANGO_PATHS=["/thread/"])
    assert thread_of(some) != "wsrequest-worker"
    assert thread_of(some, "/th%72ead/") != "wsrequest-worker"
    assert some.http("GET", "/echo/").json()["meta"]["SERVER_PROTOCOL"] == "HTTP/1.1"


@pytest.mark.parametrize("kind", COMMANDS)
def test_restart_loses_no_request_and_ends_event_streams(serve: Serve, kind: str) -> None:
    server = serve(kind)
    stream = http.client.HTTPConnection("127.0.0.1", server.port, timeout=HTTP_SECONDS)
    stream.request("GET", "/events/async/")
    events = stream.getresponse()
    assert events.read(9) == b"data: 0\n\n"
    name = uuid4().hex
    with opened(server) as slow:
        slow.sendall(
            f"GET /sleep/?seconds=1&name={name} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode()
        )
        wait_until(lambda: state(server, name)["started"])
        server.process.send_signal(signal.SIGTERM)
        assert slow.recv(65536).startswith(b"HTTP/1.1 200")
    with pytest.raises((http.client.IncompleteRead, ConnectionError)):
        rest: Any = events.read()
        raise http.client.IncompleteRead(rest)  # it ended well, as it should
    stream.close()
    assert server.process.wait(HTTP_SECONDS) is not None


def test_socket_and_http_share_the_threads(any_server: Server) -> None:
    with connect(any_server) as client:
        assert client.get("/thread/").data["name"] == thread_of(any_server)
