"""The page tag: the element by which a page says what it shows, so that it can follow that.

    <meta name="wsrequest-live" content="page" data-url="/notes/" data-etag="" data-proof=""
    data-messages="[]">

A template renders it empty. What completes the response fills it (``pages/completing``). What is
filled in differs between two equal pages, so the normal form of a page leaves it out.
"""

import re

from django.utils.html import escape

__all__ = ["MARK", "PageTag", "find", "render", "without"]

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


def without(body: bytes) -> bytes:
    """Return a body whose page tags say nothing. Without one, it is the body itself."""
    return _TAG.sub(_NORMAL, body) if MARK in body else body
