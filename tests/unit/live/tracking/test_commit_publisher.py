"""What may be committed only later is published twice, each time as its run's."""

from types import SimpleNamespace
from typing import Any

import pytest

from wsrequest.live.tracking.commit_publisher import CommitPublisher
from wsrequest.live.tracking.transaction_writes import TransactionWrites
from wsrequest.types import Commit


class Published:
    """A publisher, and what it has published."""

    def __init__(self) -> None:
        self.commits: list[Commit] = []
        self.definitions: list[str] = []
        tracker: Any = SimpleNamespace(
            is_active=True, publish=self.commits.append, migrated=self.definitions.append
        )
        recorder: Any = SimpleNamespace(pending=TransactionWrites(), has_defined=False)
        self.recorder = recorder
        self.publisher = CommitPublisher(tracker, recorder, "alias")

    def write(self, table: str, run: object = None) -> None:
        self.recorder.pending.add("db", table, None, run)

    def take(self) -> list[tuple[list[Any], object]]:
        """What was published since, by tables and run."""
        found = [([each.table for each in c.changes], c.run) for c in self.commits]
        self.commits.clear()
        return found


@pytest.fixture
def published() -> Published:
    return Published()


def test_commit_is_published_once(published: Published) -> None:
    published.write("a")
    published.publisher.all()
    published.publisher.all()
    assert published.take() == [(["a"], None)]


def test_doubtful_writes_are_published_again_as_their_runs(published: Published) -> None:
    runs = [object(), object()]
    for run in (*runs, runs[0]):
        published.write("a" if run is runs[0] else "b", run)
        published.publisher.in_doubt()
    assert published.take() == [(["a"], runs[0]), (["b"], runs[1]), (["a"], runs[0])]
    published.publisher.doubtful(is_sure=False)
    published.write("c")
    published.publisher.all()
    again = [(["a"], runs[0]), (["b"], runs[1])]
    assert published.take() == [*again, *again, (["c"], None)]
    published.publisher.all()
    assert published.take() == []


def test_doubtful_writes_of_many_runs_are_bounded(published: Published) -> None:
    for n in range(100):
        published.write(f"t{n}", object())
        published.publisher.in_doubt()
    published.take()
    published.publisher.all()
    found = published.take()
    assert len(found) <= 20
    assert {table for tables, _ in found for table in tables} == {f"t{n}" for n in range(100)}


@pytest.mark.parametrize("defines", [False, True])
def test_definitions_are_reported_when_they_are_committed(
    defines: bool, published: Published
) -> None:
    published.recorder.has_defined = True
    published.write("a")
    published.publisher.so_far(defines=defines)
    assert published.definitions == ["alias"] * defines
    published.publisher.all()
    assert published.definitions == ["alias"]
    assert published.take() == [(["a"], None)] * 2
