"""A port of its own for scrapes, beside the sockets."""

import os
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from prometheus_client import multiprocess, start_http_server

from wsrequest.metrics.exposition import make_registry
from wsrequest.metrics.files import DIRECTORY, is_shared

__all__ = ["serve", "shared_directory"]


class _Workers:
    """Forgets the gauges of workers that have ended, before each scrape of a registry.

    Args:
        registry: reads the files of the workers.
        pids: returns the process ids of the workers that there are now.
    """

    def __init__(self, registry: Any, pids: Callable[[], Iterable[int]]) -> None:
        self._registry, self._pids = registry, pids
        self._seen: set[int] = set()

    def collect(self) -> Iterable[Any]:
        """Return the metrics of all workers."""
        pids = set(self._pids())
        # One that was replaced still serves until it has drained.
        gone = {pid for pid in self._seen - pids if not _is_alive(pid)}
        for pid in gone:
            multiprocess.mark_process_dead(pid)
        self._seen = (self._seen | pids) - gone
        metrics: Iterable[Any] = self._registry.collect()
        return metrics


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def serve(host: str, port: int, pids: Callable[[], Iterable[int]] | None = None) -> int:
    """Answer scrapes in a thread, for as long as the process lives.

    Args:
        host: the address to listen at.
        port: 0 for any free one.
        pids: returns the process ids of the workers of this process, if they serve and it does not.

    Returns:
        The port.

    Raises:
        OSError: the address is in use, not ours, or not permitted.
    """
    registry = make_registry()
    if pids is not None:
        registry = _Workers(registry, pids)
    server, _ = start_http_server(port, addr=host, registry=registry)
    bound: int = server.server_port
    return bound


@contextmanager
def shared_directory() -> Iterator[None]:
    """Let workers that are started in the block share their metrics, if they do not already."""
    if is_shared():
        yield
        return
    with tempfile.TemporaryDirectory(prefix="wsrequest-metrics-") as directory:
        os.environ[DIRECTORY] = directory  # workers inherit it
        try:
            yield
        finally:
            del os.environ[DIRECTORY]
