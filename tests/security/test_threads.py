"""Worker threads: nothing of a request stays behind for the next one, whosever that is."""

import asyncio
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from django.conf import settings as django_settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import get_script_prefix, get_urlconf, path, set_script_prefix, set_urlconf
from django.utils import timezone, translation

from tests.unit.peer import SECONDS, connected, make_server, pool_open
from tests.unit.test_asgi import ORIGIN, accepted, call, handshake, hang_up, running, say
from tests.unit.views import STAGES, hold, quick
from wsrequest.workers.queue import QueueKey

pytestmark = pytest.mark.asyncio


def leave_traces(request: HttpRequest) -> HttpResponse:
    """Change all that Django keeps beside the request, and tidy nothing up."""
    translation.activate("de")
    timezone.activate(ZoneInfo("Asia/Tokyo"))
    set_urlconf("tests.unit.views")
    set_script_prefix("/left/")
    return HttpResponse("left")


async def aleave_traces(request: HttpRequest) -> HttpResponse:
    return leave_traces(request)


def find_traces(request: HttpRequest) -> HttpResponse:
    return JsonResponse(
        {
            "language": translation.get_language(),
            "zone": str(timezone.get_current_timezone()),
            "urlconf": get_urlconf(),
            "prefix": get_script_prefix(),
        }
    )


async def afind_traces(request: HttpRequest) -> HttpResponse:
    return find_traces(request)


urlpatterns = [
    path("leave/", leave_traces),
    path("leave/async/", aleave_traces),
    path("find/", find_traces),
    path("find/async/", afind_traces),
    path("hold/<str:name>/", hold),
    path("quick/<str:name>/", quick),
]


@pytest.mark.parametrize("leave", ["/leave/", "/leave/async/"])
@pytest.mark.parametrize("find", ["/find/", "/find/async/"])
async def test_a_thread_keeps_nothing_of_a_request(settings: Any, leave: str, find: str) -> None:
    """With one thread, so that both run on it, and two connections."""
    settings.ROOT_URLCONF = __name__
    async with pool_open(threads=1, max_threads=1) as pool:
        server = make_server(pool)
        async with connected(server) as one, connected(server) as other:
            other.say(id=0, url=find)
            clean = await other.body(0)
            one.say(id=1, url=leave)
            assert await one.body(1) == b"left"
            other.say(id=2, url=find)
            assert await other.body(2) == clean
    assert f'"{django_settings.LANGUAGE_CODE}"'.encode() in clean


async def test_a_flood_of_tickets_has_one_turn(settings: Any) -> None:
    """Anybody may ask for one by HTTP; those who are connected do not wait behind all of them."""
    settings.WSREQUEST_THREADS = settings.WSREQUEST_MAX_THREADS = 1
    async with running() as application:
        wire = await accepted(handshake(application))
        say(wire, id=1, url="/hold/a/")
        assert await asyncio.to_thread(STAGES["a"].begun.wait, SECONDS)
        tickets = [
            call(application, "POST", x_wsrequest_ticket=f"none-{n}", origin=ORIGIN)
            for n in range(50)
        ]
        pool = application._wiring.get_server().pool
        await asyncio.sleep(0)
        mark = pool.call(int, queue_key=QueueKey())
        order: list[str] = []
        for ticket in tickets:
            ticket.task.add_done_callback(lambda _: order.append("ticket"))
        marked = asyncio.ensure_future(mark)
        marked.add_done_callback(lambda _: order.append("mine"))
        await asyncio.sleep(0)
        STAGES["a"].go.set()
        await asyncio.wait_for(asyncio.gather(marked, *(t.ends() for t in tickets)), SECONDS)
        assert order.index("mine") <= 10
        await hang_up(wire)
