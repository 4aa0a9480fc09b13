"""Views that tell the recorder everything that they see of a request."""

import hashlib
import json
from collections.abc import Callable
from functools import partial
from threading import get_ident
from typing import Any

from asgiref.sync import sync_to_async
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.translation import get_language, gettext
from django.views.decorators.csrf import csrf_exempt

from tests.parity.project.recorder import MARK, SEEN, began, note


def typed(value: object) -> list[Any]:
    """A value with its type, as JSON can carry it; of an object no more than its type."""
    name = type(value).__name__
    plain = isinstance(value, str | int | float | bool | tuple | None)
    return [name, repr(value)] if plain else [name]


def attempt(function: Callable[[], Any]) -> Any:
    """What a function returns, or the error that it raises."""
    try:
        value = function()
    except Exception as error:
        return [type(error).__name__, str(error)]
    return repr(value)


READERS: dict[str, Callable[[HttpRequest], Any]] = {
    "nothing": lambda request: "",
    "body": lambda request: request.body,
    "post": lambda request: dict(request.POST.lists()),
    "read": lambda request: [request.read(3), request.read(), request.read()],
    "readline": lambda request: [request.readline(), request.readlines()],
    "lines": lambda request: list(request),
    "body-post": lambda request: [request.body, dict(request.POST.lists()), request.read(2)],
    "post-body": lambda request: [dict(request.POST.lists()), request.body],
    "read-body": lambda request: [request.read(1), request.body],
    "read-post": lambda request: [request.read(1), dict(request.POST.lists())],
    "stream": lambda request: [request._stream.read(2), request._stream.read()],
    "json": lambda request: json.loads(request.body),
}


def in_latin_1(request: HttpRequest) -> Any:
    request.encoding = "iso-8859-1"
    return [dict(request.GET.lists()), dict(request.POST.lists())]


def with_handlers(request: HttpRequest) -> Any:
    request.upload_handlers = list(request.upload_handlers[1:])
    return dict(request.POST.lists())


READERS |= {"latin-1": in_latin_1, "handlers": with_handlers}


def describe(request: HttpRequest, how: str) -> dict[str, Any]:
    """Everything that a view can see of a request."""
    read = attempt(lambda: READERS[how](request))
    match = request.resolver_match
    assert match is not None
    files = []
    if request.method == "POST" and how in ("post", "body-post", "post-body", "handlers"):
        for field, found in request.FILES.lists():
            for file in found:
                digest = hashlib.sha256(file.read()).hexdigest()
                extra = repr(file.content_type_extra)
                files.append([field, type(file).__name__, repr(file.name), file.size, digest])
                files[-1] += [file.content_type, repr(file.charset), extra]
    mark = MARK.get()
    MARK.set("of the view")
    names = "method path path_info scheme encoding content_type content_params COOKIES".split()
    return {
        "meta": {key: typed(value) for key, value in request.META.items()},
        "headers": sorted(request.headers.items()),
        "class": type(request).__name__,
        "started": began,
        "context": mark,
        "same_thread": getattr(request, "middleware_thread", None) in (None, get_ident()),
        **{name: repr(getattr(request, name)) for name in names},
        "GET": attempt(lambda: dict(request.GET.lists())),
        "full_path": [request.get_full_path(), request.get_full_path_info()],
        "host": attempt(request.get_host),
        "port": attempt(request.get_port),
        "is_secure": request.is_secure(),
        "uri": [
            attempt(partial(request.build_absolute_uri, x)) for x in (None, "x?y", "/z", "//a")
        ],
        "accepts": [request.accepts("text/html"), request.accepts("application/json")],
        "preferred": attempt(lambda: request.get_preferred_type(["text/html", "text/plain"])),
        "read": read,
        "files": files,
        "upload_handlers": [type(handler).__name__ for handler in request.upload_handlers],
        "user": repr(getattr(request, "user", None)),
        "session": attempt(lambda: sorted(request.session.items())),
        "language": [getattr(request, "LANGUAGE_CODE", None), get_language(), gettext("yes,no")],
        "csrf_exempt": getattr(request, "_dont_enforce_csrf_checks", False),
        "match": [match.view_name, match.route, repr(match.args), repr(match.kwargs)],
        "reverse": reverse("see", args=["body"]),
        "urlconf": repr(getattr(request, "urlconf", None)),
        "repr": repr(request),
        "attributes": sorted(set(vars(request)) - {"META", "_read_started"}),
    }


@csrf_exempt
def see(request: HttpRequest, how: str, rest: str = "", name: str = "") -> HttpResponse:
    SEEN.append(describe(request, how))
    return HttpResponse("seen\n", content_type="text/plain")


@csrf_exempt
async def asee(request: HttpRequest, how: str, rest: str = "") -> HttpResponse:
    SEEN.append(await sync_to_async(describe)(request, how))
    user = await request.auser() if hasattr(request, "auser") else None
    note("view", "auser", user)
    return HttpResponse("seen\n", content_type="text/plain")
