"""Limits reruns that trigger other reruns.

No client asked for a rerun, so what it writes must not keep the server busy. Two rules apply here:
some tables never count, and writes to unknown tables count only a few times. The pause between
queries that trigger each other is part of ``LiveQuery``.
"""

import logging
from collections import Counter
from typing import TypeGuard

from wsrequest.live.query import MAX_FEEDBACK_RUNS, MAX_UNKNOWN_WRITES, LiveQuery, Run
from wsrequest.types import Commit, RemoteRerun

__all__ = ["FeedbackGuard", "is_rerun"]

logger = logging.getLogger("wsrequest.live")

_MAX_WARNINGS = 32  # paths that are named in the log, each once


class FeedbackGuard:
    """Decides what the commits of reruns may trigger. Used on one event loop.

    Args:
        ignored_tables: tables and databases whose writes by a rerun trigger nothing.
    """

    def __init__(self, ignored_tables: frozenset[str]) -> None:
        self._ignored_tables = ignored_tables
        self._other_commits = 0
        self._remote_unknown_writes: Counter[int] = Counter()  # since the last other commit
        self._warned_of_loops: set[str] = set()
        self._warned_of_unknown_writes: set[str] = set()

    def count_commit(self) -> None:
        """Count a commit that no rerun made."""
        self._other_commits += 1
        self._remote_unknown_writes.clear()

    def allowed(self, commit: Commit, run: Run | RemoteRerun) -> Commit:
        """Return a rerun's commit without the changes that must not trigger other queries."""
        commit = commit.without(self._ignored_tables)
        if isinstance(run, RemoteRerun):
            return self._allowed_remote(commit, run)
        query = run.query
        assert query is not None  # only first runs lack a query
        is_unknown = any(change.table is None for change in commit.changes)
        if is_unknown and not query.may_write_unknown(run, self._other_commits):
            known = tuple(change for change in commit.changes if change.table is not None)
            commit = Commit(known, run)
            _warn(
                self._warned_of_unknown_writes,
                query.path,
                "a live view writes to tables that wsrequest cannot determine (CALL, DO, tables "
                "without a model) each time it runs again: %s. These writes trigger no other view "
                "until something else is committed. Write in requests that are not live, or skip "
                "the write with wsrequest.live.is_rerun()",
            )
        return commit

    def _allowed_remote(self, commit: Commit, run: RemoteRerun) -> Commit:
        known = tuple(change for change in commit.changes if change.table is not None)
        if len(known) == len(commit.changes):
            return commit
        self._remote_unknown_writes[run.query] += 1
        if self._remote_unknown_writes[run.query] <= MAX_UNKNOWN_WRITES:
            return commit
        return Commit(known, run)  # the other process warns of it

    def check(self, query: LiveQuery) -> None:
        """Warn about a query that is part of an endless loop."""
        if query.feedback_runs > MAX_FEEDBACK_RUNS:
            text = "live views trigger each other without end and are slowed down. One of them: %s"
            _warn(self._warned_of_loops, query.path, text)


def is_rerun(writer: object) -> TypeGuard[Run | RemoteRerun]:
    """Whether the writer of a commit is a rerun, of this process or of another."""
    return isinstance(writer, RemoteRerun) or (isinstance(writer, Run) and writer.is_rerun)


def _warn(warned: set[str], path: str, text: str) -> None:
    """Log a warning once for each path."""
    if path not in warned and len(warned) < _MAX_WARNINGS:
        warned.add(path)
        logger.warning(text, path)
