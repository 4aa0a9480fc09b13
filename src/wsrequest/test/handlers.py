"""Django's handlers of its test clients, with the protocol between client and middleware.

They send the signals, and handle connections and the end of the response. Everything runs in the
test's own thread (or event loop), and so in its transaction.
"""

from functools import cache
from io import BytesIO
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import WSGIHandler, WSGIRequest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.http import HttpResponse
from django.http.response import HttpResponseBase
from django.test.client import (
    AsyncClientHandler,
    ClientHandler,
    aclosing_iterator_wrapper,
    closing_iterator_wrapper,
)
from django.urls import get_script_prefix, set_script_prefix

from wsrequest.conf import conf
from wsrequest.errors import Refused
from wsrequest.request.remote_user import follow_http, has_remote_user
from wsrequest.request.response import Outcome
from wsrequest.test.requests import receive_request
from wsrequest.test.responses import receive_refusal, receive_response
from wsrequest.test.runs import current_run

__all__ = ["AsyncWebSocketHandler", "WebSocketHandler", "over_websocket"]

# Django's own, even after ours have replaced them.
_by_http: Any = ClientHandler.__call__
_by_http_async: Any = AsyncClientHandler.__call__


class WebSocketHandler(ClientHandler):
    """Takes the environ that Django's test client composes, and answers over the protocol."""

    def __call__(self, environ: dict[str, Any]) -> Any:
        """Return the response, as ``ClientHandler`` does, with ``wsgi_request``."""
        if conf.excluded_paths.covers(environ["PATH_INFO"]):  # where browsers go by HTTP
            return _by_http(self, environ)
        if self._middleware_chain is None:  # type: ignore[attr-defined]  # not in the stubs
            self.load_middleware()
            follow_http(self)
        run = current_run()
        try:
            request = receive_request(environ, run)
        except Refused as refused:
            response: Any = receive_refusal(refused)
            response.wsgi_request = WSGIRequest(environ)
            return response
        request._dont_enforce_csrf_checks = not self.enforce_csrf_checks  # type: ignore[attr-defined]
        outcome = _handle(self, request)
        response = outcome.response
        if run is not None:
            run.end(response)
        receive_response(response, str(request.method))
        response.wsgi_request = request
        if not _closes_when_read(outcome):
            request_finished.disconnect(close_old_connections)
            outcome.close()  # sends request_finished
            request_finished.connect(close_old_connections)
        return response


class AsyncWebSocketHandler(AsyncClientHandler):
    """The same for a scope, on the test's event loop. ``asgi_request`` is a WSGIRequest.

    The middleware chain is that of the socket, which is synchronous. It runs in the thread of the
    test's database connections, and asynchronous views run on the test's loop.
    """

    async def __call__(self, scope: dict[str, Any]) -> Any:
        """Return the response, as ``AsyncClientHandler`` does, with ``asgi_request``."""
        if conf.excluded_paths.covers(scope["path"].encode().decode("latin1")):
            # A handler of its own: the chain of this one is synchronous.
            http: Any = AsyncClientHandler(enforce_csrf_checks=self.enforce_csrf_checks)
            return await _by_http_async(http, scope)
        if self._middleware_chain is None:  # type: ignore[attr-defined]  # not in the stubs
            self.load_middleware()
            # Such a test is of a project that ASGI serves.
            follow_http(self, _AsgiChain() if has_remote_user(self) else None)
        environ = _environ(scope)
        run = current_run()
        try:
            request = receive_request(environ, run)
        except Refused as refused:
            response: Any = receive_refusal(refused)
            response.asgi_request = WSGIRequest(environ)
            return response
        request._dont_enforce_csrf_checks = not self.enforce_csrf_checks  # type: ignore[attr-defined]
        outcome = await sync_to_async(_handle)(self, request)
        response = outcome.response
        if run is not None:
            run.end(response)
        receive_response(response, str(request.method))
        response.asgi_request = request
        if not _closes_when_read(outcome):
            request_finished.disconnect(close_old_connections)
            await sync_to_async(outcome.close, thread_sensitive=False)()
            request_finished.connect(close_old_connections)
        return response


class _AsgiChain(BaseHandler):
    """Django's middleware as its ASGI handler has it."""

    def __init__(self) -> None:
        super().__init__()
        self.load_middleware(is_async=True)


def _handle(handler: BaseHandler, request: WSGIRequest) -> Outcome:
    """Run a request by a test client's handler, as one call of ``WSGIHandler.__call__``.

    That is how the socket runs it (``http.handler``), so tools and the receivers of signals see in
    a test what they see in production.

    Args:
        handler: has the middleware. Its ``get_response`` may be a subclass's own.
        request: made already.
    """
    outcome, prefix = Outcome(), get_script_prefix()

    def get_response(request: WSGIRequest) -> HttpResponseBase:
        # As for Django's client: a request does not end the connections of the test, and has the
        # script prefix that is set around it.
        request_started.connect(close_old_connections)
        set_script_prefix(prefix)
        outcome.response = response = handler.get_response(request)
        return response

    door: Any = WSGIHandler.__new__(WSGIHandler)  # without middleware of its own
    door.request_class = lambda environ: request
    door.get_response = get_response
    request_started.disconnect(close_old_connections)
    try:
        outcome.result = door(request.environ, outcome.start_response)
    finally:
        request_started.connect(close_old_connections)
    if outcome.response is None:  # a tool answered in Django's place
        outcome.response = HttpResponse(outcome.content, status=outcome.status)
    elif outcome.is_async:
        outcome.unwrap()
    return outcome


def _closes_when_read(outcome: Outcome) -> bool:
    """Close a streamed response at the end of its body. False for a response without one."""
    response: Any = outcome.response
    if not response.streaming:
        return False
    wrap = aclosing_iterator_wrapper if response.is_async else closing_iterator_wrapper
    response.streaming_content = wrap(response.streaming_content, outcome.close)
    return True


def _environ(scope: dict[str, Any]) -> dict[str, Any]:
    """The WSGI environ of what Django's async client asks for."""
    body = scope.pop("_body_file", None) or BytesIO()
    request = ASGIRequest(scope, body)
    return {
        **request.META,
        "QUERY_STRING": request.META["QUERY_STRING"].encode().decode("latin1"),  # as WSGI has it
        "wsgi.url_scheme": scope.get("scheme", "http"),
        "wsgi.input": body,
    }


def over_websocket(handler: Any) -> Any:
    """Have a handler of a test client, of whatever class, answer over the protocol."""
    handler.__class__ = _over_websocket(type(handler))  # type: ignore[arg-type]  # types do hash
    return handler


@cache
def _over_websocket(kind: type) -> type:
    ours = AsyncWebSocketHandler if issubclass(kind, AsyncClientHandler) else WebSocketHandler
    return kind if issubclass(kind, ours) else type(f"WebSocket{kind.__name__}", (ours, kind), {})
