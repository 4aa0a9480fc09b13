"""Sends a Django response as frames, and restores it from them.

Its status, headers, cookies and content have then passed through the protocol. Its class, and all
else that the view set on it, stay the same, as with Django's client.
"""

from collections.abc import AsyncIterator, Iterator
from http.cookies import Morsel, SimpleCookie
from types import SimpleNamespace
from typing import Any

from django.http import HttpResponse
from django.http.response import HttpResponseBase, ResponseHeaders
from msgspec.structs import replace

from wsrequest.conf import conf
from wsrequest.errors import Refused
from wsrequest.protocol.messages import Part, Refusal, Response
from wsrequest.protocol.server_codec import decode_server, encode_refused, encode_server
from wsrequest.request.response import apieces, has_body, headers_of, pieces, split
from wsrequest.test.requests import ID

__all__ = ["receive_refusal", "receive_response"]


def receive_response(response: Any, method: str) -> None:
    """Send a response as frames, and give it the values that the client reads in them.

    A streamed body stays one: each piece is sent when the test asks for it.

    Args:
        response: any of Django's.
        method: of its request, which says whether there is a body.
    """
    head = Response(response.status_code, headers_of(response, show_cookies=True), ID)
    part_bytes = conf.PART_BYTES
    if response.streaming:
        has_content = has_body(method, response.status_code)
        _take_head(response, _sent(replace(head, more=has_content)))
        # Taken now, since it is replaced below by what reads it. A file comes in the blocks of its
        # FileResponse, which tests may count.
        source = SimpleNamespace(streaming_content=response.streaming_content)
        if not has_content:
            response.streaming_content = []
        elif response.is_async:
            response.streaming_content = _areceive(source, part_bytes)
        else:
            response.streaming_content = _receive(source, part_bytes)
        return
    body = response.content if has_body(method, response.status_code) else b""
    if len(body) <= part_bytes:
        _take_head(response, answer := _sent(replace(head, body=body)))
        response.content = answer.body or b""
    else:
        _take_head(response, _sent(replace(head, more=True)))
        response.content = b"".join(map(_sent_part, split(body, part_bytes)))


def receive_refusal(refused: Refused) -> HttpResponse:
    """Return what a client makes of a message that the server refused (PROTOCOL.md 5)."""
    refusal = decode_server(encode_refused(refused))
    assert isinstance(refusal, Refusal) and refusal.status is not None  # ours, and no answer yet
    return HttpResponse(refusal.detail, status=refusal.status, content_type="text/plain")


def _sent(message: Response) -> Response:
    answer = decode_server(encode_server(message))
    assert isinstance(answer, Response)
    return answer


def _sent_part(piece: bytes) -> bytes:
    part = decode_server(encode_server(Part(ID, piece, more=True)))
    assert isinstance(part, Part)
    return part.body


def _receive(source: Any, size: int) -> Iterator[bytes]:
    for piece in pieces(source, size):
        yield _sent_part(piece)


async def _areceive(source: Any, size: int) -> AsyncIterator[bytes]:
    async for piece in apieces(source, size):
        yield _sent_part(piece)


def _take_head(response: HttpResponseBase, answer: Response) -> None:
    response.status_code = answer.status
    # The reason phrase is not sent, as with HTTP/2, so it is the standard one again.
    response._reason_phrase = None  # type: ignore[attr-defined]  # not in the stubs
    headers: dict[str, Any] = dict(answer.headers)
    lines = headers.pop("Set-Cookie", [])
    cookies = [lines] if isinstance(lines, str) else list(lines)
    if "Set-Cookie" in response.headers:  # one that the view set as a header, where tests find it
        headers["Set-Cookie"] = cookies.pop(0)
    response.headers = ResponseHeaders(headers)
    response.cookies = SimpleCookie()
    for line in cookies:
        morsel = _read_cookie(line)
        response.cookies[morsel.key] = morsel


def _read_cookie(line: str) -> "Morsel[str]":
    """RFC 6265 section 5.2, with the types that ``HttpResponse.set_cookie`` gives."""
    pair, *attributes = line.split(";")
    name, _, coded = pair.partition("=")
    morsel: Morsel[str] = Morsel()
    morsel.set(name.strip(), SimpleCookie().value_decode(coded.strip())[0], coded.strip())
    for attribute in attributes:
        key, separator, value = attribute.strip().partition("=")
        key = key.lower()
        if morsel.isReservedKey(key):
            is_number = key == "max-age" and value.lstrip("-").isdecimal()
            morsel[key] = (int(value) if is_number else value) if separator else True
    return morsel
