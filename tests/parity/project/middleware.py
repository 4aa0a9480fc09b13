"""Middleware of every kind, each noting when which of its hooks is called.

A query string with ``do=`` tells ``Last`` to answer or fail in one of its hooks.
"""

import threading
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import Http404, HttpRequest, HttpResponse
from django.middleware.cache import FetchFromCacheMiddleware, UpdateCacheMiddleware
from django.utils.decorators import sync_and_async_middleware

from tests.parity.project.recorder import MARK, note

GetResponse = Callable[[HttpRequest], Any]
ERRORS: dict[str, Callable[[], Exception]] = {
    "404": lambda: Http404("from the middleware"),
    "403": lambda: PermissionDenied("from the middleware"),
    "400": lambda: SuspiciousOperation("from the middleware"),
    "500": lambda: RuntimeError("from the middleware"),
}


class First:
    """The outermost; it also wraps streamed content, as Django's documentation shows."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> Any:
        note("middleware", "First request", request.method, request.get_full_path())
        MARK.set("of the middleware")
        request.middleware_thread = threading.get_ident()
        response = self.get_response(request)
        note("middleware", "First response", response.status_code, MARK.get())
        if response.streaming and not response.is_async and "wrap" in request.META["QUERY_STRING"]:
            response.streaming_content = self.wrap(response.streaming_content)
        return response

    def wrap(self, content: Any) -> Any:
        for chunk in content:
            note("middleware", "First chunk", len(chunk))
            yield chunk


def only_under(prefix: str, middleware: Callable[[GetResponse], Any]) -> Any:
    """Make a middleware factory that leaves requests outside of ``prefix`` alone."""

    def factory(get_response: GetResponse) -> GetResponse:
        inner = middleware(get_response)

        def run(request: HttpRequest) -> Any:
            return (inner if request.path.startswith(prefix) else get_response)(request)

        return run

    return factory


UpdateCache = only_under("/cached/", UpdateCacheMiddleware)
FetchFromCache = only_under("/cached/", FetchFromCacheMiddleware)


@sync_and_async_middleware
def hybrid(get_response: Any) -> Any:
    """Runs in the way of what is behind it."""
    if iscoroutinefunction(get_response):

        async def arun(request: HttpRequest) -> Any:
            note("middleware", "hybrid request")
            response = await get_response(request)
            note("middleware", "hybrid response", response.status_code)
            return response

        return arun

    def run(request: HttpRequest) -> Any:
        note("middleware", "hybrid request")
        response = get_response(request)
        note("middleware", "hybrid response", response.status_code)
        return response

    return run


def asynchronous(get_response: Callable[[HttpRequest], Awaitable[Any]]) -> Any:
    """Async only: Django puts an event loop around it."""

    async def run(request: HttpRequest) -> Any:
        note("middleware", "asynchronous request")
        response = await get_response(request)
        note("middleware", "asynchronous response", response.status_code)
        return response

    return run


asynchronous.sync_capable, asynchronous.async_capable = False, True  # type: ignore[attr-defined]


class Last:
    """The innermost, with all the hooks."""

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        note("middleware", "Last request")
        if answer := self.do(request, "request"):
            return answer
        response = self.get_response(request)
        note("middleware", "Last response", response.status_code, type(response).__name__)
        return self.do(request, "response") or response

    def do(self, request: HttpRequest, hook: str) -> HttpResponse | None:
        query = request.META["QUERY_STRING"]
        if f"do={hook}-answer" in query:
            return HttpResponse(f"answered by the middleware's {hook}", content_type="text/plain")
        for name, make in ERRORS.items():
            if f"do={hook}-{name}" in query:
                raise make()
        return None

    def process_view(
        self, request: HttpRequest, view: Callable[..., Any], args: Any, kwargs: Any
    ) -> HttpResponse | None:
        match = request.resolver_match
        assert match is not None
        note("middleware", "Last process_view", view.__name__, args, kwargs, match.view_name)
        return self.do(request, "view")

    def process_exception(self, request: HttpRequest, exception: Exception) -> HttpResponse | None:
        note("middleware", "Last process_exception", repr(exception))
        return self.do(request, "exception")

    def process_template_response(self, request: HttpRequest, response: Any) -> Any:
        note("middleware", "Last process_template_response", response.template_name)
        if "do=template-none" in request.META["QUERY_STRING"]:
            return None
        response.context_data = {**(response.context_data or {}), "name": "of the middleware"}
        return response
