"""The recorded project over WSGI: the reference."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.core.wsgi import get_wsgi_application
from django.test.utils import override_settings

from tests.parity.project import control

get_wsgi_application()


def build(changes: dict[str, Any]) -> WSGIHandler:
    with override_settings(**changes):
        return WSGIHandler()


STACKS = {name: build(changes) for name, changes in settings.STACKS.items()}


def application(environ: dict[str, Any], start_response: Any) -> Iterable[bytes]:
    mount = settings.FORCE_SCRIPT_NAME
    if mount:  # whatever an application is mounted behind cuts the path
        environ["PATH_INFO"] = environ["PATH_INFO"].removeprefix(mount)
    if not environ["PATH_INFO"].startswith(control.PREFIX):
        return STACKS[control.stack](environ, start_response)
    body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
    answer = control.answer(environ["PATH_INFO"], body)
    start_response("200 OK", [("Content-Length", str(len(answer)))])
    return [answer]
