"""What happened in the views, one JSON line each in a file: it outlives a killed server."""

import json
import os
from typing import Any

from django.conf import settings

__all__ = ["note"]


def note(event: str, **facts: Any) -> None:
    """Add a line; a single write to a file opened for appending is whole whoever else writes."""
    line = json.dumps({"event": event, **facts}) + "\n"
    descriptor = os.open(settings.DATA / "journal", os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    try:
        os.write(descriptor, line.encode())
    finally:
        os.close(descriptor)
