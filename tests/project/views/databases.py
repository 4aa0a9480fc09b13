"""Views that read and write: two databases, transactions, and which connection served."""

import threading
from collections import Counter

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from tests.project.apps import COUNTS
from tests.project.models import Mirror, Note

COMMITTED: Counter[str] = Counter()
"""How often the ``on_commit`` hook of each text ran."""


def stored(text: str) -> dict[str, int]:
    """Count the rows of one text, in each database, and its commit hooks."""
    return {
        "default": Note.objects.filter(text=text).count(),
        "other": Mirror.objects.filter(text=text).count(),
        "committed": COMMITTED[text],
    }


def look(request: HttpRequest) -> HttpResponse:
    return JsonResponse(stored(request.GET["text"]))


@csrf_exempt
def write(request: HttpRequest) -> HttpResponse:
    """Write a row to both databases; ``fail`` then raises, ``status`` is the answer's."""
    text = request.GET["text"]
    Note.objects.create(text=text)
    Mirror.objects.create(text=text)
    transaction.on_commit(lambda: COMMITTED.update([text]), using="other")
    if "fail" in request.GET:
        raise RuntimeError("a failure after the rows were written")
    return JsonResponse({"committed": COMMITTED[text]}, status=int(request.GET.get("status", 201)))


@csrf_exempt
def block(request: HttpRequest) -> HttpResponse:
    """Write inside ``atomic``; ``fail`` rolls it back and is caught by the view."""
    text = request.GET["text"]
    try:
        with transaction.atomic(using="default"):
            Note.objects.create(text=text)
            transaction.on_commit(lambda: COMMITTED.update([text]))
            if "fail" in request.GET:
                raise RuntimeError("roll back")
    except RuntimeError:
        pass
    return JsonResponse(stored(text))


def which(request: HttpRequest) -> HttpResponse:
    """Tell which connection to ``default`` this request has, and how many were ever opened."""
    with connection.cursor() as cursor:
        if connection.vendor == "postgresql":
            cursor.execute("SELECT pg_backend_pid()")
        else:
            cursor.execute("SELECT 0")
        (backend,) = cursor.fetchone()
    return JsonResponse(
        {
            "vendor": connection.vendor,
            "backend": backend,
            "connection": id(connection.connection),
            "opened": COUNTS["connection_created"],
            "thread": threading.get_ident(),
        }
    )


async def async_notes(request: HttpRequest) -> HttpResponse:
    """Write and read by the async ORM."""
    note = await Note.objects.acreate(text=request.GET["text"])
    texts = [found.text async for found in Note.objects.filter(pk=note.pk)]
    return JsonResponse({"texts": texts}, status=201)


@method_decorator(csrf_exempt, name="dispatch")
class AsyncNotesView(View):
    async def get(self, request: HttpRequest) -> HttpResponse:
        return JsonResponse({"count": await Note.objects.filter(text=request.GET["text"]).acount()})

    async def post(self, request: HttpRequest) -> HttpResponse:
        note = await Note.objects.acreate(text=request.POST.get("text") or request.GET["text"])
        return JsonResponse({"text": note.text}, status=201)
