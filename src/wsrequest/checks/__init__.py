"""The system checks: every misconfiguration that can be seen, each with an id and a remedy.

Importing this module registers them. ``table`` has their words, the other modules find what
is wrong: with our own settings, with the project, with its deployment (``--deploy``), and with the
log of its database (``--database``).
"""

from wsrequest.checks import (
    deployment,
    paths,
    project,
    settings,
    tokens,
    users,
    write_ahead_log,
)
from wsrequest.checks.table import CHECKS

__all__ = [
    "CHECKS",
    "deployment",
    "paths",
    "project",
    "settings",
    "tokens",
    "users",
    "write_ahead_log",
]
