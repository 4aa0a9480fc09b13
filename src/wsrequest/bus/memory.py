"""The bus of one process. It passes messages on as they are and opens no connection."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from wsrequest.bus.base import Post, Subscription, Topic
from wsrequest.bus.delivery import Delivery

__all__ = ["MemoryBus"]

T = TypeVar("T")


class MemoryBus:
    """A ``Bus`` for projects that run in one process.

    A bus of several processes uses one to reach the receivers of its own process. Only that calls
    ``lose`` and ``connect``.

    Attributes:
        is_ready: always. Whatever there is has arrived.
    """

    is_ready = True

    def __init__(self) -> None:
        # guards everything below, and is held while queues are filled
        self._lock = threading.Lock()
        self._positions: dict[str, int] = {}
        self._deliveries: dict[str, list[Delivery[Any]]] = {}
        self._is_connected = True
        self._is_closed = False

    def publish(self, topic: Topic[T], message: T) -> None:
        """See ``Bus.publish``."""
        with self._lock:
            if self._is_closed:
                return
            position = self._positions[topic.name] = self._positions.get(topic.name, 0) + 1
            for delivery in self._deliveries.get(topic.name, ()):
                delivery.put(position, message)

    def subscribe(
        self,
        topic: Topic[T],
        receive: Callable[[int, T], None],
        lost: Callable[[], None],
        *,
        post: Post,
        connected: Callable[[bool], None] = lambda is_connected: None,
        queue_length: int = 10_000,
    ) -> Subscription:
        """See ``Bus.subscribe``. Messages are lost only when the queue is full."""

        def forget(closed: Delivery[T]) -> None:
            with self._lock:
                if closed in self._deliveries.get(topic.name, ()):
                    self._deliveries[topic.name].remove(closed)

        delivery = Delivery(
            receive,
            lost,
            post=post,
            queue_length=queue_length,
            closed=forget,
            connected=connected,
            topic=topic,
        )
        with self._lock:
            if self._is_closed:
                raise RuntimeError("the bus is closed")
            if not self._is_connected:
                delivery.connect(False)
            self._deliveries.setdefault(topic.name, []).append(delivery)
        return delivery

    def position(self, topic: Topic[T]) -> int:
        """See ``Bus.position``. A published message has arrived."""
        return self._positions.get(topic.name, 0)

    def when_current(self, then: Callable[[bool], None]) -> bool:
        """See ``Bus.when_current``. What is published has arrived."""
        return True

    def lose(self, topic: Topic[Any] | None = None) -> None:
        """Notify the receivers of a topic, or all, that they may have missed anything up to now."""
        with self._lock:
            lossy = self._all() if topic is None else self._deliveries.get(topic.name, ())
            for delivery in lossy:
                delivery.lose()

    def connect(self, is_connected: bool) -> None:
        """Notify all receivers whether messages of other processes arrive."""
        with self._lock:
            self._is_connected = is_connected
            for delivery in self._all():
                delivery.connect(is_connected)

    def flush(self, seconds: float) -> bool:
        """See ``Bus.flush``. What is published has arrived."""
        return True

    def close(self) -> None:
        """See ``Bus.close``."""
        with self._lock:
            self._is_closed = True
            deliveries = self._all()
            self._deliveries.clear()
        for delivery in deliveries:
            delivery.close()

    def _all(self) -> list[Delivery[Any]]:
        return [each for group in self._deliveries.values() for each in group]
