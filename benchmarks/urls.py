"""The views that are measured."""

import json
import time
from pathlib import Path
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import render
from django.urls import path
from django.views.decorators.cache import cache_control
from django.views.decorators.csrf import csrf_exempt
from rest_framework.decorators import api_view
from rest_framework.response import Response
from rest_framework.serializers import ModelSerializer

from benchmarks.committed import write_score
from benchmarks.live_rows import RUN_SECONDS
from benchmarks.models import Score
from benchmarks.push_rows import TEXT
from wsrequest import __file__ as package
from wsrequest import push

HELLO = {"hello": "world"}
_runs: list[None] = []  # append is atomic, += is not


class TypeSerializer(ModelSerializer):
    """A row that every project has."""

    class Meta:
        model = ContentType
        fields = ["id", "app_label", "model"]


class ScoreSerializer(ModelSerializer):
    """One of a list."""

    class Meta:
        model = Score
        fields = ["id", "n", "text"]


def trivial(request: HttpRequest) -> JsonResponse:
    """The least that a view can do."""
    return JsonResponse(HELLO)


async def trivial_async(request: HttpRequest) -> JsonResponse:
    """The same, async."""
    return JsonResponse(HELLO)


@api_view(["GET"])
def retrieve(request: Any, pk: int) -> Response:
    """One row through Django REST framework."""
    return Response(TypeSerializer(ContentType.objects.get(pk=pk)).data)


@api_view(["GET"])
def scores(request: Any) -> Response:
    """A list through Django REST framework."""
    return Response(ScoreSerializer(Score.objects.all(), many=True).data)


@cache_control(public=True)
def score(request: HttpRequest, pk: int) -> JsonResponse:
    """What a crowd is subscribed to. Its runs are counted."""
    _runs.append(None)
    found = Score.objects.get(pk=pk)
    return JsonResponse({"n": found.n, "text": found.text})


@cache_control(public=True)
def sized_page(request: HttpRequest, pk: int, size: int) -> JsonResponse:
    """A page that is the same for all."""
    return JsonResponse({"n": Score.objects.get(pk=pk).n, "text": "x" * size})


def own_page(request: HttpRequest, pk: int, size: int) -> JsonResponse:
    """A page of the user who asks. It takes three queries: session, user and score."""
    if not request.user.is_authenticated:
        return JsonResponse({}, status=403)
    n = Score.objects.get(pk=pk).n
    return JsonResponse({"n": n, "user": request.user.pk, "text": "x" * size})


@cache_control(public=True)
def board(request: HttpRequest) -> HttpResponse:
    """A live page of all rows, as a project writes one. Its runs are counted, too."""
    _runs.append(None)
    return render(request, "benchmarks/board.html", {"scores": Score.objects.order_by("pk")})


def slow(request: HttpRequest, pk: int, n: int) -> JsonResponse:
    """What a greedy client is subscribed to, many times."""
    time.sleep(RUN_SECONDS)
    return JsonResponse({"n": Score.objects.get(pk=pk).n, "of": n})


@csrf_exempt
def set_score(request: HttpRequest, pk: int) -> JsonResponse:
    """Commit a change; answer at which time of ``time.perf_counter`` COMMIT returned."""
    return JsonResponse({"committed": write_score(pk, json.loads(request.body)["n"])})


def runs(request: HttpRequest) -> JsonResponse:
    """How often ``score`` and ``board`` ran so far."""
    return JsonResponse({"runs": len(_runs)})


@csrf_exempt
@cache_control(public=True)
def room(request: HttpRequest) -> JsonResponse:
    """Join a room. POST sends events to it, and answers when that began, as ``set_score``."""
    if request.method == "POST":
        given, begun = json.loads(request.body), time.perf_counter()
        for n in range(given["n"], given["n"] + given["count"]):
            push.send("bench", "step", {"n": n, "text": TEXT})
        return JsonResponse({"committed": begun})
    request.websocket.join("bench")  # type: ignore[attr-defined]
    return JsonResponse({"n": 0})


def page(request: HttpRequest) -> HttpResponse:
    """Where the browser is."""
    return HttpResponse("<!doctype html><title>bodies</title>")


def static(request: HttpRequest, name: str) -> HttpResponse:
    """A file of the browser client."""
    content = Path(package).with_name("static").joinpath("wsrequest", name).read_bytes()
    return HttpResponse(content, content_type="text/javascript")


def _answer(request: HttpRequest, content: bytes) -> HttpResponse:
    response = HttpResponse(content, content_type="application/octet-stream")
    response["X-Way"] = "socket" if hasattr(request, "websocket") else "http"
    return response


@csrf_exempt
def echo(request: HttpRequest) -> HttpResponse:
    """The body."""
    return _answer(request, request.read())


@csrf_exempt
def size(request: HttpRequest) -> HttpResponse:
    """The size of the body."""
    return _answer(request, str(len(request.read())).encode())


def stream(request: HttpRequest, count: int) -> StreamingHttpResponse:
    """A body of this many bytes, made piece by piece."""
    piece = bytes(65536)
    return StreamingHttpResponse(piece for _ in range(count // len(piece)))


@csrf_exempt
def upload(request: HttpRequest) -> HttpResponse:
    """The size of the body, which is read piece by piece."""
    return HttpResponse(str(sum(map(len, iter(lambda: request.read(65536), b"")))))


urlpatterns = [
    path("stream/<int:count>/", stream),
    path("upload/", upload),
    path("trivial/", trivial),
    path("async/", trivial_async),
    path("drf/<int:pk>/", retrieve),
    path("scores/", scores),
    path("live/<int:pk>/", score),
    path("live/<int:pk>/slow/<int:n>/", slow),
    path("live/<int:pk>/set/", set_score),
    path("live/runs/", runs),
    path("board/", board),
    path("push/", room),
    path("static/wsrequest/<str:name>", static),
    path("page/<int:pk>/<int:size>/", sized_page),
    path("own/<int:pk>/<int:size>/", own_page),
    path("bodies/", page),
    path("bodies/static/<str:name>", static),
    path("bodies/echo/", echo),
    path("bodies/size/", size),
]
