"""The test project under Sentry, with what it sends kept in a file."""

from typing import Any

import sentry_sdk
from sentry_sdk.envelope import Envelope
from sentry_sdk.integrations.django import DjangoIntegration
from sentry_sdk.integrations.threading import ThreadingIntegration
from sentry_sdk.transport import Transport

from tests.tools.programs.record import record


class Kept(Transport):
    """Takes what would be sent."""

    def capture_envelope(self, envelope: Envelope) -> None:
        for item in envelope.items:
            if item.type in ("event", "transaction"):
                content: Any = item.payload.json
                record(item.type, content)


sentry_sdk.init(
    dsn="http://key@127.0.0.1:1/1",
    transport=Kept,
    traces_sample_rate=1.0,
    send_default_pii=True,
    integrations=[DjangoIntegration(), ThreadingIntegration(propagate_scope=True)],
)

from tests.project.asgi import application  # noqa: E402 # in a project, too, Sentry comes first

__all__ = ["application"]
