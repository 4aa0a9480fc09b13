"""``WebSocketRequest``: its messages, its requests, and responses that outlive their thread."""

import asyncio
import json
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from django.core.exceptions import SynchronousOnlyOperation
from django.http import HttpRequest, HttpResponse
from django.test import RequestFactory, override_settings

from tests.project.apps import COUNTS
from tests.project.views.streams import CLOSED, content
from wsrequest.contrib.classic import WebSocketRequest

INVALID = {"error": "Invalid formatted message.", "status_code": 400}
MISSING = {"error": "Missing URL", "status_code": 400}
NOT_FOUND = {"error": "Resource not found.", "status_code": 404}
NOT_ALLOWED = {"error": "Method not allowed.", "status_code": 405}


def made(factory_defaults: dict[str, Any] | None = None, **message: Any) -> WebSocketRequest:
    return WebSocketRequest(json.dumps(message), factory_defaults)


def answer(factory_defaults: dict[str, Any] | None = None, **message: Any) -> HttpResponse:
    """Return the response to a message that must be valid."""
    response = made(factory_defaults, **message).get_response()
    assert isinstance(response, HttpResponse), response
    return response


def told(factory_defaults: dict[str, Any] | None = None, **message: Any) -> Any:
    """Return what the echo view saw of a request."""
    response = answer(factory_defaults, **{"url": "/echo/", **message})
    assert response.status_code == 200, response.content
    return json.loads(response.content)


class Numbered:
    """A middleware that tells which of its instances an answer went through."""

    made = 0

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        Numbered.made += 1
        self.number, self.get_response = Numbered.made, get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        response = self.get_response(request)
        response["X-Number"] = str(self.number)
        return response


NUMBERED = f"{__name__}.Numbered"


@pytest.mark.parametrize(
    "message",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="cut-off"),
        pytest.param("[]", id="array"),
        pytest.param("null", id="null"),
        pytest.param('"/echo/"', id="string"),
        pytest.param(b'{"url":"\xff"}', id="not-utf-8"),
        pytest.param('{"url":"/echo/\\ud800"}', id="lone-surrogate-escaped"),
        pytest.param('{"url":"/echo/\ud800"}', id="lone-surrogate-raw"),
        pytest.param('{"url":"/echo/","data":{"a":NaN}}', id="not-a-number"),
        pytest.param('{"url":"/echo/","data":{"a":1e400}}', id="number-out-of-range"),
        pytest.param('{"url":' + "[" * 100_000 + "]" * 100_000 + "}", id="nested-too-deeply"),
        pytest.param('{"url":5}', id="url-is-number"),
        pytest.param('{"url":["/echo/"]}', id="url-is-array"),
        pytest.param('{"url":"/echo/","method":5}', id="method-is-number"),
        pytest.param('{"url":"/echo/","method":null}', id="method-is-null"),
        pytest.param('{"url":"/echo/","token":5}', id="token-is-number"),
        pytest.param('{"url":"/echo/","token":{"a":"b"}}', id="token-is-object"),
        pytest.param('{"url":"/echo/","token":"a\\r\\nX-B: c"}', id="token-with-line-end"),
        pytest.param('{"url":"/echo/","token":"a\\u0000"}', id="token-with-nul"),
        pytest.param('{"url":"/echo/","token":"a\\u0085b"}', id="token-with-next-line"),
        pytest.param('{"url":"/echo/","token":"\\u4e00"}', id="token-outside-latin-1"),
        pytest.param('{"url":"/echo/","data":[["a",1]]}', id="get-data-is-array"),
        pytest.param('{"url":"/echo/","data":"a=1"}', id="get-data-is-string"),
        pytest.param('{"url":"/echo/","data":{"a":null}}', id="get-data-holds-null"),
        pytest.param('{"url":"/echo/","method":"head","data":{"a":{}}}', id="head-data-nests"),
    ],
)
def test_message_out_of_shape_is_refused(message: str | bytes) -> None:
    request = WebSocketRequest(message)
    assert not request.is_valid()
    assert not request.is_valid_message()
    assert request.get_response() == INVALID


def test_message_out_of_shape_leaves_every_attribute_readable() -> None:
    request = WebSocketRequest('{"method":5,"token":"x"}', {"REMOTE_ADDR": "192.0.2.1"})
    assert (request.url, request.method, request.data, request.token) == (None, "get", {}, None)
    assert (request.json_message, request.error) == ({}, INVALID)
    assert (request.get_url(), request.get_method(), request.get_data()) == (None, "get", {})
    assert request.factory_defaults == {"REMOTE_ADDR": "192.0.2.1"}


def test_message_of_another_type_is_the_callers_mistake() -> None:
    with pytest.raises(TypeError):
        WebSocketRequest({"url": "/echo/"})  # type: ignore[arg-type] # the mistake


@pytest.mark.parametrize("kind", [bytes, bytearray, memoryview])
def test_message_may_be_bytes(kind: Callable[[bytes], Any]) -> None:
    request = WebSocketRequest(kind(b'{"url":"/text/"}'))
    response = request.get_response()
    assert isinstance(response, HttpResponse)
    assert response.content.decode() == "grün\n"


@pytest.mark.parametrize("message", [{}, {"url": ""}, {"url": None}, {"method": "TRACE"}], ids=str)
def test_message_without_url_is_refused(message: dict[str, Any]) -> None:
    assert made(**message).get_response() == MISSING


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("/nothing/", id="no-such-path"),
        pytest.param("/text", id="without-its-last-slash"),
        pytest.param("text/", id="relative"),
        pytest.param("http://testserver/text/", id="scheme-and-host"),
        pytest.param("//testserver/text/", id="host"),
        pytest.param("/\\testserver/text/", id="backslash"),
        pytest.param("///text/", id="many-slashes"),
        pytest.param("/echo/#part", id="fragment"),
        pytest.param("/echo/a b", id="space"),
        pytest.param("/echo/\r\nX-A: b", id="line-end"),
        pytest.param("/echo/" + "a" * 10_000, id="too-long"),
    ],
)
def test_url_that_is_no_path_of_the_project_is_not_found(url: str) -> None:
    request = made(url=url)
    assert request.error == NOT_FOUND
    assert request.get_url_resolver_match() is None
    assert request.get_response() == NOT_FOUND


@pytest.mark.parametrize("method", ["TRACE", "CONNECT", "generic", "defaults", "", "ge\u017ft"])
def test_unknown_method_is_not_allowed(method: str) -> None:
    assert made(url="/echo/", method=method).get_response() == NOT_ALLOWED


def test_unknown_method_at_an_unknown_url_is_not_found() -> None:
    assert made(url="/nothing/", method="TRACE").get_response() == NOT_FOUND


def test_validate_forgets_the_error_of_another_message() -> None:
    request = made(url="/nothing/")
    request.message = '{"url":"/text/"}'
    request.validate()
    assert request.error is None
    assert request.is_valid()


def test_validate_forgets_the_members_of_another_message() -> None:
    request = made(url="/text/", method="POST", data={"a": 1}, token="t")
    request.message = "{"
    request.validate()
    assert (request.json_message, request.error) == ({}, INVALID)
    assert (request.url, request.method, request.data, request.token) == (None, "get", {}, None)


def test_error_of_the_caller_is_the_answer() -> None:
    request = made(url="/text/")
    request.set_error("Not today.", 503)
    assert request.get_response() == {"error": "Not today.", "status_code": 503}


@pytest.mark.parametrize("method", ["POST", "Put", "patch", "DELETE", "options"])
def test_method_with_a_body_sends_data_as_json(method: str) -> None:
    seen = answer(url="/echo/", method=method, data={"title": "grün", "n": [1, 2.5, None]})
    request = made(url="/echo/", method=method, data={"title": "grün", "n": [1, 2.5, None]})
    body = request.get_request(request.get_factory()).body
    assert json.loads(body) == {"title": "grün", "n": [1, 2.5, None]}
    shown = json.loads(seen.content)
    assert (shown["method"], shown["content_type"]) == (method.upper(), "application/json")
    assert shown["length"] == len(body)


@pytest.mark.parametrize(("given", "body"), [({}, b"{}"), ({"data": None}, b"null")], ids=str)
def test_body_of_a_post_without_data(given: dict[str, Any], body: bytes) -> None:
    request = made(url="/echo/", method="POST", **given)
    assert request.get_request(request.get_factory()).body == body


def test_get_adds_data_to_the_query_of_its_url() -> None:
    data = {"b": ["x", 2], "c": True, "d": "grün & more", "e": 1.5}
    seen = told(url="/echo/?a=1&a=€", data=data)
    assert seen["query"] == {
        "a": ["1", "€"],
        "b": ["x", "2"],
        "c": ["true"],
        "d": ["grün & more"],
        "e": ["1.5"],
    }
    assert (seen["body"], seen["content_type"]) == ("", "")


@pytest.mark.parametrize(("given", "query"), [("", {}), ("?a=1", {"a": ["1"]})])
def test_get_without_data_keeps_its_query(given: str, query: dict[str, list[str]]) -> None:
    assert told(url=f"/echo/{given}")["query"] == query
    assert told(url=f"/echo/{given}", data=None)["query"] == query


def test_post_keeps_the_query_of_its_url() -> None:
    seen = told(url="/echo/?a=1", method="POST", data={"b": 2})
    assert (seen["query"], seen["length"]) == ({"a": ["1"]}, len('{"b": 2}'))


def test_head_has_a_query_and_no_body() -> None:
    request = made(url="/echo/", method="HEAD", data={"a": 1})
    assert request.get_request(request.get_factory()).GET["a"] == "1"
    response = request.get_response()
    assert isinstance(response, HttpResponse)
    assert (response.status_code, response.content) == (200, b"")
    assert response["Content-Type"] == "application/json"
    assert int(response["Content-Length"]) > 0


@pytest.mark.parametrize("url", ["/class/caf%C3%A9/", "/class/café/"])
def test_path_may_be_percent_encoded(url: str) -> None:
    request = made(url=url)
    match = request.get_url_resolver_match()
    assert match is not None
    assert match.kwargs == {"name": "café"}
    assert request.get_request(request.get_factory()).path == "/class/café/"
    assert json.loads(answer(url=url).content)["kwargs"] == {"name": "café"}


def test_host_behind_an_encoded_slash_stays_part_of_the_path() -> None:
    seen = told(url="/echo/%2F%2Fexample.com/?next=//example.com")
    assert seen["path"] == "/echo///example.com/"
    assert seen["uri"].startswith("http://127.0.0.1/echo/")


@pytest.mark.parametrize(
    ("hosts", "expected"),
    [([".example.com", "x.org"], "example.com"), (["*"], "localhost"), ([], "localhost")],
)
def test_host_is_one_that_the_project_answers_to(
    hosts: list[str], expected: str, settings: Any
) -> None:
    settings.ALLOWED_HOSTS = hosts
    request = made(url="/text/")
    assert request.get_request(request.get_factory()).META["SERVER_NAME"] == expected


def test_factory_defaults_are_what_the_request_says_of_its_connection() -> None:
    defaults = {
        "HTTP_HOST": "localhost:8443",
        "REMOTE_ADDR": "192.0.2.7",
        "SERVER_PORT": "8443",
        "wsgi.url_scheme": "https",
    }
    seen = told(defaults)
    assert (seen["uri"], seen["secure"]) == ("https://localhost:8443/echo/", True)
    assert (seen["meta"]["REMOTE_ADDR"], seen["meta"]["SERVER_PORT"]) == ("192.0.2.7", "8443")


@pytest.mark.parametrize("url", ["/echo/", "/%65cho/", "/echo%2F", "/echo/?a", "/ec"])
def test_a_path_that_the_proxy_guards_is_refused(settings: Any, url: str) -> None:
    settings.WSREQUEST_EXCLUDED_PATHS = ["/ec"]
    assert made(url=url).get_response() == {"error": "Use HTTP.", "status_code": 421}
    assert made(url="/none/").get_response() == {
        "error": "Resource not found.",
        "status_code": 404,
    }


def test_a_token_is_a_header_that_the_project_keeps(settings: Any) -> None:
    settings.WSREQUEST_FORBIDDEN_HEADERS = ["Authorization"]
    refused = {"error": "Token not allowed.", "status_code": 400}
    assert made(url="/echo/", token="a.b").get_response() == refused
    own = {"HTTP_AUTHORIZATION": "Bearer b"}
    assert told(own)["headers"]["Authorization"] == "Bearer b"


def test_factory_defaults_win_over_the_token() -> None:
    request = made({"HTTP_AUTHORIZATION": "Bearer b"}, url="/echo/", token="a")
    assert request.get_factory().defaults == {"HTTP_AUTHORIZATION": "Bearer b"}


def test_token_has_the_scheme_of_the_setting(settings: Any) -> None:
    assert told(token="a.b")["headers"]["Authorization"] == "JWT a.b"
    settings.WSREQUEST_TOKEN_SCHEME = "Bearer"
    assert told(token="a.b")["headers"]["Authorization"] == "Bearer a.b"


@pytest.mark.parametrize("token", [None, ""])
def test_token_that_is_empty_sends_no_header(token: str | None) -> None:
    assert "Authorization" not in told(token=token)["headers"]


def test_response_went_through_middleware() -> None:
    response = answer(url="/text/")
    assert response["X-Recorded"] == "request view response"
    assert response["X-Frame-Options"] == "DENY"


def test_view_that_raises_is_answered_with_its_500(caplog: pytest.LogCaptureFixture) -> None:
    errors = COUNTS["got_request_exception"]
    response = answer(url="/fault/raise/")
    assert response.status_code == 500
    assert response["X-Recorded"] == "request view RuntimeError response"
    assert COUNTS["got_request_exception"] == errors + 1
    assert "the view fails" in caplog.text


def test_request_is_ended_when_no_response_comes() -> None:
    started, finished = COUNTS["request_started"], COUNTS["request_finished"]
    with pytest.raises(asyncio.CancelledError):
        made(url="/fault/cancelled/").get_response()
    assert COUNTS["request_started"] - started == 1
    assert COUNTS["request_finished"] - finished == 1


def test_handler_is_made_once_and_anew_when_settings_change(settings: Any) -> None:
    settings.MIDDLEWARE = [NUMBERED]
    first = answer(url="/text/")["X-Number"]
    assert answer(url="/empty/")["X-Number"] == first
    with override_settings(APPEND_SLASH=False):
        assert answer(url="/text/")["X-Number"] != first
    settings.MIDDLEWARE = []
    assert "X-Number" not in answer(url="/text/").headers


def test_csrf_check_is_off_without_a_cookie() -> None:
    assert answer(url="/form/", method="POST").status_code == 200
    assert answer({"HTTP_COOKIE": ""}, url="/form/", method="POST").status_code == 200


def test_csrf_check_applies_with_a_cookie() -> None:
    secret = "a" * 32
    assert answer({"HTTP_COOKIE": "other=1"}, url="/form/", method="POST").status_code == 403
    cookie = {"HTTP_COOKIE": f"csrftoken={secret}"}
    assert answer(cookie, url="/form/", method="POST").status_code == 403
    both = {**cookie, "HTTP_X_CSRFTOKEN": secret}
    assert answer(both, url="/form/", method="POST").status_code == 200
    foreign = {**both, "HTTP_ORIGIN": "https://evil.example"}
    assert answer(foreign, url="/form/", method="POST").status_code == 403


@pytest.mark.parametrize(
    "url",
    ["/text/", "/stream/", "/stream/async/", "/file/", "/no-content/", "/events/", "/fault/raise/"],
)
def test_response_is_closed_and_its_request_finished(url: str) -> None:
    started, finished = COUNTS["request_started"], COUNTS["request_finished"]
    answer(url=url)
    assert COUNTS["request_started"] - started == 1
    assert COUNTS["request_finished"] - finished == 1


def test_response_is_readable_in_another_thread() -> None:
    with ThreadPoolExecutor(1) as pool:
        response = pool.submit(answer, url="/stream/").result()
    assert response.content == b"piece 0\npiece 1\npiece 2\n"


def test_response_to_the_same_request_can_be_had_again() -> None:
    request = made(url="/echo/", method="POST", data={"a": 1})
    first, second = request.get_response(), request.get_response()
    assert isinstance(first, HttpResponse) and isinstance(second, HttpResponse)
    assert json.loads(first.content)["body"] == json.loads(second.content)["body"]
    assert request.data == {"a": 1}


@pytest.mark.parametrize("url", ["/stream/?count=2", "/stream/async/?count=2"])
def test_stream_is_gathered(url: str) -> None:
    response = answer(url=url)
    assert (response.status_code, response.content) == (200, b"piece 0\npiece 1\n")
    assert response["Content-Type"] == "text/plain"
    assert response["X-Recorded"] == "request view response"


def test_file_is_gathered() -> None:
    response = answer(url="/file/?bytes=200000")
    assert response.content == content(200_000)
    assert response["Content-Length"] == "200000"
    assert response["Content-Disposition"].startswith("attachment")


def test_stream_keeps_cookies_and_reason(settings: Any) -> None:
    settings.MIDDLEWARE = [f"{__name__}.marking"]
    response = answer(url="/stream/")
    assert response.cookies["mark"].value == "1"
    assert response.reason_phrase == "Fine"


def marking(
    get_response: Callable[[HttpRequest], HttpResponse],
) -> Callable[[HttpRequest], HttpResponse]:
    """A middleware that sets a cookie and a reason phrase of its own."""

    def middleware(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.set_cookie("mark", "1")
        response.reason_phrase = "Fine"
        return response

    return middleware


@pytest.mark.parametrize("url", ["/stream/endless/?name=head", "/events/?name=head"])
def test_stream_is_not_begun_for_head(url: str) -> None:
    response = answer(url=url, method="HEAD")
    assert (response.status_code, response.content) == (200, b"")


@pytest.mark.parametrize("url", ["/stream/broken/", "/stream/broken/async/"])
def test_stream_that_fails_is_an_error_and_not_half_an_answer(
    url: str, caplog: pytest.LogCaptureFixture
) -> None:
    response = answer(url=url)
    assert (response.status_code, response.content) == (500, b"Internal Server Error")
    (record,) = [record for record in caplog.records if record.name == "wsrequest.classic"]
    assert record.levelno == logging.ERROR
    assert "the stream fails in its middle" in caplog.text


def test_stream_over_the_limit_is_stopped_and_closed(settings: Any) -> None:
    settings.WSREQUEST_MAX_BUFFERED_RESPONSE_BYTES = 20_000
    response = answer(url="/stream/endless/?name=classic-large")
    assert response.status_code == 500
    assert response.content == b"this streamed answer is over 20000 bytes"
    assert CLOSED["classic-large"] == 1


def test_stream_of_just_the_limit_is_gathered(settings: Any) -> None:
    settings.WSREQUEST_MAX_BUFFERED_RESPONSE_BYTES = 24
    assert len(answer(url="/stream/?count=3").content) == 24
    assert answer(url="/stream/?count=4").status_code == 500


@pytest.mark.parametrize("url", ["/events/", "/events/async/"])
def test_events_without_end_are_refused(url: str) -> None:
    response = answer(url=url)
    assert response.status_code == 406
    assert b"stream of events" in response.content


@pytest.mark.parametrize(
    ("url", "status"), [("/sleep/async/?seconds=0", 200), ("/fault/raise/async/", 500)]
)
def test_async_view_is_answered(url: str, status: int) -> None:
    assert answer(url=url).status_code == status


def test_view_is_called_alone_by_get_view() -> None:
    request = made(url="/class/a/", token="t")
    match = request.get_url_resolver_match()
    assert match is not None
    response = request.get_view(match, request.get_request(request.get_factory()))
    assert isinstance(response, HttpResponse)
    assert json.loads(response.content) == {"method": "GET", "kwargs": {"name": "a"}}
    assert "X-Recorded" not in response.headers


def test_async_view_is_called_by_get_view() -> None:
    request = made(url="/sleep/async/?seconds=0")
    match = request.get_url_resolver_match()
    assert match is not None
    response = request.get_view(match, request.get_request(request.get_factory()))
    assert isinstance(response, HttpResponse)
    assert json.loads(response.content) == {"slept": 0.0}


def test_get_request_takes_any_factory() -> None:
    factory = RequestFactory(REMOTE_ADDR="192.0.2.9")
    factory.cookies["a"] = "1"
    request = made(url="/echo/").get_request(factory)
    assert (request.META["REMOTE_ADDR"], request.COOKIES) == ("192.0.2.9", {"a": "1"})
    assert not getattr(request, "_dont_enforce_csrf_checks", False)


def nested(depth: int) -> list[Any]:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("method", "data"),
    [("get", {"a": None}), ("get", nested(100_000)), ("post", nested(100_000))],
    ids=["get-null", "get-nested", "post-nested"],
)
def test_data_that_cannot_be_sent_any_more_is_refused(method: str, data: Any) -> None:
    request = made(url="/echo/", method=method)
    assert request.is_valid()
    request.data = data
    assert request.get_response() == INVALID


def test_response_cannot_be_had_on_an_event_loop() -> None:
    async def call() -> object:
        return made(url="/text/").get_response()

    with pytest.raises(SynchronousOnlyOperation, match="run_in_executor"):
        asyncio.run(call())


def test_response_can_be_had_from_an_event_loop_by_a_thread() -> None:
    async def call() -> object:
        request = made(url="/sleep/async/?seconds=0")
        return await asyncio.get_running_loop().run_in_executor(None, request.get_response)

    response = asyncio.run(call())
    assert isinstance(response, HttpResponse)
    assert json.loads(response.content) == {"slept": 0.0}
