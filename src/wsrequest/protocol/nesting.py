"""How deep JSON may nest: a limit of our own, the same on every Python.

msgspec and ``json`` ask the interpreter's recursion guard, and what that allows differs by the
version of Python, the thread's stack and the C library. This limit is checked first, so none of
them decides what is refused. Pure.
"""

from itertools import accumulate

from wsrequest.errors import Refused
from wsrequest.protocol.ids import id_at_start
from wsrequest.types import Frame

__all__ = ["MAX_NESTING", "check_nesting", "nests_deeper"]

MAX_NESTING = 500
"""Levels of arrays and objects in a text frame or head, the frame's own object among them.

Every Python that is supported reads this many, with half of CPython 3.11's recursion limit (1,000)
left for the frames below it on the stack, and so does the ``json`` that a view would use.
"""

# Only brackets and quotation marks are kept; a bracket becomes the step that it makes.
_DROPPED = bytes(code for code in range(256) if code not in b'[]{}"')
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")


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
    """Whether JSON nests more than so many levels deep.

    A short text costs nothing, and other ordinary ones two counts: what has few brackets cannot be
    deep. The exact answer takes a few passes that run in C, some 50 ms for the worst MiB.

    Args:
        text: JSON. Of a text that is none, the answer is either; reading it fails anyway.
        levels: of arrays and objects, one inside another.
    """
    if len(text) <= levels:
        return False
    if isinstance(text, str):
        if text.count("[") + text.count("{") <= levels:
            return False
        text = text.encode("utf-8", "surrogatepass")
    elif text.count(b"[") + text.count(b"{") <= levels:
        return False
    if b"\\" in text:  # a quotation mark behind one ends no string
        text = text.replace(rb"\\", b"").replace(rb"\"", b"")
    # Two quotation marks side by side open and close, or close and open: without them all that is
    # left stands inside or outside of strings as before.
    steps = text.translate(_STEPS, _DROPPED).replace(b'""', b"")
    if b'"' in steps:
        steps = b"".join(steps.split(b'"')[::2])
    return max(accumulate(memoryview(steps).cast("b")), default=0) > levels
