"""The tests of the manager find planted faults."""

from typing import Any

import pytest

from tests.unit.live import test_manager_commits as commits
from tests.unit.live import test_manager_queries as queries
from wsrequest.live import commit_log
from wsrequest.live.manager import LiveQueryManager


def no_look_back(monkeypatch: pytest.MonkeyPatch) -> None:
    close = commit_log.CommitLog.close
    monkeypatch.setattr(commit_log.CommitLog, "close", lambda *args: close(*args) and False)


def late_ends_count(monkeypatch: pytest.MonkeyPatch) -> None:
    finished = LiveQueryManager.finished

    def plant(self: LiveQueryManager, run: Any, *args: Any, **kwargs: Any) -> None:
        run.is_over = False
        finished(self, run, *args, **kwargs)

    monkeypatch.setattr(LiveQueryManager, "finished", plant)


def identity_is_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LiveQueryManager, "_key", lambda self, subscriber, result: "anybody")


@pytest.mark.parametrize(
    ("plant", "test"),
    [
        (no_look_back, commits.test_a_commit_before_the_join_runs_the_view_again),
        (no_look_back, commits.test_a_commit_of_what_only_the_run_now_reads_makes_it_run_once_more),
        (late_ends_count, commits.test_a_run_that_is_taken_for_over_shows_nothing_when_it_ends),
        (identity_is_no_matter, queries.test_different_identities_never_share),
    ],
)  # fmt: skip
def test_a_planted_fault_is_found(plant: Any, test: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plant(monkeypatch)
    with pytest.raises((AssertionError, KeyError, IndexError)):
        test()
