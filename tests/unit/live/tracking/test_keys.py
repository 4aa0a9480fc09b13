"""Keys are recorded by the runs that read them, and their writes are published for those only."""

from typing import Any, cast

import pytest
from django.db import connection

from wsrequest.live.tracking import keys as module
from wsrequest.live.tracking.keys import (
    MAX_KEYS,
    KeyTracker,
    hashed,
    inside,
    is_inside,
    is_own_write,
)
from wsrequest.live.tracking.reads import ReadSet, reading
from wsrequest.live.tracking.transaction_writes import TransactionWrites
from wsrequest.types import Commit, ReadPredicate, TableChange


class Transaction:
    """A tap whose transaction is open, or not."""

    def __init__(self) -> None:
        self.is_open = True
        self.published: list[tuple[str, list[str | None]]] = []

    def add_keys(self, keys: list[str | None], database: str) -> None:
        self.published.append((database, keys))


class FakeTracker:
    def __init__(self) -> None:
        self.is_active = True
        self.is_shared = False
        self.transaction: Transaction | None = None
        self.published: list[Commit] = []

    def publish(self, changes: Commit) -> None:
        self.published.append(changes)

    def connection_tracker(self, alias: str) -> Any:
        return self.transaction


@pytest.fixture
def tracker() -> FakeTracker:
    return FakeTracker()


@pytest.fixture
def keys(tracker: FakeTracker) -> KeyTracker:
    return KeyTracker(cast(Any, tracker))


def noted(keys: KeyTracker, *found: str | None, ends: bool = False) -> ReadSet:
    with reading(ReadSet()) as reads:
        for key in found:
            keys.note("cache:1", key, ends=ends)
    return reads


def test_hash_has_one_length_and_takes_any_key() -> None:
    assert {len(hashed(key)) for key in ("", "x" * 10_000, "ä\ud800")} == {16}


def test_key_is_told_to_those_who_read_it_only(keys: KeyTracker, tracker: FakeTracker) -> None:
    assert noted(keys, "a").result() == {ReadPredicate("cache:1", "a")}
    keys.wrote("cache:1", ["b"])
    keys.wrote("cache:2", ["a"])
    assert tracker.published == []
    keys.wrote("cache:1", ["b", "a"])
    assert [changes.changes for changes in tracker.published] == [(TableChange("cache:1", "a"),)]


def test_any_key_is_told_always_and_its_readers_are_told_all(
    keys: KeyTracker, tracker: FakeTracker
) -> None:
    keys.wrote("cache:1", [None])
    noted(keys, None)
    keys.wrote("cache:1", ["a"])
    assert [changes.changes[0].table for changes in tracker.published] == [None, "a"]


def test_write_of_a_run_names_it(keys: KeyTracker, tracker: FakeTracker) -> None:
    noted(keys, "a")
    with reading(ReadSet(run := object())):
        keys.wrote("cache:1", ["a"])
    assert tracker.published[0].run is run


def test_nothing_is_told_or_known_while_nobody_is_there(
    keys: KeyTracker, tracker: FakeTracker
) -> None:
    noted(keys, "a")
    keys.is_active = False
    keys.wrote("cache:1", ["a"])
    keys.forget()
    keys.is_active = True
    keys.wrote("cache:1", ["a"])
    assert tracker.published == []


def test_many_keys_are_any_key(keys: KeyTracker, tracker: FakeTracker) -> None:
    many = [str(n) for n in range(MAX_KEYS + 1)]
    assert noted(keys, *many[:-1]).result() == {ReadPredicate("cache:1", key) for key in many[:-1]}
    assert noted(keys, *many).result() == {ReadPredicate("cache:1", None)}
    keys.wrote("cache:1", many)
    assert tracker.published[-1].changes == (TableChange("cache:1", None),)


@pytest.mark.django_db
def test_key_that_nobody_has_read_is_told_where_its_transaction_is_open(
    keys: KeyTracker, tracker: FakeTracker
) -> None:
    """It was read in its old state before COMMIT, and its readers were told nothing."""
    connection.ensure_connection()
    transaction = tracker.transaction = Transaction()
    keys.wrote("cache:1", ["a"], "default")
    keys.wrote("cache:1", map(str, range(MAX_KEYS + 1)), "default")
    assert transaction.published == [("cache:1", ["a"]), ("cache:1", [None])]
    transaction.is_open = False
    keys.wrote("cache:1", ["a"], "default")
    assert len(transaction.published) == 2
    noted(keys, "a")
    keys.wrote("cache:1", ["a", "b"], "default")
    assert transaction.published[2:] == [("cache:1", ["a"])]


def test_keys_of_a_transaction_are_bounded() -> None:
    pending = TransactionWrites()
    pending.add("default", "room", None, None)
    for n in range(3 * MAX_KEYS):
        pending.add_keys("cache:1", [str(n), str(n)], None)
        if n == MAX_KEYS - 1:
            assert len(pending.look().changes) == MAX_KEYS + 1
    assert set(pending.look().changes) == {
        TableChange("default", "room"),
        TableChange("cache:1", None),
    }
    pending.take()
    pending.add_keys("cache:1", ["a"], None)
    assert pending.take().changes == (TableChange("cache:1", "a"),)


def test_what_is_known_is_bounded(
    keys: KeyTracker, tracker: FakeTracker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_MAX_KNOWN", 3)
    monkeypatch.setattr(module, "_MAX_DEADLINES", 3)
    for n in range(20):
        noted(keys, str(n))
        keys.set_end("cache:1", str(n), 60)
    assert len(keys._known) <= 4 and len(keys._deadlines) + len(keys._older) <= 6
    keys.wrote("cache:1", ["of which nobody knows"])
    assert len(tracker.published) == 1


@pytest.mark.parametrize(
    ("seconds", "least", "most"),
    [(30.0, 29.0, 31.0), (None, None, None), (-0.5, 0.5, 1.1), (-3600.0, None, None)],
)
def test_run_is_made_again_when_a_key_ends(
    keys: KeyTracker, seconds: float | None, least: float | None, most: float | None
) -> None:
    keys.set_end("cache:1", "a", seconds)
    found = noted(keys, "a", ends=True).expires_seconds
    if least is None or most is None:
        assert found is None
    else:
        assert found is not None and least < found < most


def test_key_of_which_the_end_is_not_known_is_looked_at_in_a_minute(keys: KeyTracker) -> None:
    found = noted(keys, "a", ends=True).expires_seconds
    assert found is not None and 59 < found <= 60
    assert noted(keys, "a").expires_seconds is None


def test_shorter_time_is_news_to_those_who_were_told_a_longer(keys: KeyTracker) -> None:
    assert not keys.set_end("cache:1", "a", 300)
    assert not keys.set_end("cache:1", "a", 400)
    assert keys.set_end("cache:1", "a", 100)
    assert not keys.set_end("cache:1", "a", None)
    assert keys.set_end("cache:1", "b", 5)  # they were told a minute


def test_store_is_inside_its_own_operation_only() -> None:
    with inside("a", "b"), inside("c"):
        assert is_inside("a") and is_inside("b") and is_inside("c")
        assert not is_inside("d")
    assert not is_inside("a")


def test_reads_of_a_part_are_merged_but_for_a_table() -> None:
    part, reads = ReadSet(), ReadSet()
    part.add("default", "kept")
    part.add("default", "a", (("id", frozenset({1})),))
    part.add_key("cache:1", "k", 10)
    part.seconds, part.lags = 5.0, True
    part.end_at(1e12)
    reads.seconds = 9.0
    reads.merge(part, without=frozenset({"kept"}))
    assert reads.result() == {
        ReadPredicate("default", "a", (("id", frozenset({1})),)),
        ReadPredicate("cache:1", "k"),
    }
    assert (reads.seconds, reads.lags, reads.deadline) == (5.0, True, 1e12)
    assert reads.expires_seconds == 5.0


def test_write_beyond_those_of_an_operation_is_somebody_elses() -> None:
    assert not is_own_write("session:")
    with inside("session:", writes=1):
        assert is_own_write("session:")
        with inside("session:", writes=1):  # another session
            assert [is_own_write("session:") for _ in range(2)] == [True, False]
        assert not is_own_write("session:")
        assert not is_own_write("cache:1")
    with inside("cache:1"):
        assert all(is_own_write("cache:1") for _ in range(3))
    assert not is_own_write("cache:1")
