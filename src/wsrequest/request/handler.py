"""Call the project's middleware chain, URLconf and views, as a WSGI server does.

Each request is one call of ``WSGIHandler.__call__``, the entry point that monitoring tools watch.
It runs in a worker thread. The caller's ``carry`` sends async views to the event loop. Nothing here
depends on WebSockets.
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

_CLIENT_CLOSED_REQUEST = 499  # as in nginx, so that monitoring tools recognize it


class Caller(Protocol):
    """The one that has a request run."""

    @property
    def is_dropped(self) -> bool:
        """Whether nobody waits for the response any more."""

    @property
    def request_attributes(self) -> Mapping[str, object]:
        """The attributes that the request gets as soon as it exists."""

    @property
    def prepare(self) -> Callable[[WSGIRequest], None] | None:
        """Called with the request before any middleware, if it is set."""

    def carry(self, view: Callable[..., Awaitable[Any]]) -> Callable[..., Any]:
        """Turn an async view into a sync callable, as ``asgiref.sync.async_to_sync`` does."""


OnResponse = Callable[[Outcome], None]


class _Turn(NamedTuple):
    caller: Caller
    outcome: Outcome
    on_response: OnResponse


class _Running(threading.local):
    # Not a context variable: whatever an async view starts would keep it, and so the request.
    turn: _Turn | None = None


_running = _Running()


class Handler:
    """Calls Django's WSGI handler for requests that do not come from a WSGI server.

    The handler is Django's own class, not a subclass, because tools replace the methods of that
    class and it is the sender of signals. What differs is set on the instance.
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

        Sends ``request_started`` before. ``request_finished`` follows when the caller closes the
        outcome, as under WSGI.

        Args:
            environ: made for this call alone.
            caller: has the request run, and carries async views.
            on_response: called when Django has made ``outcome.response``, before its handler
                returns, so that tools count its work as part of the request. It must not raise.
            request: the request if one was already made of the environ.

        Returns:
            The outcome, whatever went wrong. What Django cannot turn into a response becomes a
            plain 500, because there is no WSGI server to do so.

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
                vars(outcome.response).pop("items", None)  # set by _ease_items()
        return outcome

    def before_routing(self, call: Callable[[Caller], None]) -> None:
        """Have a function called for each request that passed the middleware on its way in.

        Args:
            call: called with the caller of ``handle``, before the URL of the request is resolved.
                An error of it is logged.
        """
        instance: Any = self._django

        def resolve_request(request: HttpRequest) -> Any:
            assert _running.turn is not None  # by handle()
            caller, outcome, _ = _running.turn
            outcome.context = copy_context()  # if there is no view, the frames are sent in it
            try:
                call(caller)
            except Exception:
                logger.exception("describing a request failed")
            return WSGIHandler.resolve_request(self._django, request)

        instance.resolve_request = resolve_request

    def release_thread(self) -> None:
        """Release what the calling thread holds for a response that continues elsewhere."""
        close_old_connections()

    # Set on Django's handler. Each calls the method of the class, which tools may have replaced.

    def _get_response(self, request: WSGIRequest) -> HttpResponseBase:
        assert _running.turn is not None  # by handle()
        caller, outcome, on_response = _running.turn
        response: Any
        try:
            response = WSGIHandler.get_response(self._django, request)
        except asyncio.CancelledError:
            if not caller.is_dropped:
                raise
            # The client is gone or timed out. Tools would report an error of the view.
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
        """Hook into Django's step around every view, to choose where async views run."""
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

    ``items()`` costs 25 Python calls for six headers. The mapping has the same pairs ready. This is
    not documented, so a test compares both. ``handle`` removes the shortcut again.
    """
    kind = type(response)
    if kind.items is HttpResponseBase.items and type(response.headers) is ResponseHeaders:
        response.items = response.headers._store.values


def _is_coroutine_function(view: Any) -> TypeGuard[Callable[..., Awaitable[Any]]]:
    """Call ``iscoroutinefunction``, but skip its ten Python calls for a plain function."""
    if type(view) is FunctionType and not view.__code__.co_flags & CO_COROUTINE:
        marks = view.__dict__  # set by asgiref's markcoroutinefunction()
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
        # Not by its __dict__: Python then makes a dict of its attributes, which are slower in it.
        for name, value in caller.request_attributes.items():
            setattr(request, name, value)
        if caller.prepare is not None:
            caller.prepare(request)
        outcome.is_no_request = False
    return request


def seen_user(request: HttpRequest) -> tuple[object, bool] | None:
    """Return the user that the project authenticated for a request, without a database query.

    It reads the attribute that both Django's authentication and REST framework's set. It decides
    nothing, because the project's stack authenticates each message.

    Returns:
        The primary key of the user, and whether the session named that user. None for an anonymous
        request, or if no code of the project accessed the user.
    """
    attributes = request.__dict__
    user = attributes.get("user")
    by_session = attributes.get("_cached_user") or attributes.get("_acached_user")
    if isinstance(user, LazyObject):  # of AuthenticationMiddleware, evaluated only if accessed
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
    # A decoded path can hold line feeds. Django's log_response() escapes them in the same way.
    path = path.encode("unicode_escape").decode("ascii")
    logger.error("Internal Server Error: %s", path, exc_info=sys.exc_info())
    response: Any = HttpResponseServerError("Internal Server Error", content_type="text/plain")
    response._handler_class = WSGIHandler
    if failed is not None:  # a tool failed after Django
        response._resource_closers.extend(failed._resource_closers)  # type: ignore[attr-defined]
    elif request is not None:
        response._resource_closers.append(request.close)
    outcome.response = outcome.result = response
    outcome.body_context = None
    outcome.status, outcome.headers = response.status_code, list(response.items())


def prepare_thread() -> None:
    """Make the calling thread's cache objects, so that its requests share their connections.

    Django keeps them in the context, and a request's own context ends with the request.
    """
    for alias in caches.settings:
        try:
            caches[alias]
        except Exception as error:  # as over HTTP, the view that uses it gets the error
            logger.debug("cache %r cannot be made: %r", alias, error)


def finish_thread() -> None:
    """Close the calling thread's database connections before it ends.

    They are parts of reference cycles. Otherwise they would stay open, on the database server too,
    until Python's garbage collector finds them.
    """
    connections.close_all()
