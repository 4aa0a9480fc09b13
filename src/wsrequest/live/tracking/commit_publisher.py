"""Publishes what one connection has written, when that is committed or may be.

Most commits are known, and published once. MySQL does not report whether a transaction is open. So
after a statement that hides it, each write is published twice: at once, and at the next commit.
"""

from typing import TYPE_CHECKING

from wsrequest.live.tracking.statement_recorder import StatementRecorder
from wsrequest.live.tracking.transaction_writes import TransactionWrites
from wsrequest.types import Commit

if TYPE_CHECKING:
    from wsrequest.live.tracking.tracker import ChangeTracker

__all__ = ["CommitPublisher"]

_MAX_RUNS = 20


class CommitPublisher:
    """Publishes the writes of a recorder. From the thread of its connection.

    Args:
        tracker: receives the commits.
        recorder: has the pending writes.
        alias: of the connection's database.
    """

    def __init__(self, tracker: "ChangeTracker", recorder: StatementRecorder, alias: str) -> None:
        self._tracker, self._recorder, self._alias = tracker, recorder, alias
        self._pending = recorder.pending
        # What was published, but perhaps before it was committed. By the run that made it, because
        # a commit of unknown origin would restart what the guard against loops has counted.
        self._doubtful: list[TransactionWrites] = []

    def all(self) -> None:
        """Publish what was written so far: it is committed, or may be."""
        self.definitions()
        self.doubtful(is_sure=True)
        if self._pending:
            self._publish(self._pending.take())

    def so_far(self, *, defines: bool = False) -> None:
        """Publish the writes now and again later: they may be committed only then.

        Args:
            defines: what was defined is committed.
        """
        if defines:
            self.definitions()
        self._publish(self._pending.look())

    def in_doubt(self) -> None:
        """Publish the writes now, and at the next commit as well."""
        self.definitions()
        commit = self._pending.take()
        self._doubt(commit)
        self._publish(commit)

    def _doubt(self, commit: Commit) -> None:
        for writes in self._doubtful:
            if writes.look().run is commit.run:
                break
        else:
            if len(self._doubtful) < _MAX_RUNS:
                self._doubtful.append(TransactionWrites())
            writes = self._doubtful[-1]
        writes.add_commit(commit)

    def doubtful(self, *, is_sure: bool) -> None:
        """Publish again what may be committed only now.

        Args:
            is_sure: nothing of it can be committed later.
        """
        for writes in self._doubtful:
            self._publish(writes.look())
        if is_sure:
            self._doubtful.clear()

    def definitions(self) -> None:
        """Report that tables were defined."""
        if self._recorder.has_defined:
            self._recorder.has_defined = False
            self._tracker.migrated(self._alias)

    def _publish(self, commit: Commit) -> None:
        if self._tracker.is_active:
            self._tracker.publish(commit)
