"""Give the metrics to prometheus_client, and return what a scrape gets.

Without ``PROMETHEUS_MULTIPROC_DIR``, a scrape reads this process. With it, each process writes its
metrics to a file in that directory once a second, and a scrape reads the files of all.
"""

import asyncio
import logging
import os
import threading
import time
from typing import Any

from prometheus_client import REGISTRY, values
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder
from prometheus_client.multiprocess import MultiProcessCollector

from wsrequest.metrics import readings
from wsrequest.metrics.definitions import METRICS, Metric
from wsrequest.metrics.readings import Sample, Source, samples_of

__all__ = ["DIRECTORY", "Export", "expose", "install", "make_registry"]

logger = logging.getLogger("wsrequest.metrics")

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable with the directory that processes share."""

_WRITE_SECONDS = 1.0
_ATTEMPTS, _ATTEMPT_SECONDS = 4, 0.05


def is_shared() -> bool:
    """Whether processes show their metrics together."""
    return bool(os.environ.get(DIRECTORY))


class _Collector:
    """Reads the process for prometheus_client."""

    def describe(self) -> list[Any]:
        """Return the names, so that registering it reads nothing."""
        return [Family(metric.name, metric.help, metric.kind) for metric in METRICS.values()]

    def collect(self) -> list[Any]:
        """Return all metrics as they are now."""
        found, families = readings.read(), []
        for metric in METRICS.values():
            family: Any = Family(metric.name, metric.help, metric.kind)
            for sample in samples_of(metric, found[metric.name]):
                family.add_sample(sample.name, dict(sample.labels), sample.value)
            families.append(family)
        return families


class _SharedRegistry:
    """Reads the files of all processes.

    Args:
        collector: prometheus_client's.
    """

    def __init__(self, collector: Any) -> None:
        self._collector = collector

    def collect(self) -> list[Any]:
        """Return all metrics. Tries again if a file was just being made, which cannot be read."""
        for _ in range(_ATTEMPTS - 1):
            try:
                return list(self._collector.collect())
            except Exception as error:
                logger.debug("the files of metrics cannot be read: %r", error)
                time.sleep(_ATTEMPT_SECONDS)
        return list(self._collector.collect())


class _Files:
    """This process's part of the directory, which prometheus_client makes and reads.

    prometheus_client gives a process that was forked files of its own, which begin at 0.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[tuple[str, Any], Any] = {}
        self._written: dict[tuple[str, Any], float] = {}
        self._pid = os.getpid()
        self._gauges: set[tuple[str, Any]] = set()

    def write(self) -> None:
        """Write all metrics as they are now. From any thread."""
        found = readings.read()
        with self._lock:
            if self._pid != os.getpid():
                self._pid = os.getpid()
                self._written.clear()
            gone = set(self._gauges)
            for metric in METRICS.values():
                for sample in samples_of(metric, found[metric.name], is_cumulative=False):
                    key = (sample.name, sample.labels)
                    value = self._values.get(key)
                    if value is None:
                        value = self._values[key] = _make_value(metric, sample)
                        if metric.kind == "gauge":
                            self._gauges.add(key)
                    gone.discard(key)
                    if self._written.get(key) != sample.value:
                        self._written[key] = sample.value
                        value.set(sample.value)
            for key in gone:  # counters keep their values
                self._written[key] = 0.0
                self._values[key].set(0)


def _make_value(metric: Metric, sample: Sample) -> Any:
    names = tuple(name for name, _ in sample.labels)
    label_values = tuple(value for _, value in sample.labels)
    return values.ValueClass(
        metric.kind, metric.name, sample.name, names, label_values, metric.help,
        multiprocess_mode=metric.of_processes,
    )  # fmt: skip


_files = _Files()
_installed = threading.Lock()  # held from the first install() on
_collector = _Collector()


def install() -> None:
    """Add the metrics to prometheus_client's registry, where other exporters find them, too."""
    if not is_shared() and _installed.acquire(blocking=False):
        REGISTRY.register(_collector)


class Export:
    """The metrics of one application, from its first connection until it stops.

    Args:
        loop: its event loop.
        source: what it counts.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, source: Source) -> None:
        self._loop, self._source = loop, source
        self._timer: asyncio.TimerHandle | None = None
        self._has_failed = False
        readings.add(source)
        install()
        if is_shared():
            self._write()

    def stop(self) -> None:
        """Show the application no more. Safe to call twice."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
            self._write_files()  # the last counts
        readings.discard(self._source)
        if is_shared():
            self._write_files()  # its gauges are 0

    def _write(self) -> None:
        self._timer = self._loop.call_later(_WRITE_SECONDS, self._write)
        # In a thread, because a hundred URL patterns take some milliseconds.
        self._loop.run_in_executor(None, self._write_files)

    def _write_files(self) -> None:
        try:
            _files.write()
        except Exception:  # the disk is full, or the directory is gone
            if not self._has_failed:
                logger.exception("metrics cannot be written to %s", os.environ.get(DIRECTORY))
            self._has_failed = True
        else:
            self._has_failed = False


def make_registry() -> Any:
    """Return the registry that a scrape reads: of this process, or of all that share files."""
    if not is_shared():
        install()
        return REGISTRY
    return _SharedRegistry(MultiProcessCollector(None))


def expose(accept: str) -> tuple[bytes, str]:
    """Return the body and the content type of a scrape.

    Args:
        accept: its Accept header.
    """
    registry = make_registry()
    if is_shared():
        _files.write()  # a process that serves no sockets has no timer
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type
