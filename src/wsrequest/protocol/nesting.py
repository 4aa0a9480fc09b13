"""Limit how deeply JSON may nest, in the same way on every Python.

msgspec and ``json`` rely on the interpreter's recursion guard. What that allows depends on the
version of Python, the stack of the thread and the C library. This limit is checked first, so none
of them decides what is refused.
"""

from collections.abc import Iterator
from itertools import accumulate
from operator import add

from wsrequest.errors import Refused
from wsrequest.protocol.validation import id_at_start
from wsrequest.types import Frame

__all__ = ["MAX_NESTING", "check_nesting", "nests_deeper"]

MAX_NESTING = 500
"""Levels of arrays and objects in a text frame or head, including the frame's own object.

Every supported Python can read this many, and leaves half of CPython 3.11's recursion limit (1,000)
for the frames below it on the stack. So can the ``json`` module that a view would use.
"""

# One call into C holds the interpreter's lock, so no call gets more of a text than this. The event
# loop can then run while a worker thread counts a response of 15 MB.
_BLOCK = 2**13

# Only brackets and quotation marks are kept. A bracket becomes one step up or down.
_DROPPED = bytes(code for code in range(256) if code not in b'[]{}"')
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_BITS = bytes.maketrans(b"\x01\xff", b"10")

# Eight steps in one byte, the first in its highest bit: how far they rise in all, as a signed byte,
# and how far they rise at their highest point.
_WALKS = [
    list(accumulate(1 if code >> bit & 1 else -1 for bit in range(7, -1, -1)))
    for code in range(256)
]
_RISES = bytes(walk[-1] % 256 for walk in _WALKS)
_PEAKS = bytes(max(0, *walk) for walk in _WALKS)


def check_nesting(head: Frame) -> None:
    """Refuse a text frame, or the head of a binary one, that nests too deeply.

    Raises:
        Refused: ``bad_json``, with the id that the frame begins with.

    Source: PROTOCOL.md 2.1.
    """
    if nests_deeper(head, MAX_NESTING):
        raise Refused(
            "bad_json",
            f"the JSON nests more than {MAX_NESTING} levels deep; send it as the body of a binary "
            "frame, which is not read",
            id_at_start(head),
        )


def nests_deeper(text: Frame, levels: int) -> bool:
    """Whether JSON nests more than ``levels`` deep.

    A short text costs nothing, and one with few brackets costs one count. The exact check takes a
    few passes over each block of the text, whatever the content.

    Args:
        text: JSON. For other text either result is possible, and decoding it fails anyway.
        levels: of arrays and objects inside one another.
    """
    if len(text) <= levels or not _has_more_brackets(text, levels):
        return False
    depth, is_in_string, is_escaped = 0, False, False
    for block in _blocks(text):
        if is_escaped:
            block = block[1:]
        # A quotation mark after a backslash does not end a string.
        is_escaped = (len(block) - len(block.rstrip(b"\\"))) % 2 == 1
        if b"\\" in block:
            block = block.replace(rb"\\", b"").replace(rb"\"", b"")
        # Two adjacent quotation marks open and close a string, or close and open one. Without them,
        # what is left is inside or outside of strings as before.
        steps = block.translate(_STEPS, _DROPPED).replace(b'""', b"")
        if b'"' in steps:
            parts = steps.split(b'"')
            steps = b"".join(parts[is_in_string::2])
            is_in_string ^= len(parts) % 2 == 0
        elif is_in_string:
            continue
        if steps:
            if _rises_above(steps, levels - depth):
                return True
            depth += 2 * steps.count(b"\x01") - len(steps)
    return False


def _has_more_brackets(text: Frame, count: int) -> bool:
    """Whether more than ``count`` arrays and objects begin in a text, including its strings."""
    brackets = 0
    for start in range(0, len(text), _BLOCK):
        end = start + _BLOCK
        if isinstance(text, str):
            brackets += text.count("[", start, end) + text.count("{", start, end)
        else:
            brackets += text.count(b"[", start, end) + text.count(b"{", start, end)
        if brackets > count:
            return True
    return False


def _blocks(text: Frame) -> Iterator[bytes]:
    for start in range(0, len(text), _BLOCK):
        block = text[start : start + _BLOCK]
        yield block if isinstance(block, bytes) else block.encode("utf-8", "surrogatepass")


def _rises_above(steps: bytes, room: int) -> bool:
    """Whether steps up and down rise more than ``room`` levels above their start.

    Most JSON is wide and not deep, so two counts decide for most blocks. Otherwise, eight steps at
    a time are looked up as the bits of one byte. One step at a time, 1 MiB of them blocked the
    event loop for 50 to 80 ms.
    """
    ups = steps.count(b"\x01")
    # Removing the innermost arrays and objects lowers a text by at most one level.
    if ups <= room or 1 + ups - steps.count(b"\x01\xff") <= room:
        return False
    bits = steps.translate(_BITS) + b"0" * (-len(steps) % 8)  # padded with steps down
    packed = int(bits, 2).to_bytes(len(bits) // 8, "big")
    starts = accumulate(memoryview(packed.translate(_RISES)).cast("b"), initial=0)
    peaks: Iterator[int] = map(add, starts, packed.translate(_PEAKS))
    return max(peaks) > room
