"""What a tool would have sent to its service, as lines of JSON in the server's own directory."""

import json
import os
import threading
from pathlib import Path
from typing import Any

PATH = Path(os.environ["PROJECT_DATA"], "recorded")
_lock = threading.Lock()


def record(kind: str, content: Any) -> None:
    """Keep one thing that a tool has to say."""
    line = json.dumps([kind, content], default=str)
    with _lock, PATH.open("a") as file:
        file.write(line + "\n")
