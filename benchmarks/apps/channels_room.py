"""A room as one writes it with Channels: a consumer whose clients are a group.

It answers in the shape of wsrequest, so that one load generator follows both.
"""

import json
import time
from typing import Any

from channels.generic.websocket import AsyncWebsocketConsumer
from channels.routing import ProtocolTypeRouter
from django.core.asgi import get_asgi_application

from benchmarks.push_rows import TEXT


class Consumer(AsyncWebsocketConsumer):
    """One client of the room, once it has asked for that."""

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None) -> None:
        """Send events to the group, or say that the client is in it."""
        message: dict[str, Any] = json.loads(text_data or "")
        data, begun = message.get("data"), time.perf_counter()
        if data is None:
            await self.channel_layer.group_add("bench", self.channel_name)
            answer = {"id": message["id"], "version": 1, "status": 200, "data": {"n": 0}}
        else:
            for n in range(data["n"], data["n"] + data["count"]):
                event = {"event": "step", "room": "bench", "data": {"n": n, "text": TEXT}}
                text = json.dumps(event, separators=(",", ":"))
                await self.channel_layer.group_send("bench", {"type": "step", "text": text})
            answer = {"id": message["id"], "status": 200, "data": {"committed": begun}}
        await self.send(text_data=json.dumps(answer, separators=(",", ":")))

    async def disconnect(self, code: int) -> None:
        """Leave the room."""
        await self.channel_layer.group_discard("bench", self.channel_name)

    async def step(self, event: dict[str, Any]) -> None:
        """Send the client what the group was sent."""
        await self.send(text_data=event["text"])


http = get_asgi_application()
application = ProtocolTypeRouter({"http": http, "websocket": Consumer.as_asgi()})
