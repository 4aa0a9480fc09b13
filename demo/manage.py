#!/usr/bin/env python
"""The demo's command line: Django's own commands, ``seed`` and ``erase_old_snippets``."""

import importlib.util
import os
import sys
from pathlib import Path


def main() -> None:
    """Run one management command with the demo's settings."""
    if importlib.util.find_spec("wsrequest") is None:
        # A checkout that was not installed: the package lies beside this directory.
        sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "src"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "project.settings")

    from django.core.management import execute_from_command_line  # needs the settings' name, above

    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()
