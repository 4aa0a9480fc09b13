"""A Channels consumer as one writes it by hand: no middleware, no URLconf, no view.

It does the work of two views by itself: it replies to the one, and gets and
serializes a row for the other.
"""

import json
from typing import Any

from channels.generic.websocket import WebsocketConsumer
from django.contrib.contenttypes.models import ContentType

from benchmarks.urls import HELLO, TypeSerializer


class Consumer(WebsocketConsumer):
    """Answers in the shape of wsrequest, so that one load generator asks both."""

    def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Take one message."""
        message: dict[str, Any] = json.loads(text_data or "")
        url: str = message["url"]
        if url.startswith("/drf/"):
            row = ContentType.objects.get(pk=int(url.split("/")[2]))
            data = TypeSerializer(row).data
        else:
            data = HELLO
        self.send(text_data=json.dumps({"id": message["id"], "status": 200, "data": data}))
