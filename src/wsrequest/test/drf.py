"""Django REST framework's test client over the protocol.

Apart, because djangorestframework is an optional dependency and this module needs it.
"""

from rest_framework.test import APIClient

from wsrequest.test.clients import OverWebSocket

__all__ = ["WebSocketAPIClient"]


class WebSocketAPIClient(OverWebSocket, APIClient):  # type: ignore[misc]  # DRF has no types
    """``rest_framework.test.APIClient``, with all its methods and arguments, over the protocol."""
