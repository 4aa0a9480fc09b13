"""Make a patch that turns one text into the next, such as the HTML of a page.

The usual change is one place, or a few places far apart. Therefore the equal ends are cut off
first. Between them, lines that occur once in both texts are matched, which leaves small gaps. In a
gap the same begins again, with shorter pieces.

A page with forms has other masked CSRF tokens in each run, though they mean the same. ``hidden``
lists where they are. Their text is not compared, so a client keeps the tokens that it has.

The work has limits, because an event loop may wait for it. A text that exceeds one gets a longer
patch, or is sent whole. This module is pure: it uses only the standard library and msgspec.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import accumulate

import msgspec

__all__ = ["MAX_BODY_BYTES", "MAX_CHANGES", "MAX_PIECES", "Hidden", "changes_of", "make_text_patch"]

# With these limits, making a patch takes about ten milliseconds at most.
MAX_BODY_BYTES = 2**20  # of each text
MAX_PIECES = 2**14  # rows, lines and others that are matched in both texts together, over all gaps
MAX_CHANGES = 2**11  # a client applies each of them

Change = tuple[int, int, int, int]
"""Bytes of the old text, from start to end, that give way to bytes of the new one."""

Hidden = Sequence[tuple[int, int, bytes]]
"""Bytes from start to end, in order, with as many bytes of ASCII that say what they mean."""

_APART = 8  # changes with fewer bytes between them are shorter as one
_SMALL = 64  # a gap of that many bytes is replaced as it is
# What begins a piece: a row, a line, a tag, a word. Rows come first, because the lines in a row may
# be the same in every row, and would be matched with those of another.
_MARKS = (b"<tr", b"<li", b"\n", b"<", b" ")
_print = msgspec.json.Encoder().encode


def make_text_patch(
    old: bytes, new: bytes, hidden: tuple[Hidden, Hidden] = ((), ())
) -> bytes | None:
    """Return the serialized text patch that turns one body into another (PROTOCOL.md 4.7).

    Pages take less than a millisecond, and nothing takes much more than ten.

    Args:
        old: the body that the client has, or one that differs only where it is hidden. UTF-8.
        new: the body that the client is to have. UTF-8.
        hidden: what is not compared in the old body and in the new one. It does not overlap.

    Returns:
        None if the whole body must be sent: the patch would not be shorter, or a body is too large
        to compare.
    """
    if max(len(old), len(new)) > MAX_BODY_BYTES:
        return None
    changes = changes_of(_hide(old, hidden[0]), _hide(new, hidden[1]))
    if len(changes) > MAX_CHANGES or sum(end - start for _, _, start, end in changes) >= len(new):
        return None
    printed = _print([(at, end - at, new[start:to].decode()) for at, end, start, to in changes])
    return printed if len(printed) < len(new) else None


def changes_of(old: bytes, new: bytes) -> list[Change]:
    """Return what differs between two texts, in order.

    The changes begin and end between two characters of UTF-8. After each of them, equal bytes
    follow up to the next one.
    """
    joined: list[Change] = []
    for change in _Comparison(old, new).changes(0, len(old), 0, len(new), 0):
        if joined and change[0] - joined[-1][1] < _APART:
            last = joined.pop()
            change = last[0], change[1], last[2], change[3]
        joined.append(change)
    return joined


def _hide(body: bytes, hidden: Hidden) -> bytes:
    """Replace what is hidden by bytes of the same length that depend on its meaning only.

    They look like one character of UTF-8, so no change begins or ends in them. No text contains
    them: a byte 0xFF is never valid.
    """
    if not hidden:
        return body
    form = bytearray(body)
    fillers: dict[bytes, bytes] = {}
    for start, end, meaning in hidden:
        filler = fillers.get(meaning)
        if filler is None:
            filler = fillers[meaning] = bytes(0x80 | byte & 0x3F for byte in meaning)
        form[start:end] = b"\xff" + filler[1:]
    return bytes(form)


class _Comparison:
    """One comparison of two texts, with the pieces that it may still match."""

    def __init__(self, old: bytes, new: bytes) -> None:
        self._old, self._new = old, new
        self._left = MAX_PIECES

    def changes(self, at: int, end: int, start: int, to: int, level: int) -> Iterator[Change]:
        """Yield the changes between ``old[at:end]`` and ``new[start:to]``."""
        old, new = self._old, self._new
        same = self._equal_start(at, end, start, to)
        at, start = at + same, start + same
        same = self._equal_end(at, end, start, to)
        end, to = end - same, to - same
        if at == end and start == to:
            return
        anchors: list[tuple[int, int, int]] = []
        while not anchors:
            is_small = min(end - at, to - start) <= _SMALL
            if is_small or level == len(_MARKS) or not self._left:
                yield at, end, start, to
                return
            mark, level = _MARKS[level], level + 1
            before = old[at:end].split(mark, self._left)
            after = new[start:to].split(mark, self._left)
            self._left = max(0, self._left - len(before) - len(after))
            if self._left:
                anchors = _anchors(before, after, len(mark))
        i, j = at, start
        for old_at, new_at, size in anchors:
            if at + old_at < i or start + new_at < j:
                continue  # in what is equal after the last gap
            yield from self.changes(i, at + old_at, j, start + new_at, level)
            i, j = at + old_at + size, start + new_at + size
            same = self._equal_start(i, end, j, to)
            i, j = i + same, j + same
        yield from self.changes(i, end, j, to, level)

    def _equal_start(self, at: int, end: int, start: int, to: int) -> int:
        """The number of equal bytes at the start, up to the end of a character."""
        old, new = self._old, self._new
        size = min(end - at, to - start)
        if old[at : at + size] == new[start : start + size]:
            low = size
        else:
            low, high = 0, 1
            while old[at + low : at + high] == new[start + low : start + high]:
                low, high = high, min(high * 2, size)
            while high - low > 1:
                middle = (low + high) // 2
                if old[at + low : at + middle] == new[start + low : start + middle]:
                    low = middle
                else:
                    high = middle
        # Bytes from 0x80 to 0xBF go on with a character.
        while low and (_goes_on(old, at + low, end) or _goes_on(new, start + low, to)):
            low -= 1
        return low

    def _equal_end(self, at: int, end: int, start: int, to: int) -> int:
        """The number of equal bytes at the end, from the start of a character on."""
        old, new = self._old, self._new
        size = min(end - at, to - start)
        if old[end - size : end] == new[to - size : to]:
            low = size
        else:
            low, high = 0, 1
            while old[end - high : end - low] == new[to - high : to - low]:
                low, high = high, min(high * 2, size)
            while high - low > 1:
                middle = (low + high) // 2
                if old[end - middle : end - low] == new[to - middle : to - low]:
                    low = middle
                else:
                    high = middle
        while low and (_goes_on(old, end - low, end) or _goes_on(new, to - low, to)):
            low -= 1
        return low


def _goes_on(text: bytes, at: int, end: int) -> bool:
    return at < end and text[at] & 0xC0 == 0x80


def _anchors(old: list[bytes], new: list[bytes], apart: int) -> list[tuple[int, int, int]]:
    """Return pieces that stay: where they are in the old and in the new text, and their length.

    A piece is matched if it occurs once in both texts. Of these, the longest run that has the same
    order in both stays.

    Args:
        old: the pieces of the old text.
        new: the pieces of the new text.
        apart: the number of bytes between two pieces.
    """
    once = _once(old) & _once(new)
    stays = [at for at, piece in enumerate(old) if piece in once]
    lands = [at for at, piece in enumerate(new) if piece in once]
    pairs = [*zip(stays, lands, strict=True)]
    if [old[at] for at in stays] != [new[at] for at in lands]:
        place = {old[at]: at for at in stays}
        pairs = _rising([(place[new[at]], at) for at in lands])
    ends = [*accumulate(map(len, old))], [*accumulate(map(len, new))]
    return [
        (ends[0][i] - len(old[i]) + i * apart, ends[1][j] - len(new[j]) + j * apart, len(old[i]))
        for i, j in pairs
    ]


def _once(pieces: list[bytes]) -> set[bytes]:
    """The pieces that occur once. Not the empty one."""
    return {piece for piece, count in Counter(pieces).items() if count == 1 and piece}


def _rising(pairs: list[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the longest run of pairs, sorted by their second place, whose first place rises.

    It is found in O(n log n): ``best`` has for each length the pair that ends such a run with the
    smallest first place, and ``before`` links each pair to its predecessor.
    """
    ends: list[int] = []
    best: list[tuple[int, int]] = []
    before: dict[tuple[int, int], tuple[int, int] | None] = {}
    for pair in pairs:
        length = bisect_left(ends, pair[0])
        before[pair] = best[length - 1] if length else None
        ends[length : length + 1] = [pair[0]]
        best[length : length + 1] = [pair]
    run: list[tuple[int, int]] = []
    last = best[-1] if best else None
    while last is not None:
        run.append(last)
        last = before[last]
    return run[::-1]
