"""From the thread that has a message to the thread of its receiver.

Owns one receiver's queue, for every bus. It is bounded: a receiver that is too slow is told that
it missed messages, which costs it less than to catch up with them.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from wsrequest.bus.base import Post, Topic

__all__ = ["Delivery"]

T = TypeVar("T")

logger = logging.getLogger("wsrequest.bus")

# Then others on the receiver's thread have their turn.
_TURN_MESSAGES = 100
_TURN_SECONDS = 0.005

# Of the messages that wait for one receiver. Above the first new ones are made lighter, so that
# they say less, above the second all are lost.
_HEAVY_BYTES = 2**22
_MOST_BYTES = 2**23


class Delivery(Generic[T]):
    """A ``Subscription`` that its bus feeds, from one thread at a time.

    Args:
        receive: as for ``Bus.subscribe``, and so are the others.
        lost: likewise.
        post: likewise.
        queue_length: likewise.
        closed: called once, when the receiver has closed it.
        topic: what its messages weigh; nothing where there is none.

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
        topic: Topic[T] | None = None,
    ) -> None:
        self._receive, self._lost, self._post = receive, lost, post
        self._queue_length = queue_length
        self._closed = closed
        self._topic = topic
        self.lost_count = 0
        self._lock = threading.Lock()  # of everything that follows
        self._queue: deque[tuple[int, T, int]] = deque()  # with what they weigh
        self._bytes = 0
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
                message, weight = self._weighed(message)
                is_room = self._bytes + weight <= _MOST_BYTES
                if is_room and len(self._queue) < self._queue_length:
                    self._queue.append((position, message, weight))
                    self._bytes += weight
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
            self._bytes = 0
        if not was_closed:
            self._closed(self)

    # With the lock held.

    def _weighed(self, message: T) -> tuple[T, int]:
        if self._topic is None:
            return message, 0
        weight = self._topic.weigh(message)
        if self._bytes + weight > _HEAVY_BYTES:
            message = self._topic.lighten(message)
            weight = self._topic.weigh(message)
        return message, weight

    def _lose(self) -> None:
        self._queue.clear()
        self._bytes = 0
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
        end = time.monotonic() + _TURN_SECONDS
        for count in range(_TURN_MESSAGES):
            if count and time.monotonic() > end:
                break
            with self._lock:
                if self._is_closed or not (self._is_lost or self._queue):
                    self._is_posted = False
                    return
                item = None if self._is_lost else self._queue.popleft()
                self._is_lost = False
                if item is not None:
                    self._bytes -= item[2]
            if item is not None:
                try:
                    self._receive(item[0], item[1])
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
