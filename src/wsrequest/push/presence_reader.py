"""Presence for a process that serves nothing, such as a command or a task.

It listens to the bus from the first question on, and for a while after the last one. So the first
answer takes as long as each process may be silent, and the next ones take no time.
"""

import logging
import os
import threading
import time
from collections.abc import Callable
from queue import Empty, SimpleQueue
from random import random

from wsrequest.bus.base import Bus
from wsrequest.protocol.messages import Member
from wsrequest.push.own_members import PresenceLimits
from wsrequest.push.presence import Presence
from wsrequest.push.presence_feed import new_epoch, stamp
from wsrequest.push.presence_messages import PRESENCE

__all__ = ["READ_SECONDS", "PresenceReader"]

READ_SECONDS = 2.0
"""How long the first answer may take."""
_IDLE_SECONDS = 60.0  # after the last question
_SEND_SECONDS = 0.1  # for the question to the other processes, when it should have been sent

logger = logging.getLogger("wsrequest.push")


class PresenceReader:
    """Follows presence in a thread of its own, which ends when nobody asks any more.

    Args:
        bus: where the processes hear each other.
        max_bytes: how much the members of one process may take.

    Attributes:
        pid: the process in which its thread runs.
        is_over: whether the thread has ended, or is about to. An exception ends it, too.

    Raises:
        RuntimeError: the bus is closed, or a thread cannot be started.
    """

    def __init__(self, bus: Bus, max_bytes: int) -> None:
        self.pid = os.getpid()
        self.is_over = False
        self._bus = bus
        self._posted: SimpleQueue[Callable[[], None]] = SimpleQueue()
        self._lock = threading.Lock()  # guards ``is_over`` and ``_asked_at``
        self._asked_at = time.monotonic()
        self._complete = threading.Event()
        self._presence = Presence(
            new_epoch(),
            publish=lambda message: bus.publish(PRESENCE, message),
            is_watched=lambda room: False,
            show=lambda room, frame: 0,
            limits=PresenceLimits(max_bytes, 0),
            stamp=stamp,
            random=random,
            now=self._asked_at,
        )
        presence = self._presence
        self._subscription = bus.subscribe(
            PRESENCE,
            lambda position, message: presence.receive(message, time.monotonic()),
            lambda: presence.lost(time.monotonic()),
            post=self._posted.put,
            connected=lambda is_connected: presence.connected(is_connected, time.monotonic()),
        )
        try:
            threading.Thread(target=self._run, name="wsrequest-presence", daemon=True).start()
        except RuntimeError:
            self._subscription.close()
            raise

    def of(self, room: str) -> list[Member] | None:
        """Return who is in a room. None if the reader has ended. From any thread."""
        with self._lock:
            if self.is_over:
                return None
            self._asked_at = time.monotonic()
        if not self._complete.wait(READ_SECONDS):
            logger.warning(
                "not all processes were heard within %s seconds: members() may lack some",
                READ_SECONDS,
            )
        return self._presence.of(room)

    def _run(self) -> None:
        try:
            while not self._ends():
                self._turn()
        finally:
            with self._lock:
                self.is_over = True
            self._subscription.close()

    def _turn(self) -> None:
        due = self._presence.due
        now = time.monotonic()
        seconds = 0.5 if due is None else min(0.5, max(0.0, due - now))
        try:
            self._posted.get(timeout=max(seconds, 0.001))()
        except Empty:
            pass
        now = time.monotonic()
        if (due := self._presence.due) is not None and due <= now:
            self._presence.tick(now)
        if not self._complete.is_set() and self._presence.is_complete(now):
            # A bus that has just begun knows only later that it is cut off.
            if self._bus.flush(_SEND_SECONDS):
                self._complete.set()

    def _ends(self) -> bool:
        with self._lock:
            self.is_over = time.monotonic() - self._asked_at > _IDLE_SECONDS
            return self.is_over
