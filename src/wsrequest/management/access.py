"""Logs one line for each request to the development server, over HTTP and over the socket.

It wraps the ASGI application, so the server does not know of it. For development only, because it
parses every frame once more.
"""

import logging
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec

from wsrequest.types import ASGI, Receive, Scope, Send

__all__ = ["log_access"]

logger = logging.getLogger("django.server")  # runserver's own, coloured by status

_MOST_CHARACTERS = 200  # of the reason of a refused handshake, since a wrapper may send a page


class _Head(msgspec.Struct):
    """What a line needs of a frame, in either direction."""

    id: int | str | None = None
    method: str = "GET"
    url: str | None = None
    status: int | None = None
    version: int | None = None  # of a live request, which goes on
    cancel: bool = False
    more: bool = False
    error: Any = None  # an object from the server. A client may send anything


_decode = msgspec.json.Decoder(_Head).decode


def log_access(application: ASGI) -> ASGI:
    """Wrap ``application`` so that it logs to ``django.server`` as Django's runserver does."""

    async def logged(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            await application(scope, receive, _http_lines(scope, send))
        elif scope["type"] == "websocket":
            lines = _SocketLines(scope)
            await application(scope, lines.receiving(receive), lines.sending(send))
        else:
            await application(scope, receive, send)

    return logged


def _http_lines(scope: Scope, send: Send) -> Send:
    async def logged(event: dict[str, Any]) -> None:
        await send(event)
        if event["type"] == "http.response.start":
            headers = {bytes(name).lower(): bytes(value) for name, value in event["headers"]}
            length = headers.get(b"content-length", b"-").decode("latin1")
            version = f"HTTP/{scope['http_version']}"
            _log(scope["method"], _target(scope), version, event["status"], length)

    return logged


class _SocketLines:
    """The lines of one WebSocket: opened, answered, closed."""

    def __init__(self, scope: Scope) -> None:
        self._target = _target(scope)
        self._refused_with: int | None = None
        self._requests: dict[int | str, tuple[str, str]] = {}
        self._without_id: list[tuple[str, str]] = []

    def receiving(self, receive: Receive) -> Callable[[], Awaitable[dict[str, Any]]]:
        async def logged() -> dict[str, Any]:
            event = await receive()
            if event["type"] == "websocket.receive":
                self._asked(_head_of(event))
            elif event["type"] == "websocket.disconnect":
                self._closed(event.get("code"))
            return event

        return logged

    def sending(self, send: Send) -> Send:
        async def logged(event: dict[str, Any]) -> None:
            await send(event)
            kind = event["type"]
            if kind == "websocket.send":
                self._answered(_head_of(event), _size_of(event))
            elif kind == "websocket.accept":
                _log("WebSocket", self._target, "opened", 101, "-")
            elif kind == "websocket.http.response.start":
                self._refused_with = event["status"]
            elif kind == "websocket.http.response.body":
                self._refused(event)
            elif kind == "websocket.close":
                self._closed(event.get("code", 1000))

        return logged

    def _asked(self, head: _Head | None) -> None:
        if head is None:
            return
        if head.cancel and head.id is not None:
            self._requests.pop(head.id, None)
        elif head.url is not None:
            request = (head.method.upper(), head.url)
            if head.id is None:
                self._without_id.append(request)
            else:
                self._requests[head.id] = request

    def _answered(self, head: _Head | None, size: int) -> None:
        if head is None or head.status is None:
            return
        method, url = "-", "-"  # a frame that could not be read
        if head.id is not None:
            if head.version is None:
                method, url = self._requests.pop(head.id, (method, url))
            else:
                method, url = self._requests.get(head.id, (method, url))
        elif self._without_id:  # in order, unless their sender had several in flight
            method, url = self._without_id.pop(0)
        code = head.error["code"] if head.error else ""
        _log(method, url, "WebSocket", head.status, "-" if head.more else str(size), code)

    def _refused(self, event: dict[str, Any]) -> None:
        reason = bytes(event.get("body") or b"").decode(errors="replace")[:_MOST_CHARACTERS]
        if self._refused_with is not None:
            _log("WebSocket", self._target, "refused", self._refused_with, "-", reason)
        self._refused_with = None  # a body can come in pieces

    def _closed(self, code: object) -> None:
        if self._target:
            logger.info('"WebSocket %s closed" %s -', self._target, code)
        self._target = ""  # both sides may say so


def _head_of(event: dict[str, Any]) -> _Head | None:
    frame = event.get("text")
    if frame is None:
        frame = bytes(event.get("bytes") or b"").partition(b"\n")[0]
    try:
        return _decode(frame)
    except (msgspec.DecodeError, UnicodeError, RecursionError):  # the server answers for it
        return None


def _size_of(event: dict[str, Any]) -> int:
    text = event.get("text")
    return len(event["bytes"]) if text is None else len(text.encode())


def _target(scope: Scope) -> str:
    path = bytes(scope.get("raw_path") or scope["path"].encode()).decode("latin1")
    query = bytes(scope.get("query_string") or b"").decode("latin1")
    return f"{path}?{query}" if query else path


def _log(method: str, url: str, protocol: str, status: int, size: str, reason: str = "") -> None:
    if not (method + url).isprintable():  # a line must stay one line
        method, url = ascii(method), ascii(url)
    if not reason.isprintable():
        reason = ascii(reason)
    if reason:
        size += f" {reason}"
    level = logging.ERROR if status >= 500 else logging.WARNING if status >= 400 else logging.INFO
    line = (method, url, protocol, status, size)
    logger.log(level, '"%s %s %s" %s %s', *line, extra={"status_code": status})
