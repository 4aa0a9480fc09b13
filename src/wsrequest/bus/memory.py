"""The bus of one process. Messages stay the objects that they are; nothing is connected."""

import threading
from collections.abc import Callable
from typing import Any, TypeVar

from wsrequest.bus.base import Post, Subscription, Topic
from wsrequest.bus.delivery import Delivery

__all__ = ["MemoryBus"]

T = TypeVar("T")


class MemoryBus:
    """A ``Bus`` for projects that run in one process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()  # of all that follows; held while a message is put in queues
        self._positions: dict[str, int] = {}
        self._deliveries: dict[str, list[Delivery[Any]]] = {}
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
        queue_length: int = 10_000,
    ) -> Subscription:
        """See ``Bus.subscribe``. Messages are lost when the queue is full, and not otherwise."""

        def forget(closed: Delivery[T]) -> None:
            with self._lock:
                if closed in self._deliveries.get(topic.name, ()):
                    self._deliveries[topic.name].remove(closed)

        delivery = Delivery(
            receive, lost, post=post, queue_length=queue_length, closed=forget, topic=topic
        )
        with self._lock:
            if self._is_closed:
                raise RuntimeError("the bus is closed")
            self._deliveries.setdefault(topic.name, []).append(delivery)
        return delivery

    def position(self, topic: Topic[T]) -> int:
        """See ``Bus.position``. What was published has come."""
        return self._positions.get(topic.name, 0)

    def close(self) -> None:
        """See ``Bus.close``."""
        with self._lock:
            self._is_closed = True
            deliveries = [one for found in self._deliveries.values() for one in found]
            self._deliveries.clear()
        for delivery in deliveries:
            delivery.close()
