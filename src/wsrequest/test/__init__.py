"""Test clients whose requests really go through the protocol, and test cases with a server."""

from wsrequest.test.clients import (
    AsyncWebSocketClient,
    OverWebSocket,
    WebSocketClient,
    WebSocketTestMixin,
    replace_django_clients,
)
from wsrequest.test.servers import StaticWebSocketLiveServerTestCase, WebSocketLiveServerTestCase

__all__ = [
    "AsyncWebSocketClient",
    "OverWebSocket",
    "StaticWebSocketLiveServerTestCase",
    "WebSocketClient",
    "WebSocketLiveServerTestCase",
    "WebSocketTestMixin",
    "replace_django_clients",
]
