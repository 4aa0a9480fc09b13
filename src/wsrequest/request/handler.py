"""The project's middleware chain, URLconf and views, called as a WSGI server calls them.

Owns how Django is called: each request is one call of ``WSGIHandler.__call__``, the door that
monitoring tools watch. It runs in a worker thread; async views are sent to the event loop by
whoever ``carry`` is given. Knows nothing of WebSockets.
"""

import asyncio
import logging
import sys
import threading
from collections.abc import Awaitable, Callable, Mapping
from contextvars import copy_context
from inspect import CO_COROUTINE
from types import FunctionType
from typing import Any, NamedTuple, Protocol, TypeGuard

from asgiref.sync import iscoroutinefunction
from django.core import signals
from django.core.cache import caches
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.db import close_old_connections, connections
from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.http.response import HttpResponseBase, ResponseHeaders
from django.utils.functional import LazyObject

from wsrequest.request.response import Outcome

__all__ = ["Caller", "Handler", "finish_thread", "prepare_thread", "seen_user"]

logger = logging.getLogger("django.request")

_CLIENT_CLOSED_REQUEST = 499  # nginx's, which monitoring tools know


class Caller(Protocol):
    """Who has a request run."""

    @property
    def is_dropped(self) -> bool:
        """Whether nobody waits for the response any more."""

    @property
    def request_attributes(self) -> Mapping[str, object]:
        """Attributes that the request gets as soon as it exists."""

    @property
    def prepare(self) -> Callable[[WSGIRequest], None] | None:
        """Called with the request before any middleware, if set."""

    def carry(self, view: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        """Make an async view a sync callable, as ``asgiref.sync.async_to_sync`` does."""


OnResponse = Callable[[Outcome], None]


class _Turn(NamedTuple):
    caller: Caller
    outcome: Outcome
    on_response: OnResponse


class _Running(threading.local):
    # Not a context variable: whatever an async view begins would keep it, and the request with it.
    turn: _Turn | None = None


_running = _Running()


class Handler:
    """Calls Django's WSGI handler for requests that come by another way than a WSGI server's.

    The handler is Django's own class, not one derived from it: tools replace the methods of
    that class, and the senders of signals are told by it. What differs is set on the instance.
    """

    def __init__(self) -> None:
        self._django = django = WSGIHandler()
        instance: Any = django
        instance.request_class = _make_request
        instance.get_response = self._get_response
        instance.make_view_atomic = self._make_view_atomic

    @property
    def django(self) -> WSGIHandler:
        """Django's handler, with its middleware."""
        return self._django

    def handle(
        self,
        environ: dict[str, Any],
        caller: Caller,
        on_response: OnResponse = lambda outcome: None,
        request: WSGIRequest | None = None,
    ) -> Outcome:
        """Run a request through the whole stack, in the calling thread.

        Sends ``request_started`` before; ``request_finished`` follows when the
        caller closes the outcome, as under WSGI.

        Args:
            environ: made for this call alone.
            caller: who has it run, and carries async views.
            on_response: called when Django has made ``outcome.response`` and its handler has not
                returned yet: a tool counts what it does among what the request did. It must not
                raise.
            request: that was made of the environ already, if any.

        Returns:
            What came of it, whatever went wrong: what Django cannot turn into a response
            becomes a plain 500, since no WSGI server stands behind to do so.

        Raises:
            Exception: no request can be made of the environ.
            BaseException: the view was cancelled, or the process ends. Whatever is raised, the
                request has ended.
        """
        outcome = Outcome(request)
        outer, _running.turn = _running.turn, _Turn(caller, outcome, on_response)
        try:
            outcome.result = self._django(environ, outcome.start_response)
        except (Exception, SystemExit):
            if outcome.is_no_request:
                _finish(outcome)
                raise
            _last_resort(environ, outcome)
        except BaseException:
            _finish(outcome)
            raise
        finally:
            _running.turn = outer
            if outcome.response is not None:
                vars(outcome.response).pop("items", None)  # by _ease_items()
        return outcome

    def release_thread(self) -> None:
        """Give back what the calling thread holds for a response that goes on elsewhere."""
        close_old_connections()

    # Set on Django's handler. Each asks the class, where tools put theirs.

    def _get_response(self, request: WSGIRequest) -> HttpResponseBase:
        assert _running.turn is not None  # by handle()
        caller, outcome, on_response = _running.turn
        response: Any
        try:
            response = WSGIHandler.get_response(self._django, request)
        except asyncio.CancelledError:
            if not caller.is_dropped:
                raise
            # Tools would report an error of the view, where a client has gone or timed out.
            outcome.is_cancelled = True
            response = HttpResponse(status=_CLIENT_CLOSED_REQUEST, reason="Client Closed Request")
            response._resource_closers.append(request.close)
        outcome.response = response
        if outcome.context is None:
            outcome.context = copy_context()
        if response.streaming and response.is_async:
            outcome.body_context = copy_context()
        outcome.user = seen_user(request)
        _ease_items(response)
        on_response(outcome)
        return response  # type: ignore[no-any-return] # Django's, without a type

    def _make_view_atomic(self, view: Callable[..., Any]) -> Callable[..., Any]:
        """Django's hook around every view; here async views learn where to run."""
        assert _running.turn is not None  # by handle()
        caller, outcome, _ = _running.turn
        outcome.context = copy_context()
        view = WSGIHandler.make_view_atomic(self._django, view)
        if not _is_coroutine_function(view):
            return view

        def run(*args: Any, **kwargs: Any) -> Any:
            return caller.carry(view)(*args, **kwargs)

        return run


def _ease_items(response: Any) -> None:
    """Let Django's handler list the headers without looking each of them up by its name.

    ``items()`` comes to 25 calls of Python for six headers. What it gives is there already; it is
    not documented, so a test compares. ``handle`` takes this away again.
    """
    kind = type(response)
    if kind.items is HttpResponseBase.items and type(response.headers) is ResponseHeaders:
        response.items = response.headers._store.values


def _is_coroutine_function(view: Any) -> TypeGuard[Callable[..., Awaitable[Any]]]:
    """``iscoroutinefunction``, which takes ten calls of Python to see that a function is none."""
    if type(view) is FunctionType and not view.__code__.co_flags & CO_COROUTINE:
        marks = view.__dict__  # of asgiref.s markcoroutinefunction()
        if "_is_coroutine_marker" not in marks and "_is_coroutine" not in marks:
            return False
    return iscoroutinefunction(view)


def _make_request(environ: dict[str, Any]) -> WSGIRequest:
    assert _running.turn is not None  # by handle()
    caller, outcome, _ = _running.turn
    request = outcome.request
    if request is None:
        outcome.is_no_request = True
        outcome.request = request = WSGIRequest(environ)
        request.__dict__.update(caller.request_attributes)
        if caller.prepare is not None:
            caller.prepare(request)
        outcome.is_no_request = False
    return request


def seen_user(request: HttpRequest) -> tuple[object, bool] | None:
    """The user that the project found a request to be from. Does not query a database itself.

    Knows Django's own authentication, and REST framework's by the attribute that both set. Decides
    nothing: the project's stack authenticates each message.

    Returns:
        The primary key of the user, and whether a session named it. None for an anonymous request,
        and if no code of the project looked.
    """
    attributes = request.__dict__
    user = attributes.get("user")
    by_session = attributes.get("_cached_user") or attributes.get("_acached_user")
    if isinstance(user, LazyObject):  # AuthenticationMiddleware's: it became that, if anything
        user = by_session
    key = getattr(user, "pk", None)
    return None if key is None else (key, user is by_session)


def _finish(outcome: Outcome) -> None:
    """End a request that has no response."""
    if outcome.request is not None:
        outcome.request.close()
    signals.request_finished.send(sender=WSGIHandler)


def _last_resort(environ: dict[str, Any], outcome: Outcome) -> None:
    request, failed = outcome.request, outcome.response
    path = str(environ.get("PATH_INFO")) if request is None else request.path
    # Decoded, a path can hold line feeds; Django's log_response() escapes them in this way.
    path = path.encode("unicode_escape").decode("ascii")
    logger.error("Internal Server Error: %s", path, exc_info=sys.exc_info())
    response: Any = HttpResponseServerError("Internal Server Error", content_type="text/plain")
    response._handler_class = WSGIHandler
    if failed is not None:  # a tool failed behind Django
        response._resource_closers.extend(failed._resource_closers)  # type: ignore[attr-defined]
    elif request is not None:
        response._resource_closers.append(request.close)
    outcome.response = outcome.result = response
    outcome.body_context = None
    outcome.status, outcome.headers = response.status_code, list(response.items())


def prepare_thread() -> None:
    """Make the calling thread's cache objects, for its requests to share with their connections.

    Django keeps them in the context; a request's own context ends with the request.
    """
    for alias in caches.settings:
        try:
            caches[alias]
        except Exception as error:  # as over HTTP it is the error of the view that asks for it
            logger.debug("cache %r cannot be made: %r", alias, error)


def finish_thread() -> None:
    """Close the calling thread's database connections, before it ends.

    They are parts of reference cycles: left to themselves they would stay open, on the server too,
    until Python happens to look for those.
    """
    connections.close_all()
