"""The proof that a page was answered over HTTP, with which its first live run has no effects.

A page is served, and then follows itself: the same view runs again for the socket. Without a
proof, that run would count a second time in the session.

The proof is in the page, and is for one URL of one host. Unlike that of a resumed request
(``resumption``), it cannot cover exactly the same headers and cookies, because a navigation has
others than a handshake. So it lists them, as short keyed hashes: a live run has no effects only if
every header and every cookie that could choose its response had the same value when the page was
answered. A client can leave something out, but it cannot try another value.
"""

from base64 import urlsafe_b64encode
from collections.abc import Hashable, Iterator
from hashlib import blake2b

from django.core.exceptions import DisallowedHost
from django.core.signing import BadSignature, TimestampSigner
from django.http import HttpRequest
from django.utils.crypto import salted_hmac

from wsrequest.protocol.headers import ADDED_BY_HTTP, HeaderNames
from wsrequest.protocol.messages import Request
from wsrequest.subscriptions.resumption import MAX_AGE_SECONDS, PASSING, PLACE, identifying_pairs

__all__ = ["ServedPage", "is_page_proof", "origin_of", "prove_page", "served_page"]

_PREFIX = "page:"
_SALT = "wsrequest.subscriptions.page_proof"

# Every navigation has these, so the proof leaves them out. A live run that has one is not proven,
# except by Accept, which is checked on its own.
_OF_NAVIGATION = frozenset("accept accept-encoding upgrade-insecure-requests".split())
_ADDED = HeaderNames.of(ADDED_BY_HTTP)
_ACCEPT = "text/html"
_MAX_FACTS = 100  # headers and cookies of a page that has a proof
_NAME_CHARS, _PAIR_CHARS = 4, 8
_HASH_BYTES = 9  # 12 characters, of which a header uses 8

# Headers by which a script may have asked for another page than the live request gets.
_OF_SCRIPTS = ("x-", "hx-", "turbo-", "authorization")

# What a request says of its way to the server, besides headers.
_WAY = ("REMOTE_ADDR", "REMOTE_USER", "SCRIPT_NAME", "SERVER_PORT", "wsgi.url_scheme")


class ServedPage:
    """What a proof says about the HTTP request that was answered with the page.

    Args:
        headers: hashes of its headers.
        cookies: hashes of the cookies that its browser holds since then.
        key: of the hashes.
    """

    __slots__ = ("_cookies", "_headers", "_key")

    def __init__(self, headers: str, cookies: str, key: bytes) -> None:
        self._key = key
        self._headers = frozenset(_split(headers, _PAIR_CHARS))
        self._cookies = frozenset(_split(cookies, _NAME_CHARS + _PAIR_CHARS))

    def has_headers(self, request: HttpRequest) -> bool:
        """Whether it had all headers of a live request that count, with the same values."""
        return all(
            _hash_of_header(self._key, name, value) in self._headers
            for name, value in _headers(request)
            if name != "accept"
        )

    def has_cookies(
        self, cookie: str, names: frozenset[str] | None, csrf_cookie: str | None
    ) -> bool:
        """Whether the cookies that a live run has read are those of the page.

        Args:
            cookie: the Cookie header of the run.
            names: the cookies that it has read, present or not. None for all.
            csrf_cookie: the name of that cookie, which does not count.
        """
        pairs = identifying_pairs(cookie, names, csrf_cookie)
        found = {_hash_of_cookie(self._key, name, value) for name, value in pairs}
        if names is None:
            return found == self._cookies
        # A cookie of the page that the client leaves out counts, too.
        read = {_hash_of_cookie(self._key, name, "")[:_NAME_CHARS] for name in names}
        return found == {each for each in self._cookies if each[:_NAME_CHARS] in read}


def is_page_proof(proof: str) -> bool:
    """Whether a proof is that of a page, and not of a resumed request."""
    return proof.startswith(_PREFIX)


def prove_page(request: HttpRequest, url: str, cookie: str, csrf_cookie: str | None) -> str:
    """Return the proof that a page was answered.

    Args:
        request: that was answered with it, over HTTP.
        url: with which the page can be subscribed to: a path, perhaps with a query.
        cookie: the Cookie header that its browser sends since then.
        csrf_cookie: the name of that cookie, which does not count.

    Returns:
        The proof, which contains no secret. An empty text if there can be none.
    """
    question = _question(request, url)
    if question is None:
        return ""
    key = _key()
    headers = [
        _hash_of_header(key, name, value)
        for name, value in _headers(request)
        if name not in _OF_NAVIGATION
    ]
    pairs = identifying_pairs(cookie, None, csrf_cookie)
    cookies = [_hash_of_cookie(key, name, value) for name, value in pairs]
    if len(headers) + len(cookies) > _MAX_FACTS:
        return ""
    signed = _signer().sign(f"{question}.{''.join(headers)}.{''.join(cookies)}")
    return _PREFIX + signed.removeprefix(f"{question}.")


def served_page(
    proof: str, message: Request, request: HttpRequest, *, is_by_http: bool
) -> ServedPage | None:
    """Return what a proof says about a page, if a live request is for that page.

    Args:
        proof: what the client has sent.
        message: of the live request, without its conditional headers.
        request: made from the message.
        is_by_http: whether the message stands for an HTTP request. Then the client did not choose
            all of its headers.

    Returns:
        None if the proof is too old, is for another page, or if the live request asks for anything
        but the page.
    """
    own = [name for name in map(str.lower, message.headers) if not (is_by_http and name in _ADDED)]
    if set(own) - {"accept"} or message.query or message.token is not None:
        return None
    question = _question(request, message.url)
    if question is None or request.META.get("HTTP_ACCEPT") != _ACCEPT:
        return None
    try:
        signed = _signer().unsign(
            f"{question}.{proof.removeprefix(_PREFIX)}", max_age=MAX_AGE_SECONDS
        )
    except BadSignature:
        return None
    headers, _, cookies = signed.removeprefix(f"{question}.").partition(".")
    page = ServedPage(headers, cookies, _key())
    return page if page.has_headers(request) else None


def origin_of(request: HttpRequest) -> Hashable:
    """Return where a request came from, where it went, and what sent it.

    Two requests of one page agree in this only if no such thing is left out in one of them. The
    proof covers only what the live request has.

    Args:
        request: of a page, or of its live request.
    """
    meta = request.META
    headers = [
        (key, str(value))
        for key, value in dict.items(meta)
        if key.startswith("HTTP_") and _is_of_origin(key[5:].replace("_", "-").lower())
    ]
    return (tuple(str(meta.get(key)) for key in _WAY), tuple(sorted(headers)))


def _is_of_origin(name: str) -> bool:
    return name in PLACE or (name not in PASSING and name.startswith(_OF_SCRIPTS))


def _question(request: HttpRequest, url: str) -> str | None:
    """Return a digest of what is asked, without headers and cookies. None if it is nothing."""
    try:
        host = request.get_host()
    except DisallowedHost:
        return None
    return _text(blake2b(repr((host, url, request.META.get("REMOTE_USER"))).encode()).digest()[:18])


def _headers(request: HttpRequest) -> Iterator[tuple[str, str]]:
    """Yield the headers that can choose a response."""
    # Past the tracking of cookies that are read.
    for key, value in dict.items(request.META):
        if key.startswith("HTTP_"):
            name = key[5:].replace("_", "-").lower()
            if name not in PASSING:
                yield name, str(value)


def _hash_of_header(key: bytes, name: str, value: str) -> str:
    return _hash(key, b"header", f"{name}:{value}")[:_PAIR_CHARS]


def _hash_of_cookie(key: bytes, name: str, value: str) -> str:
    name_hash = _hash(key, b"name", name)[:_NAME_CHARS]
    return name_hash + _hash(key, b"cookie", f"{name}={value}")[:_PAIR_CHARS]


def _hash(key: bytes, kind: bytes, text: str) -> str:
    return _text(blake2b(text.encode(), key=key, person=kind, digest_size=_HASH_BYTES).digest())


def _key() -> bytes:
    # Values of cookies may be short. Without the key, a page that is passed on would reveal them.
    return salted_hmac(_SALT, "hashes", algorithm="sha256").digest()


def _text(digest: bytes) -> str:
    return urlsafe_b64encode(digest).decode()


def _split(text: str, size: int) -> list[str]:
    return [text[start : start + size] for start in range(0, len(text), size)]


def _signer() -> TimestampSigner:
    return TimestampSigner(salt=_SALT)
