"""What a process that forks must have done before."""

import subprocess
import sys


def test_lookup_of_a_host_imports_nothing_in_the_sending_thread() -> None:
    """A child that was forked during an import can never finish that import."""
    program = (
        "import sys, wsrequest.bus.publisher, socket\n"
        "before = set(sys.modules)\n"
        "socket.getaddrinfo('127.0.0.1', 80)\n"
        "print(sorted(set(sys.modules) - before))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=50
    )
    assert done.stdout == "[]\n"
