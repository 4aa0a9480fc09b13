"""The server of each broker, which a test may kill, freeze, and start again on the same port."""

import os
import signal
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path

import psycopg

from tests.acceptance.servers import wait_until
from tests.contract.conftest import log_url, notify_url
from tests.nats import running_nats
from tests.ports import free_port
from tests.postgres import Cluster, Params, connecting, made_cluster
from tests.redis import serving_redis

Serve = Callable[[int], AbstractContextManager[tuple[str, int]]]
"""Runs a server on a port for the length of a block. It gives the URL of its bus, and its pid."""


class Server:
    """One server, always on the same port.

    Attributes:
        url: of its bus.
    """

    url: str

    def __init__(self, serve: Serve) -> None:
        self._serve, self._port = serve, free_port()
        self._running = ExitStack()
        self._pid = 0

    def start(self) -> None:
        self.url, self._pid = self._running.enter_context(self._serve(self._port))

    def kill(self) -> None:
        """Kill it as ``kill -9`` does."""
        self._signal(signal.SIGKILL)
        self._running.close()
        self._pid = 0

    def freeze(self) -> None:
        """Take all time from it. Its connections stay."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def close(self) -> None:
        self.thaw()
        self._running.close()

    def _signal(self, number: int) -> None:
        if self._pid:
            _send(self._pid, number)


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """A server that gets no time for the length of the block."""
    _send(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        _send(pid, signal.SIGCONT)


def _send(pid: int, number: int) -> None:
    for each in (pid, *_children_of(pid)):
        with suppress(ProcessLookupError):
            os.kill(each, number)
            if number == signal.SIGSTOP:
                wait_until(partial(_is_stopped, each))


def _is_stopped(pid: int) -> bool:
    """Whether no thread of a process runs any more. A thread stops when it gets its turn."""
    states = set()
    for path in Path(f"/proc/{pid}/task").glob("*/stat"):
        with suppress(OSError):
            states.add(path.read_text().rpartition(")")[2].split()[0])
    return states <= set("TtZX")


def _children_of(parent: int) -> Iterator[int]:
    """Yield the pids of the children: PostgreSQL has one for each connection."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            # The name, in parentheses, may hold anything. The state and the parent follow it.
            if int(path.read_text().rpartition(")")[2].split()[1]) == parent:
                yield int(path.parent.name)


@contextmanager
def _redis(port: int) -> Iterator[tuple[str, int]]:
    with serving_redis(port) as pid:
        yield f"redis://127.0.0.1:{port}/0", pid


@contextmanager
def _nats(port: int) -> Iterator[tuple[str, int]]:
    with running_nats(port=port) as pid:
        yield f"nats://127.0.0.1:{port}", pid


@contextmanager
def _served(
    cluster: Cluster, url_of: Callable[[Params], str], port: int
) -> Iterator[tuple[str, int]]:
    with cluster.serve(port) as params:
        yield url_of(params), cluster.pid


@contextmanager
def _notify() -> Iterator[Serve]:
    with made_cluster() as cluster:
        yield lambda port: _served(cluster, notify_url, port)


@contextmanager
def _log() -> Iterator[Serve]:
    with made_cluster() as cluster:
        with cluster.serve() as params:
            with psycopg.connect(**connecting(params), autocommit=True) as connection:
                connection.execute("CREATE PUBLICATION wsrequest FOR ALL TABLES")
        yield lambda port: _served(cluster, log_url, port)


@contextmanager
def _plain(serve: Serve) -> Iterator[Serve]:
    yield serve


SERVERS: dict[str, Callable[[], AbstractContextManager[Serve]]] = {
    "redis": lambda: _plain(_redis),
    "nats": lambda: _plain(_nats),
    "notify": _notify,
    "log": _log,
}
"""Makes what a server needs before its first start, once for all tests."""
