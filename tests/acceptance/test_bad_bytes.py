"""What is wrong below our frames: bytes that the server in front judges, and compressed bombs.

Servers differ in how they end such a connection. On each, the others do not notice, and no
more memory is taken than the server's own limit allows for.
"""

import os
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.acceptance.client import Client, connect
from tests.acceptance.raw import BINARY, CONTINUATION, TEXT, bomb, raw_frame, send_raw
from tests.acceptance.servers import Server, wait_until
from tests.acceptance.test_lost_clients import vanish

MIB = 2**20
DEFLATES = ("uvicorn-sansio", "uvicorn-wsproto", "hypercorn")
"""Servers that take a client's offer to compress, unless told otherwise."""

# wsproto inflates all that one read from the line holds, 64 MiB, before that is counted, and holds
# it three times for a moment. On a busy machine a second read came before the first was released.
MOST_BYTES = {
    "uvicorn-sansio": 64 * MIB,
    "uvicorn-wsproto": 600 * MIB,
    "daphne": 16 * MIB,
    "granian": 16 * MIB,
}
NO_CODE = (None, 1005)  # the connection was dropped, or closed without saying why


def peak_bytes(server: Server) -> int:
    """The most memory that the server's processes have had so far."""
    total = 0
    for pid in server.pids():
        status = Path(f"/proc/{pid}/status").read_text()
        total += int(status.partition("VmHWM:")[2].split()[0]) * 1024
    return total


def closed_code_after(server: Server, client: Client, *frames: bytes) -> int | None:
    """Send while the server is frozen, so that each of its reads returns as much as one can."""
    for pid in server.pids():
        os.kill(pid, signal.SIGSTOP)
    sending = threading.Thread(target=send_raw, args=(client, *frames))
    try:
        sending.start()
        sending.join(2)  # the kernel takes all of it, or as much as it can
    finally:
        for pid in server.pids():
            os.kill(pid, signal.SIGCONT)
    sending.join()
    return client.closed()


def closed_code(client: Client, *frames: bytes) -> int | None:
    send_raw(client, *frames)
    return client.closed()


@pytest.mark.documents("docs/bad-input.md", "text that is not UTF-8")
@pytest.mark.parametrize(
    "frames",
    [
        [raw_frame(TEXT, b'{"id":1,"url":"/ready/\xff"}')],
        [raw_frame(TEXT, b'{"id":1,"url":"/\xed\xa0\x80"}')],
        [raw_frame(TEXT, b'{"id":1,"url":"/\xc3', fin=False), raw_frame(CONTINUATION, b'"}')],
    ],
    ids=["stray byte", "surrogate", "cut by a fragment"],
)
def test_text_that_is_not_utf_8_ends_its_connection_only(
    server: Server, frames: list[bytes]
) -> None:
    with connect(server) as other, connect(server) as client:
        id = other.send("GET", "/sleep/async/?seconds=0.2")
        assert closed_code(client, *frames) in (1007, *NO_CODE)
        assert other.answer(id).data == {"slept": 0.2}
    assert server.http("GET", "/ready/").body == b"ready"


@pytest.mark.documents("docs/bad-input.md", "a frame over the limit of the ASGI server")
def test_frame_over_the_limit_of_the_server_ends_its_connection_only(server: Server) -> None:
    """16 MiB by default; the tests give daphne 32."""
    with connect(server) as other, connect(server) as client:
        before = peak_bytes(server)
        assert closed_code(client, raw_frame(TEXT, b"a" * (33 * MIB))) in (1009, *NO_CODE)
        assert other.get("/ready/").data == "ready"
        assert peak_bytes(server) - before < 150 * MIB


@pytest.mark.documents("docs/bad-input.md", "a WebSocket frame that is cut short")
@pytest.mark.parametrize("opcode", [TEXT, BINARY])
def test_frame_that_its_client_never_finishes_is_forgotten(server: Server, opcode: int) -> None:
    before = server.log().count(" closed")
    with connect(server) as other, connect(server) as client:
        start = b'{"id":1,"method":"POST","url":"/echo/"}\nab'
        send_raw(client, raw_frame(opcode, start, length=1000))
        assert other.get("/ready/").data == "ready"
        vanish(client)
        wait_until(lambda: server.log().count(" closed") > before)
        assert other.get("/ready/").data == "ready"


@pytest.mark.documents("docs/bad-input.md", "daphne, granian")
@pytest.mark.documents("docs/bad-input.md", "uvicorn, wsproto")
@pytest.mark.documents("docs/bad-input.md", "uvicorn, with the protocol class or websockets-sansio")
@pytest.mark.documents("docs/bad-input.md", "a compressed bomb over that limit")
@pytest.mark.parametrize("frames", [1, 50], ids=["one frame", "fragments"])
@pytest.mark.parametrize("server", MOST_BYTES, indirect=True)
def test_bomb_is_cut_at_the_limit_of_the_server(server: Server, frames: int) -> None:
    """2 GiB in 2 MB on the line."""
    with connect(server) as other, connect(server, compression="deflate") as client:
        assert bool(client.socket.protocol.extensions) == (server.kind in DEFLATES)
        assert other.get("/ready/").data == client.get("/ready/").data == "ready"
        before = peak_bytes(server)  # with what the first request loads
        code = closed_code_after(server, client, *bomb(2048, frames=frames))
        assert code in (1009, 1002, *NO_CODE)
        assert other.get("/ready/").data == "ready"
        assert peak_bytes(server) - before < MOST_BYTES[server.kind]


@pytest.mark.documents(
    "docs/bad-input.md", "a compressed bomb over `WSREQUEST_MAX_MESSAGE_BYTES` only"
)
@pytest.mark.parametrize("server", DEFLATES, indirect=True)
def test_bomb_over_our_limit_is_refused_by_name(server: Server) -> None:
    """8 MiB are more than WSREQUEST_MAX_MESSAGE_BYTES, and less than the server's limit."""
    with connect(server, compression="deflate") as client:
        send_raw(client, *bomb(8))
        refusal = client.receive().head
        assert (refusal["status"], refusal["error"]["code"]) == (413, "message_too_large")
        assert client.get("/ready/").data == "ready"


@pytest.mark.documents("docs/bad-input.md", "hypercorn")
def test_bomb_is_held_by_hypercorn(serve: Callable[..., Server]) -> None:
    """Not ours to mend or to switch off. Should this fail, docs/deployment.md may say less."""
    server = serve("hypercorn")
    with connect(server) as other, connect(server, compression="deflate") as client:
        before = peak_bytes(server)
        send_raw(client, *bomb(192))
        wait_until(lambda: peak_bytes(server) - before > 100 * MIB)
        assert other.get("/ready/").data == "ready"
