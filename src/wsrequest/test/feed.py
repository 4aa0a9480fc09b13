"""Finds the writes of this process that concern one live request of a test.

In a test nothing may ever be committed, so this decides when a write counts. Otherwise it receives
commits from the bus and compares them as a server's live query manager does. There is no event
loop: ``collect`` handles what has arrived.
"""

from collections import deque
from collections.abc import Callable
from operator import attrgetter
from typing import Any

from django.apps import apps
from django.core.exceptions import ImproperlyConfigured
from django.db import connections

from wsrequest.bus.codec import CHANGES
from wsrequest.conf import conf
from wsrequest.live.index import Index
from wsrequest.live.retained_reads import RetainedCommit, RetainedReads
from wsrequest.live.tracking.connection import tracker_of
from wsrequest.live.tracking.reads import ReadSet
from wsrequest.live.tracking.sessions import IGNORED_TABLES
from wsrequest.live.tracking.tracker import installed
from wsrequest.push.api import send_committed
from wsrequest.push.events import EVENTS
from wsrequest.push.presence_api import forget_source, use_source
from wsrequest.test.inbox import Inbox
from wsrequest.types import Commit, ReadPredicate

__all__ = ["ChangeFeed", "abandon", "close_abandoned"]

_FROM_TEST_CASE = attrgetter("_from_testcase")  # Django's, and not in the stubs

_abandoned: deque["ChangeFeed"] = deque()


def abandon(feed: "ChangeFeed") -> None:
    """Have a feed closed that no caller can close any more. Called by the garbage collector.

    The collector may interrupt any code, even while the bus holds its lock. So this only notes it.
    """
    feed.inbox.leave()
    _abandoned.append(feed)


def close_abandoned() -> None:
    """Close the feeds that earlier tests have left open."""
    while _abandoned:
        _abandoned.popleft().close()


class ChangeFeed:
    """Decides whether a view must run again.

    Attributes:
        is_dirty: whether what its last run read may have changed since.
        inbox: the events that its client gets.

    Raises:
        ImproperlyConfigured: this project has no live requests.
    """

    def __init__(self) -> None:
        tracker = installed()
        if tracker is None or not conf.MAX_SUBSCRIPTIONS:
            raise ImproperlyConfigured(
                'Live requests need "wsrequest" in INSTALLED_APPS, and WSREQUEST_MAX_SUBSCRIPTIONS '
                "above zero."
            )
        parts: Any = apps.get_app_config("wsrequest")
        self._tracker, self._managers = tracker, parts.live.managers
        self._index: Index[ChangeFeed] = Index()
        self._retained = RetainedReads()
        self._reads: frozenset[ReadPredicate] = frozenset()
        self._run: object | None = None
        self._posted: deque[Callable[[], None]] = deque()
        self._is_open = True
        self.is_dirty = False
        _publish()  # earlier writes of the test concern other feeds
        self._subscription = parts.live.bus.subscribe(
            CHANGES, self._receive, self._lost, post=self._posted.append
        )
        self.inbox = Inbox()
        self._events = parts.live.bus.subscribe(
            EVENTS, self.inbox.receive, self.inbox.lost, post=self._posted.append
        )
        use_source(self.inbox)
        self._managers.add(self)
        tracker.collectors += 1

    def columns(self, database: str, table: str) -> frozenset[tuple[str, ...]]:
        """Return the sets of columns by which the view narrows a table. For any thread."""
        return self._index.columns(database, table)

    def collect(self) -> None:
        """Handle what was written up to now, in the thread of the test's connections."""
        _publish()
        while self._posted:
            self._posted.popleft()()

    def begin(self, run: object) -> None:
        """Begin a run, which its own writes do not concern.

        Args:
            run: as ``Commit.run`` names it.
        """
        self._run, self.is_dirty = run, False
        self._retained.begin()

    def took(self, reads: frozenset[ReadPredicate], *, is_success: bool) -> None:
        """Take what the run has read. One that failed may have ended before it read all."""
        before = self._reads
        self._reads = self._retained.take(before, reads) if is_success else before | reads
        self._index.replace(self, self._reads)

    def close(self) -> None:
        """Receive no more. Safe to call twice."""
        if self._is_open:
            self._is_open = False
            self._subscription.close()
            self._events.close()
            self.inbox.leave()
            forget_source(self.inbox)
            self._managers.discard(self)
            self._tracker.collectors -= 1

    def _receive(self, position: int, changes: Commit) -> None:
        writer = changes.run
        if writer is not None and writer is self._run:
            return
        if isinstance(writer, ReadSet) and writer.is_rerun:
            changes = changes.without(IGNORED_TABLES)
        if self._index.touched(changes):
            self._retained.wrote(RetainedCommit(changes))
            self.is_dirty = True

    def _lost(self) -> None:
        self.is_dirty = True


def _publish() -> None:
    """Publish what the transaction of a TestCase holds, which is never committed.

    Not within an ``atomic()`` of the test itself, since that ends in the test and may roll back.
    """
    for connection in connections.all(initialized_only=True):
        connection_tracker, blocks = tracker_of(connection), connection.atomic_blocks
        if blocks and all(map(_FROM_TEST_CASE, blocks)):
            send_committed(connection)
            if connection_tracker is not None:
                connection_tracker.collect()
