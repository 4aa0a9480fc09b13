"""Serves a Django project's URLs over a WebSocket from Tornado (docs/classic.md).

DJANGO_SETTINGS_MODULE=mysite.settings python examples/tornado_server.py 8888
"""

import asyncio
import json
import sys
from contextlib import suppress
from typing import Any

import django
from tornado.web import Application
from tornado.websocket import WebSocketClosedError, WebSocketHandler

from wsrequest import WebSocketRequest


def answer(message: str | bytes, defaults: dict[str, Any]) -> str | bytes:
    """Run one request, in a thread of the executor."""
    response = WebSocketRequest(message, defaults).get_response()
    if isinstance(response, dict):
        return json.dumps(response)
    try:
        return response.content.decode()
    except UnicodeDecodeError:
        return response.content


class Messages(WebSocketHandler):
    """One connection. Its messages are answered one after the other."""

    async def on_message(self, message: str | bytes) -> None:
        request = self.request
        defaults = {
            "HTTP_HOST": request.host,
            "REMOTE_ADDR": request.remote_ip,
            "wsgi.url_scheme": request.protocol,
        }
        loop = asyncio.get_running_loop()
        content = await loop.run_in_executor(None, answer, message, defaults)
        with suppress(WebSocketClosedError):  # the client did not wait for its answer
            await self.write_message(content, binary=isinstance(content, bytes))


async def main(port: int) -> None:
    Application([("/ws/api", Messages)]).listen(port, "127.0.0.1")
    await asyncio.Event().wait()


if __name__ == "__main__":
    django.setup()
    asyncio.run(main(int(sys.argv[1])))
