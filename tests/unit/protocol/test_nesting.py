"""How deep JSON may nest, by a scan that is slow and plain."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wsrequest.errors import Refused
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


def test_what_is_deeper_by_one_level_is_refused() -> None:
    check_nesting("[" * MAX_NESTING + "]" * MAX_NESTING)
    check_nesting("[" + "[]," * 5000 + "1]")
    with pytest.raises(Refused) as caught:
        check_nesting('{"id":7,"x":' + "[" * MAX_NESTING + "]" * MAX_NESTING + "}")
    assert (caught.value.code, caught.value.id) == ("bad_json", 7)
    assert "binary frame" in caught.value.detail
