"""All subjects in turn, several rounds, medians and ratios: ``scripts/bench``.

The server is pinned to one core and the load generator to another, where there
are two. Differences under a quarter mean nothing on a shared machine.
"""

import argparse
import json
import os
import socket
import statistics
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

RESULTS = Path(__file__).parent / "results"
UVICORN = [
    "-m",
    "uvicorn",
    "--log-level",
    "warning",
    "--no-access-log",
    "--ws",
    "websockets-sansio",
    "--ws-per-message-deflate",
    "false",
]


@dataclass(frozen=True)
class Subject:
    """A server and the way in which it is asked; ``{port}`` in ``argv`` is filled in."""

    name: str
    kind: str
    argv: tuple[str, ...]


OURS = Subject(
    "wsrequest on uvicorn",
    "ws",
    (*UVICORN, "--port", "{port}", "benchmarks.application:application"),
)
DJANGO_ASGI = Subject(
    "Django ASGI on uvicorn, HTTP",
    "http",
    (*UVICORN, "--port", "{port}", "benchmarks.application:application"),
)
GRANIAN = Subject(
    "Django WSGI on granian, HTTP",
    "http",
    (
        "-m",
        "granian",
        "--interface",
        "wsgi",
        "--port",
        "{port}",
        "--log-level",
        "warning",
        "benchmarks.wsgi:application",
    ),
)
SUBJECTS = (OURS, DJANGO_ASGI, GRANIAN)
SHAPES = (
    (1, 1),
    (1, 32),
    (32, 1),
)  # connections x in flight; HTTP has one in flight, so 1 x 32 is left out for it
PATHS = ("/trivial/", "/drf/1/", "/async/")


def _pinned(core: int, argv: list[str]) -> list[str]:
    return ["taskset", "-c", str(core), *argv] if (os.cpu_count() or 1) > 1 else argv


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait(port: int, server: "subprocess.Popen[bytes]") -> None:
    end = time.monotonic() + 20
    while time.monotonic() < end:
        if server.poll() is not None:
            raise SystemExit("a server ended before it was measured")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
            return
        except OSError:
            time.sleep(0.05)
    raise SystemExit("a server did not start")


def measure(
    subject: Subject, path: str, connections: int, in_flight: int, seconds: float
) -> dict[str, float]:
    """Start a subject, load it, stop it; return its figures."""
    port = _free_port()
    argv = [sys.executable, *(part.format(port=port) for part in subject.argv)]
    server = subprocess.Popen(_pinned(0, argv))
    try:
        _wait(port, server)
        load = [sys.executable, "-m", "benchmarks.load", subject.kind, str(port), path]
        shape = ["--connections", str(connections), "--in-flight", str(in_flight)]
        subprocess.run(
            _pinned(1, [*load, *shape, "--seconds", "0.5"]), check=True, stdout=subprocess.DEVNULL
        )
        done = subprocess.run(
            _pinned(1, [*load, *shape, "--seconds", str(seconds)]), check=True, capture_output=True
        )
    finally:
        server.terminate()
        server.wait(20)
    figures: dict[str, float] = json.loads(done.stdout)
    return figures


def ceiling(path: str, seconds: float) -> float:
    """Requests per second of the handler alone."""
    argv = [sys.executable, "-m", "benchmarks.ceiling", path, str(seconds)]
    return float(subprocess.run(_pinned(0, argv), check=True, capture_output=True).stdout)


def main() -> None:
    """Run the rounds and write the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--paths", nargs="*", default=PATHS)
    arguments = parser.parse_args()
    RESULTS.mkdir(exist_ok=True)
    environ = {**os.environ, "DJANGO_SETTINGS_MODULE": "benchmarks.project"}
    subprocess.run([sys.executable, "-m", "django", "migrate", "-v0"], check=True, env=environ)
    figures: dict[str, dict[str, list[float]]] = {}
    for _ in range(arguments.rounds):
        for path in arguments.paths:
            row = figures.setdefault(path, {})
            row.setdefault("ceiling", []).append(ceiling(path, arguments.seconds))
            for subject in SUBJECTS:
                for connections, in_flight in SHAPES:
                    if subject.kind == "http" and in_flight > 1:
                        continue
                    found = measure(subject, path, connections, in_flight, arguments.seconds)
                    key = f"{subject.name}, {connections} x {in_flight}"
                    row.setdefault(key, []).append(found["rps"])
                    row.setdefault(f"{key}, p50 ms", []).append(found["p50_ms"])
    text = table(figures)
    print(text)
    (RESULTS / "latest.md").write_text(text)


def table(figures: dict[str, dict[str, list[float]]]) -> str:
    """The figures as Markdown: median, range, and the median share of each round's ceiling."""
    lines = ["| view | subject | median | least - most | of the ceiling |", "|---|---|---|---|---|"]
    for path, row in figures.items():
        for name, values in row.items():
            share = ""
            if "p50" not in name:
                ratios = [value / top for value, top in zip(values, row["ceiling"], strict=True)]
                share = f"{statistics.median(ratios):.2f}"
            middle, spread = statistics.median(values), f"{min(values):,.2f} - {max(values):,.2f}"
            lines.append(f"| {path} | {name} | {middle:,.2f} | {spread} | {share} |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
