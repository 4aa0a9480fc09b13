"""What the package offers under which name, and what importing it must not do."""

import importlib
import pkgutil
import subprocess
import sys
from types import ModuleType

import pytest

import wsrequest

MODULES = sorted(
    module.name for module in pkgutil.walk_packages(wsrequest.__path__, prefix="wsrequest.")
)
# Clients and the wire are for programs without Django too.
WITHOUT_DJANGO = [
    "wsrequest",
    *(name for name in MODULES if name.split(".")[1] in ("errors", "types", "protocol", "client")),
]


def exported(module: ModuleType) -> list[str]:
    return list(getattr(module, "__all__", []))


def test_modules_were_found() -> None:
    assert {"wsrequest.errors", "wsrequest.protocol.client_codec", "wsrequest.conf"} <= set(MODULES)


# They import models of django.contrib.admin, which the tests' project does not have.
OF_THE_ADMIN = ["wsrequest.contrib.admin.pages", "wsrequest.contrib.admin.sites"]


@pytest.mark.parametrize("name", OF_THE_ADMIN)
def test_module_of_the_admin_has_what_it_exports(name: str) -> None:
    apps = "admin auth contenttypes messages sessions".split()
    program = f"""
import django
from django.conf import settings
settings.configure(INSTALLED_APPS={[f"django.contrib.{app}" for app in apps]})
django.setup()
import {name} as module
print(module.__all__, [name for name in module.__all__ if not hasattr(module, name)])
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=50
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("['") and done.stdout.endswith("'] []\n")


@pytest.mark.parametrize("name", [name for name in MODULES if name not in OF_THE_ADMIN])
def test_module_has_what_it_exports(name: str) -> None:
    module = importlib.import_module(name)
    names = exported(module)
    assert [export for export in names if not hasattr(module, export)] == []
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", sorted(wsrequest.__all__))
def test_public_name_is_importable(name: str) -> None:
    value = getattr(wsrequest, name)
    home = getattr(value, "__module__", None)
    if home is not None:
        # One object under two names: the home of a public name exports it too.
        assert name in exported(importlib.import_module(home))
        assert getattr(importlib.import_module(home), name) is value


def test_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no_such_name"):
        wsrequest.no_such_name  # noqa: B018 - the access is the test


@pytest.mark.parametrize("name", WITHOUT_DJANGO)
def test_import_does_without_django(name: str) -> None:
    program = f"import sys, {name}; print(*(m for m in sys.modules if m.split('.')[0] == 'django'))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=50
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "", "")


def test_import_starts_nothing() -> None:
    # Effects belong to ready() and to the server's start (layering rule 6).
    program = (
        "import django, threading\n"
        "from django.conf import settings\n"
        "settings.configure()\n"
        "import wsrequest.asgi, wsrequest.workers.pool, wsrequest.conf\n"
        "from django.core.signals import request_finished, request_started\n"
        "print(threading.active_count(), len(django.db.connections.all(True)))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=False, timeout=50
    )
    assert (done.returncode, done.stdout.strip(), done.stderr) == (0, "1 0", "")
