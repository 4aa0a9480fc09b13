"""A snippet that several people look at: who is there, who is typing, and a job for all to watch.

The view of the room decides who may be in it and what they may send. It is asked again whenever
what it has read changes, so who may not see the snippet any more is in the room no longer.
"""

import json
import secrets

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404
from django.views.decorators.http import require_http_methods
from django.views.generic import DetailView

from snippets import highlighting, jobs
from snippets.models import Snippet
from snippets.policy import PolicyMixin
from wsrequest import push

MAX_NOTE_CHARACTERS = 200


class RoomPage(PolicyMixin, DetailView):
    """The page of the room of a snippet."""

    model = Snippet
    template_name = "snippets/room.html"

    def get(self, request: HttpRequest, *args: object, **kwargs: object) -> HttpResponse:
        """Give a visitor who is not signed in a name."""
        if not request.user.is_authenticated:
            request.session.setdefault("visitor", f"Visitor {secrets.randbelow(9000) + 1000}")
        return super().get(request, *args, **kwargs)

    def get_context_data(self, **kwargs: object) -> dict[str, object]:
        """Add the highlighted code, and the name of the visitor."""
        snippet = self.object
        code = highlighting.highlight_code(snippet.code, snippet.language, linenos=snippet.linenos)
        return super().get_context_data(code=code, name=name_of(self.request), **kwargs)


def name_of(request: HttpRequest) -> str:
    """Return the name of who asks; "" for a visitor who has not seen the page."""
    return request.user.get_username() or request.session.get("visitor", "")


@require_http_methods(["GET", "POST"])
def room(request: HttpRequest, pk: int) -> HttpResponse:
    """Join the room of a snippet, or by POST send to those who are in it."""
    snippet = get_object_or_404(Snippet, pk=pk)
    name, group = name_of(request), f"snippet:{pk}"
    if not name:
        return JsonResponse({"detail": "Open the page of the room first."}, status=403)
    if request.method == "POST":
        return _take(request, group, name)
    websocket = getattr(request, "websocket", None)  # a plain GET has none
    if websocket and websocket.is_live:
        websocket.join(group, member=name, info={"name": name})
    return JsonResponse({"title": snippet.title})


def _take(request: HttpRequest, group: str, name: str) -> HttpResponse:
    try:
        message = json.loads(request.body)
        event, data = message["event"], message["data"]
    except (ValueError, KeyError, TypeError):
        return JsonResponse({"detail": "Send an event with data."}, status=400)
    if event == "typing":
        push.send(group, "typing", {"name": name}, exclude=request)
    elif event == "note" and isinstance(data, str) and 0 < len(data) <= MAX_NOTE_CHARACTERS:
        push.send(group, "note", {"name": name, "text": data})
    elif event == "highlight":
        return HttpResponse(status=202 if jobs.start(group) else 409)
    else:
        return JsonResponse({"detail": "This room knows no such event."}, status=400)
    return HttpResponse(status=204)
