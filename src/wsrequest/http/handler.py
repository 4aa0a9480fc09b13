"""The project's middleware chain, URLconf and views, called as a WSGI server calls them.

Owns Django's request handler. It runs in a worker thread; async views are sent
to the event loop by whoever ``carry`` is given. Knows nothing of WebSockets.
"""

import logging
import sys
import threading
from collections.abc import Awaitable, Callable
from typing import Any

from asgiref.sync import async_to_sync, iscoroutinefunction
from django.core import signals
from django.core.cache import caches
from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import WSGIRequest
from django.db import close_old_connections, connections
from django.http import HttpRequest, HttpResponse, HttpResponseServerError
from django.http.response import HttpResponseBase
from django.urls import set_script_prefix

__all__ = ["Carry", "Handler", "finish_thread", "prepare_thread"]

logger = logging.getLogger("django.request")

Carry = Callable[[Callable[..., Awaitable[Any]]], Callable[..., Any]]
"""Makes an async view a sync callable, as ``asgiref.sync.async_to_sync`` does."""


class _Running(threading.local):
    # Not a context variable: whatever an async view begins would keep it, and the request with it.
    def __init__(self) -> None:  # called in each thread
        self.carry: Carry = async_to_sync


_running = _Running()


class Handler(BaseHandler):
    """Django's handler for requests that come by another way than a server's HTTP."""

    def __init__(self) -> None:
        super().__init__()
        self.load_middleware()

    def handle(self, request: WSGIRequest, carry: Carry = async_to_sync) -> HttpResponseBase:
        """Run a request through the whole stack, in the calling thread.

        Sends ``request_started`` before; ``request_finished`` follows when the
        caller closes the response, as under WSGI.

        Args:
            request: built for this call alone.
            carry: runs async views; by default each in an event loop of its own.

        Returns:
            The response, whatever went wrong: what Django cannot turn into one
            becomes a plain 500, since no WSGI server stands behind to do so.
        """
        outer, _running.carry = _running.carry, carry
        try:
            set_script_prefix(request.META["SCRIPT_NAME"])
            signals.request_started.send(sender=self.__class__, environ=request.environ)
            response = self.get_response(request)
        except (Exception, SystemExit):
            response = self._last_resort(request)
        finally:
            _running.carry = outer
        response._handler_class = self.__class__  # type: ignore[attr-defined]  # not in the stubs
        return response

    def finish(self, request: HttpRequest) -> None:
        """End a request that has no response, as one that was cancelled."""
        request.close()
        signals.request_finished.send(sender=self.__class__)

    def release_thread(self) -> None:
        """Give back what the calling thread holds for a response that goes on elsewhere."""
        close_old_connections()

    def make_view_atomic(self, view: Callable[..., Any]) -> Callable[..., Any]:
        """Django's hook around every view; here async views learn where to run."""
        view = super().make_view_atomic(view)
        if not iscoroutinefunction(view):
            return view
        carry = _running.carry

        def run(*args: Any, **kwargs: Any) -> Any:
            return carry(view)(*args, **kwargs)

        return run

    def _last_resort(self, request: HttpRequest) -> HttpResponse:
        # Decoded, a path can hold line feeds; Django's log_response() escapes them in this way.
        path = request.path.encode("unicode_escape").decode("ascii")
        logger.error("Internal Server Error: %s", path, exc_info=sys.exc_info())
        response = HttpResponseServerError("Internal Server Error", content_type="text/plain")
        response._resource_closers.append(request.close)  # type: ignore[attr-defined]  # not in the stubs
        return response


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
