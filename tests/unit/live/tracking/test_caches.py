"""Aliases of one cache have one store name, however their settings are written."""

from pathlib import Path
from typing import Any

import pytest
from django.core.cache.backends.filebased import FileBasedCache
from django.core.cache.backends.locmem import LocMemCache
from django.core.cache.backends.redis import RedisCache

from wsrequest.live.tracking.caches import store_of


@pytest.mark.parametrize(
    ("backend", "location", "another"),
    [
        (FileBasedCache, "/x", "/x/"),
        (FileBasedCache, "/x;y", "/z/../x;y"),
        (FileBasedCache, "/x", Path("/x")),
        (FileBasedCache, "x", Path.cwd() / "x"),
        (RedisCache, "redis://a", ["redis://a"]),
        (RedisCache, "redis://a;redis://b", ("redis://a", "redis://b")),
        (RedisCache, "redis://a,redis://b", ["redis://a", "redis://b"]),
    ],
)
def test_one_store_has_one_name(backend: type, location: Any, another: Any) -> None:
    names = {store_of({"LOCATION": place}, backend) for place in (location, another)}
    assert len(names) == 1


def test_other_stores_have_other_names() -> None:
    for backend in (FileBasedCache, LocMemCache, RedisCache):
        found = {store_of({"LOCATION": place}, backend) for place in ("/x", "/y", "/x/z", "/x;y")}
        assert len(found) == 4
    assert store_of({}, LocMemCache) == store_of({"LOCATION": ""}, LocMemCache)
