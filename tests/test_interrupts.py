"""The suite under nohup, or behind an ampersand."""

import signal
import subprocess
import sys

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
