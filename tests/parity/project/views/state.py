"""Views that change what lasts: sessions, messages, rows, the language of the thread."""

import asyncio

from django.contrib import messages
from django.db import IntegrityError, transaction
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.middleware.csrf import get_token
from django.template.response import TemplateResponse
from django.utils import translation
from django.views.decorators.csrf import csrf_exempt

from tests.parity.project.recorder import note
from tests.project.models import Mirror, Note


def activate(request: HttpRequest, language: str) -> HttpResponse:
    translation.activate(language)  # and leave it so
    return HttpResponse(language)


def page(request: HttpRequest) -> TemplateResponse:
    response = TemplateResponse(request, "parity/page.html", {"name": "<view>"})
    response.add_post_render_callback(lambda _: note("view", "rendered"))
    return response


def session(request: HttpRequest, do: str) -> HttpResponse:
    store = request.session
    if do == "set":
        store["x"] = {"list": [1], "text": "ü"}
    elif do == "count":
        store["n"] = store.get("n", 0) + 1
    elif do == "expire":
        store.set_expiry(600)
    elif do == "browser":
        store.set_expiry(0)
    elif do == "cycle":
        store.cycle_key()
    elif do == "flush":
        store.flush()
    elif do == "test":
        store.set_test_cookie()
    elif do == "message":
        messages.add_message(request, messages.WARNING, "a <message>", extra_tags="tag")
    elif do == "messages":
        return JsonResponse(
            [[m.level, str(m), m.tags] for m in messages.get_messages(request)], safe=False
        )
    elif do == "token":
        return JsonResponse({"token": get_token(request)})
    return JsonResponse({"key": store.session_key, "items": sorted(store.items())})


async def asession(request: HttpRequest, do: str) -> HttpResponse:
    n = await request.session.aget("n", 0)
    if do == "count":
        await request.session.aset("n", n + 1)
    return JsonResponse({"n": n, "user": str(await request.auser())})


@csrf_exempt
def rows(request: HttpRequest, do: str) -> HttpResponse:
    """Write and read; what is undone stays undone."""
    transaction.on_commit(lambda: note("view", "on_commit", transaction.get_autocommit()))
    if do == "read":
        return JsonResponse({"count": Note.objects.filter(text="parity").count()})
    note_ = Note.objects.create(text="parity")
    if do == "fail":
        raise RuntimeError("after a write")
    if do == "404":
        raise Http404("after a write")
    if do == "two":
        Mirror.objects.create(text=str(Mirror.objects.count()))
    if do == "atomic":
        try:
            with transaction.atomic():
                Note.objects.create(pk=note_.pk, text="twice")
        except IntegrityError as error:
            note("view", "caught", type(error).__name__)
    if do == "rollback":
        with transaction.atomic():
            Note.objects.create(text="undone")
            transaction.set_rollback(True)
    note_.text = "parity, changed"
    note_.save(update_fields=["text"])
    note_.delete()
    return JsonResponse({"in_atomic": transaction.get_connection().in_atomic_block})


async def arows(request: HttpRequest) -> HttpResponse:
    made = await Note.objects.acreate(text="parity")
    found, count = await asyncio.gather(
        Note.objects.aget(pk=made.pk), Note.objects.filter(text="parity").acount()
    )
    await made.adelete()
    return JsonResponse({"text": found.text, "count": count})
