"""Views for the unit tests: they report where they are, and wait until they may go on.

Owns one ``Stage`` for each name that a test chose; the name is the last part of the path.
"""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from typing import Any

from django.contrib.auth.signals import user_logged_out
from django.core.cache import caches
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import get_script_prefix, path, reverse

SECONDS = 10.0  # nothing waits so long, but for a test that fails


class Stage:
    """What a view has done, and what it may do."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.go = threading.Event()
        self.ended = threading.Event()
        self.cancelled = threading.Event()
        self.closed = threading.Event()  # its stream
        self.count = 0  # how often it was begun
        self.pieces = 0
        self.body: Any = None  # the file that the request's body was in
        self.thread: threading.Thread | None = None


class Stages(dict[str, Stage]):
    """A stage for each name, whichever thread asks for it first."""

    def __missing__(self, name: str) -> Stage:
        return self.setdefault(name, Stage())  # atomic, unlike a defaultdict's


STAGES = Stages()
ORDER: list[str] = []
"""The names of the stages, as their views began."""


def begin(request: HttpRequest, name: str) -> Stage:
    stage = STAGES[name]
    stage.count += 1
    ORDER.append(name)
    stage.thread = threading.current_thread()
    stage.body = request.environ["wsgi.input"]  # type: ignore[attr-defined]
    stage.begun.set()
    return stage


def hold(request: HttpRequest, name: str) -> HttpResponse:
    """Hold the thread until the stage may go on."""
    stage = begin(request, name)
    stage.go.wait(SECONDS)
    stage.ended.set()
    return JsonResponse({"held": name})


async def ahold(request: HttpRequest, name: str) -> HttpResponse:
    """Wait on the event loop until it is cancelled."""
    stage = begin(request, name)
    try:
        async with asyncio.timeout(SECONDS):
            await asyncio.Event().wait()
    except asyncio.CancelledError:
        stage.cancelled.set()
        raise
    raise AssertionError("never cancelled")


def quick(request: HttpRequest, name: str) -> HttpResponse:
    begin(request, name)
    return JsonResponse({"quick": name})


async def aquick(request: HttpRequest, name: str) -> HttpResponse:
    begin(request, name)
    return JsonResponse({"quick": name})


def echo(request: HttpRequest, name: str) -> HttpResponse:
    begin(request, name)
    return HttpResponse(request.body, content_type=request.content_type or "text/plain")


def stream(request: HttpRequest, name: str) -> StreamingHttpResponse:
    """One piece, then another after ``go``."""
    stage = begin(request, name)

    def walk() -> Iterator[bytes]:
        try:
            stage.pieces += 1
            yield b"one"
            stage.go.wait(SECONDS)
            stage.pieces += 1
            yield b"two"
        finally:
            stage.closed.set()

    return StreamingHttpResponse(walk(), content_type="text/plain")


def astream(request: HttpRequest, name: str) -> StreamingHttpResponse:
    """A sync view whose body is async: one piece, then nothing until it is cancelled."""
    stage = begin(request, name)

    async def walk() -> AsyncIterator[bytes]:
        try:
            stage.pieces += 1
            yield b"one"
            async with asyncio.timeout(SECONDS):
                await asyncio.Event().wait()
        finally:
            stage.closed.set()

    return StreamingHttpResponse(walk(), content_type="text/plain")


def aprefix(request: HttpRequest, name: str) -> StreamingHttpResponse:
    """An async body that tells the script prefix, which URLs are made with."""

    async def walk() -> AsyncIterator[str]:
        yield get_script_prefix()
        await asyncio.sleep(0)
        yield reverse("quick", args=[name])

    return StreamingHttpResponse(walk(), content_type="text/plain")


def hold_astream(request: HttpRequest, name: str) -> StreamingHttpResponse:
    """Hold the thread, then answer with an async body."""
    stage = begin(request, name)
    stage.go.wait(SECONDS)

    async def walk() -> AsyncIterator[bytes]:
        yield b"one"

    return StreamingHttpResponse(walk(), content_type="text/plain")


def endless(request: HttpRequest, name: str) -> StreamingHttpResponse:
    """Pieces as fast as they are taken."""
    stage = begin(request, name)

    def walk() -> Iterator[bytes]:
        try:
            while True:
                stage.pieces += 1
                yield bytes(1000)
        finally:
            stage.closed.set()

    return StreamingHttpResponse(walk(), content_type="application/octet-stream")


def aendless(request: HttpRequest, name: str) -> StreamingHttpResponse:
    stage = begin(request, name)

    async def walk() -> AsyncIterator[bytes]:
        try:
            while True:
                stage.pieces += 1
                yield bytes(1000)
        finally:
            stage.closed.set()

    return StreamingHttpResponse(walk(), content_type="application/octet-stream")


def events(request: HttpRequest, name: str) -> StreamingHttpResponse:
    begin(request, name)
    return StreamingHttpResponse(iter([b"data: 1\n\n"]), content_type="text/event-stream")


def ticking(request: HttpRequest, name: str) -> StreamingHttpResponse:
    """An event whenever the stage does not go on within a moment, as a heartbeat comes."""
    stage = begin(request, name)

    def walk() -> Iterator[bytes]:
        try:
            while not stage.go.wait(0.002):
                stage.pieces += 1
                yield b":\n\n"
        finally:
            stage.closed.set()

    return StreamingHttpResponse(walk(), content_type="text/event-stream")


def babbling(request: HttpRequest, name: str) -> StreamingHttpResponse:
    """Events as fast as they are taken."""
    response = endless(request, name)
    response["Content-Type"] = "text/event-stream"
    return response


def idling(request: HttpRequest, name: str) -> StreamingHttpResponse:
    """Empty pieces, until the stage may go on."""
    stage = begin(request, name)

    def walk() -> Iterator[bytes]:
        try:
            while not stage.go.wait(0.002):
                yield b""
        finally:
            stage.closed.set()

    return StreamingHttpResponse(walk(), content_type="text/plain")


def leaving(request: HttpRequest, name: str) -> StreamingHttpResponse:
    """A body that raises what would end the process, by its name."""

    def walk() -> Iterator[bytes]:
        yield b"one"
        raise {"SystemExit": SystemExit, "KeyboardInterrupt": KeyboardInterrupt}[name]

    return StreamingHttpResponse(walk(), content_type="text/plain")


def cached(request: HttpRequest, name: str) -> HttpResponse:
    """Note the object of the cache."""
    begin(request, name).body = caches["default"]
    return HttpResponse(name)


def pieces(request: HttpRequest, name: str) -> StreamingHttpResponse:
    return StreamingHttpResponse(iter([b"ab", b"", b"cd"]), content_type="text/plain")


async def apieces(request: HttpRequest, name: str) -> StreamingHttpResponse:
    async def walk() -> AsyncIterator[bytes]:
        for piece in (b"ab", b"", b"cd"):
            yield piece

    return StreamingHttpResponse(walk(), content_type="text/plain")


def broken(request: HttpRequest, name: str) -> StreamingHttpResponse:
    def walk() -> Iterator[bytes]:
        yield b"one"
        raise RuntimeError("the stream fails in its middle")

    return StreamingHttpResponse(walk(), content_type="text/plain")


LANGUAGE: ContextVar[str] = ContextVar("language", default="none")


def in_language(request: HttpRequest, name: str) -> StreamingHttpResponse:
    """An async body that says what the request's context holds when it is made."""
    stage = begin(request, name)
    LANGUAGE.set(name)

    async def walk() -> AsyncIterator[str]:
        stage.ended.set()
        yield LANGUAGE.get()

    return StreamingHttpResponse(walk(), content_type="text/plain")


async def acancelled_stream(request: HttpRequest, name: str) -> StreamingHttpResponse:
    """A body that is cancelled, but not by its client."""

    async def walk() -> AsyncIterator[bytes]:
        yield b"one"
        raise asyncio.CancelledError

    return StreamingHttpResponse(walk(), content_type="text/plain")


async def aunclosable(request: HttpRequest, name: str) -> StreamingHttpResponse:
    """A body whose generator fails when it is closed."""
    stage = begin(request, name)

    async def walk() -> AsyncIterator[bytes]:
        try:
            yield b"one"
            yield b"two"
        finally:
            stage.closed.set()
            raise RuntimeError("the generator fails in its finally")

    return StreamingHttpResponse(walk(), content_type="text/plain")


async def acancelled(request: HttpRequest, name: str) -> HttpResponse:
    """A view that is cancelled, but not by its client."""
    raise asyncio.CancelledError


def fail(request: HttpRequest, name: str) -> HttpResponse:
    raise RuntimeError("the view fails")


def blob(request: HttpRequest, name: str) -> HttpResponse:
    begin(request, name)
    return HttpResponse(bytes(int(request.GET["size"])), content_type="application/octet-stream")


def cookies(request: HttpRequest, name: str) -> HttpResponse:
    """Set the cookies of the query; delete those without a value; ``line``: one by hand."""
    response = JsonResponse(request.COOKIES)
    for key, value in request.GET.items():
        if key == "line":
            response["Set-Cookie"] = str(value)
        elif value:
            response.set_cookie(key, str(value))
        else:
            response.delete_cookie(key)
    return response


def odd_cookie(request: HttpRequest, name: str) -> HttpResponse:
    response = HttpResponse("set")
    response.set_cookie("a", "1")
    response.cookies["a"]["expires"] = 3600  # seconds from now, to http.cookies
    return response


def cookie_stream(request: HttpRequest, name: str) -> StreamingHttpResponse:
    response = stream(request, name)
    response.set_cookie("a", "1")
    return response


def log_out(request: HttpRequest, name: str) -> HttpResponse:
    user_logged_out.send(sender=None, request=request, user=None)
    return HttpResponse("out")


def session(request: HttpRequest, name: str) -> HttpResponse:
    request.session["name"] = name
    return HttpResponse(name)


VIEWS = (
    hold, ahold, quick, aquick, echo, stream, astream, hold_astream, endless, aendless, events,
    ticking, babbling, idling, leaving, cached, aunclosable, in_language, aprefix,
    pieces, apieces, broken, acancelled_stream, acancelled, fail, blob, cookies, odd_cookie,
    cookie_stream, log_out, session,
)  # fmt: skip
urlpatterns = [path(f"{view.__name__}/<str:name>/", view, name=view.__name__) for view in VIEWS]
