"""The files by which processes share their metrics: prometheus_client's multiprocess mode.

prometheus_client makes and reads them. Here each process writes its numbers into its own, once a
second, in a thread. So nothing that counts pays for it.
"""

import atexit
import logging
import os
import threading
import time
from typing import Any

from prometheus_client import values
from prometheus_client.multiprocess import MultiProcessCollector

from wsrequest.metrics import readings
from wsrequest.metrics.definitions import METRICS, Metric
from wsrequest.metrics.readings import Sample, samples_of

__all__ = ["DIRECTORY", "SharedRegistry", "is_shared", "keep_writing", "write"]

logger = logging.getLogger("wsrequest.metrics")

DIRECTORY = "PROMETHEUS_MULTIPROC_DIR"
"""The environment variable with the directory that processes share."""

_WRITE_SECONDS = 1.0
_ATTEMPTS, _ATTEMPT_SECONDS = 4, 0.05


def is_shared() -> bool:
    """Whether processes show their metrics together."""
    return bool(os.environ.get(DIRECTORY))


class SharedRegistry:
    """Reads the files of all processes.

    Args:
        collector: prometheus_client's. One for ``DIRECTORY`` if None.
    """

    def __init__(self, collector: Any = None) -> None:
        self._collector = MultiProcessCollector(None) if collector is None else collector

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
    """What this process has written.

    prometheus_client gives a process that was forked files of its own, which begin at 0.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[tuple[str, Any], Any] = {}
        self._written: dict[tuple[str, Any], float] = {}
        self._gauges: set[tuple[str, Any]] = set()
        self._has_failed = False

    def after_fork(self) -> None:
        """Begin from the start. A thread of the parent may have held the lock."""
        self._lock = threading.Lock()
        self._written.clear()

    def write(self) -> None:
        """Write all metrics as they are now. Raises nothing."""
        try:
            found = readings.read()
            with self._lock:
                self._write(found)
        except Exception:  # the disk is full, or the directory is gone
            if not self._has_failed:
                logger.exception("metrics cannot be written to %s", os.environ.get(DIRECTORY))
            self._has_failed = True
        else:
            self._has_failed = False

    def _write(self, found: readings.Readings) -> None:
        gone = set(self._gauges)
        for metric in METRICS.values():
            for sample in samples_of(metric, found[metric.name], is_cumulative=False):
                key = (sample.name, sample.labels)
                if key not in self._values:
                    self._values[key] = _make_value(metric, sample)
                    if metric.kind == "gauge":
                        self._gauges.add(key)
                gone.discard(key)
                self._set(key, sample.value)
        for key in gone:  # counters keep their values
            self._set(key, 0.0)

    def _set(self, key: tuple[str, Any], value: float) -> None:
        if self._written.get(key) != value:
            self._values[key].set(value)
            self._written[key] = value


def _make_value(metric: Metric, sample: Sample) -> Any:
    names = tuple(name for name, _ in sample.labels)
    label_values = tuple(value for _, value in sample.labels)
    return values.ValueClass(
        metric.kind, metric.name, sample.name, names, label_values, metric.help,
        multiprocess_mode=metric.of_processes,
    )  # fmt: skip


_files = _Files()
_writers: dict[int, object] = {}  # by process


def write() -> None:
    """Write the metrics of this process as they are now. From any thread. Raises nothing."""
    _files.write()


def keep_writing() -> None:
    """Write once a second from now on, and at the exit. From any thread. Safe to call twice.

    A process that was forked has no such thread until it calls this, too.
    """
    token = object()
    if _writers.setdefault(os.getpid(), token) is not token:
        return
    if len(_writers) > 1:
        _files.after_fork()
    atexit.register(write)
    try:
        threading.Thread(target=_keep_writing, name="wsrequest-metrics", daemon=True).start()
    except RuntimeError as error:  # too many threads. The view and the exit still write
        logger.error("the thread that writes metrics cannot be started: %s", error)


def _keep_writing() -> None:
    while True:
        write()
        time.sleep(_WRITE_SECONDS)
