"""The test project behind a door that tells what is counted, for ``hostile``.

Owns the URL ``/counted/``: the counts now, and the highest that they were. Everything else is the
project's, by the way that it always goes.
"""

import asyncio
import json
from collections import Counter
from typing import Any

from tests.project.asgi import application as project

__all__ = ["application"]

COUNTS = ("held_bytes", "live_bytes", "unread_bytes")
LOOK_SECONDS = 0.05
MOST: Counter[str] = Counter()


def counts() -> dict[str, int]:
    budget = project._wiring.get_server().budget
    return {name: getattr(budget, name) for name in COUNTS}


def look(loop: asyncio.AbstractEventLoop) -> None:
    """Note the highest counts from now on."""
    for name, value in counts().items():
        MOST[name] = max(MOST[name], value)
    loop.call_later(LOOK_SECONDS, look, loop)


async def application(scope: Any, receive: Any, send: Any) -> None:
    """An ASGI application."""
    if scope["type"] == "http" and scope["path"] == "/counted/":
        if not MOST:
            look(asyncio.get_running_loop())
        body = json.dumps({"now": counts(), "most": MOST}).encode()
        headers = [(b"content-type", b"application/json")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})
    else:
        await project(scope, receive, send)
