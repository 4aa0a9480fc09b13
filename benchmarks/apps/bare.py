"""What one writes by hand where nothing is live by itself: commit, then send to each, in a loop.

A plain ASGI application on the standard library. It speaks as much of wsrequest's messages as one
load generator needs to follow both: no middleware, no view, no serializer, and it knows by itself
who is to hear of what.

``/board/`` is the page of ``board.html``. It is sent to two kinds of subscribers: those that ask
for patches get the number that changed, as wsrequest's viewers do. The others get the body of the
page, and its script assigns that to ``innerHTML``.
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
_PAGE_HEADERS = {
    **HEADERS,
    "Content-Type": "text/html; charset=utf-8",
    "Content-Length": "9050",
    "ETag": 'W/"0123456789abcdef01234567"',
}
_PAGE = """<!doctype html>
<html lang="en">
<head>
  <title>Scores</title>
  <script type="module">
    const socket = new WebSocket("/ws/");
    socket.onopen = () => socket.send('{"id":0,"url":"/board/","subscribe":true}');
    socket.onmessage = (event) => {
      document.body.innerHTML = JSON.parse(event.data).data;
      document.documentElement.dataset.liveState = "live";
    };
  </script>
</head>
<body>%s</body>
</html>
"""
_subscribers: dict[int, dict[Send, None]] = {}
_viewers: dict[bool, dict[Send, None]] = {False: {}, True: {}}  # by whether they get patches
_shown: dict[int, int] = {}
_database = sqlite3.connect(os.environ["BENCH_DB"], isolation_level=None)


def _frame(pk: int, id: int) -> str:
    n, text = _database.execute(
        "SELECT n, text FROM benchmarks_score WHERE id = ?", [pk]
    ).fetchone()
    answer = {"id": id, "version": n, "status": 200, "headers": HEADERS}
    return json.dumps({**answer, "data": {"n": n, "text": text}}, separators=(",", ":"))


def _body() -> str:
    rows = _database.execute("SELECT id, n FROM benchmarks_score ORDER BY id").fetchall()
    text = "".join(
        f"""    <tr id="score-{pk}">
      <td><a href="/scores/{pk}/">Score {pk}</a></td>
      <td>{n}</td>
      <td>ann</td>
    </tr>
"""
        for pk, n in rows
    )
    return f"\n<h1>Scores</h1>\n<table>\n  <tbody>\n{text}  </tbody>\n</table>\n"


def _page_frame(version: int, content: dict[str, object]) -> str:
    answer = {"id": 0, "version": version, "status": 200, "headers": _PAGE_HEADERS}
    return json.dumps({**answer, **content}, separators=(",", ":"))


def _patch(pk: int, old: int, new: int) -> dict[str, object]:
    page = _PAGE % _body()
    row = page.index(f'<tr id="score-{pk}">')
    at = page.index("<td>", page.index("<td>", row) + 4) + 4
    return {"patch": "text", "data": [[at, len(str(old)), str(new)]]}


async def _set(pk: int, n: int) -> float:
    old, _shown[pk] = _shown.get(pk, 0), n
    _database.execute("UPDATE benchmarks_score SET n = ? WHERE id = ?", [n, pk])
    committed = time.perf_counter()
    frame = _frame(pk, 0)
    for send in list(_subscribers.get(pk, ())):
        await send({"type": "websocket.send", "text": frame})
    for is_patch, viewers in _viewers.items():
        if viewers:
            frame = _page_frame(n, _patch(pk, old, n) if is_patch else {"data": _body()})
        for send in list(viewers):
            await send({"type": "websocket.send", "text": frame})
    return committed


async def _take(message: Event, send: Send) -> None:
    if message["url"] == "/board/":
        is_patch = "patch" in message
        _viewers[is_patch][send] = None
        text = _page_frame(0, {"data": _PAGE % _body() if is_patch else _body()})
        return await send({"type": "websocket.send", "text": text})
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
    if scope["type"] == "http":
        headers = [(b"content-type", b"text/html; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": (_PAGE % _body()).encode()})
    if scope["type"] != "websocket":
        return
    await receive()
    await send({"type": "websocket.accept"})
    while (event := await receive())["type"] == "websocket.receive":
        await _take(json.loads(event["text"]), send)
    for subscribers in (*_subscribers.values(), *_viewers.values()):
        subscribers.pop(send, None)
