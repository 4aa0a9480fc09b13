"""The page about versions says what pyproject.toml and the package say, and linters are pinned."""

import importlib
import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGE = (ROOT / "docs/versions.md").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("name", "classifier"),
    [("Django", r"Framework :: Django :: (.+)"), ("Python", r"Programming .*:: Python :: (3\..+)")],
)
def test_page_about_versions_names_what_is_supported(name: str, classifier: str) -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    promised = [
        found[1] for each in project["classifiers"] if (found := re.fullmatch(classifier, each))
    ]
    assert re.findall(rf"^\| {name} ([\d.]+) \|", PAGE, re.MULTILINE) == promised


def test_public_modules_say_which_names_are_public() -> None:
    sentence = PAGE.partition("the names in `__all__` of ")[2].partition(". Also")[0]
    modules = re.findall(r"`(wsrequest[\w.]*)`", sentence)
    assert len(modules) > 1
    assert [name for name in modules if not importlib.import_module(name).__all__] == []


def test_linters_are_pinned_and_pre_commit_runs_the_same_ruff() -> None:
    """A new release of a linter finds new faults, which must not break a build that passed."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pinned = dict(
        each.split("==") for each in project["optional-dependencies"]["dev"] if "==" in each
    )
    assert {"django-stubs", "mypy", "proselint", "ruff"} <= set(pinned)
    hooks = (ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8")
    assert re.findall(r"ruff-pre-commit\n    rev: v(.+)", hooks) == [pinned["ruff"]]
