"""The stream of commits from the bus to the live query manager of a process, in order."""

from collections.abc import Callable
from functools import partial

from wsrequest.bus.base import Bus, Post, Topic
from wsrequest.live.manager import LiveQueryManager
from wsrequest.types import Commit

__all__ = ["ChangeFeed"]


class ChangeFeed:
    """Joins a bus and a live query manager. Used on the manager's event loop.

    Args:
        bus: where commits are published.
        topic: the topic of commits.
        manager: receives them.
        post: has a function called on the event loop, from any thread.
    """

    def __init__(
        self, bus: Bus, topic: Topic[Commit], manager: LiveQueryManager, post: Post
    ) -> None:
        self._bus, self._topic, self._manager, self._post = bus, topic, manager, post
        self._position = bus.position(topic)
        self._waiting: list[tuple[int, Callable[[bool], None]]] = []
        self._subscription = bus.subscribe(
            topic, self._receive, self._lost, post=post, connected=manager.connected
        )

    def when_received(self, then: Callable[[bool], None]) -> None:
        """Call ``then`` once the manager has received all that was committed here by now.

        Args:
            then: called with True. Called with False if the commits do not arrive at present.
        """

        def wait(is_current: bool) -> None:
            if is_current:
                self._wait(then)
            else:
                then(False)

        if self._bus.when_current(lambda is_current: self._post(partial(wait, is_current))):
            self._wait(then)

    def _wait(self, then: Callable[[bool], None]) -> None:
        position = self._bus.position(self._topic)
        if self._position >= position:
            then(True)
        else:
            self._waiting.append((position, then))

    def stop(self) -> None:
        """Receive no more. Safe to call twice."""
        self._subscription.close()

    def _receive(self, position: int, changes: Commit) -> None:
        self._position = position
        self._manager.receive(changes)
        self._tell()

    def _lost(self) -> None:
        self._position = self._bus.position(self._topic)
        self._manager.lost()
        self._tell()

    def _tell(self) -> None:
        waiting, self._waiting = self._waiting, []
        for position, then in waiting:
            if position <= self._position:
                then(True)
            else:
                self._waiting.append((position, then))
