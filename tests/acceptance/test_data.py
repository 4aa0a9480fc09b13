"""What a message says of a request arrives in the view: method, query, body, token and id."""

import base64
import json
from collections.abc import Callable
from typing import Any

import pytest

from tests.acceptance.client import Client, Frame, connect
from tests.acceptance.servers import Server

METHODS = ["GET", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"]


def body(answer: Any) -> bytes:
    """The body that the view saw."""
    return base64.b64decode(answer.data["body"])


@pytest.mark.parametrize("method", METHODS)
def test_method_arrives(client: Client, method: str) -> None:
    answer = client.request(method, "/echo/")
    assert (answer.status, answer.data["method"]) == (200, method)


def test_method_head_has_status_and_headers_but_no_body(client: Client) -> None:
    answer = client.request("HEAD", "/echo/")
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/json"
    assert "data" not in answer.first.head
    assert not answer.first.body


@pytest.mark.parametrize("method", ["get", "Post", "dELETE"])
def test_method_may_be_in_any_case(any_client: Client, method: str) -> None:
    assert any_client.request(method, "/echo/").data["method"] == method.upper()


def test_method_is_get_when_absent(client: Client) -> None:
    client.send_frame(id=1, url="/echo/")
    assert client.answer(1).data["method"] == "GET"


def test_query_joins_url_and_data(client: Client) -> None:
    data = {"b": [1, "2", False], "c": True, "d": "ü &=", "e": 1.5}
    answer = client.get("/echo/?a=1&b=0", data=data)
    assert answer.data["query"] == {
        "a": ["1"],
        "b": ["0", "1", "2", "false"],
        "c": ["true"],
        "d": ["ü &="],
        "e": ["1.5"],
    }
    assert answer.data["body"] == ""


@pytest.mark.parametrize("data", [None, {}], ids=["null", "empty object"])
def test_query_stays_without_data(any_client: Client, data: Any) -> None:
    assert any_client.get("/echo/?a=1", data=data).data["full_path"] == "/echo/?a=1"


@pytest.mark.documents("docs/bad-input.md", "a URL with `..`, `//` after")
@pytest.mark.parametrize(
    "url",
    [
        "/echo/gr%C3%BCn/%2Fx?q=%20%C3%A4+b",
        "/echo/a%20b;c=d/",
        "/echo/?a=%FF&&=&b",
        "/echo/%25?%",
        "/echo/../ready/./x",
        "/echo/%2e%2e/%2E/x",
        "/echo//a///b/",
        "/echo/a%5Cb%00c%0D%09d",
        "/echo/?a=%00%0D%0A%5C%2F..",
    ],
)
def test_url_is_decoded_as_over_http(client: Client, server: Server, url: str) -> None:
    by_http, by_socket = server.get_json(url), client.get(url).data
    names = ("path", "full_path", "query", "uri")
    assert {name: by_socket[name] for name in names} == {name: by_http[name] for name in names}


@pytest.mark.documents("docs/bad-input.md", "the same, if no view is found")
@pytest.mark.parametrize(
    "url",
    ["/../ready/", "/ready/..", "/./ready/", "/%2Fevil.example/", "/%2F%2Fevil", "/ready%00/"],
)
def test_url_that_leads_nowhere_leads_nowhere_as_over_http(
    client: Client, server: Server, url: str
) -> None:
    """Nothing is resolved, and a slash that was encoded makes no host of what follows it."""
    page, answer = server.http("GET", url), client.get(url)
    assert (answer.error, answer.status) == (None, page.status)
    assert answer.status in (301, 404)
    assert answer.headers.get("location") == page.headers.get("location")


@pytest.mark.documents("docs/bad-input.md", "a URL outside ASCII")
def test_url_outside_ascii_is_taken_as_utf_8(client: Client) -> None:
    answer = client.get("/echo/grün/?q=straße")
    assert answer.data["path"] == "/echo/grün/"
    assert answer.data["query"] == {"q": ["straße"]}


@pytest.mark.parametrize(
    "text",
    [
        '{ "b" : 1.0, "b":1e2,"a":"\\u00e9\\/" }',
        '[1, 2,{"x":  null}]',
        '"ü \\n"',
        "-0.0",
        "12345678901234567890.000",
        "null",
        "true",
        "{}",
    ],
)
def test_json_body_is_passed_on_byte_for_byte(client: Client, text: str) -> None:
    client.socket.send('{"id": 1, "method": "POST", "url": "/echo/", "data": ' + text + ', "x": 1}')
    answer = client.answer(1)
    assert body(answer) == text.encode()
    assert answer.data["content_type"] == "application/json"
    assert answer.data["meta"]["CONTENT_LENGTH"] == str(len(text.encode()))


@pytest.mark.documents("docs/bad-input.md", "a body with invalid JSON")
@pytest.mark.parametrize("text", ['{"a":', "", "{'a':1}", '{"a":1}}', "\ufeff{}", "NaN", "\0"])
def test_json_body_that_is_broken_is_the_views_to_judge(
    any_client: Client, any_server: Server, text: str
) -> None:
    headers = {"Content-Type": "application/json"}
    page = any_server.http("POST", "/api/function/", text.encode(), headers)
    as_text = any_client.request("POST", "/api/function/", body=text, headers=headers)
    as_bytes = any_client.request("POST", "/api/function/", bytes=text.encode(), headers=headers)
    for answer in (as_text, as_bytes):
        assert (answer.error, answer.status) == (None, page.status)
        assert answer.data == page.json()
    assert any_client.get("/ready/").data == "ready"


def test_json_body_may_have_another_type(client: Client) -> None:
    headers = {"content-type": "application/merge-patch+json; v=2"}
    answer = client.request("PATCH", "/echo/", data={"a": 1}, headers=headers)
    assert answer.data["content_type"] == "application/merge-patch+json"
    assert answer.data["content_params"] == {"v": "2"}
    assert json.loads(body(answer)) == {"a": 1}


def test_text_body_is_utf_8(client: Client) -> None:
    answer = client.request("POST", "/echo/", body="grün\n")
    assert body(answer) == "grün\n".encode()
    assert answer.data["meta"]["CONTENT_TYPE"] == "text/plain;charset=UTF-8"


def test_text_body_may_be_a_form(client: Client) -> None:
    headers = {"Content-Type": "application/x-www-form-urlencoded"}
    answer = client.request("POST", "/echo/", body="a=1&b=%C3%BC&a=2", headers=headers)
    assert answer.data["form"] == {"a": ["1", "2"], "b": ["ü"]}


def test_binary_body_is_passed_on_byte_for_byte(client: Client) -> None:
    content = bytes(range(256)) + b"\n\n"
    headers = {"Content-Type": "application/octet-stream"}
    answer = client.request("PUT", "/echo/", bytes=content, headers=headers)
    assert body(answer) == content
    assert answer.data["content_type"] == "application/octet-stream"


def test_request_without_body_has_none(client: Client) -> None:
    answer = client.request("POST", "/echo/")
    assert answer.data["body"] == ""
    assert answer.data["meta"].get("CONTENT_LENGTH", "0") in ("", "0")


def test_token_becomes_the_authorization_header(client: Client) -> None:
    answer = client.get("/echo/", token="a.b.c")
    assert answer.data["meta"]["HTTP_AUTHORIZATION"] == "JWT a.b.c"


def test_token_null_is_no_token(any_client: Client) -> None:
    assert "HTTP_AUTHORIZATION" not in any_client.get("/echo/", token=None).data["meta"]


def test_token_is_of_its_message_only(any_client: Client) -> None:
    any_client.get("/echo/", token="a.b.c")
    assert "HTTP_AUTHORIZATION" not in any_client.get("/echo/").data["meta"]


def test_token_scheme_is_a_setting(serve: Callable[..., Server]) -> None:
    with connect(serve(TOKEN_SCHEME="Bearer")) as client:
        assert client.get("/echo/", token="abc").data["meta"]["HTTP_AUTHORIZATION"] == "Bearer abc"


@pytest.mark.parametrize("id", ["a", "", "ü" * 64, 0, -1, 2**53 - 1, -(2**53) + 1])
def test_id_comes_back_as_it_went(client: Client, id: Any) -> None:
    client.send_frame(id=id, url="/ready/")
    head = client.receive().head
    assert (head["status"], head["id"], type(head["id"])) == (200, id, type(id))


def test_id_absent_is_absent_from_the_answer(client: Client) -> None:
    client.send_frame(url="/ready/")
    head = client.receive().head
    assert head["status"] == 200
    assert "id" not in head


def test_id_string_and_integer_are_two(client: Client) -> None:
    client.send("GET", "/sleep/async/?seconds=0.1", id=1)
    client.send("GET", "/ready/", id="1")
    assert client.answer("1").data == "ready"
    assert client.answer(1).data == {"slept": 0.1}


def test_id_is_free_again_when_answered(client: Client) -> None:
    assert [client.get("/ready/", id=5).status for _ in range(3)] == [200, 200, 200]


def test_members_that_nobody_knows_are_ignored(client: Client) -> None:
    client.send_frame(id=1, url="/ready/", flavour={"deep": [1]}, Method="DELETE")
    assert client.answer(1).data == "ready"


def test_requests_at_once_are_answered_each_to_its_id(client: Client) -> None:
    ids = [client.send("GET", f"/class/{n}/") for n in range(50)]
    assert [client.answer(id).data["kwargs"] for id in ids] == [{"name": str(n)} for n in range(50)]


def test_binary_frame_may_have_an_empty_body(client: Client) -> None:
    client.socket.send(b'{"id":1,"method":"DELETE","url":"/echo/"}\n')
    assert client.answer(1).data["method"] == "DELETE"


def test_answer_json_is_spliced_in_byte_for_byte(client: Client) -> None:
    client.send("GET", "/odd-json/", id=1)
    raw = client.socket.recv(10)
    assert isinstance(raw, str)
    assert '"data":{ "b" : 1.0,\r\n\t"a":[ 1e2,"\\u00e9\\/" ],"a":-0 }' in raw
    assert Frame.read(raw).head["data"] == {"b": 1.0, "a": 0}
