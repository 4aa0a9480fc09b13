"""Keys that a database takes for equal trigger together."""

from collections.abc import Iterator

import pytest
from django.db import connections

from wsrequest.live.tracking.keys import hashed, name_in


@pytest.fixture(autouse=True)
def mysql() -> Iterator[None]:
    connections.settings["caseless"] = {"ENGINE": "django.db.backends.mysql"}
    yield
    del connections.settings["caseless"]


@pytest.mark.parametrize("key", ["Key", "KEY", "key ", "kEy  "])
def test_mysql_folds_keys(key: str) -> None:
    assert name_in("caseless", key) == hashed("key")


@pytest.mark.parametrize("key", ["kéy", "key\0", "key\t", "\u212aey"])
def test_key_that_a_collation_may_take_for_another_is_any(key: str) -> None:
    assert name_in("caseless", key) is None


@pytest.mark.parametrize("alias", [None, "default"])
@pytest.mark.parametrize("key", ["Key", "key ", "kéy"])
def test_other_places_compare_keys_as_they_are(alias: str | None, key: str) -> None:
    assert name_in(alias, key) == hashed(key)
