"""Passes messages from the publishing thread to the thread of one receiver.

Every bus uses this queue. It is bounded: a receiver that is too slow is notified that it missed
messages. That costs it less than catching up with them.
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

# After this much, other work on the receiver's thread gets its turn.
_TURN_MESSAGES = 100
_TURN_SECONDS = 0.005

# The memory of the messages that wait for one receiver. Above the first limit new messages are made
# lighter, with less detail. Above the second all of them are lost.
_LIGHTEN_ABOVE_BYTES = 2**22
_MAX_BYTES = 2**23


class Delivery(Generic[T]):
    """A ``Subscription`` that its bus feeds, from one thread at a time.

    Args:
        receive: see ``Bus.subscribe``.
        lost: see ``Bus.subscribe``.
        post: see ``Bus.subscribe``.
        connected: see ``Bus.subscribe``.
        queue_length: see ``Bus.subscribe``.
        closed: called once, when the receiver has closed the subscription.
        topic: knows the weight of its messages. Without a topic they weigh nothing.

    Attributes:
        lost_count: how many times messages were lost.
    """

    def __init__(
        self,
        receive: Callable[[int, T], None],
        lost: Callable[[], None],
        *,
        post: Post,
        queue_length: int,
        closed: Callable[["Delivery[T]"], None],
        connected: Callable[[bool], None] = lambda is_connected: None,
        topic: Topic[T] | None = None,
    ) -> None:
        self._receive, self._lost, self._post = receive, lost, post
        self._queue_length = queue_length
        self._closed, self._connected = closed, connected
        self._topic = topic
        self.lost_count = 0
        self._lock = threading.Lock()  # guards everything below
        self._queue: deque[tuple[int, T, int]] = deque()  # each with its weight
        self._bytes = 0
        self._is_lost = False  # and the receiver has not been notified yet
        self._is_full = False  # likewise, because too many waited
        self._is_connected = True  # what the receiver was notified of last
        self._will_be_connected = True
        self._is_posted = False
        self._is_unreachable = False  # and that was logged
        self._is_closed = False

    def put(self, position: int, message: T) -> None:
        """Deliver a message after those that were put before. Raises nothing."""
        with self._lock:
            if self._is_closed:
                return
            # If it is too slow, further messages are lost until it is notified. If others were
            # lost, those that follow come after the notice.
            if not self._is_full:
                message, weight = self._weighed(message)
                is_room = self._bytes + weight <= _MAX_BYTES
                if is_room and len(self._queue) < self._queue_length:
                    self._queue.append((position, message, weight))
                    self._bytes += weight
                else:
                    self._lose()
                    self._is_full = True
            self._wake()

    def lose(self) -> None:
        """Notify the receiver that it may have missed anything up to now. Raises nothing."""
        with self._lock:
            if not self._is_closed:
                self._lose()
                self._wake()

    def connect(self, is_connected: bool) -> None:
        """Notify the receiver whether messages of other processes arrive. Raises nothing."""
        with self._lock:
            self._will_be_connected = is_connected
            if not self._is_closed and is_connected is not self._is_connected:
                self._wake()

    def close(self) -> None:
        """Stop receiving. On the receiver's thread. Safe to call twice."""
        with self._lock:
            was_closed, self._is_closed = self._is_closed, True
            self._queue.clear()
            self._bytes = 0
        if not was_closed:
            self._closed(self)

    # These methods need the lock.

    def _weighed(self, message: T) -> tuple[T, int]:
        if self._topic is None:
            return message, 0
        weight = self._topic.weigh(message)
        if self._bytes + weight > _LIGHTEN_ABOVE_BYTES:
            message = self._topic.lighten(message)
            weight = self._topic.weigh(message)
        return message, weight

    def _lose(self) -> None:
        self._queue.clear()
        self._bytes = 0
        self.lost_count += not self._is_lost
        self._is_lost = True

    def _wake(self) -> None:
        if self._is_posted:
            return
        try:
            self._post(self._deliver)
        except Exception:  # for example, the loop is closed. The next message tries again
            if not self._is_unreachable:
                logger.exception("cannot reach a receiver")
            self._is_unreachable = True
        else:
            self._is_posted, self._is_unreachable = True, False

    # These methods run on the receiver's thread.

    def _deliver(self) -> None:
        end = time.monotonic() + _TURN_SECONDS
        for count in range(_TURN_MESSAGES):
            if count and time.monotonic() > end:
                break
            with self._lock:
                if self._is_closed or self._is_idle():
                    self._is_posted = False
                    return
                # A loss comes first, so that a receiver knows of it before it is connected again.
                is_lost, self._is_lost = self._is_lost, False
                self._is_full = self._is_full and not is_lost
                is_other_state = not is_lost and self._is_connected is not self._will_be_connected
                item = None
                if is_other_state:
                    self._is_connected = self._will_be_connected
                elif not is_lost:
                    item = self._queue.popleft()
                    self._bytes -= item[2]
            if not is_lost:
                try:
                    if item is None:
                        self._connected(self._is_connected)
                    else:
                        self._receive(item[0], item[1])
                    continue
                except Exception:
                    logger.exception("receiving a message failed")
                self.lost_count += 1
            try:
                self._lost()
            except Exception:
                logger.exception("notifying a receiver of lost messages failed")
                with self._lock:
                    self._lose()
                    self._is_posted = False  # until the next message
                return
        with self._lock:
            self._is_posted = False
            if not self._is_idle():
                self._wake()

    def _is_idle(self) -> bool:
        """Whether there is nothing to deliver. Needs the lock."""
        is_same_state = self._is_connected is self._will_be_connected
        return is_same_state and not (self._is_lost or self._queue)
