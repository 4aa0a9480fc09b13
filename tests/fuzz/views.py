"""Views that end by themselves, for connections that a fuzzer drives."""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.urls import path


def echo(request: HttpRequest) -> HttpResponse:
    return HttpResponse(request.body, content_type=request.content_type or "text/plain")


def query(request: HttpRequest) -> HttpResponse:
    return JsonResponse(dict(request.GET.lists()))


def form(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"fields": len(request.POST), "files": len(request.FILES)})


def fail(request: HttpRequest) -> HttpResponse:
    raise RuntimeError("the view fails")


async def later(request: HttpRequest) -> HttpResponse:
    await asyncio.sleep(0)
    return JsonResponse({"cookies": len(request.COOKIES)})


def cookie(request: HttpRequest) -> HttpResponse:
    response = HttpResponse("set")
    for name, value in list(request.GET.items())[:5]:
        response.set_cookie("c" + str(len(name)), str(value)[:20])
    return response


def stream(request: HttpRequest) -> StreamingHttpResponse:
    def walk() -> Iterator[bytes]:
        yield b"one"
        yield b""
        yield bytes(300)
        if "broken" in request.GET:
            raise RuntimeError("the stream fails in its middle")

    return StreamingHttpResponse(walk(), content_type="text/plain")


def later_stream(request: HttpRequest) -> StreamingHttpResponse:
    async def walk() -> AsyncIterator[bytes]:
        yield b"one"
        await asyncio.sleep(0)
        yield bytes(300)

    return StreamingHttpResponse(walk(), content_type="text/plain")


def large(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse((bytes(500) for _ in range(20)), content_type="text/plain")


def events(request: HttpRequest) -> StreamingHttpResponse:
    return StreamingHttpResponse(iter([b"data: 1\n\n"]), content_type="text/event-stream")


VIEWS: dict[str, Callable[..., Any]] = {
    "": query, "e/": echo, "f/": form, "x/": fail, "a/": later, "c/": cookie, "s/": stream,
    "t/": later_stream, "l/": large, "v/": events,
}  # fmt: skip
urlpatterns = [path(name, view) for name, view in VIEWS.items()]
