"""Who has a request run, in tests of the handler."""

from typing import Any

from asgiref.sync import async_to_sync
from django.core.handlers.wsgi import WSGIRequest

from wsrequest.request.response import Outcome


class Caller:
    """Whoever has a request run, and nothing else."""

    is_dropped = False

    def __init__(self, carry: Any = async_to_sync) -> None:
        self.carry = carry
        self.outcomes: list[Outcome] = []

    def make_request(self, environ: dict[str, Any]) -> WSGIRequest:
        return WSGIRequest(environ)

    def answered(self, outcome: Outcome) -> None:
        self.outcomes.append(outcome)
