"""Give the metrics to prometheus_client, and return what a scrape gets.

Without ``PROMETHEUS_MULTIPROC_DIR``, a scrape reads this process. With it, each process writes its
metrics to ``files``, and a scrape reads those of all.
"""

import logging
import os
import sys
import threading
from typing import Any

from prometheus_client import REGISTRY
from prometheus_client.core import Metric as Family
from prometheus_client.exposition import choose_encoder

from wsrequest.bus.base import Bus
from wsrequest.bus.broker import BrokerBus
from wsrequest.metrics import readings
from wsrequest.metrics.definitions import METRICS
from wsrequest.metrics.files import DIRECTORY, SharedRegistry, is_shared, keep_writing, write
from wsrequest.metrics.readings import Source, samples_of
from wsrequest.server.processes import worker_count

__all__ = ["Export", "expose", "install", "make_registry"]

logger = logging.getLogger("wsrequest.metrics")


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


_installed = threading.Lock()  # held from the first install() on
_collector = _Collector()


def install(bus: Bus | None = None) -> None:
    """Add the metrics to prometheus_client's registry, where other exporters find them, too.

    Args:
        bus: that of the process. If it only publishes, its metrics are shared from then on.
    """
    if is_shared():
        if isinstance(bus, BrokerBus):
            bus.when_publishing(keep_writing)
    elif _installed.acquire(blocking=False):
        REGISTRY.register(_collector)


class Export:
    """The metrics of one application, from its first connection until it stops.

    Args:
        source: what it counts.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        readings.add(source)
        install()
        if is_shared():
            keep_writing()
        elif worker_count(sys.argv, os.environ) > 1:
            logger.warning(
                "several processes serve this project, and each shows its own metrics: set %s, so "
                "that a scrape shows all of them (docs/metrics.md)",
                DIRECTORY,
            )

    def stop(self) -> None:
        """Show the application no more. Safe to call twice."""
        if is_shared():
            write()  # the last counts
        readings.discard(self._source)
        if is_shared():
            write()  # its gauges are 0


def make_registry() -> Any:
    """Return the registry that a scrape reads: of this process, or of all that share files."""
    if is_shared():
        return SharedRegistry()
    install()
    return REGISTRY


def expose(accept: str) -> tuple[bytes, str]:
    """Return the body and the content type of a scrape.

    Args:
        accept: its Accept header.
    """
    if is_shared():
        write()  # what this process has counted since the last second
    encode, content_type = choose_encoder(accept)
    return encode(make_registry()), content_type
