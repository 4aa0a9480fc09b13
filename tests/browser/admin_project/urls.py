"""The admin, and two views that stand for everybody else who writes."""

import json

from django.contrib import admin
from django.contrib.admin.models import LogEntry
from django.contrib.auth import login
from django.contrib.auth.models import User
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.contrib.staticfiles.views import serve
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from tests.browser.admin_project.models import Line, Note, Topic

MODELS = {"note": Note, "topic": Topic, "line": Line, "user": User, "session": Session}


@csrf_exempt
def write(request: HttpRequest) -> HttpResponse:
    """Write what the body says: a list of [verb, model, filter, values].

    The verb "log" writes what the admin's log would have of it.
    """
    made = []
    for verb, name, chosen, values in json.loads(request.body):
        objects = MODELS[name]._default_manager.filter(**chosen)
        if verb == "create":
            made.append(MODELS[name]._default_manager.create(**values).pk)
        elif verb == "log":
            user = User.objects.get(username=values["by"])
            LogEntry.objects.create(
                user=user,
                content_type=ContentType.objects.get_for_model(MODELS[name]),
                object_id=str(chosen["pk"]),
                object_repr="it",
                action_flag=values["flag"],
            )
        elif verb == "update":
            objects.update(**values)
        else:
            objects.delete()
    return JsonResponse(made, safe=False)


@csrf_exempt
def enter(request: HttpRequest) -> HttpResponse:
    """Log in the user of ``?user=``."""
    login(request, User.objects.get(username=request.GET["user"]))
    return HttpResponse()


def rows(request: HttpRequest) -> HttpResponse:
    """What the database has."""
    return JsonResponse({note.pk: [note.title, note.is_public] for note in Note.objects.all()})


urlpatterns = [
    path("admin/", admin.site.urls),
    path("ready/", lambda request: HttpResponse("ready")),
    path("enter/", enter),
    path("write/", write),
    path("rows/", rows),
    path("static/<path:path>", serve, {"insecure": True}),
]
