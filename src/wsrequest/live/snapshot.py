"""What one run of a live request gave, as all who hear of it share it.

Owns when two results are the same, their entity tags, and the frames that they have in common.
"""

import re
from collections.abc import Hashable
from hashlib import blake2b

from msgspec import Raw

from wsrequest.live.diff import MAX_BODY_BYTES, smallest
from wsrequest.live.normalizing import Normalizer
from wsrequest.protocol.content import data_of
from wsrequest.protocol.messages import PatchKind, Response
from wsrequest.protocol.server_codec import (
    encode_ending,
    encode_response,
    encode_server,
    encode_whole,
)
from wsrequest.types import Frame, Headers

__all__ = ["Snapshot", "tag_matches"]

# They differ in each run, or follow from the body: what is the same but for these is the same.
_PASSING = frozenset(
    "date age expires etag last-modified content-length set-cookie server-timing x-request-id "
    "request-id x-correlation-id x-runtime".split()
)
_RATE_LIMITS = ("ratelimit", "x-ratelimit", "x-rate-limit")
# Quoted, or as an application may write it.
_TAG = re.compile(r'(?:^|,)\s*(?:W/)?("[^"]*"|[^\s,"]+)\s*(?=,|$)')
_OVERHEAD_BYTES = 1024  # of an object with its headers, besides their text
_SMALL_BYTES = 2**16  # to encode so much, or to make a patch of it, takes about a millisecond
_MOST_PATCHES = 8  # subscribers that read slowly hold older results; the others one and the same


class Snapshot:
    """An answer, whole.

    Args:
        status: of the response.
        headers: of the response; Set-Cookie is left out, which is one visitor's.
        body: whole; b"" without one.
        shared_key: equal for whoever may be shown this result; None for one identity only.
        normalizer: takes out of the body and the headers what is no difference.

    Attributes:
        digest: equal where status, body and the headers that tell something mean the same.
        etag: the application's own, or one of the body; a weak one of ours where the bodies of
            equal results differ. None unless the status is 200.
    """

    __slots__ = (
        "_ending", "_is_json", "_is_shown", "_patches", "_tail", "body", "digest", "etag",
        "headers", "shared_key", "status",
    )  # fmt: skip

    def __init__(
        self,
        status: int,
        headers: Headers,
        body: bytes,
        shared_key: Hashable | None = None,
        normalizer: Normalizer | None = None,
    ) -> None:
        self.status, self.body, self.shared_key = status, body, shared_key
        self.headers = {n: value for n, value in headers.items() if n.lower() != "set-cookie"}
        normal = body
        if normalizer is not None:
            normal = normalizer.body(body, is_text=_is_text(headers))
        self.digest = _digest(status, self.headers, normal, normalizer)
        self.etag: str | None = None
        if status == 200:
            self.etag = _get(headers, "etag")
            if normal != body:
                # The application's own tag, of ConditionalGetMiddleware say, is of this body only.
                self._set_etag(f'W/"{self.digest.hex()}"')
            elif self.etag is None:
                self._set_etag(f'"{self.digest.hex()}"')
        self._is_shown = False
        self._ending: Frame | None = None
        self._is_json: bool | None = None  # None: nobody has looked
        self._tail: Frame | None = None
        self._patches: dict[tuple[bytes, PatchKind], Frame | None] = {}

    @property
    def held_bytes(self) -> int:
        """What it takes in memory while somebody holds it: the body, once."""
        headers = sum(len(name) + len(value) for name, value in self.headers.items())
        return _OVERHEAD_BYTES + headers + len(self.body)

    def _set_etag(self, etag: str) -> None:
        self.etag = etag
        for name in [name for name in self.headers if name.lower() == "etag"]:
            del self.headers[name]
        self.headers["ETag"] = etag

    @property
    def is_success(self) -> bool:
        """Whether it is what was asked for."""
        return 200 <= self.status <= 299

    @property
    def passes(self) -> bool:
        """Whether it is a failure after which the same request may succeed."""
        return self.status == 429 or self.status >= 500

    @property
    def retry_after_seconds(self) -> float | None:
        """How long a failure asks to wait (RFC 9110 10.2.3), where it says so in seconds."""
        told = _get(self.headers, "retry-after") or ""
        # Of 400 digits it would be infinity, which no timer takes.
        return min(float(told), 2.0**31) if told.isascii() and told.isdecimal() else None

    @property
    def is_large(self) -> bool:
        """Whether the event loop should not be what encodes it."""
        return len(self.body) > _SMALL_BYTES

    @property
    def tag(self) -> str | None:
        """The ETag of its headers."""
        return _get(self.headers, "etag")

    def prepare(self) -> None:
        """Encode what is large. In a thread: the event loop has then only to put it together."""
        if self.is_large:
            self._get_ending()

    def frame(self, head: Response) -> Frame:
        """The frame of all of it, behind a head that has its status, without a body."""
        return encode_whole(head, self._get_ending()) if self.body else encode_server(head)

    def _get_ending(self) -> Frame:
        ending = self._ending
        if ending is None:
            data = Raw(self.body) if self._is_json else data_of(self.headers, self.body)
            self._is_json = isinstance(data, Raw)
            ending = encode_ending(data, self.body)
            self._ending = None if self._is_shown else ending
        return ending

    def tail(self) -> Frame:
        """The frame of all of it, for ``encode_version`` to finish."""
        tail = self._tail
        if tail is None:
            tail = encode_response(Response(self.status, self.headers, body=self.body or None))
            if not self._is_shown:
                self._tail = tail
        return tail

    def forget_frames(self) -> None:
        """All who can read were shown it: keep the body only, not its frames as well."""
        self._is_shown = True
        self._ending = None
        self._tail = None
        self._patches.clear()

    def patch_tail(self, old: "Snapshot", kind: PatchKind) -> Frame | None:
        """The frame of what makes this of an older one; None where that is not smaller."""
        if self._is_shown:  # for one who reads slowly, and not kept for others
            is_small = max(len(old.body), len(self.body)) <= _SMALL_BYTES
            return self._make_patch_tail(old, kind) if is_small else None
        key = old.digest, kind
        if key not in self._patches:
            if len(self._patches) >= _MOST_PATCHES:
                return None
            self._patches[key] = self._make_patch_tail(old, kind)
        return self._patches[key]

    def _make_patch_tail(self, old: "Snapshot", kind: PatchKind) -> Frame | None:
        if max(len(old.body), len(self.body)) > MAX_BODY_BYTES:
            return None
        for result in (old, self):
            if result.status != 200 or not isinstance(data_of(result.headers, result.body), Raw):
                return None
        patch = smallest(old.body, self.body, kind)
        if patch is None:
            return None
        return encode_response(Response(200, self.headers, body=patch, patch=kind))


def tag_matches(told: str, etag: str | None) -> bool:
    """Whether If-None-Match names a tag, by weak comparison (RFC 9110 8.8.3.2, 13.1.2)."""
    if etag is None:
        return False
    return etag.removeprefix("W/") in _TAG.findall(told)  # "*" is for those that know no tag


def _get(headers: Headers, name: str) -> str | None:
    for found, value in headers.items():
        if found.lower() == name:
            return value if isinstance(value, str) else value[0]
    return None


def _is_text(headers: Headers) -> bool:
    if _get(headers, "content-encoding") is not None:
        return False
    kind = (_get(headers, "content-type") or "").partition(";")[0].strip().lower()
    return kind.startswith("text/") or kind.endswith(("json", "xml", "javascript"))


def _digest(
    status: int, headers: Headers, body: bytes, normalizer: Normalizer | None = None
) -> bytes:
    told = sorted(
        f"{name.lower()}: {value}"
        for name, value in headers.items()
        if name.lower() not in _PASSING and not name.lower().startswith(_RATE_LIMITS)
    )
    start = f"{status}\n" + "\n".join(told) + "\n\n"
    if normalizer is not None:
        start = normalizer.header(start)
    return blake2b(
        body, key=blake2b(start.encode(), digest_size=32).digest(), digest_size=12
    ).digest()
