"""The recorded project over ASGI: Django's own handler for HTTP, the package for the socket."""

import asyncio
from contextlib import suppress
from typing import Any

from django.conf import settings
from django.core.asgi import get_asgi_application as get_django_application
from django.test.utils import override_settings

from tests.parity.project import control
from wsrequest.asgi import Application, get_asgi_application

get_django_application()


def build(changes: dict[str, Any]) -> Application:
    with override_settings(**changes):
        return get_asgi_application()


SECONDS = 5.0  # for a request to end behind its answer
STACKS = {name: build(changes) for name, changes in settings.STACKS.items()}


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    if scope["type"] != "http" or not scope["path"].startswith(control.PREFIX):
        await STACKS[control.stack](scope, receive, send)
        return
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    if scope["path"] == f"{control.PREFIX}end":  # over WSGI nothing else runs meanwhile
        with suppress(TimeoutError):
            async with asyncio.timeout(SECONDS):
                while control.end() is None:  # noqa: ASYNC110  # the recorder has no loop
                    await asyncio.sleep(0.002)
    answer = control.answer(scope["path"], body)
    headers = [(b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
