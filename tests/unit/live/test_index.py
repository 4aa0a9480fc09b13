"""Which readers a commit concerns: the index against its definition, and what it leaves behind."""

import gc
import tracemalloc
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wsrequest.live.index import MAX_COMBINATIONS, MAX_LOOKS, Index, narrowed, touches, weight_bytes
from wsrequest.types import Commit, ReadPredicate, TableChange

often = settings(max_examples=300, deadline=None)


def read(table: str | None = "message", database: str = "default", **equals: Any) -> ReadPredicate:
    """Of rows whose columns have one of the values in a list."""
    return ReadPredicate(
        database,
        table,
        tuple(sorted((column, frozenset(values)) for column, values in equals.items())),
    )


def wrote(
    *rows: Mapping[str, object], table: str | None = "message", database: str = "default"
) -> Commit:
    return Commit((TableChange(database, table, rows),))


def concerns(found: ReadPredicate, change: TableChange) -> bool:
    """The definition, for reads of few values."""
    if change.database == "*":
        return True
    if found.database != change.database:
        return False
    if change.table is None or change.rows is None:
        return change.table is None or found.table in (None, change.table)
    if found.table not in (None, change.table):
        return False
    return any(may_be_among(found, row) for row in change.rows)


def may_be_among(found: ReadPredicate, row: Any) -> bool:
    """A column that is known to be another is enough: the others need not be known."""
    if any(isinstance(row.get(column), list) and None in values for column, values in found.equals):
        return True  # what has no hash cannot be looked up beside NULL
    return all(
        is_unknown(column, values, row) or row[column] in values for column, values in found.equals
    )


def is_unknown(column: str, values: frozenset[object], row: Any) -> bool:
    if column not in row or isinstance(row[column], list):
        return True
    number, kinds = (bool, int), {type(value) for value in values if value is not None}
    if row[column] is None or isinstance(row[column], number):
        return row[column] is not None and bool(kinds - set(number))
    return bool(kinds - {type(row[column])})


columns = st.sampled_from(["id", "room", "state"])
plain = st.sampled_from([0, 1, 2, True, None, "1", "a", 1.0, Decimal(1)])
reads = st.builds(
    lambda database, table, equals: read(table, database, **equals),
    st.sampled_from(["default", "other", ""]),
    st.sampled_from(["message", "room", None]),
    st.dictionaries(columns, st.lists(plain, min_size=1, max_size=3), max_size=3),
).map(lambda found: ReadPredicate(found.database, None) if found.table is None else found)
rows = st.dictionaries(columns, plain | st.just([1]), max_size=3)
changes = st.builds(
    TableChange,
    st.sampled_from(["default", "default", "other", "", "*"]),
    st.sampled_from(["message", "message", "room", "unread", None]),
    st.none() | st.lists(rows, max_size=3).map(tuple),
)
commits = st.builds(lambda made: Commit(tuple(made)), st.lists(changes, min_size=1, max_size=3))
steps = st.tuples(
    st.sampled_from(["add", "add", "replace", "remove"]),
    st.integers(0, 4),
    st.lists(reads, max_size=3),
)


@often
@example(
    [("replace", 0, [read(room=[1])]), ("replace", 0, [read(room=[1.0])])], [wrote({"room": 2})]
)
@example(
    [
        ("add", 0, [read(room=[1]), read(room=[1, 2]), read(id=[1])]),
        ("replace", 0, [read(room=[1]), read(id=[2])]),
    ],
    [wrote({"room": 1})],
)
@given(st.lists(steps, max_size=12), st.lists(commits, min_size=1, max_size=4))
def test_index_finds_whom_the_definition_names(done: list[Any], made: list[Commit]) -> None:
    index: Index[int] = Index()
    expected: dict[int, set[ReadPredicate]] = {}
    for what, owner, found in done:
        if what == "remove":
            index.remove(owner)
            expected.pop(owner, None)
        elif what == "replace":
            index.replace(owner, found)
            # Reads that are equal are one, the first of them: 1 and 1.0.
            same = {one for one in expected.get(owner, ()) if one in set(found)}
            expected[owner] = same.union(found)
        else:
            index.add(owner, found)
            expected.setdefault(owner, set()).update(found)
    assert len(index) == len(expected)
    for commit in made:
        everybody = any(change.database == "*" for change in commit.changes)
        assert index.touched(commit) == {
            owner
            for owner, found in expected.items()
            if everybody or any(concerns(one, made) for one in found for made in commit.changes)
        }
        for found in expected.values():
            assert touches(found, commit) == any(
                concerns(one, change) for one in found for change in commit.changes
            )


@often
@example([("add", 0, [read(room=[1])]), ("add", 0, [read(room=[1.0])])])
@given(st.lists(steps, max_size=12))
def test_index_keeps_nothing_of_those_who_left(done: list[Any]) -> None:
    index: Index[int] = Index()
    for what, owner, found in done:
        if what == "remove":
            index.remove(owner)
        else:
            getattr(index, what)(owner, found)
    for owner in range(5):
        index.remove(owner)
    assert len(index) == 0
    assert vars(index) == vars(Index())


@pytest.mark.parametrize(
    ("found", "change", "is_concerned"),
    [
        pytest.param(read(room=[1]), wrote({"room": 1}), True, id="value"),
        pytest.param(read(room=[1]), wrote({"room": 2}), False, id="another-value"),
        pytest.param(read(room=[1]), wrote({"room": 2}, {"room": 1}), True, id="old-or-new"),
        pytest.param(read(room=[1]), wrote({"id": 1}), True, id="column-is-not-known"),
        pytest.param(read(room=[1, 3]), wrote({"room": 3}), True, id="one-of-a-list"),
        pytest.param(read(room=[1], id=[2]), wrote({"room": 1, "id": 3}), False, id="both"),
        pytest.param(read(room=["1"]), wrote({"room": 1}), True, id="text-and-number"),
        pytest.param(read(room=[1]), wrote({"room": True}), True, id="truth-is-a-number"),
        pytest.param(read(room=[1]), wrote({"room": None}), False, id="null-is-no-number"),
        pytest.param(read(room=[None]), wrote({"room": 1}), False, id="a-number-is-not-null"),
        pytest.param(read(room=[None]), wrote({"room": None}), True, id="is-null"),
        pytest.param(read(room=[1]), wrote({"room": [1]}), True, id="value-without-hash"),
        pytest.param(read(room=[]), wrote({"room": 1}), True, id="condition-without-values"),
        pytest.param(read(), wrote({"room": 1}), True, id="all-rows"),
        pytest.param(read(), wrote(), False, id="no-row"),
        pytest.param(read(), wrote({"room": 1}, table="message2"), False, id="longer-name"),
        pytest.param(read(), wrote({"room": 1}, database="other"), False, id="other-database"),
        pytest.param(read(None), wrote({"room": 1}), True, id="any-table-was-read"),
        pytest.param(read(room=[1]), wrote(table=None), True, id="any-table-was-written"),
        pytest.param(read(room=[1]), wrote(database="*"), True, id="nobody-knows"),
        pytest.param(read("key", ""), Commit((TableChange("", "key"),)), True, id="key"),
        pytest.param(read("key", ""), Commit((TableChange("", "no"),)), False, id="another-key"),
        pytest.param(read("key", ""), Commit((TableChange("default", "key"),)), False, id="no-key"),
    ],
)
def test_change_concerns_a_reader(found: ReadPredicate, change: Commit, is_concerned: bool) -> None:
    index: Index[str] = Index()
    index.add("reader", [found])
    assert index.touched(change) == ({"reader"} if is_concerned else set())
    assert touches([found], change) == is_concerned


def test_long_list_gives_up_its_own_column_only() -> None:
    found = read(room=[1], id=range(MAX_COMBINATIONS + 1))
    index: Index[str] = Index()
    index.add("reader", [found])
    assert index.columns("default", "message") == {("room",)}
    for row, is_concerned in (({"room": 1, "id": -1}, True), ({"room": 2, "id": 1}, False)):
        assert touches([found], wrote(row)) == is_concerned
        assert index.touched(wrote(row)) == ({"reader"} if is_concerned else set())


def test_columns_are_those_that_somebody_narrows_by() -> None:
    index: Index[int] = Index()
    index.add(1, [read(), read("room")])
    assert index.columns("default", "message") == frozenset()
    index.add(2, [read(room=[1]), read(room=["1"]), read(room=[1], id=[2])])
    assert index.columns("default", "message") == {("room",), ("id", "room")}
    assert index.columns("default", "room") == index.columns("other", "message") == frozenset()
    index.replace(2, [read(id=[2])])
    assert index.columns("default", "message") == {("id",)}


class Counted:
    """A value that counts how often it is compared or hashed."""

    looks = 0

    def __init__(self, value: int) -> None:
        self.value = value

    def __eq__(self, other: object) -> bool:
        type(self).looks += 1
        return isinstance(other, Counted) and self.value == other.value

    def __hash__(self) -> int:
        type(self).looks += 1
        return hash(self.value)


def looks_among(count: int) -> int:
    index: Index[int] = Index()
    for number in range(count):
        index.add(number, [read(id=[Counted(number)])])
    change = wrote({"id": Counted(3)})
    Counted.looks = 0
    assert index.touched(change) == {3}
    return Counted.looks


def test_work_does_not_grow_with_the_readers() -> None:
    assert looks_among(2000) <= looks_among(20) + 5  # two hashes may meet in a larger table


def test_rows_and_columns_that_are_too_many_concern_all_readers() -> None:
    index: Index[str] = Index()
    for at in range(30):
        index.add(f"reader{at}", [ReadPredicate("d", "note", ((f"column{at}", frozenset({-1})),))])
    columns = {f"column{at}": 1 for at in range(30)}
    few, many = ((columns,) * count for count in (MAX_LOOKS // 30, MAX_LOOKS // 30 + 1))
    assert index.touched(Commit((TableChange("d", "note", few),))) == set()
    assert len(index.touched(Commit((TableChange("d", "note", many),)))) == 30


SHAPES: dict[str, Callable[[int], list[ReadPredicate]]] = {
    "one row each": lambda n: [read(f"t{k}", id=[n * 1000 + k]) for k in range(500)],
    "lists of keys": lambda n: [
        read(f"t{k}", id=range(n * 1000, n * 1000 + 100)) for k in range(5)
    ],
    "several columns": lambda n: [
        read(a=[n * 1000 + k], b=[n * 1000 + k], c=[n * 1000 + k]) for k in range(500)
    ],
    "texts": lambda n: [read(name=["x" * 400 + str(n * 1000 + k) for k in range(100)])],
    "keys": lambda n: [read(f"{n * 1000 + k:016}", "cache:") for k in range(500)],
    "tables": lambda n: [read(f"table{k}") for k in range(500)],
}


@pytest.mark.slow
@pytest.mark.parametrize("make", SHAPES.values(), ids=SHAPES)
def test_reads_weigh_what_python_takes_for_them(make: Callable[[int], list[ReadPredicate]]) -> None:
    index: Index[int] = Index()
    kept, weight = [], 0
    gc.collect()
    tracemalloc.start()
    try:
        for owner in range(10):
            kept.append(frozenset(make(owner)))
            index.replace(owner, kept[-1])
        gc.collect()
        taken = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    weight = sum(map(weight_bytes, kept))
    assert taken <= weight < 3 * taken


def test_what_narrows_nothing_is_not_kept() -> None:
    """Beyond 100 combinations a condition is not looked at, but its values had stayed."""
    many = read(id=range(MAX_COMBINATIONS + 1), room=[1])
    assert narrowed(many) == read(room=[1])
    few = read(id=range(MAX_COMBINATIONS), room=[1])
    assert narrowed(few) is few


def test_a_reader_that_reads_more_costs_the_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each who joined a shared page had all that was read before him taken out and in again."""
    index: Index[int] = Index()
    added: list[ReadPredicate] = []
    note = Index._note_columns
    monkeypatch.setattr(
        Index, "_note_columns", lambda self, one, table: (added.append(one), note(self, one, table))
    )
    known = {read(f"t{k}", id=[k]) for k in range(1000)}
    index.replace(1, known)
    del added[:]
    index.replace(1, known | {read("new", id=[1])})
    assert added == [read("new", id=[1])]
    index.replace(1, known)
    assert added[1:] == [read("new", id=[1])]
