"""The tests of the package of 2014 pass, each of them as a test of its own here."""

import sys
import unittest
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.ancestor import sdist
from tests.ancestor.modern import patterns

COUNT = 28  # in the sdist that has the hash


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each method; when there is no file, one that fails and says so."""
    if "ancestor" in metafunc.fixturenames:
        try:
            source = sdist.read(metafunc.config.cache.mkdir("ancestor"))
        except sdist.Unavailable as error:
            metafunc.parametrize("ancestor", [error], ids=["download"], indirect=True)
        else:
            found = [(source, name) for name in sdist.names(source)]
            metafunc.parametrize("ancestor", found, ids=[name for _, name in found], indirect=True)


@pytest.fixture
def ancestor(
    request: pytest.FixtureRequest,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
    django_db_setup: None,
    django_db_blocker: Any,
) -> Iterator[unittest.TestCase]:
    """One test of 2014, in a project whose URLs are those of its file."""
    if isinstance(request.param, sdist.Unavailable):
        pytest.fail(str(request.param), pytrace=False)
    source, name = request.param
    module = sdist.load(source)
    monkeypatch.setitem(sys.modules, sdist.MODULE, module)
    settings.ROOT_URLCONF = sdist.MODULE
    with django_db_blocker.unblock():
        yield getattr(module, sdist.CASE)(name)


@pytest.fixture
def source(pytestconfig: pytest.Config) -> str:
    """The file of 2014."""
    try:
        return sdist.read(pytestconfig.cache.mkdir("ancestor"))
    except sdist.Unavailable as error:
        pytest.fail(str(error), pytrace=False)


def test_ancestor_test_passes(ancestor: unittest.TestCase) -> None:
    result = unittest.TestResult()
    unittest.TestSuite([ancestor]).run(result)
    problems = [text for _, text in [*result.errors, *result.failures]]
    assert problems == [], "\n".join(problems)
    assert (result.testsRun, result.skipped, result.expectedFailures) == (1, [], [])


def test_ancestor_tests_are_all_there(source: str) -> None:
    found = sdist.names(source)
    assert len(set(found)) == len(found) == source.count("    def test_") == COUNT


def test_ancestor_file_is_changed_in_its_imports_only(source: str) -> None:
    old, new = source.split("\n"), sdist.modernise(source).split("\n")
    changed = [pair for pair in zip(old, new, strict=True) if pair[0] != pair[1]]
    assert changed == list(sdist.MODERNISED.items())


def test_download_that_fails_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(sdist.Unavailable, match="could not be downloaded. Let pip reach"):
        sdist.read(tmp_path)


def test_download_of_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive = tmp_path / f"{sdist.NAME}-{sdist.VERSION}.tar.gz"
    monkeypatch.setattr(sdist, "fetch", lambda directory: archive.write_bytes(b"something else"))
    with pytest.raises(sdist.Unavailable, match="its SHA-256 differs"):
        sdist.read(tmp_path)


def test_patterns_take_callables_only() -> None:
    assert patterns("") == []
    with pytest.raises(ValueError, match="views are callables"):
        patterns("project.views", (r"^a/$", print))
