"""Patches of pages: who gets one, what it applies to, and that tokens cost nothing."""

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from tests.patches import apply_text_patch
from tests.unit.fixtures import _project as _project
from tests.unit.live_views import TABLES, commit
from tests.unit.peer import Peer, base, connected
from tests.unit.subscriptions.test_subscription import quiet, service_open
from tests.unit.views import STAGES
from wsrequest.connection.sse_codec import request_of
from wsrequest.errors import Refused
from wsrequest.live.normalizing import Normalizer, ignored_of
from wsrequest.live.snapshot import Snapshot
from wsrequest.protocol.messages import Request, Response
from wsrequest.server.context import ConnectionConfig
from wsrequest.types import Headers, Limits

pytestmark = pytest.mark.asyncio

SECRET = "s" * 32
BOTH = ["json", "text"]
ROWS = [f"note {number}" for number in range(200)]


@pytest.fixture(autouse=True)
def _views(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.unit.live_views"
    settings.MIDDLEWARE = [*settings.MIDDLEWARE, "django.middleware.csrf.CsrfViewMiddleware"]


class Page:
    """A connection that subscribes to a page, and what its client holds."""

    def __init__(self, peer: Peer) -> None:
        self.peer, self.held, self.count = peer, b"", 0

    async def subscribe(self, url: str, held: bytes = b"", **message: Any) -> Response:
        self.peer.say(id=1, subscribe=True, url=url, **{"patch": BOTH, **message})
        first = await self.peer.first(1)
        assert isinstance(first, Response) and first.version is not None and first.patch is None
        self.held, self.count = first.body or held, 1
        return first

    async def becomes(self, **tables: Any) -> Response:
        """Commit, and apply the next version."""
        commit(**tables)
        message = await self.next()
        assert shown(self.held) == shown(await self.fresh())
        return message

    async def next(self) -> Response:
        self.count += 1
        await self.peer.until(lambda: len(self.peer.of(1)) >= self.count)
        message = self.peer.of(1)[self.count - 1]
        assert isinstance(message, Response)
        body = message.body or b""
        self.held = apply_text_patch(self.held, json.loads(body)) if message.patch else body
        return message

    async def is_second(self, url: str) -> None:
        """Subscribe to what another live request has already."""
        self.peer.say(id="other", subscribe=True, url=url)
        await self.peer.first("other")
        await self.subscribe(url)
        await quiet(self.peer)

    async def runs_again(self) -> None:
        """Run the view once more, which changes nothing."""
        await quiet(self.peer)
        count = STAGES["a"].count
        commit(a=TABLES["a"])
        await quiet(self.peer)
        assert STAGES["a"].count == count + 1 and len(self.peer.of(1)) == self.count

    async def fresh(self) -> bytes:
        """The page, as it is now."""
        self.peer.say(id=f"fresh {self.count}", url=self.url)
        answer = await self.peer.first(f"fresh {self.count}")
        return bytes(answer.body)

    @property
    def url(self) -> str:
        return next(iter(self.peer.live_requests.subscriptions._subscriptions.values())).message.url


def shown(body: bytes) -> bytes:
    """What a page means: each of its tokens must be one of the secret."""
    assert body.count(b'value="') == len(Normalizer(SECRET).form(body, is_text=True)[1] or ())
    return Normalizer(SECRET).body(body, is_text=True)


@asynccontextmanager
async def opened(**config: Any) -> AsyncIterator[Page]:
    terms = ConnectionConfig(Limits(), **config)
    async with service_open() as server:
        async with connected(server, cookie=f"csrftoken={SECRET}", config=terms) as peer:
            commit(a=ROWS)
            yield Page(peer)


@pytest.mark.parametrize("kinds", [BOTH, ["text"], "text", ["text", "of a later server"]])
async def test_a_changed_row_is_sent_and_the_rest_is_not(kinds: Any) -> None:
    async with opened() as page:
        await page.subscribe("/page/a/", patch=kinds)
        for number in range(3):
            message = await page.becomes(a=[*ROWS[:90], f"new {number}", *ROWS[91:]])
            assert message.patch == "text" and len(message.body or b"") < 100
            assert message.headers["ETag"] and message.headers["Content-Type"]


@pytest.mark.parametrize("kinds", [None, "json", "merge", ["json"], [], ["later"]])
async def test_a_client_that_did_not_ask_for_text_patches_gets_the_whole(kinds: Any) -> None:
    async with opened() as page:
        await page.subscribe("/page/a/", patch=kinds)
        assert (await page.becomes(a=[*ROWS, "new"])).patch is None


async def test_json_is_patched_as_json_where_both_are_taken() -> None:
    async with opened() as page:
        page.peer.say(id=1, subscribe=True, url="/listed/a/", patch=BOTH)
        await page.peer.first(1)
        commit(a=[*ROWS, "new"])
        await page.peer.until(lambda: len(page.peer.of(1)) >= 2)
        assert page.peer.of(1)[1].patch == "json"


# Tokens.


async def test_each_form_has_another_token_each_time_and_none_is_sent() -> None:
    async with opened() as page:
        await page.subscribe("/page/a/?forms=1")
        for number in range(3):
            message = await page.becomes(a=[*ROWS[:90], f"new {number}", *ROWS[91:]])
            assert message.patch == "text" and len(message.body or b"") < 100


async def test_a_new_form_has_a_token_that_counts() -> None:
    async with opened() as page:
        await page.subscribe("/page/a/?forms=1")
        message = await page.becomes(a=[*ROWS[:90], "new", *ROWS[90:]])
        assert message.patch == "text" and len(message.body or b"") < 300


async def test_after_a_run_that_changed_nothing_the_patch_fits() -> None:
    async with opened() as page:
        await page.subscribe("/page/a/?forms=1")
        await page.runs_again()
        message = await page.becomes(a=[*ROWS[:90], "new", *ROWS[91:]])
        assert message.patch == "text" and len(message.body or b"") < 100


async def test_who_shares_the_runs_of_another_gets_the_same_patches() -> None:
    """Its client has the tokens of its own first run. The server compares with another run."""
    async with opened() as page:
        await page.is_second("/page/a/?forms=1")
        message = await page.becomes(a=[*ROWS[:90], "new", *ROWS[91:]])
        assert message.patch == "text" and len(message.body or b"") < 100


# What a tag names.


async def held_page(page: Page, **message: Any) -> Response:
    """Subscribe to a page that another connection was sent."""
    url = "/page/a/?forms=1"
    page.peer.say(id="whole", url=url, subscribe=True)
    whole = await page.peer.first("whole")
    headers = {"If-None-Match": whole.headers["ETag"]}
    first = await page.subscribe(url, whole.body, headers=headers, **message)
    assert first.status == 304
    return first


async def test_a_patch_applies_to_what_our_tag_names() -> None:
    async with opened() as page:
        await held_page(page)
        message = await page.becomes(a=[*ROWS[:90], "new", *ROWS[91:]])
        assert message.patch == "text" and len(message.body or b"") < 100


async def test_who_has_only_the_tag_gets_the_whole_once() -> None:
    async with opened() as page:
        await held_page(page, tag_only=True)
        assert (await page.becomes(a=[*ROWS[:90], "new", *ROWS[91:]])).patch is None
        assert (await page.becomes(a=[*ROWS[:90], "newer", *ROWS[91:]])).patch == "text"


async def test_a_patch_does_not_rest_on_a_weak_tag_of_the_application() -> None:
    async with opened() as page:
        commit(a_tag='W/"mine"')
        headers = {"If-None-Match": 'W/"mine"'}
        first = await page.subscribe("/page/a/", b"anything", headers=headers)
        assert first.status == 304
        commit(a_tag='W/"other"', a=[*ROWS, "new"])
        assert (await page.next()).patch is None


async def test_what_the_project_ignores_makes_no_patch_wrong() -> None:
    """Bodies that are equal by its expressions may differ in length."""
    async with opened(live_ignored=ignored_of((r"<i>\d+</i>",), "")) as page:
        await page.is_second("/page/a/?count=1")
        commit(a=[*ROWS, "new"])
        assert (await page.next()).patch is None
        commit(a=[*ROWS, "newer"])
        assert (await page.next()).patch == "text"
        assert b"newer" in page.held and page.held.count(b"<i>") == 1


# Over events.


def asked(query: bytes) -> Request:
    return request_of(query, base(), ())


@pytest.mark.parametrize(
    ("query", "patch", "tag_only"),
    [
        (b"patch=json", "json", False),
        (b"patch=json&patch=text", BOTH, False),
        (b"patch=text&patch=later&tag_only=true", ["text"], True),
        (b"patch=json&tag_only=false", "json", False),
        (b"tag_only=true", None, False),
    ],
)
async def test_events_take_the_same(query: bytes, patch: Any, tag_only: bool) -> None:
    request = asked(b"url=/page/a/&" + query)
    assert (request.patch, request.tag_only) == (patch, tag_only)


async def test_events_refuse_the_same() -> None:
    with pytest.raises(Refused, match="patch must be"):
        asked(b"url=/page/a/" + b"&patch=json" * 9)


# Hello.


async def test_hello_names_the_kinds_where_requests_can_be_live() -> None:
    for count, kinds in ((1, ("json", "text")), (0, ())):
        config = ConnectionConfig(Limits(subscriptions=count))
        assert config.hello("wsrequest.v1").patches == kinds


# One patch for all.


async def test_a_patch_is_made_once_for_all_who_hold_the_same() -> None:
    html: Headers = {"Content-Type": "text/html"}
    one, other = (Snapshot(200, html, b"<p>text</p>" * 50) for _ in range(2))
    new = Snapshot(200, html, b"<p>text</p>" * 50 + b"new")
    tail = new.patch_tail(one)
    assert tail is not None and new.patch_tail(other) is tail
