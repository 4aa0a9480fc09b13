"""What differs in two bodies although they mean the same.

Owns the normal form of a body: masked CSRF tokens of one secret, a nonce, and what the project
names, each give way to one text. Only digests and entity tags are made of it; what is sent is the
body itself. Its time is linear in the body, but for expressions and functions of the project's own.
"""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from string import ascii_letters, digits
from typing import Any

from django.utils.module_loading import import_string

__all__ = ["Ignored", "Normalizer", "ignored_of", "pattern_fault", "rewriter_fault"]

logger = logging.getLogger("wsrequest.live")

_CHARS = (ascii_letters + digits).encode()
_INDEX = bytes.maketrans(_CHARS, bytes(range(len(_CHARS))))
_SECRET_CHARS = 32
# A run of letters and digits is looked at once, at its start, so that long ones cost no more.
_TOKEN = re.compile(rb"(?<![A-Za-z0-9])[A-Za-z0-9]{64}(?![A-Za-z0-9])")
_TOKEN_CHARS = 64
# One call into C holds the interpreter's lock, so no call looks at more of a body than this.
_BLOCK = 2**15
_LEAST_NONCE = 8  # a shorter one may be a word of the page

Rewriter = Callable[[Any, bytes], bytes]


class Ignored:
    """What the project says is no difference. Equal objects are one: ``ignored_of`` keeps them.

    Attributes:
        patterns: what they match in a body does not count.
        rewriter: is given the request and a body, and returns what of it counts; None without.
    """

    __slots__ = ("patterns", "rewriter")

    def __init__(
        self, patterns: Sequence["re.Pattern[bytes]"] = (), rewriter: Rewriter | None = None
    ) -> None:
        self.patterns, self.rewriter = tuple(patterns), rewriter


@lru_cache(maxsize=8)
def ignored_of(patterns: tuple[str, ...], rewriter: str) -> Ignored:
    """Return what two settings say, without what is wrong in them, which is logged.

    Args:
        patterns: regular expressions.
        rewriter: the dotted path of a function, "" for none.
    """
    sound = []
    for pattern in patterns:
        fault = pattern_fault(pattern)
        if fault is None:
            sound.append(re.compile(pattern.encode()))
        else:
            logger.error("WSREQUEST_LIVE_IGNORED_CONTENT: %r %s", pattern, fault)
    fault = rewriter_fault(rewriter)
    if fault is not None:
        logger.error("WSREQUEST_LIVE_REWRITER: %r %s", rewriter, fault)
    return Ignored(sound, import_string(rewriter) if rewriter and fault is None else None)


def pattern_fault(pattern: str) -> str | None:
    """What keeps a text from being an expression for bodies, None for nothing."""
    try:
        found = re.compile(pattern.encode())
    except re.error as error:
        return f"is not a regular expression: {error}"
    return "matches everywhere, since it matches nothing" if found.fullmatch(b"") else None


def rewriter_fault(path: str) -> str | None:
    """What keeps a dotted path from being a function, None for nothing."""
    if not path:
        return None
    try:
        found = import_string(path)
    except ImportError as error:
        return f"cannot be imported: {error}"
    return None if callable(found) else "is not a function"


class Normalizer:
    """Makes the normal form of one answer.

    Args:
        secret: that the masked CSRF tokens of the answer hold, None when it has none.
        nonce: that its scripts and styles may have, None when it has none.
        ignored: see there.
        request: of the answer, for the project's function.
    """

    __slots__ = ("_ignored", "_nonce", "_place", "_request", "_secret")

    def __init__(
        self,
        secret: str | None = None,
        nonce: str | None = None,
        ignored: Ignored | None = None,
        request: object = None,
    ) -> None:
        self._ignored, self._request = ignored, request
        self._secret = self._place = b""
        if secret is not None and len(secret) == _SECRET_CHARS and secret.isalnum():
            self._secret = secret.encode().translate(_INDEX)
            # Another secret is another page: its forms would be refused.
            self._place = b"csrf-" + blake2b(secret.encode(), digest_size=16).hexdigest().encode()
        self._nonce = nonce.encode() if nonce and len(nonce) >= _LEAST_NONCE else b""

    def body(self, body: bytes, *, is_text: bool) -> bytes:
        """Return the normal form of a body; the body itself where it is in it.

        Args:
            body: of the answer.
            is_text: whether the project's expressions and function are for it.
        """
        found = self._tokens(body)
        if is_text and self._ignored is not None:
            for pattern in self._ignored.patterns:
                found = pattern.sub(b"", found)
            if self._ignored.rewriter is not None:
                found = self._rewrite(self._ignored.rewriter, found)
        return found

    def header(self, value: str) -> str:
        """Return the normal form of a header's value."""
        return self._tokens(value.encode()).decode()

    def is_secret(self, value: str) -> bool:
        """Whether a value is the secret, plain or under a mask."""
        found = value.encode()
        return bool(self._secret) and (
            found.translate(_INDEX) == self._secret
            or (_TOKEN.fullmatch(found) is not None and self._holds(found))
        )

    def has_token(self, body: bytes) -> bool:
        """Whether a body has a masked token of the secret."""
        return bool(self._secret) and any(self._holds(m[0]) for m in _tokens_of(body))

    def _tokens(self, body: bytes) -> bytes:
        if self._secret:
            pieces: list[bytes] = []
            end = 0
            for match in _tokens_of(body):
                if self._holds(match[0]):
                    pieces += body[end : match.start()], self._place
                    end = match.end()
            if pieces:
                body = b"".join((*pieces, body[end:]))
        return body.replace(self._nonce, b"nonce") if self._nonce else body

    def _holds(self, token: bytes) -> bool:
        """Whether a token is the secret under a mask (django.middleware.csrf)."""
        token = token.translate(_INDEX)
        mask, cipher = token[:_SECRET_CHARS], token[_SECRET_CHARS:]
        # Nearly all others differ in the first character.
        return all(
            (coded - by) % len(_CHARS) == character
            for by, coded, character in zip(mask, cipher, self._secret, strict=True)
        )

    def _rewrite(self, rewriter: Rewriter, body: bytes) -> bytes:
        try:
            return bytes(rewriter(self._request, body))
        except Exception:
            logger.exception("the function of WSREQUEST_LIVE_REWRITER failed")
            return body


def _tokens_of(body: bytes) -> Iterator["re.Match[bytes]"]:
    """What may be a masked token."""
    for start in range(0, len(body), _BLOCK):
        # One that begins in the block ends before this, and so does what must not follow it.
        end = start + _BLOCK + _TOKEN_CHARS + 1
        for match in _TOKEN.finditer(body, start, end):
            if match.start() < start + _BLOCK:
                yield match
