"""Bodies that come piece by piece, sync and async, some of which fail."""

import asyncio
from collections.abc import AsyncIterator, Iterator

from django.http import HttpRequest, StreamingHttpResponse

from tests.parity.project.recorder import note
from tests.project.models import Note


def stream(request: HttpRequest, kind: str) -> StreamingHttpResponse:
    def walk() -> Iterator[bytes | str]:
        note("view", "stream begins")
        try:
            if kind == "fail-first":
                raise RuntimeError("before the first chunk")
            yield "grün "
            if kind == "query":
                yield str(Note.objects.filter(text="never").count())
            if kind == "fail":
                raise RuntimeError("in the middle")
            yield b"end"
        finally:
            note("view", "stream ends")

    if kind == "empty":
        return StreamingHttpResponse([])
    if kind == "list":
        return StreamingHttpResponse([b"one", b"", b"two"], status=202)
    content_type = "text/event-stream" if kind == "events" else "text/plain"
    return StreamingHttpResponse(walk(), content_type=content_type)


async def astream(request: HttpRequest, kind: str) -> StreamingHttpResponse:
    async def walk() -> AsyncIterator[bytes | str]:
        note("view", "stream begins")
        try:
            if kind == "fail-first":
                raise RuntimeError("before the first chunk")
            yield "grün "
            await asyncio.sleep(0)
            if kind == "query":
                yield str(await Note.objects.filter(text="never").acount())
            if kind == "fail":
                raise RuntimeError("in the middle")
            yield b"end"
        finally:
            note("view", "stream ends")

    content_type = "text/event-stream" if kind == "events" else "text/plain"
    return StreamingHttpResponse(walk(), content_type=content_type)
