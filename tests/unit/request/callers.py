"""Callers that have requests run, for tests of the handler."""

from collections.abc import Callable, Mapping
from typing import Any

from asgiref.sync import async_to_sync
from django.core.handlers.wsgi import WSGIRequest


class Caller:
    """Whoever has a request run, and nothing else."""

    is_dropped = False
    request_attributes: Mapping[str, object] = {}
    prepare: Callable[[WSGIRequest], None] | None = None

    def __init__(self, carry: Any = async_to_sync) -> None:
        self.carry = carry
