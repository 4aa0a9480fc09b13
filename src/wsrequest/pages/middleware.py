"""``LivePageMiddleware`` completes the tags of live pages where wsrequest does not answer HTTP."""

from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from django.http.response import HttpResponseBase

from wsrequest.pages.completing import complete_page, is_page, weakened
from wsrequest.pages.recording import websocket_of

__all__ = ["LivePageMiddleware"]


class LivePageMiddleware:
    """Completes the page tag of ``{% wsrequest_client live=True %}``.

    Under a WSGI server, under Django's own ASGI handler, or if ``GZipMiddleware`` compresses pages.
    Without it, the first version of a page is sent although the page shows it already.

    In ``MIDDLEWARE`` it stands directly below ``GZipMiddleware``, or else first.
    """

    sync_capable = True
    async_capable = True

    def __init__(
        self, get_response: Callable[[HttpRequest], HttpResponseBase | Awaitable[HttpResponseBase]]
    ) -> None:
        self._get_response: Any = get_response
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        """Answer a request. A coroutine if the middleware below is async."""
        if self._is_async:
            return self._answer(request)
        return _completed(request, self._get_response(request))

    async def _answer(self, request: HttpRequest) -> HttpResponseBase:
        return _completed(request, await self._get_response(request))


def _completed(request: HttpRequest, response: Any) -> HttpResponseBase:
    is_over_http = websocket_of(request) is None
    if (
        is_over_http
        and not response.streaming
        and is_page(response.headers.get("Content-Type", ""))
        and not response.has_header("Content-Encoding")
    ):
        body = complete_page(request, response, response.content)
        if body is not None:
            response.content = body
            if response.has_header("Content-Length"):
                response.headers["Content-Length"] = str(len(body))
            if response.has_header("ETag"):
                response.headers["ETag"] = weakened(response.headers["ETag"])
    result: HttpResponseBase = response
    return result
