"""Views that give back what they were sent, as they were sent it."""

import hashlib
from collections.abc import Iterable

from django.core.files.uploadedfile import UploadedFile
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from tests.browser.project.journal import note

__all__ = ["digest", "echo", "fields", "seen"]


@csrf_exempt
def echo(request: HttpRequest) -> HttpResponse:
    """The body with its type, and who carried it."""
    given = request.headers.get("Content-Type")
    response = HttpResponse(request.body, content_type=given or "application/octet-stream")
    response["X-Given-Type"] = str(given)
    response["X-Way"] = way_of(request)
    return response


@csrf_exempt
def fields(request: HttpRequest) -> HttpResponse:
    """The fields of a form, and its files: name, type, size and digest."""
    files = [
        [name, file.name, file.content_type, file.size, _digest(file.chunks())]
        for name, found in request.FILES.lists()
        for file in found
        if isinstance(file, UploadedFile)
    ]
    return JsonResponse({"fields": dict(request.POST.lists()), "files": files})


@csrf_exempt
def digest(request: HttpRequest) -> HttpResponse:
    """The SHA-256 of the body, which is noted too."""
    found = _digest([request.body])
    note("digest", digest=found, size=len(request.body), way=way_of(request))
    return JsonResponse({"digest": found, "size": len(request.body)})


@csrf_exempt
def seen(request: HttpRequest) -> HttpResponse:
    """What of a request the view sees that a page decides on."""
    mine = sorted(item for item in request.headers.items() if item[0].startswith("X-Mine"))
    return JsonResponse(
        {
            "method": request.method,
            "path": request.get_full_path(),
            "type": request.headers.get("Content-Type"),
            "accept": request.headers.get("Accept", None if "accept" in request.GET else "*/*"),
            "language": request.headers.get("Accept-Language"),
            "authorization": request.headers.get("Authorization"),
            "agent": request.headers.get("User-Agent"),
            "origin": request.headers.get("Origin") if request.method != "GET" else None,
            "mine": mine,
            "body": request.body.decode("latin1"),
        }
    )


def way_of(request: HttpRequest) -> str:
    """Which transport a request came by."""
    return "socket" if hasattr(request, "websocket") else "http"


def _digest(chunks: Iterable[bytes]) -> str:
    found = hashlib.sha256()
    for chunk in chunks:
        found.update(chunk)
    return found.hexdigest()
