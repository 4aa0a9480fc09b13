"""A connection: what it answers, in which order, and what it refuses."""

import asyncio
import json
import threading
from typing import Any

import pytest
from msgspec import Raw

from tests.unit.peer import BROWSER, ORIGIN, connected, happens, make_server, opened, pool_open
from tests.unit.views import ORDER, STAGES
from wsrequest.connection import dispatcher
from wsrequest.protocol.headers import HeaderNames
from wsrequest.protocol.messages import Credit, Hello, Pong, Response
from wsrequest.server.context import ConnectionConfig
from wsrequest.types import Limits

pytestmark = pytest.mark.asyncio


# Greeting and ping.


async def test_a_client_with_the_subprotocol_is_greeted_first_of_all() -> None:
    async with opened(greeted=True, message_bytes=4096, in_flight=3) as peer:
        peer.say(id=1, url="/quick/a/")
        await peer.last(1)
        hello, answer = peer.messages
    assert isinstance(hello, Hello) and isinstance(answer, Response)
    assert hello.protocol == "wsrequest.v1"
    assert (hello.limits.message_bytes, hello.limits.in_flight) == (4096, 3)


async def test_another_client_is_sent_nothing_that_it_did_not_ask_for() -> None:
    async with opened() as peer:
        peer.say(url="/quick/a/")
        await peer.last(None)
        assert [type(message) for message in peer.messages] == [Response]


@pytest.mark.parametrize("value", ["1", '{"a":[1,2]}', "null", '"text"'])
@pytest.mark.parametrize("greeted", [True, False])
async def test_a_ping_is_answered_with_its_value(value: str, greeted: bool) -> None:
    async with opened(greeted=greeted) as peer:
        peer.say_raw(f'{{"ping":{value}}}')
        pong = await peer.until(lambda: [m for m in peer.messages if isinstance(m, Pong)])
        assert bytes(pong[0].value).decode() == value


async def test_a_pong_is_answered_with_nothing() -> None:
    async with opened() as peer:
        peer.say(pong=1)
        await peer.obeyed()
        assert len(peer.messages) == 1


# Answers.


@pytest.mark.parametrize("view", ["quick", "aquick"])
async def test_a_request_is_answered_with_its_id(view: str) -> None:
    async with opened() as peer:
        for id in (1, "1", 0, "a"):
            peer.say(id=id, url=f"/{view}/{id}/")
        for id in (1, "1", 0, "a"):
            answer = await peer.last(id)
            assert answer.status == 200
            assert answer.body == b'{"quick": "%s"}' % str(id).encode()


async def test_requests_without_id_are_all_answered() -> None:
    async with opened() as peer:
        for _ in range(3):
            peer.say(url="/quick/a/")
        await peer.until(lambda: len(peer.of(None)) == 3)


async def test_an_id_is_free_again_when_its_request_is_finished() -> None:
    async with opened() as peer:
        for count in range(1, 4):
            peer.say(id=1, url="/quick/a/")
            await peer.until_answered(1, count)
        assert all(message.status == 200 for message in peer.of(1))


async def test_a_view_that_raises_is_a_500_and_the_connection_goes_on() -> None:
    async with opened() as peer:
        peer.say(id=1, url="/fail/a/")
        assert (await peer.last(1)).status == 500
        peer.say(id=2, url="/quick/a/")
        assert (await peer.last(2)).status == 200


async def test_a_view_that_is_cancelled_by_its_own_doing_is_answered() -> None:
    async with opened() as peer:
        peer.say(id=1, url="/acancelled/a/")
        assert await peer.code(1) == "internal_error"


async def test_a_request_that_django_cannot_make_is_answered() -> None:
    """Django raises ValueError for the unknown charset, before there is a request."""
    async with opened() as peer:
        peer.say(
            id=1,
            method="POST",
            url="/echo/a/",
            headers={"Content-Type": "text/plain; a*=nope'en'x"},
            body="x",
        )
        assert (await peer.last(1)).status >= 400


async def test_two_requests_run_at_the_same_time() -> None:
    async with opened(threads=2) as peer:
        peer.say(id=1, url="/hold/a/")
        peer.say(id=2, url="/quick/b/")
        await peer.last(2)
        assert not peer.of(1)
        STAGES["a"].go.set()
        await peer.last(1)


# In flight, waiting, too many.


async def test_no_more_than_in_flight_run_at_the_same_time() -> None:
    async with opened(threads=4, in_flight=2) as peer:
        for n, name in enumerate("abc"):
            peer.say(id=n, url=f"/hold/{name}/")
        await happens(STAGES["a"].begun)
        await happens(STAGES["b"].begun)
        await peer.obeyed()
        await peer.taken()
        assert not STAGES["c"].begun.is_set()
        STAGES["b"].go.set()
        await happens(STAGES["c"].begun)
        assert not STAGES["a"].ended.is_set()


async def test_those_that_wait_are_begun_in_order() -> None:
    async with opened(threads=4, in_flight=1) as peer:
        peer.say(id=0, url="/hold/a/")
        for n in range(1, 20):
            peer.say(id=n, url="/quick/b/")
        await peer.obeyed()
        STAGES["a"].go.set()
        await peer.last(19)
        answers = [m.id for m in peer.messages if isinstance(m, Response)]
    assert answers == list(range(20))


async def test_more_than_in_flight_and_waiting_are_refused_for_now() -> None:
    async with opened(in_flight=1, waiting=2) as peer:
        for n, view in enumerate(("hold", "quick", "quick", "quick")):
            peer.say(id=n, url=f"/{view}/{n}/")
        refused = await peer.last(3)
        assert (refused.code, refused.status, refused.temporary) == ("too_many_requests", 429, True)
        STAGES["0"].go.set()
        for n in range(3):
            assert (await peer.last(n)).status == 200
        peer.say(id=3, url="/quick/3/")
        await peer.until(lambda: len(peer.of(3)) == 2)
        assert peer.of(3)[1].status == 200


async def test_other_connections_are_not_delayed_by_many_requests_of_one() -> None:
    async with pool_open(threads=1) as pool:
        server = make_server(pool)
        async with connected(server) as greedy, connected(server) as modest:
            greedy.say(id=0, url="/hold/a/")
            await happens(STAGES["a"].begun)
            for n in range(1, 50):
                greedy.say(id=n, url="/quick/b/")
            await greedy.obeyed()
            modest.say(id=1, url="/quick/c/")
            await modest.obeyed()
            STAGES["a"].go.set()
            await modest.last(1)
            await greedy.last(49)
    assert ORDER.index("c") <= 2


# Refusals.


@pytest.mark.parametrize(
    ("frame", "code", "id"),
    [
        pytest.param("{", "bad_json", None, id="not-json"),
        pytest.param("[]", "bad_message", None, id="no-object"),
        pytest.param('{"id":7}', "missing_url", 7, id="without-url"),
        pytest.param('{"id":7,"url":"x"}', "bad_url", 7, id="no-path"),
        pytest.param('{"id":7,"url":"/x","method":"TRACE"}', "unknown_method", 7, id="method"),
        pytest.param('{"id":7,"url":"/x","headers":{"Host":"x"}}', "bad_header", 7, id="header"),
        pytest.param(
            '{"id":7,"url":"/x","headers":{"X-Kept":"x"}}', "bad_header", 7, id="kept-header"
        ),
        pytest.param('{"id":7,"url":"/x","subscribe":true}', "not_supported", 7, id="subscribe"),
        pytest.param(
            '{"id":7,"url":"/' + "x" * 2000 + '"}', "message_too_large", 7, id="too-large"
        ),
        pytest.param(b"no head", "bad_json", None, id="binary-without-head"),
    ],
)
async def test_a_bad_frame_is_refused_and_the_connection_goes_on(
    frame: str | bytes, code: str, id: int | None
) -> None:
    config = ConnectionConfig(
        Limits(message_bytes=2000), trusted_proxy_headers=HeaderNames(frozenset({"x-kept"}))
    )
    async with opened(config=config) as peer:
        peer.say_raw(frame)
        assert await peer.code(id) == code
        peer.say(id=7, url="/quick/a/")
        await peer.until(lambda: [m for m in peer.of(7) if isinstance(m, Response)])


async def test_a_refusal_by_the_request_s_own_headers_has_its_id() -> None:
    async with opened() as peer:
        peer.say(id=7, url="/quick/a/", token="x", headers={"Authorization": "y"})
        assert await peer.code(7) == "bad_header"
        assert not STAGES["a"].count


async def test_a_token_can_be_the_projects_own_to_set() -> None:
    config = ConnectionConfig(Limits(), trusted_proxy_headers=HeaderNames.of(["Authorization"]))
    async with opened(config=config) as peer:
        peer.say(id=7, url="/quick/a/", token="x")
        assert await peer.code(7) == "bad_header"
        assert not STAGES["a"].count


@pytest.mark.parametrize(
    ("origin", "referrer"), [(ORIGIN, "http://other/"), (None, f"{ORIGIN}/page")]
)
async def test_a_referrer_that_the_origin_does_not_vouch_for_reaches_no_view(
    origin: str | None, referrer: str
) -> None:
    async with opened(origin=origin) as peer:
        peer.say(id=1, url="/quick/a/", referrer=referrer)
        assert await peer.code(1) == "bad_header"
        assert not STAGES["a"].count
        if origin is not None:
            peer.say(id=2, url="/quick/a/", referrer=f"{origin}/page")
            assert (await peer.last(2)).status == 200


async def test_a_second_use_of_a_live_id_is_refused_without_ending_the_first() -> None:
    async with opened() as peer:
        peer.say(id=1, url="/hold/a/")
        peer.say(id=1, url="/quick/b/")
        refused = await peer.last(None)
        assert (refused.code, refused.about) == ("id_in_use", 1)
        STAGES["a"].go.set()
        answer = await peer.last(1)
        assert answer.body == b'{"held": "a"}'
        assert not STAGES["b"].count


async def test_a_refused_frame_with_a_live_id_ends_that_request() -> None:
    async with opened() as peer:
        peer.say(id=1, url="/hold/a/")
        await happens(STAGES["a"].begun)
        peer.say(id=1, credit=-1)
        assert await peer.code(1) == "bad_message"
        STAGES["a"].go.set()
        await happens(STAGES["a"].ended)
        await peer.taken()
        await peer.obeyed()
        assert len(peer.of(1)) == 1


@pytest.mark.parametrize(
    ("head", "body"),
    [({"cancel": True}, None), ({"credit": 5}, None), ({}, b"part"), ({"more": True}, b"part")],
)
@pytest.mark.parametrize("was_known", [True, False])
async def test_late_frames_of_finished_and_unknown_ids_are_ignored(
    head: dict[str, Any], body: bytes | None, was_known: bool
) -> None:
    async with opened() as peer:
        if was_known:
            peer.say(id=1, url="/quick/a/")
            await peer.last(1)
        peer.say(body, id=1, **head)
        await peer.obeyed()
        assert len(peer.of(1)) == was_known


async def test_an_error_of_the_server_closes_the_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def fail(*args: Any, **kwargs: Any) -> None:
        raise RuntimeError("a mistake in the server")

    monkeypatch.setattr(dispatcher, "decode_client", fail)
    async with opened() as peer:
        peer.say(id=1, url="/quick/a/")
        assert (await peer.is_closed())[0] == 4005


# Bodies in parts.


async def test_a_body_in_parts_reaches_the_view_whole() -> None:
    async with opened() as peer:
        peer.say(b"one ", id=1, method="POST", url="/echo/a/", more=True)
        peer.say(b"two ", id=1, more=True)
        peer.say(b"three", id=1)
        assert await peer.body(1) == b"one two three"
        granted = [m.count for m in peer.of(1) if isinstance(m, Credit)]
        assert granted == [4, 4]
        assert STAGES["a"].body.closed


async def test_a_view_is_not_run_before_its_body_is_here() -> None:
    async with opened() as peer:
        peer.say(b"one", id=1, method="POST", url="/echo/a/", more=True)
        await peer.obeyed()
        await peer.taken()
        assert not STAGES["a"].count
        peer.say(b"", id=1)
        assert await peer.body(1) == b"one"


async def test_a_body_that_grows_too_large_is_refused() -> None:
    async with opened(body_bytes=10) as peer:
        peer.say(b"123456", id=1, method="POST", url="/echo/a/", more=True)
        peer.say(b"123456", id=1)
        assert await peer.code(1) == "body_too_large"
        peer.say(b"1234567890", id=2, method="POST", url="/echo/b/", more=True)
        peer.say(b"", id=2)
        assert await peer.body(2) == b"1234567890"
        assert not STAGES["a"].count


async def test_a_large_body_is_kept_in_a_file(tmp_path: Any) -> None:
    config = ConnectionConfig(Limits(), upload_memory_bytes=4, upload_directory=str(tmp_path))
    async with opened(config=config) as peer:
        peer.say(b"12345", id=1, method="POST", url="/hold/a/", more=True)
        peer.say(b"", id=1)
        await happens(STAGES["a"].begun)
        body = STAGES["a"].body
        assert body._rolled and not body.closed
        STAGES["a"].go.set()
        await peer.last(1)
        assert body.closed


async def test_a_body_that_cannot_be_kept_is_refused(tmp_path: Any) -> None:
    config = ConnectionConfig(
        Limits(), upload_memory_bytes=1, upload_directory=str(tmp_path / "missing")
    )
    async with opened(config=config) as peer:
        peer.say(b"12345", id=1, method="POST", url="/echo/a/", more=True)
        assert await peer.code(1) == "internal_error"
        peer.say(id=1, url="/quick/a/")
        await peer.until(lambda: [m for m in peer.of(1) if isinstance(m, Response)])


# Cookies and tickets.


async def test_a_cookie_that_a_response_sets_goes_with_the_next_request() -> None:
    async with opened(cookie="old=1; kept=2") as peer:
        peer.say(id=1, url="/cookies/a/?new=3&old=")
        first = await peer.last(1)
        assert first.body == b'{"old": "1", "kept": "2"}'
        assert first.headers["Set-Cookie"][0] == "new=3; Path=/"
        assert first.cookies is None
        peer.say(id=2, url="/cookies/a/")
        assert (await peer.last(2)).body == b'{"kept": "2", "new": "3"}'


async def test_a_browser_is_shown_a_ticket_instead_of_set_cookie() -> None:
    async with opened(origin=ORIGIN) as peer:
        peer.say(id=1, url="/cookies/a/?new=3")
        answer = await peer.last(1)
        assert "Set-Cookie" not in answer.headers
        redeemed = peer.connection.server.tickets().redeem(answer.cookies, ORIGIN, BROWSER)
        assert redeemed == ["new=3; Path=/"]


@pytest.mark.parametrize(
    "query",
    [
        pytest.param("unknown=", id="a-deletion-of-none"),
        pytest.param("", id="no-cookie"),
    ],
)
async def test_there_is_no_ticket_without_news(query: str) -> None:
    async with opened(origin=ORIGIN, cookie="a=1") as peer:
        peer.say(id=1, url=f"/cookies/a/?{query}")
        answer = await peer.last(1)
        assert answer.status == 200
        assert answer.cookies is None


async def test_a_cookie_that_the_view_wrote_by_hand_is_one() -> None:
    async with opened(origin=ORIGIN) as peer:
        peer.say(id=1, url="/cookies/a/?line=new%3D3%3B+HttpOnly")
        answer = await peer.last(1)
        redeemed = peer.connection.server.tickets().redeem(answer.cookies, ORIGIN, BROWSER)
        assert redeemed == ["new=3; HttpOnly; Path=/cookies/a"]
        peer.say(id=2, url="/cookies/a/")
        assert json.loads(await peer.body(2)) == {"new": "3"}


async def test_a_cookie_of_the_handshake_that_is_set_again_is_news_once() -> None:
    """Its flags and its end are not known: a browser may store something else by it."""
    async with opened(origin=ORIGIN, cookie="a=1") as peer:
        for id in (1, 2):
            peer.say(id=id, url="/cookies/a/?a=1")
        assert [(await peer.last(id)).cookies is None for id in (1, 2)].count(True) <= 1
        peer.say(id=3, url="/cookies/a/?a=1")
        assert (await peer.last(3)).cookies is None


@pytest.mark.parametrize("query", ["a=2", "a=", "a=1&b=1"])
async def test_there_is_a_ticket_for_news(query: str) -> None:
    async with opened(origin=ORIGIN, cookie="a=1") as peer:
        peer.say(id=1, url=f"/cookies/a/?{query}")
        assert (await peer.last(1)).cookies


async def test_a_cookie_that_cannot_be_understood_does_not_cost_the_answer() -> None:
    async with opened() as peer:
        peer.say(id=1, url="/odd_cookie/a/")
        assert (await peer.last(1)).body == b"set"


async def test_a_cookie_of_a_stream_holds_from_its_head_on() -> None:
    async with opened(threads=2) as peer:
        peer.say(id=1, url="/cookie_stream/a/", credit=1000)
        await peer.first(1)
        peer.say(id=2, url="/cookies/b/")
        assert (await peer.last(2)).body == b'{"a": "1"}'


async def test_a_session_made_over_the_socket_names_it() -> None:
    async with opened() as peer:
        assert peer.connection.session_key is None
        peer.say(id=1, url="/session/a/")
        await peer.last(1)
        assert peer.connection.session_key is not None


# Threads.


async def test_sync_views_share_the_threads_of_the_lane() -> None:
    async with opened(threads=1) as peer:
        for n in range(5):
            peer.say(id=n, url=f"/quick/{n}/")
            await peer.last(n)
        threads = {STAGES[str(n)].thread for n in range(5)}
    assert len(threads) == 1


async def test_async_views_run_in_the_thread_of_the_loop() -> None:
    async with opened(threads=1) as peer:
        peer.say(id=1, url="/aquick/a/")
        await peer.last(1)
        assert STAGES["a"].thread is threading.current_thread()


async def test_async_views_that_wait_hold_no_thread_of_the_lane() -> None:
    async with opened(threads=1, max_threads=8) as peer:
        for name in "ab":
            peer.say(id=name, url=f"/ahold/{name}/")
        await happens(STAGES["a"].begun)
        await happens(STAGES["b"].begun)
        peer.say(id=1, url="/quick/c/")
        await peer.last(1)
        for name in "ab":
            peer.say(id=name, cancel=True)
            await happens(STAGES[name].cancelled)


async def test_run_works_without_a_task_of_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    """As under granian, which steps the application by a task of its own."""
    async with opened() as peer:
        pass
    monkeypatch.setattr(asyncio, "current_task", lambda loop=None: None)
    running = peer.connection.run(peer.receive)
    monkeypatch.undo()
    assert isinstance(running, asyncio.Task)
    peer.vanish()
    await asyncio.wait_for(running, 5)


# Frames that do not come by receive().


async def test_frames_of_the_fast_path_take_turns_like_others() -> None:
    async with opened(messages_per_second=16) as peer:
        taken = [peer.connection.take(f'{{"ping":{number}}}') for number in range(4)]
        assert taken == [True, True, False, False]  # an eighth of a second's frames is one turn
        peer.say(ping=5)  # the others wait behind receive(), as this one does
        await peer.until(lambda: [m for m in peer.messages if m == Pong(Raw(b"5"))])
        assert peer.connection.take('{"ping":6}')
        await peer.until(lambda: len(peer.messages) == 4)
        assert [bytes(pong.value) for pong in peer.messages] == [b"0", b"1", b"5", b"6"]


async def test_a_connection_that_closes_takes_no_more_frames() -> None:
    async with opened() as peer:
        await peer.obeyed()  # it is served
        peer.connection.close(4004, "the server restarts")
        assert not peer.connection.take('{"ping":1}')
        assert await peer.is_closed() == (4004, "the server restarts")
        assert len(peer.messages) == 1


async def test_a_frame_of_the_fast_path_that_fails_ends_its_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with opened() as peer:
        await peer.obeyed()
        monkeypatch.setattr(dispatcher, "decode_client", lambda *args, **kwargs: 1 / 0)
        assert peer.connection.take('{"ping":1}')
        assert (await peer.is_closed())[0] == 4005


async def test_a_connection_that_has_ended_takes_no_more_frames() -> None:
    """TLS reads on while what was written before is still on its way."""
    async with opened() as peer:
        await peer.obeyed()
        peer.vanish()
        await peer.task
        assert not peer.connection.take('{"id":1,"url":"/quick/a/"}')
