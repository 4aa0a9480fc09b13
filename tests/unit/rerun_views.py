"""Views with effects on whoever asks, for the unit tests of live requests that run again.

Each reads the table of its name, and so runs again when a test commits to it.
"""

from importlib import import_module
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path

from tests.unit import live_views
from tests.unit.live_views import value
from tests.unit.views import begin
from wsrequest.live import is_rerun, skip_on_rerun

STAMPS: list[str] = []
"""What a last-seen stamp, a counter, a row of an audit log would be."""


def session_store(key: str | None = None) -> Any:
    return import_module(settings.SESSION_ENGINE).SessionStore(key)


def token(request: HttpRequest, name: str) -> HttpResponse:
    """Show a token once, as a page does behind the form that made it."""
    begin(request, name)
    return JsonResponse({"value": value(name), "token": request.session.pop("token", None)})


def token_by_key(request: HttpRequest, name: str) -> HttpResponse:
    """The same by a store that the view makes for itself, saved by hand."""
    begin(request, name)
    session = session_store(request.session.session_key)
    found = session.pop("token", None)
    session.save()
    return JsonResponse({"value": value(name), "token": found})


def flashes(request: HttpRequest, name: str) -> HttpResponse:
    begin(request, name)
    if request.GET.get("add"):
        messages.success(request, "flash")
        return JsonResponse({})
    texts = [str(message) for message in messages.get_messages(request)]
    return JsonResponse({"value": value(name), "messages": texts})


def leave(request: HttpRequest, name: str) -> HttpResponse:
    """Log out, once the table holds something."""
    begin(request, name)
    found = value(name)
    if found:
        logout(request)
    return JsonResponse({"value": found})


@skip_on_rerun
def stamp(name: str) -> str:
    STAMPS.append(name)
    return name


@skip_on_rerun
async def astamp(name: str) -> str:
    STAMPS.append(name)
    return name


def stamping(request: HttpRequest, name: str) -> HttpResponse:
    begin(request, name)
    found = stamp(name)
    return JsonResponse({"value": value(name), "stamp": found, "rerun": is_rerun()})


async def astamping(request: HttpRequest, name: str) -> HttpResponse:
    begin(request, name)
    found = await astamp(name)
    return JsonResponse({"value": value(name), "stamp": found, "rerun": is_rerun()})


def facts(request: HttpRequest, name: str) -> HttpResponse:
    begin(request, name)
    found = request.websocket  # type: ignore[attr-defined]
    return JsonResponse({"value": value(name), "live": found.is_live, "rerun": found.is_rerun})


VIEWS = (token, token_by_key, flashes, leave, stamping, astamping, facts)
urlpatterns = [
    *(path(f"{view.__name__}/<str:name>/", view) for view in VIEWS),
    *live_views.urlpatterns,
]
