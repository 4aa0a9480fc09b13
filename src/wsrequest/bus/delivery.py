"""From the thread that has a message to the thread of its receiver.

Owns one receiver's queue, for every bus. It is bounded: a receiver that is too slow is told that
it missed messages, which costs it less than to catch up with them.
"""

import logging
import threading
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from wsrequest.bus.base import Post

__all__ = ["Delivery"]

T = TypeVar("T")

logger = logging.getLogger("wsrequest.bus")

_TURN_MESSAGES = 100  # then others on the receiver's thread have their turn


class Delivery(Generic[T]):
    """A ``Subscription`` that its bus feeds, from one thread at a time.

    Args:
        receive: as for ``Bus.subscribe``, and so are the others.
        lost: likewise.
        post: likewise.
        queue_length: likewise.
        closed: called once, when the receiver has closed it.

    Attributes:
        lost_count: how often messages were lost.
    """

    def __init__(
        self,
        receive: Callable[[int, T], None],
        lost: Callable[[], None],
        *,
        post: Post,
        queue_length: int,
        closed: Callable[["Delivery[T]"], None],
    ) -> None:
        self._receive, self._lost, self._post = receive, lost, post
        self._queue_length = queue_length
        self._closed = closed
        self.lost_count = 0
        self._lock = threading.Lock()  # of everything that follows
        self._queue: deque[tuple[int, T]] = deque()
        self._is_lost = False  # and the receiver has not been told
        self._is_posted = False
        self._is_unreachable = False  # and that was logged
        self._is_closed = False

    def put(self, position: int, message: T) -> None:
        """Deliver a message after those put before. Raises nothing."""
        with self._lock:
            if self._is_closed:
                return
            if not self._is_lost:  # else what comes before the receiver is told is lost, too
                if len(self._queue) < self._queue_length:
                    self._queue.append((position, message))
                else:
                    self._lose()
            self._wake()

    def lose(self) -> None:
        """Tell the receiver that it may have missed anything up to now. Raises nothing."""
        with self._lock:
            if not self._is_closed and not self._is_lost:
                self._lose()
                self._wake()

    def close(self) -> None:
        """Receive nothing from now on. On the receiver's thread; safe to call twice."""
        with self._lock:
            was_closed, self._is_closed = self._is_closed, True
            self._queue.clear()
        if not was_closed:
            self._closed(self)

    # With the lock held.

    def _lose(self) -> None:
        self._queue.clear()
        self._is_lost = True
        self.lost_count += 1

    def _wake(self) -> None:
        if self._is_posted:
            return
        try:
            self._post(self._deliver)
        except Exception:  # the loop is closed, say: the next message tries again
            if not self._is_unreachable:
                logger.exception("a receiver cannot be reached")
            self._is_unreachable = True
        else:
            self._is_posted, self._is_unreachable = True, False

    # On the receiver's thread.

    def _deliver(self) -> None:
        for _ in range(_TURN_MESSAGES):
            with self._lock:
                if self._is_closed or not (self._is_lost or self._queue):
                    self._is_posted = False
                    return
                item = None if self._is_lost else self._queue.popleft()
                self._is_lost = False
            if item is not None:
                try:
                    self._receive(*item)
                    continue
                except Exception:
                    logger.exception("receiving a message failed")
                self.lost_count += 1
            try:
                self._lost()
            except Exception:
                logger.exception("a receiver could not be told that it missed messages")
                with self._lock:
                    self._lose()
                    self._is_posted = False  # until the next message
                return
        with self._lock:
            self._is_posted = False
            if self._is_lost or self._queue:
                self._wake()
