"""The tests of the package of 2014, out of its sdist and with their Django imports modernised.

Owns the download, which pip does once into a cache directory, and the check of what came.
"""

import ast
import hashlib
import subprocess
import sys
import tarfile
import types
from pathlib import Path

__all__ = ["Unavailable", "load", "modernise", "names", "read"]

MODULE = "wsrequest.tests"
CASE = "WebSocketRequestTestCase"
NAME, VERSION = "django-websocket-request", "0.1.1"
SHA256 = "3daadc93a75a9542f83d6e6d267e2626afc1e687fb3d3aae345419f84244175a"
MEMBER = f"{NAME}-{VERSION}/wsrequest/tests.py"
DOWNLOAD_SECONDS = 120

MODERNISED = {
    "from django.core.urlresolvers import resolve": "from django.urls import resolve",
    "from django.conf.urls import patterns": "from tests.ancestor.modern import patterns",
}


class Unavailable(Exception):
    """The sdist could not be had; the text says why and what to do."""


def read(directory: Path) -> str:
    """Return the source of the tests as it was published.

    Args:
        directory: where the sdist is, or will be put.

    Raises:
        Unavailable: pip could not fetch it, or fetched something else.
    """
    archive = directory / f"{NAME}-{VERSION}.tar.gz"
    if digest(archive) != SHA256:
        archive.unlink(missing_ok=True)
        fetch(directory)
    if digest(archive) != SHA256:
        raise Unavailable(f"{archive} is not the sdist of {NAME} {VERSION}: its SHA-256 differs.")
    with tarfile.open(archive) as opened:
        member = opened.extractfile(MEMBER)
        assert member is not None
        return member.read().decode()


def modernise(source: str) -> str:
    """Replace the import lines that Django has outgrown, and nothing else."""
    lines = source.split("\n")
    return "\n".join(MODERNISED.get(line, line) for line in lines)


def digest(archive: Path) -> str:
    """The SHA-256 of a file, "" where there is none."""
    return hashlib.sha256(archive.read_bytes()).hexdigest() if archive.is_file() else ""


def fetch(directory: Path) -> None:
    """Have pip put the sdist into ``directory``. It checks the hash before it opens the file."""
    requirements = directory / "requirements.txt"
    requirements.write_text(f"{NAME}=={VERSION} --hash=sha256:{SHA256}\n")
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--require-hashes"]
    command = [sys.executable, "-m", "pip", "download", *options]
    command += ["--no-binary", NAME, "--dest", str(directory), "--requirement", str(requirements)]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS)
    except subprocess.TimeoutExpired:
        reason = f"pip was not done after {DOWNLOAD_SECONDS} s"
    else:
        if done.returncode == 0:
            return
        reason = done.stderr.strip() or f"pip ended with {done.returncode}"
    raise Unavailable(
        f"The sdist of {NAME} {VERSION}, whose tests are run here, could not be downloaded. "
        f"Let pip reach a package index, or put the file into {directory}. {reason}"
    )


def names(source: str) -> list[str]:
    """The names of the test methods, in the order of the file."""
    (case,) = (
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == CASE
    )
    methods = (node for node in case.body if isinstance(node, ast.FunctionDef))
    return [method.name for method in methods if method.name.startswith("test")]


def load(source: str) -> types.ModuleType:
    """Run the modernised source as the module that it was; the caller makes it importable."""
    module = types.ModuleType(MODULE)
    module.__package__ = MODULE.rpartition(".")[0]
    module.__file__ = MEMBER
    exec(compile(modernise(source), MEMBER, "exec"), module.__dict__)
    return module
