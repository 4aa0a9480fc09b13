"""A release is published only if all files agree on its version and its address."""

import importlib.util
import json
import shutil
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parent.parent
REPOSITORY = "somebody/wsrequest"
FILES = (
    *("src/wsrequest/__init__.py", "client/package.json", "pyproject.toml"),
    *("CHANGELOG.md", "README.md"),
)


@pytest.fixture(scope="module")
def check_release() -> ModuleType:
    """The script, which has no package to be imported from."""
    spec = importlib.util.spec_from_file_location("check_release", ROOT / ".ci/check_release.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_repository_between_releases_cannot_be_published(
    check_release: ModuleType, tmp_path: Path
) -> None:
    for path in FILES:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / path, tmp_path / path)
    named = {problem.partition(":")[0] for problem in check_release.problems(tmp_path, "9.9.9", "")}
    assert {"src/wsrequest/__init__.py", "client/package.json", "CHANGELOG.md"} <= named


def test_files_that_agree_can_be_published(check_release: ModuleType, tmp_path: Path) -> None:
    address = f"https://github.com/{REPOSITORY}"
    package = {"version": "1.0.0-rc.1", "repository": {"url": f"git+{address}.git"}}
    urls = "".join(f'{name} = "{address}"\n' for name in check_release.URLS)
    texts = {
        "src/wsrequest/__init__.py": '__version__ = "1.0.0rc1"\n',
        "client/package.json": json.dumps(package),
        "pyproject.toml": f"[project.urls]\n{urls}",
        "CHANGELOG.md": "# Changelog\n\n## 1.0.0rc1 - 2027-01-02\n",
        "README.md": "# wsrequest\n",
    }
    for path, text in texts.items():
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)
    assert check_release.problems(tmp_path, "1.0.0rc1", REPOSITORY) == []
    # Each file counts: with any of them spoiled, its problem is named.
    spoiled = dict.fromkeys(texts, "") | {
        "client/package.json": '{"version": "1.0.0"}',
        "pyproject.toml": "[project]\n",
        "README.md": check_release.PLACEHOLDER,
    }
    for path, text in spoiled.items():
        (tmp_path / path).write_text(text)
        found = check_release.problems(tmp_path, "1.0.0rc1", REPOSITORY)
        assert found and {problem.partition(":")[0] for problem in found} == {path}
        (tmp_path / path).write_text(texts[path])


@pytest.mark.parametrize(
    ("version", "expected"),
    [("1.2.3", "1.2.3"), ("1.2.3rc4", "1.2.3-rc.4"), ("1.0.0.dev0", None), ("v1.0.0", None)],
)
def test_npm_spells_a_version_in_its_own_way(
    check_release: ModuleType, version: str, expected: str | None
) -> None:
    assert check_release.npm_version(version) == expected
