"""What a scrape reads: the numbers of the parts, at the moment of the scrape."""

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from tests.unit.fixtures import _project as _project
from tests.unit.live_views import DATABASE, live_service
from tests.unit.peer import Peer, connected, happens, pool_open
from tests.unit.views import STAGES
from wsrequest.errors import HandshakeRefused
from wsrequest.metrics import readings
from wsrequest.metrics.definitions import METRICS
from wsrequest.metrics.exposition import _Collector
from wsrequest.metrics.readings import Source
from wsrequest.server.activity import Activity
from wsrequest.server.refusals import Refusals

pytestmark = pytest.mark.asyncio


@pytest.fixture(autouse=True)
def _views(settings: Any) -> None:
    settings.ROOT_URLCONF = "tests.unit.live_views"


def scrape() -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    """All samples as Prometheus reads them, by name and labels."""
    registry = CollectorRegistry()
    registry.register(_Collector())  # type: ignore[arg-type,unused-ignore]
    families = text_string_to_metric_families(generate_latest(registry).decode())
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in families
        for sample in family.samples
    }


def value(name: str, **labels: str) -> float | None:
    return scrape().get((name, tuple(sorted(labels.items()))))


@asynccontextmanager
async def counted(threads: int = 4, **kwargs: Any) -> AsyncIterator[tuple[Peer, Source]]:
    """A connection of a process whose metrics are read."""
    async with pool_open(threads) as pool, live_service(pool, **kwargs) as plain:
        server = replace(plain, activity=Activity())
        assert server.activity is not None
        source = Source(server.activity, server, Refusals())
        readings.add(source)
        try:
            async with connected(server) as peer:
                yield peer, source
        finally:
            readings.discard(source)
            readings.discard(source)
            source.refusals.flush()


async def test_a_process_that_serves_nothing_has_names_and_no_numbers() -> None:
    assert set(readings.read()) == set(METRICS)
    assert scrape() == {}


async def test_messages_connections_and_bytes() -> None:
    async with counted() as (peer, _):
        peer.say(id=1, url="/quick/a/")
        peer.say(id=2, url="/quick/b/")
        peer.say(id=3, url="http://elsewhere/")
        for id in (1, 2):
            await peer.last(id)
        route = "quick/<str:name>/"
        assert value("wsrequest_messages_total", method="GET", route=route, status="200") == 2
        assert value("wsrequest_messages_total", method="", route="(refused)", status="400") == 1
        assert value("wsrequest_messages_refused_total", code="bad_url") == 1
        duration = "wsrequest_message_duration_seconds"
        assert value(f"{duration}_count", route=route) == 2
        assert value(f"{duration}_bucket", route=route, le="+Inf") == 2
        assert value(f"{duration}_bucket", route=route, le="60.0") == 2
        assert (value(f"{duration}_sum", route=route) or 0) > 0
        assert value("wsrequest_connections", transport="websocket") == 1
        assert value("wsrequest_connections_opened_total", transport="websocket") == 1
        assert (value("wsrequest_received_bytes_total") or 0) > 60
        assert (value("wsrequest_sent_bytes_total") or 0) > 60
        peer.vanish()
        await peer.task
        assert value("wsrequest_connections", transport="websocket") == 0
        closed = {"transport": "websocket", "code": "1006"}
        assert value("wsrequest_connections_closed_total", **closed) == 1


async def test_what_is_in_flight_blocked_and_waiting() -> None:
    async with counted(threads=1) as (peer, source):
        peer.say(id=1, url="/ahold/a/")  # its thread waits for the loop
        await happens(STAGES["a"].begun)
        peer.say(id=2, url="/hold/b/")
        await happens(STAGES["b"].begun)
        peer.say(id=3, url="/quick/c/")
        await peer.obeyed()
        assert value("wsrequest_messages_in_flight") == 3
        assert value("wsrequest_queue_length") == 1
        assert value("wsrequest_threads", state="blocked") == 1
        assert value("wsrequest_threads", state="working") == 1
        STAGES["b"].go.set()
        peer.say(id=1, cancel=True)
        await peer.last(3)
        await peer.becomes(lambda: source.server.pool.load().threads["blocked"] == 0)
        assert value("wsrequest_messages_in_flight") == 0
        assert value("wsrequest_queue_length") == 0


async def test_refused_handshakes_count_by_status() -> None:
    async with counted() as (_, source):
        for status in (403, 403, 503):
            source.refusals.add("203.0.113.7", HandshakeRefused(status, "no"))
        assert value("wsrequest_handshakes_refused_total", status="403") == 2
        assert value("wsrequest_handshakes_refused_total", status="503") == 1


async def test_live_queries_their_reruns_and_what_became_of_them() -> None:
    async with counted() as (peer, source):
        peer.say(id=1, url="/table/a/", subscribe=True)
        peer.say(id=2, url="/table/a/", subscribe=True)
        peer.say(id=3, url="/public/b/", subscribe=True)
        for id in (1, 2, 3):
            await peer.last(id)
        assert value("wsrequest_live_subscriptions") == 3
        assert value("wsrequest_live_queries") == 2
        assert value("wsrequest_live_queries_waiting") == 0
        DATABASE[0].commit(a=1)
        await peer.until_answered(1, 2)
        await peer.until_answered(2, 2)
        assert value("wsrequest_live_reruns_total", kind="run") == 1
        assert value("wsrequest_live_reruns_total", kind="shared") == 0
        assert value("wsrequest_live_results_total", result="changed") == 1
        DATABASE[0].commit(a=1)  # the same
        unchanged = {"result": "unchanged"}
        await peer.becomes(lambda: value("wsrequest_live_results_total", **unchanged) == 1)
        DATABASE[0].commit(b=1)
        await peer.until_answered(3, 2)
        assert value("wsrequest_live_reruns_total", kind="shared") == 1
        assert value("wsrequest_commits_received_total") == 3
        assert value("wsrequest_commit_losses_total") == 0


async def test_commits_that_one_rerun_covers_are_coalesced() -> None:
    async with counted() as (peer, _):
        peer.say(id=1, url="/held/a/?first=1", subscribe=True)
        await peer.last(1)
        STAGES["a"].begun.clear()
        DATABASE[0].commit(a=1)
        await happens(STAGES["a"].begun)
        for number in (2, 3, 4):  # during the run: one more run covers all three
            DATABASE[0].commit(a=number)
        coalesced = {"kind": "coalesced"}
        await peer.becomes(lambda: value("wsrequest_live_reruns_total", **coalesced) == 2)
        STAGES["a"].go.set()
        await peer.becomes(lambda: value("wsrequest_live_reruns_total", kind="run") == 2)


async def test_a_view_that_writes_what_it_reads_is_suppressed() -> None:
    async with counted() as (peer, _):
        peer.say(id=1, url="/count/a/", subscribe=True)
        await peer.last(1)
        DATABASE[0].commit(a=10)
        suppressed = {"kind": "suppressed"}
        await peer.becomes(lambda: value("wsrequest_live_reruns_total", **suppressed) == 1)


async def test_a_view_that_fails_is_a_failed_result() -> None:
    async with counted() as (peer, _):
        peer.say(id=1, url="/status/a/", subscribe=True)
        await peer.last(1)
        DATABASE[0].commit(a=503)
        await peer.becomes(lambda: value("wsrequest_live_results_total", result="failed") == 1)


async def test_losses_and_passes() -> None:
    async with counted() as (peer, _):
        peer.say(id=1, url="/table/a/", subscribe=True)
        await peer.last(1)
        DATABASE[0].manager.lost()
        assert value("wsrequest_commit_losses_total") == 1
        assert value("wsrequest_live_passes_total") == 1


async def test_applications_of_a_process_are_added() -> None:
    async with counted() as (peer, source):
        activity = Activity()
        server = replace(source.server, activity=activity)
        second = Source(activity, server, Refusals())
        readings.add(second)
        async with connected(server) as other:
            for each in (peer, other):
                each.say(id=1, url="/quick/a/")
                await each.last(1)
            route = "quick/<str:name>/"
            assert value("wsrequest_messages_total", method="GET", route=route, status="200") == 2
            assert value("wsrequest_message_duration_seconds_count", route=route) == 2
            assert sum(activity.durations[route].counts) == 1  # reading changes nothing
        readings.discard(second)


async def test_a_scrape_in_another_thread_meets_no_half_number() -> None:
    async with counted() as (peer, _):
        is_over, errors = threading.Event(), []

        def read() -> None:
            while not is_over.is_set():
                try:
                    scrape()
                except Exception as error:
                    errors.append(error)

        reading = asyncio.create_task(asyncio.to_thread(read))
        for number in range(200):
            peer.say(id=number, url=f"/quick/{number}/")
        for number in range(200):
            await peer.last(number)
        is_over.set()
        await reading
        assert errors == []
