"""What is counted and logged of messages: each once, with the status that its client got."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.live_views import DATABASE, live_service
from tests.unit.peer import Peer, connected, happens, make_server, pool_open
from tests.unit.views import STAGES
from wsrequest.server.activity import Activity

pytestmark = pytest.mark.asyncio

HOLD, QUICK = "hold/<str:name>/", "quick/<str:name>/"


class Line:
    """The lines of an access log, as the fields of each."""

    def __init__(self) -> None:
        self.lines: list[dict[str, Any]] = []

    def __call__(self, *values: Any, is_rerun: bool = False) -> None:
        names = "method path status bytes seconds user connection".split()
        self.lines.append({**dict(zip(names, values, strict=True)), "rerun": is_rerun})

    def of(self, path: str) -> list[dict[str, Any]]:
        return [line for line in self.lines if line["path"] == path]


@asynccontextmanager
async def counted(threads: int = 2, **limits: Any) -> AsyncIterator[tuple[Peer, Activity, Line]]:
    """A connection whose messages are counted and logged."""
    log = Line()
    activity = Activity(log)
    async with pool_open(threads) as pool:
        server = replace(make_server(pool), activity=activity)
        async with connected(server, **limits) as peer:
            yield peer, activity, log
    assert activity.begun_count == activity.ended_count
    assert sum(activity.opened.values()) == sum(activity.closed.values())


async def test_a_message_counts_by_its_pattern_and_never_by_its_path() -> None:
    async with counted() as (peer, activity, log):
        for name in ("a", "b", "c"):
            peer.say(id=name, url=f"/quick/{name}/?secret=1")
            await peer.last(name)
        assert activity.messages == {("GET", QUICK, 200): 3}
        assert sum(activity.durations[QUICK].counts) == 3
        assert activity.durations[QUICK].sum_seconds > 0
        connection = peer.connection.connection_id
        for line, name in zip(log.lines, "abc", strict=True):
            assert (line["method"], line["path"]) == ("GET", f"/quick/{name}/")
            assert (line["status"], line["user"], line["connection"]) == (200, None, connection)
            assert line["bytes"] > 0 and line["seconds"] > 0


async def test_bytes_of_frames_are_counted_as_they_are_on_the_wire() -> None:
    async with counted() as (peer, activity, log):
        peer.say_raw('{"id":1,"url":"/quick/ü/"}')
        await peer.last(1)
        assert activity.received_bytes == len('{"id":1,"url":"/quick/ü/"}'.encode())
        assert activity.sent_bytes == log.lines[0]["bytes"] > 0


async def test_parts_of_a_response_are_one_message_with_all_their_bytes() -> None:
    async with counted(part_bytes=1000) as (peer, activity, log):
        peer.say(id=1, url="/blob/a/?size=100000", credit=1_000_000)
        await peer.last(1)
        await peer.obeyed()
        assert [line["status"] for line in log.lines] == [200]
        assert log.lines[0]["bytes"] > 100_000
        assert sum(activity.messages.values()) == 1


@pytest.mark.parametrize(
    ("frame", "status", "code", "route", "path"),
    [
        ("nonsense", 400, "bad_json", "(refused)", ""),
        ('{"id":1,"url":"http://other/"}', 400, "bad_url", "(refused)", ""),
        (
            '{"id":1,"url":"/quick/a/","subscribe":true}',
            501,
            "not_supported",
            "(refused)",
            "/quick/a/",
        ),
        ('{"id":1,"url":"/missing/"}', 404, "", "(unmatched)", "/missing/"),
        ('{"id":1,"url":"/fail/a/"}', 500, "", "fail/<str:name>/", "/fail/a/"),
        ('{"id":1,"url":"/events/a/"}', 406, "needs_credit", "events/<str:name>/", "/events/a/"),
    ],
)  # fmt: skip
async def test_what_fails_counts_with_its_status(
    frame: str, status: int, code: str, route: str, path: str
) -> None:
    async with counted() as (peer, activity, log):
        peer.say_raw(frame)
        await peer.until(lambda: peer.messages)
        await peer.obeyed()
        (((_, found, got), number),) = activity.messages.items()
        assert (found, got, number) == (route, status, 1)
        assert [(line["status"], line["path"]) for line in log.lines] == [(status, path)]
        assert dict(activity.refusals) == ({code: 1} if code else {})


async def test_a_message_that_is_canceled_or_late_counts_once() -> None:
    async with counted(request_seconds=0.2) as (peer, activity, log):
        peer.say(id=1, url="/hold/late/")
        assert await peer.code(1) == "deadline_exceeded"
        peer.say(id=2, url="/hold/canceled/")
        await happens(STAGES["canceled"].begun)
        peer.say(id=2, cancel=True)
        await peer.obeyed()
        assert activity.messages == {("GET", HOLD, 504): 1, ("GET", HOLD, 499): 1}
        assert dict(activity.refusals) == {"deadline_exceeded": 1}
        assert [line["status"] for line in log.lines] == [504, 499]


async def test_a_message_whose_client_is_gone_has_ended() -> None:
    async with counted() as (peer, activity, log):
        peer.say(id=1, url="/hold/a/")
        await happens(STAGES["a"].begun)
        assert activity.begun_count - activity.ended_count == 1
        peer.vanish()
        await peer.task
        assert activity.begun_count == activity.ended_count == 1
        assert [line["status"] for line in log.lines] == [499]
        assert dict(activity.closed) == {("websocket", "1006"): 1}


async def test_what_is_refused_for_a_restart_says_so() -> None:
    async with counted(threads=1) as (peer, activity, log):
        peer.say(id=1, url="/hold/a/")
        await happens(STAGES["a"].begun)
        peer.say(id=2, url="/quick/b/")
        await peer.obeyed()
        peer.connection.close_for_restart()
        await peer.task
        assert {line["path"]: line["status"] for line in log.lines} == {
            "/hold/a/": 504,
            "/quick/b/": 503,
        }
        assert dict(activity.closed) == {("websocket", "4004"): 1}


async def test_close_codes_that_a_client_invents_are_one() -> None:
    activity = Activity()
    for code in (1000, 3333, 4999, "x", None, True):
        activity.disconnected("websocket", code)
    assert dict(activity.closed) == {
        ("websocket", "1000"): 1,
        ("websocket", "other"): 4,
        ("websocket", "none"): 1,
    }


async def test_patterns_without_end_are_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("wsrequest.server.activity._MAX_SERIES", 2)
    async with counted() as (peer, activity, _):
        for url in ("/quick/a/", "/echo/a/", "/blob/a/?size=1", "/cookies/a/", "/quick/b/"):
            peer.say(id=url, url=url)
            await peer.last(url)
        assert activity.messages == {
            ("GET", QUICK, 200): 2,
            ("GET", "echo/<str:name>/", 200): 1,
            ("", "(other)", 200): 2,
        }
        assert set(activity.durations) == {QUICK, "echo/<str:name>/", "(other)"}


@pytest.fixture
def _live_views(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.unit.live_views"


@pytest.mark.usefixtures("_live_views")
async def test_a_live_request_is_one_message_and_its_reruns_are_lines() -> None:
    log = Line()
    activity = Activity(log)
    async with pool_open(2) as pool, live_service(pool) as service:
        async with connected(replace(service, activity=activity)) as peer:
            peer.say(id=1, url="/table/a/", subscribe=True)
            await peer.last(1)
            await peer.becomes(lambda: activity.ended_count == 1)
            assert [line["rerun"] for line in log.of("/table/a/")] == [False]
            DATABASE[0].commit(a=1)
            await peer.until_answered(1, 2)
            first, second = log.of("/table/a/")
            assert (second["status"], second["rerun"]) == (200, True)
            assert second["bytes"] > 0 and second["seconds"] > 0
            assert sum(activity.messages.values()) == 1


async def test_nothing_is_noted_without_metrics_and_access_log() -> None:
    async with pool_open(1) as pool, connected(make_server(pool)) as peer:
        peer.say(id=1, url="/hold/a/")
        await happens(STAGES["a"].begun)
        (task,) = peer.connection.dispatcher._running
        assert task.record is None
        STAGES["a"].go.set()
        await peer.last(1)
    await asyncio.sleep(0)
