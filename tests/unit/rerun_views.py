"""Views with effects on whoever asks, for the unit tests of live requests that run again.

Each reads the table of its name, and so runs again when a test commits to it.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from importlib import import_module
from typing import Any

import django
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.middleware.csrf import get_token
from django.template import engines
from django.urls import path

from tests.unit import live_views
from tests.unit.live_views import value
from tests.unit.views import SECONDS, begin
from wsrequest.live import is_rerun, skip_on_rerun

if django.VERSION >= (6, 0):
    from django.middleware.csp import get_nonce
else:

    def get_nonce(request: HttpRequest) -> Any:  # type: ignore[misc]  # theirs is a LazyNonce
        raise AssertionError("of Django 6")


STAMPS: list[str] = []
"""What a last-seen stamp, a counter, a row of an audit log would be."""

TASKS: list[asyncio.Task[None]] = []
KEYS: asyncio.Queue[str] = asyncio.Queue()
"""Of the session that the task shall write to."""


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


def guess(request: HttpRequest, name: str) -> HttpResponse:
    """Tell whether a code is right, three times in one session."""
    begin(request, name)
    tries = request.session.get("tries", 0) + 1
    if tries > 3:
        return JsonResponse({"value": value(name), "right": None})
    request.session["tries"] = tries
    codes = [found.get("code") for found in (request.GET, request.COOKIES)]
    names = ("X_CODE", "AUTHORIZATION", "DPOP", "IDEMPOTENCY_KEY", "PRAGMA", "TRACEPARENT")
    codes += [request.META.get(f"HTTP_{name}") for name in names]
    return JsonResponse({"value": value(name), "right": any("0042" in (c or "") for c in codes)})


def public_guess(request: HttpRequest, name: str) -> HttpResponse:
    """A public page that sets a cookie when it is asked for the third time, by another code."""
    stage = begin(request, name)
    response = JsonResponse({"value": value(name)}, headers={"Cache-Control": "public, max-age=9"})
    if request.COOKIES.get("code") == "2" and stage.count == 3:
        response.set_cookie("seen", "1")
    return response


async def guess_in_stream(request: HttpRequest, name: str) -> StreamingHttpResponse:
    """The same as a stream, which reads the cookies when it is sent."""
    begin(request, name)
    tries = await request.session.aget("tries", 0) + 1
    await request.session.aset("tries", tries)

    async def pieces() -> AsyncIterator[str]:
        right = tries <= 3 and request.COOKIES.get("code") == "0042"
        yield json.dumps({"value": value(name), "right": right})

    return StreamingHttpResponse(pieces(), content_type="application/json")


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


async def background(request: HttpRequest, name: str) -> HttpResponse:
    """Start a task that goes on, the first time that the view is run again."""
    begin(request, name)
    if is_rerun() and not TASKS:
        TASKS.append(asyncio.create_task(_save_to(KEYS)))
    return JsonResponse({"value": value(name)})


async def _save_to(keys: "asyncio.Queue[str]") -> None:
    await asyncio.to_thread(_save, await keys.get())


def _save(key: str) -> None:
    session = session_store(key)
    session["saved"] = True
    session.save()


def facts(request: HttpRequest, name: str) -> HttpResponse:
    begin(request, name)
    found = request.websocket  # type: ignore[attr-defined]
    response = JsonResponse(
        {
            "value": value(name),
            "live": found.is_live,
            "rerun": found.is_rerun,
            "resumed": found.is_resumed,
        }
    )
    if request.GET.get("sets"):
        response.set_cookie("seen", str(value(name)))
    return response


_FORM = engines["django"].from_string(
    "<p>{{ value }}</p>{% if value != 0 or form %}<form>{% csrf_token %}</form>{% endif %}"
)


def form(request: HttpRequest, name: str) -> HttpResponse:
    """A list with a form; by ``later`` it has none until the table holds something.

    By ``held`` the run that takes the place of a rerun then holds its thread.
    """
    stage = begin(request, name)
    is_rerun = request.websocket.is_rerun  # type: ignore[attr-defined]
    if "held" in request.GET and value(name) and not is_rerun:
        stage.go.wait(SECONDS)
    facts = {"value": value(name), "form": "later" not in request.GET}
    return HttpResponse(_FORM.render(facts, request))


async def aform(request: HttpRequest, name: str) -> StreamingHttpResponse:
    """The same as a stream. Its cookie is set only if the secret is there before it begins."""
    begin(request, name)
    get_token(request)

    async def pieces() -> AsyncIterator[str]:
        yield _FORM.render({"value": value(name), "form": True}, request)

    return StreamingHttpResponse(pieces())


def nonced(request: HttpRequest, name: str) -> HttpResponse:
    """A page with a script that has a nonce."""
    begin(request, name)
    nonce = request.csp_nonce if hasattr(request, "csp_nonce") else get_nonce(request)
    return HttpResponse(f'<p>{value(name)}</p><script nonce="{nonce}"></script>')


def clock(request: HttpRequest, name: str) -> HttpResponse:
    """A page that tells how often it was made."""
    return HttpResponse(f'<p at="{begin(request, name).count}">{value(name)}</p>')


def themed(request: HttpRequest, name: str) -> HttpResponse:
    """Read the cookies that the table names, several by spaces.

    ``*`` is all of them, ``raw`` the header, ``secret`` the copy that the CSRF middleware makes.
    """
    begin(request, name)
    wanted = str(value(name) or "").split()
    found: dict[str, Any] = {}
    for cookie in wanted:
        if cookie == "*":
            found["*"] = dict(request.COOKIES)
        elif cookie == "raw":
            found["raw"] = sorted(request.META.get("HTTP_COOKIE", "").split("; "))
        elif cookie == "secret":
            found["secret"] = request.META.get("CSRF_COOKIE")
        else:
            found[cookie] = request.COOKIES.get(cookie)
    return JsonResponse({"value": wanted, "cookies": found})


def held_theme(request: HttpRequest, name: str) -> HttpResponse:
    """As ``themed``, and hold the thread before the cookies are read."""
    stage = begin(request, name)
    if request.websocket.is_rerun:  # type: ignore[attr-defined]
        stage.go.wait(SECONDS)
    return themed(request, name)


def bake(request: HttpRequest, name: str) -> HttpResponse:
    """Set the cookies of the query."""
    response = JsonResponse({})
    for cookie, content in request.GET.items():
        response.set_cookie(cookie, str(content))
    return response


VIEWS = (
    themed,
    held_theme,
    bake,
    form,
    aform,
    nonced,
    clock,
    token,
    token_by_key,
    guess,
    public_guess,
    guess_in_stream,
    flashes,
    leave,
    stamping,
    astamping,
    background,
    facts,
)
urlpatterns = [
    *(path(f"{view.__name__}/<str:name>/", view) for view in VIEWS),
    *live_views.urlpatterns,
]
