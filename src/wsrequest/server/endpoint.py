"""Answer plain HTTP on the socket's path: tickets, refusals, CORS and health probes.

This module makes the ASGI events of these responses. ``admission`` decides which handshakes are
accepted, and ``tickets`` what a ticket is worth.
"""

from collections.abc import Awaitable, Callable, Iterable

from wsrequest.errors import HandshakeRefused
from wsrequest.protocol.headers import is_allowed_value
from wsrequest.request.environ import Base, make_base
from wsrequest.server.admission import check_handshake
from wsrequest.server.browser_binding import recognize, set_cookie_line
from wsrequest.types import Receive, Scope, Send

__all__ = [
    "NOT_EMBEDDED",
    "answer_health",
    "answer_socket_path",
    "asks_for_health",
    "deny",
    "not_found",
    "refuse",
    "shared_with",
    "wants_events",
]

Redeem = Callable[[str, Base], Awaitable[list[str] | None]]

NOT_EMBEDDED = (
    (b"x-content-type-options", b"nosniff"),
    (b"cross-origin-resource-policy", b"same-origin"),
)
"""Stops pages from loading such a response as a script or image. Other origins need CORS."""

_PREFLIGHT = b"access-control-request-method"
_MAY_ASK = (
    (b"access-control-allow-methods", b"GET, POST"),
    (
        b"access-control-allow-headers",
        b"X-WSRequest-Ticket, Authorization, If-None-Match, Last-Event-ID",
    ),
    (b"access-control-max-age", b"600"),
)
_UPGRADE = "This is the path of a WebSocket. Its messages are those of wsrequest (PROTOCOL.md)."
_UPGRADE_OR_EVENTS = (
    "This is the path of a WebSocket and, with Accept: text/event-stream, of server-sent events. "
    "Their messages are those of wsrequest (PROTOCOL.md)."
)


_NO_TICKET = "The ticket is spent, too old, or was made for another browser or origin."
_NO_BROWSER = (
    "The browser did not send the cookie that its tickets are bound to (PROTOCOL.md 6.3): "
    "log in over HTTP."
)


async def answer_socket_path(
    scope: Scope,
    send: Send,
    redeem: Redeem,
    path: str,
    allowed_origins: Iterable[str] = (),
    *,
    needs_tls: bool = False,
    has_events: bool = False,
) -> None:
    """Answer a request for the socket's path: 204 or 403 to a ticket, 426 to anything else.

    Host, TLS and Origin are checked as for a handshake, because cookies come this way, too.

    Args:
        scope: of the request.
        send: the ASGI callable.
        allowed_origins: whose pages may redeem tickets, besides those of the server's own origin.
        redeem: called with a ticket and the request. It returns the cookies of the ticket, as lines
            of Set-Cookie, or None if the ticket is not valid.
        path: of the socket, below the script name.
        needs_tls: as for ``check_handshake``.
        has_events: whether live requests can be made here, which the 426 then mentions.

    Source: PROTOCOL.md 6. Fetch standard, "CORS protocol".
    """
    headers = dict(scope["headers"])
    origin = headers.get(b"origin", b"").decode("latin1")
    is_allowed = origin.lower() in {allowed.lower() for allowed in allowed_origins}
    shared = shared_with(origin) if is_allowed else []
    if is_allowed and scope["method"] == "OPTIONS" and _PREFLIGHT in headers:
        await _respond(send, 204, [*shared, *_MAY_ASK], "")
        return
    ticket = headers.get(b"x-wsrequest-ticket")
    if scope["method"] != "POST" or ticket is None:
        upgrade = [(b"upgrade", b"websocket"), (b"connection", b"upgrade")]
        await _respond(send, 426, upgrade, _UPGRADE_OR_EVENTS if has_events else _UPGRADE)
        return
    base = make_base(scope)
    try:
        check_handshake(
            base, allowed_origins=allowed_origins, allow_missing_origin=False, needs_tls=needs_tls
        )
    except HandshakeRefused as refused:
        await _respond(send, refused.status, shared, refused.detail)
        return
    recognize(base)
    if not ticket.strip():  # it asks for the cookie that tickets are bound to
        bound = [] if base.browser else [set_cookie_line(base, path)[0].encode("latin1")]
        await _respond(send, 204, [*shared, *((b"set-cookie", line) for line in bound)], "")
        return
    redeemed = await redeem(ticket.decode("latin1"), base)
    if redeemed is None:
        await _respond(send, 403, shared, _NO_TICKET if base.browser else _NO_BROWSER)
    else:
        # A control character could start another header (CVE-2026-44546).
        cookies = [(b"set-cookie", c.encode("latin1")) for c in redeemed if is_allowed_value(c)]
        await _respond(send, 204, [*shared, *cookies], "")


def shared_with(origin: str) -> list[tuple[bytes, bytes]]:
    """Return the headers that let a page of an origin read a response.

    Args:
        origin: an allowed one.

    Source: Fetch standard, "CORS protocol".
    """
    return [
        (b"access-control-allow-origin", origin.encode("latin1")),
        (b"access-control-allow-credentials", b"true"),
        (b"vary", b"Origin"),
    ]


async def deny(scope: Scope, send: Send, refused: HandshakeRefused) -> None:
    """Refuse a handshake with a text, or with close code 1008 if the server cannot send one.

    Args:
        scope: of the handshake.
        send: the ASGI callable.
        refused: the reason.

    Source: ASGI specification, Websocket Denial Response.
    """
    if "websocket.http.response" not in (scope.get("extensions") or {}):
        await send({"type": "websocket.close", "code": 1008, "reason": refused.detail[:60]})
        return
    body = refused.detail.encode()
    headers = [
        (b"content-type", b"text/plain; charset=utf-8"),
        (b"content-length", str(len(body)).encode()),
    ]
    if refused.retry_after_seconds is not None:
        headers.append((b"retry-after", str(refused.retry_after_seconds).encode()))
    await send(
        {"type": "websocket.http.response.start", "status": refused.status, "headers": headers}
    )
    await send({"type": "websocket.http.response.body", "body": body})


def wants_events(scope: Scope) -> bool:
    """Whether a request for the socket's path asks for a live request as server-sent events."""
    accepted = b",".join(value for name, value in scope["headers"] if name == b"accept")
    return scope["method"] == "GET" and b"text/event-stream" in accepted


def asks_for_health(scope: Scope) -> bool:
    """Whether a request for the socket's path is a probe: ``GET /ws/?health``."""
    names = [part.partition(b"=")[0] for part in scope["query_string"].split(b"&")]
    return scope["method"] in ("GET", "HEAD") and b"health" in names


async def answer_health(send: Send, *, is_draining: bool) -> None:
    """Answer a probe: 200 while the process accepts requests, 503 once it shuts down.

    Neither Host nor Origin is checked. Probes address the process directly, and the response
    reveals nothing that a refused connection would not reveal.

    Args:
        send: the ASGI callable.
        is_draining: whether the signal to stop has come.
    """
    status, text = (503, "draining\n") if is_draining else (200, "ready\n")
    await _respond(send, status, [], text)


async def refuse(send: Send, status: int, detail: str, *, retry_after_seconds: int | None) -> None:
    """Refuse a request for the socket's path with a text.

    Args:
        send: the ASGI callable.
        status: of HTTP.
        detail: the text.
        retry_after_seconds: after which another attempt can succeed, if it can.
    """
    headers = []
    if retry_after_seconds is not None:
        headers = [(b"retry-after", str(retry_after_seconds).encode())]
    await _respond(send, status, headers, detail)


async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
    """Answer 404, as the ASGI application of a process that serves no HTTP."""
    await _respond(
        send,
        404,
        [],
        "This process serves WebSockets only. The project's HTTP is served elsewhere.",
    )


async def _respond(send: Send, status: int, headers: list[tuple[bytes, bytes]], text: str) -> None:
    body = text.encode()
    headers = [*headers, (b"cache-control", b"no-store"), *NOT_EMBEDDED]
    if body:
        headers += [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"content-length", str(len(body)).encode()),
        ]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
