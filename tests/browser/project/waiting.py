"""Views that wait, and streams without end; what becomes of them is noted."""

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator

from django.conf import settings
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt

from tests.browser.project.bodies import way_of
from tests.browser.project.journal import note

__all__ = ["endless", "wait", "waits_for_life"]

PART = b"0123456789abcdef" * 4096  # 64 KiB
NOTED_EACH = 16  # a line in the journal for each MiB

_never = threading.Event()


@csrf_exempt
async def wait(request: HttpRequest) -> HttpResponse:
    """Wait for good, until cancelled; or for ``?seconds=``, and tell by which way."""
    if "seconds" in request.GET:
        await asyncio.sleep(float(request.GET["seconds"]))
        return HttpResponse(headers={"X-Way": way_of(request)})
    key = request.GET["key"]
    note("wait began", key=key)
    try:
        await asyncio.Event().wait()
    except asyncio.CancelledError:
        note("wait cancelled", key=key)
        raise
    return HttpResponse("never")


@csrf_exempt
def waits_for_life(request: HttpRequest) -> HttpResponse:
    """Wait for good in the ``?life=`` of the server; answer in a later one."""
    key = request.GET["key"]
    note("request", key=key, method=request.method, way=way_of(request), body=len(request.body))
    if request.GET["life"] == settings.LIFE:
        _never.wait()
    return HttpResponse(f"{request.method} in another life", content_type="text/plain")


def endless(request: HttpRequest, kind: str) -> StreamingHttpResponse:
    """A stream without end, from an async or sync generator; what was asked of it is noted."""
    key = request.GET["key"]

    def sync_body() -> Iterator[bytes]:
        count = 0
        try:
            while True:
                count += 1
                if count % NOTED_EACH == 0:
                    note("produced", key=key, mebibytes=count // NOTED_EACH)
                yield PART
        finally:
            note("stream closed", key=key)

    async def async_body() -> AsyncIterator[bytes]:
        for part in sync_body():
            yield part
            await asyncio.sleep(0)  # by HTTP nothing else would let Django hear of a disconnect

    body = async_body() if kind == "async" else sync_body()
    return StreamingHttpResponse(body, content_type="application/octet-stream")
