"""Decide which handshakes are accepted: what they must be, how many, from where, and when."""

from collections import Counter
from collections.abc import Iterable
from functools import lru_cache
from ipaddress import IPv6Address, ip_address
from urllib.parse import urlsplit

from django.core.exceptions import DisallowedHost
from django.core.handlers.wsgi import WSGIRequest

from wsrequest.errors import HandshakeRefused
from wsrequest.request.environ import Base
from wsrequest.server.drain import Drain
from wsrequest.server.rate_limiter import HandshakeRateLimiter

__all__ = ["AdmissionController", "check_embedding", "check_handshake", "check_version", "place_of"]

_TLS = "a WebSocket must be encrypted here: use wss instead of ws"
_HOST = "Open the socket under the page's own host name, or list the page's origin."
_PROXY = "Behind a proxy that ends TLS, set SECURE_PROXY_SSL_HEADER."
_OTHER_PAGES = ("cross-site", "same-site")  # of Sec-Fetch-Site
_MOST_CHARACTERS = 40  # of a proxy's header, when a message quotes it


def check_version(headers: Iterable[tuple[bytes, bytes]]) -> None:
    """Refuse the drafts before RFC 6455, which not every server refuses.

    They name their page in Sec-WebSocket-Origin, which the check of Origin would not see.

    Args:
        headers: those of the ASGI scope.

    Raises:
        HandshakeRefused: 400.

    Source: RFC 6455 section 4.2.1.
    """
    for name, value in headers:
        if name.lower() == b"sec-websocket-version" and value.strip() != b"13":
            raise HandshakeRefused(400, "the WebSocket must be of version 13, RFC 6455")


def place_of(address: str) -> str:
    """Return the key under which the sockets of an address are counted.

    An IPv6 client often has a whole /64 to choose addresses from (RFC 6177), so that counts as one.
    An IPv4 client that came to an IPv6 socket counts under its IPv4 address.
    """
    # A proxy can make up any text, and the cache does not limit how long it is.
    return _cached_place(address) if len(address) <= _ADDRESS_CHARACTERS else _place(address)


def _place(address: str) -> str:
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:  # "" behind a Unix socket, or any text that a proxy made up
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    if parsed.ipv4_mapped:
        return str(parsed.ipv4_mapped)
    return f"{IPv6Address(int(parsed) >> 64 << 64)}/64"


_ADDRESS_CHARACTERS = 64
_cached_place = lru_cache(maxsize=1024)(_place)


def check_handshake(
    base: Base,
    *,
    allowed_origins: Iterable[str],
    allow_missing_origin: bool,
    needs_tls: bool = False,
    secure_header: tuple[str, str] | None = None,
) -> None:
    """Refuse a foreign host or origin, and note on ``base`` how the origin relates to the server.

    Args:
        base: of the handshake.
        allowed_origins: further origins, each in full (scheme, host and port, as browsers send it).
        allow_missing_origin: whether to accept a handshake without Origin, which no browser sends.
        needs_tls: whether HTTP without TLS would be redirected, which is impossible for a
            WebSocket.
        secure_header: SECURE_PROXY_SSL_HEADER, for the message that says what is wrong.

    Raises:
        HandshakeRefused: 400 for a host that is not in ALLOWED_HOSTS. 403 for an origin, and for
            a connection that is not encrypted but must be.

    Source: RFC 6455 sections 4.2.2 and 10.2. RFC 6454 section 6.
    """
    request = WSGIRequest(
        {**base.environ, "REQUEST_METHOD": "GET", "PATH_INFO": "/", "QUERY_STRING": ""}
    )
    try:
        host = request.get_host()
    except DisallowedHost as error:
        raise HandshakeRefused(400, str(error)) from None
    base.is_secure = request.is_secure()
    if needs_tls and not base.is_secure:
        hint = _proxy_hint(base, secure_header)
        raise HandshakeRefused(403, f"{_TLS} (SECURE_SSL_REDIRECT). {hint}")
    if base.origin is None:
        if not allow_missing_origin:
            raise HandshakeRefused(
                403, "a WebSocket needs an Origin here (WSREQUEST_ALLOW_MISSING_ORIGIN is False)"
            )
        return
    own = f"{request.scheme}://{host}".lower()
    origin = base.origin.lower()
    base.is_same_origin = origin == own
    base.is_same_site = base.is_same_origin or _is_same_site(base, own)
    if not base.is_same_origin and origin not in {allowed.lower() for allowed in allowed_origins}:
        is_same_host = origin.partition("://")[2] == host.lower()
        raise HandshakeRefused(
            403,
            f"origin {base.origin} is neither this server's own ({own}) nor in "
            "WSREQUEST_ALLOWED_ORIGINS. "
            + (_proxy_hint(base, secure_header) if is_same_host else _HOST),
        )


def check_embedding(base: Base) -> None:
    """Refuse an SSE response to a page of another origin that sends no Origin.

    Such a request comes from a script, image or style sheet element. It carries the user's cookies,
    too, but has no Origin that could be checked. The page cannot read the response, but it can
    measure it, and make the server run the view. EventSource and fetch send Origin to another
    origin.

    Args:
        base: of an HTTP request that passed ``check_handshake``.

    Raises:
        HandshakeRefused: 403.

    Source: Fetch Metadata Request Headers, section 2.4. Fetch standard, "append a request `Origin`
        header".
    """
    if base.origin is None and base.environ.get("HTTP_SEC_FETCH_SITE") in _OTHER_PAGES:
        raise HandshakeRefused(
            403,
            "a stream of events for a page of another origin needs an Origin that is listed in "
            "WSREQUEST_ALLOWED_ORIGINS: open it with EventSource or fetch",
        )


def _proxy_hint(base: Base, secure_header: tuple[str, str] | None) -> str:
    """Return what to do about a scheme that differs from the browser's."""
    if secure_header is None:
        return _PROXY
    key, secure = secure_header
    name = key.removeprefix("HTTP_").replace("_", "-").title()
    sent = base.environ.get(key)
    if sent is None:
        return f"Your proxy must send {name}: {secure} with the handshake, as with requests."
    return (
        f"SECURE_PROXY_SSL_HEADER wants {name}: {secure}; your proxy sent "
        f"{sent[:_MOST_CHARACTERS]!r} with the handshake."
    )


def _is_same_site(base: Base, own: str) -> bool:
    """Whether a page of the origin is same-site with the server (HTML, "same site").

    A browser states this in Sec-Fetch-Site, if it sends that with handshakes. Otherwise this is a
    guess without the public suffix list. A wrong guess costs a ticket that cannot be redeemed.
    """
    fetch_site = base.environ.get("HTTP_SEC_FETCH_SITE")
    if fetch_site is not None:
        return fetch_site in ("same-origin", "same-site")
    ours, theirs = urlsplit(own), urlsplit((base.origin or "").lower())
    if ours.scheme != theirs.scheme or not ours.hostname or not theirs.hostname:
        return False
    if ours.hostname == theirs.hostname:
        return True
    if ours.hostname.replace(".", "").isdigit() or ":" in ours.hostname:  # an address has no site
        return False
    site = ours.hostname.split(".")[-2:]
    return len(site) == 2 and site == theirs.hostname.split(".")[-2:]


class AdmissionController:
    """Decides which handshakes one process accepts. Used on the event loop only.

    Args:
        drain: once it has begun, every handshake is refused.
    """

    def __init__(self, drain: Drain) -> None:
        self._drain = drain
        self._by_place: Counter[str] = Counter()
        self._rate_limiter = HandshakeRateLimiter()

    def check(
        self,
        base: Base,
        headers: Iterable[tuple[bytes, bytes]],
        *,
        max_connections: int,
        max_connections_per_address: int,
        allowed_origins: Iterable[str],
        allow_missing_origin: bool,
        needs_tls: bool,
        secure_header: tuple[str, str] | None = None,
    ) -> str:
        """Check a handshake, and return the place under which it is to be counted.

        Args:
            base: of the handshake. Whether it has the same origin is noted on it.
            headers: those of its ASGI scope.
            max_connections: the maximum number of open connections.
            max_connections_per_address: the maximum number of them from one place.
            allowed_origins: as for ``check_handshake``, like the others.
            allow_missing_origin: as there.
            needs_tls: as there.
            secure_header: as there.

        Raises:
            HandshakeRefused: 503 or 429 if there is no room. Otherwise as ``check_version`` and
                ``check_handshake``.
        """
        place = place_of(base.environ.get("REMOTE_ADDR", ""))
        self._check_draining()
        if self._by_place.total() >= max_connections:
            raise HandshakeRefused(503, "too many open sockets (WSREQUEST_MAX_CONNECTIONS)")
        # Behind a Unix socket, clients have no address.
        if place and self._by_place[place] >= max_connections_per_address:
            raise HandshakeRefused(
                429,
                f"too many open sockets from {place} (WSREQUEST_MAX_CONNECTIONS_PER_ADDRESS). "
                "If that is your proxy, configure the server to take the client's address from it.",
            )
        check_version(headers)
        check_handshake(
            base,
            allowed_origins=allowed_origins,
            allow_missing_origin=allow_missing_origin,
            needs_tls=needs_tls,
            secure_header=secure_header,
        )
        return place

    async def enter(self, place: str, per_second: int, per_second_of_one: int) -> None:
        """Count a handshake, and return when it may continue. ``leave`` must follow in the end.

        Args:
            place: the result of ``check`` just before.
            per_second: the maximum number of handshakes per second.
            per_second_of_one: the maximum number of them from one place.

        Raises:
            HandshakeRefused: 429 or 503. The handshake is then not counted.
        """
        self._by_place[place] += 1
        try:
            await self._rate_limiter.wait(place, per_second, per_second_of_one)
            self._check_draining()  # again, because it may have waited
        except BaseException:
            self.leave(place)
            raise

    def leave(self, place: str) -> None:
        """Count one connection less."""
        self._by_place[place] -= 1
        if not self._by_place[place]:
            del self._by_place[place]

    def refused_after_all(self) -> None:
        """Return a handshake's part of the common rate, because the project refused it."""
        self._rate_limiter.give_back()

    def release(self) -> None:
        """Let all waiting handshakes continue at once, to be refused because of the drain."""
        self._rate_limiter.release()

    def _check_draining(self) -> None:
        if self._drain.is_draining:
            raise HandshakeRefused(503, "the server is about to restart")
