"""Users whom a proxy names, by a middleware of Django's RemoteUserMiddleware kind.

Owns where the middleware of our chain looks for the name. Messages run through Django's WSGI side,
where the server's own variable REMOTE_USER counts. A process that serves the project's HTTP by
ASGI has no such variable, so there the same middleware reads the header Remote-User. A message
must name the user that HTTP of the same process would name, and nobody else: a proxy takes
Remote-User out of what clients send only where it knows that the header counts.
"""

import functools
import sys
from collections import deque
from collections.abc import Callable, Iterator
from types import FunctionType, MethodType
from typing import Any

from django.contrib import auth
from django.http import HttpRequest

__all__ = ["follow_http", "has_remote_user"]

_MODULE = "django.contrib.auth.middleware"
_MAX_OBJECTS = 2000  # that are looked through for the middleware of a chain


def follow_http(ours: object, http: object = None) -> None:
    """Have the middleware of one handler name the users that it names in another.

    Where a message has no name in the place that its middleware looks at, it is nobody's, but its
    session goes on. Django would end it, since an HTTP request without the header tells that the
    proxy no longer knows the user. A message never has headers of its own from a proxy.

    Args:
        ours: a handler of Django's, whose middleware is loaded, for messages.
        http: what serves the HTTP of this process, or a handler of the kind that does; another
            object, or None, where no handler of Django's does.
    """
    found = list(_middleware_of(ours))
    theirs = list(_middleware_of(http)) if found else []
    for middleware in found:
        same = next((one for one in theirs if type(one) is type(middleware)), None)
        if same is not None:
            theirs.remove(same)
            middleware.header = _read_by(same)
        # Bound to the instance, which our chain alone has.
        middleware._remove_invalid_user = functools.partial(
            _leave_out, middleware, middleware._remove_invalid_user
        )


def has_remote_user(handler: object) -> bool:
    """Whether the middleware of a handler of Django's names users by what a proxy says."""
    return next(_middleware_of(handler), None) is not None


def _leave_out(middleware: Any, remove: Callable[[HttpRequest], None], request: Any) -> None:
    """Take a user whom a proxy named off a request; end the session if it names another now."""
    if middleware.header in request.META:
        remove(request)
        return
    try:
        backend = auth.load_backend(request.session.get(auth.BACKEND_SESSION_KEY, ""))
    except ImportError:  # a backend that is gone vouches for nobody
        pass
    else:
        if not isinstance(backend, sys.modules[_MODULE].RemoteUserBackend):
            return
    nobody = sys.modules["django.contrib.auth.models"].AnonymousUser()

    async def auser() -> object:
        return nobody

    request.user, request.auser = nobody, auser


def _read_by(middleware: Any) -> str:
    """The key of request.META by which a middleware of an ASGI handler knows the user."""
    kind, base = type(middleware), sys.modules[_MODULE].RemoteUserMiddleware
    header = str(middleware.header)
    if hasattr(base, "get_username"):  # since Django 6.1 it asks for the class of the request
        is_asgi = kind.get_username is base.get_username and header == base.header
    else:  # before, its asynchronous half reads another key
        has_own_half = kind.process_request is not base.process_request
        is_asgi = middleware.is_async and (
            not has_own_half or kind.aprocess_request is not base.aprocess_request
        )
    return f"HTTP_{header}" if is_asgi else header


def _middleware_of(handler: object) -> Iterator[Any]:
    """Each middleware of the kind that a handler's chain goes through, the outermost first."""
    module = sys.modules.get(_MODULE)  # it needs models, which need not be installed
    if module is None:
        return
    kind = module.RemoteUserMiddleware
    waiting: deque[object] = deque(_held_by(handler))
    seen: dict[int, object] = {}
    while waiting and len(seen) < _MAX_OBJECTS:
        candidate = waiting.popleft()
        if id(candidate) in seen or isinstance(candidate, type) or not callable(candidate):
            continue
        seen[id(candidate)] = candidate
        if isinstance(candidate, kind):
            yield candidate
        waiting += _held_by(candidate)


def _held_by(holder: Any) -> Iterator[object]:
    """What a middleware, or what Django puts between two, may call."""
    if isinstance(holder, functools.partial):
        yield from (holder.func, *holder.args, *holder.keywords.values())
    elif isinstance(holder, MethodType):
        yield holder.__self__
    elif isinstance(holder, FunctionType):
        for cell in holder.__closure__ or ():
            try:
                yield cell.cell_contents
            except ValueError:  # not filled yet
                continue
    yield from list(getattr(holder, "__dict__", {}).values())
