"""A part of Django's own suite passes with our clients; and the comparison finds what does not."""

from pathlib import Path
from typing import Any

import django
import pytest

from tests.django_suite import run, sdist
from tests.django_suite.explained import EXPLAINED
from tests.django_suite.run import ROOT, Comparison, compare

# Those that send most, and those of who somebody is; scripts/django-suite runs more than is
# bearable at each change.
LABELS = "auth_tests test_client test_client_regress csrf_tests asgi handlers".split()


@pytest.fixture(scope="module")
def found(pytestconfig: pytest.Config) -> Comparison:
    try:
        return run.run(LABELS, pytestconfig.cache.mkdir("django-suite"))
    except sdist.Unavailable as error:
        pytest.fail(str(error), pytrace=False)


@pytest.mark.timeout(900)  # pip builds metadata of the sdist, once for each release
def test_djangos_own_tests_pass_but_for_those_explained(found: Comparison) -> None:
    assert found.unexplained == {}
    # A reason that nothing needs any more has to go; some tests are of one release of Django.
    assert set(found.differing) == EXPLAINED.keys() & found.passed
    assert len(found.passed) > 1000
    assert len(found.sent) > 350


def test_comparison_finds_what_fails_or_does_not_run() -> None:
    http = {"outcomes": {"a.one": "passed", "a.two": "passed", "b.one": "Error: x"}, "sent": []}
    ours = {"outcomes": {"a.one": "Error: y", "b.one": "Error: z"}, "sent": ["a.one"]}
    found = compare(http, ours)
    assert found.differing == {"a.one": "Error: y", "a.two": "did not run"}
    assert found.unexplained == found.differing
    assert (found.passed, found.sent) == ({"a.one", "a.two"}, {"a.one"})
    assert found.table().splitlines()[2:] == [
        "| a | 2 | 1 | 0 | 0.00% |",
        "| all | 2 | 1 | 0 | 0.00% |",
    ]


def test_parity_page_names_each_test_that_differs() -> None:
    page = (ROOT / "docs" / "parity.md").read_text(encoding="utf-8")
    section = page.partition("\n## The test clients\n")[2].partition("\n## ")[0]
    assert [test for test in EXPLAINED if f"`{test}`" not in section] == []


@pytest.mark.timeout(400)
def test_label_that_django_has_not_is_told(found: Comparison, pytestconfig: pytest.Config) -> None:
    with pytest.raises(run.RunFailed, match="no_such_label"):
        run.run(["no_such_label"], pytestconfig.cache.mkdir("django-suite"))


def test_download_that_fails_is_told_in_a_sentence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    with pytest.raises(sdist.Unavailable, match="could not be downloaded. Let pip reach"):
        sdist.tests_of(django.__version__, tmp_path)


def test_download_of_something_else_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    version = next(iter(sdist.SHA256))

    def fetch(*arguments: Any) -> None:
        (tmp_path / f"django-{version}.tar.gz").write_bytes(b"something else")

    monkeypatch.setattr(sdist, "_fetch", fetch)
    with pytest.raises(sdist.Unavailable, match="its SHA-256 differs"):
        sdist.tests_of(version, tmp_path)
    assert list(tmp_path.iterdir()) == []
