"""Notifies clients while the server cannot be sure that it sees each change (PROTOCOL.md 3.3).

That is so while the process is cut off from the commits of others, and after a loss of commits
until the live queries have run again.
"""

import asyncio
from collections.abc import Callable, Iterable
from functools import partial
from typing import Protocol

from wsrequest.live.commit_log import CommitLog
from wsrequest.live.query import Subscriber
from wsrequest.live.waits import Wait

__all__ = ["Certainty", "SubscriberGroup"]

# After a loss. Live queries that have not run again by then are uncertain. A loss that follows
# directly is checked at the end of the next such time, so both together are at most 5 seconds.
_DOUBT_SECONDS = 2.5
_SLICE = 100  # groups that are notified before the event loop does other work


class SubscriberGroup(Protocol):
    """The live requests of one connection, which are notified together."""

    def subscribers(self) -> Iterable[Subscriber]:
        """Return its live requests."""

    def report_uncertain(self, is_uncertain: bool) -> None:
        """Notify the client, unless it was notified of the same before."""


class Certainty:
    """Knows which groups are uncertain. Used on the event loop only.

    A group is certain again once each of its live queries has run since the last loss. One that
    fails or ends counts, too, because the client is sent that.

    Args:
        loop: the event loop.
        log: has the position of the last loss.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, log: CommitLog) -> None:
        self._loop, self._log = loop, log
        self._is_connected = True
        self._groups: dict[SubscriberGroup, None] = {}
        # Those that are uncertain. Each with the wait for its queries, or None while cut off.
        self._uncertain: dict[SubscriberGroup, Wait | None] = {}
        self._doubt: asyncio.TimerHandle | None = None

    def enter(self, group: SubscriberGroup) -> None:
        """Add a group, before its first live request is answered."""
        self._groups[group] = None
        if not self._is_connected:
            self._uncertain[group] = None
        group.report_uncertain(not self._is_connected)

    def leave(self, group: SubscriberGroup) -> None:
        """Remove a group without live requests. Safe to call twice."""
        self._groups.pop(group, None)
        wait = self._uncertain.pop(group, None)
        if wait is not None:
            wait.cancel()
        if not self._groups:
            self._stop_timer()

    def connected(self, is_connected: bool) -> None:
        """Take the notice whether commits of other processes arrive."""
        self._is_connected = is_connected
        if is_connected:
            self._each(self._await, list(self._uncertain))
            return
        self._stop_timer()
        for group, wait in self._uncertain.items():
            if wait is not None:
                wait.cancel()
                self._uncertain[group] = None
        self._each(self._cut_off, list(self._groups))

    def lost(self) -> None:
        """Take the notice that commits may have been lost. The log has its position."""
        if self._is_connected and self._groups and self._doubt is None:
            position = self._log.lost_position
            self._doubt = self._loop.call_later(_DOUBT_SECONDS, self._look, position)

    def _look(self, position: int) -> None:
        """Find the groups that have live queries which have not run since a loss."""
        self._doubt = None
        self._each(partial(self._check, position), list(self._groups))
        if position < self._log.lost_position:
            self.lost()

    def _check(self, position: int, group: SubscriberGroup) -> None:
        is_known = group not in self._groups or group in self._uncertain
        if not is_known and not _is_sure(group, position):
            self._uncertain[group] = None
            group.report_uncertain(True)
            self._await(group)

    def _cut_off(self, group: SubscriberGroup) -> None:
        if not self._is_connected and group in self._groups:
            self._uncertain[group] = None
            group.report_uncertain(True)

    def _await(self, group: SubscriberGroup) -> None:
        """Wait until the live queries of an uncertain group have run."""
        if self._is_connected and self._uncertain.get(group, self) is None:
            position = self._log.lost_position
            ran = partial(self._ran, group, position)
            wait = self._uncertain[group] = Wait(ran, accepts_failure=True)
            wait.begin(group.subscribers(), position, position)

    def _ran(self, group: SubscriberGroup, position: int) -> None:
        if position == self._log.lost_position and _is_sure(group, position):
            del self._uncertain[group]
            group.report_uncertain(False)
        else:  # there was another loss, or another live request came
            self._uncertain[group] = None
            self._await(group)

    def _each(self, act: Callable[[SubscriberGroup], None], groups: list[SubscriberGroup]) -> None:
        for group in groups[:_SLICE]:
            act(group)
        if len(groups) > _SLICE:
            self._loop.call_soon(self._each, act, groups[_SLICE:])

    def _stop_timer(self) -> None:
        if self._doubt is not None:
            self._doubt.cancel()
            self._doubt = None


def _is_sure(group: SubscriberGroup, position: int) -> bool:
    return all(
        subscriber.query is None
        or subscriber.query.has_shown(position, position, accepts_failure=True)
        for subscriber in group.subscribers()
    )
