"""Frames that no client should send, row by row as docs/bad-input.md has them.

Owns the frames and the code that each is refused with. ``test_bad_input`` sends them, and
compares the rows with the page.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wsrequest.errors import CODES
from wsrequest.types import Frame, Id

__all__ = ["MEBIBYTE", "ROWS", "Row", "request"]

MEBIBYTE = 2**20


@dataclass(frozen=True)
class Row:
    """One row of the page.

    Attributes:
        frames: by a name each; the first is sent to every server, all of them to one.
        id: of the refusal; None for none, ... for what the frame happens to have.
    """

    code: str
    frames: Mapping[str, Frame]
    id: Id | None | Any = ...

    @property
    def answer(self) -> str:
        """What the page says of it."""
        status, temporary = CODES[self.code]
        assert not temporary
        return f"{status} `{self.code}`"


def request(**members: Any) -> str:
    """A request of id 1 that would be answered but for ``members``."""
    return json.dumps({"id": 1, "url": "/ready/", **members})


def urls(*found: str) -> Mapping[str, Frame]:
    return {repr(url[:40]): request(url=url) for url in found}


def header(*found: tuple[str, str]) -> Mapping[str, Frame]:
    return {repr(pair): request(headers=dict([pair])) for pair in found}


DEEP = "[" * 100_000 + "]" * 100_000
NOT_JSON: Mapping[str, Frame] = {
    "a word": "hello",
    "empty": "",
    "cut off": '{"id":1,"url":"/ready/"',
    "behind it": '{"id":1,"url":"/ready/"} x',
    "two objects": '{"id":1,"url":"/ready/"}{"id":2,"url":"/ready/"}',
    "single quotes": "{'id':1,'url':'/ready/'}",
    "comma at the end": '{"id":1,"url":"/ready/",}',
    "NaN": '{"id":1,"method":"POST","url":"/echo/","data":NaN}',
    "leading zero": '{"id":1,"method":"POST","url":"/echo/","data":01}',
    "raw line feed in a string": '{"id":1,"url":"/ready/\n"}',
    "byte order mark": '\ufeff{"id":1,"url":"/ready/"}',
}
DEEP_JSON: Mapping[str, Frame] = {
    "in data": '{"id":1,"method":"POST","url":"/echo/","data":' + DEEP + "}",
    "in what is ignored": '{"id":1,"url":"/ready/","x":' + DEEP + "}",
    "in a query": '{"id":1,"url":"/ready/","data":{"a":' + DEEP + "}}",
    "in a ping": '{"ping":' + DEEP + "}",
    "never closed": "[" * 500_000,
    "objects": '{"a":' * 100_000,
    "in a binary head": b'{"id":1,"url":"/ready/","x":' + DEEP.encode() + b"}\n",
}
CUT_SHORT: Mapping[str, Frame] = {
    "empty": b"",
    "no line feed": b'{"id":1,"method":"POST","url":"/echo/"}',
    "head without its end": b'{"id":1,"method":"POST","url":"/ec\nbody',
    "head cut off": b'{"id":1,"url":"/ready/"\n}',
    "line feed only": b"\n",
    "no JSON": b"\x00\x01\x02\nbody",
}
INVALID_UTF_8: Mapping[str, Frame] = {
    "in the url": b'{"id":1,"url":"/ready/\xff"}\n',
    "cut short": b'{"id":1,"url":"/ready/\xc3"}\n',
    "overlong": b'{"id":1,"url":"/ready/\xc0\xaf"}\n',
    "surrogate": b'{"id":1,"url":"/ready/\xed\xa0\x80"}\n',
    "UTF-16": '{"id":1,"url":"/ready/"}'.encode("utf-16") + b"\n",
    "in a ping": b'{"ping":"\xff"}\n',
}
NO_OBJECT: Mapping[str, Frame] = {
    "an array": "[1]",
    "a string": '"/ready/"',
    "a number": "1",
    "null": "null",
    "true": "true",
    "binary, an array": b"[]\nbody",
}
BAD_IDS: Mapping[str, Frame] = {
    "true": request(id=True),
    "a fraction": request(id=1.5),
    "null": request(id=None),
    "an object": request(id={}),
    "a list": request(id=[1]),
    "65 characters": request(id="x" * 65),
    "over 2^53-1": request(id=2**53),
    "under -2^53+1": request(id=-(2**53)),
    "beyond 64 bits": request(id=10**30),
}
WRONG_TYPES: Mapping[str, Frame] = {
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
    "body is an object": request(method="POST", body={}),
    "body is null": request(method="POST", body=None),
    "token is a number": request(token=1),
    "token is an object": request(token={}),
    "credit is a string": request(credit="1"),
    "credit is negative": request(credit=-1),
    "credit is a fraction": request(credit=1.5),
    "credit is true": request(credit=True),
    "credit is over 2^53-1": request(credit=2**53),
    "more is a string": b'{"id":1,"method":"POST","url":"/echo/","more":"yes"}\nx',
    "subscribe is a string": request(subscribe="yes"),
    "cancel is a number": '{"id":1,"cancel":1}',
    "credit alone is a string": '{"id":1,"credit":"x"}',
    "credit alone is negative": '{"id":1,"credit":-5}',
    "ping of 126 bytes": json.dumps({"ping": "x" * 124}),
}
NOT_TOGETHER: Mapping[str, Frame] = {
    "data and body": request(method="POST", data={}, body=""),
    "body with GET": request(body="x"),
    "body with HEAD": request(method="HEAD", body="x"),
    "credit without id": '{"url":"/ready/","credit":1}',
    "credit alone without id": '{"credit":5}',
    "cancel without id": '{"cancel":true}',
    "more in a text frame": request(method="POST", body="x", more=True),
    "more without id": b'{"method":"POST","url":"/echo/","more":true}\nx',
    "binary with data": b'{"id":1,"method":"POST","url":"/echo/","data":{}}\nx',
    "binary with body": b'{"id":1,"method":"POST","url":"/echo/","body":"a"}\nx',
    "binary GET": b'{"id":1,"url":"/echo/"}\nx',
    "binary HEAD": b'{"id":1,"method":"HEAD","url":"/echo/"}\nx',
}
NO_URL: Mapping[str, Frame] = {
    "nothing": "{}",
    "an id": '{"id":1}',
    "a method": '{"id":1,"method":"GET"}',
    "unknown members": '{"id":1,"uri":"/ready/","status":200}',
}
METHODS = ("TRACE", "CONNECT", "", "GE T", "GET ", "PROPFIND", "GET\r\nX: y", "ſ", "po\u017ft")
BAD_VALUES = ["a\r\nX-B: c", "a\nb", "a\0b", "a\x0bb", "a\x1cb", "a\x7fb", "a\x85b", "a\u0100b"]
BAD_NAMES = ["X A", "X:A", "X-Ü", "", "X-A\n", "X-A\0", "wsgi.url_scheme ", "(X)"]
TOO_LARGE: Mapping[str, Frame] = {
    "text": request(x="x" * MEBIBYTE),
    "in bytes": request(x="ü" * (MEBIBYTE // 2)),
    "binary": b'{"id":1,"method":"POST","url":"/echo/"}\n' + bytes(MEBIBYTE),
}
TOO_LARGE_UNNAMED: Mapping[str, Frame] = {
    "no id first": '{"x":"%s","id":1}' % ("x" * MEBIBYTE),
    "no JSON": "x" * (MEBIBYTE + 1),
}

ROWS: dict[str, Row] = {
    "text that is not JSON": Row("bad_json", NOT_JSON),
    "JSON that nests too deeply": Row("bad_json", DEEP_JSON),
    "a binary frame that is cut short: no head, or half of one": Row("bad_json", CUT_SHORT),
    "a binary frame whose head is not UTF-8": Row("bad_json", INVALID_UTF_8),
    "JSON that is not an object": Row("bad_message", NO_OBJECT),
    "an `id` that is neither a string of up to 64 characters nor an integer of 53 bits": Row(
        "bad_message", BAD_IDS, None
    ),
    "another member of a wrong type, or out of its range": Row("bad_message", WRONG_TYPES),
    "members that do not go together": Row("bad_message", NOT_TOGETHER),
    "no `url`": Row("missing_url", NO_URL),
    "a method that is not one of the seven": Row(
        "unknown_method", {repr(method): request(method=method) for method in METHODS}, 1
    ),
    "an absolute URL, or one that does not start with a slash": Row(
        "bad_url",
        urls(
            "http://127.0.0.1/ready/", "ready/", "", "../ready/", "?a=1", "*",
            "javascript:alert(1)", "%2Fready/",
        ),
        1,
    ),
    "a URL that starts with two slashes": Row("bad_url", urls("//evil.example/", "///", "//"), 1),
    "a backslash in the URL": Row("bad_url", urls("/\\evil.example/", "/ready\\", "\\ready/"), 1),
    "a fragment in the URL": Row("bad_url", urls("/ready/#top", "/#"), 1),
    "a space, NUL or another control character in the URL": Row(
        "bad_url",
        urls(
            "/ready/\0", "/rea dy/", "/ready/ ", " /ready/", "/ready/\r\nX-A: b", "/ready/\t",
            "/ready/\x7f",
        ),
        1,
    ),
    "a URL of more than 8,190 characters, percent-encoded": Row(
        "bad_url", urls("/echo/" + "a" * 8185, "/echo/?a=" + "ü" * 1365, "/" * 9000), 1
    ),
    "a header that `fetch` cannot set, or a trusted proxy header": Row(
        "bad_header",
        header(
            ("Host", "evil.example"), ("Cookie", "a=b"), ("Origin", "null"), ("referer", "x"),
            ("Content-Length", "1"), ("Transfer-Encoding", "chunked"), ("Sec-Fetch-Site", "none"),
            ("X-Forwarded-For", "192.0.2.1"), ("X-FORWARDED-PROTO", "https"), ("Forwarded", "x"),
            ("X-Rewrite-URL", "/admin/"), ("Remote-User", "admin"),
        ),
        1,
    ),
    "a header that `WSREQUEST_FORBIDDEN_HEADERS` names": Row(
        "bad_header", header(("X-Project-Secret", "x"), ("x-project-secret", "x")), 1
    ),
    "a header name with an underscore": Row(
        "bad_header", header(("X_A", "b"), ("Remote_User", "admin"), ("_", "x")), 1
    ),
    "a header name that is not a token": Row(
        "bad_header", header(*((name, "a") for name in BAD_NAMES)), 1
    ),
    "a control character, or one outside Latin-1, in a header value": Row(
        "bad_header", header(*(("X-A", value) for value in BAD_VALUES)), 1
    ),
    "a header given twice, in different case": Row(
        "bad_header", {"twice": request(headers={"X-A": "a", "x-a": "b"})}, 1
    ),
    "more than 100 headers, or 16,384 characters of them": Row(
        "bad_header",
        {
            "101 headers": request(headers={f"X-{n}": "a" for n in range(101)}),
            "16,385 characters": request(headers={"X-A": "a" * 16_382}),
            "a long name": request(headers={"X" * 16_385: ""}),
        },
        1,
    ),
    "a `token` beside an Authorization header, or one that no header can hold": Row(
        "bad_header",
        {
            "both": request(token="x", headers={"authorization": "y"}),
            "line feed": request(token="x\ny"),
            "too long": request(token="x" * 16_385),
        },
        1,
    ),
    "`subscribe` with another method than GET, or with `credit`": Row(
        "bad_message",
        {
            "POST": request(subscribe=True, method="POST"),
            "credit": request(subscribe=True, credit=1),
        },
        1,
    ),
    "`subscribe` to a view that reads nothing": Row(
        "not_live", {"subscribe": request(subscribe=True)}, 1
    ),
    "a frame of more than `WSREQUEST_MAX_MESSAGE_BYTES`": Row("message_too_large", TOO_LARGE, 1),
    "the same, if `id` does not come first": Row("message_too_large", TOO_LARGE_UNNAMED, None),
}  # fmt: skip
