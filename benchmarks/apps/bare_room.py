"""What one writes by hand to send to all clients of one process: a loop over their connections.

A plain ASGI application on the standard library, with as much of wsrequest's messages as one load
generator needs to follow both.
"""

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.push_rows import TEXT

Event = dict[str, Any]
Send = Callable[[Event], Awaitable[None]]

_sends: dict[Send, None] = {}


async def _send_all(first: int, count: int) -> float:
    begun = time.perf_counter()
    for n in range(first, first + count):
        data = {"n": n, "text": TEXT}
        event = {"event": "step", "room": "bench", "position": f"AbCdEfGh:{n}", "data": data}
        text = json.dumps(event, separators=(",", ":"))
        for send in list(_sends):
            await send({"type": "websocket.send", "text": text})
    return begun


async def application(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Event]], send: Send
) -> None:
    """Serve one connection."""
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        message = json.loads(event["text"])
        if message.get("subscribe"):
            _sends[send] = None
            answer = {"id": message["id"], "version": 1, "status": 200, "data": {"n": 0}}
        else:
            begun = await _send_all(message["data"]["n"], message["data"]["count"])
            answer = {"id": message["id"], "status": 200, "data": {"committed": begun}}
        text = json.dumps(answer, separators=(",", ":"))
        await send({"type": "websocket.send", "text": text})
    _sends.pop(send, None)
