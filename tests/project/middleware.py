"""The project's own middleware: it tells, in response headers, what it saw of a request."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest, HttpResponse


class RecordingMiddleware:
    """A plain synchronous middleware with the hooks that most projects use."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: Any) -> HttpResponse:
        request.recorded = ["request"]
        response = self.get_response(request)
        response["X-Recorded"] = " ".join([*request.recorded, "response"])
        response["X-Transport"] = "websocket" if hasattr(request, "websocket") else "http"
        return response

    def process_view(self, request: Any, view: Callable[..., Any], *_: Any) -> None:
        request.recorded.append("view")

    def process_exception(self, request: Any, exception: Exception) -> None:
        request.recorded.append(type(exception).__name__)

    def process_template_response(self, request: Any, response: HttpResponse) -> HttpResponse:
        request.recorded.append("template")
        return response
