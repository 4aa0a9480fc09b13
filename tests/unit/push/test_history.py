"""The recent events of rooms, and which of them go when there is no room for all."""

import sys

from wsrequest.push.history import Entry, History, HistoryStore


def add(store: HistoryStore, history: History, number: int, **kwargs: object) -> None:
    at = float(kwargs.pop("at", 0.0))  # type: ignore[arg-type]
    frame = str(kwargs.pop("frame", f"<{number}>"))
    store.add(history, Entry(number, frame, at, **kwargs))  # type: ignore[arg-type]


def numbers(history: History, after: int) -> list[int] | None:
    found = history.after(after)
    return None if found is None else [entry.number for entry in found]


def test_what_follows_a_number() -> None:
    store, history = HistoryStore(10, 60.0, 2**20), History()
    assert numbers(history, 0) == []
    for number in range(1, 5):
        add(store, history, number)
    assert numbers(history, 0) == [1, 2, 3, 4]
    assert numbers(history, 2) == [3, 4]
    assert numbers(history, 4) == []


def test_newest_of_each_key() -> None:
    store, history = HistoryStore(10, 60.0, 2**20), History()
    for number, key in enumerate(["a", None, "b", "a", None, "b"], 1):
        add(store, history, number, key=key)
    assert numbers(history, 0) == [2, 4, 5, 6]
    assert numbers(history, 4) == [5, 6]


def test_too_many_events_of_one_room() -> None:
    store, history = HistoryStore(3, 60.0, 2**20), History()
    for number in range(1, 6):
        add(store, history, number)
    assert numbers(history, 1) is None
    assert numbers(history, 2) == [3, 4, 5]


def test_no_history() -> None:
    store, history = HistoryStore(0, 60.0, 2**20), History()
    add(store, history, 1)
    assert numbers(history, 0) is None and numbers(history, 1) == []
    assert store.held_bytes == 0


def test_too_old_events() -> None:
    store, history = HistoryStore(10, 60.0, 2**20), History()
    add(store, history, 1, at=0.0)
    add(store, history, 2, at=50.0)
    store.trim(history, 61.0)
    assert numbers(history, 0) is None and numbers(history, 1) == [2]


def test_room_that_takes_more_than_its_share_loses_its_own_first() -> None:
    store, quiet, loud = HistoryStore(1000, 60.0, 20_000), History(), History()
    add(store, quiet, 1)
    for number in range(1, 200):
        add(store, loud, number)
    assert store.held_bytes <= 20_000
    assert numbers(quiet, 0) == [1] and numbers(loud, 0) is None
    assert numbers(loud, loud.start)


def test_room_that_was_not_used_for_longest_goes_first() -> None:
    store, histories = HistoryStore(1000, 60.0, 20_000), [History() for _ in range(100)]
    for history in histories:
        add(store, history, 1)
    assert store.held_bytes <= 20_000
    assert numbers(histories[0], 0) is None and numbers(histories[-1], 0) == [1]


def test_clear_gives_back_the_memory() -> None:
    store, history = HistoryStore(10, 60.0, 2**20), History()
    add(store, history, 1)
    store.clear(history, 7)
    assert store.held_bytes == 0 and history.start == 7 and not len(history)


def test_event_counts_what_its_strings_take() -> None:
    entry = Entry(1, "a" * 60_000 + "\U0001f600", 0.0)  # four bytes for each character
    encoded = entry.sse(lambda frame: b"data: " + str(frame).encode())
    assert entry.held_bytes >= sys.getsizeof(entry.frame) + sys.getsizeof(encoded)
    assert Entry(1, "a" * 60_000, 0.0).held_bytes < 121_000


def test_one_event_larger_than_all_leaves_nothing() -> None:
    store, history = HistoryStore(10, 60.0, 5000), History()
    add(store, history, 1, frame="x" * 10_000)
    assert numbers(history, 0) is None and store.held_bytes == 0
