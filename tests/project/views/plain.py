"""Requests told back, and responses of every plain kind."""

import base64
import gzip
import hashlib
import json
import threading
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseRedirect, JsonResponse
from django.template import Context, Template
from django.template.response import TemplateResponse
from django.utils.decorators import method_decorator
from django.utils.translation import get_language, gettext
from django.views import View
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import condition

from tests.project.apps import COUNTS


def describe(request: HttpRequest) -> dict[str, Any]:
    """Return everything that a view can see of a request, as JSON can carry it."""
    socket = getattr(request, "websocket", None)
    return {
        "method": request.method,
        "path": request.path,
        "full_path": request.get_full_path(),
        "uri": request.build_absolute_uri(),
        "secure": request.is_secure(),
        "query": dict(request.GET.lists()),
        "body": base64.b64encode(request.body).decode(),
        "sha256": hashlib.sha256(request.body).hexdigest(),
        "length": len(request.body),
        "form": dict(request.POST.lists()),
        "content_type": request.content_type,
        "content_params": request.content_params,
        "headers": dict(request.headers),
        "meta": {key: value for key, value in request.META.items() if isinstance(value, str)},
        "cookies": request.COOKIES,
        "websocket": socket
        and {"connection_id": socket.connection_id, "subprotocol": socket.subprotocol},
    }


@csrf_exempt
def echo(request: HttpRequest, rest: str = "") -> HttpResponse:
    return JsonResponse(describe(request))


@method_decorator(csrf_exempt, name="dispatch")
class EchoView(View):
    """One method for each of HTTP's; ``options`` is Django's own."""

    def get(self, request: HttpRequest, **kwargs: str) -> HttpResponse:
        return JsonResponse({"method": request.method, "kwargs": kwargs})

    post = put = patch = delete = get


def ready(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ready", content_type="text/plain")


def counts(request: HttpRequest) -> HttpResponse:
    return JsonResponse(COUNTS)


def thread(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"thread": threading.get_ident(), "name": threading.current_thread().name})


def text(request: HttpRequest) -> HttpResponse:
    return HttpResponse("grün\n", content_type="text/plain; charset=utf-8")


def latin_1(request: HttpRequest) -> HttpResponse:
    return HttpResponse("grün\n".encode("latin-1"), content_type="text/plain; charset=iso-8859-1")


def binary(request: HttpRequest) -> HttpResponse:
    return HttpResponse(bytes(range(256)), content_type="application/octet-stream")


def empty(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b"", content_type="application/json")


def no_content(request: HttpRequest) -> HttpResponse:
    return HttpResponse(status=204)


def odd_json(request: HttpRequest) -> HttpResponse:
    """Valid JSON, spaced and escaped as no printer would print it."""
    return HttpResponse(
        b'{ "b" : 1.0,\r\n\t"a":[ 1e2,"\\u00e9\\/" ],"a":-0 }\n', content_type="application/json"
    )


def problem_json(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"title": "no"}, status=418, content_type="application/problem+json")


def broken_json(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b'{"a": [1, }', content_type="application/json")


def two_values(request: HttpRequest) -> HttpResponse:
    return HttpResponse(b'{"a":1},"status":201,"b":{"c":2}', content_type="application/json")


def big_json(request: HttpRequest) -> HttpResponse:
    """An array of about ``bytes`` bytes (query), 4 MB unless given."""
    rows = int(request.GET.get("bytes", 4_000_000)) // 100
    return JsonResponse([{"n": n, "text": "x" * 80} for n in range(rows)], safe=False)


def big_text(request: HttpRequest) -> HttpResponse:
    return HttpResponse("ein langer Text\n" * 1000, content_type="text/plain")


def zipped_json(request: HttpRequest) -> HttpResponse:
    # Without the time, which gzip writes into its header: two answers are to be equal bytes.
    body = gzip.compress(json.dumps({"zipped": True}).encode(), mtime=0)
    return HttpResponse(body, content_type="application/json", headers={"Content-Encoding": "gzip"})


def redirect(request: HttpRequest) -> HttpResponse:
    return HttpResponseRedirect("/echo/?from=redirect")


@condition(etag_func=lambda request: '"version-1"')
def tagged(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"version": 1})


def page(request: HttpRequest) -> HttpResponse:
    """A TemplateResponse: rendered after the view, behind the middleware's template hook."""
    return TemplateResponse(request, "project/page.html", {"name": request.GET.get("name", "")})


def language(request: HttpRequest) -> HttpResponse:
    return JsonResponse({"language": get_language(), "yes": gettext("yes,no,maybe")})


def cookies(request: HttpRequest) -> HttpResponse:
    """Set each cookie of the query, for ``path`` if that is given; delete those of ``delete``."""
    response = JsonResponse(request.COOKIES)
    for name, value in request.GET.items():
        if name not in ("path", "delete"):
            response.set_cookie(name, str(value), path=request.GET.get("path", "/"))
    for name in request.GET.getlist("delete"):
        response.delete_cookie(name)
    return response


@csrf_exempt
def upload(request: HttpRequest) -> HttpResponse:
    """Take a form with files; tell where Django kept each."""
    return JsonResponse(
        {
            "form": dict(request.POST.lists()),
            "files": [
                {
                    "field": field,
                    "name": file.name,
                    "size": file.size,
                    "type": file.content_type,
                    "kept": type(file).__name__,
                    "sha256": hashlib.sha256(file.read()).hexdigest(),
                }
                for field, files in request.FILES.lists()
                for file in files
            ],
        },
        status=201,
    )


@csrf_exempt
def piecewise(request: HttpRequest) -> HttpResponse:
    """Read the body as a stream, which DATA_UPLOAD_MAX_MEMORY_SIZE does not limit."""
    digest, length = hashlib.sha256(), 0
    while piece := request.read(8192):
        digest.update(piece)
        length += len(piece)
    return JsonResponse({"length": length, "sha256": digest.hexdigest()})


def client_page(request: HttpRequest) -> HttpResponse:
    """The script element of the browser client."""
    return HttpResponse(Template("{% load wsrequest %}{% wsrequest_client %}").render(Context({})))


@csrf_exempt
def handed_over(request: HttpRequest) -> HttpResponse:
    """Leave the answer to the proxy, which is to send a file that only it may reach."""
    response = HttpResponse(b"")
    response[request.GET["header"]] = "/internal/secret.pdf"
    return response
