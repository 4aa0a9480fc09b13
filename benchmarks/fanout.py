"""What the server of a bus does for many processes: as ``scale``'s part ``fanout``."""

import os
import sys
import time
from typing import Any

from benchmarks.buses import ask, engine, environ_of, process_of
from benchmarks.scene import Database
from benchmarks.servers import processor_seconds

RECEIVERS = {"redis": (2, 100), "nats": (2, 100), "notify": (2, 100), "log": (2, 30)}
"""How many processes are imitated. A slot of the log is more work, and the server allows 40."""
_RATE, _SECONDS = 50, 3
_FIRST = 50_000_000  # numbers that no other part writes


def fanout(name: str, database: Database, receivers: int) -> dict[str, Any]:
    """Measure the processor time of the bus's server when idle, and for each commit.

    Args:
        name: of the bus.
        database: of the project. For the log, it is the server of the bus.
        receivers: how many processes receive.
    """
    params, server = database
    with engine(name) as bus:
        environ = environ_of(params, bus.url)
        pid = bus.pid or server.pid
        receiving = [sys.executable, "-m", "benchmarks.apps.receivers", str(receivers)]
        writing = [sys.executable, "-m", "benchmarks.apps.committing"]
        with (
            process_of(receiving, environ, pipes=True) as receiver,
            process_of(writing, environ, pipes=True) as writer,
        ):
            _until_all_hear(receiver, writer, receivers)
            before, begun = processor_seconds(pid), time.perf_counter()
            time.sleep(_SECONDS)
            idle = (processor_seconds(pid) - before) / (time.perf_counter() - begun)
            came, before, begun = (
                ask(receiver, "")["came"], processor_seconds(pid), time.perf_counter(),
            )  # fmt: skip
            answer = ask(writer, f"steady {_RATE} {_SECONDS} 50 {_FIRST}")
            used = processor_seconds(pid) - before - idle * (time.perf_counter() - begun)
            time.sleep(1)
            commits = len(answer["committed"])
            return {
                "bus": name,
                "receivers": receivers,
                "idle_cpu": idle,
                "cpu_us": 1e6 * used / commits,
                "share_came": (ask(receiver, "")["came"] - came) / commits / receivers,
                "load": os.getloadavg()[0],
            }


def _until_all_hear(receiver: Any, writer: Any, receivers: int) -> None:
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        came = ask(receiver, "")["came"]
        ask(writer, f"commit 1 {_FIRST}")
        time.sleep(1)
        if ask(receiver, "")["came"] - came >= receivers:
            return
    raise SystemExit("not all processes receive")
