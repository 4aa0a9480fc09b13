"""Make HTML of one view fit into the page of another.

A region stands in the middle of a page. A tag that its view left open, or closed too often, would
move the rest of the page into the region, or the rest of the region out of it. So what is embedded
is balanced. Of a whole document, only a part is embedded.

The time is linear in the text. Text in scripts, styles and comments is skipped, not read.
"""

import re
from collections import Counter
from collections.abc import Iterator
from html import unescape
from typing import NamedTuple

__all__ = ["fragment_of"]

# As WHATWG HTML 13.2.5 has it, as far as the ends of tags depend on it: a quotation mark counts
# only behind an equals sign. The groups are atomic, so nothing is tried twice.
_TOKEN = re.compile(
    r"""
    (?P<comment> <!--(?:>|->|(?:(?!-->|--!>).)*+--!?>) | <!(?!--)[^>]*+> | <\?[^>]*+>
      | </[^a-zA-Z>][^>]*+> | </> )
    | <(?P<end>/?)(?P<name>[a-zA-Z][^\s/>]*+)
      (?P<attributes>(?:[^>=]++ | =\s*+"[^"]*+" | =\s*+'[^']*+' | =(?!\s*+["']))*+) >
    | (?P<broken> <(?:[a-zA-Z!?]|/[^>]) )
    """,
    re.VERBOSE | re.DOTALL,
)
_ID = re.compile(r"""(?:^|[\s"'/])id\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s"'>]+))""", re.IGNORECASE)
_DOCTYPE = re.compile(r"^\s*+<!doctype\s[^>]*>", re.IGNORECASE)
_DOCUMENT = re.compile(r"<(?:!doctype\s|html[\s>]|head[\s>]|body[\s>])", re.IGNORECASE)

# Nothing but their end tag ends them (13.2.5.1).
_RAW = frozenset("iframe noembed noframes script style textarea title xmp".split())
_VOID = frozenset(
    "area base basefont bgsound br col embed frame hr img input keygen link meta param source "
    "track wbr".split()
)
_OF_DOCUMENT = frozenset("body head html".split())
_FOREIGN = frozenset(("math", "svg"))
_SPECIAL = _RAW | _OF_DOCUMENT  # whose contents hold no tags, or which are left out
# A parser closes these itself where their parent ends (13.2.6.3).
_IMPLIED = frozenset("dd dt li optgroup option p rb rp rt rtc tbody td tfoot th thead tr".split())
# A start tag of these closes an open <p> (13.2.6.4.7).
_CLOSES_P = frozenset(
    "address article aside blockquote center details dialog dir div dl fieldset figcaption figure "
    "footer form h1 h2 h3 h4 h5 h6 header hgroup hr main menu nav ol p pre search section summary "
    "table ul".split()
)
# A start tag of the first closes the others, if they are the innermost that is open.
_CLOSES = {
    "li": ("li",),
    "dt": ("dd", "dt"),
    "dd": ("dd", "dt"),
    "option": ("option",),
    "optgroup": ("optgroup", "option"),
    "td": ("td", "th"),
    "th": ("td", "th"),
    "tr": ("td", "th", "tr"),
    "tbody": ("tbody", "td", "tfoot", "th", "thead", "tr"),
    "tfoot": ("tbody", "td", "tfoot", "th", "thead", "tr"),
}


class _Tag(NamedTuple):
    start: int
    end: int
    name: str
    is_end: bool
    attributes: str


def fragment_of(html: str, id: str = "") -> str:
    """Return what of an HTML answer is embedded in a page, balanced.

    Args:
        html: the answer: a part of a page, or a whole document.
        id: of a document, the content of the element with this id is embedded. The content of its
            body if there is no such element.
    """
    if _DOCUMENT.search(html):
        html = _content(html, id)
    return _balanced(html)


def _tags(html: str) -> Iterator[_Tag]:
    """Yield the tags. A piece of one at the end is yielded as a tag without a name."""
    position = 0
    while match := _TOKEN.search(html, position):
        position = match.end()
        if match["broken"]:
            yield _Tag(match.start(), len(html), "", False, "")
            return
        if match["name"] is None:
            continue
        name = match["name"].lower()
        is_end = bool(match["end"])
        yield _Tag(match.start(), match.end(), name, is_end, match["attributes"])
        if name in _RAW and not is_end:
            end = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(html, position)
            if end is None:
                return
            position = end.start()


class _Stack:
    """The elements that are open.

    Attributes:
        names: from the outermost to the innermost.
        lowest: how many of those that were open are left by the last tag.
    """

    def __init__(self) -> None:
        self.names: list[str] = []
        self.lowest = 0
        self._counts: Counter[str] = Counter()

    def take(self, tag: _Tag) -> str | None:
        """Take the next tag.

        Returns:
            The end tags that are missing before it. None if it closes nothing that is open here.
        """
        names, name = self.names, tag.name
        self.lowest = len(names)
        if tag.is_end:
            if not self._counts[name]:
                return None
            missing = []
            while (last := self._pop()) != name:
                if last not in _IMPLIED:
                    missing.append(f"</{last}>")
            self.lowest = len(names)
            return "".join(missing)
        is_foreign = any(self._counts[name] for name in _FOREIGN)
        if not is_foreign:
            if name in _CLOSES_P and names and names[-1] == "p":
                self._pop()
            while names and names[-1] in _CLOSES.get(name, ()):
                self._pop()
        self.lowest = len(names)
        if name in _VOID or (tag.attributes.endswith("/") and (is_foreign or name in _FOREIGN)):
            return ""
        names.append(name)
        self._counts[name] += 1
        return ""

    def _pop(self) -> str:
        name = self.names.pop()
        self._counts[name] -= 1
        return name


def _is_well_formed(html: str) -> bool:
    """Whether each element is closed by a tag of its own. The fast way, for nearly all HTML."""
    names: list[str] = []
    for match in _TOKEN.finditer(html):
        comment, end, name, attributes, _ = match.groups()
        if end:
            if not names or names.pop() != name:
                return False
        elif name:
            if name not in _VOID:
                if name in _SPECIAL or attributes.endswith("/"):
                    return False
                names.append(name)
        elif not comment:
            return False
    return not names


def _balanced(html: str) -> str:
    """Return HTML that closes all that it opens, and nothing else."""
    if _is_well_formed(html):
        return html
    pieces: list[str] = []
    stack, position = _Stack(), 0
    for tag in _tags(html):
        is_known = bool(tag.name) and tag.name not in _OF_DOCUMENT
        missing = stack.take(tag) if is_known else None
        if missing is None or missing:
            pieces += html[position : tag.start], missing or ""
            position = tag.end if missing is None else tag.start
    if not pieces and not stack.names:
        return html
    pieces.append(html[position:])
    pieces += (f"</{name}>" for name in reversed(stack.names))
    return "".join(pieces)


def _content(html: str, id: str) -> str:
    """Return the content of the element with an id, or of the body."""
    html = _DOCTYPE.sub("", html)
    stack = _Stack()
    start = depth = -1
    body, rank = 0, 0  # where it begins, and how sure that is
    body_end = len(html)
    for tag in _tags(html):
        if not tag.name:
            body_end = min(body_end, tag.start)
        elif tag.name in _OF_DOCUMENT:
            if tag.is_end and tag.name != "head":
                body_end = min(body_end, tag.start)
            elif tag.is_end or tag.name != "head":
                new_rank = {"html": 1, "head": 2, "body": 3}[tag.name]
                body, rank = (tag.end, new_rank) if new_rank > rank else (body, rank)
        else:
            stack.take(tag)
            if start >= 0 and stack.lowest < depth:
                return html[start : tag.start]
            if start < 0 and id and not tag.is_end and _id_of(tag.attributes) == id:
                start, depth = tag.end, len(stack.names)
                if tag.name in _VOID:
                    return ""
    if start >= 0:
        return html[start:body_end]
    return html[body:body_end]


def _id_of(attributes: str) -> str | None:
    match = _ID.search(attributes)
    return None if match is None else unescape(match[1] or match[2] or match[3] or "")
