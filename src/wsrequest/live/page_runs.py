"""Keeps the HTTP runs of live pages until their sockets come, so that no page is made twice.

A page that was served subscribes to its own URL a moment later. Its HTTP run has recorded what it
read, and its run is still open in the commit log. So it is a first run like any other, only that
its subscriber comes late: what was committed since it began is known.
"""

import asyncio
from collections.abc import Hashable
from time import monotonic
from typing import Any

from wsrequest.live.index import weight_bytes
from wsrequest.live.manager import LiveQueryManager
from wsrequest.live.query import Run
from wsrequest.live.snapshot import Snapshot
from wsrequest.live.tracking.reads import ReadSet
from wsrequest.types import ReadPredicate

__all__ = ["KEPT_SECONDS", "PageRun", "PageRuns"]

KEPT_SECONDS = 10.0
"""For how long a page waits for its socket."""

_MAX_BYTES = 2**23  # of all pages that wait
_MAX_PAGE_BYTES = 2**20
_MAX_PAGES = 1000


class PageRun:
    """The HTTP run of one page. A worker thread fills it in, and the event loop takes it.

    Args:
        run: an open run of the manager, which began before the page read anything.

    Attributes:
        reads: what it reads.
        predicates: the same, once it has ended.
        result: the page as a live run would have made it. None if it cannot be taken over.
        proof: by which the page's socket is recognized.
        cookie: the Cookie header of its request.
        cookie_names: those of the cookies that it has read. None for all.
        origin: where its request came from (``subscriptions/page_proof``).
        user: the result of ``handler.seen_user``.
        match: of the URL pattern.
        holder: who has it wait: a user or an address.
        began: of the run, by the monotonic clock.
    """

    __slots__ = (
        "began", "cookie", "cookie_names", "holder", "kept_at", "match", "origin", "predicates",
        "proof", "reads", "result", "run", "user", "weight_bytes",
    )  # fmt: skip

    def __init__(self, run: Run) -> None:
        self.run = run
        # What the page itself writes counts as another's. A page that changes what it shows was
        # served with the old state, and must run again.
        self.reads = ReadSet(Run(run.began))
        self.predicates: frozenset[ReadPredicate] = frozenset()
        self.result: Snapshot | None = None
        self.proof = self.cookie = ""
        self.cookie_names: frozenset[str] | None = None
        self.origin: Hashable = None
        self.user: tuple[object, bool] | None = None
        self.match: Any = None
        self.holder: Hashable = None
        self.began = monotonic()
        self.kept_at = 0.0
        self.weight_bytes = 0


class PageRuns:
    """The pages of one event loop that wait for their sockets. Used on that loop only.

    If there are too many, the holder of the most loses its oldest.

    Args:
        loop: the event loop.
        manager: its live query manager.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, manager: LiveQueryManager) -> None:
        self._loop, self._manager = loop, manager
        self._pages: dict[str, PageRun] = {}  # the oldest first
        self._holders: dict[Hashable, dict[PageRun, None]] = {}
        self._held_bytes: dict[Hashable, int] = {}
        self._bytes = 0
        self._timer: asyncio.TimerHandle | None = None

    def __len__(self) -> int:
        """How many pages wait."""
        return len(self._pages)

    def begin(self) -> PageRun:
        """Open a run before a page is made. A call of ``keep`` or ``abandon`` follows."""
        return PageRun(self._manager.begin())

    def abandon(self, page: PageRun) -> None:
        """Drop a page that waits for nothing. Safe to call twice."""
        self._manager.abandon(page.run)

    def keep(self, page: PageRun) -> None:
        """Have a page wait for its socket, unless it cannot be used."""
        result = page.result
        if result is None or not self._manager.renew(page.run, page.predicates):
            self.abandon(page)
            return
        page.weight_bytes = result.held_bytes + weight_bytes(page.predicates)
        if page.weight_bytes > _MAX_PAGE_BYTES:
            self.abandon(page)
            return
        if (older := self._pages.get(page.proof)) is not None:
            self._drop(older)  # the same visitor has loaded it again within the second
        page.kept_at = self._loop.time()
        self._pages[page.proof] = page
        self._holders.setdefault(page.holder, {})[page] = None
        self._count(page, page.weight_bytes)
        while self._bytes > _MAX_BYTES or len(self._pages) > _MAX_PAGES:
            most = max(self._held_bytes, key=self._held_bytes.__getitem__)
            self._drop(next(iter(self._holders[most])))
        self._set_timer()

    def take(self, proof: str) -> PageRun | None:
        """Return the page that waits for a socket with this proof, for which nothing has changed.

        Its run stays open. The caller ends it, as that of any first run.

        Returns:
            None if there is no such page any more, or a commit may concern it.
        """
        page = self._pages.get(proof)
        if page is None:
            return None
        self._forget(page)
        if self._is_over(page) or not self._manager.renew(page.run, page.predicates):
            self.abandon(page)
            return None
        return page

    def stop(self) -> None:
        """Drop all of them. Safe to call twice."""
        for page in list(self._pages.values()):
            self._drop(page)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _drop(self, page: PageRun) -> None:
        self._forget(page)
        self.abandon(page)

    def _forget(self, page: PageRun) -> None:
        del self._pages[page.proof]
        held = self._holders[page.holder]
        del held[page]
        self._count(page, -page.weight_bytes)
        if not held:
            del self._holders[page.holder], self._held_bytes[page.holder]

    def _count(self, page: PageRun, count: int) -> None:
        self._bytes += count
        self._held_bytes[page.holder] = self._held_bytes.get(page.holder, 0) + count

    def _is_over(self, page: PageRun) -> bool:
        return self._loop.time() - page.kept_at >= KEPT_SECONDS

    def _set_timer(self) -> None:
        if self._timer is None and self._pages:
            oldest = next(iter(self._pages.values()))
            seconds = oldest.kept_at + KEPT_SECONDS - self._loop.time()
            self._timer = self._loop.call_later(max(0.0, seconds), self._expire)

    def _expire(self) -> None:
        self._timer = None
        for page in list(self._pages.values()):
            if not self._is_over(page):
                break
            self._drop(page)
        self._set_timer()
