"""Django's handlers of its test clients, with the protocol between client and middleware.

Owns what happens around one request: signals, connections, the end of the response. Everything
runs in the test's own thread (or event loop), and so in its transaction.
"""

from functools import cache
from io import BytesIO
from typing import Any

from asgiref.sync import sync_to_async
from django.core.handlers.asgi import ASGIRequest
from django.core.handlers.base import BaseHandler
from django.core.handlers.wsgi import WSGIRequest
from django.core.signals import request_finished, request_started
from django.db import close_old_connections
from django.test.client import (
    AsyncClientHandler,
    ClientHandler,
    aclosing_iterator_wrapper,
    closing_iterator_wrapper,
)

from wsrequest.errors import Refused
from wsrequest.http.remote_user import follow_http, has_remote_user
from wsrequest.test.requests import receive_request
from wsrequest.test.responses import receive_refusal, receive_response

__all__ = ["AsyncWebSocketHandler", "WebSocketHandler", "over_websocket"]


class WebSocketHandler(ClientHandler):
    """Takes the environ that Django's test client composes, and answers over the protocol."""

    def __call__(self, environ: dict[str, Any]) -> Any:
        """Return the response, as ``ClientHandler`` does, with ``wsgi_request``."""
        if self._middleware_chain is None:  # type: ignore[attr-defined]  # not in the stubs
            self.load_middleware()
            follow_http(self)
        try:
            request = receive_request(environ)
        except Refused as refused:
            response: Any = receive_refusal(refused)
            response.wsgi_request = WSGIRequest(environ)
            return response
        # As for Django's client, a request does not end the connections of the test.
        request_started.disconnect(close_old_connections)
        request_started.send(sender=self.__class__, environ=request.environ)
        request_started.connect(close_old_connections)
        request._dont_enforce_csrf_checks = not self.enforce_csrf_checks  # type: ignore[attr-defined]
        response = self.get_response(request)
        receive_response(response, str(request.method))
        response.wsgi_request = request
        if not _closes_when_read(response):
            request_finished.disconnect(close_old_connections)
            response.close()  # sends request_finished
            request_finished.connect(close_old_connections)
        return response


class AsyncWebSocketHandler(AsyncClientHandler):
    """The same for a scope, on the test's event loop; ``asgi_request`` is a WSGIRequest.

    The middleware is that of the socket, whose chain is synchronous: it runs in the thread of the
    test's database connections, and asynchronous views on the test's loop.
    """

    async def __call__(self, scope: dict[str, Any]) -> Any:
        """Return the response, as ``AsyncClientHandler`` does, with ``asgi_request``."""
        if self._middleware_chain is None:  # type: ignore[attr-defined]  # not in the stubs
            self.load_middleware()
            # Such a test is of a project that ASGI serves.
            follow_http(self, _AsgiChain() if has_remote_user(self) else None)
        environ = _environ(scope)
        try:
            request = receive_request(environ)
        except Refused as refused:
            response: Any = receive_refusal(refused)
            response.asgi_request = WSGIRequest(environ)
            return response
        request_started.disconnect(close_old_connections)
        await request_started.asend(sender=self.__class__, environ=request.environ)
        request_started.connect(close_old_connections)
        request._dont_enforce_csrf_checks = not self.enforce_csrf_checks  # type: ignore[attr-defined]
        response = await sync_to_async(self.get_response)(request)
        receive_response(response, str(request.method))
        response.asgi_request = request
        if not _closes_when_read(response):
            request_finished.disconnect(close_old_connections)
            await sync_to_async(response.close, thread_sensitive=False)()
            request_finished.connect(close_old_connections)
        return response


class _AsgiChain(BaseHandler):
    """Django's middleware as its ASGI handler has it."""

    def __init__(self) -> None:
        super().__init__()
        self.load_middleware(is_async=True)


def _closes_when_read(response: Any) -> bool:
    """Have a streamed response closed at the end of its body; False for one that has none."""
    if not response.streaming:
        return False
    wrap = aclosing_iterator_wrapper if response.is_async else closing_iterator_wrapper
    response.streaming_content = wrap(response.streaming_content, response.close)
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
