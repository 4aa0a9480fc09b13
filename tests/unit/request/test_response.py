"""Responses: their headers, and their bodies in pieces."""

import asyncio
import io
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from django.http import FileResponse, HttpResponse, JsonResponse, StreamingHttpResponse

from wsrequest.request.response import (
    apieces,
    has_body,
    headers_of,
    internal_header,
    is_endless,
    pieces,
    split,
)


def test_headers_of_keeps_names_as_the_application_wrote_them() -> None:
    response = HttpResponse("x", headers={"X-cAsE": "1"}, content_type="text/plain")
    assert headers_of(response, show_cookies=True) == {"X-cAsE": "1", "Content-Type": "text/plain"}


def test_headers_of_is_what_the_response_says() -> None:
    """It looks into a mapping of Django's that is not documented."""
    response = HttpResponse("x", headers={"X-B": "1", "X-A": "2", "x-c": "3"})
    response["X-B"] = "4"
    del response["X-A"]
    assert list(headers_of(response, show_cookies=True).items()) == list(response.items())


def test_headers_of_has_no_length_for_204() -> None:
    """RFC 9110 8.6; CommonMiddleware sets it."""
    headers = {"Content-Length": "0"}
    assert "Content-Length" not in headers_of(
        HttpResponse(status=204, headers=headers), show_cookies=False
    )
    assert "Content-Length" in headers_of(HttpResponse(headers=headers), show_cookies=False)


def test_headers_of_lists_cookies_where_they_may_be_seen() -> None:
    response = HttpResponse()
    response.set_cookie("a", "1", httponly=True)
    response.set_cookie("b", "2")
    shown = headers_of(response, show_cookies=True)["Set-Cookie"]
    assert shown == ["a=1; HttpOnly; Path=/", "b=2; Path=/"]


def test_headers_of_hides_cookies_from_scripts() -> None:
    response = HttpResponse()
    response.set_cookie("a", "1", httponly=True)
    assert "Set-Cookie" not in headers_of(response, show_cookies=False)


@pytest.mark.parametrize("name", ["Set-Cookie", "set-cookie"])
def test_headers_of_hides_a_cookie_that_was_written_as_a_header(name: str) -> None:
    response = HttpResponse()
    response[name] = "a=1; HttpOnly"
    shown = headers_of(response, show_cookies=False)
    assert not [header for header in shown if header.lower() == "set-cookie"]


def test_headers_of_shows_cookies_of_both_kinds_where_they_may_be_seen() -> None:
    response = HttpResponse()
    response["Set-Cookie"] = "by-hand=1"
    response.set_cookie("a", "1")
    assert headers_of(response, show_cookies=True)["Set-Cookie"] == ["by-hand=1", "a=1; Path=/"]


@pytest.mark.parametrize(
    ("method", "status", "expected"),
    [
        ("GET", 200, True),
        ("POST", 404, True),
        ("OPTIONS", 200, True),
        ("HEAD", 200, False),
        ("HEAD", 500, False),
        ("GET", 204, False),
        ("GET", 304, False),
        ("GET", 100, False),
    ],
)
def test_has_body_by_method_and_status(method: str, status: int, expected: bool) -> None:
    assert has_body(method, status) is expected


@pytest.mark.parametrize(
    ("content_type", "expected"),
    [
        ("text/event-stream", True),
        ("text/event-stream; charset=utf-8", True),
        ("text/plain", False),
    ],
)
def test_is_endless_by_type(content_type: str, expected: bool) -> None:
    assert is_endless(StreamingHttpResponse([], content_type=content_type)) is expected
    assert not is_endless(JsonResponse({}))


@pytest.mark.parametrize(
    ("chunk", "expected"),
    [
        (b"", [b""]),
        (b"abc", [b"abc"]),
        (b"abcd", [b"abcd"]),
        (b"abcde", [b"abcd", b"e"]),
        (b"abcdefghi", [b"abcd", b"efgh", b"i"]),
    ],
)
def test_split_cuts_at_the_size(chunk: bytes, expected: list[bytes]) -> None:
    assert list(split(chunk, 4)) == expected


def test_pieces_pass_on_what_is_small_and_cut_what_is_not() -> None:
    response = StreamingHttpResponse(["ab", b"", b"cdefgh", "é"])
    assert list(pieces(response, 4)) == [b"ab", b"", b"cdef", b"gh", "é".encode()]


def test_pieces_read_a_file_by_the_size() -> None:
    response = FileResponse(io.BytesIO(bytes(range(10))))
    assert [len(piece) for piece in pieces(response, 4)] == [4, 4, 2]
    response.close()


def test_pieces_of_a_file_of_text_come_to_an_end() -> None:
    """No server can send them, but none may wait for ever."""
    assert list(pieces(FileResponse(io.StringIO("text")), 3)) == ["tex", "t"]


def test_pieces_of_a_file_that_a_middleware_rewrote_are_those_of_the_middleware() -> None:
    response = FileResponse(io.BytesIO(b"plain"))
    plain: Any = response.streaming_content
    response.streaming_content = (chunk.upper() for chunk in plain)
    assert b"".join(pieces(response, 1024)) == b"PLAIN"
    response.close()


def test_pieces_are_not_asked_for_ahead() -> None:
    asked = []

    def walk() -> Iterator[bytes]:
        for n in range(3):
            asked.append(n)
            yield b"%d" % n

    walking = pieces(StreamingHttpResponse(walk()), 4)
    assert next(walking) == b"0"
    assert asked == [0]


def test_apieces_are_cut_as_pieces_are() -> None:
    async def walk() -> AsyncIterator[bytes]:
        for chunk in (b"ab", b"", b"cdefgh"):
            yield chunk

    async def gather() -> list[bytes]:
        return [piece async for piece in apieces(StreamingHttpResponse(walk()), 4)]

    assert asyncio.run(gather()) == [b"ab", b"", b"cdef", b"gh"]


@pytest.mark.parametrize("name", ["X-Accel-Redirect", "x-sendfile", "X-LIGHTTPD-send-file"])
def test_a_header_for_a_proxy_is_found_in_any_case(name: str) -> None:
    assert internal_header(["Content-Type", name]) == name
    assert internal_header(["Content-Type", "X-Accel-Buffering", "X-Sendfile-Type"]) is None
