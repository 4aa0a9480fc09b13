"""What the chosen tests need from the machine: servers and a browser.

scripts/test sets INSTALL_SERVICES. Then a missing program is installed after the collection, but
only if a chosen test needs it. A test needs a service if it asks for the service's fixture, if a
parameter names the service, or if it is marked ``needs``.
"""

import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.mariadb import find_mariadb
from tests.nats import find_nats
from tests.nginx import find_nginx
from tests.postgres import find_programs

__all__ = ["services_of"]

ROOT = Path(__file__).resolve().parent.parent
IS_HERE: dict[str, Callable[[], Any]] = {
    "postgresql": find_programs,
    "mariadb": find_mariadb,
    "redis": lambda: shutil.which("redis-server"),
    "nats": find_nats,
    "nginx": find_nginx,
    "chromium": lambda: shutil.which("chromium"),
}
FIXTURES = {
    "postgres_params": "postgresql",
    "postgres_url": "postgresql",
    "mariadb_params": "mariadb",
    "redis_url": "redis",
    "nats_url": "nats",
    "window": "chromium",
}


def services_of(item: pytest.Item) -> set[str]:
    """Return the services that a test needs, as scripts/setup names them."""
    found = {FIXTURES[name] for name in getattr(item, "fixturenames", ()) if name in FIXTURES}
    if (call := getattr(item, "callspec", None)) is not None:
        parameters = [value for value in call.params.values() if isinstance(value, str)]
        found |= IS_HERE.keys() & set(parameters)
    for mark in item.iter_markers("needs"):
        found |= set(mark.args)
    return found


def pytest_collection_finish(session: pytest.Session) -> None:
    """Install what the chosen tests need and the machine lacks, if scripts/test asks for it."""
    extras = os.environ.pop("INSTALL_SERVICES", None)  # not for a pytest that a test starts
    if extras is None or session.config.option.collectonly:
        return
    needed = set().union(*map(services_of, session.items))
    missing = sorted(name for name in needed if not IS_HERE[name]())
    if missing:
        # Where it cannot install, it says why. The tests then skip, or fail in CI.
        subprocess.run([str(ROOT / "scripts/setup"), extras, *missing])
