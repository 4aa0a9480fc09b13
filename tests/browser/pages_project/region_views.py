"""Pages with regions, and what the views of these answer."""

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.shortcuts import redirect, render
from django.utils.safestring import mark_safe
from django.views.decorators.csrf import csrf_exempt

from tests.browser.pages_project.models import Note

__all__ = ["around", "part"]


@csrf_exempt
def around(request: HttpRequest) -> HttpResponse:
    """A page that shows ``?html=``. It reads nothing, so only its regions are live.

    ``?template=`` names another template.
    """
    html = mark_safe(request.GET.get("html", ""))  # the tests' own
    template = request.GET.get("template", "around.html")
    return render(request, template, {"html": html, "notes": Note.objects.all()})


def part(request: HttpRequest, kind: str) -> HttpResponseBase:
    """All notes, or as soon as there is a note named ``odd``, an answer of a kind."""
    titles = [note.title for note in Note.objects.all()]
    rows = "".join(f'<li id="note-{title}">{title}</li>' for title in titles)
    shown = f"<ul>{rows}</ul>"
    match kind:
        case "mine":
            return _mine(request)
        case "document":
            return HttpResponse(
                f"<!doctype html><title>x</title><h1>x</h1><section id=r>{shown}</section>"
            )
        case "template":
            own = f'<live-region id=r src="{request.path}">{shown}</live-region>'
            return HttpResponse(f"<!doctype html><title>x</title>{own}<h1>x</h1>")
        case "body":
            return HttpResponse(f"<html><head><title>x</title></head><body>{shown}</body></html>")
        case "itself":
            return HttpResponse(f'{shown}<live-region src="{request.path}"></live-region>')
        case "deeper":
            depth = int(request.GET.get("n", 0))
            return HttpResponse(
                f'{shown}<live-region src="{request.path}?n={depth + 1}"></live-region>'
            )
        case "form":
            return HttpResponse(f'{shown}<form><input name="title"></form>')
    if "odd" not in titles:
        return HttpResponse(shown)
    match kind:
        case "json":
            return JsonResponse({"notes": titles})
        case "redirect":
            return redirect("/notes/")
        case "broken":
            return HttpResponse(f"</live-region></div></body><b><ul><li id=note-odd>{shown}<p><!--")
        case "large":
            filler = "".join(f"<p>{number:070}</p>" for number in range(67_000))
            return HttpResponse(f"<ul>{rows}</ul>{filler}")
    return HttpResponse("<p>error", status=int(kind))


@login_required
def _mine(request: HttpRequest) -> HttpResponse:
    return HttpResponse(f"<b>{request.user}</b> has {Note.objects.count()}")
