"""The path of one message: each bar that is missed is named."""

from benchmarks.path import MAX_CALLS, MAX_CHANGES, MAX_ENTRIES, MAX_MODULES, MessagePath


def calls(*modules: str) -> MessagePath:
    return MessagePath([(module, "function") for module in modules])


def test_entries_and_changes_are_counted() -> None:
    path = calls("a", "a", "b", "a", "c")
    assert path.entries == {"a": 2, "b": 1, "c": 1}
    assert path.changes == 3
    assert path.problems() == []


def test_each_bar_is_named() -> None:
    modules = [str(number) for number in range(MAX_MODULES + 1)]
    assert calls(*modules).problems() == [f"{MAX_MODULES + 1} modules, at most {MAX_MODULES}"]
    (problem,) = calls(*["a"] * (MAX_CALLS + 1)).problems()
    assert problem == f"{MAX_CALLS + 1} calls, at most {MAX_CALLS}"
    changes, entered = calls(*["a", "b"] * MAX_CHANGES).problems()[:2]
    assert "changes of module" in changes
    assert f"a is entered {MAX_CHANGES} times, at most {MAX_ENTRIES}" in entered
