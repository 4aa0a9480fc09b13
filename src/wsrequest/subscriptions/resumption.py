"""The proof that a live request was answered before, to the same visitor and with its effects.

A client that resumes a live request sends it, and only then does the request run without effects.
Without a proof, a visitor could get one answer after another, and keep the session's count of them
as it was.

A proof names one request, so no other request can use it. It contains no secret.
"""

from base64 import urlsafe_b64encode
from hashlib import blake2b

from django.core.signing import BadSignature, TimestampSigner

from wsrequest.protocol.headers import ADDED_BY_HTTP, PER_REQUEST, HeaderNames
from wsrequest.protocol.messages import Request
from wsrequest.request.cookies import cookie_pairs
from wsrequest.request.environ import Base

__all__ = [
    "MAX_AGE_SECONDS",
    "MESSAGES_COOKIE",
    "PASSING",
    "PLACE",
    "digest_of_cookies",
    "digest_of_request",
    "identifying_pairs",
    "prove",
    "proven",
]

MAX_AGE_SECONDS = 86_400
_SALT = "wsrequest.subscriptions.resumption"

# The client's place, which changes with its network.
_PLACE = (
    *"client-ip do-connecting-ip fastly-client-ip fly-client-ip forwarded".split(),
    *"forwarded-for incap-client-ip true-client-ip wl-proxy-client-ip x-azure-clientip".split(),
    *"x-azure-socketip x-client-ip x-cluster-client-ip x-forwarded-for".split(),
    *"x-nf-client-connection-ip x-original-forwarded-for x-real-ip".split(),
)
PLACE = HeaderNames.of(_PLACE)
"""Headers that say where a client is."""

# Headers of a handshake that differ between connections, requests or routes to the server, and
# never choose what a view answers. The rest counts: one may hold a one-time password.
PASSING = HeaderNames.of(
    [
        *PER_REQUEST,
        # Those of the transport, since an SSE response may be resumed as a WebSocket.
        *"cache-control connection cookie dnt origin pragma referer sec-* upgrade via".split(),
        *_PLACE,
        # What a proxy adds to each request.
        *"cf-connecting-* cf-ipcountry cf-ray cf-visitor cloudfront-* x-appengine-*".split(),
        *"x-arr-log-id x-azure-ref x-envoy-* x-vercel-*".split(),
    ]
)
# The HTTP request of an SSE response has these even if its client sets none of them.
_ADDED = HeaderNames.of(ADDED_BY_HTTP)
MESSAGES_COOKIE = "messages"
"""Signed messages wait in this cookie for the next page of the visitor."""


def digest_of_request(message: Request, base: Base, *, is_by_http: bool = False) -> str:
    """Return a digest of the request: its host, its message and the headers that count.

    All of the message counts, since the client chose it.

    Args:
        message: of the live request, without its conditional headers.
        base: of its connection.
        is_by_http: whether the message stands for an HTTP request. Then the client did not choose
            all of its headers.
    """
    environ = base.environ
    headers = {
        name: value
        for key, value in environ.items()
        if key.startswith("HTTP_") and (name := key[5:].replace("_", "-").lower()) not in PASSING
    }
    for name, value in message.headers.items():
        lower = name.lower()
        if not is_by_http or lower not in _ADDED:
            headers[lower] = value
    if headers.get("accept") == "*/*":
        del headers["accept"]  # the same as without it
    site = environ["wsgi.url_scheme"], environ["SCRIPT_NAME"], environ.get("REMOTE_USER")
    question = (
        message.method, message.url, message.query, message.token, message.referrer, message.body,
        message.content_type,
    )  # fmt: skip
    return _digest((site, question, sorted(headers.items())))


def digest_of_cookies(
    cookie: str, names: frozenset[str] | None, csrf_cookie: str | None = None
) -> str:
    """Return a digest of the cookies that a run has read, including that of the session.

    Args:
        cookie: the Cookie header of the run.
        names: the cookies that it has read, present or not. None for all.
        csrf_cookie: the name of that cookie. It and the messages cookie do not count: they choose
            no response, and may change between two connections.
    """
    return _digest(identifying_pairs(cookie, names, csrf_cookie))


def identifying_pairs(
    cookie: str, names: frozenset[str] | None, csrf_cookie: str | None
) -> list[tuple[str, str]]:
    """Return the names and values that ``digest_of_cookies`` covers. Arguments as there."""
    return [
        (name, value)
        for name, value in cookie_pairs(cookie)
        if (names is None or name in names) and name not in (MESSAGES_COOKIE, csrf_cookie)
    ]


def prove(request: str, cookies: str) -> str:
    """Return the proof that a request was answered.

    Args:
        request: its ``digest_of_request``.
        cookies: the ``digest_of_cookies`` of the run that answered it.
    """
    return _signer().sign(f"{request}.{cookies}").removeprefix(f"{request}.")


def proven(proof: str, request: str) -> str | None:
    """Return the digest of the cookies for which a proof says that a request was answered.

    Args:
        proof: what the client has sent.
        request: the ``digest_of_request`` of the request.

    Returns:
        What ``digest_of_cookies`` must return for the run. None if the proof is too old, or not
        one for this request.
    """
    try:
        signed = _signer().unsign(f"{request}.{proof}", max_age=MAX_AGE_SECONDS)
    except BadSignature:
        return None
    return signed.removeprefix(f"{request}.")


def _signer() -> TimestampSigner:
    # With SECRET_KEY and SECRET_KEY_FALLBACKS. With this salt, no signature serves two purposes.
    return TimestampSigner(salt=_SALT)


def _digest(facts: object) -> str:
    digest = blake2b(repr(facts).encode(), digest_size=18).digest()
    return urlsafe_b64encode(digest).decode()
