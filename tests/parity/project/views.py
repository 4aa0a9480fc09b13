"""Views that tell the recorder what they saw of a request, and views that answer in every way."""

import asyncio
import hashlib
import io
import json
from collections.abc import AsyncIterator, Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from django.contrib import messages
from django.core import exceptions
from django.db import IntegrityError, transaction
from django.http import (
    FileResponse,
    Http404,
    HttpRequest,
    HttpResponse,
    JsonResponse,
    StreamingHttpResponse,
    UnreadablePostError,
)
from django.http import response as responses
from django.http.multipartparser import MultiPartParserError
from django.middleware.csrf import get_token
from django.template.response import SimpleTemplateResponse, TemplateResponse
from django.urls import reverse
from django.utils import translation
from django.utils.translation import get_language, gettext
from django.views.decorators.csrf import csrf_exempt

from tests.parity.project.recorder import SEEN, note
from tests.project.models import Mirror, Note

# What a view sees.


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
    request.upload_handlers = request.upload_handlers[1:]
    return dict(request.POST.lists())


READERS |= {"latin-1": in_latin_1, "handlers": with_handlers}


def describe(request: HttpRequest, how: str) -> dict[str, Any]:
    """Everything that a view can see of a request."""
    read = attempt(lambda: READERS[how](request))
    match = request.resolver_match
    files = []
    if request.method == "POST" and how in ("post", "body-post", "post-body", "handlers"):
        for field, found in request.FILES.lists():
            for file in found:
                digest = hashlib.sha256(file.read()).hexdigest()
                extra = repr(file.content_type_extra)
                files.append([field, type(file).__name__, repr(file.name), file.size, digest])
                files[-1] += [file.content_type, repr(file.charset), extra]
    names = "method path path_info scheme encoding content_type content_params COOKIES".split()
    return {
        "meta": {key: typed(value) for key, value in request.META.items()},
        "headers": sorted(request.headers.items()),
        "class": type(request).__name__,
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
def see(request: HttpRequest, how: str, rest: str = "") -> HttpResponse:
    SEEN.append(describe(request, how))
    return HttpResponse("seen\n", content_type="text/plain")


@csrf_exempt
async def asee(request: HttpRequest, how: str, rest: str = "") -> HttpResponse:
    SEEN.append(await sync_to_async(describe)(request, how))
    user = await request.auser() if hasattr(request, "auser") else None
    note("view", "auser", user)
    return HttpResponse("seen\n", content_type="text/plain")


# Answers.


def with_cookies() -> HttpResponse:
    response = HttpResponse("cookies")
    response.set_cookie("plain", "1")
    response.set_cookie("all", 'a "b"; c', max_age=3600, path="/see/", domain="testserver")
    response.set_cookie("flags", "ü", secure=True, httponly=True, samesite="Strict")
    response.set_cookie("dated", "x", expires="Wed, 21 Oct 2099 07:28:00 GMT")
    response.set_signed_cookie("signed", "value", salt="s")
    response.delete_cookie("gone", path="/x/", samesite="None")
    return response


def with_headers() -> HttpResponse:
    response = HttpResponse("headers", headers={"X-Mixed-CASE": "a", "x-lower": "b"})
    response["X-Ümlaut".replace("Ü", "U")] = "grün"
    response["X-Number"] = 7
    response["X-Empty"] = ""
    response["X-Comma"] = 'a, b; c="d"'
    response["X-Long"] = "x" * 4000
    response["Link"] = '</a>; rel="preload", </b>; rel="next"'
    response["Content-Disposition"] = "attachment; filename*=UTF-8''%C3%BC.txt"
    del response["X-Number"]
    return response


def written() -> HttpResponse:
    response = HttpResponse(content_type="text/plain")
    response.write("one ")
    response.writelines(["two ", b"three"])
    return response


ANSWERS: dict[str, Callable[[], Any]] = {
    "text": lambda: HttpResponse("text ü\r\n\t\x0b\x7f\u2028 end", content_type="text/plain"),
    "html": lambda: HttpResponse("<p>ü &amp; \\ \" '</p>"),
    "css": lambda: HttpResponse("a{}", content_type="text/css"),
    "javascript": lambda: HttpResponse("1", content_type="application/javascript"),
    "xml": lambda: HttpResponse("<a/>", content_type="application/xml"),
    "svg": lambda: HttpResponse("<svg/>", content_type="image/svg+xml"),
    "json": lambda: JsonResponse({"ü": [1, 1.0, 1e400, None, True, '\u2028\x00"\\']}),
    "json-text": lambda: JsonResponse("only a string", safe=False),
    "json-null": lambda: JsonResponse(None, safe=False),
    "json-spaced": lambda: JsonResponse({"a": 1}, json_dumps_params={"indent": 2}),
    "json-around": lambda: HttpResponse(' \n{"a": 1}\n', content_type="application/json"),
    "json-utf-16": lambda: HttpResponse('{"a":1}', content_type="application/json; charset=utf-16"),
    "json-bom": lambda: HttpResponse(b'\xef\xbb\xbf{"a":1}', content_type="application/json"),
    "json-nan": lambda: HttpResponse("[NaN]", content_type="application/json"),
    "json-seq": lambda: HttpResponse('{"a":1}\n{"b":2}\n', content_type="application/x-ndjson"),
    "surrogates": lambda: HttpResponse('["\\ud800"]', content_type="application/json"),
    "bytes": lambda: HttpResponse(bytes(range(256)), content_type="application/octet-stream"),
    "not-utf-8": lambda: HttpResponse(b"\xff\xfe", content_type="text/plain"),
    "latin-1": lambda: HttpResponse("grün", content_type="text/plain; charset=iso-8859-1"),
    "no-type": lambda: HttpResponse(b"x", content_type=""),
    "odd-type": lambda: HttpResponse(b"x", content_type="no type at all"),
    "memoryview": lambda: HttpResponse(memoryview(b"view")),
    "iterator": lambda: HttpResponse(iter([b"a", "ü", 7])),
    "written": written,
    "empty": lambda: HttpResponse(),
    "204": lambda: HttpResponse(status=204),
    "204-body": lambda: HttpResponse("ignored", status=204),
    "205": lambda: HttpResponse(status=205),
    "304": lambda: responses.HttpResponseNotModified(),
    "201": lambda: HttpResponse("made", status=201, headers={"Location": "/see/body/"}),
    "301": lambda: responses.HttpResponsePermanentRedirect("/ü/?q=ü"),
    "302": lambda: responses.HttpResponseRedirect("https://example.com/x"),
    "307": lambda: responses.HttpResponseRedirect("../x", preserve_request=True),
    "308": lambda: responses.HttpResponsePermanentRedirect("/x", preserve_request=True),
    "400": lambda: responses.HttpResponseBadRequest("bad"),
    "401": lambda: HttpResponse("who?", status=401, headers={"WWW-Authenticate": "Basic"}),
    "403": lambda: responses.HttpResponseForbidden("no"),
    "404": lambda: responses.HttpResponseNotFound("none"),
    "405": lambda: responses.HttpResponseNotAllowed(["GET", "PUT"]),
    "410": lambda: responses.HttpResponseGone("gone"),
    "418": lambda: HttpResponse("tea", status=418),
    "429": lambda: HttpResponse("slow", status=429, headers={"Retry-After": "7"}),
    "500": lambda: responses.HttpResponseServerError("own"),
    "503": lambda: HttpResponse("later", status=503),
    "599": lambda: HttpResponse("unknown", status=599),
    "reason": lambda: HttpResponse("reason", status=299, reason="All Is Well"),
    "cookies": with_cookies,
    "headers": with_headers,
    "long": lambda: HttpResponse("a long text\n" * 50, content_type="text/plain"),
    "file": lambda: FileResponse(io.BytesIO(b"file content"), filename="a b.txt"),
    "download": lambda: FileResponse(
        Path(__file__).with_name("__init__.py").open("rb"), as_attachment=True
    ),
    "simple-template": lambda: SimpleTemplateResponse("parity/page.html", {"name": "<simple>"}),
    "unrendered": lambda: SimpleTemplateResponse("parity/no-such-page.html"),
    "bad-template": lambda: SimpleTemplateResponse("parity/broken.html"),
}


@csrf_exempt
def answer(request: HttpRequest, kind: str) -> Any:
    return ANSWERS[kind]()


@csrf_exempt
async def aanswer(request: HttpRequest, kind: str) -> Any:
    await asyncio.sleep(0)
    return await sync_to_async(ANSWERS[kind])()


def activate(request: HttpRequest, language: str) -> HttpResponse:
    translation.activate(language)  # and leave it so
    return HttpResponse(language)


# Failures.


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
        return ANSWERS
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


# Streams.


def stream(request: HttpRequest, kind: str) -> StreamingHttpResponse:
    def walk() -> Iterator[bytes | str]:
        note("view", "stream begins")
        try:
            if kind == "fail-first":
                raise RuntimeError("before the first chunk")
            yield "grün "
            if kind == "query":
                yield str(Note.objects.filter(text="never").count())
            if kind == "fail":
                raise RuntimeError("in the middle")
            yield b"end"
        finally:
            note("view", "stream ends")

    if kind == "empty":
        return StreamingHttpResponse([])
    if kind == "list":
        return StreamingHttpResponse([b"one", b"", b"two"], status=202)
    content_type = "text/event-stream" if kind == "events" else "text/plain"
    return StreamingHttpResponse(walk(), content_type=content_type)


async def astream(request: HttpRequest, kind: str) -> StreamingHttpResponse:
    async def walk() -> AsyncIterator[bytes | str]:
        note("view", "stream begins")
        try:
            if kind == "fail-first":
                raise RuntimeError("before the first chunk")
            yield "grün "
            await asyncio.sleep(0)
            if kind == "query":
                yield str(await Note.objects.filter(text="never").acount())
            if kind == "fail":
                raise RuntimeError("in the middle")
            yield b"end"
        finally:
            note("view", "stream ends")

    content_type = "text/event-stream" if kind == "events" else "text/plain"
    return StreamingHttpResponse(walk(), content_type=content_type)


# Templates, sessions, databases.


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
