"""What other processes learn of a commit: as much as they can rely on."""

from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum, IntEnum
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wsrequest.bus.codec import CHANGES, MAX_BYTES, decode_commit, encode_commit
from wsrequest.live.index import touches
from wsrequest.types import Commit, ReadPredicate, TableChange

often = settings(max_examples=300, deadline=None)
SOME = UUID("148abc32-c79b-4ec4-bd0e-f6c2e38622ac")


class State(str, Enum):  # noqa: UP042 - as projects from before StrEnum have it
    OPEN = "open"


class Level(IntEnum):
    HIGH = 3


class Number(int):
    """As libraries have their own."""


class Length(float):
    """Likewise."""


def one(**row: Any) -> Commit:
    return Commit((TableChange("default", "message", (row,)),))


KEPT: tuple[Any, ...] = (None, True, 0, -(2**63), 2**64 - 1, 1.0, "é", "1", b"\xff", SOME)
UNKNOWN: tuple[Any, ...] = (2**64, -(2**63) - 1, Decimal(1), datetime.now(UTC), [1], {}, Length(1))


@pytest.mark.parametrize(
    ("value", "kept"),
    [pytest.param(value, True, id=str(value)) for value in KEPT]
    + [pytest.param(value, False, id=repr(value)) for value in UNKNOWN],
)
def test_value_comes_as_its_type_or_is_not_known(value: Any, kept: bool) -> None:
    (change,) = decode_commit(encode_commit(one(id=7, column=value))).changes
    assert change.rows is not None
    expected = {"id": 7, "column": value} if kept else {"id": 7}
    assert change.rows == (expected,)
    assert [type(found) for found in change.rows[0].values()] == list(map(type, expected.values()))


@pytest.mark.parametrize(
    ("value", "plain"), [(State.OPEN, "open"), (Level.HIGH, 3), (Number(5), 5)]
)
def test_value_of_a_type_of_its_own_comes_as_the_plain_one(value: Any, plain: Any) -> None:
    (change,) = decode_commit(encode_commit(one(column=value))).changes
    assert change.rows == ({"column": plain},)
    assert change.rows is not None
    assert type(change.rows[0]["column"]) is type(plain)


def test_run_stays_in_its_process() -> None:
    changes = Commit(
        (TableChange("default", "message"), TableChange("", "key"), TableChange("*", None)), run=1
    )
    assert decode_commit(encode_commit(changes)) == Commit(changes.changes)


anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False),
    st.text(st.characters()),
    st.binary(),
    st.uuids(),
    st.decimals(allow_nan=False),
    st.dates(),
)
columns = st.sampled_from(["id", "room"])
changes = st.builds(
    TableChange,
    st.sampled_from(["default", "other"]),
    st.sampled_from(["message", None]),
    st.none() | st.lists(st.dictionaries(columns, anything, max_size=2), max_size=3).map(tuple),
)
reads = st.builds(
    lambda equals: ReadPredicate("default", "message", tuple(sorted(equals.items()))),
    st.dictionaries(columns, st.frozensets(anything, min_size=1, max_size=2), max_size=2),
)


@often
@given(st.lists(changes, max_size=3), reads, st.integers(0, 200))
def test_whoever_is_concerned_is_so_elsewhere(
    made: list[TableChange], read: ReadPredicate, max_bytes: int
) -> None:
    before = Commit(tuple(made))
    after = decode_commit(encode_commit(before, max_bytes=max_bytes))
    if touches([read], before):
        assert touches([read], after)


def test_long_changes_say_less() -> None:
    many = Commit(tuple(TableChange("default", f"table{n}", ({"id": 1},)) for n in range(20)))
    whole = encode_commit(many)
    assert decode_commit(encode_commit(many, max_bytes=len(whole))) == many
    tables = encode_commit(many, max_bytes=len(whole) - 1)
    assert decode_commit(tables).changes == tuple(
        TableChange("default", f"table{n}") for n in range(20)
    )
    anything = encode_commit(many, max_bytes=len(tables) - 1)
    assert decode_commit(anything).changes == (TableChange("*", None),)
    rows = tuple({"id": n} for n in range(MAX_BYTES))
    assert decode_commit(CHANGES.encode(Commit((TableChange("default", "t", rows),)))).changes == (
        TableChange("default", "t"),
    )


@pytest.mark.parametrize("text", ["\ud800", "a\udfff"])
def test_text_that_is_none_costs_the_rows(text: str) -> None:
    assert decode_commit(encode_commit(one(id=1, column=text))).changes == (
        TableChange("default", "message"),
    )


@pytest.mark.parametrize(
    "encoded",
    [
        b"",
        b"x",
        b"\x91\x01",
        encode_commit(one(id=1))[:-1],
        encode_commit(one(id=1)) + b"\x00",
        encode_commit(one(id=SOME)).replace(b"\x01" + SOME.bytes, b"\x02" + SOME.bytes),
    ],
)
def test_other_bytes_are_a_value_error(encoded: bytes) -> None:
    with pytest.raises(ValueError):
        decode_commit(encoded)
