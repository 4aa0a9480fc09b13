"""Views that answer in every way that a page can tell apart."""

import gzip
import zlib
from collections.abc import Callable, Iterator

from django.http import (
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    JsonResponse,
    StreamingHttpResponse,
)
from django.middleware.csrf import rotate_token
from django.views.decorators.csrf import csrf_exempt, csrf_protect

from tests.browser.project.bodies import way_of
from tests.browser.project.journal import note

__all__ = [
    "broken",
    "cached",
    "cookies",
    "csrf",
    "encoded",
    "form",
    "long",
    "many_headers",
    "parts",
    "raises",
    "redirect",
    "status",
    "typed",
    "visits",
    "way",
]

LINES = "".join(f"line {number} of a text that compresses well\n" for number in range(200))


def way(request: HttpRequest) -> HttpResponse:
    """Which transport this came by."""
    return HttpResponse(way_of(request), content_type="text/plain")


@csrf_protect
def csrf(request: HttpRequest) -> HttpResponse:
    """As ``way``, for whoever passes Django's check."""
    return way(request)


@csrf_exempt
def status(request: HttpRequest, status: int) -> HttpResponse:
    """An answer with this status, and with a body where one may be."""
    has_body = status not in (204, 205, 304)
    return HttpResponse(f"status {status}" if has_body else "", status=status)


@csrf_exempt
def redirect(request: HttpRequest, status: int) -> HttpResponse:
    """A redirect to ``?to=``; with ``?times=`` to itself, so many times before."""
    times = int(request.GET.get("times", 0))
    to = f"?times={times - 1}&to={request.GET['to']}" if times else request.GET.get("to")
    response = HttpResponse("go there", status=status)
    if to is not None:
        response["Location"] = to
    return response


def typed(request: HttpRequest) -> HttpResponse:
    """Bytes of ``?hex=`` as of the type ``?type=``; without one, without a Content-Type."""
    kind = request.GET.get("type")
    response = HttpResponse(bytes.fromhex(request.GET["hex"]), content_type=kind)
    if kind is None:
        del response["Content-Type"]
    return response


def many_headers(request: HttpRequest) -> HttpResponse:
    """Headers in no order, in mixed case, one of them empty, one outside of ASCII."""
    response = HttpResponse("headers")
    response["X-Zebra"] = "last"
    response["x-lower"] = "1"
    response["X-Apple"] = "a, b"
    response["X-Empty"] = ""
    response["X-Latin"] = "caf\xe9"
    response["Link"] = "</a>; rel=preload"
    response["ETag"] = '"e1"'
    response["Cache-Control"] = "no-store"
    return response


def cookies(request: HttpRequest) -> HttpResponse:
    """Two cookies, one of them HttpOnly, so that the header stands there twice."""
    response = HttpResponse("cookies")
    response.set_cookie("plain", "1")
    response.set_cookie("hidden", "2", httponly=True)
    return response


def visits(request: HttpRequest) -> HttpResponse:
    """Count the visits of a session; ``?do=`` login, renew or logout does that to it.

    ``?do=enter`` is a login with a new CSRF secret, as Django's own.

    ``?expiry=``: the session lives for so many seconds, 0 for until the browser ends.
    """
    action = request.GET.get("do")
    if action == "logout":
        request.session.flush()
    elif action in ("login", "renew", "enter"):
        request.session.cycle_key()
    if action == "enter":
        rotate_token(request)
    if action != "logout" and (action or request.session.session_key):
        request.session["visits"] = request.session.get("visits", 0) + 1
    if "expiry" in request.GET:
        request.session.set_expiry(int(request.GET["expiry"]))
    return JsonResponse({"visits": request.session.get("visits", 0), "way": way_of(request)})


def encoded(request: HttpRequest, encoding: str) -> HttpResponse:
    """A text that the view itself has encoded, whatever the client accepts."""
    plain = LINES.encode()
    deflate = zlib.compressobj(wbits=-zlib.MAX_WBITS)
    made: dict[str, Callable[[], bytes]] = {
        "gzip": lambda: gzip.compress(plain, mtime=0),
        "deflate": lambda: zlib.compress(plain),
        "raw": lambda: deflate.compress(plain) + deflate.flush(),
        "broken": lambda: gzip.compress(plain, mtime=0)[:100] + b"broken",
        "empty": lambda: b"",
    }
    response = HttpResponse(made[encoding](), content_type="text/plain")
    response["Content-Encoding"] = {"raw": "deflate", "deflate": "deflate"}.get(encoding, "gzip")
    return response


def long(request: HttpRequest) -> HttpResponse:
    """A text that GZipMiddleware compresses by HTTP."""
    return HttpResponse(LINES, content_type="text/plain; charset=utf-8")


def parts(request: HttpRequest) -> StreamingHttpResponse:
    """A stream of ``?count=`` parts of ``?size=`` bytes, each of another byte."""
    count, size = int(request.GET.get("count", 3)), int(request.GET.get("size", 5))

    def body() -> Iterator[bytes]:
        for number in range(count):
            yield bytes([number % 256]) * size

    return StreamingHttpResponse(body(), content_type="application/x-parts")


def broken(request: HttpRequest) -> HttpResponseBase:
    """A stream that fails in its middle."""

    def body() -> Iterator[bytes]:
        yield b"x" * 2000
        raise ValueError("the stream breaks here, on purpose")

    return StreamingHttpResponse(body(), content_type="application/octet-stream")


def raises(request: HttpRequest) -> HttpResponse:
    """A view that fails."""
    note("raises")
    raise ValueError("the view fails, on purpose")


def form(request: HttpRequest) -> HttpResponse:
    """A form as an answer, for ``response.formData()``."""
    if request.GET.get("kind") == "urlencoded":
        return HttpResponse("a=1&b=%C3%A9", content_type="application/x-www-form-urlencoded")
    lines = [
        *("--edge", 'Content-Disposition: form-data; name="a"', "", "1"),
        *("--edge", 'Content-Disposition: form-data; name="f"; filename="f.txt"'),
        *("Content-Type: text/plain", "", "content", "--edge--", ""),
    ]
    return HttpResponse("\r\n".join(lines), content_type="multipart/form-data; boundary=edge")


def cached(request: HttpRequest) -> HttpResponse:
    """An answer with a validator, for conditional requests."""
    response = HttpResponse("cached")
    response["ETag"] = '"e2"'
    response["Cache-Control"] = "max-age=60"
    return response
