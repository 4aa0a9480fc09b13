"""The response of one run of a live request, which all its subscribers share.

Decides whether two responses are equal, which ETag a response has, and keeps the parts of frames
that are the same for all subscribers.
"""

import re
from collections.abc import Hashable
from hashlib import blake2b
from typing import Literal

from msgspec import Raw

from wsrequest.live import page_tag, text_diff
from wsrequest.live.diff import MAX_BODY_BYTES, make_patch
from wsrequest.live.normalizing import Hidden, Normalizer
from wsrequest.live.text_diff import make_text_patch
from wsrequest.protocol.content import data_of, kind_of
from wsrequest.protocol.messages import Response
from wsrequest.protocol.server_codec import (
    encode_ending,
    encode_response,
    encode_server,
    encode_whole,
)
from wsrequest.push.events import Audience
from wsrequest.types import Frame, Headers

__all__ = ["Snapshot", "tag_matches"]

# These headers differ in each run, or follow from the body. Two responses that differ only in them
# are equal.
_INSIGNIFICANT = frozenset(
    "date age expires etag last-modified content-length set-cookie server-timing x-request-id "
    "request-id x-correlation-id x-runtime".split()
)
_RATE_LIMITS = ("ratelimit", "x-ratelimit", "x-rate-limit")
# An ETag in quotes, or without them, as some applications write it.
_TAG = re.compile(r'(?:^|,)\s*(?:W/)?("[^"]*"|[^\s,"]+)\s*(?=,|$)')
_HTML = frozenset(("text/html", "application/xhtml+xml"))
_OVERHEAD_BYTES = 1024  # of an object with its headers, without their text
_HIDDEN_BYTES = 128  # of the place of a token or nonce
_SMALL_BYTES = 2**16  # encoding such a body, or making a patch of it, takes about a millisecond
# Nearly all subscribers have the same older snapshot. Only those that read slowly have others.
_MAX_PATCHES = 8


class Snapshot:
    """A whole response.

    Args:
        status: of the response.
        headers: of the response. Set-Cookie is left out, because it is for one visitor.
        body: the whole body. b"" if there is no body.
        shared_key: equal for all visitors who may see this response. None if only one identity may.
        normalizer: removes from body and headers what differs without meaning anything.
        is_page: whether it is a page or a region of one.

    Attributes:
        digest: equal for two responses with the same meaning: status, body and significant headers.
        etag: the application's own ETag, or one of the body. A weak one of ours if the bodies of
            equal responses can differ. None unless the status is 200.
        is_own_tag: whether the ETag is ours.
        tag: the ETag of its headers, also if the status is not 200.
        patch_kind: the kind of patch that leads to it (PROTOCOL.md 4.7). None if only the whole can
            come.
        held_bytes: the memory that it takes while a subscriber holds it, with the body counted
            once.
        audience: what the run has joined. Equal responses can differ in it.
    """

    __slots__ = (
        "_ending", "_hidden", "_is_json", "_is_shown", "_patches", "_tail", "audience", "body",
        "digest", "etag", "headers", "held_bytes", "is_own_tag", "patch_kind", "shared_key",
        "status", "tag",
    )  # fmt: skip

    def __init__(
        self,
        status: int,
        headers: Headers,
        body: bytes,
        shared_key: Hashable | None = None,
        normalizer: Normalizer | None = None,
        *,
        is_page: bool = False,
    ) -> None:
        self.status, self.body, self.shared_key = status, body, shared_key
        self.headers = {n: value for n, value in headers.items() if n.lower() != "set-cookie"}
        normal, counting = body, self.headers
        self._hidden: Hidden | None = []
        if normalizer is not None:
            kind = _text_kind(headers)
            is_html = kind in _HTML
            normal, self._hidden = normalizer.form(body, is_text=kind != "", is_html=is_html)
            is_page = is_page or (is_html and page_tag.MARK in body)
            if is_page:
                # Nobody draws the headers of a page. The ETag that it was served with cannot
                # depend on them: some are added behind what makes that ETag.
                counting = {n: v for n, v in headers.items() if n.lower() == "content-type"}
        self.digest = _digest(status, counting, normal, normalizer)
        self.etag: str | None = None
        self.is_own_tag = False
        self.audience: Audience | None = None
        if status == 200:
            self.etag = _get(headers, "etag")
            if is_page or normal != body:
                # An ETag of the application, such as that of ConditionalGetMiddleware, is for
                # these bytes only. The next response with the same meaning has another.
                self._set_etag(f'W/"{self.digest.hex()}"')
            elif self.etag is None:
                self._set_etag(f'"{self.digest.hex()}"')
        self._is_shown = False
        self._ending: Frame | None = None
        self._is_json: bool | None = None  # None: not known yet
        self._tail: Frame | None = None
        self._patches: dict[bytes, Frame | None] = {}
        # Each of a thousand subscribers asks for these.
        self.tag = _get(self.headers, "etag")
        self.patch_kind: Literal["json", "text"] | None = (
            kind_of(self.headers) if status == 200 and body else None
        )
        text_bytes = sum(len(name) + len(value) for name, value in self.headers.items())
        hidden_bytes = _HIDDEN_BYTES * len(self._hidden or ())
        self.held_bytes = _OVERHEAD_BYTES + text_bytes + len(body) + hidden_bytes

    def _set_etag(self, etag: str) -> None:
        self.etag, self.is_own_tag = etag, True
        for name in [name for name in self.headers if name.lower() == "etag"]:
            del self.headers[name]
        self.headers["ETag"] = etag

    @property
    def is_success(self) -> bool:
        """Whether the status is 2xx."""
        return 200 <= self.status <= 299

    @property
    def passes(self) -> bool:
        """Whether it is a failure, but the same request may succeed later."""
        return self.status == 429 or self.status >= 500

    @property
    def retry_after_seconds(self) -> float | None:
        """The seconds of Retry-After (RFC 9110 10.2.3). None for a date, or without it."""
        value = _get(self.headers, "retry-after") or ""
        # A number of 400 digits becomes infinity, which no timer accepts.
        return min(float(value), 2.0**31) if value.isascii() and value.isdecimal() else None

    @property
    def is_large(self) -> bool:
        """Whether encoding it would delay the event loop, so that a thread should do it."""
        return len(self.body) > _SMALL_BYTES

    def prepare(self) -> None:
        """Encode a large body. Called in a thread, so that the event loop only joins the parts."""
        if self.is_large:
            self._get_ending()

    def frame(self, head: Response) -> Frame:
        """Return the frame of the whole response.

        Args:
            head: with its status and headers, without a body.
        """
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
        """Return the frame of the whole response, which ``encode_version`` completes."""
        tail = self._tail
        if tail is None:
            tail = encode_response(Response(self.status, self.headers, body=self.body or None))
            if not self._is_shown:
                self._tail = tail
        return tail

    def forget_frames(self) -> None:
        """Drop the encoded frames and keep the body: each subscriber with room was sent it."""
        self._is_shown = True
        self._ending = None
        self._tail = None
        self._patches.clear()

    @property
    def is_like_its_equals(self) -> bool:
        """Whether a text patch from it fits each body that is equal to it.

        That is so if these bodies differ in masked tokens and nonces only.
        """
        return self._hidden is not None

    def patch_tail(self, old: "Snapshot") -> Frame | None:
        """Return the frame of the patch from an older snapshot to this one.

        Returns:
            None if the whole body must be sent instead.
        """
        if self._is_shown:  # only a slow reader needs the patch now, so it is not kept
            is_small = max(len(old.body), len(self.body)) <= _SMALL_BYTES
            return self._make_patch_tail(old) if is_small else None
        key = old.digest
        if old.patch_kind == "text" and not old.is_like_its_equals:
            key += blake2b(old.body, digest_size=12).digest()
        if key not in self._patches:
            if len(self._patches) >= _MAX_PATCHES:
                return None
            self._patches[key] = self._make_patch_tail(old)
        return self._patches[key]

    def _make_patch_tail(self, old: "Snapshot") -> Frame | None:
        kind = self.patch_kind
        if kind is None or kind != old.patch_kind:
            return None
        limit = MAX_BODY_BYTES if kind == "json" else text_diff.MAX_BODY_BYTES
        if max(len(old.body), len(self.body)) > limit:
            return None
        if any(data_of(each.headers, each.body) is None for each in (old, self)):
            return None
        if kind == "json":
            patch = make_patch(old.body, self.body)
        else:
            patch = make_text_patch(old.body, self.body, (old._hidden or (), self._hidden or ()))
        if patch is None:
            return None
        return encode_response(Response(200, self.headers, body=patch, patch=kind))


def tag_matches(if_none_match: str, etag: str | None) -> bool:
    """Whether an If-None-Match header names an ETag, by weak comparison.

    Source: RFC 9110, sections 8.8.3.2 and 13.1.2.
    """
    if etag is None:
        return False
    # A "*" does not match: it is for clients that know no tag.
    return etag.removeprefix("W/") in _TAG.findall(if_none_match)


def _get(headers: Headers, name: str) -> str | None:
    for each, value in headers.items():
        if each.lower() == name:
            return value if isinstance(value, str) else value[0]
    return None


def _text_kind(headers: Headers) -> str:
    """Return the media type of a text that can be read as it is. Empty for any other body."""
    if _get(headers, "content-encoding") is not None:
        return ""
    kind = (_get(headers, "content-type") or "").partition(";")[0].strip().lower()
    is_text = kind.startswith("text/") or kind.endswith(("json", "xml", "javascript"))
    return kind if is_text else ""


def _digest(
    status: int, headers: Headers, body: bytes, normalizer: Normalizer | None = None
) -> bytes:
    significant = sorted(
        f"{name.lower()}: {value}"
        for name, value in headers.items()
        if name.lower() not in _INSIGNIFICANT and not name.lower().startswith(_RATE_LIMITS)
    )
    start = f"{status}\n" + "\n".join(significant) + "\n\n"
    if normalizer is not None:
        start = normalizer.header(start)
    return blake2b(
        body, key=blake2b(start.encode(), digest_size=32).digest(), digest_size=12
    ).digest()
