"""The test clients give the same results as Django's own, for the same calls."""

import json
from base64 import b64encode
from collections.abc import Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.http import FileResponse, HttpResponse, HttpResponseRedirect, StreamingHttpResponse
from django.test import AsyncClient, Client, TestCase, override_settings
from django.test.utils import override_script_prefix
from django.urls import get_script_prefix, path
from rest_framework.test import APIClient, APITestCase

from tests.project.apps import COUNTS
from tests.project.models import Note
from tests.project.views.accounts import PASSWORD
from tests.project.views.streams import CLOSED, content
from wsrequest.test import (
    AsyncWebSocketClient,
    WebSocketClient,
    WebSocketTestMixin,
    replace_django_clients,
)
from wsrequest.test.drf import WebSocketAPIClient


@pytest.fixture
def client() -> WebSocketClient:
    return WebSocketClient()


def told(response: Any) -> Any:
    assert response.status_code == 200, response.content
    return response.json()


def seen(response: Any) -> dict[str, Any]:
    """Return all that a test can compare of a response, but for what says that it differs."""
    names = ("status_code", "reason_phrase", "content", "charset", "closed", "streaming")
    found = {name: getattr(response, name, None) for name in names}
    found["headers"] = {**response.headers, "X-Transport": "", "Content-Length": ""}
    found["cookies"] = {name: dict(morsel) for name, morsel in response.cookies.items()}
    found["class"] = type(response)
    found["match"] = response.resolver_match.func
    found["templates"] = [template.name for template in response.templates]
    return found


@pytest.mark.parametrize(
    ("method", "url", "arguments"),
    [
        pytest.param("get", "/text/", {}, id="text"),
        pytest.param("get", "/latin-1/", {}, id="another charset"),
        pytest.param("get", "/binary/", {}, id="bytes"),
        pytest.param("get", "/empty/", {}, id="empty body"),
        pytest.param("get", "/no-content/", {}, id="no body"),
        pytest.param(
            "get", "/odd-json/", {}, id="JSON as nobody prints it, without its last newline"
        ),
        pytest.param("get", "/broken-json/", {}, id="broken JSON"),
        pytest.param("get", "/big-json/", {"data": {"bytes": "200000"}}, id="answer in parts"),
        pytest.param("get", "/redirect/", {}, id="redirect"),
        pytest.param("get", "/page/", {"data": {"name": "Ann"}}, id="template"),
        pytest.param("head", "/text/", {}, id="HEAD"),
        pytest.param("options", "/class/", {}, id="OPTIONS"),
        pytest.param("get", "/cookies/?one=1&two=a%3Bb&delete=three", {}, id="cookies"),
        pytest.param("get", "/fault/missing/", {}, id="404"),
        pytest.param("get", "/fault/forbidden/", {}, id="403"),
        pytest.param("get", "/tagged/", {"headers": {"if-none-match": '"version-1"'}}, id="304"),
    ],
)
def test_client_sees_what_djangos_client_sees(
    method: str, url: str, arguments: dict[str, Any]
) -> None:
    by_http = seen(getattr(Client(), method)(url, **arguments))
    over_websocket = seen(getattr(WebSocketClient(), method)(url, **arguments))
    if url == "/odd-json/":  # the white space around a JSON value may be lost (PROTOCOL.md 4.2)
        by_http["content"] = by_http["content"].strip()
    assert over_websocket == by_http


def test_client_runs_the_whole_stack_over_the_socket(client: WebSocketClient) -> None:
    response: Any = client.get("/echo/")
    assert response["X-Transport"] == "websocket"
    assert response["X-Recorded"] == "request view response"
    assert response.wsgi_request.websocket.subprotocol == "wsrequest.v1"


def test_request_says_what_the_test_said(client: WebSocketClient) -> None:
    response = client.post(
        "/echo/gr%C3%BCn?a=1&a=%26&b=ü",
        json.dumps({"x": 1}),
        content_type="application/json",
        secure=True,
        headers={"authorization": "Bearer t", "x-one": "eins"},
        HTTP_HOST="localhost",
        HTTP_REFERER="https://localhost/before/",
        HTTP_X_FORWARDED_FOR="192.0.2.7",
        REMOTE_ADDR="192.0.2.1",
        HTTP_CONTENT_TYPE="text/html",
        HTTP_X_PROJECT_SECRET="s",  # the proxy's own, by WSREQUEST_FORBIDDEN_HEADERS
        REMOTE_USER="ann",
    )
    request = told(response)
    assert (request["method"], request["path"], request["secure"]) == ("POST", "/echo/grün", True)
    assert request["query"] == {"a": ["1", "&"], "b": ["ü"]}
    assert request["uri"].startswith("https://localhost/echo/gr%C3%BCn?")
    meta = request["meta"]
    assert meta["HTTP_AUTHORIZATION"] == "Bearer t"
    assert meta["HTTP_X_ONE"] == "eins"
    assert meta["HTTP_REFERER"] == "https://localhost/before/"
    assert meta["HTTP_X_FORWARDED_FOR"] == "192.0.2.7"
    assert (meta["HTTP_CONTENT_TYPE"], meta["HTTP_X_PROJECT_SECRET"]) == ("text/html", "s")
    assert (meta["REMOTE_ADDR"], meta["REMOTE_USER"]) == ("192.0.2.1", "ann")
    assert (request["content_type"], request["length"]) == ("application/json", 8)


def test_query_params_become_the_query(client: WebSocketClient) -> None:
    request = told(client.post("/echo/", {"field": "value"}, query_params={"q": ["1", "2"]}))
    assert (request["query"], request["form"]) == ({"q": ["1", "2"]}, {"field": ["value"]})


def test_defaults_of_the_client_count_for_each_request() -> None:
    client = WebSocketClient(headers={"x-one": "eins"}, REMOTE_ADDR="192.0.2.1")
    meta = told(client.get("/echo/"))["meta"]
    assert (meta["HTTP_X_ONE"], meta["REMOTE_ADDR"]) == ("eins", "192.0.2.1")


def test_path_with_two_slashes_is_the_path_that_the_view_sees(client: WebSocketClient) -> None:
    request: Any = client.get("/", PATH_INFO="//echo/").wsgi_request
    assert request.path_info == "//echo/"
    assert request.websocket  # it was not refused


def test_script_name_is_taken_off_the_path(client: WebSocketClient) -> None:
    for script_name in ("/below", "/echo"):
        request = client.get("/echo/", SCRIPT_NAME=script_name).wsgi_request
        assert (request.path_info, request.path) == ("/echo/", f"{script_name}/echo/")


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        pytest.param("grün", "text/plain;charset=UTF-8", id="text, which a text frame carries"),
        pytest.param(' {"a": 1}\n', "application/json", id="JSON with white space around it"),
        pytest.param('{"a": }', "application/json", id="broken JSON"),
        pytest.param(b"\x00\xff\n", "image/png", id="bytes"),
        pytest.param("x" * 200_000, "text/plain", id="in parts"),
    ],
)
def test_body_arrives_to_the_byte(client: WebSocketClient, body: Any, content_type: str) -> None:
    request = told(client.put("/echo/", body, content_type=content_type))
    assert request["body"] == b64encode(body if isinstance(body, bytes) else body.encode()).decode()
    assert request["meta"]["CONTENT_TYPE"] == content_type
    assert request["meta"]["CONTENT_LENGTH"] == str(request["length"])


def test_files_are_uploaded_as_a_form(client: WebSocketClient) -> None:
    file = SimpleUploadedFile("a.txt", b"x" * 100_000, content_type="text/plain")
    response = client.post("/upload/", {"name": "n", "file": file})  # two parts, by its size
    assert response.status_code == 201
    answer = response.json()
    assert answer["form"] == {"name": ["n"]}
    assert [(f["name"], f["size"], f["type"]) for f in answer["files"]] == [
        ("a.txt", 100_000, "text/plain")
    ]


def test_redirects_are_followed(client: WebSocketClient) -> None:
    response = client.get("/redirect/", follow=True)
    assert response.redirect_chain == [("/echo/?from=redirect", 302)]
    assert told(response)["query"] == {"from": ["redirect"]}
    assert isinstance(client.get("/redirect/"), HttpResponseRedirect)


def test_template_and_context_are_there(client: WebSocketClient) -> None:
    response = client.get("/page/", {"name": "Ann"})
    assert response.context["name"] == "Ann"
    assert [template.name for template in response.templates] == ["project/page.html"]


def test_exception_of_the_view_is_raised(client: WebSocketClient) -> None:
    with pytest.raises(RuntimeError, match="the view fails"):
        client.get("/fault/raise/")


def test_exception_is_kept_where_it_is_not_raised() -> None:
    response: Any = WebSocketClient(raise_request_exception=False).get("/fault/raise/")
    assert response.status_code == 500
    assert response.exc_info[0] is RuntimeError


def test_csrf_is_checked_only_where_that_is_asked_for() -> None:
    assert WebSocketClient().post("/form/", {"text": "x"}).status_code == 200
    strict = WebSocketClient(enforce_csrf_checks=True)
    assert strict.post("/form/", {"text": "x"}).status_code == 403
    # An Origin frees a socket from the check, since its handshake was checked; not a test of it.
    origin = {"origin": "http://testserver"}
    assert strict.post("/form/", {"text": "x"}, headers=origin).status_code == 403
    token = strict.get("/form/").json()["token"]
    posted = strict.post("/form/", {"text": "x", "csrfmiddlewaretoken": token}, headers=origin)
    assert told(posted) == {"posted": "x"}


def test_cookies_have_the_values_and_types_that_the_view_gave() -> None:
    over_websocket, by_http = WebSocketClient(), Client()
    with override_settings(ROOT_URLCONF=__name__):
        ours, theirs = over_websocket.get("/bake/"), by_http.get("/bake/")
    assert ours.cookies == theirs.cookies
    assert ours.cookies["all"]["max-age"] == 60
    assert ours["Set-Cookie"] == theirs["Set-Cookie"] == "by=hand"
    assert over_websocket.cookies["all"].value == 'a "quoted"; value'


def bake(request: Any) -> HttpResponseRedirect:
    response = HttpResponseRedirect("/")
    response.set_cookie(
        "all", 'a "quoted"; value', max_age=60, expires="Thu, 01 Jan 2099 00:00:00 GMT", path="/x/",
        domain="a.example", secure=True, httponly=True, samesite="Strict",
    )  # fmt: skip
    response.set_cookie("plain", "1")
    response.delete_cookie("gone")
    response["Set-Cookie"] = "by=hand"
    return response


def plain_stream(request: Any) -> StreamingHttpResponse:
    def walk() -> Iterator[bytes]:
        try:
            yield b"one"
            TAKEN.append("two")
            yield b"two"
        finally:
            TAKEN.append("closed")

    return StreamingHttpResponse(walk())


def prefix(request: Any) -> HttpResponse:
    return HttpResponse(get_script_prefix())


def odd_reason(request: Any) -> Any:
    return HttpResponse("x", status=299, reason="Odd")


TAKEN: list[str] = []


def test_streams_are_taken_as_the_test_reads_them(client: WebSocketClient) -> None:
    del TAKEN[:]
    with override_settings(ROOT_URLCONF=__name__):
        finished = COUNTS["request_finished"]
        response: Any = client.get("/stream/")
        pieces = iter(response.streaming_content)
        assert (next(pieces), TAKEN) == (b"one", [])
        assert (next(pieces), TAKEN) == (b"two", ["two"])
        assert (COUNTS["request_finished"], response.closed) == (finished, False)
        assert (list(pieces), TAKEN) == ([], ["two", "closed"])
        assert (COUNTS["request_finished"], response.closed) == (finished + 1, True)


def test_stream_that_fails_raises_where_it_is_read(client: WebSocketClient) -> None:
    response = client.get("/stream/broken/")
    assert isinstance(response, StreamingHttpResponse)
    with pytest.raises(RuntimeError, match="fails in its middle"):
        response.getvalue()


@pytest.mark.django_db  # closing by hand closes old connections, with Django's client too
def test_endless_stream_is_left_when_the_test_leaves_it(client: WebSocketClient) -> None:
    closed = CLOSED["left"]
    response: Any = client.get("/stream/endless/", {"name": "left"})
    assert next(response.streaming_content) == bytes(16 * 1024)
    response.close()
    assert CLOSED["left"] == closed + 1


def test_file_keeps_class_and_headers(client: WebSocketClient) -> None:
    response = client.get("/file/", {"bytes": "100000"})
    assert isinstance(response, FileResponse)
    assert response["Content-Length"] == "100000"
    assert response.getvalue() == content(100_000)
    assert client.head("/file/", {"bytes": "10"}).getvalue() == b""


def test_reason_phrase_is_not_sent(client: WebSocketClient) -> None:
    with override_settings(ROOT_URLCONF=__name__):
        response = client.get("/odd-reason/")
    assert (response.status_code, response.reason_phrase) == (299, "Unknown Status Code")


def test_method_that_no_message_can_have_is_refused(client: WebSocketClient) -> None:
    response = client.trace("/echo/")
    assert response.status_code == 501
    assert b"TRACE" in response.content
    assert client.generic("GET", "/echo/", "a body").status_code == 400


def test_accept_encoding_is_not_passed_on(client: WebSocketClient) -> None:
    response = client.get("/big-text/", headers={"accept-encoding": "gzip"})
    assert "Content-Encoding" not in response.headers


@pytest.mark.django_db
def test_login_counts_for_the_requests_behind_it(client: WebSocketClient) -> None:
    user = User.objects.create_user("ann", password=PASSWORD)
    assert not client.login(username="ann", password="another")
    assert client.login(username="ann", password=PASSWORD)
    assert told(client.get("/who/"))["user"] == "ann"
    client.logout()
    assert told(client.get("/who/"))["user"] == ""
    client.force_login(user)
    session = client.session
    session["count"] = 41
    session.save()
    assert told(client.get("/count/")) == {"count": 42}
    assert client.session["count"] == 42


@pytest.mark.django_db
def test_request_runs_in_the_tests_own_transaction(client: WebSocketClient) -> None:
    Note.objects.create(text="not committed")
    assert told(client.get("/api/notes/")) == [
        {"id": Note.objects.get().pk, "text": "not committed"}
    ]
    client.post("/api/notes/", {"text": "of the view"}, content_type="application/json")
    assert list(Note.objects.values_list("text", flat=True)) == ["not committed", "of the view"]


@pytest.mark.asyncio
async def test_async_client_runs_on_the_tests_loop() -> None:
    client = AsyncWebSocketClient()
    headers = {"x-one": "eins"}
    response: Any = await client.post("/echo/grün?b=ü", {"a": "ä"}, secure=True, headers=headers)
    request = told(response)
    assert response["X-Transport"] == "websocket"
    assert (request["path"], request["query"]) == ("/echo/grün", {"b": ["ü"]})
    assert (request["form"], request["meta"]["HTTP_X_ONE"]) == ({"a": ["ä"]}, "eins")
    assert request["secure"]
    assert response.asgi_request.websocket.subprotocol == "wsrequest.v1"
    followed = await client.get("/redirect/", follow=True)
    assert followed.redirect_chain == [("/echo/?from=redirect", 302)]
    with pytest.raises(RuntimeError, match="the async view fails"):
        await client.get("/fault/raise/async/")


@pytest.mark.asyncio
async def test_async_client_goes_by_http_where_messages_do_not_reach() -> None:
    client = AsyncWebSocketClient()
    with override_settings(WSREQUEST_EXCLUDED_PATHS=["/text/"]):
        there = await client.get("/text/")
        assert there.status_code == 200 and not hasattr(there.asgi_request, "websocket")
        with replace_django_clients():
            there = await AsyncClient().get("/text/")
            assert there.status_code == 200 and not hasattr(there.asgi_request, "websocket")
        other = await client.get("/latin-1/")
        assert other.status_code == 200 and hasattr(other.asgi_request, "websocket")


@pytest.mark.asyncio
async def test_async_stream_is_read_by_an_async_test() -> None:
    response: Any = await AsyncWebSocketClient().get("/stream/async/", {"count": "2"})
    assert [piece async for piece in response.streaming_content] == [b"piece 0\n", b"piece 1\n"]
    assert response.closed
    assert (await AsyncWebSocketClient().trace("/echo/")).status_code == 501


class Watching:
    """A tool that replaces ``WSGIHandler.__call__`` and wraps what it returns."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.paths: list[str] = []
        self.closes = 0
        django = WSGIHandler.__call__

        def watching(handler: WSGIHandler, environ: dict[str, Any], start_response: Any) -> Any:
            assert type(handler) is WSGIHandler
            self.paths.append(environ["PATH_INFO"])
            self.result = django(handler, environ, start_response)
            return self

        monkeypatch.setattr(WSGIHandler, "__call__", watching)

    def __iter__(self) -> Iterator[bytes]:
        return iter(self.result)

    def close(self) -> None:
        self.closes += 1
        self.result.close()


@pytest.mark.parametrize("url", ["/text/", "/stream/", "/stream/async/", "/who/async/"])
def test_request_goes_through_the_door_that_tools_watch(
    client: WebSocketClient, url: str, monkeypatch: pytest.MonkeyPatch, db: None
) -> None:
    senders: list[Any] = []

    def receiver(sender: Any, **kwargs: Any) -> None:
        senders.append(sender)

    watching = Watching(monkeypatch)
    request_started.connect(receiver)
    request_finished.connect(receiver)
    try:
        response: Any = client.get(url)
        if response.streaming and not response.is_async:
            assert b"".join(response.streaming_content)
        elif response.streaming:
            response.close()
    finally:
        request_started.disconnect(receiver)
        request_finished.disconnect(receiver)
    assert (watching.paths, watching.closes) == ([url], 1)
    assert senders == [WSGIHandler, WSGIHandler]


@pytest.mark.asyncio
async def test_async_request_goes_through_the_door_that_tools_watch(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    watching = Watching(monkeypatch)
    client = AsyncWebSocketClient()
    assert (await client.get("/text/")).status_code == 200
    response: Any = await client.get("/stream/async/")
    assert [chunk async for chunk in response.streaming_content]
    assert (watching.paths, watching.closes) == (["/text/", "/stream/async/"], 2)


def test_request_has_the_script_prefix_of_the_test(client: WebSocketClient) -> None:
    with override_settings(ROOT_URLCONF=__name__), override_script_prefix("/app/"):
        assert client.get("/prefix/").content == b"/app/"
        assert get_script_prefix() == "/app/"


@pytest.mark.django_db
def test_api_client_has_drfs_ways(client: WebSocketClient) -> None:
    api = WebSocketAPIClient()
    response = api.post("/api/function/", {"a": [1, None]}, format="json")
    assert response.data == {"method": "POST", "data": {"a": [1, None]}}
    assert response["X-Transport"] == "websocket"
    assert api.get("/api/member/").status_code == 403
    api.force_authenticate(User(username="ann"))
    assert told(api.get("/api/member/")) == {"user": "ann"}
    api.force_authenticate()
    api.credentials(HTTP_X_ONE="eins")
    assert told(api.get("/echo/"))["meta"]["HTTP_X_ONE"] == "eins"


def run(case: type[TestCase]) -> Any:
    """Return a test of ``case`` as it is when it has been set up."""
    test: Any = case("shortDescription")
    test._pre_setup()
    test._post_teardown()
    return test


class Custom(Client):
    pass


@pytest.mark.parametrize(
    ("base", "sync", "own"),
    [
        pytest.param(TestCase, WebSocketClient, Client, id="Django's"),
        pytest.param(APITestCase, WebSocketAPIClient, APIClient, id="DRF's"),
        pytest.param(type("Own", (TestCase,), {"client_class": Custom}), Custom, Custom, id="own"),
    ],
)
@pytest.mark.django_db
def test_mixin_keeps_the_client_of_its_test_case(
    base: type[TestCase], sync: type, own: type
) -> None:
    case = type("Case", (WebSocketTestMixin, base), {})
    for kind in (case, type("Further", (case,), {})):
        test = run(kind)
        assert test.client.get("/echo/")["X-Transport"] == "websocket"
        assert isinstance(test.client, own)
        assert isinstance(test.async_client, AsyncWebSocketClient)
        assert isinstance(test.async_client, AsyncClient)
    assert base.client_class is own


def test_what_messages_do_not_reach_is_sent_by_http(client: WebSocketClient) -> None:
    """As browsers do; else a suite over the socket would fail for the paths that a proxy guards."""
    with override_settings(WSREQUEST_EXCLUDED_PATHS=["/text/"]):
        there = client.get("/text/")
        assert there.status_code == 200 and not hasattr(there.wsgi_request, "websocket")
        assert hasattr(client.get("/latin-1/").wsgi_request, "websocket")
        with replace_django_clients():
            there = Client().get("/text/")
            assert there.status_code == 200 and not hasattr(there.wsgi_request, "websocket")


urlpatterns = [
    path("bake/", bake),
    path("stream/", plain_stream),
    path("odd-reason/", odd_reason),
    path("prefix/", prefix),
]
