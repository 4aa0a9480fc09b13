"""Finds the ASGI application of the project, and the socket in it.

ASGI_APPLICATION names the application, which may be wrapped in middleware.
"""

import inspect
import sys
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

from asgiref.sync import iscoroutinefunction
from django.utils.functional import LazyObject, Promise
from django.utils.module_loading import import_string

from wsrequest.asgi import Application
from wsrequest.types import ASGI

__all__ = ["Found", "find_socket", "is_asgi_3", "look_up"]

_MAX_OBJECTS = 2000  # to look through. The application that a wrapper has is among the first.
_OPAQUE = (str, bytes, int, float, type, ModuleType, type(None))


@dataclass(frozen=True)
class Found:
    """What a dotted path names.

    Attributes:
        application: None if it cannot be imported.
        socket: the application of wsrequest that it is or wraps. None if there is not one.
        error: the reason why it cannot be imported.
    """

    application: ASGI | None = None
    socket: Application | None = None
    error: Exception | None = None


def look_up(dotted: str) -> Found | None:
    """Import the application at ``dotted``, and look for the socket in it.

    Returns:
        None while its module is being imported. The module itself runs the system checks then,
        and there is nothing to see yet.
    """
    if _is_being_imported(dotted):
        return None
    try:
        application = import_string(dotted)
    except Exception as error:  # a project's module may fail in any way
        return Found(error=error)
    return Found(application, find_socket(application))


def is_asgi_3(application: Any) -> bool:
    """Whether uvicorn can serve it as ASGI 3, if nothing tells uvicorn the interface.

    Source: uvicorn, ``Config.load``.
    """
    if not callable(application):
        return False
    try:
        inspect.signature(application).bind()
    except TypeError:
        call = application if inspect.isfunction(application) else application.__call__
        return iscoroutinefunction(call)
    except ValueError:  # no signature, so nothing is certain
        return True
    return True  # uvicorn calls what needs no arguments: it may return an application


def find_socket(application: object) -> Application | None:
    """Return the application of wsrequest that ``application`` is, or passes requests to."""
    waiting: deque[object] = deque([application])
    seen: dict[int, object] = {}  # with the objects, because the id of a deleted one can come again
    while waiting and len(seen) < _MAX_OBJECTS:
        candidate = waiting.popleft()
        try:
            if isinstance(candidate, Application):
                return candidate
            if id(candidate) not in seen and not isinstance(candidate, _OPAQUE):
                seen[id(candidate)] = candidate
                waiting += _held_by(candidate)
        except Exception:  # a proxy may fail in any way if it is not used where it belongs
            continue
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
            yield from _globals_of(holder)
        yield from getattr(holder, "__dict__", {}).values()
        for base in type(holder).__mro__:
            slots = base.__dict__.get("__slots__", ())
            for name in (slots,) if isinstance(slots, str) else slots:
                yield getattr(holder, name, None)
        yield from _methods_of(holder)


def _globals_of(function: FunctionType) -> Iterator[object]:
    """The globals that the code of a function names, and the code of functions in it."""
    codes = [function.__code__]
    for code in codes:
        codes += [each for each in code.co_consts if isinstance(each, CodeType)]
        for name in code.co_names:
            value = function.__globals__.get(name)
            if not isinstance(value, (LazyObject, Promise)):  # looking into it would evaluate it
                yield value


def _methods_of(holder: object) -> Iterator[object]:
    """The methods of an object that is called as an application is."""
    bases = type(holder).__mro__
    if any(isinstance(base.__dict__.get("__call__"), FunctionType) for base in bases):
        for base in bases:
            yield from (each for each in base.__dict__.values() if isinstance(each, FunctionType))


def _is_being_imported(dotted: object) -> bool:
    module = sys.modules.get(str(dotted).rpartition(".")[0])
    return bool(getattr(getattr(module, "__spec__", None), "_initializing", False))
