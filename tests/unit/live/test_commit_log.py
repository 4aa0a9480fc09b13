"""The commit log: what it keeps while views run is bounded, and so is comparing with it."""

import tracemalloc
from collections.abc import Iterable

import pytest

from wsrequest.live import commit_log as log_module
from wsrequest.live.commit_log import CommitLog
from wsrequest.live.index import MAX_LOOKS, Matcher
from wsrequest.live.query import Run
from wsrequest.live.tracking import api
from wsrequest.live.tracking.reads import MAX_PLACES, ReadSet, reading
from wsrequest.live.tracking.transaction_writes import MAX_KEYS
from wsrequest.types import Commit, ReadPredicate, Row, TableChange

ROOM_1 = ReadPredicate("default", "note", (("room_id", frozenset({1})),))


def opened(log: CommitLog) -> Run:
    run = Run(0.0)
    log.open(run)
    return run


def wrote(rows: Iterable[Row] | None, table: str = "note", run: object = None) -> Commit:
    return Commit((TableChange("default", table, None if rows is None else tuple(rows)),), run)


def in_room(number: int, count: int = 1) -> list[Row]:
    return [{"room_id": number, "text": f"text {number} {at}"} for at in range(count)]


@pytest.mark.slow
def test_rows_of_many_commits_do_not_pile_up_while_a_view_runs() -> None:
    """680 commits of 500 rows took 84 MB. Each of these is made anew, as a connection makes it."""
    log = CommitLog()
    run = opened(log)
    tracemalloc.start()
    try:
        for number in range(100):
            log.add(wrote(in_room(2 + number, 500)))
        held, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert held < 2 * log_module._MAX_BYTES
    assert log.close(run, [ROOM_1])  # the rows of the older ones are not known any more
    assert not len(log)
    assert log._bytes == 0


def test_tables_of_older_commits_are_known_whatever_is_forgotten() -> None:
    log = CommitLog()
    other, mine = opened(log), opened(log)
    for _ in range(100):
        log.add(wrote(in_room(2, 500)))
    assert len(log) < 100
    assert not log.close(mine, [ReadPredicate("default", "tag")])
    assert log.close(other, [ROOM_1])


def test_what_a_run_wrote_itself_does_not_count_behind_the_bound_either() -> None:
    log = CommitLog()
    run, other = opened(log), opened(log)
    for _ in range(100):
        log.add(wrote(in_room(2, 500), run=run))
    assert not log.close(run, [ReadPredicate("default", "note")])
    assert log.close(other, [ReadPredicate("default", "note")])


def test_what_was_written_before_a_run_began_does_not_count_behind_the_bound() -> None:
    log = CommitLog()
    opened(log)
    for _ in range(100):
        log.add(wrote(in_room(2, 500)))
    late = opened(log)
    assert not log.close(late, [ReadPredicate("default", "note")])


@pytest.mark.slow
def test_keys_without_end_are_forgotten() -> None:
    log = CommitLog()
    run = opened(log)
    for number in range(3 * log_module._MAX_TABLES):
        log.add(Commit((TableChange("", f"key {number}"),)))
        assert len(log._tables) <= log_module._MAX_TABLES
        assert len(log) <= log_module._MAX_COMMITS
    assert log.close(run, [ReadPredicate("default", "tag")])  # nobody knows


def test_ten_thousand_commits_are_looked_through_with_bounded_work() -> None:
    """They took 2.9 s on the event loop, against the reads of one run."""
    conditions = [
        ReadPredicate(
            "default",
            "note",
            (("room_id", frozenset({at})), (f"column{at % 40}", frozenset({at}))),
        )
        for at in range(100)
    ]
    columns = {f"column{at}": -1 for at in range(40)}
    commits = [wrote([{"room_id": 1000 + number, **columns}]) for number in range(9_999)]
    matcher = Matcher(conditions)
    assert any(map(matcher.touched, commits))  # it may be, for all that is known
    assert matcher.work <= MAX_LOOKS + 40
    few = Matcher([ROOM_1])
    assert not any(map(few.touched, commits))
    assert few.work == len(commits)


def test_rows_are_told_apart_within_the_bound() -> None:
    log = CommitLog()
    one, two = opened(log), opened(log)
    for number in range(2, 1000):
        log.add(wrote(in_room(number)))
    assert not log.close(one, [ROOM_1])
    log.add(wrote(in_room(1)))
    assert log.close(two, [ROOM_1])


def test_run_of_many_conditions_stands_in_a_bounded_number_of_places() -> None:
    reads = ReadSet()
    for table in range(20):
        for number in range(90):
            equals = (("a", frozenset({number})), ("b", frozenset(range(20))))
            reads.add("default", f"table{table}", equals)
    reads.add("default", "small", (("a", frozenset({1})),))
    found = reads.result()
    assert sum(len(dict(read.equals).get("b", ())) for read in found) <= MAX_PLACES
    assert {read.table for read in found} == {f"table{at}" for at in range(20)} | {"small"}
    assert sum(read.equals == () for read in found) >= 18


def test_a_long_list_of_values_is_not_kept() -> None:
    """100 statements with 100 texts each had stayed as long as the live request, to no end."""
    reads = ReadSet()
    for number in range(100):
        texts = frozenset(f"{number} {at}" for at in range(100))
        reads.add("default", "note", (("name", texts),))
    assert reads.result() == {ReadPredicate("default", "note")}


def test_names_that_are_too_many_are_any_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "installed", lambda: object())
    with reading(ReadSet()) as reads:
        for number in range(MAX_KEYS):
            api.depends_on(key=f"name {number}")
        assert len(reads) == MAX_KEYS
        api.depends_on(key="one more")
        api.depends_on(key="another")
    assert reads.result() == {ReadPredicate("", None)}
    changed = Commit((TableChange("", "name 7"),))
    assert Matcher(reads.result()).touched(changed)
