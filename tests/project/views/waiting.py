"""Views that take their time: asleep, blocked at a gate, or waiting on the event loop."""

import asyncio
import threading
import time
from collections import Counter, defaultdict

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

GATES: defaultdict[str, threading.Event] = defaultdict(threading.Event)
"""An event for each name that a test chose; ``block`` waits for it, ``release`` sets it."""

STARTED: Counter[str] = Counter()
FINISHED: Counter[str] = Counter()
CANCELLED: Counter[str] = Counter()


def sleep(request: HttpRequest) -> HttpResponse:
    name, seconds = request.GET.get("name", ""), float(request.GET["seconds"])
    STARTED[name] += 1
    time.sleep(seconds)
    FINISHED[name] += 1
    return JsonResponse({"slept": seconds})


async def async_sleep(request: HttpRequest) -> HttpResponse:
    name, seconds = request.GET.get("name", ""), float(request.GET["seconds"])
    STARTED[name] += 1
    try:
        await asyncio.sleep(seconds)
    except asyncio.CancelledError:
        CANCELLED[name] += 1
        raise
    FINISHED[name] += 1
    return JsonResponse({"slept": seconds})


@csrf_exempt
def block(request: HttpRequest) -> HttpResponse:
    """Wait for the gate ``name`` without any limit."""
    name = request.GET["name"]
    STARTED[name] += 1
    GATES[name].wait()
    FINISHED[name] += 1
    return JsonResponse({"released": name})


async def release(request: HttpRequest) -> HttpResponse:
    name = request.GET["name"]
    GATES[name].set()
    return JsonResponse({"released": name})


async def state(request: HttpRequest) -> HttpResponse:
    name = request.GET["name"]
    return JsonResponse(
        {
            "started": STARTED[name],
            "finished": FINISHED[name],
            "cancelled": CANCELLED[name],
        }
    )
