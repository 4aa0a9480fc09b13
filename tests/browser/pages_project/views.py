"""Plain pages: a list with a form, a detail, a formset, and pages with a life of their own.

None of them knows that it is live. ``write`` and ``runs`` are for the tests.
"""

import json
import secrets
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from time import sleep
from typing import Any

from asgiref.sync import async_to_sync
from django.contrib import messages
from django.contrib.auth import get_user_model, login, logout
from django.contrib.auth.decorators import login_required
from django.db import connection, connections
from django.forms import modelformset_factory
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.csrf import csrf_exempt

from tests.browser.pages_project.models import Note

__all__ = [
    "broken",
    "counted",
    "enter",
    "formset",
    "leave",
    "mine",
    "note",
    "notes",
    "policy",
    "random",
    "runs",
    "still",
    "write",
]

runs_of: Counter[str] = Counter()


def notes(request: HttpRequest) -> HttpResponse:
    """All notes, and a form that adds one."""
    if request.method == "POST":
        title = request.POST["title"]
        if not title:
            return page(request, error="A note needs a title.")
        Note.objects.create(title=title)
        messages.success(request, f"Saved {title}.")
        return redirect(request.get_full_path())
    return page(request)


def page(request: HttpRequest, **context: Any) -> HttpResponse:
    """Render the page of ``notes``. ``?q=`` filters, and ``?template=`` names another template."""
    runs_of["live" if getattr(request, "websocket", None) else "http"] += 1
    shown = Note.objects.filter(title__contains=request.GET.get("q", ""))
    if shown.filter(title="fail").exists():
        raise ValueError("the page fails, on purpose")
    template = request.GET.get("template", "notes.html")
    return render(request, template, {"notes": shown, **context})


def note(request: HttpRequest, pk: int) -> HttpResponse:
    """One note."""
    return render(request, "note.html", {"note": get_object_or_404(Note, pk=pk)})


@login_required
def mine(request: HttpRequest) -> HttpResponse:
    """What only a user may see."""
    return render(request, "notes.html", {"notes": Note.objects.all(), "who": request.user})


def counted(request: HttpRequest) -> HttpResponse:
    """All notes, and a count of how often this view ran, whoever asked."""
    runs_of["counted"] += 1
    return render(request, "notes.html", {"notes": Note.objects.all()})


def formset(request: HttpRequest) -> HttpResponse:
    """All notes in one formset."""
    forms = modelformset_factory(Note, fields=["title"], extra=1)
    return render(request, "formset.html", {"formset": forms(queryset=Note.objects.all())})


def still(request: HttpRequest) -> HttpResponse:
    """A page that reads nothing."""
    return render(request, "notes.html", {"notes": []})


def random(request: HttpRequest) -> HttpResponse:
    """A page that is another each time."""
    shown = Note.objects.all()
    return render(request, "notes.html", {"notes": shown, "who": secrets.token_hex(4)})


def policy(request: HttpRequest) -> HttpResponse:
    """A page with a nonce, with a script as soon as there is a note."""
    nonce = secrets.token_urlsafe(16)
    response = render(request, "policy.html", {"notes": Note.objects.all(), "csp_nonce": nonce})
    response["Content-Security-Policy"] = f"script-src 'nonce-{nonce}' 'strict-dynamic'"
    return response


def broken(request: HttpRequest, kind: str) -> HttpResponseBase:
    """A page by HTTP, and over the socket what no page is."""
    Note.objects.exists()
    if not getattr(request, "websocket", None):
        return render(request, "notes.html", {"notes": []})
    if kind == "json":
        return JsonResponse({"a": Note.objects.count()})
    if kind == "redirect":
        return redirect("/notes/")
    return HttpResponse("<p>broken", status=int(kind))


def enter(request: HttpRequest) -> HttpResponse:
    """Log in as ``?as=``, who may be new, or show that nobody is logged in."""
    name = request.GET.get("as")
    if name:
        login(request, get_user_model().objects.get_or_create(username=name)[0])
        return redirect("/mine/")
    return HttpResponse("<p id=login>Log in</p>")


def leave(request: HttpRequest) -> HttpResponse:
    """Log out. ``?slowly`` takes its time afterwards, as a project's own logout may."""
    logout(request)
    if "slowly" in request.GET:
        sleep(1)
    return HttpResponse("left")


@csrf_exempt
def write(request: HttpRequest) -> HttpResponse:
    """Apply steps: ``["create", title]``, ``["rename", title, title]`` or ``["delete", title]``.

    ``["by", way, title]`` creates one in another way.
    """
    for step, title, *rest in json.loads(request.body):
        if step == "create":
            Note.objects.create(title=title)
        elif step == "rename":
            Note.objects.filter(title=title).update(title=rest[0])
        elif step == "by":
            _create_by(title, rest[0])
        else:
            Note.objects.filter(title=title).delete()
    return JsonResponse({note.title: note.pk for note in Note.objects.all()})


def _create_by(way: str, title: str) -> None:
    match way:
        case "sql":
            with connection.cursor() as cursor:
                cursor.execute("INSERT INTO pages_project_note (title) VALUES (%s)", [title])
        case "bulk":
            Note.objects.bulk_create([Note(title=title)])
        case "thread":
            with ThreadPoolExecutor() as pool:
                pool.submit(Note.objects.create, title=title).result()
                pool.submit(connections.close_all).result()
        case "async":
            async_to_sync(Note.objects.acreate)(title=title)


def runs(request: HttpRequest) -> HttpResponse:
    """How often the page of ``notes`` ran, over HTTP and live."""
    return JsonResponse(runs_of)
