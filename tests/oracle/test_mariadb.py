"""What only MariaDB does, from the socket to the database: keys that are equal in any case."""

import pytest
from django.contrib.sessions.backends.db import SessionStore
from django.core.cache import caches

from tests.oracle.audience import Audience, watching
from tests.oracle.world import cookie_of

pytestmark = [
    pytest.mark.once,
    pytest.mark.parametrize("vendor", ["mariadb"], indirect=True),
]


@pytest.mark.filterwarnings("ignore:Cache key contains characters")  # a space, for memcached
@pytest.mark.parametrize("key", ["N1", "n1", "n1 ", "ń1"])
def test_cache_key_that_the_database_takes_for_another(viewers: Audience, key: str) -> None:
    table = caches["table"]
    table.set("n1", 1)
    live = viewers.watch("/cached/numbers/?n=1")
    with viewers.sees(live):
        table.delete(key)
    with viewers.sees(live):
        table.set("n1", 2)


@pytest.mark.parametrize("is_upper", [False, True])
def test_session_key_that_the_database_takes_for_another(viewers: Audience, is_upper: bool) -> None:
    name, _, key = cookie_of("u0").partition("=")
    store = SessionStore(key)
    with watching(f"{name}={key.upper() if is_upper else key}") as viewer:
        live = viewer.watch("/cached/basket/")
        with viewer.sees(live):
            store["basket"] = 7
            store.save()
