"""What a project imports before Django has its settings."""

import os
import subprocess
import sys

_MODULES = """
import pkgutil, sys, wsrequest
failed = []
for module in pkgutil.walk_packages(wsrequest.__path__, "wsrequest."):
    try:
        __import__(module.name)
    except Exception as error:
        failed.append(f"{module.name}: {error!r}")
print("\\n".join(failed))
"""
# Django, or a test run, imports these itself, and later.
_LATER = (
    *("wsrequest.contrib.admin.", "wsrequest.management.commands.", "wsrequest.test.drf"),
    "wsrequest.test.runner",
)


def test_modules_can_be_imported_before_there_are_settings() -> None:
    """Django's own asgi.py imports before it names them."""
    environ = {name: value for name, value in os.environ.items() if "DJANGO" not in name}
    done = subprocess.run(
        [sys.executable, "-c", _MODULES], env=environ, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert [line for line in done.stdout.split("\n") if line and not line.startswith(_LATER)] == []
