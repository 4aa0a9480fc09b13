"""Django's own tests, run with its test clients and with ours, and what of them differs.

Owns the two runs and the table. ``scripts/django-suite`` comes here; so does the suite, with two
labels.
"""

import json
import os
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import django

from tests.django_suite.explained import EXPLAINED
from tests.django_suite.recording import OUTCOMES, OVER_WEBSOCKET, PASSED
from tests.django_suite.sdist import Unavailable, tests_of

__all__ = ["Comparison", "RunFailed", "compare", "run"]

ROOT = Path(__file__).resolve().parents[2]
CACHE = ROOT / ".pytest_cache" / "d" / "django-suite"
LABELS = (
    "test_client test_client_regress generic_views auth_tests sessions_tests middleware csrf_tests "
    "file_uploads view_tests"
).split()


class RunFailed(Exception):
    """Django's runner did not come to its end; the text is the end of its output."""


@dataclass(frozen=True)
class Comparison:
    """How the tests of one suite ended with either client.

    Attributes:
        passed: ids of those that pass with Django's clients.
        sent: those of them that send a request through one.
        differing: those of ``passed`` that do not pass with ours, and how they end.
    """

    passed: frozenset[str]
    sent: frozenset[str]
    differing: dict[str, str]

    @property
    def unexplained(self) -> dict[str, str]:
        """Those that differ and have no reason in ``explained``."""
        return {test: end for test, end in self.differing.items() if test not in EXPLAINED}

    def table(self) -> str:
        """One line for each label, as Markdown."""

        def label(test: str) -> str:
            return test.partition(".")[0]

        passed, differing = Counter(map(label, self.passed)), Counter(map(label, self.differing))
        sent = Counter(map(label, self.sent))
        lines = [
            "| label | pass with Django's clients | send a request | pass with ours | share |",
            "|---|---|---|---|---|",
        ]
        rows = [(name, passed[name], sent[name], differing[name]) for name in sorted(passed)]
        rows.append(("all", passed.total(), sent.total(), differing.total()))
        lines += [
            f"| {name} | {count} | {sending} | {count - other} | {(count - other) / count:.2%} |"
            for name, count, sending, other in rows
            if count
        ]
        return "\n".join(lines)


def run(labels: list[str], cache: Path) -> Comparison:
    """Run labels of Django's suite with either client, both at the same time.

    Raises:
        Unavailable: its sdist could not be had.
        RunFailed: a label that it has not, or Django's runner ended early.
    """
    tests = tests_of(django.__version__, cache)
    with tempfile.TemporaryDirectory() as directory:
        runs = [_start(tests, labels, Path(directory), ours=ours) for ours in (False, True)]
        http, websocket = [_finish(*started) for started in runs]
    for test, end in http["outcomes"].items():
        if test.startswith("unittest.loader."):
            raise RunFailed(f"{test.rpartition('.')[2]} cannot be loaded: {end}")
    return compare(http, websocket)


def compare(http: dict[str, Any], websocket: dict[str, Any]) -> Comparison:
    """Compare what two runs wrote down; see ``recording``."""
    passed = frozenset(test for test, end in http["outcomes"].items() if end == PASSED)
    ends = {test: websocket["outcomes"].get(test, "did not run") for test in sorted(passed)}
    differing = {test: end for test, end in ends.items() if end != PASSED}
    return Comparison(passed, passed & set(websocket["sent"]), differing)


def _start(
    tests: Path, labels: list[str], directory: Path, *, ours: bool
) -> tuple[subprocess.Popen[bytes], Path, Path]:
    name = "websocket" if ours else "http"
    outcomes, log = directory / f"{name}.json", directory / f"{name}.log"
    environment = {**os.environ, "PYTHONPATH": str(ROOT), OUTCOMES: str(outcomes)}
    environment.pop("DJANGO_SETTINGS_MODULE", None)
    environment.pop("PYTHONDEVMODE", None)  # Django's suite is not ours to keep free of warnings
    environment.pop(OVER_WEBSOCKET, None)
    if ours:
        environment[OVER_WEBSOCKET] = "1"
    command = [sys.executable, "runtests.py", "--settings=tests.django_suite.settings"]
    command += ["--parallel=1", "--noinput", *labels]
    with log.open("wb") as output:
        process = subprocess.Popen(
            command, cwd=tests, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
    return process, outcomes, log


def _finish(process: subprocess.Popen[bytes], outcomes: Path, log: Path) -> Any:
    process.wait()
    if not outcomes.is_file():
        raise RunFailed(log.read_text(errors="replace")[-4000:])
    return json.loads(outcomes.read_text())


def main(labels: list[str]) -> int:
    """Print the table and the tests that differ; 1 when one of them has no reason."""
    CACHE.mkdir(parents=True, exist_ok=True)
    try:
        found = run(labels or LABELS, CACHE)
    except (Unavailable, RunFailed) as error:
        print(error, file=sys.stderr)
        return 2
    print(f"Django {django.__version__}, Python {sys.version.split()[0]}\n\n{found.table()}\n")
    for test, end in found.differing.items():
        print(f"{test}\n    {EXPLAINED.get(test, f'NOT EXPLAINED: {end}')}")
    return 1 if found.unexplained else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
