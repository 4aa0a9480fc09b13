"""Bodies that come piece by piece: streams, files and server-sent events, sync and async."""

import asyncio
import hashlib
import io
import json
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar

from asgiref.local import Local
from asgiref.sync import sync_to_async
from django.http import (
    FileResponse,
    HttpRequest,
    HttpResponse,
    JsonResponse,
    StreamingHttpResponse,
)
from django.urls import get_script_prefix, get_urlconf, set_urlconf
from django.utils import timezone
from django.utils.translation import get_language

CLOSED: Counter[str] = Counter()
"""How many streams of each name were closed, by their end or by force."""

PRODUCED: Counter[str] = Counter()
"""How many pieces each named endless stream was asked for."""


def content(count: int) -> bytes:
    """Return the bytes that the file views serve: ``count`` of them, no two blocks alike."""
    blocks = (hashlib.sha256(b"%d" % n).digest() for n in range(count // 32 + 1))
    return b"".join(blocks)[:count]


def pieces(request: HttpRequest) -> Iterator[bytes]:
    for n in range(int(request.GET.get("count", 3))):
        yield b"piece %d\n" % n


def stream(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(pieces(request), content_type="text/plain")


async def async_stream(request: HttpRequest) -> StreamingHttpResponse:
    async def walk() -> AsyncIterator[bytes]:
        for piece in pieces(request):
            await asyncio.sleep(0)
            yield piece

    return StreamingHttpResponse(walk(), content_type="text/plain")


def stream_json(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(iter([b'{"a":', b"[1,", b"2]}"]), content_type="application/json")


def broken(request: HttpRequest) -> StreamingHttpResponse:
    def walk() -> Iterator[bytes]:
        yield b"the beginning, "
        raise RuntimeError("the stream fails in its middle")

    return StreamingHttpResponse(walk(), content_type="text/plain")


async def async_broken(request: HttpRequest) -> StreamingHttpResponse:
    async def walk() -> AsyncIterator[bytes]:
        yield b"the beginning, "
        raise RuntimeError("the stream fails in its middle")

    return StreamingHttpResponse(walk(), content_type="text/plain")


LOCAL, CRITICAL = Local(), Local(thread_critical=True)
VARIABLE: ContextVar[str] = ContextVar("VARIABLE")


def activate(name: str) -> None:
    """Set all that Django, asgiref and Python keep in a context."""
    timezone.activate("Asia/Tokyo")
    set_urlconf("tests.project.other_urls")
    LOCAL.name = CRITICAL.name = name
    VARIABLE.set(name)


def active() -> bytes:
    """Return a line with all of it."""
    found = {
        "language": get_language(),
        "zone": timezone.get_current_timezone_name(),
        "urlconf": get_urlconf(),
        "prefix": get_script_prefix(),
        "local": getattr(LOCAL, "name", None),
        "critical": getattr(CRITICAL, "name", None),
        "variable": VARIABLE.get(None),
    }
    return json.dumps(found).encode() + b"\n"


async def active_pieces() -> AsyncIterator[bytes]:
    for _ in range(2):
        yield active()
        await asyncio.sleep(0.001)
    yield await sync_to_async(active)()


def context(request: HttpRequest) -> StreamingHttpResponse:
    """What a body finds active, behind a sync view; ``sync`` in the query: a sync body."""
    activate(request.GET["name"])
    if "sync" in request.GET:
        return StreamingHttpResponse(active() for _ in range(3))
    return StreamingHttpResponse(active_pieces())


async def async_context(request: HttpRequest) -> StreamingHttpResponse:
    """The same behind an async view."""
    return context(request)


def file(request: HttpRequest) -> FileResponse:
    body = io.BytesIO(content(int(request.GET.get("bytes", 1000))))
    return FileResponse(body, as_attachment=True, filename="bericht ü.bin")


def endless(request: HttpRequest) -> StreamingHttpResponse:
    """Blocks of 16 KiB, as fast as they are taken, until the stream is closed."""
    name = request.GET["name"]

    def walk() -> Iterator[bytes]:
        try:
            while True:
                PRODUCED[name] += 1
                yield bytes(16 * 1024)
        finally:
            CLOSED[name] += 1

    return StreamingHttpResponse(walk(), content_type="application/octet-stream")


def events(request: HttpRequest) -> StreamingHttpResponse:
    """``count`` server-sent events; without a count, one each 50 ms until it is closed."""
    name, count = request.GET.get("name", ""), request.GET.get("count")
    tick = threading.Event()

    def walk() -> Iterator[str]:
        try:
            n = 0
            while count is None or n < int(count):
                yield f"data: {n}\n\n"
                n += 1
                tick.wait(0.05)
        finally:
            CLOSED[name] += 1

    return StreamingHttpResponse(walk(), content_type="text/event-stream")


async def async_events(request: HttpRequest) -> StreamingHttpResponse:
    name, count = request.GET.get("name", ""), request.GET.get("count")

    async def walk() -> AsyncIterator[str]:
        try:
            n = 0
            while count is None or n < int(count):
                yield f"data: {n}\n\n"
                n += 1
                await asyncio.sleep(0.05)
        finally:
            CLOSED[name] += 1

    return StreamingHttpResponse(walk(), content_type="text/event-stream")


def progress(request: HttpRequest) -> HttpResponse:
    name = request.GET["name"]
    return JsonResponse({"closed": CLOSED[name], "produced": PRODUCED[name]})
