"""Clients that vanish or never read cost the server little and the others nothing."""

import socket
import struct
import time
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed

from tests.acceptance.client import Client, Frame, connect
from tests.acceptance.servers import BUFFERS_WITHOUT_LIMIT, COMMANDS, Server, wait_until

MIB = 2**20
DEAF: dict[str, Any] = {"max_queue": 1, "ping_interval": None}
"""A client of ``websockets`` that takes no more from its line than the test asks for."""


def vanish(client: Client) -> None:
    """Reset the TCP connection, as a machine that crashes: no closing handshake."""
    line = client.socket.socket
    line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    line.shutdown(socket.SHUT_RDWR)
    line.close()


def narrow_line(server: Server) -> socket.socket:
    """A TCP connection whose receiver buffers next to nothing."""
    line = socket.socket()
    line.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    line.settimeout(20)
    line.connect(("127.0.0.1", server.port))
    return line


@pytest.mark.documents("docs/bad-input.md", "it vanishes while async views")
def test_client_that_vanishes_ends_its_views_and_streams(server: Server) -> None:
    name = uuid4().hex
    with connect(server) as client:
        client.send("GET", f"/sleep/async/?seconds=60&name={name}")
        id = client.send("GET", f"/events/async/?name={name}", credit=65536)
        while not client.receive_for(id).body:
            pass
        client.send("PUT", "/piecewise/", bytes=b"half of it", more=True)
        wait_until(lambda: server.get_json(f"/state/?name={name}")["started"] == 1)
        vanish(client)
    wait_until(lambda: server.get_json(f"/state/?name={name}")["cancelled"] == 1)
    wait_until(lambda: server.get_json(f"/stream/progress/?name={name}")["closed"] == 1)


@pytest.mark.documents("docs/bad-input.md", "it vanishes while a synchronous view runs")
def test_client_that_vanishes_leaves_a_sync_view_to_end_alone(server: Server) -> None:
    name = uuid4().hex
    with connect(server) as client, connect(server) as other:
        client.send("GET", f"/block/?name={name}")
        wait_until(lambda: other.get(f"/state/?name={name}").data["started"] == 1)
        vanish(client)
        assert other.get("/ready/").data == "ready"
        other.get(f"/release/?name={name}")
        wait_until(lambda: other.get(f"/state/?name={name}").data["finished"] == 1)
        assert other.get("/ready/").data == "ready"


@pytest.mark.documents("docs/bad-input.md", "dozens vanish at once")
def test_clients_that_vanish_by_the_dozen_leave_no_trace(any_server: Server) -> None:
    with connect(any_server) as witness:
        before = len(any_server.log())
        for _ in range(30):
            with connect(any_server) as client:
                for _ in range(5):
                    client.send("GET", "/big-json/?bytes=100000")
                vanish(client)
        assert witness.get("/ready/").data == "ready"
        wait_until(lambda: any_server.log()[before:].count(" closed") >= 30)
        assert "Traceback" not in any_server.log()[before:]


@pytest.mark.documents("docs/bad-input.md", "it never reads")
@pytest.mark.parametrize("kind", sorted(COMMANDS.keys() - BUFFERS_WITHOUT_LIMIT))
@pytest.mark.parametrize("subprotocol", [None, "wsrequest.v1"], ids=["plain", "greeted"])
def test_client_that_never_reads_is_not_worked_for(
    kind: str, subprotocol: str | None, serve: Callable[..., Server]
) -> None:
    """200 answers of a MiB are asked for; the server makes a few and waits for the reader."""
    server = serve(kind, MAX_IN_FLIGHT=8)
    with (
        connect(server) as other,
        connect(server, sock=narrow_line(server), subprotocol=subprotocol, **DEAF) as deaf,
    ):
        for _ in range(5):
            assert other.get(f"/big-json/?bytes={MIB}").status == 200
        memory, served = server.memory_bytes(), other.get("/counts/").data["request_started"]
        for _ in range(200):
            deaf.send("GET", f"/big-json/?bytes={MIB}")
        seconds = []
        for _ in range(50):
            begun = time.monotonic()
            assert other.get("/ready/").data == "ready"
            seconds.append(time.monotonic() - begun)
        assert sorted(seconds)[40] < 2  # a busy machine stops a process for longer, now and then
        assert other.get("/counts/").data["request_started"] - served - 51 <= 20
        assert server.memory_bytes() - memory < 48 * MIB
        vanish(deaf)
        assert other.get("/ready/").data == "ready"


@pytest.mark.parametrize("kind", sorted(BUFFERS_WITHOUT_LIMIT))
def test_client_that_never_reads_is_closed_for_its_silence(
    kind: str, serve: Callable[..., Server]
) -> None:
    """Where the server hides that a client does not read, its missing pongs show it."""
    server = serve(kind, PING_SECONDS=0.3, PONG_SECONDS=0.3)
    with (
        connect(server, subprotocol=None) as other,
        connect(server, sock=narrow_line(server), **DEAF) as deaf,
    ):
        for _ in range(20):
            deaf.send("GET", f"/big-json/?bytes={MIB}")
        assert other.get("/ready/").data == "ready"
        # autobahn drops a connection whose closing handshake takes too long: then there is no code.
        assert deaf.closed() in (4000, None)
        assert other.get("/ready/").data == "ready"


@pytest.mark.documents("docs/bad-input.md", "it never reads a stream")
def test_client_that_never_reads_a_stream_holds_no_thread(any_server: Server) -> None:
    names = [uuid4().hex for _ in range(20)]
    with connect(any_server) as other, connect(any_server) as deaf:
        for name in names:
            deaf.send("GET", f"/stream/endless/?name={name}", credit=0)
        for name in names:
            assert other.get(f"/stream/progress/?name={name}").data["produced"] <= 2


@pytest.mark.documents("docs/bad-input.md", "a frame waits for `WSREQUEST_SLOW_READER_SECONDS`")
def test_client_that_reads_too_slowly_is_closed(serve: Callable[..., Server]) -> None:
    server = serve(SLOW_READER_SECONDS=0.5, MAX_OUTBOUND_BYTES=4 * MIB)
    with (
        connect(server) as other,
        connect(server, sock=narrow_line(server), **DEAF) as deaf,
    ):
        for _ in range(30):
            deaf.send("GET", f"/big-json/?bytes={2 * MIB}")
        wait_until(lambda: server.log().count(" closed") == 1, 20)
        assert other.get("/ready/").data == "ready"
        # Once it reads, it finds what was under way, and at the end why there is no more.
        with pytest.raises(ConnectionClosed) as closed:
            while True:
                Frame.read(deaf.socket.recv(20))
        assert closed.value.rcvd is None or closed.value.rcvd.code == 4001


def test_client_that_reads_slowly_but_steadily_gets_everything(any_server: Server) -> None:
    with connect(any_server, sock=narrow_line(any_server), max_queue=1) as client:
        ids = [client.send("GET", f"/big-json/?bytes={MIB // 2}") for _ in range(20)]
        assert [len(client.answer(id).data) for id in ids] == [MIB // 2 // 100] * 20
