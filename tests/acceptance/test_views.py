"""Views of every kind answer over the socket as they answer over HTTP."""

import gzip
import json
from collections.abc import Callable
from typing import Any
from uuid import uuid4

import pytest
from websockets.exceptions import ConnectionClosed

from tests.acceptance.client import Answer, Client, connect
from tests.acceptance.servers import Page, Server

SAME = [
    "/ready/",
    "/class/",
    "/class/anna/",
    "/text/",
    "/latin-1/",
    "/binary/",
    "/empty/",
    "/no-content/",
    "/odd-json/",
    "/problem-json/",
    "/broken-json/",
    "/two-values/",
    "/big-json/?bytes=200000",
    "/big-text/",
    "/zipped-json/",
    "/redirect/",
    "/tagged/",
    "/page/?name=%3Cb%3E",
    "/language/",
    "/stream/",
    "/stream/async/",
    "/stream/json/",
    "/file/?bytes=70000",
    "/sleep/?seconds=0",
    "/sleep/async/?seconds=0",
    "/who/",
    "/who/async/",
    "/rows/?text=nothing",
    "/api/function/",
    "/api/member/",
    "/ninja/add?a=1&b=2",
    "/ninja/add?a=one",
    "/ninja/notes/999999999",
    "/fault/raise/",
    "/fault/raise/async/",
    "/fault/missing/",
    "/fault/forbidden/",
    "/fault/suspicious/",
    "/fault/none/",
    "/fault/none/async/",
    "/fault/unprintable/",
    "/there/is/no/such/page/",
    "/class",
]
# The ASGI server's own, and two that tell the time or the transport.
NOT_COMPARED = {"date", "server", "connection", "transfer-encoding", "x-transport"}


def content(answer: Answer) -> Any:
    """The body: a JSON value, a string or bytes; None when there is none."""
    if answer.first.body is not None:
        return answer.bytes
    return answer.first.head.get("data")


def content_by_http(page: Page, answer: Answer) -> Any:
    """The body by HTTP in the form that the answer over the socket has."""
    if answer.first.body is not None:
        return page.body
    if not page.body:
        return None
    if "json" in page.headers["content-type"]:
        return json.loads(page.body)
    return page.body.decode()


@pytest.mark.documents(
    "docs/bad-input.md", "raises, or returns None or a body that cannot be encoded"
)
@pytest.mark.parametrize("url", SAME)
def test_view_answers_as_over_http(client: Client, server: Server, url: str) -> None:
    page, answer = server.http("GET", url), client.get(url)
    assert answer.error is None
    assert answer.status == page.status
    assert content(answer) == content_by_http(page, answer)
    expected = {name.lower(): value for name, value in page.headers.items()}
    for name in (expected.keys() | answer.headers.keys()) - NOT_COMPARED:
        if name == "content-length" and None in (answer.headers.get(name), expected.get(name)):
            continue  # servers add it to a stream that they have whole, and take it from a 204
        assert answer.headers.get(name) == expected.get(name), name


@pytest.mark.documents("docs/bad-input.md", "returns invalid JSON")
@pytest.mark.parametrize(
    ("url", "kind"),
    [
        ("/text/", str),
        ("/odd-json/", dict),
        ("/problem-json/", dict),
        ("/page/", str),
        ("/latin-1/", bytes),
        ("/binary/", bytes),
        ("/broken-json/", bytes),
        ("/two-values/", bytes),
        ("/zipped-json/", bytes),
        ("/empty/", type(None)),
        ("/no-content/", type(None)),
    ],
)
def test_body_comes_in_the_form_of_its_type(any_client: Client, url: str, kind: type) -> None:
    assert type(content(any_client.get(url))) is kind


def test_middleware_runs_around_every_view(client: Client) -> None:
    for url, recorded in {
        "/text/": "request view response",
        "/page/": "request view template response",
        "/rows/async/class/?text=x": "request view response",
        "/api/function/": "request view template response",
        "/fault/raise/": "request view RuntimeError response",
        "/fault/raise/async/": "request view RuntimeError response",
    }.items():
        headers = client.get(url).headers
        assert (headers["x-recorded"], headers["x-transport"]) == (recorded, "websocket"), url


def test_signals_are_sent_once_for_each_request(any_client: Client) -> None:
    before = any_client.get("/counts/").data
    for url in ("/text/", "/fault/raise/", "/sleep/async/?seconds=0", "/stream/"):
        any_client.get(url)
    after = any_client.get("/counts/").data
    rise = {name: after[name] - before.get(name, 0) for name in after}
    assert rise["request_started"] == 5
    assert rise["request_finished"] == 5
    assert rise["got_request_exception"] == 1


def test_websocket_of_the_request_names_the_connection(server: Server) -> None:
    with connect(server) as one, connect(server, subprotocol=None) as two:
        first = one.get("/echo/").data["websocket"]
        assert first["subprotocol"] == "wsrequest.v1"
        assert one.get("/echo/").data["websocket"] == first
        second = two.get("/echo/").data["websocket"]
        assert second["subprotocol"] is None
        assert second["connection_id"] != first["connection_id"]
    assert server.get_json("/echo/")["websocket"] is None


def test_failing_view_is_logged_with_its_traceback(any_client: Client, any_server: Server) -> None:
    before = len(any_server.log())
    assert any_client.get("/fault/raise/").status == 500
    log = any_server.log()[before:]
    assert "Internal Server Error: /fault/raise/" in log
    assert "RuntimeError: the view fails" in log


@pytest.mark.documents("docs/bad-input.md", "leaves by `sys.exit`, or is cancelled by other code")
@pytest.mark.parametrize(
    "url",
    ["/fault/exit/", "/fault/exit/async/", "/fault/cancelled/", "/fault/cancelled/async/"],
)
def test_view_that_leaves_is_answered_and_the_server_stays(
    client: Client, server: Server, url: str
) -> None:
    assert client.answer(client.send("GET", url), 5).status == 500
    assert client.get("/ready/").data == "ready"
    assert server.http("GET", "/ready/").body == b"ready"


def test_async_views_use_the_async_orm(client: Client) -> None:
    text = uuid4().hex
    answer = client.get("/rows/async/", data={"text": text})
    assert (answer.status, answer.data) == (201, {"texts": [text]})
    answer = client.request("POST", f"/rows/async/class/?text={text}")
    assert (answer.status, answer.data) == (201, {"text": text})
    assert client.get(f"/rows/async/class/?text={text}").data == {"count": 2}


def test_rest_viewset_creates_reads_changes_and_deletes(client: Client) -> None:
    text = uuid4().hex
    created = client.request("POST", "/api/notes/", data={"text": text})
    assert (created.status, created.data["text"]) == (201, text)
    url = f"/api/notes/{created.data['id']}/"
    assert client.get("/api/notes/", data={"text": text}).data == [created.data]
    assert client.request("PUT", url, data={"text": text + "2"}).data["text"] == text + "2"
    assert client.request("PATCH", url, data={"text": text + "3"}).data["text"] == text + "3"
    assert client.request("POST", url + "shout/").data == {"shouted": (text + "3").upper()}
    options = client.request("OPTIONS", url)
    assert options.headers["allow"] == "GET, PUT, PATCH, DELETE, HEAD, OPTIONS"
    assert client.request("DELETE", url).status == 204
    assert client.get(url).status == 404


def test_rest_refuses_what_the_serializer_refuses(client: Client) -> None:
    answer = client.request("POST", "/api/notes/", data={"text": ""})
    assert (answer.status, answer.data) == (400, {"text": ["This field may not be blank."]})


def test_rest_function_takes_json_and_forms(client: Client) -> None:
    assert client.request("POST", "/api/function/", data=[1]).data["data"] == [1]
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = client.request("POST", "/api/function/", body="a=1", headers=headers)
    assert answer.data["data"] == {"a": "1"}


def test_rest_browsable_page_is_html(client: Client) -> None:
    answer = client.get("/api/notes/", headers={"Accept": "text/html"})
    assert (answer.status, answer.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert "Note List" in answer.data


def test_rest_throttle_answers_429_with_retry_after(client: Client) -> None:
    url = f"/api/throttled/?name={uuid4().hex}"
    assert [client.get(url).status for _ in range(2)] == [200, 200]
    answer = client.get(url)
    assert (answer.status, answer.error) == (429, None)
    assert 3500 < int(str(answer.headers["retry-after"])) <= 3600
    assert "throttled" in answer.data["detail"]


def test_ninja_creates_and_reads(client: Client) -> None:
    created = client.request("POST", "/ninja/notes", data={"text": "by ninja"})
    assert (created.status, created.data["text"]) == (201, "by ninja")
    assert client.get(f"/ninja/notes/{created.data['id']}").data == created.data


def test_head_has_the_length_of_get(client: Client) -> None:
    head, get = client.request("HEAD", "/text/"), client.get("/text/")
    assert head.headers["content-length"] == get.headers["content-length"] == "6"
    assert "data" not in head.first.head
    assert not head.bytes


@pytest.mark.parametrize("url", ["/tagged/", "/text/"], ids=["condition", "middleware"])
def test_etag_that_still_holds_is_answered_by_304(client: Client, url: str) -> None:
    etag = client.get(url).headers["etag"]
    answer = client.get(url, headers={"If-None-Match": etag})
    assert (answer.status, answer.headers["etag"]) == (304, etag)
    assert "data" not in answer.first.head
    assert not answer.bytes
    assert client.get(url, headers={"If-None-Match": '"other"'}).status == 200


def test_redirect_is_not_followed(client: Client) -> None:
    answer = client.get("/redirect/")
    assert (answer.status, answer.headers["location"]) == (302, "/echo/?from=redirect")


def test_gzip_middleware_leaves_a_body_that_arrives_right(server: Server) -> None:
    expected = "ein langer Text\n" * 1000
    with connect(server, headers={"Accept-Encoding": "gzip, deflate, br"}) as client:
        answer = client.get("/big-text/")
        if answer.headers.get("content-encoding") == "gzip":
            assert gzip.decompress(answer.bytes).decode() == expected
        else:
            assert answer.data == expected


def test_body_that_the_view_encoded_comes_as_bytes(client: Client) -> None:
    answer = client.get("/zipped-json/")
    assert answer.headers["content-encoding"] == "gzip"
    assert json.loads(gzip.decompress(answer.bytes)) == {"zipped": True}


def test_language_is_that_of_the_message_or_the_handshake(server: Server) -> None:
    with connect(server, headers={"Accept-Language": "fr"}) as client:
        assert client.get("/language/").data == {"language": "fr", "yes": "oui,non,peut-être"}
        answer = client.get("/language/", headers={"Accept-Language": "de"})
        assert answer.data == {"language": "de", "yes": "Ja,Nein,Vielleicht"}
        assert answer.headers["content-language"] == "de"
        assert client.get("/language/").data["language"] == "fr"


def test_big_answer_comes_whole(client: Client) -> None:
    answer = client.get("/big-json/")
    assert len(answer.frames) == 1
    assert len(answer.data) == 40_000
    assert answer.data[-1] == {"n": 39_999, "text": "x" * 80}


@pytest.mark.documents("docs/bad-input.md", "returns more than the server sends")
def test_answer_that_the_server_will_not_send_is_not_lost(serve: Callable[..., Server]) -> None:
    """Promise 3: it is answered otherwise, or the connection is closed with a code."""
    with connect(serve("daphne-limited")) as client:
        assert client.get("/big-json/?bytes=50000").status == 200
        client.send("GET", "/big-json/?bytes=500000", id=1)
        try:
            assert client.answer(1, 5).error is not None
        except ConnectionClosed as closed:
            assert closed.rcvd is not None
            assert closed.rcvd.code in (1009, 1011, *range(4000, 4500))
