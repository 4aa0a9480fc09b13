"""Requests: for Django, a message looks like the same request over HTTP."""

import io
import json
from types import SimpleNamespace
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler

import pytest
from django.core.files.uploadedfile import UploadedFile
from django.core.handlers.wsgi import WSGIRequest
from django.middleware.csrf import CsrfViewMiddleware

from wsrequest.errors import Refused
from wsrequest.protocol.client_codec import decode_client
from wsrequest.protocol.headers import HeaderNames
from wsrequest.protocol.messages import Request
from wsrequest.request.environ import (
    Base,
    WebSocketInfo,
    make_base,
    make_environ,
    request_attributes,
    split_url,
)
from wsrequest.request.exclusions import check_overrides, check_referrer, takes_referrer

ORIGIN = "http://testserver"
FORM = "application/x-www-form-urlencoded"
INFO = WebSocketInfo("c1", None)


def base(*headers: tuple[bytes, bytes], origin: str | None = None, root_path: str = "") -> Base:
    """What the handshake of a plain client said."""
    found = [(b"host", b"testserver"), (b"user-agent", b"Client/1"), *headers]
    if origin is not None:
        found.append((b"origin", origin.encode()))
    made = make_base(
        {
            "type": "websocket",
            "scheme": "ws",
            "root_path": root_path,
            "client": ("203.0.113.7", 4711),
            "server": ("testserver", 80),
            "headers": found,
        }
    )
    made.is_same_origin = origin == ORIGIN
    return made


def request_of(
    frame: dict[str, Any],
    made_base: Base | None = None,
    cookie: str = "",
    body: bytes | None = None,
) -> WSGIRequest:
    """The request that a frame becomes; ``body`` is what follows the head of a binary frame."""
    text = json.dumps(frame)
    message = decode_client(text if body is None else text.encode() + b"\n" + body)
    assert isinstance(message, Request)
    made_base = made_base or base()
    environ = make_environ(
        message,
        made_base,
        cookie=cookie,
        token_scheme="JWT",
    )
    request = WSGIRequest(environ)
    vars(request).update(request_attributes(made_base, INFO))
    return request


def by_http(raw: bytes, root_path: str = "") -> WSGIRequest:
    """The request that the standard library's WSGI server makes of the bytes of an HTTP call."""
    handler = WSGIRequestHandler.__new__(WSGIRequestHandler)
    handler.rfile = io.BytesIO(raw)
    handler.client_address = ("203.0.113.7", 4711)
    handler.server = SimpleNamespace(  # type: ignore[assignment]
        base_environ={
            "SERVER_NAME": "testserver",
            "SERVER_PORT": "80",
            "SCRIPT_NAME": root_path,
            "GATEWAY_INTERFACE": "CGI/1.1",
            "REMOTE_HOST": "",
        }
    )
    handler.raw_requestline = handler.rfile.readline()  # type: ignore[attr-defined]  # of its base
    assert handler.parse_request()
    environ = handler.get_environ()
    if "content-type" not in handler.headers:
        del environ["CONTENT_TYPE"]  # its own invention
    if root_path:  # as servers that are mounted cut it
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix(root_path)
    return WSGIRequest({**environ, "wsgi.input": handler.rfile, "wsgi.url_scheme": "http"})


def seen(request: WSGIRequest) -> dict[str, Any]:
    """Everything of a request that a view can see, but for what names the server."""
    body = request.body
    names = (
        *("PATH_INFO", "SCRIPT_NAME", "QUERY_STRING", "REQUEST_METHOD", "REMOTE_ADDR"),
        *("SERVER_NAME", "SERVER_PORT", "SERVER_PROTOCOL", "CONTENT_TYPE", "CONTENT_LENGTH"),
    )
    return {
        "path": request.path,
        "path_info": request.path_info,
        "full_path": request.get_full_path(),
        "uri": request.build_absolute_uri(),
        "method": request.method,
        "GET": request.GET.lists() and dict(request.GET.lists()),
        "POST": dict(request.POST.lists()),
        "body": body,
        "content_type": request.content_type,
        "content_params": request.content_params,
        "encoding": request.encoding,
        "COOKIES": request.COOKIES,
        "headers": dict(request.headers.items()),
        "META": {name: request.META.get(name) for name in names},
    }


COMMON = "Host: testserver\r\nUser-Agent: Client/1\r\n"

PATHS = [
    pytest.param("/", "/", id="root"),
    pytest.param("/api/snippets/", "/api/snippets/", id="plain"),
    pytest.param("/no-slash", "/no-slash", id="without-last-slash"),
    pytest.param("/a//b/", "/a//b/", id="double-slash-within"),
    pytest.param("/a/./b/../c", "/a/./b/../c", id="dots-stay"),
    pytest.param("/a%20b/", "/a%20b/", id="space"),
    pytest.param("/caf%C3%A9/", "/caf%C3%A9/", id="utf-8"),
    pytest.param("/café/", "/caf%C3%A9/", id="not-encoded"),
    pytest.param("/%F0%9F%98%80/", "/%F0%9F%98%80/", id="emoji"),
    pytest.param("/%FF%FE/", "/%FF%FE/", id="broken-utf-8"),
    pytest.param("/caf%C3/%A9", "/caf%C3/%A9", id="half-a-character"),
    pytest.param("/%2F%2f/x", "/%2F%2f/x", id="encoded-slash"),
    pytest.param("/100%/x", "/100%/x", id="lone-percent"),
    pytest.param("/%zz/", "/%zz/", id="no-hexadecimal"),
    pytest.param("/a+b/", "/a+b/", id="plus-in-path"),
    pytest.param("/a;b=1/", "/a;b=1/", id="parameters"),
    pytest.param("/%3Fq=1", "/%3Fq=1", id="encoded-question-mark"),
    pytest.param("/%23x", "/%23x", id="encoded-hash"),
    pytest.param("/%00/", "/%00/", id="encoded-zero"),
    pytest.param("/x?", "/x?", id="empty-query"),
    pytest.param("/x?a=1&a=2&b=", "/x?a=1&a=2&b=", id="query"),
    pytest.param("/x?a=1?b=2", "/x?a=1?b=2", id="second-question-mark"),
    pytest.param("/x?q=a+b%20c%26d", "/x?q=a+b%20c%26d", id="query-encoded"),
    pytest.param("/x?q=caf%C3%A9", "/x?q=caf%C3%A9", id="query-utf-8"),
    pytest.param("/x?q=café", "/x?q=caf%C3%A9", id="query-not-encoded"),
    pytest.param("/x?q=%FF", "/x?q=%FF", id="query-broken-utf-8"),
    pytest.param("/x?flag", "/x?flag", id="query-without-value"),
    pytest.param("/x?a=1;b=2", "/x?a=1;b=2", id="query-semicolon"),
]


@pytest.mark.parametrize(("url", "target"), PATHS)
def test_a_url_is_what_it_is_by_http(url: str, target: str) -> None:
    mine = seen(request_of({"url": url}))
    theirs = seen(by_http(f"GET {target} HTTP/1.1\r\n{COMMON}\r\n".encode()))
    if mine["META"]["QUERY_STRING"] != theirs["META"]["QUERY_STRING"]:  # not encoded by the client
        assert not url.isascii()
        for found in (mine, theirs):
            for member in ("full_path", "uri"):
                del found[member]
            del found["META"]["QUERY_STRING"]
    assert mine == theirs


@pytest.mark.parametrize("method", ["GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
def test_a_method_without_body_is_what_it_is_by_http(method: str) -> None:
    # Fetch standard, HTTP-network-or-cache fetch: only POST and PUT say that there is none.
    length = "Content-Length: 0\r\n" if method in ("POST", "PUT") else ""
    theirs = by_http(f"{method} /x HTTP/1.1\r\n{COMMON}{length}\r\n".encode())
    assert seen(request_of({"method": method.lower(), "url": "/x"})) == seen(theirs)


@pytest.mark.parametrize(
    ("frame", "raw_body", "content_type", "body"),
    [
        pytest.param({"data": {"a": 1}}, None, "application/json", b'{"a": 1}', id="json"),
        pytest.param(
            {"data": [1], "headers": {"Content-Type": "application/x+json"}},
            None,
            "application/x+json",
            b"[1]",
            id="json-of-another-type",
        ),
        pytest.param({"body": "é"}, None, "text/plain;charset=UTF-8", "é".encode(), id="text"),
        pytest.param({"body": ""}, None, "text/plain;charset=UTF-8", b"", id="empty-text"),
        pytest.param(
            {"body": "a=1&b=%C3%A9", "headers": {"content-type": FORM}},
            None,
            FORM,
            b"a=1&b=%C3%A9",
            id="form",
        ),
        pytest.param(
            {"headers": {"Content-Type": "image/png"}},
            b"\x89PNG\n",
            "image/png",
            b"\x89PNG\n",
            id="bytes",
        ),
        pytest.param(
            {"headers": {"Content-Type": "text/plain; charset=iso-8859-1"}},
            b"\xe9",
            "text/plain; charset=iso-8859-1",
            b"\xe9",
            id="bytes-in-another-charset",
        ),
    ],
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
def test_a_body_is_what_it_is_by_http(
    method: str, frame: dict[str, Any], raw_body: bytes | None, content_type: str, body: bytes
) -> None:
    head = f"{method} /x HTTP/1.1\r\n{COMMON}Content-Type: {content_type}\r\n"
    raw = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body
    mine = request_of({"method": method, "url": "/x", **frame}, body=raw_body)
    assert seen(mine) == seen(by_http(raw))


def test_a_multipart_body_is_parsed_by_django() -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n'
        b'--x\r\nContent-Disposition: form-data; name="f"; filename="n.bin"\r\n'
        b"Content-Type: application/octet-stream\r\n\r\n\x00\n\xff\r\n--x--\r\n"
    )
    request = request_of(
        {
            "method": "POST",
            "url": "/x",
            "headers": {"Content-Type": "multipart/form-data; boundary=x"},
        },
        body=body,
    )
    assert request.POST["a"] == "1"
    uploaded = request.FILES["f"]
    assert isinstance(uploaded, UploadedFile)
    assert uploaded.read() == b"\x00\n\xff"
    request.close()


def test_bytes_without_a_type_have_none() -> None:
    request = request_of({"method": "PUT", "url": "/x"}, body=b"x")
    assert "CONTENT_TYPE" not in request.META
    assert request.content_type == ""


def test_headers_are_what_they_are_by_http() -> None:
    headers = {"X-Custom": "b", "If-None-Match": '"tag"', "x-lower": "1", "Accept": "text/html"}
    raw = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    theirs = by_http(f"GET /x HTTP/1.1\r\n{COMMON}{raw}\r\n".encode())
    assert seen(request_of({"url": "/x", "headers": headers})) == seen(theirs)


def test_the_space_around_a_value_is_no_part_of_it() -> None:
    """RFC 9110 5.5; fetch takes it away (Fetch standard, "normalize")."""
    raw = f"GET /x HTTP/1.1\r\n{COMMON}X-A:  b \t\r\n\r\n".encode()
    mine = request_of({"url": "/x", "headers": {"X-A": " b \t"}})
    assert mine.headers["X-A"] == by_http(raw).headers["X-A"] == "b"


def test_cookies_are_what_they_are_by_http() -> None:
    theirs = by_http(f'GET /x HTTP/1.1\r\n{COMMON}Cookie: a=1; b="x y"\r\n\r\n'.encode())
    assert seen(request_of({"url": "/x"}, cookie='a=1; b="x y"')) == seen(theirs)


def test_without_cookies_there_is_no_cookie_header() -> None:
    assert "HTTP_COOKIE" not in request_of({"url": "/x"}).META


# The query.


@pytest.mark.parametrize(
    ("url", "data", "query"),
    [
        ("/x", {"a": 1}, "a=1"),
        ("/x?b=2", {"a": 1}, "b=2&a=1"),
        ("/x?", {"a": 1}, "a=1"),
        ("/x?a=0", {"a": [1, "2", True]}, "a=0&a=1&a=2&a=true"),
        ("/x?b=2", {}, "b=2"),
        ("/x", {"q": "a b&c=é"}, "q=a+b%26c%3D%C3%A9"),
    ],
)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_data_is_added_to_the_query(
    method: str, url: str, data: dict[str, Any], query: str
) -> None:
    request = request_of({"method": method, "url": url, "data": data})
    assert request.META["QUERY_STRING"] == query
    assert request.body == b""


def test_split_url_cuts_at_the_first_question_mark() -> None:
    assert split_url("/a%3F/?b=1?c") == ("/a%3F/", "b=1?c")
    assert split_url("/a") == ("/a", "")


# The path of a mounted application.


@pytest.mark.parametrize("url", ["/app/x/", "/app/", "/app/caf%C3%A9/"])
def test_a_mounted_application_sees_the_path_as_by_http(url: str) -> None:
    theirs = by_http(f"GET {url} HTTP/1.1\r\n{COMMON}\r\n".encode(), root_path="/app")
    assert seen(request_of({"url": url}, base(root_path="/app"))) == seen(theirs)


def test_the_mount_point_itself_is_the_root() -> None:
    request = request_of({"url": "/app"}, base(root_path="/app"))
    assert (request.path_info, request.META["SCRIPT_NAME"]) == ("/", "/app")


def test_a_mount_point_outside_of_ascii_is_cut() -> None:
    request = request_of({"url": "/%C3%A4/x"}, base(root_path="/ä"))
    assert (request.path_info, request.path) == ("/x", "/ä/x")


def test_a_path_that_only_begins_like_the_mount_point_is_not_cut() -> None:
    request = request_of({"url": "/apple/"}, base(root_path="/app"))
    assert request.path_info != "le/"


def test_force_script_name_is_a_mount_point(settings: Any) -> None:
    """A page under /app fetches /app/x/, and Django's ASGI handler cuts /app off."""
    settings.FORCE_SCRIPT_NAME = "/app"
    request = request_of({"url": "/app/x/"})
    assert (request.path_info, request.path) == ("/x/", "/app/x/")
    assert request.META["SCRIPT_NAME"] == "/app"


# The token.


def test_a_token_becomes_the_authorization_header() -> None:
    request = request_of({"url": "/x", "token": "abc"}, base((b"authorization", b"Basic old")))
    assert request.META["HTTP_AUTHORIZATION"] == "JWT abc"


def test_no_token_leaves_the_authorization_of_the_handshake() -> None:
    request = request_of({"url": "/x", "token": None}, base((b"authorization", b"Basic old")))
    assert request.META["HTTP_AUTHORIZATION"] == "Basic old"


@pytest.mark.parametrize("name", ["Authorization", "authorization"])
def test_a_token_beside_the_header_is_refused(name: str) -> None:
    with pytest.raises(Refused) as caught:
        request_of({"id": 7, "url": "/x", "token": "a", "headers": {name: "Bearer b"}})
    assert (caught.value.code, caught.value.id) == ("bad_header", 7)


# Headers that only the handshake may have.


def headed(name: str, value: str) -> Request:
    return Request("GET", "/x", headers={name: value})


@pytest.mark.parametrize("name", ["X-Proxy-User", "x-proxy-user", "Host2"])
def test_a_header_of_the_handshake_cannot_be_replaced(name: str) -> None:
    made = base((b"x-proxy-user", b"alice"), (b"host2", b"x"))
    with pytest.raises(Refused) as caught:
        check_overrides(headed(name, "mallory"), made, frozenset())
    assert caught.value.code == "bad_header"


@pytest.mark.parametrize(
    "name",
    ["Accept", "Accept-Language", "Authorization", "Cache-Control", "Pragma", "User-Agent"],
)
def test_what_fetch_sets_anew_replaces_the_handshake(name: str) -> None:
    made = base((name.lower().encode(), b"old"))
    check_overrides(headed(name, "new"), made, frozenset())
    request = request_of({"url": "/x", "headers": {name: "new"}}, made)
    assert request.headers[name] == "new"
    assert request_of({"url": "/x"}, made).headers.get(name) != "new"


@pytest.mark.parametrize("name", ["X-Project-Secret", "x-project-secret"])
def test_a_header_that_the_project_keeps_cannot_be_set(name: str) -> None:
    with pytest.raises(Refused) as caught:
        check_overrides(headed(name, "x"), base(), frozenset({"x-project-secret"}))
    assert caught.value.code == "bad_header"


def test_a_token_is_a_header_that_the_project_keeps() -> None:
    message = Request("GET", "/x", token="forged")
    check_overrides(message, base(), HeaderNames.of(["X-Project-Secret"]))
    for pattern in ("Authorization", "auth*"):
        with pytest.raises(Refused, match="cannot give a token") as caught:
            check_overrides(message, base(), HeaderNames.of([pattern]))
        assert caught.value.code == "bad_header"


def test_requests_of_one_connection_do_not_share_their_environ() -> None:
    made = base()
    request_of({"url": "/x", "headers": {"X-A": "1"}, "method": "POST", "data": 1}, made)
    second = request_of({"url": "/y"}, made)
    assert "HTTP_X_A" not in second.META
    assert "CONTENT_TYPE" not in second.META
    assert "PATH_INFO" not in made.environ


# Origin and CSRF.


@pytest.mark.parametrize(
    ("origin", "method", "shown"),
    [
        (ORIGIN, "GET", False),
        (ORIGIN, "HEAD", False),
        (ORIGIN, "POST", True),
        (ORIGIN, "PUT", True),
        (ORIGIN, "PATCH", True),
        (ORIGIN, "DELETE", True),
        (ORIGIN, "OPTIONS", True),
        ("https://app.example", "GET", True),
        ("https://app.example", "POST", True),
        (None, "POST", False),
    ],
)
def test_origin_is_shown_where_fetch_sends_it(origin: str | None, method: str, shown: bool) -> None:
    request = request_of({"method": method, "url": "/x"}, base(origin=origin))
    assert request.META.get("HTTP_ORIGIN") == (origin if shown else None)


def csrf_verdict(request: WSGIRequest) -> int:
    """What Django's middleware, asked before the view, makes of a request without any token."""
    view: Any = lambda _: None  # noqa: E731  # neither is called
    middleware = CsrfViewMiddleware(view)
    middleware.process_request(request)
    response = middleware.process_view(request, view, (), {})
    return 200 if response is None else response.status_code


def test_a_checked_origin_stands_in_for_the_csrf_token() -> None:
    made = base(origin="https://app.example")
    assert csrf_verdict(request_of({"method": "POST", "url": "/x"}, made)) == 200


@pytest.mark.filterwarnings("ignore:.*Forbidden")
def test_without_origin_django_checks_the_token() -> None:
    assert csrf_verdict(request_of({"method": "POST", "url": "/x"}, cookie="sessionid=a")) == 403


def test_a_request_knows_its_socket() -> None:
    assert request_of({"url": "/x"}).websocket is INFO  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("frame", "expected"),
    [
        pytest.param({"url": "/a%20b/?q=%C3%A9&r=1"}, "/a%20b/?q=%C3%A9&r=1", id="as-it-came"),
        pytest.param({"url": "/a/"}, "/a/", id="without-query"),
        pytest.param({"url": "/a/?"}, "/a/?", id="empty-query"),
        pytest.param({"url": "/a/?b=1", "data": {"c": "d e"}}, "/a/?b=1&c=d+e", id="data"),
        pytest.param({"url": "/app/a/"}, "/app/a/", id="with-the-script-name"),
    ],
)
def test_the_request_target_is_that_of_the_request_line(
    frame: dict[str, Any], expected: str
) -> None:
    """Of the environ of gunicorn, and of uWSGI: monitoring tools read the path from there."""
    meta = request_of(frame, base(root_path="/app")).META
    assert meta["RAW_URI"] == meta["REQUEST_URI"] == expected


# The referrer.


def test_a_referrer_is_the_header_that_a_view_sees() -> None:
    made = base(origin=ORIGIN)
    request = request_of({"url": "/", "referrer": f"{ORIGIN}/page?q"}, made)
    assert request.headers["Referer"] == f"{ORIGIN}/page?q"
    assert "Referer" not in request_of({"url": "/"}, made).headers


@pytest.mark.parametrize("referrer", [f"{ORIGIN}/", f"{ORIGIN}/page?q=1"])
def test_a_page_may_name_any_page_of_its_origin(referrer: str) -> None:
    check_referrer(referrer, base(origin=ORIGIN), HeaderNames())


@pytest.mark.parametrize(
    ("referrer", "origin", "headers", "proxy_headers"),
    [
        ("http://other/", ORIGIN, (), ()),
        (f"{ORIGIN}.example.com/", ORIGIN, (), ()),
        (f"{ORIGIN}:8000/", ORIGIN, (), ()),
        ("https://testserver/", ORIGIN, (), ()),
        ("http://null/", "null", (), ()),
        (f"{ORIGIN}/", None, (), ()),
        (f"{ORIGIN}/", ORIGIN, ((b"referer", b"http://testserver/of-a-proxy"),), ()),
        (f"{ORIGIN}/", ORIGIN, (), ("referer",)),
    ],
)
def test_a_referrer_of_another_origin_or_of_a_proxy_is_refused(
    referrer: str,
    origin: str | None,
    headers: tuple[tuple[bytes, bytes], ...],
    proxy_headers: tuple[str, ...],
) -> None:
    made = base(*headers, origin=origin)
    with pytest.raises(Refused) as refused:
        check_referrer(referrer, made, proxy_headers)
    assert refused.value.code == "bad_header"
    assert takes_referrer(made, proxy_headers) is (
        origin is not None and not headers and not proxy_headers
    )


def test_a_browser_accepts_everything_as_its_fetch_does() -> None:
    assert request_of({"url": "/"}, base(origin=ORIGIN)).headers["Accept"] == "*/*"
    assert "Accept" not in request_of({"url": "/"}, base()).headers
    said = base((b"accept", b"text/html"), origin=ORIGIN)
    assert request_of({"url": "/"}, said).headers["Accept"] == "text/html"
    replaced = request_of({"url": "/", "headers": {"Accept": "image/png"}}, base(origin=ORIGIN))
    assert replaced.headers["Accept"] == "image/png"
