"""The stream of pgoutput as PostgreSQL 15 has sent it (pgoutput.hex), damaged, and too long."""

import tracemalloc
from pathlib import Path
from struct import pack
from unittest.mock import patch
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrequest.bus import pgoutput as pgoutput_module
from wsrequest.bus.pgoutput import Decoder, Message, Transaction, Unreadable
from wsrequest.types import Commit, TableChange

RECORDED = [
    bytes.fromhex(line)
    for line in Path(__file__).with_name("pgoutput.hex").read_text().splitlines()
]
KEY = UUID("7d0f5d1c-4a3e-4b57-8a55-0d4c2e2f9a11")


def decoded(stream: list[bytes]) -> list[Transaction | Message]:
    decoder = Decoder("default", {"wanted"})
    return [found for data in stream if (found := decoder.feed(data)) is not None]


def rows(change: TableChange) -> tuple[dict[str, object], ...] | None:
    return None if change.rows is None else tuple(dict(row) for row in change.rows)


def written(found: Transaction | Message) -> dict[str | None, object]:
    assert isinstance(found, Transaction)
    return {change.table: rows(change) for change in found.commit.changes}


def test_recorded_stream_says_what_was_written() -> None:
    insert, update, moved, delete, *full, truncate, message, free, last = decoded(RECORDED)
    assert written(insert) == {
        "book": (
            {"id": 1, "title": "a b", "key": KEY, "done": True},  # no number, no enumeration
            {"id": 2, "title": None, "key": None, "done": False},
        )
    }
    assert written(update) == {"book": ({"id": 1},)}
    assert written(moved) == {
        "book": ({"id": 1}, {"id": 3, "title": "c", "key": KEY, "done": True})
    }
    assert written(delete) == {"book": ({"id": 3},)}
    # Two columns that differ only in case cannot be told apart.
    assert [written(each) for each in full] == [
        {"tag": ({"id": 1},)},
        {"tag": ({"id": 1}, {"id": 1})},
        {"tag": ({"id": 1},)},
    ]
    assert written(truncate) == {"tag": None, "book": None}
    assert isinstance(message, Transaction)
    assert message.messages == (Message("wanted", b"\1\2"),)
    assert free == Message("wanted", b"\4")
    assert written(last) == {"tag": ({"id": 9},)}
    assert isinstance(insert, Transaction)
    assert (insert.xid, insert.commit.run) == (0x2D8, None)
    assert {change.database for change in insert.commit.changes} == {"default"}


BEGIN, COMMIT = pack(">cqqI", b"B", 0, 0, 7), pack(">cbqqq", b"C", 0, 0, 0, 0)


def relation(number: int, name: bytes, *columns: tuple[bytes, int, bool]) -> bytes:
    described = b"".join(
        pack(">b", is_key) + column + pack(">xIi", kind, -1) for column, kind, is_key in columns
    )
    return (
        pack(">cI", b"R", number)
        + b"public\0"
        + name
        + b"\0d"
        + pack(">h", len(columns))
        + described
    )


def row(*values: bytes | None) -> bytes:
    return pack(">h", len(values)) + b"".join(
        b"n" if value is None else pack(">cI", b"t", len(value)) + value for value in values
    )


def insert(number: int, *values: bytes | None) -> bytes:
    return pack(">cIc", b"I", number, b"N") + row(*values)


def only_changes(*stream: bytes) -> tuple[TableChange, ...]:
    (found,) = decoded([BEGIN, *stream, COMMIT])
    assert isinstance(found, Transaction)
    return found.commit.changes


ITEM = relation(1, b"item", (b"id", 23, True), (b"text", 25, False))


@pytest.mark.parametrize("count", [500, 501])
def test_more_than_500_rows_are_any_row(count: int) -> None:
    inserts = [insert(1, str(number).encode(), None) for number in range(count)]
    (change,) = only_changes(ITEM, *inserts)
    assert (change.rows is None) is (count > 500)


def test_rows_of_many_bytes_are_any_row() -> None:
    inserts = [insert(1, str(number).encode(), b"x" * 500) for number in range(300)]
    (change,) = only_changes(ITEM, *inserts)
    assert change.rows is None


def test_long_text_and_text_of_another_encoding_are_unknown() -> None:
    (change,) = only_changes(
        ITEM, insert(1, b"1", b"x" * 512), insert(1, b"2", b"x" * 513), insert(1, b"3", b"\xff")
    )
    assert rows(change) == ({"id": 1, "text": "x" * 512}, {"id": 2}, {"id": 3})


@pytest.mark.parametrize("count", [1000, 1001])
def test_more_than_1000_tables_are_anything(count: int) -> None:
    stream = []
    for number in range(count):
        stream += [relation(number, b"t%d" % number, (b"id", 23, True)), insert(number, b"1")]
    changes = only_changes(*stream)
    if count == 1000:
        assert len(changes) == 1000
    else:
        assert changes == (TableChange("default", None),)


def test_transaction_does_not_remember_the_one_before() -> None:
    stream = [BEGIN, ITEM, insert(1, b"1", None), COMMIT, BEGIN, insert(1, b"2", None), COMMIT]
    first, second = decoded(stream)
    assert written(second) == {"item": ({"id": 2, "text": None},)}
    # A transaction that was cut off by a new one is not part of that.
    (alone,) = decoded([BEGIN, ITEM, insert(1, b"1", None), *stream[4:]])
    assert written(alone) == written(second)
    assert isinstance(first, Transaction)
    assert first.commit == Commit(first.commit.changes)


def emitted(content: bytes, prefix: bytes = b"wanted", *, in_transaction: bool = True) -> bytes:
    return (
        pack(">cBq", b"M", in_transaction, 0) + prefix + b"\0" + pack(">I", len(content)) + content
    )


def test_message_that_is_too_long_is_empty_and_ends_nothing() -> None:
    decoder = Decoder("default", {"wanted"}, 100)
    assert decoder.feed(emitted(b"x" * 100, in_transaction=False)) == Message("wanted", b"x" * 100)
    assert decoder.feed(emitted(b"x" * 101, in_transaction=False)) == Message("wanted", b"")
    for data in (BEGIN, ITEM, emitted(b"x" * 101), emitted(b"mine"), insert(1, b"1", None)):
        assert decoder.feed(data) is None
    found = decoder.feed(COMMIT)
    assert isinstance(found, Transaction)
    assert [message.content for message in found.messages] == [b"", b"mine"]
    assert written(found) == {"item": ({"id": 1, "text": None},)}


def test_too_many_messages_are_one_empty_message() -> None:
    decoder = Decoder("default", {"wanted"})
    decoder.feed(BEGIN)
    with patch.object(pgoutput_module, "_MAX_MESSAGE_BYTES", 2000):
        for _ in range(1000):
            decoder.feed(emitted(b"x"))
        decoder.feed(ITEM)
        decoder.feed(insert(1, b"1", None))
        found = decoder.feed(COMMIT)
        assert isinstance(found, Transaction)
        assert [message.content for message in found.messages] == [b"x"] * 9 + [b""]
        assert written(found) == {"item": ({"id": 1, "text": None},)}
        (after,) = decoded([BEGIN, emitted(b"x"), COMMIT])  # begins to count again
    assert isinstance(after, Transaction)
    assert after.messages == (Message("wanted", b"x"),)


@pytest.mark.parametrize("prefix", [b"stranger", b"\xff", b"wanted.", b"", b"p" * 2**20])
def test_message_with_another_prefix_is_not_copied(prefix: bytes) -> None:
    data = b"w" * 25 + emitted(b"x" * 2**22, prefix)
    decoder = Decoder("default", {"wanted"})
    tracemalloc.start()
    try:
        assert decoder.feed(data, 25) is None
        _, peak_bytes = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak_bytes < 2**16


@pytest.mark.parametrize(
    "data",
    [
        b"",
        emitted(b"ab")[:-1],
        emitted(b"ab", b"stranger")[:-1],
        b"S",  # a piece of an open transaction, which was not asked for
        insert(9, b"1"),  # an unknown table
        insert(1, b"1"),  # too few columns
        insert(1, b"1", b"ab")[:-1],
        insert(1, b"one", None),
        pack(">cIc", b"U", 1, b"X"),
    ],
)
def test_what_is_not_the_format_is_unreadable(data: bytes) -> None:
    decoder = Decoder("default", ())
    decoder.feed(ITEM)
    with pytest.raises(Unreadable):
        decoder.feed(data)


@given(
    st.integers(0, len(RECORDED) - 1),
    st.lists(st.tuples(st.integers(0, 200), st.integers(0, 255)), max_size=4),
    st.integers(0, 300),
)
def test_damaged_stream_raises_nothing_else(
    index: int, changes: list[tuple[int, int]], length: int
) -> None:
    decoder = Decoder("default", {"wanted"})
    for position, data in enumerate(RECORDED):
        if position == index:
            damaged = bytearray(data[:length])
            for at, value in changes:
                if at < len(damaged):
                    damaged[at] = value
            data = bytes(damaged)
        try:
            decoder.feed(data)
        except Unreadable:
            if position < index:
                raise
            return


@given(st.binary(max_size=200))
def test_garbage_raises_nothing_else(data: bytes) -> None:
    try:
        Decoder("default", ()).feed(data)
    except Unreadable:
        pass
