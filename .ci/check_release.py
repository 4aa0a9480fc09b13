"""Usage: python .ci/check_release.py TAG OWNER/REPOSITORY

Says what is missing before TAG can be published. A release cannot be taken back, so each file that
names the version or an address is compared before anything is built.
"""

import json
import re
import sys
import tomllib
from pathlib import Path

URLS = ("Documentation", "Source", "Issues", "Changelog")
PLACEHOLDER = "ADDRESS_OF_THIS_REPOSITORY"
_PRERELEASES = {"a": "alpha", "b": "beta", "rc": "rc"}


def npm_version(version: str) -> str | None:
    """Return the version of a release in npm's spelling: ``1.0.0-rc.1`` for ``1.0.0rc1``."""
    parts = re.fullmatch(r"(\d+\.\d+\.\d+)(?:(a|b|rc)(\d+))?", version)
    if parts is None:
        return None
    number, kind, count = parts.groups()
    return number if kind is None else f"{number}-{_PRERELEASES[kind]}.{count}"


def problems(root: Path, tag: str, repository: str) -> list[str]:
    """Return one sentence for each thing that keeps ``tag`` from being published."""
    found = []

    def read(path: str) -> str:
        return (root / path).read_text(encoding="utf-8")

    version = re.search(r'^__version__ = "(.*)"$', read("src/wsrequest/__init__.py"), re.MULTILINE)
    if version is None or version[1] != tag:
        found.append(f"src/wsrequest/__init__.py: __version__ is not {tag}.")
    expected = npm_version(tag)
    if expected is None:
        found.append(f"{tag} is no version to publish: 1.2.3, 1.2.3a1, 1.2.3b1 or 1.2.3rc1 are.")
    package = json.loads(read("client/package.json"))
    if package["version"] != expected:
        found.append(f"client/package.json: version is not {expected}.")
    address = f"https://github.com/{repository}"
    if package.get("repository", {}).get("url") != f"git+{address}.git":
        found.append(f"client/package.json: repository.url is not git+{address}.git.")
    urls = tomllib.loads(read("pyproject.toml"))["project"].get("urls", {})
    found += [f"pyproject.toml: [project.urls] has no {name}." for name in URLS if name not in urls]
    if "Source" in urls and urls["Source"] != address:
        found.append(f"pyproject.toml: Source in [project.urls] is not {address}.")
    heading = rf"^## {re.escape(tag)} - \d{{4}}-\d\d-\d\d$"
    if not re.search(heading, read("CHANGELOG.md"), re.MULTILINE):
        found.append(f'CHANGELOG.md: there is no heading "## {tag} - YYYY-MM-DD".')
    if PLACEHOLDER in read("README.md"):
        found.append(f"README.md: {PLACEHOLDER} still stands for the address.")
    return found


if __name__ == "__main__":
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    if sentences := problems(Path(__file__).resolve().parent.parent, *sys.argv[1:]):
        sys.exit("\n".join(sentences))
