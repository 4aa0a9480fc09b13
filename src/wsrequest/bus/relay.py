"""Reads the write-ahead log for all processes of a project: ``manage.py wsrequest_relay``.

It sends each commit over the bus of the project, in the order of the log. The receivers learn each
second whether it can still read the log. When it connects to the log again, it says so by another
name of the reading, and they count everything as changed.
"""

import os
from collections.abc import Callable
from queue import Empty, SimpleQueue
from time import monotonic

from wsrequest.bus.base import Bus
from wsrequest.bus.relayed import LOG, RELAYED, Entry, Relayed

__all__ = ["PULSE_SECONDS", "Relay"]

PULSE_SECONDS = 1.0
"""How often a relay says that it can read the log."""


class Relay:
    """Passes on what one bus has to another. Used by one thread.

    Args:
        log: reads the log.
        bus: carries it to the other processes.
    """

    def __init__(self, log: Bus, bus: Bus) -> None:
        self._log, self._bus = log, bus
        self._posted: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._reading, self._is_connected = b"", True
        self._is_stopped = False

    def run(self) -> None:
        """Relay until ``stop``.

        Raises:
            RuntimeError: one of the two is closed, or no thread can be started.
        """
        subscription = self._log.subscribe(
            LOG, self._pass_on, self._lost, post=self._posted.put, connected=self._connected
        )
        due = monotonic()
        while not self._is_stopped:
            try:
                self._posted.get(timeout=max(0.0, due - monotonic()))()
            except Empty:
                pass
            if monotonic() >= due:
                due = monotonic() + PULSE_SECONDS
                self._pulse()
        subscription.close()
        self._is_connected = False
        self._pulse()  # so that the others need not wait for its silence

    def stop(self) -> None:
        """End ``run`` soon. From any thread, and from a signal handler."""
        self._posted.put(self._stop)

    def _stop(self) -> None:
        self._is_stopped = True

    def _pass_on(self, position: int, entry: Entry) -> None:
        self._bus.publish(RELAYED, Relayed(self._reading, entry))

    def _lost(self) -> None:
        self._reading = os.urandom(8)
        self._pulse()

    def _connected(self, is_connected: bool) -> None:
        self._is_connected = is_connected
        self._pulse()

    def _pulse(self) -> None:
        self._bus.publish(RELAYED, Relayed(self._reading if self._is_connected else b""))
