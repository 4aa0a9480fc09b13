"""Django's own tests, out of the sdist of the Django that is installed.

Owns the download, which pip does once into a cache directory, and the check of what came.
"""

import hashlib
import subprocess
import sys
import tarfile
from pathlib import Path

__all__ = ["Unavailable", "tests_of"]

SHA256 = {
    "5.2.19": "ad03d8abc51dbff95ebf34b27123cf0c26a3b62db7ba0cd520783686362533d1",
    "6.1.3": "b5d2d9e35295065d13b1927b3f19a59bd119f737aa6299def14ccca1ae3c8c0d",
}
"""Of releases that were looked at. Of a newer one pip checks the hash that its index gives."""

DOWNLOAD_SECONDS = 240


class Unavailable(Exception):
    """The tests could not be had; the text says why and what to do."""


def tests_of(version: str, directory: Path) -> Path:
    """Return the directory of Django's tests, unpacked.

    Args:
        version: of Django, as ``django.__version__`` has it.
        directory: where the sdist is, or will be put.

    Raises:
        Unavailable: pip could not fetch it, or fetched something else.
    """
    archive = directory / f"django-{version}.tar.gz"
    if not archive.is_file():
        _fetch(version, directory)
    if not archive.is_file():
        raise Unavailable(f"pip did not bring {archive.name}")
    digest = hashlib.sha256(archive.read_bytes()).hexdigest()
    if SHA256.get(version, digest) != digest:
        archive.unlink()
        raise Unavailable(f"{archive} is not the sdist of Django {version}: its SHA-256 differs.")
    unpacked = directory / digest[:16]  # another archive gets another directory
    tests = unpacked / f"django-{version}" / "tests"
    if not (unpacked / "complete").is_file():
        with tarfile.open(archive) as opened:
            _check_version(opened, version)
            members = [m for m in opened if m.name.startswith(f"django-{version}/tests/")]
            opened.extractall(unpacked, members, filter="data")
        (unpacked / "complete").touch()
    return tests


def _check_version(opened: tarfile.TarFile, version: str) -> None:
    member = opened.extractfile(f"django-{version}/PKG-INFO")
    lines = [] if member is None else member.read().decode().splitlines()
    if "Name: Django" not in lines or f"Version: {version}" not in lines:
        raise Unavailable(f"{opened.name!r} does not call itself Django {version}.")


def _fetch(version: str, directory: Path) -> None:
    options = ["--quiet", "--disable-pip-version-check", "--no-deps", "--no-binary", "django"]
    command = [sys.executable, "-m", "pip", "download", *options]
    command += ["--dest", str(directory), f"django=={version}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=DOWNLOAD_SECONDS)
    except subprocess.TimeoutExpired:
        reason = f"pip was not done after {DOWNLOAD_SECONDS} s"
    else:
        if done.returncode == 0:
            return
        reason = done.stderr.strip() or f"pip ended with {done.returncode}"
    raise Unavailable(
        f"The sdist of Django {version}, whose tests are run here, could not be downloaded. "
        f"Let pip reach a package index, or put the file into {directory}. {reason}"
    )
