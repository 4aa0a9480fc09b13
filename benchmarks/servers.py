"""Processes of subjects: started on their core, asked what they used, ended."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.subjects import Subject

_TICKS = os.sysconf("SC_CLK_TCK")
_START_SECONDS = 30.0


def cores() -> tuple[int, int] | None:
    """The core for servers and that for the load; None when there is only one."""
    found = sorted(os.sched_getaffinity(0))
    return (found[0], found[1]) if len(found) > 1 else None


def free_port() -> int:
    """A port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def core_busy(core: int) -> float:
    """Seconds for which a core has worked so far, whoever for (proc(5), /proc/stat)."""
    for line in Path("/proc/stat").read_text().splitlines():
        name, *ticks = line.split()
        if name == f"cpu{core}":
            user, nice, system, _idle, _iowait, irq, softirq, steal = map(int, ticks[:8])
            return (user + nice + system + irq + softirq + steal) / _TICKS
    return 0.0


def descendants(root: int) -> list[int]:
    """A process and all below it."""
    found, new = [], [root]
    while new:
        pid = new.pop()
        found.append(pid)
        try:
            for children in Path(f"/proc/{pid}/task").glob("*/children"):
                new += map(int, children.read_text().split())
        except OSError:  # a thread that ended meanwhile
            continue
    return found


def processor_seconds(root: int) -> float:
    """Processor seconds of a process and its children so far."""
    ticks = 0
    for pid in descendants(root):
        try:
            fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        except OSError:  # a child that ended meanwhile
            continue
        ticks += int(fields[11]) + int(fields[12])  # utime, stime (proc(5) 14 and 15)
    return ticks / _TICKS


class Server:
    """A running subject, pinned to one core.

    Args:
        subject: what to start.
        environ: its whole environment.
        core: where it runs; None for anywhere.
    """

    def __init__(self, subject: Subject, environ: dict[str, str], core: int | None) -> None:
        self.subject, self.core = subject, core
        self.port = free_port()
        argv = [sys.executable, *(part.format(port=self.port) for part in subject.argv)]
        has_port = subject.kind not in ("ceiling", "process")
        pipe = subprocess.DEVNULL if has_port else subprocess.PIPE
        ours = os.sched_getaffinity(0)
        if core is not None:
            os.sched_setaffinity(0, {core})  # inherited, so that no thread starts elsewhere
        try:
            self.process = subprocess.Popen(
                argv, env=environ, stdin=pipe, stdout=None if has_port else pipe, text=True
            )
        finally:
            os.sched_setaffinity(0, ours)
        if has_port:
            self._wait()

    def _wait(self) -> None:
        end = time.monotonic() + _START_SECONDS
        while time.monotonic() < end:
            if self.process.poll() is not None:
                break
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=5) as probe:
                    if self.subject.kind == "http":  # granian listens before its worker is there
                        probe.sendall(b"HEAD / HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                        if not probe.recv(1):
                            continue
                return
            except OSError:
                time.sleep(0.05)
        self.stop()
        raise SystemExit(f"{self.subject.name}: the server did not start")

    def command(self, line: str) -> dict[str, Any]:
        """Have a process without a port do something."""
        assert self.process.stdin is not None and self.process.stdout is not None
        self.process.stdin.write(line + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        if not answer:
            raise SystemExit(f"{self.subject.name}: the process ended")
        found: dict[str, Any] = json.loads(answer)
        return found

    def cpu(self) -> float:
        """Processor seconds of the process and its children so far."""
        return processor_seconds(self.process.pid)

    def memory_kib(self) -> int:
        """Proportional set size of the process and its children, in KiB."""
        total = 0
        for pid in descendants(self.process.pid):
            for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
        return total

    def stop(self) -> None:
        """End it. Safe to call twice."""
        if self.process.stdin is not None:
            self.process.stdin.close()
        end_process(self.process)
        if self.process.stdout is not None:
            self.process.stdout.close()


def end_process(process: "subprocess.Popen[Any]") -> None:
    """End a process, by force when it takes too long. Safe to call twice."""
    process.terminate()
    try:
        process.wait(15)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@contextmanager
def running(
    subjects: list[Subject], environs: dict[str, dict[str, str]], core: int | None
) -> Iterator[dict[str, Server]]:
    """All subjects' servers, ended at the end whatever happens."""
    servers: dict[str, Server] = {}
    try:
        for subject in subjects:
            servers[subject.name] = Server(subject, environs[subject.name], core)
        yield servers
    finally:
        for server in servers.values():
            server.stop()
