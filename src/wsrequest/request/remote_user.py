"""Make messages and HTTP agree on a proxy's user, for middleware like RemoteUserMiddleware.

Messages run through Django's WSGI side, which reads the server's own variable REMOTE_USER. A
process that serves the project's HTTP over ASGI has no such variable, so there the same middleware
reads the header Remote-User. A message must get exactly the user that HTTP of the same process
would get. A proxy removes Remote-User from what clients send only if it knows that the header
counts.
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
_MAX_OBJECTS = 2000  # how many are searched for the middleware of a chain


def follow_http(ours: object, http: object = None) -> None:
    """Make the middleware of one handler find users where it finds them in another.

    If a message has no name there, it is anonymous, but its session continues. Django would end the
    session, because an HTTP request without the header shows that the proxy no longer knows the
    user. A message never has headers of its own from a proxy.

    Args:
        ours: a Django handler for messages, with its middleware loaded.
        http: what serves the HTTP of this process, or a handler of the same kind. Another object,
            or None, if no Django handler does.
    """
    remote_users = list(_middleware_of(ours))
    theirs = list(_middleware_of(http)) if remote_users else []
    for middleware in remote_users:
        same = next((one for one in theirs if type(one) is type(middleware)), None)
        if same is not None:
            theirs.remove(same)
            middleware.header = _read_by(same)
        # Set on the instance, which belongs to our chain alone.
        middleware._remove_invalid_user = functools.partial(
            _leave_out, middleware, middleware._remove_invalid_user
        )


def has_remote_user(handler: object) -> bool:
    """Whether the middleware of a Django handler takes users from a proxy."""
    return next(_middleware_of(handler), None) is not None


def _leave_out(middleware: Any, remove: Callable[[HttpRequest], None], request: Any) -> None:
    """Remove a proxy's user from a request. End the session if the proxy now names another."""
    if middleware.header in request.META or not hasattr(request, "websocket"):
        remove(request)
        return
    try:
        backend = auth.load_backend(request.session.get(auth.BACKEND_SESSION_KEY, ""))
    except ImportError:  # a backend that no longer exists authenticates nobody
        pass
    else:
        if not isinstance(backend, sys.modules[_MODULE].RemoteUserBackend):
            return
    nobody = sys.modules["django.contrib.auth.models"].AnonymousUser()

    async def auser() -> object:
        return nobody

    request.user, request.auser = nobody, auser


def _read_by(middleware: Any) -> str:
    """Return the key of request.META from which a middleware of an ASGI handler takes the user."""
    kind, base = type(middleware), sys.modules[_MODULE].RemoteUserMiddleware
    header = str(middleware.header)
    if hasattr(base, "get_username"):  # since Django 6.1, it depends on the class of the request
        is_asgi = kind.get_username is base.get_username and header == base.header
    else:  # before, its async half reads another key
        has_own_half = kind.process_request is not base.process_request
        is_asgi = middleware.is_async and (
            not has_own_half or kind.aprocess_request is not base.aprocess_request
        )
    return f"HTTP_{header}" if is_asgi else header


def _middleware_of(handler: object) -> Iterator[Any]:
    """Yield each such middleware in a handler's chain, the outermost first."""
    module = sys.modules.get(_MODULE)  # importing it needs models, which may not be installed
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
    """Yield what a middleware, or what Django puts between two of them, may call."""
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
