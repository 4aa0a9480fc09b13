"""The test clients, and the ways to use them in existing tests.

Django's own clients make the requests, and ``handlers`` carries them.
"""

from collections.abc import Collection
from contextlib import ExitStack
from typing import Any

from django.test.client import AsyncClient, AsyncClientHandler, Client, ClientHandler

from wsrequest.test.feed import close_abandoned
from wsrequest.test.handlers import AsyncWebSocketHandler, WebSocketHandler, over_websocket
from wsrequest.test.live import AsyncLiveGet, LiveGet

__all__ = [
    "AsyncWebSocketClient",
    "OverWebSocket",
    "WebSocketClient",
    "WebSocketTestMixin",
    "replace_django_clients",
]


class OverWebSocket:
    """Makes a subclass of one of Django's test clients send its requests over the protocol.

    ``class MyWebSocketClient(OverWebSocket, MyClient): pass``
    """

    handler: Any

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        close_abandoned()
        self.handler = over_websocket(self.handler)

    def live(
        self, path: str, data: Any = None, *, events: Collection[str] = (), **extra: Any
    ) -> Any:
        """Subscribe to a URL. ``settle()`` shows what the test has written since.

        Args:
            path: as for ``get``.
            data: likewise.
            events: "room", "user" and "session", to get the events that are sent there.
            extra: as for ``get``, except ``follow``.

        Returns:
            A ``LiveGet``. Of an asynchronous client an ``AsyncLiveGet``, which must be awaited.

        Raises:
            Refused: ``not_live``, ``answer_too_large`` or ``too_many_rooms``, since its response
                cannot be live.
            ImproperlyConfigured: this project has no live requests.
            ValueError: there are no such events.
        """
        is_async = isinstance(self, AsyncClient)
        return (AsyncLiveGet if is_async else LiveGet)(self, path, data, extra, events)


class WebSocketClient(OverWebSocket, Client):
    """``django.test.Client``, with all its methods and arguments, over the protocol."""

    def live(
        self, path: str, data: Any = None, *, events: Collection[str] = (), **extra: Any
    ) -> LiveGet:
        """See ``OverWebSocket.live``."""
        return LiveGet(self, path, data, extra, events)


class AsyncWebSocketClient(OverWebSocket, AsyncClient):
    """``django.test.AsyncClient``, with all its methods and arguments, over the protocol.

    Views see a WSGIRequest, as they do over the socket. ``response.asgi_request`` is that request.
    """

    def live(
        self, path: str, data: Any = None, *, events: Collection[str] = (), **extra: Any
    ) -> AsyncLiveGet:
        """See ``OverWebSocket.live``. Await what it returns, or enter it by ``async with``."""
        return AsyncLiveGet(self, path, data, extra, events)


class WebSocketTestMixin:
    """Makes ``self.client`` and ``self.async_client`` of a TestCase send over the protocol.

    Put it before the class of the test case, whose own client it keeps:
    ``class MyTests(WebSocketTestMixin, APITestCase)``.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        for name in ("client_class", "async_client_class"):
            client_class = getattr(cls, name, None)  # None: a mixin of mixins, not yet a test case
            if client_class is not None:
                setattr(cls, name, _over_websocket(client_class))


def _over_websocket(client_class: type) -> type:
    """Return ``client_class`` over the protocol."""
    if issubclass(client_class, OverWebSocket):
        return client_class
    ours: dict[type, type] = {Client: WebSocketClient, AsyncClient: AsyncWebSocketClient}
    name = f"WebSocket{client_class.__name__}"
    return ours.get(client_class) or type(name, (OverWebSocket, client_class), {})


def replace_django_clients() -> ExitStack:
    """Make every test client of Django's kind send over the protocol, from now on.

    That is each ``Client`` and ``AsyncClient``, even if it was imported or subclassed before (DRF's
    ``APIClient``, pytest-django's fixtures), because the common base of them is patched.

    Returns:
        A context manager. Its end, or its ``close()``, undoes the replacement.
    """
    undo = ExitStack()
    replaced: tuple[tuple[Any, Any], ...] = (
        (ClientHandler, WebSocketHandler),
        (AsyncClientHandler, AsyncWebSocketHandler),
    )
    for theirs, ours in replaced:
        undo.callback(setattr, theirs, "__call__", theirs.__call__)
        theirs.__call__ = ours.__call__
    return undo
