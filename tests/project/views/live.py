"""Views to subscribe to, which know nothing of it but for ``forecast``."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.core.cache import cache
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_POST

from tests.project.models import Note
from wsrequest.live import depends_on, invalidate


@cache_control(public=True)
def public(request: HttpRequest) -> JsonResponse:
    """Notes, for everybody; ``runs`` tells how often it ran with a note of that text there."""
    texts = list(Note.objects.values_list("text", flat=True))
    cache.add("runs", 0)
    return JsonResponse({"texts": texts, "run": cache.incr("runs")})


@login_required
def mine(request: HttpRequest) -> JsonResponse:
    """The notes that begin with one's own name."""
    name = str(request.user)
    return JsonResponse({"user": name, "count": Note.objects.filter(text__startswith=name).count()})


def lazily(request: HttpRequest) -> StreamingHttpResponse:
    """Reads while it is streamed."""

    def lines() -> Any:
        for note in Note.objects.order_by("pk"):
            yield f"{note.text}\n"

    return StreamingHttpResponse(lines(), content_type="text/plain")


async def asynchronously(request: HttpRequest) -> StreamingHttpResponse:
    """Reads while it is streamed on the event loop."""

    async def lines() -> Any:
        async for note in Note.objects.order_by("pk"):
            yield f"{note.text}\n"

    return StreamingHttpResponse(lines(), content_type="text/plain")


def visits(request: HttpRequest) -> JsonResponse:
    """Writes what it reads."""
    Note.objects.create(text="visit")
    return JsonResponse({"count": Note.objects.filter(text="visit").count()})


def forecast(request: HttpRequest) -> HttpResponse:
    """Reads what no statement shows, and says so."""
    depends_on(key="forecast")
    return HttpResponse(cache.get("forecast", "none"), content_type="text/plain")


@csrf_exempt
@require_POST
def set_forecast(request: HttpRequest) -> HttpResponse:
    """Change it."""
    cache.set("forecast", request.body.decode())
    invalidate("forecast")
    return HttpResponse(status=204)


def token(request: HttpRequest) -> JsonResponse:
    """Shows a token once, behind the request that made it, beside a list."""
    made = request.session.pop("token", None)
    return JsonResponse({"token": made, "count": Note.objects.count()})


@csrf_exempt
@require_POST
def make_token(request: HttpRequest) -> HttpResponse:
    request.session["token"] = "secret"
    return HttpResponse(status=204)


def binary(request: HttpRequest) -> HttpResponse:
    """A body that is no text."""
    return HttpResponse(bytes([Note.objects.count() % 256, 255]), content_type="image/x-count")
