"""Live requests leave little work to the event loop, however large their responses and cookies."""

import json
from threading import get_ident
from typing import Any

import pytest

from tests.unit.fixtures import _project as _project
from tests.unit.live_views import RUNS, commit, live_service
from tests.unit.peer import connected, pool_open
from wsrequest.live import snapshot as snapshot_module
from wsrequest.protocol import server_codec
from wsrequest.request.cookies import cookie_pairs
from wsrequest.subscriptions import subscription_set

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def _views(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.unit.live_views"


async def test_a_large_answer_is_encoded_in_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """15 MB had been looked through and encoded on the event loop, at each version."""
    threads: list[int] = []
    for name in ("data_of", "encode_ending"):
        make: Any = getattr(snapshot_module, name)

        def spy(*args: Any, make: Any = make) -> Any:
            threads.append(get_ident())
            return make(*args)

        monkeypatch.setattr(snapshot_module, name, spy)
    monkeypatch.setattr(
        server_codec, "data_of", lambda *args: pytest.fail("a whole body was encoded at once")
    )
    async with pool_open() as pool, live_service(pool) as server, connected(server) as peer:
        commit(a=["x" * 100_000])
        peer.say(id=1, url="/listed/a/", subscribe=True)
        assert (await peer.first(1)).version == 1
        commit(a=["y" * 100_000])
        second = (await peer.until(lambda: peer.of(1)[1:]))[0]
        assert json.loads(second.body) == ["y" * 100_000]
    assert len(threads) == 4 and get_ident() not in threads


async def test_a_run_that_changes_nothing_encodes_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    async with pool_open() as pool, live_service(pool) as server, connected(server) as peer:
        commit(a=["x" * 100_000])
        peer.say(id=1, url="/listed/a/", subscribe=True)
        assert (await peer.first(1)).version == 1
        monkeypatch.setattr(snapshot_module, "encode_ending", lambda *args: pytest.fail("it did"))
        runs = len(RUNS)
        commit(a=["x" * 100_000])
        await peer.becomes(lambda: len(RUNS) > runs)
        peer.say(id=2, url="/table/b/", settled=True)
        assert (await peer.last(2)).settled


async def test_the_cookies_of_a_connection_are_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """64 KiB of them were taken apart and sorted for each live request, and for each run."""
    read: list[str] = []
    monkeypatch.setattr(
        subscription_set, "cookie_pairs", lambda header: read.append(header) or cookie_pairs(header)
    )
    cookie = "; ".join(f"name{n}=value" for n in range(1000))
    async with (
        pool_open() as pool,
        live_service(pool) as server,
        connected(server, cookie=cookie) as peer,
    ):
        for id in range(10):
            peer.say(id=id, url=f"/table/a/?{id}", subscribe=True)
            assert (await peer.first(id)).version
        commit(a=1)
        for id in range(10):
            await peer.until(lambda id=id: peer.of(id)[1:])  # type: ignore[misc]
        assert read == [cookie]
        for id in range(10):
            peer.say(id=id, cancel=True)
        await peer.obeyed()
        assert peer.live_requests.subscriptions._pairs == ("", {})
