"""SIGTERM: the close code says what to do, and the process ends, whatever runs.

That no answer is lost is ``tests/operations/test_sigterm_under_load``'s.
"""

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection, HTTPResponse

from websockets.exceptions import ConnectionClosed

from tests.acceptance.client import connect
from tests.acceptance.servers import Server, wait_until

EXIT_SECONDS = 10
RESTARTING = 4004  # PROTOCOL.md section 7: what was in flight has been answered


def terminate(server: Server) -> float:
    """Ask the server to stop and return when that was."""
    server.process.send_signal(signal.SIGTERM)
    return time.monotonic()


def assert_ends(server: Server, begun: float) -> None:
    """The process ends in time and by itself."""
    server.process.wait(max(0.1, EXIT_SECONDS - (time.monotonic() - begun)))


def test_sigterm_refuses_what_comes_after_it(serve: Callable[..., Server]) -> None:
    """Each is answered, refused as temporary, or its connection is closed with a code."""
    server = serve()
    with connect(server) as client:
        client.send("GET", "/sleep/?seconds=1&name=x", id="before")
        wait_until(lambda: client.get("/state/?name=x").data["started"] == 1)
        begun = terminate(server)
        try:
            while (answer := client.get("/ready/")).error is None:
                pass
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            assert closed.rcvd.code == RESTARTING
        else:
            assert (answer.status, answer.error["code"]) == (503, "shutting_down")
            assert answer.error["temporary"] is True
            assert client.answer("before").data == {"slept": 1}
            assert client.closed() == RESTARTING
        assert_ends(server, begun)


def test_sigterm_does_not_wait_for_what_never_ends(kind: str, serve: Callable[..., Server]) -> None:
    server = serve(kind, SHUTDOWN_SECONDS=1)
    with connect(server) as client:
        client.send("GET", "/block/?name=never")
        client.send("GET", "/sleep/async/?seconds=3600&name=never")
        events = client.send("GET", "/events/async/", credit=2**20)
        wait_until(lambda: client.get("/state/?name=never").data["started"] == 2)
        assert client.receive_for(events).head["status"] == 200
        begun = terminate(server)
        assert client.closed() in (1001, 1012, RESTARTING)
        assert_ends(server, begun)


def test_sigterm_with_idle_clients_ends_at_once(kind: str, serve: Callable[..., Server]) -> None:
    server = serve(kind)
    with connect(server) as client, connect(server, subprotocol=None) as plain:
        assert client.get("/ready/").data == plain.get("/ready/").data == "ready"
        begun = terminate(server)
        assert client.closed() == plain.closed() == RESTARTING
        assert_ends(server, begun)
        assert time.monotonic() - begun < 5


def test_sigterm_without_clients_ends_at_once(kind: str, serve: Callable[..., Server]) -> None:
    server = serve(kind)
    begun = terminate(server)
    assert_ends(server, begun)
    assert time.monotonic() - begun < 5


def test_sigterm_ends_a_stream_of_events_that_is_alone(
    kind: str, serve: Callable[..., Server]
) -> None:
    """No WebSocket was ever opened, and the server would wait for the stream to end."""
    server = serve(kind)
    with events_of(server) as response:
        assert b"data: " in b"".join(iter(response.readline, b"\n"))
        begun = terminate(server)
        response.read()
        assert_ends(server, begun)
        assert time.monotonic() - begun < 5


def test_a_server_that_ends_after_a_number_of_requests_drains_first(
    serve: Callable[..., Server],
) -> None:
    """No signal comes, and uvicorn informs the application only when its sockets are closed."""
    server = serve("uvicorn-sansio-40")
    with connect(server) as client, events_of(server) as response:
        client.send("GET", "/sleep/?seconds=2&name=x", id="before")
        wait_until(lambda: client.get("/state/?name=x").data["started"] == 1)
        with suppress(OSError):  # the door is closed after the last
            for _ in range(60):
                server.http("GET", "/ready/")
        begun = time.monotonic()
        wait_until(lambda: client.get("/ready/").error)
        assert client.answer("before").data == {"slept": 2}
        assert client.closed() == RESTARTING
        response.read()
        assert_ends(server, begun)
    assert "4004 the server restarts" in server.log()


@contextmanager
def events_of(server: Server) -> Iterator[HTTPResponse]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=EXIT_SECONDS)
    try:
        connection.request("GET", "/ws/?url=/live/public/", headers={"Accept": "text/event-stream"})
        yield connection.getresponse()
    finally:
        connection.close()


def test_a_probe_sees_the_process_drain(kind: str, serve: Callable[..., Server]) -> None:
    """A load balancer takes it out before its sockets are closed."""
    server = serve(kind)
    with connect(server) as client:
        assert probe(server) == (200, b"ready\n")
        client.send("GET", "/sleep/?seconds=2&name=probe", id="before")
        wait_until(lambda: client.get("/state/?name=probe").data["started"] == 1)
        begun = terminate(server)
        wait_until(lambda: probe(server) == (503, b"draining\n"))
        assert client.answer("before").data == {"slept": 2}
        assert_ends(server, begun)


def probe(server: Server) -> tuple[int, bytes]:
    connection = HTTPConnection("127.0.0.1", server.port, timeout=5)
    try:
        connection.request("GET", "/ws/?health", headers={"Host": "10.0.0.7:8001"})
        response = connection.getresponse()
        return response.status, response.read()
    finally:
        connection.close()
