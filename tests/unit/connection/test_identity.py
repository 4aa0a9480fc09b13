"""The identity of a live request: the cookies that its view reads, and no others."""

import json
import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from itertools import count as count_up
from typing import Any

import pytest

from tests.unit.live_views import DATABASE, commit
from tests.unit.peer import Peer, connected
from tests.unit.subscriptions.test_subscription import goes_on, nth, quiet, service_open
from tests.unit.views import STAGES
from wsrequest.server.context import ConnectionConfig
from wsrequest.types import Limits

pytestmark = pytest.mark.asyncio

_numbers = count_up()
SECRET = "s" * 32


@pytest.fixture(autouse=True)
def _cookie_project(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.unit.rerun_views"
    settings.MIDDLEWARE = [
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
        "django.contrib.messages.middleware.MessageMiddleware",
    ]
    settings.MESSAGE_STORAGE = "django.contrib.messages.storage.cookie.CookieStorage"


@asynccontextmanager
async def tabs(*cookies: str) -> AsyncIterator[list[Peer]]:
    config = ConnectionConfig(Limits(), csrf_cookie="csrftoken")
    async with service_open() as server:
        opened = [connected(server, cookie=cookie, config=config) for cookie in cookies]
        try:
            yield [await peer.__aenter__() for peer in opened]
        finally:
            for peer in opened:
                await peer.__aexit__(None, None, None)


async def bakes(peer: Peer, query: str) -> None:
    """Have the connection hold other cookies."""
    id = f"bake {next(_numbers)}"
    peer.say(id=id, url=f"/bake/x/?{query}")
    assert (await peer.last(id)).status == 200
    await quiet(peer)


def shown(peer: Peer, id: Any = 1) -> Any:
    return json.loads(peer.of(id)[-1].body)


async def comes(peer: Peer, cookies: Any) -> None:
    """Wait until a view that tells of cookies was shown with these."""
    await peer.until(lambda: shown(peer)["cookies"] == cookies)


@pytest.mark.parametrize("name", ["messages", "django_language", "theme", "csrftoken"])
async def test_a_cookie_that_a_view_does_not_read_makes_no_run(name: str) -> None:
    async with tabs("") as (peer,):
        await goes_on(peer, url="/table/a/")
        await bakes(peer, f"{name}=1")
        assert STAGES["a"].count == 1 and len(peer.of(1)) == 1


async def test_a_flash_runs_what_shows_flashes_and_nothing_else() -> None:
    async with tabs("") as (peer,):
        await goes_on(peer, id=1, url="/table/a/")
        await goes_on(peer, id=2, url="/flashes/b/")
        peer.say(id=3, url="/flashes/c/?add=1")
        await peer.last(3)
        await nth(peer, 2, 2)
        await quiet(peer)
        assert shown(peer, 2)["messages"] == ["flash"]
        assert (STAGES["a"].count, STAGES["b"].count) == (1, 2)


async def test_a_cookie_that_a_view_reads_makes_it_run() -> None:
    async with tabs("theme=light; other=1") as (peer,):
        commit(a="theme none")
        await goes_on(peer, url="/themed/a/")
        await bakes(peer, "theme=dark")
        await comes(peer, {"theme": "dark", "none": None})
        await bakes(peer, "none=1")
        await comes(peer, {"theme": "dark", "none": "1"})
        before = STAGES["a"].count
        await bakes(peer, "other=2")
        assert STAGES["a"].count == before


@pytest.mark.parametrize("wanted", ["*", "raw"])
async def test_any_cookie_makes_a_view_run_that_reads_all(wanted: str) -> None:
    async with tabs("") as (peer,):
        commit(a=wanted)
        await goes_on(peer, url="/themed/a/")
        await quiet(peer)
        before = STAGES["a"].count
        await bakes(peer, "any=1")
        await comes(peer, {"*": {"any": "1"}} if wanted == "*" else {"raw": ["any=1"]})
        assert STAGES["a"].count == before + 1


async def test_the_csrf_cookie_counts_where_a_token_is_made() -> None:
    async with tabs(f"csrftoken={SECRET}") as (peer,):
        await goes_on(peer, id=1, url="/table/a/")
        await goes_on(peer, id=2, url="/form/b/")
        await bakes(peer, f"csrftoken={'t' * 32}")
        await nth(peer, 2, 2)
        assert (STAGES["a"].count, STAGES["b"].count) == (1, 2) and len(peer.of(1)) == 1


@pytest.mark.parametrize("wanted", ["theme", "*", "raw"])
async def test_a_cookie_that_is_read_later_parts_who_differ_in_it(wanted: str) -> None:
    async with tabs("theme=light", "theme=dark", "theme=dark") as peers:
        for peer in peers:
            await goes_on(peer, url="/themed/a/")
        manager = DATABASE[0].manager
        assert len(manager) == 1  # nothing is read that differs
        commit(a=wanted)
        for peer in peers:
            await nth(peer, 1, 2)
        await quiet(peers[0])
        themes = [str(shown(peer)["cookies"]) for peer in peers]
        assert ["light" in theme for theme in themes] == [True, False, False]
        assert ["dark" in theme for theme in themes] == [False, True, True]
        assert len(manager) == 2
        count = STAGES["a"].count
        commit(a=f"{wanted} x")
        for peer in peers:
            await nth(peer, 1, 3)
        await quiet(peers[0])
        assert STAGES["a"].count == count + 2 and len(peers[0].of(1)) == 3


async def test_a_csrf_secret_that_is_read_from_the_copy_is_shown_to_its_owner_only() -> None:
    secrets = ["s" * 32, "t" * 32]
    async with tabs(*(f"csrftoken={secret}" for secret in secrets)) as peers:
        for peer in peers:
            await goes_on(peer, url="/themed/a/")
        assert len(DATABASE[0].manager) == 1  # one run for both
        commit(a="secret")
        for peer, secret in zip(peers, secrets, strict=True):
            await comes(peer, {"secret": secret})
            assert len(peer.of(1)) == 2


async def test_a_cookie_that_changes_while_it_is_read_first_counts() -> None:
    async with tabs("theme=light") as (peer,):
        stage = STAGES["a"]
        stage.go.set()
        await goes_on(peer, url="/held_theme/a/?first=1")
        stage.go.clear()
        stage.begun.clear()
        commit(a="theme")
        await peer.becomes(stage.begun.is_set)
        peer.say(id=2, url="/bake/b/?theme=dark")
        assert (await peer.last(2)).status == 200
        stage.go.set()
        await peer.until(lambda: shown(peer)["cookies"].get("theme") == "dark")


@pytest.mark.parametrize("seed", range(6))
async def test_each_is_shown_what_a_fresh_request_would_be(seed: int) -> None:
    """Whatever the tabs hold and the view reads, in whatever order both change."""
    chance = random.Random(seed)
    names = ["a", "b", "c"]

    def some() -> str:
        return " ".join(chance.sample([*names, "*", "raw"], chance.randint(0, 2)))

    def cookie() -> str:
        return "; ".join(
            f"{name}={chance.randint(0, 1)}" for name in names if chance.random() < 0.6
        )

    async with tabs(cookie(), cookie(), cookie(), cookie()) as peers:
        for peer in peers:
            await goes_on(peer, url="/themed/t/")
        for step in range(25):
            if chance.random() < 0.5:
                commit(t=some())
            else:
                peer = chance.choice(peers)
                query = f"{chance.choice(names)}={chance.randint(0, 1)}"
                peer.say(id=f"step {step}", url=f"/bake/x/?{query}")
                assert (await peer.last(f"step {step}")).status == 200
            if chance.random() < 0.4:
                continue  # the next comes while this one is under way
            await quiet(peers[0])
            for number, peer in enumerate(peers):
                id = f"fresh {step} {number}"
                peer.say(id=id, url="/themed/t/")
                fresh = json.loads(await peer.body(id))
                await peer.until(lambda p=peer, f=fresh: shown(p) == f)  # type: ignore[misc]
