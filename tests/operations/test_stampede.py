"""A restart with a thousand clients: all are told, and all are let in again, at a steady pace.

They come back at the same moment, which is the worst that clients can do. With
``OPERATIONS_BACKOFF=1`` they come as PROTOCOL.md 7.2 has it, which takes longer.
"""

import asyncio
import os
import random
import re
import resource
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

import pytest

from tests.acceptance.servers import Server
from tests.ports import free_port

CLIENTS = 1000
PER_SECOND = 200  # so few that any machine could do many more
HANDSHAKE = (
    b"GET /ws/ HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: MDEyMzQ1Njc4OTAxMjM0NQ==\r\n\r\n"
)
HAS_BACKOFF = os.environ.get("OPERATIONS_BACKOFF") == "1"
RESTARTING = 4004
OPENED = re.compile(r"^(\S+ \S+) INFO wsrequest\.connection: connection \w+ opened", re.MULTILINE)


@pytest.fixture(autouse=True)
def _files() -> None:
    """Each client takes a file here and one in the server, which inherits the limit."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    assert most == resource.RLIM_INFINITY or most >= 2 * CLIENTS, "see ulimit -Hn"
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


@dataclass
class Returns:
    """What became of the clients.

    Attributes:
        codes: with which they were closed.
        end_seconds: how long the server took to end.
        seconds: after how long each was answered again, from when it was to come back.
        failures: attempts that came to nothing.
    """

    codes: set[int | None]
    end_seconds: float
    seconds: list[float]
    failures: int = 0


class Client(asyncio.Protocol):
    """As little of RFC 6455 as will do, since a thousand share a core with their server.

    Attributes:
        answered: done when its one request was answered; an error when it could not ask.
        code: with which it was closed, None when it was not.
    """

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        self.answered: asyncio.Future[None] = loop.create_future()
        self.code: asyncio.Future[int | None] = loop.create_future()
        self._came = b""
        self._is_open = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport
        transport.write(HANDSHAKE)

    def data_received(self, data: bytes) -> None:
        self._came += data
        if not self._is_open:
            head, end, rest = self._came.partition(b"\r\n\r\n")
            if not end:
                return
            if not head.startswith(b"HTTP/1.1 101 "):
                self.answered.set_exception(ConnectionError(head.decode()))
                self.transport.abort()
                return
            self._is_open, self._came = True, rest
            self.transport.write(masked(0x81, b'{"id":1,"url":"/ready/"}'))
        while len(self._came) > 4:
            start = 4 if self._came[1] == 126 else 2
            size = int.from_bytes(self._came[2:4]) if start == 4 else self._came[1]
            frame, rest = self._came[start : start + size], self._came[start + size :]
            if len(frame) < size:
                return
            self._hear(self._came[0] & 15, frame)
            self._came = rest

    def _hear(self, opcode: int, frame: bytes) -> None:
        if opcode == 8:
            self.code.set_result(int.from_bytes(frame[:2]))
            self.transport.write(masked(0x88, frame[:2]))
        elif b'"status":200' in frame:
            self.answered.set_result(None)

    def connection_lost(self, error: Exception | None) -> None:
        if not self.answered.done():
            self.answered.set_exception(ConnectionError("lost"))
        if not self.code.done():
            self.code.set_result(None)


def masked(first: int, payload: bytes) -> bytes:
    """A short frame of a client, whose mask is 0 and so changes nothing."""
    return bytes([first, 0x80 | len(payload), 0, 0, 0, 0]) + payload


async def open_socket(port: int) -> Client:
    """Open a connection and have one request answered."""
    loop = asyncio.get_running_loop()
    transport, client = await loop.create_connection(Client, "127.0.0.1", port)
    try:
        await client.answered
    except BaseException:
        transport.abort()
        raise
    return client


async def restart(serve: Callable[..., Server]) -> tuple[Server, Returns]:
    """Restart a server under its clients; return the new one."""
    port = free_port()
    # All clients of this test have one address.
    settings = {
        "MAX_CONNECTIONS_PER_ADDRESS": CLIENTS,
        "MAX_HANDSHAKES_PER_SECOND_PER_ADDRESS": 10 * CLIENTS,
    }
    is_up = asyncio.Event()

    async def come_back(client: Client) -> None:
        found.codes.add(await client.code)
        if not HAS_BACKOFF:
            await is_up.wait()
        begun, attempt = time.monotonic(), 0
        while True:
            if HAS_BACKOFF:
                await asyncio.sleep(random.uniform(0, min(30, 2**attempt)))
            try:
                new.append(await open_socket(port))
                found.seconds.append(time.monotonic() - begun)
                return
            except OSError:
                found.failures += 1
                attempt += 1

    old = await asyncio.to_thread(
        serve, port=port, MAX_HANDSHAKES_PER_SECOND=10 * CLIENTS, **settings
    )
    clients = await asyncio.gather(*(open_socket(port) for _ in range(CLIENTS)))
    found, new = Returns(set(), 0.0, []), list[Client]()
    returning = [asyncio.create_task(come_back(client)) for client in clients]
    old.process.send_signal(signal.SIGTERM)
    begun = time.monotonic()
    await asyncio.to_thread(old.process.wait, 20)
    found.end_seconds = time.monotonic() - begun
    server = await asyncio.to_thread(
        serve, port=port, MAX_HANDSHAKES_PER_SECOND=PER_SECOND, **settings
    )
    is_up.set()
    await asyncio.gather(*returning)
    for client in new:
        client.transport.abort()
    await asyncio.gather(*(client.code for client in new))
    return server, found


def opened(server: Server) -> list[float]:
    """When each connection was opened, as the server's log has it."""
    return [
        datetime.strptime(when, "%Y-%m-%d %H:%M:%S,%f").timestamp()
        for when in OPENED.findall(server.log())
    ]


def peak(times: list[float], seconds: float) -> int:
    """The most that there are within so many seconds, wherever these begin."""
    return max(sum(begin <= time < begin + seconds for time in times) for begin in times)


@pytest.mark.documents("docs/operations.md", "Restarts")
def test_restart_with_a_thousand_clients_does_not_stampede(serve: Callable[..., Server]) -> None:
    server, found = asyncio.run(restart(serve), debug=False)  # which would take its time
    assert found.codes == {RESTARTING}
    assert found.end_seconds < 10
    times = opened(server)
    assert len(times) == CLIENTS
    most = peak(times, 0.1)
    print(
        f"ended in {found.end_seconds:.1f} s; at most {most} handshakes in 0.1 s, "
        f"{peak(times, 1)} in 1 s; all back within {max(found.seconds):.1f} s, "
        f"{found.failures} attempts failed"
    )
    # Clients that would wait for too long are refused and come again. How many depends on the
    # speed of the machine.
    # A tenth of a second may lie across two of the server's, and a busy machine may log late.
    assert most <= 3 * PER_SECOND / 10
    assert peak(times, 1) <= 1.5 * PER_SECOND
