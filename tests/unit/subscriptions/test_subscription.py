"""The live requests of a connection: what they get, when, with which identity, and how they end.

Long by its cases: one live request from its first version to its end, in headed sections.
"""

import asyncio
import json
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from django.contrib.sessions.backends.cache import SessionStore

from tests.patches import apply_json_patch
from tests.unit import live_views
from tests.unit.fixtures import _project as _project
from tests.unit.live_views import DATABASE, commit, live_service
from tests.unit.peer import ORIGIN, Peer, connected, happens, opened, pool_open
from tests.unit.views import STAGES
from wsrequest.protocol.headers import PER_REQUEST, HeaderNames
from wsrequest.protocol.messages import Hello, Ping, Refusal, Response
from wsrequest.request import cookies
from wsrequest.server.context import ConnectionConfig, ServerContext
from wsrequest.subscriptions.shared import SharedKey
from wsrequest.types import Limits

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def _views(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.unit.live_views"


@asynccontextmanager
async def service_open(threads: int = 4, **kwargs: Any) -> AsyncIterator[ServerContext]:
    async with pool_open(threads) as pool, live_service(pool, **kwargs) as server:
        yield server


@asynccontextmanager
async def live(**kwargs: Any) -> AsyncIterator[Peer]:
    """A connection that can subscribe; nothing of it is left in the registry."""
    async with service_open() as server, connected(server, **kwargs) as peer:
        yield peer


async def nth(peer: Peer, id: Any, count: int) -> Any:
    """Wait for so many messages with an id; return the last one."""
    await peer.until(lambda: len(peer.of(id)) >= count)
    return peer.of(id)[count - 1]


async def goes_on(peer: Peer, id: Any = 1, **message: Any) -> Response:
    """Subscribe, and wait for the first version."""
    peer.say(id=id, subscribe=True, **message)
    first = await peer.first(id)
    assert isinstance(first, Response) and first.version is not None, first
    return first


async def ends(peer: Peer, id: Any = 1, **message: Any) -> Any:
    """Subscribe to what cannot be: one answer without version, and the id is free."""
    peer.say(id=id, subscribe=True, **message)
    found = await peer.first(id)
    assert isinstance(found, Refusal) or found.version is None
    assert not peer.connection.dispatcher._session and DATABASE[0].is_empty()
    return found


def value_of(message: Any) -> Any:
    return json.loads(message.body)["value"]


def is_quiet(peer: Peer) -> bool:
    manager = DATABASE[0].manager
    return all(group.is_current for group in manager._queries.values())


async def quiet(peer: Peer) -> None:
    """Wait until the manager has received all commits, and what they concern has run."""
    received = asyncio.Event()
    DATABASE[0].when_received(lambda _: received.set())
    await received.wait()
    await peer.becomes(lambda: is_quiet(peer))


def session() -> str:
    """Begin a session; return its key."""
    store = SessionStore()
    store["name"] = "ann"
    store.save()
    return str(store.session_key)


# Versions.


@pytest.mark.parametrize("view", ["table", "atable"])
async def test_a_change_is_sent_with_the_same_id_and_a_greater_version(view: str) -> None:
    async with live() as peer:
        first = await goes_on(peer, url=f"/{view}/a/")
        commit(a=7)
        second = await nth(peer, 1, 2)
        assert (value_of(first), value_of(second)) == (0, 7)
        assert second.version > first.version and second.status == first.status == 200
        assert second.headers["ETag"] != first.headers["ETag"]
        assert second.headers["Content-Type"] == "application/json"


async def test_what_has_not_changed_is_not_sent() -> None:
    async with live() as peer:
        await goes_on(peer, url="/table/a/")
        commit(a=0)
        await quiet(peer)
        commit(b=1)
        await quiet(peer)
        assert len(peer.of(1)) == 1 and STAGES["a"].count == 2


async def test_the_query_of_data_is_part_of_what_runs_again() -> None:
    async with live() as peer:
        await goes_on(peer, url="/held/a/", data={"first": "1"})
        STAGES["a"].go.set()
        commit(a=1)
        assert value_of(await nth(peer, 1, 2)) == 1


@pytest.mark.parametrize("view", ["body", "abody"])
async def test_reads_count_until_the_last_byte_of_a_body(view: str) -> None:
    async with live() as peer:
        assert (await goes_on(peer, url=f"/{view}/a/")).body == b"value 0"
        for number in (1, 2):
            commit(a=number)
            assert (await nth(peer, 1, 1 + number)).body == f"value {number}".encode()


async def test_a_run_knows_that_it_is_one() -> None:
    async with live() as peer:
        STAGES["a"].go.set()
        await goes_on(peer, url="/held/a/?first=1")
        STAGES["a"].go.clear()
        STAGES["a"].begun.clear()
        commit(a=1)
        await happens(STAGES["a"].begun)  # and is held: is_rerun was true
        STAGES["a"].go.set()
        await nth(peer, 1, 2)


async def test_a_view_that_writes_what_it_reads_does_not_run_itself() -> None:
    async with live() as peer:
        await goes_on(peer, url="/count/a/")
        await quiet(peer)
        assert len(peer.of(1)) == STAGES["a"].count == 1
        commit(a=10)
        assert json.loads((await nth(peer, 1, 2)).body) == {"count": 11}
        await quiet(peer)
        assert len(peer.of(1)) == STAGES["a"].count == 2


async def test_equal_requests_of_equal_visitors_share_a_run() -> None:
    async with service_open() as server:
        async with connected(server) as one, connected(server) as two:
            await goes_on(one, url="/table/a/")
            await goes_on(two, url="/table/a/")
            await goes_on(two, id=2, url="/table/a/", headers={"X-Other": "1"})
            commit(a=1)
            for message in (await nth(one, 1, 2), await nth(two, 1, 2), await nth(two, 2, 2)):
                assert value_of(message) == 1
            assert STAGES["a"].count == 3 + 2


# Patches.


async def test_a_patch_makes_the_new_value_of_the_one_sent_before() -> None:
    items = [{"id": number, "title": f"number {number}"} for number in range(20)]
    states = [{"items": items}, {"items": items, "x": 1}, {"items": items, "x": 2}]
    async with live() as peer:
        commit(a=states[0])
        first = await goes_on(peer, url="/listed/a/", patch="json")
        assert first.patch is None
        held = json.loads(first.body or b"")
        for count, state in enumerate(states[1:], start=2):
            commit(a=state)
            message = await nth(peer, 1, count)
            assert message.patch == "json" and message.headers["ETag"]
            held = apply_json_patch(held, json.loads(message.body))
            assert held == state


@pytest.mark.parametrize("patch", [{}, {"patch": "merge"}], ids=["none", "merge"])
async def test_a_client_that_did_not_ask_for_json_patches_gets_the_whole_body(
    patch: dict[str, str],
) -> None:
    async with live() as peer:
        commit(a=list(range(100)))
        await goes_on(peer, url="/listed/a/", **patch)
        commit(a=list(range(101)))
        message = await nth(peer, 1, 2)
        assert message.patch is None and json.loads(message.body) == list(range(101))


async def test_the_whole_is_sent_where_it_is_smaller() -> None:
    async with live() as peer:
        commit(a=list(range(100)))
        await goes_on(peer, url="/listed/a/", patch="json")
        commit(a=[1])
        message = await nth(peer, 1, 2)
        assert message.patch is None and json.loads(message.body) == [1]


# Resuming.


async def test_who_holds_the_answer_is_told_so_and_goes_on() -> None:
    async with live() as peer:
        commit(a=list(range(100)))
        first = await goes_on(peer, url="/listed/a/")
        tag = str(first.headers["ETag"])
        again = await goes_on(
            peer, id=2, url="/listed/a/", headers={"If-None-Match": f'"x", {tag}'}, patch="json"
        )
        assert again.status == 304 and again.body is None and again.headers["ETag"] == tag
        assert "Content-Length" not in again.headers
        subscriptions = peer.live_requests.subscriptions
        # Nobody counts them, and only the first version asks.
        assert [s._tags for s in subscriptions._subscriptions.values()] == ["", ""]
        commit(a=list(range(101)))
        message = await nth(peer, 2, 2)
        assert message.patch == "json"  # of what the client holds by its tag
        assert json.loads(message.body) == [{"op": "add", "path": "/100", "value": 100}]


@pytest.mark.documents("docs/live.md", "`If-None-Match` with an unknown tag")
@pytest.mark.parametrize("tag", ['"other"', "nonsense", "*", ",,", '"'])
async def test_a_tag_that_names_nothing_is_answered_with_the_whole(tag: str) -> None:
    async with live() as peer:
        first = await goes_on(peer, url="/table/a/", headers={"If-None-Match": tag})
        assert first.status == 200 and value_of(first) == 0


async def test_conditions_are_kept_from_the_view() -> None:
    """A view that answers 304 by itself would leave nothing to compare with."""
    headers = {"If-None-Match": '"x"', "Range": "bytes=0-1", "If-Modified-Since": "now"}
    async with live() as peer:
        first = await goes_on(peer, url="/table/a/", headers=headers)
        second = await goes_on(peer, id=2, url="/table/a/")
        assert first.body == second.body
        assert len(DATABASE[0].manager) == 1


async def test_the_tag_of_the_application_counts() -> None:
    async with live() as peer:
        commit(a_tag='"mine"')
        first = await goes_on(peer, url="/tagged/a/", headers={"If-None-Match": 'W/"mine"'})
        assert first.status == 304 and first.headers["ETag"] == '"mine"'


async def test_a_patch_does_not_rest_on_a_weak_tag() -> None:
    """What the client holds by it may be other bytes."""
    async with live() as peer:
        first = await goes_on(
            peer, url="/tagged/a/", headers={"If-None-Match": 'W/"a"'}, patch="json"
        )
        assert first.status == 304
        for number in (1, 2):
            commit(a=number)
            message = await nth(peer, 1, 1 + number)
            assert message.patch == (None if number == 1 else "json")


# What is refused at first.


@pytest.mark.parametrize("status", [302, 401, 403, 404, 429, 500, 503])
async def test_another_answer_than_success_ends_it_at_once(status: int) -> None:
    async with live() as peer:
        commit(a=status)
        found = await ends(peer, url="/status/a/")
        assert found.status == status and found.body == b"told"
        assert found.headers["Location"] == "/elsewhere/"


async def test_a_view_that_raises_ends_it_at_once() -> None:
    async with live() as peer:
        assert (await ends(peer, url="/fail/a/")).status == 500
        assert (await ends(peer, id=2, url="/missing/")).status == 404


async def test_a_view_that_read_nothing_is_not_live(caplog: pytest.LogCaptureFixture) -> None:
    """So is a page without queries, and that is nothing to report."""
    caplog.set_level(logging.DEBUG, "wsrequest")
    async with live() as peer:
        found = await ends(peer, url="/quick/a/")
        assert found.code == "not_live" and "depends_on" in found.detail
    said = [record.levelno for record in caplog.records if "not_live" in record.getMessage()]
    assert said == [logging.DEBUG]


@pytest.mark.parametrize("view", ["events", "ticking"])
async def test_a_stream_of_events_is_not_live(view: str) -> None:
    async with live() as peer:
        assert (await ends(peer, url=f"/{view}/a/")).code == "not_live"


async def test_more_than_may_be_held_is_refused() -> None:
    async with live(answer_bytes=500) as peer:
        commit(a="x" * 300)
        await goes_on(peer, url="/listed/a/")
        peer.say(id=2, url="/listed/a/", subscribe=True)
        assert await peer.code(2) == "answer_too_large"
        peer.say(id=1, cancel=True)
        await goes_on(peer, id=3, url="/listed/a/")


@pytest.mark.documents("docs/live.md", "live responses that together")
async def test_what_grows_past_what_may_be_held_is_ended() -> None:
    async with live(answer_bytes=500) as peer:
        commit(a="x" * 200, b="x" * 200)
        await goes_on(peer, id=1, url="/listed/a/")
        await goes_on(peer, id=2, url="/listed/b/")
        for count, letter in enumerate("yz", start=2):  # as large as before
            commit(a=letter * 200)
            await nth(peer, 1, count)
        commit(a="x" * 300)
        last = await nth(peer, 1, 4)
        assert isinstance(last, Refusal) and last.code == "answer_too_large"
        commit(b="y" * 450)  # there is room for, now
        assert (await nth(peer, 2, 2)).version
        assert len(DATABASE[0].manager) == 1


async def test_what_a_slow_reader_did_not_see_grow_is_ended() -> None:
    async with live(answer_bytes=1500, outbound_bytes=500) as peer:
        commit(b="x" * 1000)
        await goes_on(peer, id=1, url="/table/a/")
        await goes_on(peer, id=2, url="/table/c/")
        peer.reads.clear()
        peer.say(id=3, url="/listed/b/")
        await peer.becomes(lambda: not peer.connection.dispatcher._send_queue.has_room())
        commit(a="x" * 2000, c=1)
        await quiet(peer)
        peer.reads.set()
        assert (await nth(peer, 1, 2)).code == "answer_too_large"
        assert value_of(await nth(peer, 2, 2)) == 1


@pytest.mark.documents("docs/live.md", "one more than `WSREQUEST_MAX_SUBSCRIPTIONS`")
async def test_one_more_than_may_be_live_is_refused() -> None:
    async with live(subscriptions=2) as peer:
        await goes_on(peer, id=1, url="/table/a/")
        await goes_on(peer, id=2, url="/table/a/")
        peer.say(id=3, url="/table/a/", subscribe=True)
        assert await peer.code(3) == "too_many_subscriptions"
        peer.say(id=1, cancel=True)
        await goes_on(peer, id=4, url="/table/a/")


async def test_subscriptions_that_have_not_begun_count() -> None:
    async with live(subscriptions=1) as peer:
        peer.say(id=1, url="/held/a/", subscribe=True)
        await happens(STAGES["a"].begun)
        peer.say(id=2, url="/table/a/", subscribe=True)
        assert await peer.code(2) == "too_many_subscriptions"
        peer.say(id=1, cancel=True)
        peer.say(id=2, url="/table/b/", subscribe=True)
        assert (await nth(peer, 2, 2)).version
        STAGES["a"].go.set()


async def test_live_requests_take_no_place_of_others() -> None:
    async with live(in_flight=1, waiting=0) as peer:
        await goes_on(peer, id=1, url="/table/a/")
        await goes_on(peer, id=2, url="/table/b/")
        peer.say(id=3, url="/quick/c/")
        assert (await peer.last(3)).status == 200
        commit(a=1, b=1)
        await nth(peer, 1, 2)
        await nth(peer, 2, 2)


@pytest.mark.documents("docs/live.md", "a server without live requests")
async def test_a_server_without_live_requests_says_so() -> None:
    async with opened() as peer:
        peer.say(id=1, url="/table/a/", subscribe=True)
        assert await peer.code(1) == "not_supported"


async def test_the_id_of_a_live_request_is_in_use() -> None:
    async with live() as peer:
        await goes_on(peer, url="/table/a/")
        peer.say(id=1, url="/quick/b/")
        refusal = await peer.until(lambda: [m for m in peer.of(None) if isinstance(m, Refusal)])
        assert refusal[0].code == "id_in_use" and refusal[0].about == 1
        commit(a=1)
        assert value_of(await nth(peer, 1, 2)) == 1


# Ends.


async def test_a_cancelled_request_is_sent_nothing_more() -> None:
    async with live() as peer:
        await goes_on(peer, url="/table/a/")
        for _ in range(2):
            peer.say(id=1, cancel=True)
        await peer.obeyed()
        assert DATABASE[0].is_empty()
        commit(a=1)
        await quiet(peer)
        assert len(peer.of(1)) == 1 and STAGES["a"].count == 1


async def test_the_id_of_a_cancelled_request_is_free() -> None:
    async with live() as peer:
        await goes_on(peer, url="/table/a/")
        peer.say(id=1, cancel=True)
        peer.say(id=1, url="/table/b/", subscribe=True)
        await nth(peer, 1, 2)
        commit(a=1, b=5)
        assert value_of(await nth(peer, 1, 3)) == 5
        await quiet(peer)
        assert len(peer.of(1)) == 3


@pytest.mark.parametrize("status", [302, 401, 403, 404, 410])
async def test_an_answer_that_does_not_pass_ends_it_later(status: int) -> None:
    async with live() as peer:
        await goes_on(peer, url="/status/a/")
        commit(a=status)
        last = await nth(peer, 1, 2)
        assert (last.status, last.version, last.body) == (status, None, b"told")
        assert last.headers["Location"] == "/elsewhere/"
        assert DATABASE[0].is_empty() and not peer.connection.dispatcher._session
        await goes_on(peer, id=2, url="/table/a/")


async def test_a_failure_that_passes_does_not_end_it() -> None:
    async with live() as peer:
        await goes_on(peer, url="/status/a/")
        commit(a=503)
        failure = await nth(peer, 1, 2)
        assert failure.status == 503 and failure.version and "ETag" not in failure.headers
        commit(a=200)
        manager = DATABASE[0].manager
        manager._scheduler.hurry(next(iter(manager._queries.values())))
        back = await nth(peer, 1, 3)
        assert back.status == 200 and back.version > failure.version


async def test_a_page_that_becomes_a_stream_of_events_is_not_live_any_more() -> None:
    async with live() as peer:
        await goes_on(peer, url="/turning/a/")
        commit(a=1)
        last = await nth(peer, 1, 2)
        assert isinstance(last, Refusal) and last.code == "not_live"
        assert DATABASE[0].is_empty() and not peer.connection.dispatcher._session


@pytest.mark.parametrize("view", ["body", "abody"])
async def test_a_stream_that_becomes_too_large_ends_it(view: str) -> None:
    async with live(answer_bytes=500) as peer:
        await goes_on(peer, url=f"/{view}/a/")
        commit(a="x" * 500)
        last = await nth(peer, 1, 2)
        assert isinstance(last, Refusal) and last.code == "answer_too_large"
        assert DATABASE[0].is_empty() and not peer.connection.dispatcher._session


async def test_an_answer_that_fails_in_its_middle_is_tried_again() -> None:
    async with live() as peer:
        await goes_on(peer, url="/breaking/a/")
        commit(a=1)
        failure = await nth(peer, 1, 2)
        assert failure.status == 500 and failure.version


async def test_a_refused_frame_with_its_id_ends_it() -> None:
    async with live() as peer:
        await goes_on(peer, url="/table/a/")
        peer.say_raw('{"id":1,"url":5}')
        assert (await nth(peer, 1, 2)).code == "bad_message"
        assert DATABASE[0].is_empty()
        await goes_on(peer, id=2, url="/table/a/")


async def test_a_first_run_that_is_cancelled_leaves_nothing() -> None:
    async with live() as peer:
        peer.say(id=1, url="/held/a/", subscribe=True)
        await happens(STAGES["a"].begun)
        peer.say(id=1, cancel=True)
        await peer.obeyed()
        assert DATABASE[0].is_empty()
        STAGES["a"].go.set()
        await happens(STAGES["a"].ended)
        peer.say(id=2, url="/quick/b/")
        await peer.last(2)
        assert not peer.of(1) and DATABASE[0].is_empty()


async def test_a_first_run_that_waits_for_its_turn_leaves_nothing() -> None:
    async with live(in_flight=1) as peer:
        peer.say(id=1, url="/hold/a/")
        peer.say(id=2, url="/table/b/", subscribe=True)
        peer.say(id=2, cancel=True)
        await peer.obeyed()
        STAGES["a"].go.set()
        await peer.last(1)
        await peer.obeyed()
        assert not peer.of(2) and not STAGES["b"].count


async def test_a_first_run_that_is_late_is_refused_and_leaves_nothing() -> None:
    async with live(request_seconds=0.2) as peer:
        peer.say(id=1, url="/held/a/", subscribe=True)
        assert await peer.code(1) == "deadline_exceeded"
        assert DATABASE[0].is_empty()
        STAGES["a"].go.set()


async def test_a_connection_that_is_lost_leaves_nothing() -> None:
    async with service_open() as server:
        async with connected(server) as peer:
            await goes_on(peer, url="/held/a/?first=1")
            peer.say(id=2, url="/held/b/", subscribe=True)
            await happens(STAGES["b"].begun)
            STAGES["a"].begun.clear()
            commit(a=1)
            await happens(STAGES["a"].begun)
        manager = DATABASE[0].manager
        assert not len(manager)
        for name in "ab":
            STAGES[name].go.set()
        await peer.becomes(DATABASE[0].is_empty)
        await peer.becomes(lambda: not manager._scheduler._running)
    assert server.pool._blocked == 0


async def test_an_async_run_is_cancelled_when_nobody_is_left() -> None:
    async with service_open() as server:
        async with connected(server) as peer:
            await goes_on(peer, url="/aheld/a/")
            STAGES["a"].begun.clear()
            commit(a=1)
            await happens(STAGES["a"].begun)
        await happens(STAGES["a"].cancelled)
        await peer.becomes(lambda: not DATABASE[0].manager._scheduler._running)


async def test_a_run_that_hangs_is_logged_with_its_path(caplog: pytest.LogCaptureFixture) -> None:
    async with service_open(run_seconds=0.2) as server, connected(server) as peer:
        await goes_on(peer, url="/held/a/?first=1")
        commit(a=1)
        assert (await nth(peer, 1, 2)).status == 504
        told = [r.getMessage() for r in caplog.records if r.name == "wsrequest.live"]
        assert told == ["a live view did not answer in time: /held/a/"]
        STAGES["a"].go.set()


async def test_a_run_that_hangs_is_told_and_does_not_take_the_thread_of_another() -> None:
    async with service_open(threads=1, run_seconds=0.2) as server:
        async with connected(server) as peer:
            await goes_on(peer, url="/held/a/?first=1")
            commit(a=1)
            assert (await nth(peer, 1, 2)).status == 504
            peer.say(id=2, url="/quick/b/")
            assert (await peer.last(2)).status == 200
            assert server.pool._blocked == 1
            STAGES["a"].go.set()
            await peer.becomes(lambda: server.pool._blocked == 0)


# As whom.


async def test_a_cookie_that_an_answer_sets_makes_it_run_as_whom_it_names() -> None:
    async with live() as peer:
        first = await goes_on(peer, url="/table/a/")
        assert json.loads(first.body or b"")["who"] is None
        peer.say(id=2, method="POST", url="/become/ann/")
        second = await nth(peer, 1, 2)
        assert json.loads(second.body)["who"] == "ann" and second.version > first.version


async def test_who_becomes_another_is_shown_what_that_one_is_shown() -> None:
    async with service_open() as server:
        async with connected(server, cookie="who=ann") as ann, connected(server) as peer:
            await goes_on(ann, url="/table/a/")
            await goes_on(peer, url="/table/a/")
            peer.say(id=2, method="POST", url="/become/ann/")
            assert json.loads((await nth(peer, 1, 2)).body)["who"] == "ann"
            await quiet(peer)
            assert STAGES["a"].count == 2 and len(DATABASE[0].manager) == 1


async def test_an_answer_that_sets_a_cookie_itself_runs_again_as_whom_it_names() -> None:
    async with live() as peer:
        first = await goes_on(peer, url="/become/ann/")
        second = await nth(peer, 1, 2)
        told = [json.loads(message.body or b"")["was"] for message in (first, second)]
        assert told == [None, "ann"]
        await quiet(peer)
        assert len(peer.of(1)) == 2


async def test_an_answer_that_was_made_for_another_is_not_taken_for_this_ones() -> None:
    """Its first run began before the cookie was set, and ended behind it."""
    async with service_open() as server:
        async with connected(server) as peer, connected(server, cookie="who=ann") as ann:
            peer.say(id=1, url="/held/a/", subscribe=True)
            await happens(STAGES["a"].begun)
            peer.say(id=2, method="POST", url="/become/ann/")
            await peer.last(2)
            STAGES["a"].go.set()
            await nth(peer, 1, 1)
            await peer.becomes(lambda: STAGES["a"].count == 2)
            await quiet(peer)
            (group,) = DATABASE[0].manager._queries.values()
            assert isinstance(group.key, tuple) and (("who", "ann"),) in group.key
            await goes_on(ann, url="/held/a/")
            assert len(DATABASE[0].manager) == 1


async def test_a_cookie_that_has_ended_is_sent_no_more() -> None:
    """At its end, not at the next commit: a fresh GET would be answered otherwise from then on."""
    async with live() as peer:
        peer.connection.identity.cookies.update(["who=ann; Path=/; Max-Age=1"], "/")
        first = await goes_on(peer, url="/table/a/")
        assert json.loads(first.body or b"") == {"value": 0, "who": "ann"}
        assert json.loads((await nth(peer, 1, 2)).body) == {"value": 0, "who": None}
        commit(a=1)
        assert json.loads((await nth(peer, 1, 3)).body) == {"value": 1, "who": None}


async def test_a_run_has_the_cookies_of_its_own_time() -> None:
    async with live() as peer:
        peer.connection.identity.cookies.update(["who=ann; Path=/; Max-Age=60"], "/")
        await goes_on(peer, url="/table/a/")
        subscriptions = peer.live_requests.subscriptions
        assert subscriptions._expiry_timer is not None
        subscriptions._expiry_timer.cancel()  # it is late
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(cookies, "time", lambda: time.time() + 61)
            commit(a=1)
            assert json.loads((await nth(peer, 1, 2)).body) == {"value": 1, "who": None}


async def test_no_timer_outlives_the_live_requests_that_it_is_for() -> None:
    async with live() as peer:
        peer.connection.identity.cookies.update(["who=ann; Path=/; Max-Age=60"], "/")
        await goes_on(peer, url="/table/a/")
        peer.say(id=1, cancel=True)
        await peer.obeyed()
        subscriptions = peer.live_requests.subscriptions
        assert subscriptions._expiry_timer is None


async def test_visitors_share_a_run_in_whatever_order_their_cookies_come() -> None:
    async with service_open() as server:
        async with connected(server, cookie="who=ann; a=1") as one:
            async with connected(server, cookie="a=1; who=ann") as other:
                await goes_on(one, url="/table/a/")
                await goes_on(other, url="/table/a/")
                assert len(DATABASE[0].manager) == 1


async def test_a_cookie_that_is_set_again_moves_nothing() -> None:
    """A page with a form has its CSRF cookie set again by each answer."""
    async with live(cookie="who=ann; csrftoken=abc", origin=ORIGIN) as peer:
        await goes_on(peer, url="/table/a/")
        runs = STAGES["a"].count
        for line in ("csrftoken=abc; Path=/; Max-Age=60", "who=ann; Path=/"):
            name, _, value = line.partition(";")[0].partition("=")
            assert not peer.connection.identity.cookies.update([line], "/"), (name, value)
        subscriptions = peer.live_requests.subscriptions
        subscriptions.refresh()
        await quiet(peer)
        assert STAGES["a"].count == runs
        assert len(peer.of(1)) == 1


async def test_visitors_of_different_cookies_never_share() -> None:
    async with service_open() as server:
        async with connected(server, cookie="who=ann") as ann:
            async with connected(server, cookie="who=bob") as bob:
                await goes_on(ann, url="/table/a/")
                await goes_on(bob, url="/table/a/")
                commit(a=1)
                for peer, who in ((ann, "ann"), (bob, "bob")):
                    assert json.loads((await nth(peer, 1, 2)).body) == {"value": 1, "who": who}


async def test_different_tokens_never_share() -> None:
    async with live() as peer:
        for id, token in ((1, "a"), (2, "b"), (3, "a")):
            await goes_on(peer, id=id, url="/table/a/", token=token)
        assert len(DATABASE[0].manager) == 2


async def test_different_queries_of_data_never_share() -> None:
    async with live() as peer:
        for id in (1, 2):
            await goes_on(peer, id=id, url="/table/a/", data={"page": id})
        assert len(DATABASE[0].manager) == 2


async def test_connections_whose_handshakes_differ_never_share() -> None:
    async with service_open() as server:
        async with connected(server) as one, connected(server, origin=ORIGIN) as two:
            for peer in (one, two):
                await goes_on(peer, url="/table/a/")
            assert len(DATABASE[0].manager) == 2


async def test_requests_that_differ_in_the_headers_of_one_request_share() -> None:
    """A tool that traces gives each fetch an id of its own; who asks is the same."""
    config = ConnectionConfig(Limits(), per_request_headers=HeaderNames.of(PER_REQUEST))
    async with service_open() as server:
        async with connected(server, config=config) as peer:
            for id in (1, 2):
                headers = {"Traceparent": f"00-{id}", "X-Request-ID": str(id)}
                await goes_on(peer, id=id, url="/table/a/", headers=headers)
            assert len(DATABASE[0].manager) == 1


async def test_a_public_answer_is_shared_by_different_visitors() -> None:
    async with service_open() as server:
        async with connected(server, cookie="who=ann") as ann:
            async with connected(server, cookie="who=bob") as bob:
                for peer in (ann, bob):
                    await goes_on(peer, url="/public/a/")
                commit(a=1)
                for peer in (ann, bob):
                    assert (await nth(peer, 1, 2)).body == b"public 1"
                assert STAGES["a"].count == 3
                commit(a="private")
                assert (await nth(ann, 1, 3)).body == b"for ann"
                assert (await nth(bob, 1, 3)).body == b"for bob"
                commit(a=2)
                for peer in (ann, bob):
                    assert (await nth(peer, 1, 4)).body == b"public 2"


@pytest.mark.parametrize("origin", [None, ORIGIN])
@pytest.mark.parametrize("how", ["sets", "sets_by_hand"])
async def test_an_answer_that_sets_a_cookie_is_not_public(how: str, origin: str | None) -> None:
    """A browser's connection is not shown Set-Cookie, which is one visitor's all the same."""
    async with service_open() as server:
        async with connected(server, cookie="who=ann", origin=origin) as ann:
            await goes_on(ann, url=f"/public/a/?{how}=1")
            await quiet(ann)
            assert not [key for key in DATABASE[0].manager._queries if isinstance(key, SharedKey)]


async def test_a_logout_on_the_own_connection_ends_what_was_answered_for_the_user() -> None:
    async with live(cookie=f"sessionid={session()}") as peer:
        first = await goes_on(peer, url="/of_user/a/")
        assert json.loads(first.body or b"")["user"]
        await goes_on(peer, id=2, url="/table/a/")
        peer.say(id=3, method="POST", url="/become_nobody/x/")
        refusal = await nth(peer, 1, 2)
        assert refusal.code == "session_ended" and refusal.status == 401
        assert (await peer.last(3)).status == 200
        await quiet(peer)
        commit(a=1)
        assert value_of(await nth(peer, 2, 2)) == 1  # it was not the user's
        assert len(peer.of(1)) == 2
        await goes_on(peer, id=4, url="/of_user/a/")


async def test_a_logout_while_it_is_first_answered_leaves_nothing_of_the_user() -> None:
    async with live(cookie=f"sessionid={session()}") as peer:
        peer.say(id=1, url="/of_user/a/", subscribe=True)
        peer.say(id=3, method="POST", url="/become_nobody/x/")
        await peer.last(3)
        await peer.first(1)

        def is_nobodys() -> bool:
            last = peer.of(1)[-1]
            return isinstance(last, Refusal) or json.loads(last.body)["user"] is None

        await peer.becomes(is_nobodys)


# Slow readers.


async def test_a_slow_reader_is_sent_only_the_newest() -> None:
    async with live(outbound_bytes=2000) as peer:
        commit(a="x" * 1000)
        await goes_on(peer, url="/listed/a/")
        await goes_on(peer, id=2, url="/table/b/")
        peer.reads.clear()
        for number in range(1, 30):
            commit(a=str(number) * 1000, b=number)
            await quiet(peer)
            assert peer.connection.send_queue.waiting_bytes < 2000 + 2 * 1500
        assert peer.connection.send_queue.count < 6
        peer.reads.set()
        await peer.until(lambda: peer.of(1)[-1].body == b'"' + b"29" * 1000 + b'"')
        await peer.until(lambda: value_of(peer.of(2)[-1]) == 29)
        assert len(peer.of(1)) < 8
        versions = [message.version for message in peer.of(1)]
        assert versions == sorted(set(versions))


async def test_a_slow_reader_is_sent_nothing_for_what_is_again_as_it_was() -> None:
    async with live(outbound_bytes=500) as peer:
        await goes_on(peer, id=1, url="/table/a/")
        commit(b="x" * 1000)
        peer.reads.clear()
        peer.say(id=2, url="/listed/b/")
        await peer.becomes(lambda: not peer.connection.dispatcher._send_queue.has_room())
        for number in (1, 0):
            commit(a=number)
            await quiet(peer)
        held = peer.live_requests.subscriptions
        assert held is not None and not any(s.is_behind for s in held._subscriptions.values())
        peer.reads.set()
        await peer.obeyed()
        assert len(peer.of(1)) == 1


async def test_patches_of_a_slow_reader_are_of_what_it_was_sent() -> None:
    async with live(outbound_bytes=500) as peer:
        commit(a=list(range(300)), b="x" * 1000)
        held = json.loads((await goes_on(peer, url="/listed/a/", patch="json")).body or b"")
        peer.reads.clear()
        peer.say(id=2, url="/listed/b/")
        await peer.becomes(lambda: not peer.connection.dispatcher._send_queue.has_room())
        for number in (301, 302, 303):
            commit(a=list(range(number)))
            await quiet(peer)
        peer.reads.set()
        message = await nth(peer, 1, 2)
        assert message.patch == "json"
        assert apply_json_patch(held, json.loads(message.body)) == list(range(303))


# Time.


async def test_an_answer_out_of_a_cache_is_made_anew_when_it_is_over() -> None:
    async with live() as peer:
        assert (await goes_on(peer, url="/cached/a/")).body == b"1"
        assert (await nth(peer, 1, 2)).body == b"2"


async def test_what_is_read_besides_does_not_keep_an_answer_of_a_cache_alive() -> None:
    """A session, say, that a middleware reads in front of the cache."""
    async with live() as peer:
        assert (await goes_on(peer, url="/cached/a/?reads=1")).body == b"1"
        assert (await nth(peer, 1, 2)).body == b"2"


async def test_a_client_without_subprotocol_is_not_cut_while_it_is_live() -> None:
    async with live(idle_seconds=0.05, first_request_seconds=0.05) as peer:
        peer.say(id=1, url="/table/a/", subscribe=True)
        await peer.first(1)
        timeouts = peer.connection.timeouts
        before = timeouts.last_frame_at
        assert before is not None
        # Its patience ended, and was renewed.
        await peer.becomes(lambda: (timeouts.last_frame_at or 0.0) > before)
        commit(a=1)
        assert value_of(await nth(peer, 1, 2)) == 1
        peer.say(id=1, cancel=True)
        assert (await peer.is_closed())[0] == 4000


async def test_a_greeted_client_is_pinged_while_it_is_live() -> None:
    async with live(greeted=True, ping_seconds=0.05, pong_seconds=5.0) as peer:
        peer.say(id=1, url="/table/a/", subscribe=True)
        await peer.until(lambda: [m for m in peer.messages if isinstance(m, Ping)])
        commit(a=1)
        await peer.until(lambda: [m for m in peer.of(1) if value_of(m) == 1])
        hello = peer.messages[0]
        assert isinstance(hello, Hello) and hello.limits.subscriptions == 256


# Restart.


async def test_a_restart_does_not_wait_for_live_requests() -> None:
    async with live() as peer:
        await goes_on(peer, url="/table/a/")
        await peer.connection.drain()
        assert (await peer.is_closed())[0] == 4004


async def test_a_restart_waits_for_a_first_answer_and_no_longer() -> None:
    async with live() as peer:
        peer.say(id=1, url="/held/a/", subscribe=True)
        await happens(STAGES["a"].begun)
        draining = asyncio.create_task(peer.connection.drain())
        await peer.obeyed()
        assert not draining.done()
        STAGES["a"].go.set()
        first = await peer.first(1)
        assert first.version and value_of(first) == 0
        assert (await peer.is_closed())[0] == 4004
        await draining


async def test_nobody_can_subscribe_during_a_restart() -> None:
    async with live() as peer:
        peer.say(id=2, url="/hold/b/")
        await happens(STAGES["b"].begun)
        draining = asyncio.create_task(peer.connection.drain())
        await peer.obeyed()
        peer.say(id=1, url="/table/a/", subscribe=True)
        assert await peer.code(1) == "shutting_down"
        STAGES["b"].go.set()
        await draining


async def test_the_run_that_is_noted_is_that_of_the_registry() -> None:
    """The registry's run is what a commit tells of: it must be the one that is being read in."""
    async with live() as peer:
        await goes_on(peer, url="/table/a/")
        commit(a=1)
        await nth(peer, 1, 2)
        assert len(live_views.RUNS) == 2 and len(set(map(id, live_views.RUNS))) == 2
        assert live_views.RUNS[1].query is live_views.RUNS[0].query
