"""Greedy connections on a real server: whatever they have wait, others are answered."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from urllib.parse import quote
from uuid import uuid4

import pytest

from tests.acceptance.client import Client, connect
from tests.acceptance.servers import Server, wait_until

MAX_THREADS = 64
IN_FLIGHT = 64  # WSREQUEST_MAX_IN_FLIGHT as it comes: one connection could take all threads

ONE_ADDRESS = ("127.0.0.2",) * 6
OWN_ADDRESSES = tuple(f"127.0.0.{n}" for n in range(2, 8))


@contextmanager
def greedy(server: Server, addresses: tuple[str, ...], name: str) -> Iterator[list[Client]]:
    """Connections that have as many async views wait as they may."""
    with ExitStack() as stack:
        clients = [
            stack.enter_context(connect(server, source_address=(address, 0)))
            for address in addresses
        ]
        for client in clients:
            for _ in range(IN_FLIGHT):
                client.send("GET", f"/sleep/async/?seconds=600&name={name}")
        for client in clients:
            client.settle()  # all was read
        wait_until(lambda: is_full(server, name))
        yield clients


def started(server: Server, name: str) -> int:
    count: int = server.http("GET", f"/state/?name={name}").json()["started"]
    return count


def is_full(server: Server, name: str) -> bool:
    """Whether some have used up their share, or all threads."""
    return "its share of the threads" in server.log() or started(server, name) == MAX_THREADS


@pytest.mark.parametrize(
    "addresses",
    [pytest.param(ONE_ADDRESS, id="one-address"), pytest.param(OWN_ADDRESSES, id="own-addresses")],
)
def test_newcomers_are_answered_whatever_greedy_connections_have_wait(
    serve: Callable[..., Server], addresses: tuple[str, ...]
) -> None:
    server = serve(THREADS=2, MAX_THREADS=MAX_THREADS, SHUTDOWN_SECONDS=0)
    name = uuid4().hex
    with greedy(server, addresses, name):
        for _ in range(5):
            with connect(server) as newcomer:
                # A view that waits itself, and another beside it.
                id = newcomer.send("GET", f"/sleep/async/?seconds=0.05&name={name}-newcomer")
                assert newcomer.get("/ready/").data == "ready"
                assert newcomer.answer(id).status == 200
        # A neighbour of the greedy ones, too.
        with connect(server, source_address=(addresses[0], 0)) as neighbour:
            assert neighbour.get("/ready/").data == "ready"
        assert started(server, name) < MAX_THREADS
    assert "all 64 threads" not in server.log()


def test_requests_beyond_the_share_are_begun_when_others_end_or_refused_in_time(
    serve: Callable[..., Server],
) -> None:
    server = serve(THREADS=2, MAX_THREADS=8, REQUEST_SECONDS=3, SHUTDOWN_SECONDS=0)
    name = uuid4().hex
    with connect(server) as client:
        ids = [client.send("GET", f"/sleep/async/?seconds=600&name={name}") for _ in range(20)]
        waiting = client.send("GET", "/ready/")
        wait_until(lambda: "its share of the threads" in server.log())
        begun = started(server, name)
        assert begun < 8
        for id in ids:
            client.send_frame(id=id, cancel=True)
        assert client.answer(waiting).data == "ready"

        ids = [client.send("GET", f"/sleep/async/?seconds=600&name={name}-2") for _ in range(20)]
        refused = [client.answer(id).error for id in ids]
        assert [error and error["code"] for error in refused] == ["deadline_exceeded"] * 20
        assert started(server, f"{name}-2") < 20  # the others were not begun
        assert client.get("/ready/").data == "ready"


@pytest.mark.parametrize("stays", [True, False], ids=["stays", "leaves"])
def test_streams_of_events_whose_views_never_end_leave_threads_to_others(
    serve: Callable[..., Server], stays: bool
) -> None:
    """As a message's view that did not answer in time, one of a stream has a stand-in."""
    server = serve(THREADS=1, MAX_THREADS=8, REQUEST_SECONDS=1)
    name = uuid4().hex
    host, _, port = server.host.partition(":")
    stream = HTTPConnection(host, int(port), timeout=20)
    headers = {"Accept": "text/event-stream"}
    stream.request("GET", f"/ws/?url={quote(f'/block/?name={name}')}", headers=headers)
    wait_until(lambda: started(server, name) == 1)
    if stays:
        assert b"deadline_exceeded" in stream.getresponse().read()
    stream.close()
    with connect(server) as client:
        ready = []

        def is_ready() -> bool:
            ready.append(client.get("/ready/"))
            return ready[-1].error is None

        wait_until(is_ready)  # a first may be refused, before the stream's time is up
        server.http("GET", f"/release/?name={name}")
        assert client.get("/ready/").data == "ready"
