"""The newer interpreters, each with the newest Django that it can run.

``scripts/test`` runs the Python at hand itself, under coverage, and comes here for the others. An
environment is reused, and its packages are installed again only when pyproject.toml changed.
"""

import hashlib
import os
import subprocess
from pathlib import Path

import nox

ROOT = Path(__file__).resolve().parent
DJANGO = "Django~=6.1.0"

nox.needs_version = ">=2025.10"
nox.options.reuse_venv = "yes"
nox.options.download_python = "never"
nox.options.error_on_missing_interpreters = False  # it is named, also in CI


def pyenv_directories() -> list[str]:
    """Return the ``bin`` directories of the interpreters that pyenv holds, the newest first.

    pyenv's own commands on PATH fail for every version that is not chosen for this directory.
    """
    try:
        answer = subprocess.run(["pyenv", "root"], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return []
    found = Path(answer.stdout.strip(), "versions").glob("3.*/bin")
    return [str(directory) for directory in sorted(found, reverse=True)]


os.environ["PATH"] = os.pathsep.join([*pyenv_directories(), os.environ["PATH"]])


def install(session: nox.Session) -> None:
    """Install the package with what its tests need, unless this was done for the same facts."""
    facts = [str(ROOT).encode(), DJANGO.encode(), (ROOT / "pyproject.toml").read_bytes()]
    fingerprint = hashlib.sha256(b"\0".join(facts)).hexdigest()
    stamp = Path(session.virtualenv.location, "installed")
    if stamp.is_file() and stamp.read_text() == fingerprint:
        return
    session.install("--editable", ".[test,tools]", DJANGO)
    stamp.write_text(fingerprint)


# What depends on neither the interpreter nor Django, or starts a process for each test, runs on the
# Python at hand only.
IN_PROCESS = ["tests/unit", "tests/live", "tests/contract", "tests/ancestor"]
CHOSEN = [*IN_PROCESS, "tests/acceptance", "tests/parity", "tests/security", "tests/tools"]
# 3.12 stands between the oldest and the newest. It runs what meets the interpreter itself: threads,
# context variables, asyncio, the drivers of databases and brokers.
NEAR_THE_INTERPRETER = """
    tests/unit/bus tests/unit/connection tests/unit/live/tracking tests/unit/request
    tests/unit/server tests/unit/subscriptions tests/unit/test tests/unit/test_asgi.py
    tests/unit/workers tests/live tests/contract
""".split()


@nox.session(python=["3.12", "3.13", "3.14", "3.15"])
def tests(session: nox.Session) -> None:
    """Run what may differ there, without what is marked ``once``; arguments are pytest's.

    scripts/test runs tests/oracle and tests/django_suite here, too, in a job of their own.
    ``nox -s tests-3.13 -- -m "once or not once" tests`` runs everything.
    """
    install(session)
    python, chosen = ["python", "-X", "dev"], CHOSEN
    # scripts/test gives it only what others leave of a processor.
    options = ["-m", "not once", "-o", "timeout=300"]
    if session.python == "3.12":
        python, chosen = ["python"], NEAR_THE_INTERPRETER
    session.run(*python, "-m", "pytest", *options, *(session.posargs or chosen))
