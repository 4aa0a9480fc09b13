"""Waiting until some subscribers were shown what had changed by a moment.

Owns one such wait, and that it can be revoked: what waits may be an answer of a connection that
is gone by then, and nothing may keep that alive.
"""

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from wsrequest.live.query import LiveQuery, Subscriber

__all__ = ["Wait"]


class Wait:
    """One wait. Used on the event loop only.

    Args:
        then: called once, when the wait is over, unless it was cancelled.

    Attributes:
        position: of the log; what was committed up to there must have been shown. Less than 0
            until it begins.
    """

    __slots__ = ("__weakref__", "_query", "_left", "_then", "position")

    def __init__(self, then: Callable[[], None]) -> None:
        self._then: Callable[[], None] | None = then
        self._left: list[Subscriber] = []  # those not looked at yet; the next one is the last
        self._query: LiveQuery | None = None  # whose waits this is among
        self.position = -1

    def begin(self, subscribers: Iterable["Subscriber"], position: int) -> None:
        """Wait for these subscribers, from now on.

        A wait that was renewed keeps its position: it is for nothing that was committed later.
        """
        if self._then is None:
            return  # cancelled before
        self._left = list(subscribers)[::-1]
        if self.position < 0:
            self.position = position
        self.look()

    def look(self) -> None:
        """Go on to the next subscriber that was not shown everything, or end the wait.

        Each one is passed once. A subscriber that was shown what had changed by then is done with,
        even if it moves to another group later.
        """
        self._query = None
        while self._left:
            query = self._left[-1].query
            if query is not None and not query.has_shown(self.position):
                self._query = query
                query.waits[self] = None
                return
            self._left.pop()
        then, self._then = self._then, None
        if then is not None:
            then()

    def renew(self, then: Callable[[], None]) -> None:
        """Called from ``then``: what waits goes on to wait, and ``begin`` follows."""
        self._then = then

    def cancel(self) -> None:
        """Revoke it: ``then`` is not called, and nothing is kept alive. Safe to call twice."""
        self._then = None
        self._left.clear()
        if self._query is not None:
            self._query.waits.pop(self, None)
            self._query = None
