"""Which keys a call of a cache method is for, and for how long: otherwise it is for any key."""

from typing import Any

import pytest
from django.core.cache.backends.base import BaseCache

from wsrequest.live.tracking.cache_calls import OPERATIONS, Call

CACHE = BaseCache({"KEY_PREFIX": "p", "TIMEOUT": 90})


def call(name: str, /, *args: Any, **kwargs: Any) -> Call:
    return Call(name, CACHE, args, kwargs)


@pytest.mark.parametrize(
    ("found", "keys"),
    [
        (call("get", "a"), [("a", "p:1:a")]),
        (call("get", "a", None, 2), [("a", "p:2:a")]),
        (call("get", key="a", version=2), [("a", "p:2:a")]),
        (call("get", 5), [("5", "p:1:5")]),
        (call("set", "a", 1, 60, 3), [("a", "p:3:a")]),
        (call("get_many", ["a", "b"], 2), [("a", "p:2:a"), ("b", "p:2:b")]),
        (call("get_many", keys=iter("ab")), [("a", "p:1:a"), ("b", "p:1:b")]),
        (call("set_many", {"a": 1}, version=4), [("a", "p:4:a")]),
        (call("delete_many", iter("a"), 2), [("a", "p:2:a")]),
        (call("hget", name="a"), [("a", "p:1:a")]),
        (call("clear"), None),
        (call("delete_pattern", "a*"), None),
        (call("incr_version", "a"), None),
        (call("expire"), None),
        (call("get_many", 5), None),
    ],
)
def test_keys_of_a_call(found: Call, keys: list[tuple[str, str]] | None) -> None:
    assert found.keys() == keys


def test_keys_that_can_be_walked_once_reach_the_method_too() -> None:
    found = call("delete_many", iter("ab"))
    assert found.keys() and found.args == (["a", "b"],)


@pytest.mark.parametrize(
    ("found", "seconds"),
    [
        (call("set", "a", 1), 90),
        (call("set", "a", 1, 30), 30),
        (call("set", "a", 1, timeout=0), 0),
        (call("set", "a", 1, None), None),
        (call("set_many", {"a": 1}, 5), 5),
        (call("touch", "a", 7), 7),
        (call("add", "a", 1, "soon"), 60),
    ],
)
def test_time_of_a_call(found: Call, seconds: float | None) -> None:
    assert found.seconds == seconds


def test_every_operation_of_djangos_api_is_known() -> None:
    """A later Django may add one."""
    made_of_others = "close aclose get_backend_timeout make_key make_and_validate_key validate_key"
    public = {name for name in vars(BaseCache) if not name.startswith("_")}
    for name in public - set(made_of_others.split()):
        assert name in OPERATIONS or name.removeprefix("a") in OPERATIONS
