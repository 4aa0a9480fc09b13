"""Pages that follow themselves, as a project without any JavaScript of its own has them."""

import secrets
from collections import Counter
from collections.abc import Callable
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.shortcuts import render
from django.utils.safestring import mark_safe
from django.views.decorators.cache import cache_page
from django.views.decorators.http import require_GET

from tests.project.models import Note

TEMPLATE = "project/live.html"
RUNS: Counter[str] = Counter()
"""How often a page was made in this process, by ``q``."""


def _context(request: HttpRequest) -> dict[str, Any]:
    """The notes that begin with ``q``, in lists of their own for tests that run side by side.

    ``bare`` is a page without a form, ``public`` one that is for everybody. ``shown`` names what
    else it shows.
    """
    texts = Note.objects.filter(text__startswith=request.GET.get("q", ""))
    is_public = "public" in request.GET
    shown: dict[str, Callable[[], object]] = {
        "user": lambda: request.user,
        "theme": lambda: request.COOKIES.get("theme", "light"),
        "websocket": lambda: hasattr(request, "websocket"),
    }
    return {
        "notes": list(texts.values_list("text", flat=True)),
        "is_bare": is_public or "bare" in request.GET,
        "is_public": is_public,
        "shown": shown.get(request.GET.get("shown", ""), str)(),
    }


def notes(request: HttpRequest) -> HttpResponse:
    """A list with a form, which counts in the session how often it was seen.

    By ``status`` it is an error page.
    """
    if text := request.POST.get("text"):
        Note.objects.create(text=text)
        messages.success(request, f"Saved  {text} <now>.")
        messages.info(request, mark_safe("With <b>love</b> &amp; care"))
        return HttpResponseRedirect(request.get_full_path())
    RUNS[request.GET.get("q", "")] += 1
    context = _context(request)
    if request.method == "POST":
        context["error"] = "Write something."
    if "count" in request.GET:
        request.session["seen"] = request.session.get("seen", 0) + 1
    response = render(request, TEMPLATE, context, status=int(request.GET.get("status", 200)))
    if context["is_public"]:
        response["Cache-Control"] = "public"
    if "set" in request.GET:
        response.set_cookie("theme", f"dark-{RUNS[request.GET.get('q', '')]}")
    return response


async def async_notes(request: HttpRequest) -> HttpResponse:
    """The same list by an async view."""
    RUNS[request.GET["q"]] += 1
    texts = [note.text async for note in Note.objects.filter(text__startswith=request.GET["q"])]
    return render(request, TEMPLATE, {"notes": texts})


@require_GET
@cache_page(600)
def cached(request: HttpRequest) -> HttpResponse:
    return render(request, TEMPLATE, _context(request))


def with_nonce(request: HttpRequest, name: str = "_csp_nonce") -> HttpResponse:
    """A page with a nonce in its header and in its body, as Django 6 and django-csp make it.

    Args:
        request: to answer.
        name: of the attribute of the request that holds the nonce.
    """
    RUNS[request.GET.get("q", "")] += 1
    nonce = secrets.token_urlsafe(16)
    setattr(request, name, nonce)
    response = render(request, TEMPLATE, _context(request))
    response["Content-Security-Policy"] = f"script-src 'nonce-{nonce}'"
    return response


def session(request: HttpRequest) -> JsonResponse:
    """What the session holds, which this does not change."""
    runs = RUNS[request.GET.get("q", "")]
    return JsonResponse({"seen": request.session.get("seen", 0), "runs": runs})
