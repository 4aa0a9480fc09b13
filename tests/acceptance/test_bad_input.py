"""Frames that no client should send: each is answered by its code and disturbs nothing else.

The table follows PROTOCOL.md 5.2. After each frame the same connection still works, and so
does another one that was open all along.
"""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.acceptance.client import Client, connect
from tests.acceptance.servers import Server

STATUS = {
    "bad_json": 400,
    "bad_message": 400,
    "missing_url": 400,
    "bad_url": 400,
    "bad_header": 400,
    "unknown_method": 501,
    "not_supported": 501,
    "message_too_large": 413,
}


def request(**members: Any) -> str:
    """A request of id 1 that would be answered but for ``members``."""
    return json.dumps({"id": 1, "url": "/ready/", **members})


DEEP = "[" * 100_000 + "]" * 100_000
NOT_JSON = {
    "empty": "",
    "a word": "hello",
    "cut off": '{"id":1,"url":"/ready/"',
    "behind it": '{"id":1,"url":"/ready/"} x',
    "two objects": '{"id":1,"url":"/ready/"}{"id":2,"url":"/ready/"}',
    "single quotes": "{'id':1,'url':'/ready/'}",
    "comma at the end": '{"id":1,"url":"/ready/",}',
    "NaN": '{"id":1,"method":"POST","url":"/echo/","data":NaN}',
    "leading zero": '{"id":1,"method":"POST","url":"/echo/","data":01}',
    "raw line feed in a string": '{"id":1,"url":"/ready/\n"}',
    "nests too deeply": '{"id":1,"method":"POST","url":"/echo/","data":' + DEEP + "}",
    "nests too deeply in what is ignored": '{"id":1,"url":"/ready/","x":' + DEEP + "}",
    "binary without JSON": b"\x00\x01\x02\nbody",
    "binary, empty": b"",
    "binary, head not UTF-8": b'{"id":1,"url":"/ready/\xff"}\n',
    "binary, head cut off": b'{"id":1,"url":"/ready/"\n}',
}
BAD_MESSAGES = {
    "an array": "[1]",
    "a string": '"/ready/"',
    "a number": "1",
    "null": "null",
    "true": "true",
    "binary, an array": b"[]\nbody",
    "id is true": request(id=True),
    "id is a fraction": request(id=1.5),
    "id is null": request(id=None),
    "id is an object": request(id={}),
    "id is a list": request(id=[1]),
    "id has 65 characters": request(id="x" * 65),
    "id is over 2^53-1": request(id=2**53),
    "id is under -2^53+1": request(id=-(2**53)),
    "id is beyond 64 bits": request(id=10**30),
    "method is a number": request(method=1),
    "method is null": request(method=None),
    "url is a number": request(url=1),
    "url is null": request(url=None),
    "url is a list": request(url=["/ready/"]),
    "headers is a list": request(headers=[["A", "b"]]),
    "headers is a string": request(headers="A: b"),
    "header value is a number": request(headers={"X-A": 1}),
    "header value is null": request(headers={"X-A": None}),
    "header value is a list": request(headers={"X-A": ["b"]}),
    "data of GET is a list": request(data=[1]),
    "data of GET is a string": request(data="a=1"),
    "data of GET is a number": request(data=1),
    "data of GET holds an object": request(data={"a": {"b": 1}}),
    "data of GET holds null": request(data={"a": None}),
    "data of GET holds a list of lists": request(data={"a": [[1]]}),
    "data and body": request(method="POST", data={}, body=""),
    "body with GET": request(body="x"),
    "body with HEAD": request(method="HEAD", body="x"),
    "body is an object": request(method="POST", body={}),
    "body is null": request(method="POST", body=None),
    "token is a number": request(token=1),
    "token is an object": request(token={}),
    "credit is a string": request(credit="1"),
    "credit is negative": request(credit=-1),
    "credit is a fraction": request(credit=1.5),
    "credit is true": request(credit=True),
    "credit without id": '{"url":"/ready/","credit":1}',
    "more in a text frame": request(method="POST", body="x", more=True),
    "more is a string": b'{"id":1,"method":"POST","url":"/echo/","more":"yes"}\nx',
    "more without id": b'{"method":"POST","url":"/echo/","more":true}\nx',
    "subscribe is a string": request(subscribe="yes"),
    "binary with data": b'{"id":1,"method":"POST","url":"/echo/","data":{}}\nx',
    "binary with body": b'{"id":1,"method":"POST","url":"/echo/","body":"a"}\nx',
    "binary GET": b'{"id":1,"url":"/echo/"}\nx',
    "binary HEAD": b'{"id":1,"method":"HEAD","url":"/echo/"}\nx',
    "cancel is a number": '{"id":1,"cancel":1}',
    "cancel without id": '{"cancel":true}',
    "credit alone is a string": '{"id":1,"credit":"x"}',
    "credit alone is negative": '{"id":1,"credit":-5}',
    "credit alone without id": '{"credit":5}',
    "ping of 126 bytes": json.dumps({"ping": "x" * 124}),
}
MISSING_URLS = {
    "nothing": "{}",
    "an id": '{"id":1}',
    "a method": '{"id":1,"method":"GET"}',
    "unknown members": '{"id":1,"uri":"/ready/","status":200}',
}
BAD_URLS = {
    "empty": "",
    "relative": "ready/",
    "dots": "../ready/",
    "query only": "?a=1",
    "two slashes": "//evil.example/",
    "whole": "http://127.0.0.1/ready/",
    "scheme only": "javascript:alert(1)",
    "fragment": "/ready/#top",
    "backslash": "/\\evil.example/",
    "backslash later": "/ready\\",
    "space": "/rea dy/",
    "space at the end": "/ready/ ",
    "line feed": "/ready/\r\nX-A: b",
    "tab": "/ready/\t",
    "null character": "/ready/\x00",
    "delete character": "/ready/\x7f",
    "asterisk": "*",
}
METHODS = ["TRACE", "CONNECT", "", "GE T", "GET ", "PROPFIND", "GET\r\nX: y", "ſ"]
MEBIBYTE = 2**20

TABLE: dict[str, tuple[str | bytes, str, Any]] = {
    **{f"not JSON: {name}": (frame, "bad_json", ...) for name, frame in NOT_JSON.items()},
    **{f"not a message: {name}": (f, "bad_message", ...) for name, f in BAD_MESSAGES.items()},
    **{f"no url: {name}": (frame, "missing_url", ...) for name, frame in MISSING_URLS.items()},
    **{f"bad url: {name}": (request(url=url), "bad_url", 1) for name, url in BAD_URLS.items()},
    **{f"method {m!r}": (request(method=m), "unknown_method", 1) for m in METHODS},
    "token and header": (request(token="x", headers={"Authorization": "y"}), "bad_header", 1),
    "subscribe": (request(subscribe=True), "not_supported", 1),
    "too large": (request(x="x" * MEBIBYTE), "message_too_large", 1),
    "too large in bytes": (request(x="ü" * (MEBIBYTE // 2)), "message_too_large", 1),
    "too large, id a string": (request(id="a", x="x" * MEBIBYTE), "message_too_large", "a"),
    "too large, no id first": ('{"x":"%s","id":1}' % ("x" * MEBIBYTE), "message_too_large", None),
    "too large, no JSON": ("x" * (MEBIBYTE + 1), "message_too_large", None),
    "too large, binary": (
        b'{"id":1,"method":"POST","url":"/echo/"}\n' + bytes(MEBIBYTE),
        "message_too_large",
        1,
    ),
}
"""Each frame with its code and the id of the refusal: None for none, ... for what the frame has."""


@pytest.fixture(scope="module")
def witness(any_server: Server) -> Iterator[Client]:
    """A connection that stays open beside those that send nonsense, with a request in flight."""
    with connect(any_server) as client:
        id = client.send("GET", "/block/?name=witness")
        yield client
        client.get("/release/?name=witness")
        assert client.answer(id).data == {"released": "witness"}


@pytest.mark.parametrize("case", TABLE)
def test_frame_is_refused_and_disturbs_nothing(
    any_client: Client, witness: Client, case: str
) -> None:
    frame, code, id = TABLE[case]
    any_client.socket.send(frame)
    answer = any_client.receive().head
    assert (answer["status"], answer["error"]["code"]) == (STATUS[code], code)
    assert answer["error"]["temporary"] is False
    assert isinstance(answer["error"]["detail"], str)
    assert answer["error"]["detail"]
    if id is not ...:
        assert answer.get("id") == id
    assert any_client.get("/ready/", id="after").data == "ready"
    assert any_client.settle() == []
    assert witness.get("/ready/").data == "ready"


@pytest.mark.parametrize(
    ("frame", "id"),
    [
        ('{"id":1,"method":"GET"', 1),
        ('{"id":"a","method":"GET"', "a"),
        ('{"id":-5,"url":oops}', -5),
        (' { "id" : 7 , nonsense', 7),
        ('{"method":"GET","id":1', None),
        ("oops", None),
        (b'{"id":3,oops}\nbody', 3),
    ],
)
def test_refusal_names_the_id_that_the_frame_starts_with(
    any_client: Client, frame: str | bytes, id: Any
) -> None:
    any_client.socket.send(frame)
    answer = any_client.receive().head
    assert (answer["error"]["code"], answer.get("id")) == ("bad_json", id)


@pytest.mark.parametrize("frame", [request(id="a", data=[1]), request(id="a", url="x")])
def test_refusal_has_the_id_of_its_request(any_client: Client, frame: str) -> None:
    any_client.socket.send(frame)
    assert any_client.receive().head["id"] == "a"


def test_limits_are_inclusive(any_client: Client) -> None:
    start = '{"id":1,"url":"/ready/","x":"'
    any_client.socket.send(start + "x" * (MEBIBYTE - len(start) - 2) + '"}')
    assert any_client.answer(1).data == "ready"
    assert any_client.get("/ready/", id="x" * 64).data == "ready"
    any_client.send_frame(ping="x" * 123)
    assert any_client.receive().head == {"pong": "x" * 123}


def test_id_in_use_is_refused_without_id_and_the_first_goes_on(any_client: Client) -> None:
    for number, other in ((1, 1), ("a", "a")):
        any_client.send("GET", "/sleep/async/?seconds=0.2", id=number)
        any_client.send("GET", "/ready/", id=other)
        refusal = any_client.receive().head
        assert "id" not in refusal
        assert (refusal["status"], refusal["error"]["code"]) == (409, "id_in_use")
        assert (refusal["error"]["id"], refusal["error"]["temporary"]) == (other, False)
        assert any_client.receive_for(number).head["data"] == {"slept": 0.2}


def test_surrogates_and_null_characters_do_no_harm(any_client: Client) -> None:
    """JSON may escape what no UTF-8 can hold. Whatever it is answered, it is answered."""
    for n, text in enumerate(("\\ud800", "\\udfff\\ud800", "\\u0000", "\\ufffe")):
        for frame in (
            '{"id":%d,"url":"/echo/%s"}',
            '{"id":%d,"url":"/echo/?a=%s"}',
            '{"id":%d,"url":"/echo/","data":{"a":"%s"}}',
            '{"id":%d,"url":"/echo/","headers":{"X-A":"%s"}}',
            '{"id":%d,"url":"/echo/","token":"%s"}',
            '{"id":%d,"url":"/echo/","method":"POST","body":"%s"}',
            '{"id":%d,"url":"/echo/","method":"POST","data":"%s"}',
            '{"id":%d,"url":"/echo/","method":"%s"}',
        ):
            any_client.socket.send(frame % (n, text))
            head = any_client.receive().head
            assert head["status"] in (200, 400, 501), (frame, text)
            assert head.get("error", {}).get("code") != "internal_error"
    assert any_client.get("/ready/").data == "ready"


def test_many_bad_frames_in_a_row_do_no_harm(any_client: Client, witness: Client) -> None:
    for _ in range(500):
        any_client.socket.send("{")
    assert [any_client.receive().head["error"]["code"] for _ in range(500)] == ["bad_json"] * 500
    assert any_client.get("/ready/").data == "ready"
    assert witness.get("/ready/").data == "ready"


def test_large_and_small_numbers_in_a_query_do_no_harm(any_client: Client) -> None:
    any_client.socket.send('{"id":1,"url":"/echo/","data":{"a":1e400,"b":%s}}' % ("9" * 5000))
    head = any_client.receive().head
    assert head["status"] in (200, 400)
    assert head.get("error", {}).get("code") != "internal_error"
