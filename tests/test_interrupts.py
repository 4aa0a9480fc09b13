"""The suite under nohup, or behind an ampersand, and its commands when a supervisor ends them."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import takewhile
from pathlib import Path

import pytest

CHILD = "import signal; print(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
PARENT = (
    "import subprocess, sys\n"
    "from tests.interrupts import heed_interrupts\n"
    "{heed}\n"
    "subprocess.run([sys.executable, '-c', sys.argv[1]], check=True)\n"
)


def started_with_interrupts_ignored(program: str) -> str:
    return subprocess.run(
        [sys.executable, "-c", program, CHILD],
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
        stdout=subprocess.PIPE,
        text=True,
        check=True,
    ).stdout.strip()


def test_what_tests_start_can_be_interrupted_whatever_started_the_tests() -> None:
    assert started_with_interrupts_ignored(PARENT.format(heed="")) == "False"
    assert started_with_interrupts_ignored(PARENT.format(heed="heed_interrupts()")) == "True"


@pytest.fixture
def directory() -> Iterator[Path]:
    """One that PostgreSQL's user may enter, which is not so below pytest's own."""
    with tempfile.TemporaryDirectory(prefix="wsrequest-ends-") as name:
        path = Path(name)
        path.chmod(0o711)
        yield path


@pytest.mark.once
@pytest.mark.parametrize("is_ignored", [False, True], ids=["terminal", "nohup"])
@pytest.mark.parametrize(
    "program",
    [["tests.oracle.oracle", "--commits", "9999"], ["tests.pairs.pairs", "--seconds", "50"]],
    ids=["oracle", "pairs"],
)
def test_command_ends_on_sigterm_and_cleans_up(
    program: list[str], is_ignored: bool, directory: Path
) -> None:
    """The application that it serves held the signal back; killed, it left a server's files."""
    action = signal.SIG_IGN if is_ignored else signal.default_int_handler
    with subprocess.Popen(
        [sys.executable, "-m", *program, "--seed", "a", "--postgres"],
        preexec_fn=lambda: signal.signal(signal.SIGINT, action),
        env={**os.environ, "TMPDIR": str(directory)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        try:
            said = list(takewhile(lambda line: "begins" not in line, process.stdout))
            assert list(directory.glob("wsrequest-postgres-*")), said
            time.sleep(1.0)  # nothing tells of the first connection
            process.send_signal(signal.SIGTERM)
            rest, _ = process.communicate(timeout=20)
        finally:
            process.kill()
    assert (process.returncode, rest.splitlines()[-1:]) == (1, ["interrupted"]), rest
    left = {path.name for path in directory.iterdir()}
    assert left <= {"default.sqlite3"}  # of the tests' project, one for all
