"""Hands HTTP requests of uvicorn, whose bodies are complete, to an application without a task each.

An application offers that by a method ``take_request``. Between it and uvicorn may be only
uvicorn's own middleware, or the request would pass by that of the project.
"""

from collections.abc import Callable
from copy import copy
from typing import Any

from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from wsrequest.types import Receive, Scope, Send, Start

__all__ = ["RequestTaker"]


class RequestTaker:
    """An application that takes whole requests, behind uvicorn's own middleware.

    Args:
        take: the method of the application.
        proxy_headers: the middleware that is before it, or None.
    """

    def __init__(
        self,
        take: Callable[[Scope, Receive, Send, bytes, Start], bool],
        proxy_headers: ProxyHeadersMiddleware | None,
    ) -> None:
        self._take = take
        self._proxy_headers: Any = None
        if proxy_headers is not None:
            self._proxy_headers = copy(proxy_headers)
            self._proxy_headers.app = _return_scope

    @classmethod
    def find(cls, app: Any) -> "RequestTaker | None":
        """Find the application behind what uvicorn calls.

        Args:
            app: what uvicorn calls.

        Returns:
            None if there is other middleware, or if the application has no such method. A subclass
            has to define its own, because it may have extended ``__call__``.
        """
        proxy_headers = None
        if type(app) is ProxyHeadersMiddleware:
            proxy_headers, app = app, app.app
        if "take_request" not in vars(type(app)):
            return None
        return cls(app.take_request, proxy_headers)

    def take(self, scope: Scope, receive: Receive, send: Send, body: bytes, start: Start) -> bool:
        """Hand a request over.

        Args:
            scope: of the request.
            receive: uvicorn's.
            send: uvicorn's.
            body: all of it.
            start: starts an application in a task, for a request that needs one after all.

        Returns:
            False if the request must get a task at once.
        """
        if self._proxy_headers is not None:
            # It changes the scope and calls the next application, and waits for nothing.
            try:
                self._proxy_headers(scope, receive, send).send(None)
            except StopIteration as end:
                scope = end.value
            else:
                return False  # it is of another version of uvicorn
        return self._take(scope, receive, send, body, start)


async def _return_scope(scope: Scope, receive: Receive, send: Send) -> Scope:
    return scope
