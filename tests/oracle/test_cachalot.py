"""Live requests of a project that keeps the results of its queries with django-cachalot."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.once  # what is tried here is that its keys are seen
def test_what_cachalot_answers_is_current(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.oracle.cachalot", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=55)
    assert (done.returncode, done.stdout.strip()) == (0, "current"), done.stdout + done.stderr
