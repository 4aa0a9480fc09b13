"""Rooms that pages of a browser join, and a view that sends to them from outside."""

import json

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from wsrequest import push

__all__ = ["room", "tell"]


def room(request: HttpRequest, name: str) -> HttpResponse:
    """Join a room as ``?member=``, or send to the others in it; nobody may be in "private"."""
    if name == "private":
        return HttpResponse("Not you.", status=403)
    if request.method == "POST":
        message = json.loads(request.body)
        push.send(name, message["event"], message["data"], exclude=request)
        return HttpResponse(status=204)
    member = request.GET.get("member")
    info = {"name": f"Member {member}"} if member else None
    websocket = getattr(request, "websocket", None)
    if websocket and websocket.is_live:
        websocket.join(name, member=member, info=info)
    return JsonResponse({"room": name})


@csrf_exempt
def tell(request: HttpRequest, name: str) -> HttpResponse:
    """Send each number of ``?from=`` to ``?to=``; to one's own session if the name is "mine"."""
    for number in range(int(request.GET["from"]), int(request.GET["to"]) + 1):
        if name == "mine":
            push.send_to_session(request.session.session_key or "", "number", number)
        else:
            push.send(name, "number", number)
    return HttpResponse(status=204)
