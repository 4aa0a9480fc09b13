"""The project's application: it counts signals, so that a view can tell how often they came."""

from collections import Counter
from typing import Any

from django.apps import AppConfig
from django.core.signals import got_request_exception, request_finished, request_started
from django.db.backends.signals import connection_created

COUNTS: Counter[str] = Counter()


def count(name: str) -> Any:
    """Return a receiver that counts its calls under ``name``."""

    def receiver(**kwargs: Any) -> None:
        COUNTS[name] += 1

    return receiver


RECEIVERS = {
    signal: count(name)
    for signal, name in (
        (request_started, "request_started"),
        (request_finished, "request_finished"),
        (got_request_exception, "got_request_exception"),
        (connection_created, "connection_created"),
    )
}


class ProjectConfig(AppConfig):
    name = "tests.project"
    label = "project"

    def ready(self) -> None:
        for signal, receiver in RECEIVERS.items():
            signal.connect(receiver, dispatch_uid="tests.project")
