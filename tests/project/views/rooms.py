"""A room: who may be in it, and what is sent to it."""

import json

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from tests.project.models import Note
from wsrequest import push


@csrf_exempt
def room(request: HttpRequest, name: str) -> HttpResponse:
    """Join the room unless a note closes it. POST sends what is posted."""
    if Note.objects.filter(text=f"{name} is closed").exists():
        return HttpResponse(status=403)
    if request.method == "POST":
        message = json.loads(request.body)
        push.send(name, message["event"], message.get("data"), exclude=request)
        return HttpResponse(status=204)
    websocket = getattr(request, "websocket", None)
    if websocket is not None and websocket.is_live:
        websocket.join(name, member=request.GET.get("member"))
    return JsonResponse({"room": name})
