"""Turns the request of a test client into frames, and the frames into a Django request.

A WSGI environ is split into a handshake and a message. The message has all that it may set.
"""

from collections.abc import Container, Iterable, Iterator
from typing import IO, Any
from urllib.parse import quote
from uuid import uuid4

from django.core.handlers.wsgi import WSGIRequest
from msgspec.structs import replace

from wsrequest.conf import conf
from wsrequest.connection.connection import SUBPROTOCOL
from wsrequest.errors import Refused
from wsrequest.protocol.client_codec import decode_client, encode_client
from wsrequest.protocol.headers import check_headers
from wsrequest.protocol.messages import Part, Request
from wsrequest.protocol.session import Session
from wsrequest.protocol.validation import MAX_INTEGER
from wsrequest.request.environ import (
    Base,
    WebSocketInfo,
    make_environ,
    request_attributes,
)
from wsrequest.request.exclusions import check_overrides
from wsrequest.request.response import split
from wsrequest.test.runs import LiveRun
from wsrequest.types import Frame, Limits

__all__ = ["ID", "receive_request"]

ID = 1
"""The id of every request. Each has its own connection, since its handshake may differ."""

Environ = dict[str, Any]

# Set by ``make_request`` for each request, out of the message.
_OF_THE_REQUEST = frozenset(
    "REQUEST_METHOD PATH_INFO QUERY_STRING CONTENT_LENGTH CONTENT_TYPE wsgi.input HTTP_COOKIE "
    "HTTP_ORIGIN HTTP_ACCEPT_ENCODING RAW_URI REQUEST_URI".split()
)
_PATH_SAFE = "/!$&'()*+,;=:@~"
# All that may be in a url except "#" and the backslash. "%", because a query is already quoted.
_QUERY_SAFE = "!\"$%&'()*+,/:;<=>?@[]^`{|}~"


def receive_request(environ: Environ, run: LiveRun | None = None) -> WSGIRequest:
    """Send the request of ``environ`` as frames, and return the request that the server makes.

    Args:
        environ: as Django's ``RequestFactory`` makes it.
        run: the run of a live request, or None for an ordinary request.

    Raises:
        Refused: the server would not take such a message (PROTOCOL.md 5).
    """
    limits = conf.limits()
    trusted = conf.trusted_proxy_headers
    base, message = _split(environ, trusted)
    if run is not None:
        message = run.shape(message)
    message = _receive(_frames(message, limits), limits)
    check_overrides(message, base, trusted)
    received = make_environ(message, base, cookie=base.cookie, token_scheme=conf.TOKEN_SCHEME)
    request = WSGIRequest(received)
    vars(request).update(request_attributes(base, WebSocketInfo(uuid4().hex, SUBPROTOCOL)))
    if run is not None:
        run.begin(request)
    return request


def _split(environ: Environ, trusted: Container[str]) -> tuple[Base, Request]:
    """Return the connection and the message that make up ``environ``."""
    headers: dict[str, str] = {}
    handshake: Environ = {}
    for key, value in environ.items():
        name = key.removeprefix("HTTP_").replace("_", "-").title()
        if key in _OF_THE_REQUEST:
            continue
        # HTTP_CONTENT_TYPE is not CONTENT_TYPE to Django.
        is_kept = name == "Content-Type" or name.lower() in trusted
        if key.startswith("HTTP_") and not is_kept and _is_sayable(name, value):
            headers[name] = value
        else:
            handshake[key] = value
    method = environ["REQUEST_METHOD"]
    body = _body(environ)
    content_type = environ.get("CONTENT_TYPE")
    if content_type is not None and body is None:  # a type of nothing is still a header
        headers["Content-Type"] = content_type
    origin = environ.get("HTTP_ORIGIN")
    base = Base(handshake, frozenset(), origin, environ.get("HTTP_COOKIE", ""))
    message = Request(
        method, _url(environ), ID, headers, body=body, content_type=content_type, credit=MAX_INTEGER
    )
    return base, message


def _is_sayable(name: str, value: object) -> bool:
    """Whether a message may set this header."""
    if not isinstance(value, str):
        return False
    try:
        check_headers({name: value})
    except Refused:
        return False
    return True


def _url(environ: Environ) -> str:
    """Return the url that a browser would put into the message. WSGI has its bytes as Latin-1."""
    path = environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")
    path = quote(path.encode("latin1"), safe=_PATH_SAFE)
    if path.startswith("//"):  # a message's url may not (4.1), and this is the same path
        path = "/%2F" + path[2:]
    query = quote(environ.get("QUERY_STRING", "").encode("latin1"), safe=_QUERY_SAFE)
    return f"{path or '/'}?{query}" if query else path or "/"


def _body(environ: Environ) -> bytes | None:
    """Return the body that a WSGI server would have read, or None."""
    source: IO[bytes] | None = environ.get("wsgi.input")
    try:
        length = int(environ.get("CONTENT_LENGTH") or 0)
    except ValueError:
        length = 0
    if source is None or length <= 0:
        return None
    if hasattr(source, "__len__"):  # Django's FakePayload refuses to be read beyond its end
        length = min(length, len(source))
    return source.read(length)


def _frames(message: Request, limits: Limits) -> Iterator[Frame]:
    """Yield the frames of a request: one, or several if its body is larger than a part (4.3)."""
    body = message.body
    if body is None or len(body) <= limits.part_bytes:
        yield encode_client(message)
        return
    first, *rest = split(body, limits.part_bytes)
    yield encode_client(replace(message, body=first, more=True))
    for piece in rest:
        yield encode_client(Part(ID, piece, more=True))
    yield encode_client(Part(ID, b""))


def _receive(frames: Iterable[Frame], limits: Limits) -> Request:
    """Return the request with its whole body, as the server reads it from the frames."""
    session = Session(limits)
    messages = []
    for frame in frames:
        messages.append(decode_client(frame, max_bytes=limits.message_bytes))
        session.receive(messages[-1])
    request, *parts = (message for message in messages if isinstance(message, Request | Part))
    assert isinstance(request, Request)  # the frames are ours
    if not request.more:
        return request
    assert not parts[-1].more  # otherwise a server would wait for the rest
    return replace(request, body=b"".join(each.body or b"" for each in (request, *parts)))
