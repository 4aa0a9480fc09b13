"""Views for tests under load: each writes one row and takes its time over the answer."""

import asyncio
import gc
import os
import time
from collections.abc import Iterator

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt

from tests.project.models import Note

SECONDS = 0.03


def process(request: HttpRequest) -> HttpResponse:
    return JsonResponse(os.getpid(), safe=False)


def collect(request: HttpRequest) -> HttpResponse:
    """Collect the garbage, which would else be done some time."""
    return JsonResponse(gc.collect(), safe=False)


@csrf_exempt
def write(request: HttpRequest) -> HttpResponse:
    Note.objects.create(text=request.GET["text"])
    time.sleep(SECONDS)
    return JsonResponse({}, status=201)


@csrf_exempt
async def async_write(request: HttpRequest) -> HttpResponse:
    await Note.objects.acreate(text=request.GET["text"])
    await asyncio.sleep(SECONDS)
    return JsonResponse({}, status=201)


@csrf_exempt
def stream(request: HttpRequest) -> StreamingHttpResponse:
    Note.objects.create(text=request.GET["text"])

    def pieces() -> Iterator[bytes]:
        for _ in range(3):
            time.sleep(SECONDS / 3)
            yield b"piece"

    return StreamingHttpResponse(pieces(), status=201, content_type="text/plain")


@csrf_exempt
def upload(request: HttpRequest) -> HttpResponse:
    """Take a body that is its own text, repeated; refuse half of one."""
    text = request.GET["text"]
    if request.read() != text.encode() * 4:
        return JsonResponse({}, status=400)
    Note.objects.create(text=text)
    return JsonResponse({}, status=201)
