"""Responses of every kind."""

import asyncio
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

from asgiref.sync import sync_to_async
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse
from django.http import response as responses
from django.template.response import SimpleTemplateResponse
from django.views.decorators.csrf import csrf_exempt


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
    "304-length": lambda: HttpResponse(status=304, headers={"Content-Length": "5"}),
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
