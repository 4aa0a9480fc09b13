"""How long it takes to make the text patch of a page, and how many bytes of a frame it needs.

The page has 1,000 rows and 110 KB. Each row has a form with its own masked token, which is another
one in each version. A process that is kept for all rounds, as ``matching``. It reads a number of
seconds from each line of its input and prints processor microseconds and bytes, by what changes.
"""

import gc
import json
import secrets
import statistics
import sys
import time
from collections.abc import Sequence

from wsrequest.live.normalizing import Normalizer
from wsrequest.live.snapshot import Snapshot
from wsrequest.protocol.server_codec import encode_version

_SECRET = "s" * 32
_CHARS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_ROWS = 1000
_CHANGED = {
    "one row": ((500,), _ROWS),
    "one row, and a number at the top": ((500,), 7),
    "60 rows": (range(0, _ROWS, 17), _ROWS),
}


def _masked() -> str:
    mask = [secrets.randbelow(len(_CHARS)) for _ in _SECRET]
    cipher = [
        (_CHARS.index(letter) + by) % len(_CHARS) for letter, by in zip(_SECRET, mask, strict=True)
    ]
    return "".join(_CHARS[each] for each in (*mask, *cipher))


def page(changed: Sequence[int], count: int) -> Snapshot:
    """The page, as a run of its view answers."""
    rows = "".join(
        f'<tr id="{n}"><td>{"new" if n in changed else f"note {n}"}</td>\n'
        f'<td><form><input value="{_masked()}"></form></td></tr>\n'
        for n in range(_ROWS)
    )
    body = f"<title>{count} notes</title>\n<table>\n{rows}</table>\n".encode()
    headers = {"Content-Type": "text/html; charset=utf-8", "X-Frame-Options": "DENY"}
    return Snapshot(200, {**headers}, body, None, Normalizer(_SECRET))


def block(old: Snapshot, new: Snapshot) -> tuple[float, int]:
    """Return the processor microseconds of one patch, and the bytes of its frame."""
    best = float("inf")
    for _ in range(20):
        new._patches.clear()
        start = time.thread_time()
        tail = new.patch_tail(old)
        best = min(best, time.thread_time() - start)
    assert tail is not None
    return 1e6 * best, len(encode_version(1, 2, tail))


def main() -> None:
    """Serve the commands until the input ends."""
    old = page((), _ROWS)
    sides = {name: page(*change) for name, change in _CHANGED.items()}
    gc.freeze()
    for line in sys.stdin:
        found: dict[str, list[tuple[float, int]]] = {name: [] for name in sides}
        end = time.perf_counter() + float(line)
        while time.perf_counter() < end or len(found["one row"]) < 2:
            for name, new in sides.items():
                found[name].append(block(old, new))
        result = {
            name: {
                "us": statistics.quantiles([us for us, _ in values], n=4)[0],
                "bytes": values[0][1],
                "whole": len(sides[name].body),
            }
            for name, values in found.items()
        }
        print(json.dumps(result))
        sys.stdout.flush()


if __name__ == "__main__":
    main()
