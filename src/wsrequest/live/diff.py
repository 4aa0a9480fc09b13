"""From one answer to the next in few bytes.

Owns making JSON Patch (RFC 6902) and merge patches (RFC 7396); ``protocol.patches`` applies them.
What a patch leads to is the new value exactly: 1, 1.0 and true are three values, and the members
of an object keep their order, since a page may show them in it. Effort is bounded: whoever gets
no patch sends the whole. Pure: standard library and msgspec only.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Hashable, Iterator, Sequence
from typing import Literal

import msgspec
from msgspec import UNSET, Raw, UnsetType

__all__ = [
    "MAX_BODY_BYTES", "MAX_ITEMS", "MAX_VALUES", "MAX_WORK",
    "json_patch", "merge_patch", "smallest",
]  # fmt: skip

# Together some ten milliseconds, since an event loop may be what waits for them.
MAX_BODY_BYTES = 2**19  # of each of the two that are parsed
MAX_VALUES = 2**14  # in each: to make objects of them takes longer than to read their bytes
MAX_WORK = 2**20  # in bytes printed to compare values, and as much as that costs otherwise
MAX_ITEMS = 4096  # of an array, between what is equal at both ends

_CALL = 500  # what comparing costs besides, in bytes that are printed in that time

Operation = dict[str, object]

# Numbers with a fraction or an exponent stay the text that the view printed.
_json = msgspec.json.Decoder(float_hook=Raw)
_print = msgspec.json.Encoder().encode
# The one number that msgspec reads as another: JavaScript tells -0 from 0.
_MINUS_ZERO = re.compile(rb"-0(?=[\s,\]}]|\Z)")


class _TooMuch(Exception):
    """The patch would take more work than it can save."""


def smallest(old: bytes, new: bytes, kind: Literal["json", "merge"]) -> bytes | None:
    """Return the patch that makes ``new`` of ``old``, printed.

    Pages take less than a millisecond, and nothing takes much more than ten: the values of both
    are counted before they are parsed, and what is printed to compare them as it is printed.

    Args:
        old: the body that the receiver holds.
        new: the body that it is to hold.
        kind: ``json`` for a JSON Patch, ``merge`` for a merge patch.

    Returns:
        None where the whole body is what to send: no patch has fewer bytes, none can be made, or a
        body is not JSON, or too large or too deep to compare.
    """
    if max(len(old), len(new)) > MAX_BODY_BYTES:
        return None
    if max(_most_values(old), _most_values(new)) > MAX_VALUES:
        return None
    if _MINUS_ZERO.search(old) or _MINUS_ZERO.search(new):
        return None
    patch: object
    try:
        before, after = _json.decode(old), _json.decode(new)
        patch = json_patch(before, after) if kind == "json" else merge_patch(before, after)
        if patch is None or patch is UNSET:
            return None
        printed = _print(patch)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    return printed if len(printed) < len(new) else None


def _most_values(body: bytes) -> int:
    """At least as many values as a body of JSON has: those in its texts count as well."""
    return 1 + sum(map(body.count, (b",", b"[", b"{")))


def json_patch(old: object, new: object) -> list[Operation] | None:
    """Return operations ``add``, ``remove`` and ``replace`` that make ``new`` of ``old``.

    Items of arrays are told apart by their member ``id`` where all have one, else by what they are.

    Args:
        old: JSON: None, bool, int, float but no NaN, str, list and dict.
        new: the same. Parts of it are in the result.

    Returns:
        None when the values are too deep, or it would take too much work.

    Source: RFC 6902.
    """
    try:
        return _Comparison().of_values(old, new, "")
    except (_TooMuch, RecursionError):
        return None


def merge_patch(old: object, new: object) -> object | UnsetType:
    """Return the merge patch that makes ``new`` of ``old``.

    Args:
        old: JSON, as for ``json_patch``.
        new: the same. Parts of it are in the result.

    Returns:
        UNSET where none does: a member became null, which stands for its removal, or the members
        of an object changed their order. Also when the values are too deep, or too much work.

    Source: RFC 7396.
    """
    try:
        return _Comparison().merged(old, new)
    except (_TooMuch, RecursionError):
        return UNSET


def _holds_null(value: dict[str, object]) -> bool:
    # Arrays are taken as they are, with the nulls in them.
    return any(
        member is None or (isinstance(member, dict) and _holds_null(member))
        for member in value.values()
    )


def _keeps_order(old: dict[str, object], new: dict[str, object]) -> bool:
    """Whether removing members and then adding others at the end makes the order of ``new``."""
    kept = [name for name in old if name in new]
    return list(new)[: len(kept)] == kept


class _Comparison:
    """One comparison of two values, and the work that is left for it."""

    def __init__(self) -> None:
        self._left = MAX_WORK

    def of_values(self, old: object, new: object, path: str) -> list[Operation]:
        """The operations between two values that stand at ``path``."""
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

    def merged(self, old: object, new: object) -> object | UnsetType:
        """The merge patch between two values."""
        if not isinstance(new, dict):
            return new
        if not isinstance(old, dict):
            return UNSET if _holds_null(new) else new
        if not _keeps_order(old, new):
            return UNSET
        patch: dict[str, object] = {name: None for name in old if name not in new}
        for name, member in new.items():
            before = old.get(name)
            is_object = isinstance(before, dict) and isinstance(member, dict)
            if not is_object and name in old and self._print(before) == self._print(member):
                continue
            change = UNSET if member is None else self.merged(before, member)
            if change is UNSET:
                return UNSET
            if not is_object or change != {}:
                patch[name] = change
        return patch

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
        i = j = 0  # how far the old and the new are dealt with
        for stays, lands in [*_staying(*names), (len(old), len(new))]:
            while i < stays and j < lands:  # what neither stays nor moves changes in place
                if before[i] != after[j]:
                    operations += self.of_values(old[i], new[j], f"{path}/{at + j}")
                i, j = i + 1, j + 1
            operations += [{"op": "remove", "path": f"{path}/{at + j}"} for _ in range(i, stays)]
            operations += [
                {"op": "add", "path": f"{path}/{at + j}", "value": new[j]} for j in range(j, lands)
            ]
            if stays < len(old) and before[stays] != after[lands]:  # the same id, another content
                operations += self.of_values(old[stays], new[lands], f"{path}/{at + lands}")
            i, j = stays + 1, lands + 1
        return operations

    def _print(self, value: object) -> bytes:
        """Equal for the same values only, the order of their members included."""
        printed = _print(value)
        self._spend(len(printed))
        return printed

    def _below(self, path: str, name: str) -> str:
        place = f"{path}/{name.replace('~', '~0').replace('/', '~1')}"
        self._spend(len(place))  # long names, one in the other, make longer and longer paths
        return place

    def _spend(self, count: int) -> None:
        self._left -= count + _CALL
        if self._left < 0:
            raise _TooMuch


def _common(old: Sequence[bytes], new: Sequence[bytes]) -> int:
    """How many items at the start are equal."""
    count = 0
    for one, other in zip(old, new, strict=False):
        if one != other:
            break
        count += 1
    return count


def _ids(items: Sequence[object]) -> list[int | str] | None:
    """The ids of objects that all have one; None where they have not."""
    found: list[int | str] = []
    for item in items:
        id = item.get("id") if isinstance(item, dict) else None
        if not isinstance(id, (int, str)):
            return None
        found.append(id)
    return found


def _staying(old: Sequence[Hashable], new: Sequence[Hashable]) -> list[tuple[int, int]]:
    """As many items as can stay: their places before and after, both rising."""
    places = {name: at for at, name in enumerate(_numbered(old))}
    # The longest rising run: for each length the pair that ends the run which is easiest to go on
    # from, and for each pair the one before it.
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
    """Tell equal ones apart by how many came before."""
    seen: Counter[Hashable] = Counter()
    for name in names:
        yield name, seen[name]
        seen[name] += 1
