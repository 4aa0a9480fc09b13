"""Test clients whose requests really go through the protocol: drop-in for Django's."""

from wsrequest.test.clients import (
    AsyncWebSocketClient,
    OverWebSocket,
    WebSocketClient,
    WebSocketTestMixin,
    replace_django_clients,
)

__all__ = [
    "AsyncWebSocketClient",
    "OverWebSocket",
    "WebSocketClient",
    "WebSocketTestMixin",
    "replace_django_clients",
]
