"""Counts what a live query manager has done, in plain numbers that any thread may read."""

from wsrequest.errors import Refused
from wsrequest.live.snapshot import Snapshot

__all__ = ["LiveCounts"]


class LiveCounts:
    """What one manager has done so far. Changed on its event loop only.

    Attributes:
        commits: how many commits it received.
        run: reruns for one identity.
        shared: reruns for all who share a public response.
        coalesced: reruns that were saved because one that covers the commit was due already.
        suppressed: reruns that were saved because a rerun itself made the commit.
        changed: reruns whose response was not the same as before.
        unchanged: those whose response was, so that nothing was sent.
        failed: those that gave no response, or a failure.
    """

    __slots__ = (
        "changed", "coalesced", "commits", "failed", "run", "shared", "suppressed", "unchanged",
    )  # fmt: skip

    def __init__(self) -> None:
        self.commits = self.run = self.shared = self.coalesced = self.suppressed = 0
        self.changed = self.unchanged = self.failed = 0

    def started(self, *, is_shared: bool) -> None:
        """Count a rerun."""
        if is_shared:
            self.shared += 1
        else:
            self.run += 1

    def ended(self, before: Snapshot | None, result: Snapshot | Refused | None) -> None:
        """Count the result of a rerun.

        Args:
            before: the latest snapshot until now.
            result: as for ``LiveQueryManager.finished``.
        """
        if not isinstance(result, Snapshot) or not result.is_success:
            self.failed += 1
        elif before is not None and before.digest == result.digest:
            self.unchanged += 1
        else:
            self.changed += 1
