"""A patch is applied as RFC 6902 or PROTOCOL.md says, or refused, and what was before stays."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.patches import apply_json_patch, apply_text_patch
from wsrequest.errors import Refused


def operation(op: str, path: str, *value: object) -> dict[str, object]:
    return {"op": op, "path": path, **({"value": value[0]} if value else {})}


@pytest.mark.parametrize(
    ("value", "patch", "expected"),
    [
        pytest.param({"a": 1}, operation("add", "/b", 2), {"a": 1, "b": 2}, id="member"),
        pytest.param({"a": 1}, operation("add", "/a", 2), {"a": 2}, id="add-replaces"),
        pytest.param({"a": 1, "b": 2}, operation("remove", "/a"), {"b": 2}, id="remove"),
        pytest.param([1, 2], operation("add", "/1", 3), [1, 3, 2], id="insert"),
        pytest.param([1, 2], operation("add", "/2", 3), [1, 2, 3], id="append"),
        pytest.param([1, 2], operation("add", "/-", 3), [1, 2, 3], id="append-without-index"),
        pytest.param([1, 2, 3], operation("remove", "/1"), [1, 3], id="item"),
        pytest.param([1, [2]], operation("replace", "/1/0", None), [1, [None]], id="deep"),
        pytest.param({"a": 1}, operation("replace", "", [2]), [2], id="whole"),
        pytest.param({"a": 1}, operation("add", "", [2]), [2], id="whole-added"),
        pytest.param({"": {"a": 1}}, operation("replace", "//a", 2), {"": {"a": 2}}, id="no-name"),
        pytest.param({"a/b": 1}, operation("replace", "/a~1b", 2), {"a/b": 2}, id="slash"),
        pytest.param({"~1": 1}, operation("replace", "/~01", 2), {"~1": 2}, id="tilde"),
    ],
)
def test_json_patch_is_applied(value: Any, patch: Any, expected: Any) -> None:
    before = json.dumps(value)
    assert json.dumps(apply_json_patch(value, [patch])) == json.dumps(expected)
    assert json.dumps(value) == before


@pytest.mark.parametrize(
    ("value", "patch"),
    [
        pytest.param({"a": 1}, operation("remove", "/b"), id="no-such-member"),
        pytest.param({"a": 1}, operation("replace", "/b", 1), id="nothing-to-replace"),
        pytest.param({"a": 1}, operation("add", "/b/c", 1), id="nothing-to-add-to"),
        pytest.param({"a": 1}, operation("add", "/a/c", 1), id="no-container"),
        pytest.param({"a": 1}, operation("add", "/b"), id="no-value"),
        pytest.param({"a": 1}, operation("remove", ""), id="whole-removed"),
        pytest.param({"a": 1}, operation("add", "a", 1), id="no-slash"),
        pytest.param({"a": 1}, operation("move", "/a"), id="operation-that-is-not-sent"),
        pytest.param({"a": 1}, operation("copy", "", 1), id="another"),
        pytest.param([1], operation("test", "/0", 1), id="another-in-an-array"),
        pytest.param({"a": 1}, {"op": "remove"}, id="no-path"),
        pytest.param({"a": 1}, {"op": "remove", "path": 1}, id="path-is-no-text"),
        pytest.param({"a": 1}, "remove", id="no-object"),
        pytest.param([1], operation("remove", "/1"), id="behind-the-end"),
        pytest.param([1], operation("add", "/2", 1), id="far-behind-the-end"),
        pytest.param([1], operation("remove", "/-1"), id="negative"),
        pytest.param([1], operation("remove", "/00"), id="leading-zero"),
        pytest.param([1], operation("remove", "/x"), id="no-index"),
        pytest.param([1], operation("remove", "/-"), id="item-after-the-last"),
    ],
)
def test_json_patch_that_does_not_fit_is_refused(value: Any, patch: Any) -> None:
    with pytest.raises(Refused, match="bad_message: operation 1 of a patch does not fit"):
        apply_json_patch(value, [patch])


def test_added_value_is_not_the_patch_s_own() -> None:
    patch = [operation("add", "/-", [1]), operation("add", "/0/-", 2)]
    assert apply_json_patch([], patch) == [[1, 2]]
    assert patch[0]["value"] == [1]


TEXT = Path(__file__).parent / "wire" / "patches" / "text.json"


@pytest.mark.parametrize(
    "case", json.loads(TEXT.read_bytes())["cases"], ids=lambda case: case["name"]
)
def test_text_patch_is_applied_or_refused(case: dict[str, Any]) -> None:
    before = case["before"].encode()
    if "after" in case:
        assert apply_text_patch(before, case["patch"]) == case["after"].encode()
    else:
        with pytest.raises(Refused, match="bad_message"):
            apply_text_patch(before, case["patch"])
