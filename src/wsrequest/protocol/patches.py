"""From one JSON value to the next by a patch.

Owns applying JSON Patch (RFC 6902), as far as servers send it here, and merge patches (RFC 7396).
Making them is the server's, in ``live.patches``. Sans-I/O, and values are left as they were.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from wsrequest.errors import Refused

__all__ = ["apply_json_patch", "apply_merge_patch"]


def apply_json_patch(value: object, patch: Sequence[Mapping[str, object]]) -> object:
    """Return what ``value`` becomes.

    Args:
        value: JSON: None, bool, int, float, str, list and dict. It is not changed.
        patch: operations ``add``, ``remove`` and ``replace``. No server here sends ``move``,
            ``copy`` or ``test``.

    Raises:
        Refused: ``bad_message``; the patch is none, or was made for another value. What the
            receiver holds is then not what the sender takes it to be: it asks for all of it.

    Source: RFC 6902.
    """
    root: dict[str, Any] = {"": _copied(value)}
    for number, operation in enumerate(patch, 1):
        try:
            _apply(root, operation)
        except (LookupError, TypeError, ValueError, AttributeError):
            raise Refused("bad_message", f"operation {number} of a patch does not fit") from None
    return root[""]


def apply_merge_patch(value: object, patch: object) -> object:
    """Return what ``value`` becomes; it is not changed.

    Args:
        value: JSON.
        patch: JSON. A member that is null takes the member of its name away; what is no object
            takes the place of the whole.

    Source: RFC 7396, section 2.
    """
    if not isinstance(patch, dict):
        return patch
    merged = dict(value) if isinstance(value, dict) else {}
    for name, member in patch.items():
        if member is None:
            merged.pop(name, None)
        else:
            merged[name] = apply_merge_patch(merged.get(name), member)
    return merged


def _apply(root: dict[str, Any], operation: Mapping[str, object]) -> None:
    name, pointer = operation["op"], operation["path"]
    if not isinstance(pointer, str) or pointer[:1] not in ("", "/"):
        raise ValueError(pointer)
    # The pointer "" is the whole, which stands under the name before the first slash: "" as well.
    *above, last = (part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/"))
    place: Any = root
    for part in above:
        place = place[_index(part, place)] if isinstance(place, list) else place[part]
    if isinstance(place, list):
        _change_list(place, name, last, operation)
    elif name == "remove" and place is not root:
        del place[last]
    elif name == "add" or (name == "replace" and last in place):
        place[last] = _copied(operation["value"])
    else:
        raise ValueError(name)


def _change_list(
    items: list[object], name: object, part: str, operation: Mapping[str, object]
) -> None:
    if name == "add":
        at = len(items) if part == "-" else _index(part, [*items, None])
        items.insert(at, _copied(operation["value"]))
    elif name == "remove":
        del items[_index(part, items)]
    elif name == "replace":
        items[_index(part, items)] = _copied(operation["value"])
    else:
        raise ValueError(name)


def _index(part: str, items: Sequence[object]) -> int:
    at = int(part)
    if str(at) != part or not 0 <= at < len(items):  # 01, +1, -1
        raise IndexError(part)
    return at


def _copied(value: object) -> object:
    if isinstance(value, dict):
        return {name: _copied(member) for name, member in value.items()}
    if isinstance(value, list):
        return [_copied(item) for item in value]
    return value
