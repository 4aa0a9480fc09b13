"""The elements by which a page says what it shows, so that it can follow that.

    <meta name="wsrequest-live" content="page" data-url="/notes/" data-etag="" data-proof=""
    data-messages="[]">
    <live-region src="/notes/list/" data-etag="W/&quot;…&quot;" data-proof="">…</live-region>

A template renders them without proofs. What completes the response fills them
(``pages/completing``). What is filled in differs between two equal pages, so the normal form of a
page leaves it out. It also leaves out the content of regions, which have live requests of their
own.
"""

import re
from collections.abc import Callable
from html import unescape

from django.utils.html import escape

__all__ = [
    "MARK",
    "PageTag",
    "find",
    "has_regions",
    "is_completed",
    "prove_regions",
    "removed",
    "render",
    "render_region",
    "without",
    "without_regions",
]

MARK = b'<meta name="wsrequest-live" '
"""What every page tag begins with."""

_VALUE = rb'="([^"<>]*)"'
_TAG = re.compile(
    re.escape(MARK)
    + b" ".join(
        name + _VALUE
        for name in (b"content", b"data-url", b"data-etag", b"data-proof", b"data-messages")
    )
    + b">"
)
_NORMAL = MARK.rstrip() + b">"

_REGION = b"<live-region"
_REGION_TAG = re.compile(rb"<(/?)live-region(?=[\s>])[^>]*>")
_SHOWN = re.compile(rb' data-(?:etag|proof|status|live-state)="[^"]*"')
_UNPROVEN = re.compile(
    rb'(?P<start><live-region src="(?P<url>[^"<>]*)" data-etag="[^"<>]+" data-proof=")"'
)
_MAX_PROOFS = 100  # of the regions of one page. Further ones are as live, without a proof.


class PageTag:
    """A page tag in a body.

    Args:
        match: of the tag in the body.

    Attributes:
        content: "page", or what else is live here. "none" if nothing is.
    """

    __slots__ = ("_match", "content")

    def __init__(self, match: "re.Match[bytes]") -> None:
        self._match = match
        self.content = match[1].decode("latin1")

    def put(self, tag: str) -> bytes:
        """Return the body with another tag in its place.

        Args:
            tag: as ``render`` returns it.
        """
        body, match = self._match.string, self._match
        return b"".join((body[: match.start()], tag.encode(), body[match.end() :]))


def render(
    url: str, *, content: str = "page", etag: str = "", proof: str = "", messages: str = "[]"
) -> str:
    """Return a page tag.

    Args:
        url: of the page: a path, perhaps with a query.
        content: what is live. "none" for nothing.
        etag: the entity tag of the page's live version. Empty if it is not known.
        proof: that the page was answered (``subscriptions/page_proof``). Empty for none.
        messages: a JSON list in ASCII of the messages that the page shows.
    """
    return (
        f'{MARK.decode()}content="{escape(content)}" data-url="{escape(url)}" '
        f'data-etag="{escape(etag)}" data-proof="{escape(proof)}" '
        f'data-messages="{escape(messages)}">'
    )


def find(body: bytes) -> PageTag | None:
    """Return the first page tag of a body, or None."""
    start = body.find(MARK)
    match = None if start < 0 else _TAG.search(body, start)
    return None if match is None else PageTag(match)


def render_region(
    url: str,
    *,
    region_id: str = "",
    etag: str = "",
    status: int = 200,
    is_html: bool = True,
    content: str = "",
) -> str:
    """Return the element of a region.

    Args:
        url: of the region: a path, perhaps with a query.
        region_id: the id of the element, or an empty text.
        etag: the entity tag of its live version. Empty if it is not known.
        status: of its answer. Anything but 2xx is named.
        is_html: whether the answer is one that can be embedded.
        content: balanced HTML.
    """
    is_shown = 200 <= status <= 299 and is_html
    known = f' data-etag="{escape(etag)}" data-proof=""' if etag else ""
    id = f' id="{escape(region_id)}"' if region_id else ""
    state = "failing" if status == 429 or (status >= 500 and status != 508) else "ended"
    failed = "" if is_shown else f' data-status="{status}" data-live-state="{state}"'
    return f'<live-region src="{escape(url)}"{known}{id}{failed}>{content}</live-region>'


def prove_regions(body: bytes, prove: Callable[[str], str]) -> bytes:
    """Return a body in which the regions that were rendered have proofs.

    Args:
        body: of a page.
        prove: returns the proof for a URL.
    """
    if _REGION not in body:
        return body

    def fill(match: "re.Match[bytes]") -> bytes:
        return match["start"] + escape(prove(unescape(match["url"].decode()))).encode() + b'"'

    return _UNPROVEN.sub(fill, body, count=_MAX_PROOFS)


def has_regions(body: bytes) -> bool:
    """Whether a body has the element of a region."""
    return _REGION in body


def removed(body: bytes) -> bytes:
    """Return a body without its page tags."""
    return _TAG.sub(b"", body) if MARK in body else body


def without(body: bytes) -> bytes:
    """Return a body whose page tags say nothing. Without one, it is the body itself."""
    return _TAG.sub(_NORMAL, body) if MARK in body else body


def is_completed(body: bytes) -> bool:
    """Whether a page tag of the body was completed: it came from a cache above the middleware."""
    return MARK in body and any(match[4] for match in _TAG.finditer(body))


def without_regions(body: bytes) -> bytes:
    """Return a body whose regions are empty, and say nothing of what they showed."""
    if _REGION not in body:
        return body
    pieces: list[bytes] = []
    depth = position = 0
    for match in _REGION_TAG.finditer(body):
        if match[1]:
            if depth == 1:
                position = match.start()
            depth = max(0, depth - 1)  # an end tag of no region ends nothing
            continue
        if not depth:
            pieces += body[position : match.start()], _SHOWN.sub(b"", match[0])
            position = match.end()
        depth += 1
    pieces.append(body[position:])
    return b"".join(pieces)
