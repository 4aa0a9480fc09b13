"""Throttles count what a visitor sends, not the reruns."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest
from asgiref.sync import async_to_sync
from django.contrib.auth.models import AnonymousUser
from django.core.cache import cache, caches
from django.test import RequestFactory
from django_ratelimit.core import get_usage
from ninja.throttling import AnonRateThrottle as NinjaThrottle
from rest_framework.throttling import AnonRateThrottle as RestThrottle
from rest_framework.throttling import ScopedRateThrottle

from tests.unit.live.tracking.test_keys import FakeTracker
from wsrequest.live.tracking.caches import Caches
from wsrequest.live.tracking.keys import KeyTracker
from wsrequest.live.tracking.reads import ReadSet, reading
from wsrequest.live.tracking.tracker import installed


@pytest.fixture(autouse=True)
def _watched(settings: Any, tmp_path: Path) -> Iterator[None]:
    settings.CACHES = {
        "default": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache"},
        "other": {"BACKEND": "django.core.cache.backends.locmem.LocMemCache", "LOCATION": "o"},
        "files": {
            "BACKEND": "django.core.cache.backends.filebased.FileBasedCache",
            "LOCATION": str(tmp_path),
        },
    }
    # That of the project would wrap the methods once more as soon as a cache is used. The wrappers
    # below would then stay for the tests that follow.
    tracker = installed()
    if tracker is not None:
        tracker.uninstall()
    watched = Caches(KeyTracker(cast(Any, FakeTracker())))
    watched.install()
    cache.clear()
    yield
    cache.clear()
    watched.uninstall()
    if tracker is not None:
        tracker.install()


def made() -> Any:
    request = RequestFactory().get("/")
    request.user = AnonymousUser()
    return request


class Rest(RestThrottle):
    rate = "2/min"


class Scoped(ScopedRateThrottle):
    THROTTLE_RATES = {"list": "2/min"}


class Named(RestThrottle):
    """With a key of the project's own, as the test project has one."""

    rate = "2/min"

    def get_cache_key(self, request: Any, view: Any) -> str:
        return "throttle-by-name"


class View:
    throttle_scope = "list"


def rest(request: Any) -> bool:
    return bool(Rest().allow_request(request, None))


def scoped(request: Any) -> bool:
    return bool(Scoped().allow_request(request, View()))


def named(request: Any) -> bool:
    return bool(Named().allow_request(request, None))


def ninja(request: Any) -> bool:
    return bool(NinjaThrottle("2/m").allow_request(request))


def ratelimit(request: Any) -> bool:
    usage = get_usage(request, group="list", key="ip", rate="2/m", increment=True)
    return not usage["should_limit"]


def own_counter(request: Any) -> bool:
    """As projects write them, with the operations that the three do without."""
    cache.get_or_set("throttle_own", 0)
    cache.touch("throttle_own")
    return bool(cache.incr("throttle_own") <= 2)


def own_async_counter(request: Any) -> bool:
    async def count() -> int:
        await cache.aget_or_set("throttle_own", 0)
        await cache.aincr("throttle_own", 2)
        return int(await cache.adecr("throttle_own"))

    return bool(async_to_sync(count)() <= 2)


def own_file_counter(request: Any) -> bool:
    """In a cache whose ``incr`` is made of a read and a write."""
    cache = caches["files"]
    cache.add("throttle_own", 0)
    return bool(cache.incr("throttle_own") <= 2)


@pytest.mark.parametrize(
    "allows",
    [rest, scoped, named, ninja, ratelimit, own_counter, own_async_counter, own_file_counter],
)
def test_a_rerun_is_not_charged(allows: Any) -> None:
    for _ in range(12):
        with reading(ReadSet()) as reads:
            reads.is_rerun = True
            assert allows(made())
    assert [allows(made()) for _ in range(3)] == [True, True, False]
    with reading(ReadSet()) as reads:
        reads.is_rerun = True
        assert allows(made())  # whatever the visitor has left
    with reading(ReadSet()):
        assert not allows(made())  # a first run is the visitor's


def test_a_rerun_counts_for_itself() -> None:
    with reading(ReadSet()) as reads:
        reads.is_rerun = True
        assert [rest(made()) for _ in range(3)] == [True, True, False]
        assert cache.delete("throttle_none") is False and cache.add("throttle_x", 1)
        assert not cache.add("throttle_x", 2) and caches["other"].get("throttle_x") is None
    assert cache.get("throttle_x") is None


@pytest.mark.parametrize("ban", [1, True, "until noon", {"by": "ann"}])
@pytest.mark.parametrize("key", ["throttled:ban", "throttle_ban_ann", "rl:ban"])
def test_a_ban_beside_the_counters_holds_for_a_rerun(key: str, ban: object) -> None:
    cache.set(key, ban)
    with reading(ReadSet()) as reads:
        reads.is_rerun = True
        assert cache.get(key) == ban and cache.has_key(key)
        assert cache.get_many([key]) == {key: ban} and caches["other"].get(key) is None
        assert cache.get(key, version=2) is None
        cache.set(key, "another")
        assert cache.get(key) == "another"
        cache.delete(key)
        assert cache.get(key, "none") == "none"
        cache.clear()
    with reading(ReadSet()) as reads:
        reads.is_rerun = True
        with pytest.raises(ValueError, match="not found"):
            cache.incr(key)
        assert cache.add(key, 1) and cache.incr(key) == 2 and cache.get(key) == 2


def test_a_ban_holds_for_a_rerun_that_asks_by_the_async_operations() -> None:
    async def run() -> object:
        return await cache.aget("throttled:ban")

    cache.set("throttled:ban", 1)
    with reading(ReadSet()) as reads:
        reads.is_rerun = True
        assert async_to_sync(run)() == 1


def test_the_async_operations_count_for_the_rerun_too() -> None:
    async def run() -> None:
        await cache.aset("throttle_a", 1)
        assert await cache.aget("throttle_a") == 1

    with reading(ReadSet()) as reads:
        reads.is_rerun = True
        async_to_sync(run)()
    assert cache.get("throttle_a") is None


def test_whatever_else_a_rerun_caches_is_kept() -> None:
    with reading(ReadSet()) as reads:
        reads.is_rerun = True
        cache.set("page", "made")
        cache.set_many({"throttle_a": 1, "b": 2})  # not all are counters
    assert cache.get("page") == "made" and cache.get("b") == 2
