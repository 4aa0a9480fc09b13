"""The limit on nested JSON, compared with a slow and simple scan."""

import json
import tracemalloc
from itertools import accumulate
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrequest.errors import Refused
from wsrequest.protocol import nesting
from wsrequest.protocol.nesting import MAX_NESTING, check_nesting, nests_deeper

VALUES = st.recursive(
    st.none() | st.integers() | st.text(alphabet='[]{}"\\\\a,é\n'),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(alphabet='[]{}"\\\\a'), inner),
    max_leaves=20,
)


def depth(value: Any) -> int:
    if isinstance(value, dict):
        return 1 + max(map(depth, value.values()), default=0)
    if isinstance(value, list):
        return 1 + max(map(depth, value), default=0)
    return 0


@given(VALUES, st.booleans(), st.sampled_from([None, (",", ":")]))
def test_depth_is_that_of_the_value(value: Any, is_ascii: bool, separators: Any) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii, separators=separators)
    levels = depth(value)
    for form in (text, text.encode()):
        assert not nests_deeper(form, levels)
        assert levels == 0 or nests_deeper(form, levels - 1)


@given(VALUES, st.booleans(), st.integers(1, 9))
def test_depth_does_not_depend_on_where_a_text_is_cut(
    value: Any, is_ascii: bool, size: int
) -> None:
    text = json.dumps(value, ensure_ascii=is_ascii)
    levels = depth(value)
    with patch.object(nesting, "_BLOCK", size):
        for form in (text, text.encode()):
            assert not nests_deeper(form, levels)
            assert levels == 0 or nests_deeper(form, levels - 1)


@given(st.text(alphabet="[]", max_size=200), st.integers(0, 9), st.integers(1, 99))
def test_depth_is_that_of_the_brackets(text: str, levels: int, size: int) -> None:
    highest = max(accumulate(1 if code == "[" else -1 for code in text), default=0)
    with patch.object(nesting, "_BLOCK", size):
        assert nests_deeper(text, levels) == (highest > levels)


DEEP = {
    "one peak": ("[" * 499 + "]" * 499) * 262,
    "just below": "[" * 490 + ("[" * 9 + "]" * 9) * 14_500,
    "flat": "[" * 497 + "[[]]" * 65_000,
}


@pytest.mark.parametrize("text", DEEP.values(), ids=DEEP)
def test_no_text_is_looked_at_step_by_step(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """1 MiB had taken 52 to 81 ms of the event loop, where a wide text takes 10."""
    looked = 0

    def counting(steps: Any, **start: Any) -> Any:
        nonlocal looked
        looked += len(steps)
        return accumulate(steps, **start)

    monkeypatch.setattr(nesting, "accumulate", counting)
    assert not nests_deeper(text, MAX_NESTING)
    assert 0 < looked <= len(text) / 8 + len(text) / nesting._BLOCK + 1


LARGE = {
    "rows": "[" + '{"a":["x"]},' * 400_000 + "0]",
    "deep": "[" + ("[" * 400 + "]" * 400 + ",") * 5_000 + "0]",
    "strings": "[" + '"[",' * 1_000_000 + "[]" * 500 + "]",
    "escapes": '["' + r"\\[" * 1_000_000 + '"]',
}


@pytest.mark.once
@pytest.mark.parametrize("text", LARGE.values(), ids=LARGE)
@pytest.mark.parametrize("form", [str, str.encode])
def test_no_call_into_c_gets_more_than_a_block(text: str, form: Any) -> None:
    """15 MB of an answer had held the interpreter for 0.9 to 1.9 seconds, and with it the loop.

    A call that is given much makes much, so what is made at a time is measured.
    """
    frame = form(text)
    tracemalloc.start()
    try:
        assert not nests_deeper(frame, MAX_NESTING)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**19 < len(text) / 5


def test_what_is_deeper_by_one_level_is_refused() -> None:
    check_nesting("[" * MAX_NESTING + "]" * MAX_NESTING)
    check_nesting("[" + "[]," * 5000 + "1]")
    with pytest.raises(Refused) as caught:
        check_nesting('{"id":7,"x":' + "[" * MAX_NESTING + "]" * MAX_NESTING + "}")
    assert (caught.value.code, caught.value.id) == ("bad_json", 7)
    assert "binary frame" in caught.value.detail
