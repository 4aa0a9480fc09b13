"""Waits until subscribers are up to date: for a settled response, or after a loss of commits."""

from collections.abc import Callable, Iterable

from wsrequest.live.query import LiveQuery, Subscriber

__all__ = ["Wait"]


class Wait:
    """Waits until some subscribers were sent what had changed.

    Used on the event loop only.
    It can be cancelled: it may belong to a connection that is gone by then, and nothing may keep
    that alive.

    Args:
        then: called once, when the wait is over, unless it was cancelled.
        accepts_failure: whether a failure that was sent ends the wait, too.

    Attributes:
        position: of the commit log. What was committed up to there must have been sent. Below 0
            until the wait begins.
    """

    __slots__ = (
        "__weakref__", "_accepts_failure", "_left", "_lost_position", "_query", "_then", "position",
    )  # fmt: skip

    def __init__(self, then: Callable[[], None], *, accepts_failure: bool = False) -> None:
        self._then: Callable[[], None] | None = then
        self._left: list[Subscriber] = []  # not checked yet. The next one is the last
        self._query: LiveQuery | None = None  # the one whose waits contain this wait
        self._accepts_failure = accepts_failure
        self.position = self._lost_position = -1

    def begin(
        self, subscribers: Iterable[Subscriber], position: int, lost_position: int = -1
    ) -> None:
        """Wait for these subscribers from now on.

        A renewed wait keeps its position: it does not include later commits.

        Args:
            subscribers: what they were sent by now does not count if commits were lost since.
            position: of the commit log.
            lost_position: where commits were last lost, or -1.
        """
        if self._then is None:
            return  # cancelled before it began
        self._left = list(subscribers)[::-1]
        if self.position < 0:
            self.position, self._lost_position = position, lost_position
        self.look()

    def is_met_by(self, query: LiveQuery) -> bool:
        """Whether the subscribers of a live query were sent what this waits for."""
        return query.has_shown(
            self.position, self._lost_position, accepts_failure=self._accepts_failure
        )

    def look(self) -> None:
        """Go on to the next subscriber that lacks something, or end the wait.

        Each subscriber is passed once. One that was sent what had changed by then is done, even if
        it moves to another query later.
        """
        self._query = None
        while self._left:
            query = self._left[-1].query
            if query is not None and not self.is_met_by(query):
                self._query = query
                query.waits[self] = None
                return
            self._left.pop()
        then, self._then = self._then, None
        if then is not None:
            then()

    def renew(self, then: Callable[[], None]) -> None:
        """Wait again. Called from ``then``, and followed by ``begin``."""
        self._then = then

    def cancel(self) -> None:
        """Cancel the wait: ``then`` is not called, nothing is kept alive. Safe to call twice."""
        self._then = None
        self._left.clear()
        if self._query is not None:
            self._query.waits.pop(self, None)
            self._query = None
