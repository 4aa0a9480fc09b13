"""The ASGI application of the project, and whether the socket is in it.

Owns finding what ASGI_APPLICATION names and looking through what wraps it.
"""

import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from types import FunctionType, MethodType, ModuleType
from typing import Any

from django.utils.module_loading import import_string

from wsrequest.asgi import ASGI, Application

__all__ = ["Found", "find_socket", "look_up"]

_MAX_OBJECTS = 2000  # that are looked through; a wrapper's application is found among the first
_OPAQUE = (str, bytes, int, float, type, ModuleType, type(None))


@dataclass(frozen=True)
class Found:
    """What a dotted path names.

    Attributes:
        application: None when it cannot be imported.
        socket: the application of wsrequest that it is or wraps, None without.
        error: why it cannot be imported.
    """

    application: ASGI | None = None
    socket: Application | None = None
    error: Exception | None = None


def look_up(dotted: str) -> Found | None:
    """Import the application at ``dotted``, and look for the socket in it.

    Returns:
        None when its module is being imported at this moment: whoever does so
        runs the system checks itself, and there is nothing to be seen yet.
    """
    if _is_being_imported(dotted):
        return None
    try:
        application = import_string(dotted)
    except Exception as error:  # a project's module may fail in any way
        return Found(error=error)
    return Found(application, find_socket(application))


def find_socket(application: object) -> Application | None:
    """The application of wsrequest that ``application`` is, or wraps as ASGI middleware does."""
    waiting: deque[object] = deque([application])
    seen: dict[int, object] = {}  # the objects too, or the number of one that went could come again
    while waiting and len(seen) < _MAX_OBJECTS:
        candidate = waiting.popleft()
        if isinstance(candidate, Application):
            return candidate
        if id(candidate) not in seen and not isinstance(candidate, _OPAQUE):
            seen[id(candidate)] = candidate
            waiting += _held_by(candidate)
    return None


def _held_by(holder: Any) -> Iterator[object]:
    if isinstance(holder, dict):
        yield from holder.values()
    elif isinstance(holder, list | tuple | set | frozenset):
        yield from holder
    elif isinstance(holder, partial):
        yield from (holder.func, *holder.args, *holder.keywords.values())
    elif isinstance(holder, MethodType):
        yield holder.__self__
    else:
        if isinstance(holder, FunctionType):
            for cell in holder.__closure__ or ():
                try:
                    yield cell.cell_contents
                except ValueError:  # not filled yet
                    continue
        yield from getattr(holder, "__dict__", {}).values()
        for base in type(holder).__mro__:
            slots = base.__dict__.get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                yield getattr(holder, name, None)


def _is_being_imported(dotted: object) -> bool:
    module = sys.modules.get(str(dotted).rpartition(".")[0])
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))
