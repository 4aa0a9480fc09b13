"""Whether a WebSocket may be opened: host and origin.

The same-origin policy does not protect WebSockets, so this check does: without
it any page could read a visitor's data with the visitor's cookies.
"""

from collections.abc import Iterable

from django.core.exceptions import DisallowedHost
from django.core.handlers.wsgi import WSGIRequest

from wsrequest.errors import HandshakeRefused
from wsrequest.http.environ import Base

__all__ = ["check_handshake"]


def check_handshake(base: Base, *, allowed_origins: Iterable[str], allow_no_origin: bool) -> None:
    """Refuse a foreign host or origin; note on ``base`` whether it is the same origin.

    Args:
        base: of the handshake.
        allowed_origins: further origins, each whole (scheme, host and port, as browsers send it).
        allow_no_origin: whether a handshake without Origin, which no browser sends, is accepted.

    Raises:
        HandshakeRefused: 400 for a host that ALLOWED_HOSTS does not have, 403 for an origin.

    Source: RFC 6455 sections 4.2.2 and 10.2; RFC 6454 section 6.
    """
    request = WSGIRequest(
        {**base.environ, "REQUEST_METHOD": "GET", "PATH_INFO": "/", "QUERY_STRING": ""}
    )
    try:
        host = request.get_host()
    except DisallowedHost as error:
        raise HandshakeRefused(400, str(error)) from None
    if base.origin is None:
        if not allow_no_origin:
            raise HandshakeRefused(
                403, "a WebSocket needs an Origin here (WSREQUEST_ALLOW_NO_ORIGIN is False)"
            )
        return
    own = f"{request.scheme}://{host}".lower()
    origin = base.origin.lower()
    base.is_same_origin = origin == own
    if not base.is_same_origin and origin not in {allowed.lower() for allowed in allowed_origins}:
        raise HandshakeRefused(
            403,
            f"origin {base.origin} is neither this server's own ({own}) nor in "
            "WSREQUEST_ALLOWED_ORIGINS. "
            "Behind a proxy that ends TLS, SECURE_PROXY_SSL_HEADER tells Django of it.",
        )
