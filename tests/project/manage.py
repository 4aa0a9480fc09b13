"""Django's command line for the test project."""

import os
import sys
from pathlib import Path

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    root = Path(__file__).resolve().parents[2]
    # Started as a script, Python puts this directory first, where the root is wanted.
    sys.path[0] = str(root)
    sys.path.insert(1, str(root / "src"))
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "tests.project.settings")
    execute_from_command_line(sys.argv)
