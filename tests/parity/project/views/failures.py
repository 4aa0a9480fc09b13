"""Views that fail, each in its own way, and views for failures."""

import asyncio
from collections.abc import Callable
from typing import Any

from django.core import exceptions
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from django.template.response import SimpleTemplateResponse
from django.views.decorators.csrf import csrf_exempt

from tests.project.models import Note


class OwnError(Exception):
    pass


def group() -> None:
    raise ExceptionGroup("several", [ValueError("one"), OwnError("two")])


def chained() -> None:
    try:
        raise ValueError("the cause")
    except ValueError as error:
        raise OwnError("grün") from error


ERRORS: dict[str, Callable[[], BaseException]] = {
    "404": lambda: Http404("nothing <here>"),
    "404-bare": Http404,
    "403": lambda: exceptions.PermissionDenied("not <you>"),
    "400": lambda: exceptions.BadRequest("broken"),
    "suspicious": lambda: exceptions.SuspiciousOperation("odd"),
    "host": lambda: exceptions.DisallowedHost("odd host"),
    "redirect": lambda: exceptions.DisallowedRedirect("odd redirect"),
    "file": lambda: exceptions.SuspiciousFileOperation("odd file"),
    "too-big": lambda: exceptions.RequestDataTooBig("too big"),
    "multipart": lambda: MultiPartParserError("broken form"),
    "unreadable": lambda: UnreadablePostError("gone"),
    "validation": lambda: exceptions.ValidationError({"field": ["wrong"]}),
    "missing-row": lambda: Note.DoesNotExist("none"),
    "runtime": lambda: RuntimeError("the view fails"),
    "own": lambda: OwnError("grün\n%s"),
    "key": lambda: KeyError("name"),
    "stop": lambda: StopIteration("ended"),
    "timeout": lambda: TimeoutError("late"),
    "system-exit": lambda: SystemExit(3),
}


def failing(kind: str) -> Any:
    if kind == "none":
        return None
    if kind == "not-a-response":
        return "text"
    if kind == "group":
        group()
    if kind == "chained":
        chained()
    if kind == "coroutine":
        return ERRORS
    raise ERRORS[kind]()


@csrf_exempt
def fail(request: HttpRequest, kind: str) -> Any:
    return failing(kind)


@csrf_exempt
async def afail(request: HttpRequest, kind: str) -> Any:
    await asyncio.sleep(0)
    return failing(kind)


def sync_query_in_async() -> int:
    return Note.objects.count()


async def unsafe(request: HttpRequest) -> HttpResponse:
    """The ORM from async code, which Django refuses."""
    return JsonResponse({"count": sync_query_in_async()})


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return SimpleTemplateResponse(
        "parity/page.html", {"name": repr(exception)}, status=404
    ).render()


def server_error(request: HttpRequest) -> HttpResponse:
    return HttpResponse("own 500", status=500)


async def denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    return HttpResponse(f"own 403: {exception}", status=403)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    raise RuntimeError("the handler of the error fails")
