"""The command: ``scripts/bench``. Chooses what to measure, measures it, writes the results."""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from benchmarks import measure, plot, report, rows
from benchmarks.rows import Comparison, Point
from benchmarks.servers import cores
from benchmarks.subjects import SUBJECTS

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "benchmarks" / "results"


def arguments() -> argparse.Namespace:
    """What the user wants."""
    parser = argparse.ArgumentParser(prog="scripts/bench", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0, help="of each slice")
    parser.add_argument("--rows", default="1,2,3,4,5,6,7", help="numbers, with commas")
    parser.add_argument("--views", default="trivial,drf,async", help="names, with commas")
    parser.add_argument("--subjects", default=",".join(SUBJECTS), help="names, with commas")
    parser.add_argument("--quick", action="store_true", help="1 round of 0.5 s, for a look")
    parser.add_argument(
        "--nice", type=int, default=0, help="priority of all processes, -20 to 19 (root: below 0)"
    )
    parser.add_argument(
        "--against",
        metavar="DIRECTORY",
        help="compare only with wsrequest of another checkout (its root), instead of the rows",
    )
    parser.add_argument(
        "--out", type=Path, help="directory for results; that of this repository for a whole run"
    )
    found = parser.parse_args()
    if found.quick:
        found.rounds, found.seconds = 1, 0.5
    parts = ("rounds", "seconds", "rows", "views", "subjects", "against")
    if found.out is None and all(
        getattr(found, part) == parser.get_default(part) for part in parts
    ):
        found.out = RESULTS
    return found


def chosen_comparisons(wanted: argparse.Namespace) -> list[Comparison]:
    """The rows of the command line, or the comparison with another tree."""
    views = {*wanted.views.split(","), ""}
    if wanted.against:
        found = rows.against_before()
    else:
        numbers = set(map(int, wanted.rows.split(",")))
        found = [each for each in rows.comparisons() if each.row in numbers]
    return [each for each in found if each.ours.view in views]


def environs(database: str, against: str | None) -> dict[str, dict[str, str]]:
    """The environment of each subject."""
    common = {
        **os.environ,
        "DJANGO_SETTINGS_MODULE": "benchmarks.project",
        "BENCH_DB": database,
        "PYTHONPATH": str(ROOT),
    }
    found = {name: common for name in SUBJECTS}
    if against:
        source = Path(against).resolve() / "src"
        if not (source / "wsrequest").is_dir():
            raise SystemExit(f"{against} is no checkout: it has no src/wsrequest")
        found["before"] = {**common, "PYTHONPATH": f"{source}{os.pathsep}{ROOT}"}
    return found


@contextmanager
def priority(nice: int) -> Iterator[None]:
    """Run with another priority: of this process, its children, and their session (sched(7))."""
    if not nice:
        yield
        return
    os.setpriority(os.PRIO_PROCESS, 0, nice)
    group = Path("/proc/self/autogroup")  # "/autogroup-42 nice 0"; it stays the shell's, too
    before = group.read_text().split()[-1] if group.exists() else None
    if before is not None:
        group.write_text(str(nice))
    try:
        yield
    finally:
        if before is not None:
            group.write_text(before)


def say(text: str) -> None:
    """Tell the user what is going on."""
    print(text, file=sys.stderr, flush=True)


def gather(wanted: argparse.Namespace, chosen: list[Comparison], database: str) -> report.Samples:
    """Measure what the comparisons need."""
    names = wanted.subjects.split(",")
    where = environs(database, wanted.against)
    subprocess.run(
        [sys.executable, "-m", "django", "migrate", "-v0"], env=where["ours"], check=True
    )
    server_core = None
    if (found := cores()) is not None:
        server_core, load_core = found
        os.sched_setaffinity(0, {load_core})
    samples: report.Samples = {}
    points = rows.points(chosen, names)
    if points:
        samples |= measure.rates(points, wanted.rounds, wanted.seconds, where, server_core, say)
    idle = [name for name in ("ours", "echo") if name in names]
    if any(each.figure == "idle_kib" for each in chosen) and idle:
        rounds = min(wanted.rounds, 3)
        samples |= measure.idle(idle, rounds, where, server_core, say)
    return samples


def as_json(verdicts: list[report.Verdict], samples: report.Samples, known: dict[str, str]) -> str:
    """All that was measured, for programs."""

    def named(point: Point | None) -> dict[str, str] | None:
        return None if point is None else asdict(point)

    found = {
        "facts": known,
        "targets": [
            {
                "row": verdict.comparison.row,
                "title": verdict.comparison.title,
                "figure": verdict.comparison.figure,
                "ours": named(verdict.comparison.ours),
                "peer": named(verdict.peer),
                "target": verdict.comparison.target,
                "how": verdict.comparison.how,
                "basis": verdict.basis,
                "middle": verdict.middle,
                "least": verdict.least,
                "most": verdict.most,
                "clock": verdict.clock,
                "cpu": verdict.cpu,
                "is_met": verdict.is_met,
            }
            for verdict in verdicts
        ],
        "samples": [{**asdict(point), "rounds": each} for point, each in samples.items()],
    }
    return json.dumps(found, indent=1) + "\n"


def main() -> None:
    """Run the command."""
    wanted = arguments()
    chosen = chosen_comparisons(wanted)
    with priority(wanted.nice), tempfile.TemporaryDirectory() as directory:
        samples = gather(wanted, chosen, str(Path(directory, "bench.sqlite3")))
    verdicts = report.judge_all(chosen, samples)
    known = report.facts()
    terms = f"{wanted.rounds} rounds of {wanted.seconds:g} s for each figure, interleaved."
    text = report.markdown(verdicts, samples, known, terms)
    print(text)
    if wanted.out is not None:
        wanted.out.mkdir(parents=True, exist_ok=True)
        (wanted.out / "latest.md").write_text(text)
        (wanted.out / "latest.json").write_text(as_json(verdicts, samples, known))
        if verdicts:
            plot.draw(verdicts, wanted.out / "latest.svg")


if __name__ == "__main__":
    main()
