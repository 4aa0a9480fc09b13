"""Regions of pages, good ones and all kinds of bad ones."""

import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.core.exceptions import PermissionDenied, SuspiciousOperation
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseRedirect,
    JsonResponse,
    StreamingHttpResponse,
)
from django.shortcuts import render
from django.template import engines
from django.template.response import TemplateResponse
from django.utils.html import escape
from django.views.decorators.cache import cache_control

from tests.project.models import Note
from tests.project.views.pages import RUNS

_ITSELF = engines["django"].from_string("{% load wsrequest %}<p>once</p>{% live request.path %}")
_NESTED = engines["django"].from_string("{% load wsrequest %}<p>{{ n }}</p>{% live next %}")


def _context(request: HttpRequest) -> dict[str, Any]:
    regions = request.GET.getlist("region")
    return {
        "regions": regions,
        "region_id": request.GET.get("id", ""),
        "named": request.GET.get("named"),
        "live": request.GET.get("live", True),
        "notes": list(Note.objects.filter(text=request.GET.get("note", "")).values_list("text")),
    }


def page(request: HttpRequest) -> HttpResponse:
    """A page with the regions that its query names."""
    return render(request, "project/regions.html", _context(request))


async def async_page(request: HttpRequest) -> HttpResponse:
    """The same by an async view, rendered on the event loop, or with ``threaded`` in a thread."""
    context = await sync_to_async(_context)(request)
    if "threaded" in request.GET:
        return await sync_to_async(render)(request, "project/regions.html", context)
    return render(request, "project/regions.html", context)


def region_list(request: HttpRequest, q: str) -> TemplateResponse:
    """A list with a form, which shows messages and counts in the session."""
    if "count" in request.GET:
        request.session["seen"] = request.session.get("seen", 0) + 1
    messages.info(request, "never shown")
    notes = Note.objects.filter(text__startswith=q).values_list("text", flat=True)
    response = TemplateResponse(request, "project/region.html", {"notes": list(notes)})
    response["X-Frame-Options"] = "SAMEORIGIN"
    return response


@cache_control(public=True)
def public(request: HttpRequest, q: str) -> HttpResponse:
    """The same list for everybody, with a header that is another each time."""
    RUNS[q] += 1
    notes = Note.objects.filter(text__startswith=q).values_list("text", flat=True)
    response = HttpResponse("".join(f"<p>{note}</p>" for note in notes))
    response["X-Run"] = str(RUNS[q])
    return response


@login_required(login_url="/log-in/")
def members(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"<p>{request.user}</p>")


def told(request: HttpRequest) -> HttpResponse:
    """What the view sees of its request."""
    seen = {
        "method": request.method,
        "path": request.path,
        "full_path": request.get_full_path(),
        "get": request.GET.dict(),
        "post": request.POST.dict(),
        "body": request.body.decode(),
        "accept": request.headers.get("Accept"),
        "referer": request.headers.get("Referer"),
        "recorded": request.recorded,  # type: ignore[attr-defined]  # by the middleware
        "route": request.resolver_match.route if request.resolver_match else None,
    }
    return HttpResponse(f"<pre>{escape(json.dumps(seen))}</pre>")


async def asynchronously(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"<p>{await Note.objects.acount() >= 0}</p>")


def kinds(request: HttpRequest, kind: str) -> HttpResponse:
    """Answers that a region may meet."""
    match kind:
        case "json":
            return JsonResponse({"a": 1})
        case "redirect":
            return HttpResponseRedirect("/ready/")
        case "nothing":
            return HttpResponse(status=204)
        case "forbidden":
            raise PermissionDenied
        case "suspicious":
            raise SuspiciousOperation
        case "missing":
            raise Http404
        case "busy":
            return HttpResponse("<p>busy</p>", status=429)
        case "broken":
            raise RuntimeError("a view of a region")
        case "document":
            return HttpResponse(
                '<!doctype html><title>T</title><body><nav>n</nav><div id="r"><i>in</i></div>'
            )
        case "unbalanced":
            return HttpResponse("</div></body><div><p>open<table><tr><td><a href='x")
        case "large":
            return HttpResponse("<p>" + "x" * 5 * 2**20 + "</p>")
        case "itself":
            return HttpResponse(_ITSELF.render(request=request))
        case "streamed":
            return StreamingHttpResponse(_pieces())  # type: ignore[return-value]
        case "async-streamed":
            return StreamingHttpResponse(_apieces())  # type: ignore[return-value]
        case "events":
            return StreamingHttpResponse(_endless(), content_type="text/event-stream")  # type: ignore[return-value]
    number = int(kind)
    return HttpResponse(_NESTED.render({"n": kind, "next": f"/region/{number + 1}/"}, request))


def _pieces() -> Iterator[str]:
    yield from ("<p>", "streamed", "</p>")


async def _apieces() -> AsyncIterator[str]:
    for piece in ("<p>", "streamed", "</p>"):
        yield piece


def _endless() -> Iterator[str]:
    while True:
        yield "data: x\n\n"
