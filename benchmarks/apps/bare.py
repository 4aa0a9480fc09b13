"""What one writes by hand where nothing is live by itself: commit, then send to each, in a loop.

A plain ASGI application on the standard library. It speaks as much of wsrequest's messages as one
load generator needs to follow both: no middleware, no view, no serializer, and it knows by itself
who is to hear of what.
"""

import json
import os
import sqlite3
import time
from collections.abc import Awaitable, Callable
from typing import Any

Event = dict[str, Any]
Send = Callable[[Event], Awaitable[None]]

# As Django sends them with startproject's middleware, so that frames are as long as wsrequest's.
HEADERS = {
    "Content-Type": "application/json",
    "Cache-Control": "public",
    "X-Frame-Options": "DENY",
    "Content-Length": "228",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "ETag": '"0123456789abcdef01234567"',
}
_subscribers: dict[int, dict[Send, None]] = {}
_database = sqlite3.connect(os.environ["BENCH_DB"], isolation_level=None)


def _frame(pk: int, id: int) -> str:
    n, text = _database.execute(
        "SELECT n, text FROM benchmarks_score WHERE id = ?", [pk]
    ).fetchone()
    answer = {"id": id, "version": n, "status": 200, "headers": HEADERS}
    return json.dumps({**answer, "data": {"n": n, "text": text}}, separators=(",", ":"))


async def _set(pk: int, n: int) -> float:
    _database.execute("UPDATE benchmarks_score SET n = ? WHERE id = ?", [n, pk])
    committed = time.perf_counter()
    frame = _frame(pk, 0)
    for send in list(_subscribers.get(pk, ())):
        await send({"type": "websocket.send", "text": frame})
    return committed


async def _take(message: Event, send: Send) -> None:
    _, _, pk, *rest = message["url"].split("/")  # /live/3/ or /live/3/set/
    if message.get("subscribe"):
        _subscribers.setdefault(int(pk), {})[send] = None
        await send({"type": "websocket.send", "text": _frame(int(pk), message["id"])})
    elif rest[0] == "set":
        data = {"committed": await _set(int(pk), message["data"]["n"])}
        text = json.dumps({"id": message["id"], "status": 200, "data": data})
        await send({"type": "websocket.send", "text": text})


async def application(
    scope: dict[str, Any], receive: Callable[[], Awaitable[Event]], send: Send
) -> None:
    """Serve one connection."""
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await _take(json.loads(event["text"]), send)
    for subscribers in _subscribers.values():
        subscribers.pop(send, None)
