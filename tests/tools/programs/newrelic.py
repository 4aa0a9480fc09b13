"""The test project under New Relic's agent in its developer mode, which needs no account."""

import os
from pathlib import Path
from typing import Any

import newrelic.agent

from tests.tools.programs.record import record

CONFIGURATION = """\
[newrelic]
app_name = tests
license_key = 0000000000000000000000000000000000000000
developer_mode = true
monitor_mode = true
startup_timeout = 10.0
log_level = info
transaction_tracer.enabled = true
"""
path = Path(os.environ["PROJECT_DATA"], "newrelic.ini")
path.write_text(CONFIGURATION)
newrelic.agent.initialize(str(path))

from newrelic.core.application import Application  # noqa: E402 # not before initialize()

record_transaction = Application.record_transaction


def keep(self: Application, data: Any, *arguments: Any) -> Any:
    """Take what would be sent, too."""
    told = {name: value for name, value in data.__dict__.items() if isinstance(value, str | int)}
    errors = [error.type for error in data.errors]
    record("transaction", {**told, "name": data.path, "type": data.type, "errors": errors})
    return record_transaction(self, data, *arguments)


Application.record_transaction = keep
newrelic.agent.register_application(timeout=10.0)

from tests.project.asgi import application  # noqa: E402 # the agent hooks what is imported

__all__ = ["application"]
