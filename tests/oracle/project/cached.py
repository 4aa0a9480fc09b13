"""Views that answer from a cache, a session or what Django remembers, as projects write them.

Owns the caches' keys, and what the rest of such a project does: who fills them, who empties them.
"""

import json
from functools import lru_cache
from typing import Any

from django.contrib.contenttypes.models import ContentType
from django.contrib.sites.shortcuts import get_current_site
from django.core.cache import cache, caches
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.cache import cache_page
from django.views.decorators.vary import vary_on_headers

from tests.oracle.project.models import Notebook, Room, Tag

__all__ = ["FORGETTING", "NUMBERS", "forget", "rooms_of_module"]

NUMBERS = ("n0", "n1")
# Longer than a program takes: what ends by its time is shown a little later, which is no fault.
SECONDS = 3600


def names() -> list[str]:
    return list(Tag.objects.order_by("pk").values_list("name", flat=True))


def tags(request: HttpRequest) -> HttpResponse:
    """Names that somebody keeps for an hour, until one is saved (``forget``)."""
    return JsonResponse({"tags": cache.get_or_set("tags", names, SECONDS)})


def others(request: HttpRequest) -> HttpResponse:
    """Another view of the same key."""
    return JsonResponse({"others": cache.get_or_set("tags", names, SECONDS)})


async def asynchronously(request: HttpRequest) -> HttpResponse:
    """The same from a coroutine."""

    async def found() -> list[str]:
        return [tag.name async for tag in Tag.objects.order_by("pk")]

    held = await cache.aget("tags")
    if held is None:
        held = await found()
        await cache.aset("tags", held, SECONDS)
    return JsonResponse({"tags": held})


def many(request: HttpRequest) -> HttpResponse:
    """Several keys at once."""
    return JsonResponse(cache.get_many([f"room-{n}" for n in range(4)]))


def number(request: HttpRequest) -> HttpResponse:
    """A number that others count."""
    return JsonResponse({"number": cache.get("number", 0), "is_there": "flag" in cache})


def numbers(request: HttpRequest) -> HttpResponse:
    """What the two caches of the oracle's world hold, one by one and together."""
    n = int(request.GET["n"])
    table = caches["table"]
    found = {"one": cache.get(f"n{n}"), "table": table.get(f"n{n}"), "is_there": f"n{n}" in table}
    return JsonResponse({**found, "all": cache.get_many(NUMBERS), "more": table.get_many(NUMBERS)})


def short(request: HttpRequest) -> HttpResponse:
    """Kept for the time that the query names."""
    held = cache.get("short")
    if held is None:
        held = Notebook.objects.get(pk=1).text
        cache.set("short", held, float(request.GET["seconds"]))
    return JsonResponse({"short": held})


def config(request: HttpRequest) -> HttpResponse:
    """A configuration that is kept for ever, until a new one is activated (NetBox)."""
    held = cache.get("config")
    if held is None:
        held = dict(Notebook.objects.order_by("pk").values_list("text", "pk"))
        cache.set("config", held, None)
    return JsonResponse({"config": sorted(held)})


@cache_page(SECONDS)
def page(request: HttpRequest) -> HttpResponse:
    """A page that Django keeps."""
    return JsonResponse({"tags": names()})


def fragment(request: HttpRequest) -> HttpResponse:
    """A part of a page that Django keeps."""
    return render(request, "oracle/fragment.html", {"names": names})


@lru_cache(maxsize=1)
def rooms_of_module() -> list[str]:
    """What a module remembers, which nobody sees."""
    return list(Room.objects.order_by("pk").values_list("name", flat=True))


def remembered(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"rooms": rooms_of_module(), "tags": names()})


def site(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"site": get_current_site(request).name})


def content_type(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"key": ContentType.objects.get_for_model(Tag).pk})


# Sessions.


def basket(request: HttpRequest) -> HttpResponse:
    """What the visitor has put into the session."""
    return JsonResponse({"basket": request.session.get("basket", 0)})


def put(request: HttpRequest) -> HttpResponse:
    """Put something into the session."""
    request.session["basket"] = json.loads(request.body)["count"]
    return JsonResponse({})


@vary_on_headers("Cookie")
def look(request: HttpRequest) -> HttpResponse:
    """Read the session, and change nothing."""
    return JsonResponse({"basket": request.session.get("basket", 0)})


def forget(instance: Any, **kwargs: Any) -> None:
    """What a project does when a row is saved or deleted."""
    for key in FORGETTING.get(type(instance), ()):
        cache.delete(key)
    if isinstance(instance, Room):
        rooms_of_module.cache_clear()


FORGETTING: dict[type, tuple[str, ...]] = {Tag: ("tags",), Notebook: ("config",)}
