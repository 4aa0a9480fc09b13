"""A uvicorn that ends without a signal drains first, and then closes as usual."""

import asyncio
import gc
import signal
from typing import Any
from weakref import ref

import pytest

from tests.unit.fixtures import _project as _project
from wsrequest.server.drain import Drain
from wsrequest.server.uvicorn_shutdown import UvicornShutdown

pytestmark = pytest.mark.asyncio


class Protocol:
    """One of uvicorn's, as far as its server's shutdown has to do with it."""

    def __init__(self, connections: set[Any]) -> None:
        self.connections, self.shutdowns = connections, 0
        connections.add(self)

    async def asgi_send(self, event: object) -> None:
        """The ASGI callable."""

    def shutdown(self) -> None:
        self.shutdowns += 1


class Cycle:
    """One request by HTTP."""

    def __init__(self, protocol: object) -> None:
        self.transport = self
        self._protocol = protocol

    def get_protocol(self) -> object:
        return self._protocol

    async def send(self, event: object) -> None:
        """The ASGI callable."""


Protocol.__module__ = "uvicorn.protocols.websockets.any"
Cycle.__module__ = "uvicorn.protocols.http.any"


class HTTPProtocol(Protocol):
    """Of HTTP."""


HTTPProtocol.__module__ = "uvicorn.protocols.http.any"


class Work:
    """What is in flight: it ends when it is told to."""

    def __init__(self) -> None:
        self.begun, self.may_end = 0, asyncio.Event()

    async def drain(self) -> None:
        self.begun += 1
        await self.may_end.wait()


def shut_down(connections: set[Any]) -> None:
    """As uvicorn's server does."""
    for connection in list(connections):
        connection.shutdown()


async def scheduler() -> None:
    for _ in range(30):
        await asyncio.sleep(0)


async def test_a_server_that_ends_by_itself_closes_after_the_drain() -> None:
    work, connections = Work(), set[Any]()
    drain = Drain(work.drain)
    shutdown = UvicornShutdown(drain)
    ours = [Protocol(connections) for _ in range(3)]
    foreign, stream = Protocol(connections), HTTPProtocol(connections)
    for protocol in ours:
        shutdown.watch(protocol.asgi_send)
    shutdown.watch(Cycle(stream).send)
    shut_down(connections)
    await scheduler()
    assert drain.is_draining
    assert work.begun == 1
    assert [one.shutdowns for one in (*ours, stream, foreign)] == [0, 0, 0, 0, 1]
    work.may_end.set()
    await scheduler()
    shut_down(connections)  # of which nothing more comes
    assert [one.shutdowns for one in (*ours, stream, foreign)] == [1, 1, 1, 1, 2]
    drain.end()
    assert not drain.is_draining


async def test_what_was_drained_by_a_signal_is_closed_at_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    raised: list[int] = []
    monkeypatch.setattr(signal, "raise_signal", raised.append)
    work, connections = Work(), set[Any]()
    drain = Drain(work.drain)
    shutdown = UvicornShutdown(drain)
    ours = [Protocol(connections) for _ in range(3)]
    for protocol in ours:
        shutdown.watch(protocol.asgi_send)
    assert drain.install()
    try:
        drain._on_signal(signal.SIGTERM, None)
        work.may_end.set()
        await scheduler()
        assert raised == [signal.SIGTERM]
        shut_down(connections)
        assert [one.shutdowns for one in ours] == [1, 1, 1]
        assert work.begun == 1
    finally:
        drain.end()


async def test_a_signal_during_the_drain_is_passed_on_after_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """gunicorn sends one to a worker that has its number of requests."""
    raised: list[int] = []
    monkeypatch.setattr(signal, "raise_signal", raised.append)
    work, connections = Work(), set[Any]()
    drain = Drain(work.drain)
    shutdown = UvicornShutdown(drain)
    protocol = Protocol(connections)
    shutdown.watch(protocol.asgi_send)
    assert drain.install()
    try:
        shut_down(connections)
        await scheduler()
        drain._on_signal(signal.SIGTERM, None)
        await scheduler()
        assert (raised, protocol.shutdowns) == ([], 0)
        work.may_end.set()
        await scheduler()
        assert (raised, protocol.shutdowns, work.begun) == ([signal.SIGTERM], 1, 1)
    finally:
        drain.end()


async def test_a_drain_that_fails_or_lasts_too_long_holds_nothing_up(
    caplog: pytest.LogCaptureFixture,
) -> None:
    async def fail() -> None:
        raise ZeroDivisionError

    for drain in (Drain(fail), Drain(asyncio.Event().wait, seconds=0.01)):
        connections = set[Any]()
        protocol = Protocol(connections)
        UvicornShutdown(drain).watch(protocol.asgi_send)
        shut_down(connections)
        async with asyncio.timeout(5):
            while not protocol.shutdowns:  # noqa: ASYNC110  # nothing tells of it
                await asyncio.sleep(0.01)
    assert [record.message.partition(" ")[0] for record in caplog.records] == ["Draining", "Not"]


async def test_other_servers_are_left_alone() -> None:
    async def send(event: object) -> None:
        """Of a server that has nothing to stand before."""

    shutdown = UvicornShutdown(Drain(Work().drain))
    shutdown.watch(send)
    shutdown.watch(Work().drain)
    shutdown.watch(Cycle(Work()).send)


async def test_a_connection_is_not_kept_alive_by_what_stands_before_its_shutdown() -> None:
    connections = set[Any]()
    shutdown = UvicornShutdown(Drain(Work().drain))
    protocol = Protocol(connections)
    shutdown.watch(protocol.asgi_send)
    found = ref(protocol)
    gc.disable()
    try:
        connections.discard(protocol)
        del protocol
        assert found() is None
    finally:
        gc.enable()
