"""A patch gives exactly the new body, is short for usual changes, or the whole body is sent."""

import json
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.patches import apply_json_patch
from wsrequest.live import diff
from wsrequest.live.diff import json_patch, make_patch

often = settings(max_examples=400, deadline=None)

names = st.sampled_from(["id", "a", "b", "a/b", "~1", "", "é"])
scalars = (
    st.sampled_from([None, True, False, 0, 1, 1.0, -0.0, 0.1, 2**70, "", "1", "a"])
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=3)
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(names, inner, max_size=5),
    max_leaves=12,
)
items = st.fixed_dictionaries({"id": st.integers(0, 6), "a": scalars | values})


@st.composite
def edited(draw: st.DrawFn, value: Any) -> Any:
    """``value`` with some of it changed, as the next answer of a view is."""
    if isinstance(value, dict) and draw(st.integers(0, 7)):
        kept = {name: draw(edited(member)) for name, member in value.items() if draw(st.booleans())}
        return {**kept, **draw(st.dictionaries(names, values, max_size=1))}
    if isinstance(value, list) and draw(st.integers(0, 7)):
        found = [draw(edited(item)) for item in value if draw(st.integers(0, 3))]
        if draw(st.booleans()):
            found.insert(draw(st.integers(0, len(found))), draw(values | items))
        return draw(st.permutations(found)) if draw(st.integers(0, 3)) == 0 else found
    return value if draw(st.integers(0, 3)) else draw(values)


@st.composite
def successions(draw: st.DrawFn) -> tuple[Any, Any]:
    old = draw(values | st.lists(items, max_size=6) | st.lists(scalars, max_size=8))
    return old, draw(edited(old) | values)


def same(one: object, other: object) -> bool:
    """Equal with types, signs of zero and the order of members."""
    return json.dumps(one) == json.dumps(other)


@often
@given(successions())
def test_json_patch_leads_to_the_new_value(succession: tuple[Any, Any]) -> None:
    old, new = succession
    before = json.dumps(old)
    patch = json_patch(old, new)
    assert patch is not None
    assert (patch == []) == same(old, new)
    assert same(apply_json_patch(old, patch), new)
    assert json.dumps(old) == before


def exact(body: bytes) -> Any:
    """The value with its numbers as they are printed."""
    return json.loads(
        body, parse_float=lambda text: f"float {text}", parse_int=lambda text: f"int {text}"
    )


number_texts = st.sampled_from(["0", "-0", "0.0", "-0.0", "1.10", "1.1", "1e2", "1E400", "1" * 40])
bodies = st.recursive(
    number_texts | st.sampled_from(['"-0 "', '"\\u0041"', "null", "true"]),
    lambda inner: (
        st.lists(inner, max_size=5).map(lambda found: "[" + ", ".join(found) + "]")
        | st.dictionaries(names, inner, max_size=4).map(
            lambda found: (
                "{"
                + ",".join(f"{json.dumps(name)}: {member}" for name, member in found.items())
                + "}"
            )
        )
    ),
    max_leaves=10,
).map(str.encode)


@often
@given(bodies, bodies)
@example(b'{"a": [1, 2, 3, 4, 5], "b": -0}', b'{"a": [1, 2, 3, 4, 5], "b": 0}')
@example(b'{"a": [1, 2, 3, 4, 5], "b": 1.10}', b'{"a": [1, 2, 3, 4, 5], "b": 1.1}')
def test_a_patch_of_bodies_is_exact_and_smaller(old: bytes, new: bytes) -> None:
    printed = make_patch(old, new)
    if printed is not None:
        assert len(printed) < len(new)
        assert same(apply_json_patch(exact(old), exact(printed)), exact(new))


def note(id: int, **members: object) -> dict[str, object]:
    return {"id": id, "title": f"the title of {id}", "text": f"text of {id} " * 9, **members}


def page(*ids: int) -> dict[str, object]:
    return {"count": 5, "results": [note(id) for id in ids]}


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        pytest.param(
            page(1, 2, 3),
            page(9, 1, 2, 3),
            [{"op": "add", "path": "/results/0", "value": note(9)}],
            id="at-the-head",
        ),
        pytest.param(
            page(1, 2, 3),
            page(9, 1, 2),
            [
                {"op": "add", "path": "/results/0", "value": note(9)},
                {"op": "remove", "path": "/results/3"},
            ],
            id="at-the-head-of-a-full-page",
        ),
        pytest.param(
            page(1, 2, 3), page(1, 3), [{"op": "remove", "path": "/results/1"}], id="in-the-middle"
        ),
        pytest.param(
            page(1, 2),
            page(1, 2, 3),
            [{"op": "add", "path": "/results/2", "value": note(3)}],
            id="at-the-end",
        ),
        pytest.param(
            [note(1), note(2), note(3)],
            [note(1), note(2, title="x"), note(3)],
            [{"op": "replace", "path": "/1/title", "value": "x"}],
            id="one-member",
        ),
        pytest.param(
            [note(1), note(2), note(3)],
            [note(7), note(2, title="x"), note(4), note(3)],
            [
                {"op": "replace", "path": "/0", "value": note(7)},
                {"op": "replace", "path": "/1/title", "value": "x"},
                {"op": "add", "path": "/2", "value": note(4)},
            ],
            id="a-member-among-others-that-come-and-go",
        ),
        pytest.param(
            page(1, 2, 3, 4),
            page(4, 1, 2, 3),
            [
                {"op": "add", "path": "/results/0", "value": note(4)},
                {"op": "remove", "path": "/results/4"},
            ],
            id="one-moves",
        ),
        pytest.param(
            ["a", "b", "b", "c" * 99],
            ["b", "b", "c" * 99, "d"],
            [{"op": "remove", "path": "/0"}, {"op": "add", "path": "/3", "value": "d"}],
            id="equal-items",
        ),
        pytest.param(
            {"n": {"a": 1, "b": 2}},
            {"n": {"a": 3, "b": 4}},
            [{"op": "replace", "path": "/n", "value": {"a": 3, "b": 4}}],
            id="much-of-an-object",
        ),
        pytest.param(
            {"a": 1, "b": 2, "c": {"x": "x" * 99}},
            {"b": 2, "c": {"x": "x" * 99}, "a/~": 1},
            [{"op": "remove", "path": "/a"}, {"op": "add", "path": "/a~1~0", "value": 1}],
            id="members",
        ),
        pytest.param(
            {"n": {"a": 1, "b": 2}},
            {"n": {"b": 2, "a": 1}},
            [{"op": "replace", "path": "/n", "value": {"b": 2, "a": 1}}],
            id="order-of-members",
        ),
        pytest.param([1], [True], [{"op": "replace", "path": "/0", "value": True}], id="types"),
        pytest.param({"a": 1}, {"a": 1}, [], id="nothing"),
    ],
)
def test_json_patch_of_what_usually_changes(old: Any, new: Any, expected: Any) -> None:
    assert same(json_patch(old, new), expected)
    assert same(apply_json_patch(old, expected), new)


def body(value: object) -> bytes:
    return json.dumps(value).encode()


PAGE = body(page(1, 2, 3))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param(b'{"a":1}', b'{"a":2}', id="a-small-body"),
        pytest.param(b"[1, 2]", b"null", id="another-body"),
        pytest.param(b"<p>", PAGE, id="old-is-no-json"),
        pytest.param(PAGE, b"{", id="new-is-no-json"),
        pytest.param(PAGE, b"", id="empty"),
        pytest.param(PAGE, b'"\xff"', id="no-utf-8"),
        pytest.param(PAGE, b"[" * 5000 + b"]" * 5000, id="too-deep-to-parse"),
    ],
)
def test_no_patch_where_the_whole_is_better(old: bytes, new: bytes) -> None:
    assert make_patch(old, new) is None


def test_body_too_large_to_compare_has_no_patch(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = body({"n": 1, "x": "x" * 200}), body({"n": 100, "x": "x" * 200})
    for old, new in ((one, other), (other, one)):
        monkeypatch.setattr(diff, "MAX_BODY_BYTES", len(other))
        assert make_patch(old, new) is not None
        monkeypatch.setattr(diff, "MAX_BODY_BYTES", len(one))
        assert make_patch(old, new) is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        pytest.param({"n": "x" * 9000, "m": 0}, {"n": "y" * 9000, "m": 0}, id="long-values"),
        pytest.param(
            {str(n): n for n in range(90)}, {str(n): -n for n in range(90)}, id="many-values"
        ),
    ],
)
def test_too_much_work_has_no_patch(old: Any, new: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert json_patch(old, new) is not None
    monkeypatch.setattr(diff, "MAX_WORK", 10_000)
    assert json_patch(old, new) is None


def test_long_names_one_in_the_other_have_no_patch(monkeypatch: pytest.MonkeyPatch) -> None:
    old: Any = {"n": 1}
    new: Any = {"n": 2}
    for _ in range(20):
        old, new = {"x" * 100: old}, {"x" * 100: new}
    assert json_patch(old, new) is not None
    monkeypatch.setattr(diff, "MAX_WORK", 20 * 20 * 50)
    assert json_patch(old, new) is None


def test_long_array_has_a_patch_when_little_of_it_changed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(diff, "MAX_ITEMS", 10)
    old = [*range(1000)]
    assert json_patch(old, [*old[:500], -1, *old[500:]]) == [
        {"op": "add", "path": "/500", "value": -1}
    ]
    assert json_patch(old, [-1, *old, -1]) is None


def nested(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = {"n": value}
    return value


def test_values_too_deep_to_compare_have_no_patch() -> None:
    assert json_patch(nested(1, 30), nested(2, 30)) is not None
    old, new = nested(1, 3000), nested(2, 3000)
    assert json_patch(old, new) is None


def deep(value: Any, depth: int) -> Any:
    for _ in range(depth):
        value = [value, "text"]
    return value


HOSTILE = {
    "long text in nested arrays": (deep(["x" * 400_000, 1], 200), deep(["x" * 400_000, 2], 200)),
    "many items in nested arrays": (
        deep([*range(7000), 1], 400), deep([*range(7000), 2], 400),
    ),
    "arrays of arrays": (
        [[[j, [j]] for j in range(20)] for _ in range(100)],
        [[[j + 1, [j]] for j in range(20)] for _ in range(100)],
    ),
    "items that moved": (
        [{"id": n, "a": n} for n in range(4000)],
        [{"id": n * 7919 % 4000, "a": n} for n in range(4000)],
    ),
    "long names": (
        {"n" * 300 + str(n): n for n in range(1500)}, {"n" * 300 + str(n): -n for n in range(1500)},
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", HOSTILE)
def test_work_on_hostile_bodies_is_bounded(case: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nested arrays are printed at each level: the event loop had waited 55 ms and more for that.

    What is printed is the work that grows; it is counted here, not timed.
    """
    old, new = map(body, HOSTILE[case])
    printed: list[int] = []
    print_ = diff._print

    def counted(value: object) -> bytes:
        found = print_(value)
        printed.append(len(found) + 500)
        return found

    monkeypatch.setattr(diff, "_print", counted)
    make_patch(old, new)
    # The last one is printed before it is found to be too much, and so is the patch.
    assert sum(sorted(printed)[:-2]) <= 2**20


def test_too_many_values_are_not_even_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    one, other = body([0.5] * 1000), body([0.5] * 1001)
    monkeypatch.setattr(diff, "MAX_VALUES", 1001)
    assert make_patch(one, one + b" ") is not None
    monkeypatch.setattr(diff, "_json", None)
    assert make_patch(one, other) is None
    assert make_patch(other, one) is None
