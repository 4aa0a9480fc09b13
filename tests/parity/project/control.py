"""Begins and ends a row in a server of the recorded project.

Owns the settings and the stack of middleware that hold for a row. Speaks to both kinds of server
by a path that never reaches Django.
"""

import json
import sqlite3
from contextlib import closing
from typing import Any

from django.core.cache import caches
from django.db import connections
from django.test.utils import override_settings
from django.utils import translation

from tests.parity.project import recorder

PREFIX = "/.parity/"

TABLES = {
    "default": ("django_session", "project_note", "auth_user"),
    "other": ("project_mirror",),
}

stack = "full"
_overrides: list[Any] = []


def begin(row: dict[str, Any]) -> None:
    """Set up for a row: its ``settings`` and its ``stack``."""
    global stack
    while _overrides:
        _overrides.pop().disable()
    settings = dict(row["settings"])
    is_atomic = settings.pop("ATOMIC_REQUESTS", False)
    connections.settings["default"]["ATOMIC_REQUESTS"] = is_atomic
    override = override_settings(**settings)
    override.enable()
    _overrides.append(override)
    stack = row["stack"]
    for cache in caches.all():
        cache.clear()
    translation.deactivate()  # as the context variable of the recorder
    for alias, tables in TABLES.items():
        _empty(str(connections.settings[alias]["NAME"]), tables)
    recorder.begin()


def _empty(path: str, tables: tuple[str, ...]) -> None:
    """Take all rows away, by a connection that Django does not know of."""
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("PRAGMA synchronous=OFF")
        for table in tables:
            connection.execute(f"DELETE FROM {table}")
        connection.execute("DELETE FROM sqlite_sequence")


def end() -> dict[str, Any] | None:
    """Return what was recorded since ``begin``; None while a request is not over."""
    if not recorder.is_settled():
        return None
    return {"events": recorder.EVENTS, "seen": recorder.SEEN}


def answer(path: str, body: bytes) -> bytes:
    """Answer a request for ``path`` below the prefix."""
    if path == f"{PREFIX}begin":
        begin(json.loads(body))
    return json.dumps(end() if path == f"{PREFIX}end" else None).encode()
