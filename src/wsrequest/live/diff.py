"""Make a JSON Patch (RFC 6902) that turns one response body into the next.

The result of a patch must be exactly the new value. ``1``, ``1.0`` and ``true`` are three values,
and the members of an object keep their order, because a page may show them in it.

Comparing two bodies costs time, and an event loop may be what waits for it. Therefore the work has
limits. A body that exceeds one gets no patch, and is sent whole. This module is pure: it uses only
the standard library and msgspec.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence

import msgspec
from msgspec import Raw

__all__ = ["MAX_BODY_BYTES", "MAX_ITEMS", "MAX_VALUES", "MAX_WORK", "json_patch", "make_patch"]

# With these limits, making a patch takes about ten milliseconds at most.
MAX_BODY_BYTES = 2**19  # of each body
MAX_VALUES = 2**14  # in each body: creating the objects takes longer than reading their bytes
MAX_WORK = 2**20  # bytes serialized to compare values, with other work counted as bytes
MAX_ITEMS = 4096  # of an array, after the equal items at both ends are left out

_CALL = 500  # the cost of one comparison besides its bytes, counted in bytes

Operation = dict[str, object]

# A number with a fraction or an exponent stays the text that the view wrote: 1.10 is not 1.1.
_json = msgspec.json.Decoder(float_hook=Raw)
_print = msgspec.json.Encoder().encode
# msgspec reads -0 as 0. To JavaScript they are two values.
_MINUS_ZERO = re.compile(rb"-0(?=[\s,\]}]|\Z)")


class _TooMuch(Exception):
    """The comparison exceeds its limit of work."""


def make_patch(old: bytes, new: bytes) -> bytes | None:
    """Return the serialized JSON Patch that turns one body into another.

    Pages take less than a millisecond, and nothing takes much more than ten. The values of both
    bodies are counted before they are parsed, and the work of comparing them is counted as it is
    done.

    Args:
        old: the body that the client has.
        new: the body that the client is to have.

    Returns:
        None if the whole body must be sent: the patch would not be shorter, a body is not JSON, or
        a body is too large or too deep to compare.
    """
    if max(len(old), len(new)) > MAX_BODY_BYTES:
        return None
    if max(_most_values(old), _most_values(new)) > MAX_VALUES:
        return None
    if _MINUS_ZERO.search(old) or _MINUS_ZERO.search(new):
        return None
    try:
        patch = json_patch(_json.decode(old), _json.decode(new))
        printed = None if patch is None else _print(patch)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return printed if printed is not None and len(printed) < len(new) else None


def _most_values(body: bytes) -> int:
    """An upper bound for the values in a JSON body: it counts the characters in strings, too."""
    return 1 + sum(map(body.count, (b",", b"[", b"{")))


def json_patch(old: object, new: object) -> list[Operation] | None:
    """Return ``add``, ``remove`` and ``replace`` operations that turn one value into another.

    The items of an array are matched by their member ``id`` if all of them have one, and otherwise
    by their content.

    Args:
        old: a JSON value made of None, bool, int, float (but not NaN), str, list and dict.
        new: another one. The result contains parts of it.

    Returns:
        None if the values are too deep, or comparing them takes too much work.

    Source: RFC 6902.
    """
    try:
        return _Comparison().of_values(old, new, "")
    except (_TooMuch, RecursionError):
        return None


def _keeps_order(old: dict[str, object], new: dict[str, object]) -> bool:
    """Whether removing members, then appending others, gives the order of ``new``."""
    kept = [name for name in old if name in new]
    return list(new)[: len(kept)] == kept


class _Comparison:
    """One comparison of two values, with the work that it may still do."""

    def __init__(self) -> None:
        self._left = MAX_WORK

    def of_values(self, old: object, new: object, path: str) -> list[Operation]:
        """The operations that turn one value into another, at ``path``."""
        whole: Operation = {"op": "replace", "path": path, "value": new}
        if isinstance(old, dict) and isinstance(new, dict) and _keeps_order(old, new):
            operations = self._of_objects(old, new, path)
        elif isinstance(old, list) and isinstance(new, list):
            operations = self._of_arrays(old, new, path)
        else:
            return [] if self._print(old) == self._print(new) else [whole]
        if len(operations) > 1 and len(self._print(operations)) > len(self._print([whole])):
            return [whole]
        return operations

    def _of_objects(
        self, old: dict[str, object], new: dict[str, object], path: str
    ) -> list[Operation]:
        operations: list[Operation] = [
            {"op": "remove", "path": self._below(path, name)} for name in old if name not in new
        ]
        for name, member in new.items():
            place = self._below(path, name)
            if name in old:
                operations += self.of_values(old[name], member, place)
            else:
                operations.append({"op": "add", "path": place, "value": member})
        return operations

    def _of_arrays(self, old: list[object], new: list[object], path: str) -> list[Operation]:
        before, after = [self._print(item) for item in old], [self._print(item) for item in new]
        at = _common(before, after)
        end = _common(before[at:][::-1], after[at:][::-1])
        old, before = old[at : len(old) - end], before[at : len(before) - end]
        new, after = new[at : len(new) - end], after[at : len(after) - end]
        if max(len(old), len(new)) > MAX_ITEMS:
            raise _TooMuch
        names: tuple[Sequence[Hashable], Sequence[Hashable]] = before, after
        ids = _ids(old), _ids(new)
        if ids[0] is not None and ids[1] is not None:
            names = ids[0], ids[1]
        operations: list[Operation] = []
        i = j = 0  # the next item of the old array and of the new one
        for stays, lands in [*_staying(*names), (len(old), len(new))]:
            # Between two items that stay, pair the others one by one and change each in place.
            while i < stays and j < lands:
                if before[i] != after[j]:
                    operations += self.of_values(old[i], new[j], f"{path}/{at + j}")
                i, j = i + 1, j + 1
            operations += [{"op": "remove", "path": f"{path}/{at + j}"} for _ in range(i, stays)]
            operations += [
                {"op": "add", "path": f"{path}/{at + j}", "value": new[j]} for j in range(j, lands)
            ]
            if stays < len(old) and before[stays] != after[lands]:  # the same id, new content
                operations += self.of_values(old[stays], new[lands], f"{path}/{at + lands}")
            i, j = stays + 1, lands + 1
        return operations

    def _print(self, value: object) -> bytes:
        """Serialize a value. Two values are equal, with the order of members, if this is."""
        printed = _print(value)
        self._spend(len(printed))
        return printed

    def _below(self, path: str, name: str) -> str:
        place = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
        self._spend(len(place))  # nested long names make ever longer paths
        return place

    def _spend(self, count: int) -> None:
        self._left -= count + _CALL
        if self._left < 0:
            raise _TooMuch


def _common(old: Sequence[bytes], new: Sequence[bytes]) -> int:
    """The number of equal items at the start."""
    count = 0
    for one, other in zip(old, new, strict=False):
        if one != other:
            break
        count += 1
    return count


def _ids(items: Sequence[object]) -> list[int | str] | None:
    """The ids of the items. None unless each item is an object with an id."""
    ids: list[int | str] = []
    for item in items:
        id = item.get("id") if isinstance(item, dict) else None
        if not isinstance(id, (int, str)):
            return None
        ids.append(id)
    return ids


def _staying(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[tuple[int, int]]:
    """The largest set of items that can stay where they are, relative to each other.

    Each is a pair of positions, in the old and in the new array. Both positions rise from pair to
    pair, so this is the longest increasing subsequence. It is found in O(n log n): ``best`` has for
    each length the pair that ends such a sequence with the smallest old position, and ``before``
    links each pair to its predecessor.
    """
    places = {name: at for at, name in enumerate(_numbered(old))}
    ends: list[int] = []
    best: list[tuple[int, int]] = []
    before: dict[tuple[int, int], tuple[int, int] | None] = {}
    for lands, name in enumerate(_numbered(new)):
        if (stays := places.get(name)) is None:
            continue
        length = bisect_left(ends, stays)
        pair = stays, lands
        before[pair] = best[length - 1] if length else None
        ends[length : length + 1] = [stays]
        best[length : length + 1] = [pair]
    run: list[tuple[int, int]] = []
    last = best[-1] if best else None
    while last is not None:
        run.append(last)
        last = before[last]
    return run[::-1]


def _numbered(names: Sequence[Hashable]) -> Iterator[tuple[Hashable, int]]:
    """Add to each name how often it occurred before, so that equal names differ."""
    seen: Counter[Hashable] = Counter()
    for name in names:
        yield name, seen[name]
        seen[name] += 1
