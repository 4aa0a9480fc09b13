"""Pages whose bytes always differ, and whose meaning does not."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import django
import pytest
from csp.constants import NONCE
from django.middleware.csrf import CSRF_ALLOWED_CHARS

from tests.unit.live_views import commit
from tests.unit.peer import Peer, connected
from tests.unit.subscriptions.test_subscription import goes_on, nth, quiet, service_open
from tests.unit.views import STAGES
from wsrequest.live.normalizing import ignored_of
from wsrequest.server.context import ConnectionConfig
from wsrequest.types import Limits

pytestmark = pytest.mark.asyncio

SECRET = CSRF_ALLOWED_CHARS[:32]
CSP_MIDDLEWARE = ["csp.middleware.CSPMiddleware"]
if django.VERSION >= (6, 0):
    CSP_MIDDLEWARE.append("django.middleware.csp.ContentSecurityPolicyMiddleware")


@pytest.fixture(autouse=True)
def _form_project(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.unit.rerun_views"
    settings.MIDDLEWARE = [
        "django.middleware.http.ConditionalGetMiddleware",
        "django.contrib.sessions.middleware.SessionMiddleware",
        "django.middleware.csrf.CsrfViewMiddleware",
    ]


@asynccontextmanager
async def visitors(count: int = 1, **kwargs: Any) -> AsyncIterator[list[Peer]]:
    given = {"cookie": f"csrftoken={SECRET}", **kwargs}
    async with service_open() as server:
        peers = [connected(server, **given) for _ in range(count)]
        try:
            yield [await peer.__aenter__() for peer in peers]
        finally:
            for peer in peers:
                await peer.__aexit__(None, None, None)


@pytest.mark.parametrize("view", ["form", "aform"])
async def test_a_page_with_a_form_is_sent_when_it_changed(view: str) -> None:
    async with visitors() as (peer,):
        first = await goes_on(peer, url=f"/{view}/a/")
        for _ in range(3):
            commit(a=0)
            await quiet(peer)
        assert len(peer.of(1)) == 1 and STAGES["a"].count == 4
        commit(a=1)
        second = await nth(peer, 1, 2)
        assert b"<p>1</p>" in second.body and second.headers["ETag"] != first.headers["ETag"]
        # What is sent is the view's own, with a token that the form can send.
        assert re.search(rb'value="[A-Za-z0-9]{64}"', second.body)


async def test_a_further_tab_runs_none_of_its_siblings_again() -> None:
    async with visitors(3) as peers:
        for number, peer in enumerate(peers, start=1):
            await goes_on(peer, url="/form/a/")
            await quiet(peer)
            assert STAGES["a"].count == number
        assert [len(peer.of(1)) for peer in peers] == [1, 1, 1]


async def test_what_is_held_is_current_in_spite_of_its_mask() -> None:
    async with visitors() as (peer,):
        first = await goes_on(peer, url="/form/a/")
        etag = first.headers["ETag"]
        assert isinstance(etag, str) and etag.startswith('W/"')
        assert len([n for n in first.headers if n.lower() == "etag"]) == 1
        again = await goes_on(peer, id=2, url="/form/a/", headers={"If-None-Match": etag})
        assert again.status == 304 and again.body is None and again.headers["ETag"] == etag


async def test_a_page_of_another_secret_is_not_current() -> None:
    async with visitors() as (peer,):
        etag = (await goes_on(peer, url="/form/a/")).headers["ETag"]
    async with visitors(cookie=f"csrftoken={SECRET[::-1]}") as (peer,):
        again = await goes_on(peer, url="/form/a/", headers={"If-None-Match": etag})
        assert again.status == 200 and again.headers["ETag"] != etag


@pytest.mark.parametrize("middleware", CSP_MIDDLEWARE)
async def test_a_nonce_is_no_change(settings: Any, middleware: str) -> None:
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, middleware]
    settings.CONTENT_SECURITY_POLICY = {"DIRECTIVES": {"script-src": [NONCE]}}
    settings.SECURE_CSP = {"script-src": ["<CSP_NONCE_SENTINEL>"]}  # django.utils.csp.CSP.NONCE
    async with visitors() as (peer,):
        first = await goes_on(peer, url="/nonced/a/")
        assert "nonce-" in first.headers["Content-Security-Policy"]
        commit(a=0)
        await quiet(peer)
        assert len(peer.of(1)) == 1 and STAGES["a"].count == 2
        commit(a=1)
        await nth(peer, 1, 2)


async def test_what_a_setting_names_is_no_change() -> None:
    config = ConnectionConfig(Limits(), live_ignored=ignored_of((r'at="\d+"',), ""))
    async with visitors(config=config) as (peer,):
        await goes_on(peer, url="/clock/a/")
        commit(a=0)
        await quiet(peer)
        assert len(peer.of(1)) == 1 and STAGES["a"].count == 2
        commit(a=1)
        assert b'at="3"' in (await nth(peer, 1, 2)).body
