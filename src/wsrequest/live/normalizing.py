"""Makes the normal form of a body, in which differences without meaning are gone.

Masked CSRF tokens of one secret, a nonce, the content of the page tag, and what the project names
are each replaced by a fixed text. Only digests and entity tags are made from the normal form. The
body itself is what is sent. The time is linear in the body, except for the project's own
expressions and functions.
"""

import logging
import re
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from hashlib import blake2b
from string import ascii_letters, digits
from typing import Any

from django.utils.module_loading import import_string

from wsrequest.live import page_tag

__all__ = ["Hidden", "Ignored", "Normalizer", "ignored_of", "pattern_fault", "rewriter_fault"]

logger = logging.getLogger("wsrequest.live")

_CHARS = (ascii_letters + digits).encode()
_INDEX = bytes.maketrans(_CHARS, bytes(range(len(_CHARS))))
_SECRET_CHARS = 32
# A run of letters and digits is checked once, at its start, so that long ones cost no more.
_TOKEN = re.compile(rb"(?<![A-Za-z0-9])[A-Za-z0-9]{64}(?![A-Za-z0-9])")
_TOKEN_CHARS = 64
# A call into C holds the interpreter's lock, so each call looks at this much of a body at most.
_BLOCK = 2**15
_MIN_NONCE = 8  # a shorter one may be a word of the page

_MAX_HIDDEN = 2**13  # tokens and nonces of one body whose places are kept

Rewriter = Callable[[Any, bytes], bytes]

Hidden = list[tuple[int, int, bytes]]
"""What has a fixed text in the normal form: where it starts and ends, and this text."""


class Ignored:
    """The differences that the project ignores.

    ``ignored_of`` returns the same object for equal settings.

    Attributes:
        patterns: what they match in a body does not count.
        rewriter: takes the request and a body, and returns the part that counts. May be None.
    """

    __slots__ = ("patterns", "rewriter")

    def __init__(
        self, patterns: Sequence["re.Pattern[bytes]"] = (), rewriter: Rewriter | None = None
    ) -> None:
        self.patterns, self.rewriter = tuple(patterns), rewriter


@lru_cache(maxsize=8)
def ignored_of(patterns: tuple[str, ...], rewriter: str) -> Ignored:
    """Return what two settings ignore, without their invalid parts, which are logged.

    Args:
        patterns: regular expressions.
        rewriter: the dotted path of a function, or "".
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
    """Return why a text is not a valid expression for bodies, or None."""
    try:
        compiled = re.compile(pattern.encode())
    except re.error as error:
        return f"is not a regular expression: {error}"
    return "matches the empty text, and so matches everywhere" if compiled.fullmatch(b"") else None


def rewriter_fault(path: str) -> str | None:
    """Return why a dotted path does not lead to a function, or None."""
    if not path:
        return None
    try:
        rewriter = import_string(path)
    except ImportError as error:
        return f"cannot be imported: {error}"
    return None if callable(rewriter) else "is not a function"


class Normalizer:
    """Makes the normal form of one response.

    Args:
        secret: the CSRF secret that the masked tokens of the response contain, or None.
        nonce: the nonce that its scripts and styles may have, or None.
        ignored: what the project ignores.
        request: passed to the project's function.
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
            # Another secret means another page: its forms would be refused.
            place = b"csrf-" + blake2b(secret.encode(), digest_size=16).hexdigest().encode()
            self._place = place.ljust(_TOKEN_CHARS, b"-")
        self._nonce = nonce.encode() if nonce and len(nonce) >= _MIN_NONCE else b""

    def body(self, body: bytes, *, is_text: bool, is_html: bool = False) -> bytes:
        """Return the normal form of a body, or the body itself if it is in normal form.

        Args:
            body: of the response.
            is_text: whether the project's expressions and function apply to it.
            is_html: whether it can be a live page, or have regions.
        """
        return self.form(body, is_text=is_text, is_html=is_html)[0]

    def form(
        self, body: bytes, *, is_text: bool, is_html: bool = False
    ) -> tuple[bytes, Hidden | None]:
        """Return the normal form of a body, and where it has a fixed text in place of another.

        Args:
            body: of the response.
            is_text: whether the project's expressions and function apply to it.
            is_html: whether it can be a live page, or have regions. In JSON and plain text, users
                may write the same markup. There it must not hide what others write.

        Returns:
            None for the places if there are too many, or if what the project ignores has changed
            the body too, or a region in it has content. The page tag does not count, because all
            live versions have the same, unless it was completed.
        """
        hidden = self._hidden(body)
        normal = _filled(body, hidden)
        if is_html:
            normal = page_tag.without(normal)
        plain = normal
        if is_html:
            normal = page_tag.without_regions(normal)
        if is_text and self._ignored is not None:
            for pattern in self._ignored.patterns:
                normal = pattern.sub(b"", normal)
            if self._ignored.rewriter is not None:
                normal = self._rewrite(self._ignored.rewriter, normal)
        is_plain = (normal is plain or normal == plain) and not page_tag.is_completed(body)
        return normal, hidden if is_plain and len(hidden) <= _MAX_HIDDEN else None

    def header(self, value: str) -> str:
        """Return the normal form of a header's value."""
        text = value.encode()
        return _filled(text, self._hidden(text)).decode()

    def is_secret(self, value: str) -> bool:
        """Whether a value is the secret, plain or masked."""
        text = value.encode()
        return bool(self._secret) and (
            text.translate(_INDEX) == self._secret
            or (_TOKEN.fullmatch(text) is not None and self._is_masked_secret(text))
        )

    def has_token(self, body: bytes) -> bool:
        """Whether a body contains a masked token of the secret."""
        return bool(self._secret) and any(self._is_masked_secret(m[0]) for m in _tokens_of(body))

    def _hidden(self, body: bytes) -> Hidden:
        """The masked tokens of the secret and the nonces, in order."""
        hidden: Hidden = []
        end = 0
        if self._secret:
            for match in _tokens_of(body):
                if self._is_masked_secret(match[0]):
                    hidden += self._nonces(body, end, match.start())
                    end = match.end()
                    hidden.append((match.start(), end, self._place))
        hidden += self._nonces(body, end, len(body))
        return hidden

    def _nonces(self, body: bytes, start: int, end: int) -> Iterator[tuple[int, int, bytes]]:
        nonce = self._nonce
        size = len(nonce)
        while nonce and (at := body.find(nonce, start, end)) >= 0:
            start = at + size
            yield at, start, b"nonce".ljust(size, b"-")

    def _is_masked_secret(self, token: bytes) -> bool:
        """Whether a token is the masked secret (django.middleware.csrf)."""
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


def _filled(body: bytes, hidden: Hidden) -> bytes:
    if not hidden:
        return body
    pieces: list[bytes] = []
    end = 0
    for start, to, text in hidden:
        pieces += body[end:start], text
        end = to
    return b"".join((*pieces, body[end:]))


def _tokens_of(body: bytes) -> Iterator["re.Match[bytes]"]:
    """Yield what may be a masked token."""
    for start in range(0, len(body), _BLOCK):
        # A token that begins in the block ends before this, and so does the character after it.
        end = start + _BLOCK + _TOKEN_CHARS + 1
        for match in _TOKEN.finditer(body, start, end):
            if match.start() < start + _BLOCK:
                yield match
