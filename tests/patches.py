"""Applies a patch to what a client holds: a JSON Patch as a server sends it, or a text patch."""

from collections.abc import Mapping, Sequence
from typing import Any

from wsrequest.errors import Refused

__all__ = ["apply_json_patch", "apply_text_patch"]


def apply_json_patch(value: object, patch: Sequence[Mapping[str, object]]) -> object:
    """Return what ``value`` becomes.

    Args:
        value: JSON: None, bool, int, float, str, list and dict. It is not changed.
        patch: operations ``add``, ``remove`` and ``replace``. The server never sends ``move``,
            ``copy`` and ``test``.

    Raises:
        Refused: ``bad_message``. It is not a patch, or it was made for another value. A client
            then asks for the whole body.

    Source: RFC 6902.
    """
    root: dict[str, Any] = {"": _copied(value)}
    for number, operation in enumerate(patch, 1):
        try:
            _apply(root, operation)
        except (LookupError, TypeError, ValueError, AttributeError):
            raise Refused("bad_message", f"operation {number} of a patch does not fit") from None
    return root[""]


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


def apply_text_patch(body: bytes, patch: Any) -> bytes:
    """Return what ``body`` becomes.

    Args:
        body: UTF-8.
        patch: an array of changes ``[start, remove, insert]`` (PROTOCOL.md 4.7).

    Raises:
        Refused: ``bad_message``. It is not a patch, or it was made for another body. A client then
            asks for the whole body.
    """
    parts: list[bytes] = []
    end = 0
    try:
        if not isinstance(patch, list):
            raise ValueError(patch)
        for start, remove, insert in patch:
            if type(start) is not int or type(remove) is not int or start < end or remove < 0:
                raise ValueError(start)
            parts += body[end:start], insert.encode()
            end = start + remove
            if end > len(body):
                raise ValueError(end)
        parts.append(body[end:])
        for part in parts:
            part.decode()
    except (TypeError, ValueError, AttributeError):
        raise Refused("bad_message", "a text patch does not fit") from None
    return b"".join(parts)
