"""A response that is sent whole, as events and as lines."""

import pytest
from django.http import HttpResponse

from wsrequest.server.http import whole_response
from wsrequest.server.http.whole_response import WholeResponse, header_lines, plain_response

LENGTH = ("Content-Length", "2")


def test_lines_are_the_headers_of_the_events() -> None:
    django = HttpResponse(b"ok", headers={"X-A": "1", "x-b": "50%s %", "X-C": "é"})
    django.set_cookie("c", "d")
    cookies = [("Set-Cookie", each.output(header="")) for each in django.cookies.values()]
    response = WholeResponse(200, [*django.items(), LENGTH, *cookies], b"ok")
    start, end = response
    expected = [name.lower() + b": " + value for name, value in start["headers"]]
    assert response.lines == b"".join(line + b"\r\n" for line in expected)
    assert start["status"] == 200
    assert end == {"type": "http.response.body", "body": b"ok"}


def test_plain_response_is_usual() -> None:
    response = plain_response(503, ("Retry-After", "1"))
    assert response.lines == b"content-type: text/plain\r\ncontent-length: 19\r\nretry-after: 1\r\n"
    assert response.body == b"Service Unavailable"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [("Content-Length", "3")],
        [("Content-Length", "+2")],
        [("Content-Length", "²")],
        [LENGTH, ("content-length", "2")],
        [LENGTH, ("connection", "close")],
        [LENGTH, ("Transfer-Encoding", "chunked")],
        [LENGTH, ("X A", "b")],
        [LENGTH, ("X-A:", "b")],
        [LENGTH, ("X-A\r\nX-B", "b")],
        [LENGTH, ("X-É", "b")],
        [LENGTH, ("", "b")],
        [LENGTH, ("X-A", "b\r\nX-B: c")],
        [LENGTH, ("X-A", "b\nc")],
        [LENGTH, ("X-A", "b\x7f")],
        [LENGTH, ("X-A", "\x85")],
    ],
)
def test_there_are_no_lines_of_what_the_server_must_look_at(
    headers: list[tuple[str, str]],
) -> None:
    assert header_lines(headers, 2) is None


def test_value_that_is_not_latin_1_is_noticed_while_an_error_can_be_answered() -> None:
    for name in ("X-A", "X A"):
        with pytest.raises(UnicodeEncodeError):
            WholeResponse(200, [LENGTH, (name, "\u20ac")], b"ok")


def test_long_names_are_not_remembered() -> None:
    whole_response._line_start.cache_clear()
    assert header_lines([("X-" + "a" * 100, "b"), LENGTH], 2) is not None
    assert whole_response._line_start.cache_info().currsize == 1
