"""The room of the run, and the check that a server serves."""

import json

from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.views.decorators.csrf import csrf_exempt

from wsrequest import push


@csrf_exempt
def room(request: HttpRequest, name: str) -> HttpResponse:
    """Join the room. It reads the database, so it fails while that is down. POST sends."""
    if request.method == "POST":
        push.send(name, "step", json.loads(request.body))
        return HttpResponse(status=204)
    is_empty = not ContentType.objects.exists()
    request.websocket.join(name)  # type: ignore[attr-defined]
    return JsonResponse({"is_empty": is_empty})


def ready(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ready")


urlpatterns = [path("room/<str:name>/", room), path("ready/", ready)]
