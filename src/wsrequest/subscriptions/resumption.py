"""Proof that a live request was answered before, to the same visitor and with its effects.

Owns what such a proof is made of and how long it is good for. A client that takes up a live request
again shows it, and only then is the request run without effects. Without it a visitor could have
one question after the other answered, and keep what the session counts as it was.

A proof names one request: nobody can ask another question with it. It holds no secret.
"""

from base64 import urlsafe_b64encode
from hashlib import blake2b

from django.core.signing import BadSignature, TimestampSigner

from wsrequest.protocol.headers import ADDED_BY_HTTP, PER_REQUEST, HeaderNames
from wsrequest.protocol.messages import Request
from wsrequest.request.cookies import cookie_pairs
from wsrequest.request.environ import Base

__all__ = ["MAX_AGE_SECONDS", "digest_of_cookies", "digest_of_request", "prove", "proven"]

MAX_AGE_SECONDS = 86_400
_SALT = "wsrequest.subscriptions.resumption"

# Headers of a handshake that are other by each connection, request or way to the server, and no
# place for what a view is asked. The rest counts: a view may take a one-time password from one.
_PASSING = HeaderNames.of(
    [
        *PER_REQUEST,
        # Of the transport: a stream of events may go on as a WebSocket.
        *"cache-control connection cookie dnt origin pragma referer sec-* upgrade via".split(),
        # Where a client is, which changes with its network.
        *"client-ip do-connecting-ip fastly-client-ip fly-client-ip forwarded".split(),
        *"forwarded-for incap-client-ip true-client-ip wl-proxy-client-ip x-azure-clientip".split(),
        *"x-azure-socketip x-client-ip x-cluster-client-ip x-forwarded-for".split(),
        *"x-nf-client-connection-ip x-original-forwarded-for x-real-ip".split(),
        # What a proxy adds to each request.
        *"cf-connecting-* cf-ipcountry cf-ray cf-visitor cloudfront-* x-appengine-*".split(),
        *"x-arr-log-id x-azure-ref x-envoy-* x-vercel-*".split(),
    ]
)
# The HTTP request for a stream of events brings these without its client's doing.
_ADDED = HeaderNames.of(ADDED_BY_HTTP)
_MESSAGES = "messages"  # what waits there, signed, is for the next page that the visitor opens


def digest_of_request(message: Request, base: Base, *, is_by_http: bool = False) -> str:
    """What is asked, of which host and with which headers; the same for whoever asks that again.

    All that the message brings counts, for its client has chosen it.

    Args:
        message: of the live request, without its conditions.
        base: of its connection.
        is_by_http: whether the message stands for an HTTP request, whose headers are not all its
            client's.
    """
    environ = base.environ
    headers = {
        name: value
        for key, value in environ.items()
        if key.startswith("HTTP_") and (name := key[5:].replace("_", "-").lower()) not in _PASSING
    }
    for name, value in message.headers.items():
        lower = name.lower()
        if not is_by_http or lower not in _ADDED:
            headers[lower] = value
    if headers.get("accept") == "*/*":
        del headers["accept"]  # as if it were not there
    site = environ["wsgi.url_scheme"], environ["SCRIPT_NAME"], environ.get("REMOTE_USER")
    asked = (
        message.method, message.url, message.query, message.token, message.referrer, message.body,
        message.content_type,
    )  # fmt: skip
    return _digest((site, asked, sorted(headers.items())))


def digest_of_cookies(
    cookie: str, names: frozenset[str] | None, csrf_cookie: str | None = None
) -> str:
    """What the cookies say that a run has read, that of the session among them.

    Args:
        cookie: the Cookie header of the run.
        names: that it has read, present or not; None for all.
        csrf_cookie: its name. It and that of messages do not count: they ask nothing, and may
            come and go between two connections.
    """
    pairs = [
        (name, value)
        for name, value in cookie_pairs(cookie)
        if (names is None or name in names) and name not in (_MESSAGES, csrf_cookie)
    ]
    return _digest(pairs)


def prove(request: str, cookies: str) -> str:
    """Return the proof that a request was answered.

    Args:
        request: of ``digest_of_request``.
        cookies: of ``digest_of_cookies``, for the run that gave the answer.
    """
    return _signer().sign(f"{request}.{cookies}").removeprefix(f"{request}.")


def proven(proof: str, request: str) -> str | None:
    """Return for which cookies a client's proof says that a request was answered.

    Args:
        proof: whatever the client has sent.
        request: of ``digest_of_request``.

    Returns:
        What ``digest_of_cookies`` must return for the run; None for what is no proof of this
        request, or too old.
    """
    try:
        signed = _signer().unsign(f"{request}.{proof}", max_age=MAX_AGE_SECONDS)
    except BadSignature:
        return None
    return signed.removeprefix(f"{request}.")


def _signer() -> TimestampSigner:
    # By SECRET_KEY and SECRET_KEY_FALLBACKS; the salt makes it of no use for anything else.
    return TimestampSigner(salt=_SALT)


def _digest(facts: object) -> str:
    digest = blake2b(repr(facts).encode(), digest_size=18).digest()
    return urlsafe_b64encode(digest).decode()
